/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../read/db_tiles.h"

#define KEY_LEAST 16u

/* clang-format off */
static const mk_option tls_options[] = {
	{ .name = "cert", .type = MK_OPT_STRING, .help = "PEM file with the certificate chain" },
	{ .name = "key", .type = MK_OPT_STRING, .help = "PEM file with its private key" },
	{ .name = NULL },
};

static const mk_option compat_options[] = {
	{ .name = "listen", .type = MK_OPT_LIST, .max = 8,
	  .help = "addresses on which CoreScope's own pages are served in front of the same API" },
	{ .name = "static", .type = MK_OPT_STRING, .help = "folder with those pages" },
	{ .name = NULL },
};

static const mk_option limit_options[] = {
	{ .name = "connections", .type = MK_OPT_INT, .min = 8, .max = 16384, .dflt = "512",
	  .help = "connections altogether; more are told 503 and closed" },
	{ .name = "per_address", .type = MK_OPT_INT, .min = 1, .max = 16384, .dflt = "128",
	  .help = "connections of one address (IPv6: one /64)" },
	{ .name = "idle", .type = MK_OPT_DURATION, .min = 1000000, .max = 3600000000, .dflt = "30s",
	  .help = "time for the head of the next request to be complete" },
	{ .name = "request", .type = MK_OPT_DURATION, .min = 1000000, .max = 3600000000,
	  .dflt = "20s", .help = "time for the body of a request; answers get more if they are long" },
	{ .name = NULL },
};

static const mk_option budget_options[] = {
	{ .name = "per_second", .type = MK_OPT_INT, .min = 1, .max = 1000000, .dflt = "50",
	  .help = "what an address may spend on expensive answers, on average" },
	{ .name = "burst", .type = MK_OPT_INT, .min = 1, .max = 1000000, .dflt = "500",
	  .help = "and at once" },
	{ .name = NULL },
};

static const mk_option list_options[] = {
	{ .name = "packets", .type = MK_OPT_INT, .min = 1, .max = 100000, .dflt = "10000",
	  .help = "packets" },
	{ .name = "nodes", .type = MK_OPT_INT, .min = 1, .max = 100000, .dflt = "2000",
	  .help = "nodes" },
	{ .name = "analytics", .type = MK_OPT_INT, .min = 1, .max = 10000, .dflt = "200",
	  .help = "rows of an analytic" },
	{ .name = "channel_messages", .type = MK_OPT_INT, .min = 1, .max = 10000, .dflt = "500",
	  .help = "messages of a channel" },
	{ .name = "bulk_health", .type = MK_OPT_INT, .min = 1, .max = 10000, .dflt = "200",
	  .help = "nodes with their health" },
	{ .name = NULL },
};

static const mk_option battery_options[] = {
	{ .name = "low", .type = MK_OPT_INT, .min = 0, .max = 100000, .dflt = "3300",
	  .help = "millivolts; less is low" },
	{ .name = "critical", .type = MK_OPT_INT, .min = 0, .max = 100000, .dflt = "3000",
	  .help = "millivolts; less is critical" },
	{ .name = NULL },
};

static const mk_option event_options[] = {
	{ .name = "clients", .type = MK_OPT_INT, .min = 0, .max = 16384, .dflt = "256",
	  .help = "WebSocket clients altogether" },
	{ .name = "per_address", .type = MK_OPT_INT, .min = 1, .max = 16384, .dflt = "32",
	  .help = "WebSocket clients of one address" },
	{ .name = "ping", .type = MK_OPT_DURATION, .min = 1000000, .max = 3600000000, .dflt = "30s",
	  .help = "pause between pings; who says or takes nothing for two and a half of them is gone" },
	{ .name = NULL },
};

