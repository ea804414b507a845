/* SPDX-License-Identifier: MIT
 *
 * Adverts: see advert.h.
 */
#include "advert.h"

#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "utf8.h"

#define ADVERT_TIME MC_KEY_SIZE
#define ADVERT_SIGNATURE (ADVERT_TIME + 4u)
#define BATTERY_MAX_MV 10000
#define TEMPERATURE_MIN_CENTI (-5000)
#define TEMPERATURE_MAX_CENTI 10000
#define LAT_MAX_E6 90000000
#define LON_MAX_E6 180000000

/* Bytes to clean text: what is no character becomes U+FFFD, control characters go except TAB and
 * LF, and it ends before the first character that does not fit. */
static void
advert_name(struct mc_advert *a, const uint8_t *s, size_t len)
{
	uint8_t one[4];
	size_t out = 0;

	for (size_t i = 0; i < len;) {
		uint32_t c = MC_UTF8_REPLACEMENT;
		size_t n = mc_utf8_next(s + i, len - i, &c);

		i += n > 0 ? n : 1;
		if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7F)
			continue;
		n = mc_utf8_put(c, one);
		if (out + n > MC_NAME_MAX)
			break;
		memcpy(a->name + out, one, n);
		out += n;
	}
	a->name[out] = '\0';
}

/* Not of firmware: sensors may append voltage and temperature after the name's NUL. */
static void
advert_telemetry(struct mc_advert *a, size_t at)
{
	int16_t temperature;

	while (at < a->data_len && a->data[at] == 0)
		at++;
	if (a->data_len - at < 4)
		return;
	a->battery_mv = mc_get_u16(a->data + at);
	a->has_battery = a->battery_mv >= 1 && a->battery_mv <= BATTERY_MAX_MV;
	temperature = (int16_t)mc_get_u16(a->data + at + 2);
	a->temperature_centi = temperature;
	a->has_temperature =
	    temperature >= TEMPERATURE_MIN_CENTI && temperature <= TEMPERATURE_MAX_CENTI;
}

/* A field that its flag announces but that does not fit is not there; the next one takes its
 * bytes. */
static void
advert_data(struct mc_advert *a, bool cut)
{
	size_t at = 1;

	a->has_flags = true;
	a->flags = a->data[0];
	a->has_location = (a->flags & MC_ADVERT_LOCATION) != 0 && a->data_len - at >= 8;
	if (a->has_location) {
		a->lat_e6 = mc_get_i32(a->data + at);
		a->lon_e6 = mc_get_i32(a->data + at + 4);
		at += 8;
	}
	a->has_feat1 = (a->flags & MC_ADVERT_FEAT1) != 0 && a->data_len - at >= 2;
	if (a->has_feat1) {
		a->feat1 = mc_get_u16(a->data + at);
		at += 2;
	}
	a->has_feat2 = (a->flags & MC_ADVERT_FEAT2) != 0 && a->data_len - at >= 2;
	if (a->has_feat2) {
		a->feat2 = mc_get_u16(a->data + at);
		at += 2;
	}
	if ((a->flags & MC_ADVERT_NAME) != 0) {
		const uint8_t *name = a->data + at;
		const uint8_t *end = memchr(name, 0, a->data_len - at);
		size_t len = end != NULL ? (size_t)(end - name) : a->data_len - at;

		/* What was cut off here is no reason to show half a character. */
		at += len;
		advert_name(a, name, cut && end == NULL ? mc_utf8_cut(name, len + 1, len) : len);
	}
	if ((a->flags & 15) == MC_NODE_SENSOR)
		advert_telemetry(a, at);
}

bool
mc_advert_parse(struct mc_advert *a, const uint8_t *payload, size_t len)
{
	bool cut;

	if (len < MC_ADVERT_MIN)
		return false;
	memset(a, 0, sizeof(*a));
	a->key = payload;
	a->time = mc_get_u32(payload + ADVERT_TIME);
	a->signature = payload + ADVERT_SIGNATURE;
	a->data = payload + MC_ADVERT_MIN;
	/* Firmware verifies and reads that much and ignores the rest, which nobody signed. */
	cut = len - MC_ADVERT_MIN > MC_ADVERT_DATA_MAX;
	a->data_len = (uint8_t)(cut ? MC_ADVERT_DATA_MAX : len - MC_ADVERT_MIN);
	if (a->data_len > 0)
		advert_data(a, cut);
	return true;
}

enum mc_check
mc_advert_verify(const struct mc_advert *a)
{
	uint8_t message[ADVERT_SIGNATURE + MC_ADVERT_DATA_MAX];

	memcpy(message, a->key, ADVERT_SIGNATURE); /* the time follows the key */
	memcpy(message + ADVERT_SIGNATURE, a->data, a->data_len);
	return mc_ed25519_verify(a->key, message, ADVERT_SIGNATURE + a->data_len, a->signature);
}

const char *
mc_advert_role(const struct mc_advert *a, char out[MC_ROLE_TEXT])
{
	static const char *const roles[] = { "none", "companion", "repeater", "room", "sensor" };
	uint8_t type = a->has_flags ? a->flags & 15 : MC_NODE_COMPANION;

	if (type < sizeof(roles) / sizeof(roles[0]))
		snprintf(out, MC_ROLE_TEXT, "%s", roles[type]);
	else
		snprintf(out, MC_ROLE_TEXT, "type-%u", type);
	return out;
}

const char *
mc_advert_fault(const struct mc_advert *a)
{
	static const uint8_t zeros[MC_KEY_SIZE];

	if (memcmp(a->key, zeros, MC_KEY_SIZE) == 0)
		return "invalid key";
	if (a->has_location && (a->lat_e6 < -LAT_MAX_E6 || a->lat_e6 > LAT_MAX_E6 ||
				a->lon_e6 < -LON_MAX_E6 || a->lon_e6 > LON_MAX_E6))
		return "invalid position";
	return NULL;
}
