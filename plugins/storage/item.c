/* SPDX-License-Identifier: MIT */
#include "item.h"

#include <math.h>
#include <string.h>

#define AT_MAX INT64_C(253402300799000000) /* the end of the year 9999 */

enum kind { KIND_TEXT, KIND_REAL, KIND_INTEGER, KIND_FLAG, KIND_BYTES, KIND_VALUE };

struct field {
	const char *name;
	uint8_t len;
	uint8_t kind;
	uint16_t at;
};

#define FIELD(kind, type, name)                                              \
	{                                                                    \
#name, sizeof(#name) - 1, KIND_##kind, offsetof(type, name), \
	}

/* In about the order in which they come, since each is looked for from the front. */
static const struct field item_fields[] = {
	FIELD(INTEGER, struct item, at),
	FIELD(TEXT, struct item, region),
	FIELD(TEXT, struct item, observer),
	FIELD(TEXT, struct item, name),
	FIELD(BYTES, struct item, raw),
	FIELD(REAL, struct item, snr),
	FIELD(REAL, struct item, rssi),
	FIELD(REAL, struct item, score),
	FIELD(TEXT, struct item, direction),
	FIELD(INTEGER, struct item, skew),
	FIELD(VALUE, struct item, bridge),
	FIELD(TEXT, struct item, rejected),
	FIELD(TEXT, struct item, hash),
	FIELD(INTEGER, struct item, route),
	FIELD(INTEGER, struct item, type),
	FIELD(INTEGER, struct item, version),
	FIELD(VALUE, struct item, path),
	FIELD(TEXT, struct item, json),
	FIELD(TEXT, struct item, channel),
	FIELD(TEXT, struct item, scope),
	FIELD(TEXT, struct item, from),
	FIELD(VALUE, struct item, advert),
	FIELD(TEXT, struct item, refused),
	FIELD(TEXT, struct item, model),
	FIELD(TEXT, struct item, firmware),
	FIELD(TEXT, struct item, client_version),
	FIELD(TEXT, struct item, radio),
	FIELD(INTEGER, struct item, battery_mv),
	FIELD(INTEGER, struct item, uptime_secs),
	FIELD(INTEGER, struct item, tx_air_secs),
	FIELD(INTEGER, struct item, rx_air_secs),
	FIELD(INTEGER, struct item, recv_errors),
	FIELD(INTEGER, struct item, packets_sent),
	FIELD(INTEGER, struct item, packets_recv),
	FIELD(REAL, struct item, noise_floor),
	FIELD(FLAG, struct item, repeat),
	FIELD(FLAG, struct item, retained),
	FIELD(TEXT, struct item, companion),
	FIELD(TEXT, struct item, heard),
	FIELD(TEXT, struct item, src),
	FIELD(REAL, struct item, lat),
	FIELD(REAL, struct item, lon),
	FIELD(REAL, struct item, acc_m),
	FIELD(INTEGER, struct item, rx_at),
	FIELD(INTEGER, struct item, bytes),
};

static const struct field advert_fields[] = {
	FIELD(TEXT, struct advert, name),          FIELD(TEXT, struct advert, role),
	FIELD(REAL, struct advert, lat),           FIELD(REAL, struct advert, lon),
	FIELD(INTEGER, struct advert, battery_mv), FIELD(REAL, struct advert, temperature_c),
	FIELD(FLAG, struct advert, foreign),
};

static void
item_take(const struct field *f, const mk_val *v, void *base)
{
	void *to = (char *)base + f->at;
	struct text *text = to;
	struct real *real = to;
	struct integer *integer = to;
	struct flag *flag = to;
	const uint8_t *bytes;

	switch (f->kind) {
	case KIND_TEXT:
		mk_get_str(v, &text->s, &text->len);
		break;
	case KIND_REAL:
		real->is = mk_get_f64(v, &real->v) && isfinite(real->v);
		break;
	case KIND_INTEGER:
		integer->is = mk_get_i64(v, &integer->v);
		break;
	case KIND_FLAG:
		flag->is = mk_get_bool(v, &flag->v);
		break;
	case KIND_BYTES:
		if (mk_get_bin(v, &bytes, &text->len))
			text->s = (const char *)bytes;
		break;
	default:
		*(const mk_val **)to = v;
		break;
	}
}

static void
item_fields_of(const mk_val *map, const struct field *fields, size_t count, void *base)
{
	uint32_t pairs = mk_is_map(map) ? mk_count(map) : 0;
	size_t next = 0;

	for (uint32_t i = 0; i < pairs; i++) {
		const char *key;
		size_t len;

		if (!mk_get_str(mk_key_at(map, i), &key, &len))
			continue;
		/* Publishers write fields in one order, so the next one is near the last one. */
		for (size_t tried = 0; tried < count; tried++, next = (next + 1) % count) {
			const struct field *f = &fields[next];

			if (f->len == len && memcmp(f->name, key, len) == 0) {
				item_take(f, mk_val_at(map, i), base);
				break;
			}
		}
	}
}

bool
item_read(const mk_val *map, struct item *out)
{
	*out = (struct item){ .map = map };
	item_fields_of(map, item_fields, sizeof(item_fields) / sizeof(item_fields[0]), out);
	return out->at.is && out->at.v > 0 && out->at.v <= AT_MAX;
}

void
item_read_advert(const mk_val *map, struct advert *out)
{
	*out = (struct advert){ 0 };
	item_fields_of(map, advert_fields, sizeof(advert_fields) / sizeof(advert_fields[0]), out);
}

static int
item_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
item_unhex(struct text hex, uint8_t *out, size_t bytes)
{
	if (hex.s == NULL || hex.len != 2 * bytes)
		return false;
	for (size_t i = 0; i < bytes; i++) {
		int high = item_digit(hex.s[2 * i]), low = item_digit(hex.s[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high * 16 + low);
	}
	return true;
}

void
item_hex(const void *bytes, size_t len, bool upper, char *out)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	const uint8_t *in = bytes;

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[in[i] >> 4];
		*out++ = digits[in[i] & 15];
	}
	*out = '\0';
}
