/* SPDX-License-Identifier: MIT */
#include "handshake.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

bool
handshake_has_token(const char *list, const char *token)
{
	size_t len = strlen(token);

	while (list != NULL && *list != '\0') {
		size_t n;

		list += strspn(list, " \t,");
		n = strcspn(list, " \t,");
		if (n == len && strncasecmp(list, token, len) == 0)
			return true;
		list += n;
	}
	return false;
}

/* No Origin: no browser. The page's own host, or one that is listed. */
static bool
handshake_origin_is_good(const struct handshake *h, const char *const *origins)
{
	const char *at = h->origin == NULL ? NULL : strstr(h->origin, "://");

	if (h->origin == NULL)
		return true;
	if (at != NULL && h->host != NULL && strcasecmp(at + 3, h->host) == 0)
		return true;
	for (; *origins != NULL; origins++)
		if (strcmp(*origins, "*") != 0 && strcasecmp(*origins, h->origin) == 0)
			return true;
	return false;
}

static bool
handshake_accept(const char *key, char accept[HANDSHAKE_ACCEPT])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	char text[24 + sizeof(guid)];

	if (key == NULL || strlen(key) != 24)
		return false;
	(void)snprintf(text, sizeof(text), "%s%s", key, guid);
	if (EVP_Digest(text, strlen(text), digest, &len, EVP_sha1(), NULL) != 1)
		return false;
	return EVP_EncodeBlock((unsigned char *)accept, digest, (int)len) ==
	       (int)HANDSHAKE_ACCEPT - 1;
}

unsigned
handshake_check(const struct handshake *h, const char *const *origins,
		char accept[HANDSHAKE_ACCEPT], const char **why)
{
	if (!handshake_has_token(h->upgrade, "websocket") ||
	    !handshake_has_token(h->connection, "upgrade")) {
		*why = "this is for WebSocket";
		return 426;
	}
	if (h->version == NULL || strcmp(h->version, "13") != 0) {
		*why = "only version 13 of WebSocket";
		return 426;
	}
	if (!handshake_origin_is_good(h, origins)) {
		*why = "origin not allowed";
		return 403;
	}
	if (!handshake_accept(h->key, accept)) {
		*why = "bad handshake";
		return 400;
	}
	return 0;
}
