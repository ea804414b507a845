/* SPDX-License-Identifier: MIT
 *
 * What is broken, since when, and who is affected: sentences, the worst first.
 */
#ifndef HTTP_ROUTES_ALERTS_H
#define HTTP_ROUTES_ALERTS_H

#include "../http.h"

#define ALERTS_MAX 128u

struct alert {
	bool bad;         /* else a warning */
	uint32_t weight;  /* among those of the same level */
	const char *kind; /* observer, node, plugin, bus, storage, broker */
	int64_t since;    /* Unix seconds; 0: not known */
	char ref[80], text[200];
};

/* Under the model's lock: at most ALERTS_MAX, how many of them; and how many there are in all. */
uint32_t alerts_find(const struct http *h, const struct settings *set, int64_t now_s,
		     struct alert *out, uint32_t *total);
/* "3 h", "14 min", "20 s". */
void alerts_span(int64_t seconds, char out[32]);

#endif
