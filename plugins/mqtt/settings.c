/* SPDX-License-Identifier: MIT
 *
 * The option table, and from options to settings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settings.h"

/* clang-format off */
static const mk_option tls_options[] = {
	{ .name = "verify", .type = MK_OPT_BOOL, .dflt = "true",
	  .help = "refuse a broker whose certificate is not for its name or of no known authority" },
	{ .name = "ca", .type = MK_OPT_STRING,
	  .help = "PEM file of authorities; without it, those of the system" },
	{ .name = "cert", .type = MK_OPT_STRING, .help = "PEM file of our certificate" },
	{ .name = "key", .type = MK_OPT_STRING, .help = "PEM file of its key" },
	{ .name = NULL },
};

static const mk_option source_options[] = {
	{ .name = "name", .type = MK_OPT_STRING, .flags = MK_OPT_REQUIRED, .min = 1, .max = 64,
	  .help = "how this broker is called; a reload knows it by that" },
	{ .name = "broker", .type = MK_OPT_STRING, .flags = MK_OPT_REQUIRED, .max = 900,
	  .help = "mqtt://HOST, mqtts://HOST, ws://HOST/PATH or wss://HOST/PATH, :PORT after HOST" },
	{ .name = "username", .type = MK_OPT_STRING, .max = 127, .help = "who we are" },
	{ .name = "password", .type = MK_OPT_STRING, .max = 255, .flags = MK_OPT_SECRET,
	  .help = "and how we prove it" },
	{ .name = "topics", .type = MK_OPT_LIST, .dflt = "[\"meshcore/#\"]", .min = 1, .max = 64,
	  .help = "subscriptions" },
	{ .name = "qos", .type = MK_OPT_INT, .dflt = "1", .max = 1,
	  .help = "1: the broker keeps what we have not acknowledged; 0: it does not" },
	{ .name = "client_id", .type = MK_OPT_STRING, .max = 127,
	  .help = "names our session at the broker; without it, one that stays the same is made up" },
	{ .name = "clean_session", .type = MK_OPT_BOOL, .dflt = "false",
	  .help = "begin anew at every connect, and lose what came in between" },
	{ .name = "iata_filter", .type = MK_OPT_LIST,
	  .help = "packets of these regions only (second part of the topic)" },
	{ .name = "region", .type = MK_OPT_STRING, .max = 64,
	  .help = "of messages whose topic and payload name none" },
	{ .name = "connect_timeout", .type = MK_OPT_DURATION, .dflt = "10s", .min = 1000000,
	  .max = 300000000, .help = "how long a broker may take to answer" },
	{ .name = "tls", .type = MK_OPT_GROUP, .sub = tls_options,
	  .help = "for mqtts:// and wss://; relative paths start in data_dir" },
	{ .name = NULL },
};

const mk_option settings_options[] = {
	{ .name = "sources", .type = MK_OPT_GROUPS, .flags = MK_OPT_LIVE, .max = SETTINGS_SOURCES,
	  .sub = source_options, .help = "brokers; all are connected at the same time" },
	{ .name = "iata_whitelist", .type = MK_OPT_LIST, .flags = MK_OPT_LIVE,
	  .help = "only messages of these regions (second part of the topic); empty: all" },
	{ .name = "observer_blacklist", .type = MK_OPT_LIST, .flags = MK_OPT_LIVE,
	  .help = "ids of observers and phones whose messages are dropped" },
	{ .name = "client_coverage", .type = MK_OPT_BOOL, .flags = MK_OPT_LIVE, .dflt = "false",
	  .help = "take what phones report on meshcore/client/KEY/packets" },
	{ .name = "max_payload", .type = MK_OPT_SIZE, .flags = MK_OPT_LIVE, .dflt = "16KiB",
	  .min = 1024, .max = 262144, .help = "longer messages are dropped" },
	{ .name = "max_depth", .type = MK_OPT_INT, .flags = MK_OPT_LIVE, .dflt = "8", .min = 2,
	  .max = 64, .help = "messages whose JSON is nested deeper are dropped" },
	{ .name = "silence", .type = MK_OPT_DURATION, .flags = MK_OPT_LIVE, .dflt = "5m",
	  .min = 1000000, .max = 86400000000,
	  .help = "a broker that says nothing for so long is connected anew" },
	{ .name = "buffer", .type = MK_OPT_SIZE, .flags = MK_OPT_LIVE, .dflt = "32MiB",
	  .min = 1048576, .max = 268435456,
	  .help = "what may wait for the outbox; at half of it the brokers are made to wait" },
	{ .name = NULL },
};
/* clang-format on */

