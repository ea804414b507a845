/* SPDX-License-Identifier: MIT */
#include "bus_address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IPC_PATH_MAX 107u /* sun_path without its NUL */

enum bus_scheme
bus_scheme(const char *url, const char **rest)
{
	static const char *const schemes[] = { "ipc://", "tcp://", "tls+tcp://", "ws://" };

	for (int i = 0; i < BUS_UNKNOWN; i++) {
		size_t len = strlen(schemes[i]);

		if (strncmp(url, schemes[i], len) != 0)
			continue;
		if (rest != NULL)
			*rest = url + len;
		return (enum bus_scheme)i;
	}
	return BUS_UNKNOWN;
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

const char *
bus_address(mk_arena *arena, const char *folder, const char *url, char why[512])
{
	const char *rest = url, *path = "", *address;
	enum bus_scheme scheme = bus_scheme(url, &rest);

	if (scheme == BUS_UNKNOWN) {
		(void)snprintf(why, 512,
			       "\"%.255s\" is no address; they begin with ipc://, tcp://, "
			       "tls+tcp:// or ws://",
			       url);
		return NULL;
	}
	if (scheme != BUS_IPC && !bus_host_valid(rest, scheme == BUS_WS)) {
		(void)snprintf(why, 512, "\"%.255s\" needs a host and a port from 1 to 65535", url);
		return NULL;
	}
	if (rest[0] == '\0') {
		(void)snprintf(why, 512, "\"%.255s\" needs a path", url);
		return NULL;
	}
	if (scheme == BUS_IPC)
		path = mk_arena_path(arena, folder, rest);
	if (path != NULL && strlen(path) > IPC_PATH_MAX) {
		(void)snprintf(why, 512,
			       "the path is %zu bytes long, a unix socket takes at most %u: %.400s",
			       strlen(path), IPC_PATH_MAX, path);
		return NULL;
	}
	address = path == NULL        ? NULL
		  : scheme == BUS_IPC ? mk_arena_printf(arena, "ipc://%s", path)
				      : mk_arena_dup(arena, url, strlen(url));
	if (address == NULL)
		(void)snprintf(why, 512, "out of memory");
	return address;
}

const char *
bus_requests(mk_arena *arena, const char *url)
{
	enum bus_scheme scheme = bus_scheme(url, NULL);
	bool is_folder = url[strlen(url) - 1] == '/';

	if (scheme != BUS_IPC && scheme != BUS_WS)
		return NULL;
	return mk_arena_printf(arena, "%s%sin", url,
			       scheme == BUS_IPC ? "."
			       : is_folder       ? ""
						 : "/");
}

bool
bus_is_local(const char *url)
{
	const char *host = "";
	enum bus_scheme scheme = bus_scheme(url, &host);

	return scheme == BUS_IPC || strncmp(host, "127.", 4) == 0 ||
	       strncmp(host, "localhost:", 10) == 0 || strncmp(host, "[::1]:", 6) == 0;
}
