/* SPDX-License-Identifier: MIT
 *
 * mqtt:// mqtts:// ws:// wss://, with or without user:password@, port and path.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "url.h"

static const struct scheme {
	const char *name, *paho;
	uint16_t port;
	bool tls, has_path;
} schemes[] = {
	{ "mqtt", "tcp", 1883, false, false }, { "tcp", "tcp", 1883, false, false },
	{ "mqtts", "ssl", 8883, true, false }, { "ssl", "ssl", 8883, true, false },
	{ "tls", "ssl", 8883, true, false },   { "ws", "ws", 80, false, true },
	{ "wss", "wss", 443, true, true },
};

static const struct scheme *
url_scheme(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strlen(schemes[i].name) == len && strncasecmp(schemes[i].name, text, len) == 0)
			return &schemes[i];
	return NULL;
}

static int
url_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Copies with %XX resolved. False: too long, or a NUL. */
static bool
url_unescape(const char *s, size_t len, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (c == '%' && len - i > 2 && url_digit(s[i + 1]) >= 0 &&
		    url_digit(s[i + 2]) >= 0) {
			c = (char)(url_digit(s[i + 1]) * 16 + url_digit(s[i + 2]));
			i += 2;
		}
		if (c == '\0' || n + 1 >= cap)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

static bool
url_credentials(struct url *u, const char *s, size_t len)
{
	const char *colon = memchr(s, ':', len);
	size_t user = colon == NULL ? len : (size_t)(colon - s);

	return url_unescape(s, user, u->user, sizeof(u->user)) &&
	       (colon == NULL ||
		url_unescape(colon + 1, len - user - 1, u->password, sizeof(u->password)));
}

/* HOST, HOST:PORT, [v6], [v6]:PORT; NULL or what is wrong. */
static const char *
url_host(struct url *u, const char *s, size_t len)
{
	const char *end = s + len, *host = s, *stop;
	unsigned long port;
	char *rest;

	if (len > 0 && *s == '[') {
		host = s + 1;
		stop = memchr(host, ']', (size_t)(end - host));
		s = stop == NULL ? end : stop + 1;
	} else {
		stop = memchr(s, ':', len);
		stop = s = stop == NULL ? end : stop;
	}
	if (stop == NULL || stop == host || (size_t)(stop - host) >= sizeof(u->host))
		return "it names no host";
	for (const char *c = host; c < stop; c++)
		if (*c <= ' ' || *c == 0x7f || strchr("/\\\"'<>@", *c) != NULL)
			return "the name of its host is none";
	memcpy(u->host, host, (size_t)(stop - host));
	u->host[stop - host] = '\0';
	if (s == end)
		return NULL;
	if (*s != ':' || s + 1 == end || s[1] < '0' || s[1] > '9')
		return "its port is no number";
	port = strtoul(s + 1, &rest, 10);
	if (rest != end || port == 0 || port > 65535)
		return "its port is not 1 to 65535";
	u->port = (uint16_t)port;
	return NULL;
}

bool
url_parse(const char *text, struct url *out, char *why, size_t why_len)
{
	const char *colon = strstr(text, "://"), *rest, *at, *path, *fault = NULL;
	const struct scheme *scheme =
	    colon == NULL ? NULL : url_scheme(text, (size_t)(colon - text));
	struct url u = { 0 };
	bool v6;

	if (scheme == NULL) {
		snprintf(why, why_len, "a broker is mqtt://, mqtts://, ws:// or wss:// and a host");
		return false;
	}
	rest = colon + 3;
	path = rest + strcspn(rest, "/");
	/* The last @ before the path: a password may contain others. */
	for (at = path; at > rest && at[-1] != '@'; at--)
		;
	u.tls = scheme->tls;
	u.port = scheme->port;
	if (at > rest && !url_credentials(&u, rest, (size_t)(at - rest) - 1))
		fault = "its user or password is too long";
	if (fault == NULL)
		fault = url_host(&u, at, (size_t)(path - at));
	if (fault == NULL && path[0] != '\0' && path[1] != '\0' && !scheme->has_path)
		fault = "only ws:// and wss:// have a path";
	if (fault == NULL && strlen(path) > 512)
		fault = "its path is too long";
	if (fault != NULL) {
		snprintf(why, why_len, "the address of this broker is wrong: %s", fault);
		return false;
	}
	v6 = strchr(u.host, ':') != NULL;
	snprintf(u.paho, sizeof(u.paho), "%s://%s%s%s:%u%s", scheme->paho, v6 ? "[" : "", u.host,
		 v6 ? "]" : "", u.port, scheme->has_path ? path : "");
	snprintf(u.shown, sizeof(u.shown), "%s://%s%s%s%s%s%s:%u%s", scheme->name,
		 at > rest ? u.user : "", u.password[0] != '\0' ? ":****" : "",
		 at > rest ? "@" : "", v6 ? "[" : "", u.host, v6 ? "]" : "", u.port,
		 scheme->has_path ? path : "");
	*out = u;
	return true;
}