/* -------------------------------------------------------------- reading -- */

struct path {
	char text[96];
};

static struct path
path_of(uint32_t i, const char *option)
{
	struct path p;

	snprintf(p.text, sizeof(p.text), "sources[%u].%s", i, option);
	return p;
}

static const char *
source_str(const mk_host *h, uint32_t i, const char *option)
{
	const char *s = h->opt_str(h, path_of(i, option).text);

	return s != NULL && s[0] != '\0' ? s : NULL;
}

static int64_t
source_int(const mk_host *h, uint32_t i, const char *option)
{
	return h->opt_int(h, path_of(i, option).text);
}

/* False: no memory. */
static bool
copy(char **to, const char *from)
{
	*to = from == NULL ? NULL : strdup(from);
	return from == NULL || *to != NULL;
}

static bool
copy_path(const mk_host *h, char **to, const char *from)
{
	size_t len;

	if (from == NULL || from[0] == '/')
		return copy(to, from);
	len = strlen(h->dir(h, MK_DIR_DATA)) + strlen(from) + 2;
	*to = malloc(len);
	if (*to != NULL)
		snprintf(*to, len, "%s/%s", h->dir(h, MK_DIR_DATA), from);
	return *to != NULL;
}

/* Without the white space around them, and without empty ones. */
static bool
copy_list(const mk_host *h, struct strings *to, const char *path)
{
	uint32_t n = h->opt_count(h, path);

	for (uint32_t i = 0; i < n; i++) {
		char item[128], text[512];
		const char *s;
		size_t len;

		snprintf(item, sizeof(item), "%s[%u]", path, i);
		s = h->opt_str(h, item);
		if (s == NULL)
			continue;
		s += strspn(s, " \t");
		for (len = strlen(s); len > 0 && strchr(" \t", s[len - 1]) != NULL; len--)
			;
		if (len == 0 || len >= sizeof(text))
			continue;
		memcpy(text, s, len);
		text[len] = '\0';
		if (!strings_add(to, text))
			return false;
	}
	return true;
}

static mk_result
source_read(const mk_host *h, uint32_t i, struct source_settings *s)
{
	const char *user = source_str(h, i, "username"), *password = source_str(h, i, "password");
	const char *broker = source_str(h, i, "broker");
	char why[128];

	if (broker == NULL || !url_parse(broker, &s->url, why, sizeof(why)))
		return MK_EINVAL;
	if (user == NULL && s->url.user[0] != '\0')
		user = s->url.user;
	s->verify = source_int(h, i, "tls.verify") != 0;
	s->clean_session = source_int(h, i, "clean_session") != 0;
	s->qos = (int)source_int(h, i, "qos");
	s->connect_timeout_us = (uint64_t)source_int(h, i, "connect_timeout");
	if (!copy(&s->name, source_str(h, i, "name")) || !copy(&s->username, user) ||
	    !copy(&s->password, password) || !copy(&s->client_id, source_str(h, i, "client_id")) ||
	    !copy(&s->region, source_str(h, i, "region")) ||
	    !copy_path(h, &s->ca, source_str(h, i, "tls.ca")) ||
	    !copy_path(h, &s->cert, source_str(h, i, "tls.cert")) ||
	    !copy_path(h, &s->key, source_str(h, i, "tls.key")) ||
	    !copy_list(h, &s->topics, path_of(i, "topics").text) ||
	    !copy_list(h, &s->iata_filter, path_of(i, "iata_filter").text))
		return MK_ENOMEM;
	return s->name != NULL ? MK_OK : MK_EINVAL;
}

mk_result
settings_read(const mk_host *h, struct settings *out)
{
	struct settings s = { 0 };
	mk_result rc = MK_OK;
	uint32_t n = h->opt_count(h, "sources");

	s.rules.client_coverage = h->opt_int(h, "client_coverage") != 0;
	s.rules.max_payload = (uint32_t)h->opt_int(h, "max_payload");
	s.rules.max_depth = (uint32_t)h->opt_int(h, "max_depth");
	s.silence_us = (uint64_t)h->opt_int(h, "silence");
	s.buffer = (size_t)h->opt_int(h, "buffer");
	s.sources = calloc(n + 1, sizeof(*s.sources));
	if (s.sources == NULL || !copy_list(h, &s.rules.iata_whitelist, "iata_whitelist") ||
	    !copy_list(h, &s.rules.observer_blacklist, "observer_blacklist"))
		rc = MK_ENOMEM;
	while (rc == MK_OK && s.count < n) {
		rc = source_read(h, s.count, &s.sources[s.count]);
		s.count++;
	}
	if (rc == MK_OK)
		*out = s;
	else
		settings_fini(&s);
	return rc;
}

