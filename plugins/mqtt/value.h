/* SPDX-License-Identifier: MIT
 *
 * What observers write where a number, a time or bytes are wanted. Pure functions.
 */
#ifndef MK_MQTT_VALUE_H
#define MK_MQTT_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* A finite number, or a string with one and perhaps a unit behind it: "-110 dBm". */
bool value_number(const json_t *v, double *out);
/* The same, rounded half away from zero; false beyond 2^53. */
bool value_integer(const json_t *v, int64_t *out);
/* true, "on", "yes", 1 and the like. */
bool value_switch(const json_t *v, bool *out);

struct value_time {
	int64_t seconds; /* Unix time: the text's if it can be believed, else now */
	bool is_skewed;
	int64_t skew; /* the text has no zone and is so many seconds ahead of us */
};

/* The time an observer wrote on its message, NULL if none. */
struct value_time value_time(const char *text, size_t len, uint64_t now_us);

/* Hex digits with white space between them into bytes. The number of bytes; 0 if it is something
 * else, odd, empty, or more than `cap` bytes. */
size_t value_hex(const char *text, size_t len, uint8_t *out, size_t cap);

/* Copies text of whatever origin to where people read it, NUL-terminated: control characters become
 * '?', and what is too long is cut between two characters. Returns the length. */
size_t value_clean(const char *text, size_t len, char *out, size_t cap);

#endif
