/* SPDX-License-Identifier: MIT */
#include "render.h"

#include <math.h>
#include <string.h>

#include <hops/time.h>

double
render_round(double v, int decimals)
{
	double scale = pow(10, decimals);

	return round(v * scale) / scale;
}

void
render_khour(struct json *j, const char *key, int64_t hour)
{
	char text[HOPS_TIME_TEXT];

	hops_time_write(hour * 3600, text);
	js_key(j, key);
	js_strn(j, text, 13);
}

void
render_ktime(struct json *j, const char *key, int64_t seconds)
{
	char text[HOPS_TIME_TEXT];

	hops_time_write(seconds, text);
	js_kstr(j, key, seconds == 0 ? NULL : text);
}

void
render_khash(struct json *j, const char *key, const uint8_t hash[8])
{
	js_key(j, key);
	js_hex(j, hash, 8, false);
}

const char *
render_type(unsigned type)
{
	static const char *const names[] = {
		"REQ",      "RESPONSE", "TXT_MSG", "ACK",   "ADVERT",    "GRP_TXT",
		"GRP_DATA", "ANON_REQ", "PATH",    "TRACE", "MULTIPART", "CONTROL",
	};

	return type < sizeof(names) / sizeof(names[0]) ? names[type]
	       : type == 15                            ? "RAW_CUSTOM"
						       : NULL;
}

void
render_ktoken(struct json *j, const char *key, uint32_t token)
{
	char text[HOPS_TOKEN_TEXT];

	hops_token_text(token, text);
	for (char *c = text; *c != '\0'; c++)
		*c = (char)(*c >= 'a' ? *c - 32 : *c);
	js_kstr(j, key, text);
}

void
render_kobserver(struct json *j, const char *id, const char *name, const struct frame *f,
		 uint16_t observer)
{
	const struct an_observer *o = &f->observers[observer];

	js_kstr(j, id, o->id);
	js_kstr(j, name, o->name != NULL && o->name[0] != '\0' ? o->name : o->id);
}

void
render_kname(struct json *j, const char *key, const struct frame *f, uint32_t id)
{
	js_kstr(j, key, frame_name(f, id));
}

void
render_kpubkey(struct json *j, const char *key, const struct frame *f, uint32_t id)
{
	js_kstr(j, key, frame_key(f, id));
}

static void
render_bins(struct json *j, const uint64_t *counts, uint32_t n, double first, double step,
	    uint32_t bins, double low, double high)
{
	double width = high > low ? (high - low) / bins : 1.0 / bins;
	uint32_t value = 0;

	for (uint32_t b = 0; b < bins; b++) {
		uint64_t count = 0;

		/* Values grow, so each goes to the bin of its turn; the last takes the rest. */
		for (; value < n; value++) {
			double v = first + step * value;

			if (counts[value] == 0 || v < low)
				continue;
			if (b + 1 < bins && floor((v - low) / width) > b)
				break;
			count += counts[value];
		}
		js_object(j);
		js_knum(j, "x", low + width * b);
		js_knum(j, "w", width);
		js_kuint(j, "count", count);
		js_object_end(j);
	}
}

void
render_histogram(struct json *j, const uint64_t *counts, uint32_t n, double first, double step,
		 uint32_t bins)
{
	uint32_t low = 0, high = n;

	while (low < n && counts[low] == 0)
		low++;
	while (high > low && counts[high - 1] == 0)
		high--;
	js_object(j);
	js_karray(j, "bins");
	if (low < high)
		render_bins(j, counts, n, first, step, bins, first + step * low,
			    first + step * (high - 1));
	js_array_end(j);
	js_knum(j, "min", low < high ? first + step * low : 0);
	js_knum(j, "max", low < high ? first + step * (high - 1) : 0);
	js_object_end(j);
}

uint32_t
render_error(struct json *j, uint32_t status, const char *text)
{
	js_object(j);
	js_kstr(j, "error", text);
	js_object_end(j);
	return status;
}