void
source_settings_fini(struct source_settings *s)
{
	free(s->name);
	free(s->username);
	free(s->password);
	free(s->client_id);
	free(s->region);
	free(s->ca);
	free(s->cert);
	free(s->key);
	strings_fini(&s->topics);
	strings_fini(&s->iata_filter);
	*s = (struct source_settings){ 0 };
}

void
settings_fini(struct settings *s)
{
	for (uint32_t i = 0; s->sources != NULL && i < s->count; i++)
		source_settings_fini(&s->sources[i]);
	free(s->sources);
	strings_fini(&s->rules.iata_whitelist);
	strings_fini(&s->rules.observer_blacklist);
	*s = (struct settings){ 0 };
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
source_settings_same_session(const struct source_settings *a, const struct source_settings *b)
{
	return strcmp(a->url.paho, b->url.paho) == 0 && same(a->client_id, b->client_id);
}

bool
source_settings_same_connection(const struct source_settings *a, const struct source_settings *b)
{
	return source_settings_same_session(a, b) && same(a->username, b->username) &&
	       same(a->password, b->password) && same(a->ca, b->ca) && same(a->cert, b->cert) &&
	       same(a->key, b->key) && a->verify == b->verify &&
	       a->clean_session == b->clean_session && a->qos == b->qos &&
	       a->connect_timeout_us == b->connect_timeout_us &&
	       strings_same(&a->topics, &b->topics);
}

/* ------------------------------------------------------------- checking -- */

static bool
topics_are_good(const mk_host *h, uint32_t i, char *why, uint32_t why_len)
{
	uint32_t n = h->opt_count(h, path_of(i, "topics").text);

	for (uint32_t k = 0; k < n; k++) {
		struct path p;
		const char *topic;

		snprintf(p.text, sizeof(p.text), "sources[%u].topics[%u]", i, k);
		topic = h->opt_str(h, p.text);
		if (topic != NULL && route_filter_valid(topic))
			continue;
		snprintf(why, why_len, "%s is no subscription: # stands alone at the end, + alone",
			 p.text);
		return false;
	}
	return true;
}

static bool
source_is_good(const mk_host *h, uint32_t i, char *why, uint32_t why_len)
{
	const char *name = source_str(h, i, "name"), *broker = source_str(h, i, "broker");
	char fault[128];
	struct url url;

	for (uint32_t k = 0; k < i && name != NULL; k++) {
		const char *other = source_str(h, k, "name");

		if (other == NULL || strcmp(name, other) != 0)
			continue;
		snprintf(why, why_len, "sources[%u].name is that of sources[%u]", i, k);
		return false;
	}
	for (const char *c = name; c != NULL && *c != '\0'; c++) {
		if ((unsigned char)*c >= ' ' && *c != 0x7f)
			continue;
		snprintf(why, why_len, "sources[%u].name contains a control character", i);
		return false;
	}
	if (broker == NULL || !url_parse(broker, &url, fault, sizeof(fault))) {
		snprintf(why, why_len, "sources[%u].broker: %s", i,
			 broker == NULL ? "is empty" : fault);
		return false;
	}
	/* What a reload changes is told, and only `password` is known to be secret. */
	if (url.password[0] != '\0') {
		snprintf(why, why_len, "sources[%u].broker contains a password: it has its own key",
			 i);
		return false;
	}
	if ((source_str(h, i, "tls.cert") == NULL) != (source_str(h, i, "tls.key") == NULL)) {
		snprintf(why, why_len, "sources[%u].tls.cert and .key go together", i);
		return false;
	}
	return topics_are_good(h, i, why, why_len);
}

mk_result
settings_check(const mk_host *h, char *why, uint32_t why_len)
{
	uint32_t n = h->opt_count(h, "sources");

	for (uint32_t i = 0; i < n; i++)
		if (!source_is_good(h, i, why, why_len))
			return MK_EINVAL;
	return MK_OK;
}
