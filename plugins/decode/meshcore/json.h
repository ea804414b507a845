/* SPDX-License-Identifier: MIT
 *
 * JSON, append only, into a buffer of fixed size. What does not fit sets `full`, and nothing is
 * written after that; look once at the end.
 *
 * Commas come by themselves: every value in an object or array puts one in front if it is not the
 * first.
 */
#ifndef MC_JSON_H
#define MC_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mc_json {
	char *buf;
	size_t cap, len; /* there is always a NUL at len */
	bool full;
};

void mc_json_init(struct mc_json *j, char *buf, size_t cap); /* cap at least 1 */
/* '{' or '['; and the end of it. In an object with a key, else NULL. */
void mc_json_open(struct mc_json *j, const char *key, char bracket);
void mc_json_close(struct mc_json *j, char bracket);

/* Keys are plain ASCII; NULL in arrays. */
void mc_json_bool(struct mc_json *j, const char *key, bool v);
void mc_json_int(struct mc_json *j, const char *key, int64_t v);
/* v / 10^decimals, without zeros at the end. */
void mc_json_fixed(struct mc_json *j, const char *key, int64_t v, uint32_t decimals);
/* The shortest text that reads as the same number; what is not finite becomes null. */
void mc_json_double(struct mc_json *j, const char *key, double v);
/* Escaped so that it may stand in HTML; a byte that is not UTF-8 becomes U+FFFD. */
void mc_json_str(struct mc_json *j, const char *key, const char *s, size_t len);
/* A string of hex digits. */
void mc_json_hex(struct mc_json *j, const char *key, const void *data, size_t len);
void mc_json_hex_upper(struct mc_json *j, const char *key, const void *data, size_t len);
/* A value that is JSON already. */
void mc_json_raw(struct mc_json *j, const char *key, const char *text, size_t len);

#endif