const mk_option http_settings_options[] = {
	{ .name = "listen", .type = MK_OPT_LIST, .min = 1, .max = 8, .dflt = "[\"127.0.0.1:8080\"]",
	  .help = "ADDRESS:PORT, [IPV6]:PORT or *:PORT, with http:// or https:// in front; without, "
		  "it is https if tls.cert is set" },
	{ .name = "threads", .type = MK_OPT_INT, .min = 0, .max = 8, .dflt = "0",
	  .help = "threads that answer; 0: one for each processor, at most 8" },
	{ .name = "web", .type = MK_OPT_STRING, .help = "folder with the pages to serve, from data_dir if it is relative (with isolation: "
		  "process it needs allow.read); none: no pages; by default those of the installation" },
	{ .name = "api_key", .type = MK_OPT_STRING, .flags = MK_OPT_SECRET | MK_OPT_LIVE,
	  .help = "for requests that change something (X-API-Key), at least 16 characters" },
	{ .name = "cors", .type = MK_OPT_LIST, .max = 64, .flags = MK_OPT_LIVE,
	  .help = "origins whose pages may read the API, exactly as browsers send them, or \"*\"" },
	{ .name = "proxies", .type = MK_OPT_LIST, .max = SETTINGS_PROXIES, .flags = MK_OPT_LIVE,
	  .help = "addresses of reverse proxies, whose X-Forwarded-For is believed" },
	{ .name = "gzip", .type = MK_OPT_BOOL, .dflt = "true", .flags = MK_OPT_LIVE,
	  .help = "compress for clients that can" },
	{ .name = "cache", .type = MK_OPT_SIZE, .min = 0, .max = 1 << 30, .dflt = "16MiB",
	  .help = "answers that are kept until what they tell of changes" },
	{ .name = "event_ring", .type = MK_OPT_SIZE, .min = 65536, .max = 1 << 30, .dflt = "16MiB",
	  .help = "messages kept for WebSocket clients that are slow or ask for a replay" },
	{ .name = "memory", .type = MK_OPT_SIZE, .min = 1 << 20, .max = 64ll << 30, .dflt = "80MiB",
	  .help = "packets that are held in memory; older ones are read from the database" },
	{ .name = "node_blacklist", .type = MK_OPT_LIST, .max = 10000,
	  .help = "public keys of nodes that are not shown" },
	{ .name = "observer_blacklist", .type = MK_OPT_LIST, .max = 10000,
	  .help = "observers that are not shown" },
	{ .name = "hidden_names", .type = MK_OPT_LIST, .max = 1000,
	  .help = "nodes whose names begin so are not shown" },
	{ .name = "lists", .type = MK_OPT_GROUP, .sub = list_options, .flags = MK_OPT_LIVE,
	  .help = "the most that one answer may hold" },
	{ .name = "battery", .type = MK_OPT_GROUP, .sub = battery_options, .flags = MK_OPT_LIVE,
	  .help = "when the battery of a node is low" },
	{ .name = "regions", .type = MK_OPT_GROUPS, .max = 1000, .sub = http_region_options,
	  .flags = MK_OPT_LIVE, .help = "names of regions; a region without one is shown by its code" },
	{ .name = "areas", .type = MK_OPT_GROUPS, .max = 1000, .sub = http_area_options,
	  .flags = MK_OPT_LIVE, .help = "areas that nodes and packets can be chosen by" },
	{ .name = "map", .type = MK_OPT_GROUP, .sub = http_map_options, .flags = MK_OPT_LIVE,
	  .help = "what maps show at first" },
	{ .name = "pages", .type = MK_OPT_GROUP, .sub = http_page_options, .flags = MK_OPT_LIVE,
	  .help = "what CoreScope's pages are told" },
	{ .name = "tls", .type = MK_OPT_GROUP, .sub = tls_options, .help = "for https" },
	{ .name = "limits", .type = MK_OPT_GROUP, .sub = limit_options, .flags = MK_OPT_LIVE,
	  .help = "what clients may hold" },
	{ .name = "budget", .type = MK_OPT_GROUP, .sub = budget_options, .flags = MK_OPT_LIVE,
	  .help = "beyond it the answer is 429" },
	{ .name = "events", .type = MK_OPT_GROUP, .sub = event_options, .flags = MK_OPT_LIVE,
	  .help = "WebSocket clients" },
	{ .name = "compat", .type = MK_OPT_GROUP, .sub = compat_options,
	  .help = "a second server for CoreScope's pages" },
	{ .name = NULL },
};
/* clang-format on */

struct settings *
http_settings_ref(struct settings *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void
http_settings_unref(struct settings *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	tiles_close(s->tiles.file);
	mk_arena_fini(&s->arena);
	free(s);
}

static const char *
settings_text(struct settings *s, const mk_host *host, const char *path)
{
	const char *text = host->opt_str(host, path);

	return text == NULL || text[0] == '\0' ? NULL : mk_arena_dup(&s->arena, text, strlen(text));
}

/* ------------------------------------------------------------ addresses -- */

static bool
settings_port(const char *text, in_port_t *port)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || n > 65535)
		return false;
	*port = htons((uint16_t)n);
	return true;
}

