/* SPDX-License-Identifier: MIT
 *
 * bus: in meshkern.yaml: where outside programs subscribe, and the limits.
 */
#include "settings_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IPC_PATH_MAX 107u /* sun_path without its NUL */
#define IPC_MODE 0600u

static const mk_option listen_table[] = {
	{ .name = "url",
	  .type = MK_OPT_STRING,
	  .min = 1,
	  .max = 255,
	  .flags = MK_OPT_REQUIRED | MK_OPT_MAIN,
	  .help = "ipc://PATH, tcp://HOST:PORT, tls+tcp://HOST:PORT or ws://HOST:PORT/PATH" },
	{ .name = "requests",
	  .type = MK_OPT_STRING,
	  .min = 1,
	  .max = 255,
	  .help = "where subscribers ask for replays; by default PATH.in for ipc, PATH/in for ws, "
		  "not offered for tcp and tls+tcp" },
	{ .name = "cert",
	  .type = MK_OPT_STRING,
	  .min = 1,
	  .help = "tls+tcp: PEM file with certificate and key" },
	{ .name = "ca",
	  .type = MK_OPT_STRING,
	  .min = 1,
	  .help = "tls+tcp: clients must show a certificate of this authority" },
	{ .name = "mode",
	  .type = MK_OPT_STRING,
	  .min = 1,
	  .max = 5,
	  .dflt = "0600",
	  .help = "ipc: who may connect, as for chmod" },
	{ .name = NULL },
};

static const mk_option ring_table[] = {
	{ .name = "messages",
	  .type = MK_OPT_INT,
	  .min = 64,
	  .max = 16 << 20,
	  .dflt = "65536",
	  .help = "messages kept for replay, per topic class" },
	{ .name = "bytes",
	  .type = MK_OPT_SIZE,
	  .min = 1 << 20,
	  .max = INT64_C(64) << 30,
	  .dflt = "64MiB",
	  .help = "the same in bytes; what is reached first counts" },
	{ .name = NULL },
};

const mk_option settings_bus_table[] = {
	{ .name = "listen",
	  .type = MK_OPT_GROUPS,
	  .max = 16,
	  .sub = listen_table,
	  .help = "addresses where programs outside subscribe" },
	{ .name = "ring", .type = MK_OPT_GROUP, .sub = ring_table, .help = "replay memory" },
	{ .name = "push_back",
	  .type = MK_OPT_DURATION,
	  .max = INT64_C(3600000000),
	  .dflt = "5s",
	  .help = "how long one slow subscriber of a reliable topic may hold publishers up" },
	{ .name = "call_timeout",
	  .type = MK_OPT_DURATION,
	  .min = 1000,
	  .max = INT64_C(3600000000),
	  .dflt = "5s",
	  .help = "how long a call waits for its reply when the caller does not say" },
	{ .name = NULL },
};

enum scheme { SCHEME_IPC, SCHEME_TCP, SCHEME_TLS, SCHEME_WS, SCHEME_UNKNOWN };

static enum scheme
bus_scheme(const char *url, const char **rest)
{
	static const char *const schemes[] = { "ipc://", "tcp://", "tls+tcp://", "ws://" };

	for (int i = 0; i < SCHEME_UNKNOWN; i++) {
		*rest = url + strlen(schemes[i]);
		if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
			return (enum scheme)i;
	}
	return SCHEME_UNKNOWN;
}

/* HOST:PORT with nothing or, if has_path, a '/' behind it. */
static bool
bus_host_valid(const char *host, bool has_path)
{
	size_t len = host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":/");
	const char *colon = host + len + (host[len] == ']');
	unsigned long port;
	char *end;

	if (len == 0 || colon[0] != ':' || colon[1] < '1' || colon[1] > '9')
		return false;
	port = strtoul(colon + 1, &end, 10);
	return port <= 65535 && (*end == '\0' || (*end == '/' && has_path));
}

static bool
bus_is_local(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost:", 10) == 0 ||
	       strncmp(host, "[::1]:", 6) == 0;
}

/* The address in the form that the bus takes; NULL after a problem. */
static const char *
bus_url(const struct settings_part *p, const char *path, const char *url)
{
	const char *rest;
	enum scheme scheme = bus_scheme(url, &rest);
	const char *file;

	if (scheme == SCHEME_UNKNOWN) {
		settings_problem(p, path,
				 "\"%s\" is no address; they begin with ipc://, tcp://, tls+tcp:// "
				 "or ws://",
				 url);
		return NULL;
	}
	if (scheme != SCHEME_IPC) {
		if (bus_host_valid(rest, scheme == SCHEME_WS) && strpbrk(url, " \t\n") == NULL)
			return settings_text(p->r, url);
		settings_problem(p, path, "\"%s\" needs a host and a port from 1 to 65535", url);
		return NULL;
	}
	if (rest[0] == '\0') {
		settings_problem(p, path, "\"%s\" needs a path", url);
		return NULL;
	}
	file = settings_path(p->r, rest);
	if (strlen(file) > IPC_PATH_MAX) {
		settings_problem(p, path,
				 "the path is %zu bytes long, a unix socket takes at most %u: %s",
				 strlen(file), IPC_PATH_MAX, file);
		return NULL;
	}
	file = mk_arena_printf(&p->r->s->arena, "ipc://%s", file);
	if (file == NULL)
		settings_no_memory(p->r);
	return file;
}

