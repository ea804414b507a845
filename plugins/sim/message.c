/* SPDX-License-Identifier: MIT
 *
 * Events as the programs beside observers publish them over MQTT. There are several such programs,
 * and they differ: numbers as numbers or as strings, times with a zone or without.
 */
#include "message.h"

#include <stdarg.h>
#include <time.h>

#include <meshcore/hex.h>

/* Appends; what does not fit cannot happen with the names and sizes there are. */
static void __attribute__((format(printf, 2, 3)))
message_add(struct message *m, const char *format, ...)
{
	size_t room = sizeof(m->payload) - m->payload_len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(m->payload + m->payload_len, room, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < room)
		m->payload_len += (uint32_t)n;
}

static void __attribute__((format(printf, 2, 3)))
message_topic(struct message *m, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(m->topic, sizeof(m->topic), format, args);
	va_end(args);
	m->topic_len = n < 0 ? 0 : (uint32_t)n;
}

static void
message_begin(struct message *m, const struct sim_party *p, uint64_t at_us)
{
	time_t at = (time_t)(at_us / 1000000) + (p->naive ? p->zone_s : 0);
	struct tm tm;

	gmtime_r(&at, &tm);
	message_add(m, "{\"origin\":\"%s\",\"timestamp\":\"%04d-%02d-%02dT%02d:%02d:%02d.%06u%s\",",
		    p->name, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		    tm.tm_sec, (unsigned)(at_us % 1000000), p->naive ? "" : "Z");
}

static void
message_signal(struct message *m, const struct sim_event *e, bool as_text)
{
	char raw[2 * SIM_FRAME_MAX + 1];
	const char *q = as_text ? "\"" : "";

	message_add(m, "\"raw\":\"%s\",", mc_hex_upper(e->raw, e->len, raw));
	message_add(m, "\"direction\":\"rx\",\"SNR\":%s%.2f%s,\"RSSI\":%s%d%s", q, e->snr4 / 4.0, q,
		    q, e->rssi, q);
}

static void
message_packet(const struct sim_event *e, const struct sim_party *p, struct message *m)
{
	const char *q = p->numbers_as_text ? "\"" : "";
	char hash[17];

	message_topic(m, "meshcore/%s/%s/packets", p->region, p->id);
	message_begin(m, p, e->at_us);
	message_add(
	    m, "\"origin_id\":\"%s\",\"type\":\"PACKET\",\"len\":%s%u%s,\"packet_type\":%s%u%s,",
	    p->id, q, e->len, q, q, e->raw[0] >> 2 & 15, q);
	message_signal(m, e, p->numbers_as_text);
	/* The firmware's rating: how well the signal stands above what could just be read. */
	message_add(m, ",\"score\":%s%d%s,\"hash\":\"%s\"}", q, (e->snr4 + 40) * 10, q,
		    mc_hex_upper(e->hash, 8, hash));
}

static void
message_status(const struct sim_event *e, const struct sim_party *p, struct message *m)
{
	const struct sim_vitals *v = &e->vitals;

	message_topic(m, "meshcore/%s/%s/status", p->region, p->id);
	message_begin(m, p, e->at_us);
	message_add(m,
		    "\"origin_id\":\"%s\",\"status\":\"online\",\"model\":\"%s\","
		    "\"firmware_version\":\"%s\",\"radio\":\"869.618,62.5,8,5\","
		    "\"client_version\":\"meshsim/1\",\"repeat\":\"%s\",",
		    p->id, p->model, p->firmware, p->repeats ? "on" : "off");
	message_add(m,
		    "\"stats\":{\"battery_mv\":%u,\"uptime_secs\":%u,\"noise_floor\":%d,"
		    "\"tx_air_secs\":%u,\"rx_air_secs\":%u,\"recv_errors\":%u,\"packets_sent\":%u,"
		    "\"packets_recv\":%u}}",
		    v->battery_mv, v->uptime_s, v->noise_dbm, v->tx_air_s, v->rx_air_s, v->errors,
		    v->sent, v->received);
}

static void
message_client(const struct sim_event *e, const struct sim_party *p, struct message *m)
{
	message_topic(m, "meshcore/client/%s/packets", p->id);
	message_begin(m, p, e->at_us);
	message_signal(m, e, false);
	message_add(m, ",\"gps\":{\"lat\":%.6f,\"lon\":%.6f,\"acc_m\":%d}}", e->lat_e6 / 1e6,
		    e->lon_e6 / 1e6, e->acc_m);
}

void
message_make(const struct sim *s, const struct sim_event *e, struct message *m)
{
	m->payload_len = 0;
	if (e->kind == SIM_RECEPTION)
		message_packet(e, sim_observer(s, e->who), m);
	else if (e->kind == SIM_STATUS)
		message_status(e, sim_observer(s, e->who), m);
	else
		message_client(e, sim_phone(s, e->who), m);
}