/* "[HOST]:PORT", "HOST:PORT" or "*:PORT". */
static bool
settings_address(struct settings_listen *l, const char *text)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	const char *colon = strrchr(text, ':');
	char host[64];
	in_port_t port;
	size_t len = colon == NULL ? 0 : (size_t)(colon - text);

	if (len == 0 || len >= sizeof(host) || !settings_port(colon + 1, &port))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	four.sin_port = six.sin6_port = port;
	l->both = strcmp(host, "*") == 0;
	if (l->both) {
		len = 4;
		memcpy(host, "[::]", 5);
	}
	if (strcmp(host, "localhost") == 0)
		memcpy(host, "127.0.0.1", 10);
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		l->len = sizeof(six);
		if (inet_pton(AF_INET6, host + 1, &six.sin6_addr) != 1)
			return false;
		memcpy(&l->address, &six, sizeof(six));
		return true;
	}
	l->len = sizeof(four);
	if (inet_pton(AF_INET, host, &four.sin_addr) != 1)
		return false;
	memcpy(&l->address, &four, sizeof(four));
	return true;
}

static mk_result
settings_listen(struct settings *s, const mk_host *host, const char *path, bool compat, mk_err *err)
{
	static const char http[] = "http://", https[] = "https://";
	char at[64];

	for (uint32_t i = 0; i < host->opt_count(host, path); i++) {
		struct settings_listen *l = &s->listen[s->listen_count++];
		const char *text;

		(void)snprintf(at, sizeof(at), "%s[%u]", path, i);
		text = settings_text(s, host, at);
		if (text == NULL)
			return mk_err_set(err, MK_EINVAL, "%s is empty", at);
		l->compat = compat;
		l->text = text;
		l->tls = s->tls_cert != NULL;
		if (strncmp(text, http, sizeof(http) - 1) == 0) {
			l->tls = false;
			text += sizeof(http) - 1;
		} else if (strncmp(text, https, sizeof(https) - 1) == 0) {
			l->tls = true;
			text += sizeof(https) - 1;
		}
		if (l->tls && s->tls_cert == NULL)
			return mk_err_set(err, MK_EINVAL, "%s is https, which needs tls.cert", at);
		if (!settings_address(l, text))
			return mk_err_set(err, MK_EINVAL,
					  "%s: \"%.80s\" is not ADDRESS:PORT with an address in "
					  "digits",
					  at, text);
	}
	return MK_OK;
}

/* ----------------------------------------------------------------- rest -- */

static bool
settings_is_weak(const char *key)
{
	static const char *const known[] = { "your-secret-api-key-here",
					     "change-me",
					     "example",
					     "test",
					     "password",
					     "admin",
					     "apikey",
					     "api-key",
					     "secret",
					     "default" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t k = 0;

		while (key[k] != '\0' &&
		       (key[k] >= 'A' && key[k] <= 'Z' ? key[k] + 32 : key[k]) == known[i][k])
			k++;
		if (key[k] == '\0' && known[i][k] == '\0')
			return true;
	}
	return strlen(key) < KEY_LEAST;
}

/* What is not empty of a list, ending with NULL; NULL: out of memory. */
static const char *const *
settings_texts(struct settings *s, const mk_host *host, const char *path)
{
	uint32_t n = host->opt_count(host, path), kept = 0;
	const char **list = mk_arena_array(&s->arena, n + 1, sizeof(*list));
	char at[64];

	for (uint32_t i = 0; i < n && list != NULL; i++) {
		(void)snprintf(at, sizeof(at), "%s[%u]", path, i);
		list[kept] = settings_text(s, host, at);
		kept += list[kept] != NULL;
	}
	return list;
}

static mk_result
settings_lists(struct settings *s, const mk_host *host)
{
	s->origins = settings_texts(s, host, "cors");
	s->node_blacklist = settings_texts(s, host, "node_blacklist");
	s->observer_blacklist = settings_texts(s, host, "observer_blacklist");
	s->hidden_names = settings_texts(s, host, "hidden_names");
	if (s->origins == NULL || s->node_blacklist == NULL || s->observer_blacklist == NULL ||
	    s->hidden_names == NULL)
		return MK_ENOMEM;
	for (const char *const *o = s->origins; *o != NULL; o++)
		s->any_origin = s->any_origin || strcmp(*o, "*") == 0;
	return MK_OK;
}

static mk_result
settings_proxies(struct settings *s, const mk_host *host, mk_err *err)
{
	char at[32];

	for (uint32_t i = 0; i < host->opt_count(host, "proxies"); i++) {
		const char *text;

		(void)snprintf(at, sizeof(at), "proxies[%u]", i);
		text = host->opt_str(host, at);
		if (text == NULL || !peer_parse(text, &s->proxies[s->proxy_count++]))
			return mk_err_set(err, MK_EINVAL, "%s is no address", at);
	}
	return MK_OK;
}

