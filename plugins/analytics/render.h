/* SPDX-License-Identifier: MIT
 *
 * What answers have in common: rounding, hours, names of types, histograms.
 */
#ifndef ANALYTICS_RENDER_H
#define ANALYTICS_RENDER_H

#include <json/json.h>

#include "frame.h"

/* To so many decimals, halves away from zero. */
double render_round(double v, int decimals);
/* "2026-11-21T06", the hours since 1970 as a text. */
void render_khour(struct json *j, const char *key, int64_t hour);
/* "2026-11-21T06:43:00Z"; null for 0. */
void render_ktime(struct json *j, const char *key, int64_t seconds);
void render_khash(struct json *j, const char *key, const uint8_t hash[8]);
/* "GRP_TXT"; NULL: there is no name for it. */
const char *render_type(unsigned type);
/* A hop as packets write it, in upper case. */
void render_ktoken(struct json *j, const char *key, uint32_t token);
/* The name of an id, null if there is none; its key, null for HOPS_NONE. */
void render_kname(struct json *j, const char *key, const struct frame *f, uint32_t id);
void render_kpubkey(struct json *j, const char *key, const struct frame *f, uint32_t id);
/* Of an observer, by its place. */
void render_kobserver(struct json *j, const char *id, const char *name, const struct frame *f,
		      uint16_t observer);
/* A histogram of counts[0..n), whose values are first, first + step, ...: {bins: [{x, w, count}],
 * min, max}. */
void render_histogram(struct json *j, const uint64_t *counts, uint32_t n, double first, double step,
		      uint32_t bins);
/* {"error": text} */
uint32_t render_error(struct json *j, uint32_t status, const char *text);

#endif
