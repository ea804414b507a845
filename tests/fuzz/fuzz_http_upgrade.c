/* SPDX-License-Identifier: MIT
 *
 * The headers of a WebSocket's handshake, a line each; an empty one is not there. Who is let in asked
 * for it as the standard says, and is of this host or of a listed one.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <http/server/handshake.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const origins[] = { "https://good.example", "*", NULL };

static void
check_taken(const struct handshake *h, const char *accept)
{
	if (strlen(accept) != HANDSHAKE_ACCEPT - 1 || strlen(h->key) != 24 ||
	    strcmp(h->version, "13") != 0 || strcasestr(h->upgrade, "websocket") == NULL ||
	    strcasestr(h->connection, "upgrade") == NULL)
		abort();
	if (h->origin == NULL || strcasecmp(h->origin, origins[0]) == 0)
		return;
	if (h->host == NULL || strlen(h->origin) < strlen(h->host) + 3 ||
	    strcasecmp(h->origin + strlen(h->origin) - strlen(h->host), h->host) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[4096], *line = text, accept[HANDSHAKE_ACCEPT] = "";
	const char *why = NULL, *values[6] = { NULL };
	struct handshake h;
	unsigned status;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t i = 0; i < 6 && line != NULL; i++) {
		char *end = strchr(line, '\n');

		if (end != NULL)
			*end = '\0';
		values[i] = *line == '\0' ? NULL : line;
		line = end == NULL ? NULL : end + 1;
	}
	h = (struct handshake){ .upgrade = values[0],
				.connection = values[1],
				.version = values[2],
				.key = values[3],
				.origin = values[4],
				.host = values[5] };
	status = handshake_check(&h, origins, accept, &why);
	if (status == 0)
		check_taken(&h, accept);
	else if (status < 400 || status > 499 || why == NULL)
		abort();
	return 0;
}