static void
settings_numbers(struct settings *s, const mk_host *host)
{
	s->threads = (uint32_t)host->opt_int(host, "threads");
	s->gzip = host->opt_int(host, "gzip") != 0;
	s->cache_bytes = (uint64_t)host->opt_int(host, "cache");
	s->ring_bytes = (uint64_t)host->opt_int(host, "event_ring");
	s->memory_bytes = (uint64_t)host->opt_int(host, "memory");
	s->lists[LIST_PACKETS] = (uint32_t)host->opt_int(host, "lists.packets");
	s->lists[LIST_NODES] = (uint32_t)host->opt_int(host, "lists.nodes");
	s->lists[LIST_ANALYTICS] = (uint32_t)host->opt_int(host, "lists.analytics");
	s->lists[LIST_MESSAGES] = (uint32_t)host->opt_int(host, "lists.channel_messages");
	s->lists[LIST_HEALTH] = (uint32_t)host->opt_int(host, "lists.bulk_health");
	s->battery_low_mv = host->opt_int(host, "battery.low");
	s->battery_critical_mv = host->opt_int(host, "battery.critical");
	s->degraded_s[0] = host->opt_int(host, "pages.health.node_degraded") / 1000000;
	s->degraded_s[1] = host->opt_int(host, "pages.health.infra_degraded") / 1000000;
	s->silent_s[0] = host->opt_int(host, "pages.health.node_silent") / 1000000;
	s->silent_s[1] = host->opt_int(host, "pages.health.infra_silent") / 1000000;
	s->connections = (uint32_t)host->opt_int(host, "limits.connections");
	s->per_address = (uint32_t)host->opt_int(host, "limits.per_address");
	s->idle_us = (uint64_t)host->opt_int(host, "limits.idle");
	s->request_us = (uint64_t)host->opt_int(host, "limits.request");
	s->budget_per_second = (uint32_t)host->opt_int(host, "budget.per_second");
	s->budget_burst = (uint32_t)host->opt_int(host, "budget.burst");
	s->clients = (uint32_t)host->opt_int(host, "events.clients");
	s->ping_us = (uint64_t)host->opt_int(host, "events.ping");
	s->clients_per_address = (uint32_t)host->opt_int(host, "events.per_address");
}

static mk_result
settings_read(const mk_host *host, bool files, struct settings **out, mk_err *err)
{
	struct settings *s = calloc(1, sizeof(*s));
	mk_result rc;

	if (s == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	atomic_init(&s->refs, 1);
	settings_numbers(s, host);
	s->web = settings_text(s, host, "web");
	s->compat_static = settings_text(s, host, "compat.static");
	s->tls_cert = settings_text(s, host, "tls.cert");
	s->tls_key = settings_text(s, host, "tls.key");
	s->api_key = settings_text(s, host, "api_key");
	s->key_weak = s->api_key != NULL && settings_is_weak(s->api_key);
	rc = settings_listen(s, host, "listen", false, err);
	if (rc == MK_OK)
		rc = settings_listen(s, host, "compat.listen", true, err);
	if (rc == MK_OK && (s->tls_cert == NULL) != (s->tls_key == NULL))
		rc = mk_err_set(err, MK_EINVAL, "tls.cert and tls.key belong together");
	if (rc == MK_OK)
		rc = settings_proxies(s, host, err);
	if (rc == MK_OK && settings_lists(s, host) != MK_OK)
		rc = mk_err_set(err, MK_ENOMEM, "out of memory");
	if (rc == MK_OK)
		rc = http_places_read(s, host, err);
	if (rc == MK_OK)
		rc = http_pages_read(s, host, files, err);
	if (rc == MK_OK && files)
		rc = http_places_open(s, host, err);
	if (rc != MK_OK) {
		http_settings_unref(s);
		return rc;
	}
	*out = s;
	return MK_OK;
}

mk_result
http_settings_read(const mk_host *host, struct settings **out, mk_err *err)
{
	return settings_read(host, true, out, err);
}

mk_result
http_settings_check(const mk_host *host, mk_err *err)
{
	struct settings *s = NULL;
	mk_result rc = settings_read(host, false, &s, err);

	http_settings_unref(s);
	return rc;
}

const struct settings_area *
http_settings_area(const struct settings *s, const char *key)
{
	for (uint32_t i = 0; i < s->area_count; i++)
		if (strcmp(s->areas[i].key, key) == 0)
			return &s->areas[i];
	return NULL;
}
