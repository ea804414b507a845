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
#define HOUR INT64_C(3600000000)

static const mk_option listen_table[] = {
	OPT("url", STRING, .min = 1, .max = 255, .flags = MK_OPT_REQUIRED | MK_OPT_MAIN,
	    .help = "ipc://PATH, tcp://HOST:PORT, tls+tcp://HOST:PORT or ws://HOST:PORT/PATH"),
	OPT("requests", STRING, .min = 1, .max = 255,
	    .help = "where subscribers ask for replays; by default PATH.in for ipc, PATH/in for "
		    "ws, not offered for tcp and tls+tcp"),
	OPT("cert", STRING, .min = 1, .help = "tls+tcp: PEM file with certificate and key"),
	OPT("ca", STRING, .min = 1,
	    .help = "tls+tcp: clients must show a certificate of this authority"),
	OPT("mode", STRING, .min = 1, .max = 5, .dflt = "0600",
	    .help = "ipc: who may connect, as for chmod"),
	{ .name = NULL },
};

static const mk_option ring_table[] = {
	OPT("messages", INT, .min = 64, .max = 16 << 20, .dflt = "65536",
	    .help = "messages kept for replay, per topic class"),
	OPT("bytes", SIZE, .min = 1 << 20, .max = INT64_C(64) << 30, .dflt = "64MiB",
	    .help = "the same in bytes; what is reached first counts"),
	{ .name = NULL },
};

const mk_option settings_bus_table[] = {
	OPT("listen", GROUPS, .max = 16, .sub = listen_table,
	    .help = "addresses where programs outside subscribe"),
	OPT("ring", GROUP, .sub = ring_table, .help = "replay memory"),
	OPT("push_back", DURATION, .max = HOUR, .dflt = "5s",
	    .help = "how long one slow subscriber of a reliable topic may hold publishers up"),
	OPT("call_timeout", DURATION, .min = 1000, .max = HOUR, .dflt = "5s",
	    .help = "how long a call waits for its reply when the caller does not say"),
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
	return port <= 65535 && (*end == '\0' || (*end == '/' && has_path)) &&
	       strpbrk(host, " \t\n") == NULL;
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
	const char *file = scheme == SCHEME_IPC ? settings_path(p, rest) : "";

	if (scheme == SCHEME_UNKNOWN)
		settings_problem(p, path,
				 "\"%s\" is no address; they begin with ipc://, tcp://, tls+tcp:// "
				 "or ws://",
				 url);
	else if (scheme != SCHEME_IPC && !bus_host_valid(rest, scheme == SCHEME_WS))
		settings_problem(p, path, "\"%s\" needs a host and a port from 1 to 65535", url);
	else if (scheme != SCHEME_IPC)
		return settings_text(p, "%s", url);
	else if (rest[0] == '\0')
		settings_problem(p, path, "\"%s\" needs a path", url);
	else if (strlen(file) > IPC_PATH_MAX)
		settings_problem(p, path,
				 "the path is %zu bytes long, a unix socket takes at most %u: %s",
				 strlen(file), IPC_PATH_MAX, file);
	else
		return settings_text(p, "ipc://%s", file);
	return NULL;
}

/* Where replays are asked for if the file does not say. */
static const char *
bus_requests(const struct settings_part *p, const char *url)
{
	const char *rest;
	enum scheme scheme = bus_scheme(url, &rest);
	bool is_folder = scheme == SCHEME_WS && url[strlen(url) - 1] == '/';

	if (scheme != SCHEME_IPC && scheme != SCHEME_WS)
		return NULL;
	return bus_url(p, "url",
		       settings_text(p, "%s%sin", url,
				     scheme == SCHEME_IPC ? "."
				     : is_folder          ? ""
							  : "/"));
}

/* NULL: it is not there. */
static const char *
bus_file(const struct settings_part *p, const char *path, bool has_key)
{
	const char *text = settings_str(p, path);
	const char *file = text != NULL ? settings_path(p, text) : NULL;
	struct stat st;

	if (file == NULL)
		return NULL;
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
	uint32_t line, column;

	if (settings_where(p, path, &line, &column))
		settings_problem(p, path, "only for %s", scheme);
}

static uint32_t
bus_mode(const struct settings_part *p)
{
	const char *text = settings_str(p, "mode");
	unsigned long mode = text != NULL ? strtoul(text, NULL, 8) : IPC_MODE;

	if (text != NULL && (text[strspn(text, "01234567")] != '\0' || mode > 0777))
		settings_problem(p, "mode", "\"%s\" is no file mode such as 0600 or 0660", text);
	return (uint32_t)mode;
}

static void
bus_read_address(const struct settings_part *p, struct listen_address *a)
{
	const char *url = settings_str(p, "url"), *requests = settings_str(p, "requests"), *rest;
	enum scheme scheme;

	a->mode = IPC_MODE;
	if (url == NULL)
		return;
	a->url = bus_url(p, "url", url);
	if (requests != NULL)
		a->requests = bus_url(p, "requests", requests);
	else if (a->url != NULL)
		a->requests = bus_requests(p, a->url);
	if (a->url == NULL)
		return;
	scheme = bus_scheme(a->url, &rest);
	if (scheme == SCHEME_IPC)
		a->mode = bus_mode(p);
	else
		bus_only_for(p, "mode", "ipc://");
	if (scheme == SCHEME_TLS) {
		a->cert = bus_file(p, "cert", true);
		a->ca = bus_file(p, "ca", false);
		if (a->cert == NULL)
			settings_problem(p, "url",
					 "tls+tcp:// needs cert:, a PEM file with "
					 "certificate and key");
		return;
	}
	bus_only_for(p, "cert", "tls+tcp://");
	bus_only_for(p, "ca", "tls+tcp://");
	if (scheme != SCHEME_IPC && !bus_is_local(rest))
		settings_warn(p, "url",
			      "everyone who reaches %s can read the bus; "
			      "tls+tcp:// with ca: asks who it is",
			      rest);
}

/* Have they an address in common; a with itself: is it there twice? */
static bool
bus_clash(const struct listen_address *a, const struct listen_address *b)
{
	const char *x[] = { a->url, a->requests }, *y[] = { b->url, b->requests };

	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 2; j++)
			if ((a != b || i != j) && x[i] != NULL && y[j] != NULL &&
			    strcmp(x[i], y[j]) == 0)
				return true;
	return false;
}

void
settings_read_bus(const struct settings_part *root)
{
	struct settings *s = root->s;
	struct settings_part p = *root;
	uint32_t count = mk_values_count(p.v, "bus.listen");
	char where[32];

	s->ring_messages = (uint64_t)mk_values_int(p.v, "bus.ring.messages");
	s->ring_bytes = (uint64_t)mk_values_int(p.v, "bus.ring.bytes");
	s->push_back_us = (uint64_t)mk_values_int(p.v, "bus.push_back");
	s->call_timeout_us = (uint64_t)mk_values_int(p.v, "bus.call_timeout");
	s->listen = settings_array(&p, count, sizeof(*s->listen));
	p.base = p.where = where;
	for (uint32_t i = 0; s->listen != NULL && i < count; i++) {
		struct listen_address *a = &s->listen[s->listen_count++], *b = s->listen;

		(void)snprintf(where, sizeof(where), "bus.listen[%u]", i);
		bus_read_address(&p, a);
		while (b < a && !bus_clash(a, b))
			b++;
		if (bus_clash(a, b))
			settings_problem(&p, "", "the address is used twice");
	}
}