/* Where replays are asked for if the file does not say. */
static const char *
bus_requests(const struct settings_part *p, const char *path, const char *url)
{
	const char *rest;
	enum scheme scheme = bus_scheme(url, &rest);
	char text[288];

	if (scheme == SCHEME_IPC)
		(void)snprintf(text, sizeof(text), "%s.in", url);
	else if (scheme == SCHEME_WS)
		(void)snprintf(text, sizeof(text), "%s%sin", url,
			       url[strlen(url) - 1] == '/' ? "" : "/");
	else
		return NULL;
	return bus_url(p, path, text);
}

static const char *
bus_file(const struct settings_part *p, const char *path, bool has_key)
{
	const char *file = settings_path(p->r, mk_values_str(p->v, path));
	struct stat st;

	if (stat(file, &st) != 0 || access(file, R_OK) != 0)
		settings_problem(p, path, "cannot read %s", file);
	else if (!S_ISREG(st.st_mode))
		settings_problem(p, path, "%s is not a file", file);
	else if (has_key && (st.st_mode & S_IROTH) != 0)
		settings_warn(p, path, "others can read the key in %s: chmod 640 it", file);
	return file;
}

/* An option that says nothing for this kind of address is a mistake. */
static void
bus_only_for(const struct settings_part *p, const char *path, const char *scheme)
{
	uint32_t line;
	uint32_t column;

	if (mk_values_where(p->v, path, &line, &column))
		settings_problem(p, path, "only for %s", scheme);
}

static uint32_t
bus_mode(const struct settings_part *p, const char *path)
{
	const char *text = mk_values_str(p->v, path);
	unsigned long mode = IPC_MODE;
	char *end;

	if (text == NULL)
		return IPC_MODE;
	mode = strtoul(text, &end, 8);
	if (text[strspn(text, "01234567")] != '\0' || mode > 0777) {
		settings_problem(p, path, "\"%s\" is no file mode such as 0600 or 0660", text);
		return IPC_MODE;
	}
	return (uint32_t)mode;
}

static void
bus_read_address(const struct settings_part *p, struct listen_address *a, uint32_t i)
{
	char url[64], requests[64], cert[64], ca[64], mode[64];
	enum scheme scheme;
	const char *rest;

	(void)snprintf(url, sizeof(url), "bus.listen[%u].url", i);
	(void)snprintf(requests, sizeof(requests), "bus.listen[%u].requests", i);
	(void)snprintf(cert, sizeof(cert), "bus.listen[%u].cert", i);
	(void)snprintf(ca, sizeof(ca), "bus.listen[%u].ca", i);
	(void)snprintf(mode, sizeof(mode), "bus.listen[%u].mode", i);
	a->mode = IPC_MODE;
	if (!mk_values_has(p->v, url))
		return;
	a->url = bus_url(p, url, mk_values_str(p->v, url));
	if (mk_values_has(p->v, requests))
		a->requests = bus_url(p, requests, mk_values_str(p->v, requests));
	else if (a->url != NULL)
		a->requests = bus_requests(p, url, a->url);
	if (a->url == NULL)
		return;
	scheme = bus_scheme(a->url, &rest);
	if (scheme == SCHEME_IPC)
		a->mode = bus_mode(p, mode);
	else
		bus_only_for(p, mode, "ipc://");
	if (scheme != SCHEME_TLS) {
		bus_only_for(p, cert, "tls+tcp://");
		bus_only_for(p, ca, "tls+tcp://");
		if (scheme != SCHEME_IPC && !bus_is_local(rest))
			settings_warn(p, url,
				      "everyone who reaches %s can read the bus; "
				      "tls+tcp:// with ca: asks who it is",
				      rest);
		return;
	}
	if (mk_values_has(p->v, cert))
		a->cert = bus_file(p, cert, true);
	else
		settings_problem(p, url,
				 "tls+tcp:// needs cert:, a PEM file with certificate and key");
	if (mk_values_has(p->v, ca))
		a->ca = bus_file(p, ca, false);
}

static bool
bus_is_used(const char *address, const struct listen_address *a)
{
	return address != NULL && ((a->url != NULL && strcmp(address, a->url) == 0) ||
				   (a->requests != NULL && strcmp(address, a->requests) == 0));
}

void
settings_read_bus(const struct settings_part *p)
{
	struct settings *s = p->r->s;
	uint32_t count = mk_values_count(p->v, "bus.listen");
	char path[64];

	s->ring_messages = (uint64_t)mk_values_int(p->v, "bus.ring.messages");
	s->ring_bytes = (uint64_t)mk_values_int(p->v, "bus.ring.bytes");
	s->push_back_us = (uint64_t)mk_values_int(p->v, "bus.push_back");
	s->call_timeout_us = (uint64_t)mk_values_int(p->v, "bus.call_timeout");
	s->listen = mk_arena_array(&s->arena, count, sizeof(*s->listen));
	if (s->listen == NULL) {
		settings_no_memory(p->r);
		return;
	}
	for (; s->listen_count < count; s->listen_count++) {
		struct listen_address *a = &s->listen[s->listen_count];
		bool is_used = false;

		bus_read_address(p, a, s->listen_count);
		for (uint32_t i = 0; i < s->listen_count && !is_used; i++)
			is_used = bus_is_used(a->url, &s->listen[i]) ||
				  bus_is_used(a->requests, &s->listen[i]);
		(void)snprintf(path, sizeof(path), "bus.listen[%u]", s->listen_count);
		if (is_used ||
		    (a->url != NULL && a->requests != NULL && strcmp(a->url, a->requests) == 0))
			settings_problem(p, path, "the address is used twice");
	}
}
