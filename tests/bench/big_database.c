/* SPDX-License-Identifier: MIT
 *
 * A database of the size at which a week of a busy region arrives: by default 71,000 transmissions,
 * 1.5 million observations, 2,000 nodes and 150 observers, ending now. Packets are valid: adverts are
 * signed, channel messages can be decrypted, hops of 1, 2 and 3 bytes are beginnings of keys, and the
 * paths of a packet grow from each other along links between nodes that are near each other.
 *
 * usage: big_database FILE [TRANSMISSIONS]     the same numbers give the same mesh
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <meshcore/compose.h>
#include <meshcore/hash.h>
#include <meshcore/hex.h>
#include <meshcore/object.h>
#include <storage/open.h>

#include "figures.h"

#define NODES 2000u
#define OBSERVERS 150u
#define NEAR 12u
#define SPAN_S (7 * 86400)
#define PER_TX 21.13 /* observations of a transmission, on average */
#define PATHS_MAX 512u
#define HOPS_MAX 20u

struct node {
	struct mc_identity id;
	char key[65], name[33];
	double lat, lon;
	uint8_t role;
	uint32_t near[NEAR];   /* repeaters, the nearest first */
	uint32_t observers[4]; /* the nearest */
	uint32_t adverts;
	int64_t last_s;
};

struct way {
	uint32_t nodes[HOPS_MAX];
	uint32_t hops;
};

struct big {
	struct db *db;
	struct node *nodes;
	struct mc_keys keys; /* those of `channels` that the decoder knows */
	struct mc_key channels[6];
	uint64_t dice;
	int64_t now_s;
	uint64_t observations;
	uint64_t heard[OBSERVERS]; /* packets of each observer */
	int64_t heard_s[OBSERVERS];
	char json[MC_JSON_MAX];
};

static const char *const words[] = { "Hill",  "Tower",  "Creek", "North", "Valley", "Bay",
				     "Ridge", "Harbor", "Oak",   "Lake",  "Summit", "Bridge" };
static const char *const regions[] = { "SJC", "SFO", "OAK", "SMF", "MRY", "STS" };
static const char *const roles[] = { "none", "companion", "repeater", "room", "sensor" };

static uint64_t
dice(struct big *b)
{
	uint64_t n = b->dice += UINT64_C(0x9e3779b97f4a7c15);

	n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
	return n ^ n >> 31;
}

static uint32_t
dice_below(struct big *b, uint32_t n)
{
	return (uint32_t)(dice(b) % n);
}

static double
dice_real(struct big *b)
{
	return (double)(dice(b) >> 11) / 9007199254740992.0;
}

/* ----------------------------------------------------------------- nodes -- */

static bool
big_is_relay(const struct node *n)
{
	return n->role == MC_NODE_REPEATER || n->role == MC_NODE_ROOM;
}

/* The nearest `max` of those that are relays (or of the first OBSERVERS nodes) into `out`. */
static void
big_nearest(const struct big *b, uint32_t of, bool observers, uint32_t *out, uint32_t max)
{
	double best[NEAR];
	uint32_t n = 0;

	for (uint32_t i = 0; i < (observers ? OBSERVERS : NODES); i++) {
		const struct node *x = &b->nodes[i], *y = &b->nodes[of];
		double d =
		    (x->lat - y->lat) * (x->lat - y->lat) + (x->lon - y->lon) * (x->lon - y->lon);
		uint32_t k = n < max ? n++ : max;

		if (i == of || (!observers && !big_is_relay(x))) {
			n = k < n ? k : n;
			continue;
		}
		for (; k > 0 && best[k - 1] > d; k--) {
			if (k < max) {
				best[k] = best[k - 1];
				out[k] = out[k - 1];
			}
		}
		if (k < max) {
			best[k] = d;
			out[k] = i;
		}
	}
}

static void
big_make_nodes(struct big *b)
{
	for (uint32_t i = 0; i < NODES; i++) {
		struct node *n = &b->nodes[i];
		uint32_t kind = dice_below(b, 100);
		uint8_t seed[MC_KEY_SIZE];

		for (uint32_t k = 0; k < sizeof(seed); k += 8)
			memcpy(seed + k, &(uint64_t){ dice(b) }, 8);
		(void)mc_identity_init(&n->id, seed);
		mc_hex_lower(n->id.key, MC_KEY_SIZE, n->key);
		n->role = i < OBSERVERS || kind < 40 ? MC_NODE_REPEATER
			  : kind < 90                ? MC_NODE_COMPANION
			  : kind < 96                ? MC_NODE_ROOM
						     : MC_NODE_SENSOR;
		n->lat = 36.5 + 2.5 * dice_real(b);
		n->lon = -123.0 + 2.5 * dice_real(b);
		(void)snprintf(n->name, sizeof(n->name), "%s %s %u", words[dice_below(b, 12)],
			       words[dice_below(b, 12)], i);
		n->last_s = b->now_s - dice_below(b, SPAN_S);
	}
	for (uint32_t i = 0; i < NODES; i++) {
		big_nearest(b, i, false, b->nodes[i].near, NEAR);
		big_nearest(b, i, true, b->nodes[i].observers, 4);
	}
}

static void
big_time(int64_t at, char text[32])
{
	time_t t = (time_t)at;
	struct tm tm;

	gmtime_r(&t, &tm);
	(void)strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static mk_result
big_store_nodes(struct big *b, mk_err *err)
{
	mk_result rc = MK_OK;
	char first[32], last[32];

	for (uint32_t i = 0; i < NODES && rc == MK_OK; i++) {
		const struct node *n = &b->nodes[i];

		big_time(b->now_s - SPAN_S - (int64_t)(i * 977), first);
		big_time(n->last_s, last);
		rc = db_run(b->db, err,
			    "INSERT INTO nodes (public_key, name, role, lat, lon, last_seen,"
			    " first_seen, advert_count, multibyte_sup, multibyte_evidence)"
			    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			    "sssddssiis", n->key, n->name, roles[n->role], n->lat, n->lon, last,
			    first, (int64_t)n->adverts, (int64_t)(i % 3), i % 3 ? "advert" : NULL);
	}
	for (uint32_t i = 0; i < OBSERVERS && rc == MK_OK; i++) {
		const struct node *n = &b->nodes[i];
		char id[65];

		mc_hex_upper(n->id.key, MC_KEY_SIZE, id);
		big_time(b->heard_s[i] == 0 ? b->now_s - SPAN_S : b->heard_s[i], last);
		big_time(b->now_s - SPAN_S, first);
		rc = db_run(b->db, err,
			    "INSERT INTO observers (rowid, id, name, iata, last_seen, first_seen,"
			    " packet_count, model, firmware, radio, noise_floor, battery_mv,"
			    " uptime_secs, last_packet_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'Heltec"
			    " V3', 'v1.11.0', '910.525,62.5,7,5', ?, 4100, 86400, ?)",
			    "isssssids", (int64_t)i + 1, id, n->name, regions[i % 6], last, first,
			    (int64_t)b->heard[i], -110.0, last);
	}
	return rc;
}

/* --------------------------------------------------------------- packets -- */

/* What is sent: the payload; returns its length. `kind` is below 100. */
static size_t
big_payload(struct big *b, uint32_t kind, struct node *from, uint32_t at, uint8_t *type,
	    uint8_t out[MC_PAYLOAD_MAX])
{
	static const uint8_t others[] = { MC_TXT_MSG,  MC_TXT_MSG, MC_ACK,  MC_REQ,
					  MC_RESPONSE, MC_PATH,    MC_PATH, MC_ANON_REQ };
	uint8_t noise[64];
	char text[96];

	for (uint32_t k = 0; k < sizeof(noise); k += 8)
		memcpy(noise + k, &(uint64_t){ dice(b) }, 8);
	if (kind < 25) {
		struct mc_advert a = { .time = at, .has_location = from->lat != 0 };

		a.flags = from->role;
		a.lat_e6 = (int32_t)(from->lat * 1e6);
		a.lon_e6 = (int32_t)(from->lon * 1e6);
		memcpy(a.name, from->name, sizeof(from->name));
		*type = MC_ADVERT;
		from->adverts++;
		return mc_compose_advert(&from->id, &a, out);
	}
	if (kind < 55) {
		uint32_t c = dice_below(b, 6);

		*type = MC_GRP_TXT;
		(void)snprintf(text, sizeof(text), "%s to %s, number %u, over",
			       words[noise[0] % 12], words[noise[1] % 12],
			       (unsigned)dice_below(b, 100000));
		return mc_compose_group_text(&b->channels[c], at, from->name, text, out);
	}
	if (kind < 58) {
		*type = MC_TRACE;
		return mc_compose_trace(dice_below(b, UINT32_MAX), 0, 1, noise, 1 + noise[63] % 6,
					out);
	}
	*type = others[dice_below(b, 8)];
	if (*type == MC_ACK)
		return mc_compose_ack(noise, NULL, out);
	if (*type == MC_ANON_REQ)
		return mc_compose_anon_req(&b->channels[0], noise[0], from->id.key, noise, 32, out);
	return mc_compose_peer(&b->channels[0], noise[0], from->id.key[0], noise,
			       16 + noise[2] % 40, out);
}

static mk_result
big_store_tx(struct big *b, uint32_t id, const uint8_t *raw, size_t len, int64_t at,
	     const struct node *from, mk_err *err)
{
	struct mc_decoder how = { .keys = &b->keys };
	static struct mc_object o;
	char hex[2 * MC_FRAME_MAX + 1], hash[MC_HASH_TEXT], first[32];
	struct mc_frame f;
	uint8_t h[MC_HASH_SIZE];

	if (mc_frame_parse(&f, raw, len) != MC_GOOD || !mc_object_decode(&o, &f, &how))
		return mk_err_set(err, MK_EFORMAT, "a packet that is none");
	mc_hash(&f, h);
	mc_hex_lower(h, sizeof(h), hash);
	mc_hex_upper(raw, len, hex);
	big_time(at, first);
	memcpy(b->json, o.json, o.json_len);
	b->json[o.json_len] = '\0';
	return db_run(b->db, err,
		      "INSERT OR IGNORE INTO transmissions (id, raw_hex, hash, first_seen,"
		      " route_type, payload_type, payload_version, decoded_json, from_pubkey,"
		      " last_seen, channel_hash) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)",
		      "isssiissis", (int64_t)id, hex, hash, first, (int64_t)f.route,
		      (int64_t)f.type, b->json, f.type == MC_ADVERT ? from->key : NULL, at,
		      o.channel[0] == '\0' ? NULL : o.channel);
}

/* One more way: an earlier one of the packet, and a few nodes more. */
static void
big_grow(struct big *b, struct way *ways, uint32_t count, uint32_t from, struct way *out)
{
	uint32_t more = 1 + dice_below(b, 2);

	*out = ways[dice_below(b, count)];
	for (; more > 0 && out->hops < HOPS_MAX; more--) {
		uint32_t last = out->hops == 0 ? from : out->nodes[out->hops - 1];
		uint32_t next = b->nodes[last].near[dice_below(b, NEAR)];
		bool there = next == from;

		for (uint32_t i = 0; i < out->hops; i++)
			there |= out->nodes[i] == next;
		if (!there)
			out->nodes[out->hops++] = next;
	}
}

static void
big_texts(struct big *b, const struct way *w, uint32_t size, char *path, char *resolved)
{
	char *p = path, *r = resolved;

	*p++ = *r++ = '[';
	for (uint32_t i = 0; i < w->hops; i++) {
		const struct node *n = &b->nodes[w->nodes[i]];

		if (i > 0)
			*p++ = *r++ = ',';
		*p++ = '"';
		p = mc_hex_upper(n->id.key, size, p) + 2 * size;
		*p++ = '"';
		if (size == 1 && n->id.key[1] % 4 == 0) {
			memcpy(r, "null", 4);
			r += 4;
			continue;
		}
		*r++ = '"';
		memcpy(r, n->key, 64);
		r += 64;
		*r++ = '"';
	}
	memcpy(p, "]", 2);
	memcpy(r, "]", 2);
}

static mk_result
big_store_obs(struct big *b, uint32_t tx, const struct way *w, const struct mc_parts *parts,
	      uint32_t observer, int64_t at, mk_err *err)
{
	char path[HOPS_MAX * 9 + 3], resolved[HOPS_MAX * 67 + 3], hex[2 * MC_FRAME_MAX + 1];
	uint8_t raw[MC_FRAME_MAX], bytes[MC_PATH_MAX];
	struct mc_parts p = *parts;
	size_t len;

	if (p.type != MC_TRACE) {
		for (uint32_t i = 0; i < w->hops; i++)
			memcpy(bytes + i * p.hash_size, b->nodes[w->nodes[i]].id.key, p.hash_size);
		p.path = bytes;
		p.hops = (uint8_t)w->hops;
	}
	len = mc_compose_frame(&p, raw);
	mc_hex_upper(raw, len, hex);
	big_texts(b, w, p.hash_size, path, resolved);
	b->heard[observer]++;
	b->heard_s[observer] = at > b->heard_s[observer] ? at : b->heard_s[observer];
	b->observations++;
	return db_run(b->db, err,
		      "INSERT OR IGNORE INTO observations (transmission_id, observer_idx,"
		      " direction, snr, rssi, path_json, timestamp, resolved_path, raw_hex)"
		      " VALUES (?, ?, 'rx', ?, ?, ?, ?, ?, ?)",
		      "iiddsiss", (int64_t)tx, (int64_t)observer + 1,
		      (double)((int)dice_below(b, 100) - 50) / 4, -40.0 - dice_below(b, 80), path,
		      at, w->hops == 0 ? NULL : resolved, hex);
}

static mk_result
big_store_packet(struct big *b, uint32_t id, int64_t at, mk_err *err)
{
	static struct way ways[PATHS_MAX];
	uint32_t sender = dice_below(b, NODES), kind = dice_below(b, 100), count = 1;
	struct node *from = &b->nodes[sender];
	uint32_t size_dice = (sender * 7919) % 100;
	uint8_t payload[MC_PAYLOAD_MAX], raw[MC_FRAME_MAX];
	struct mc_parts p = { .route = MC_FLOOD, .payload = payload };
	double wanted = -log(1 - dice_real(b)) * PER_TX;
	size_t len;
	mk_result rc;

	p.hash_size = size_dice < 60 ? 1 : size_dice < 90 ? 2 : 3;
	p.payload_len = big_payload(b, kind, from, (uint32_t)at, &p.type, payload);
	p.route = p.type == MC_TRACE || (p.type == MC_ACK && kind % 2) ? MC_DIRECT : MC_FLOOD;
	len = mc_compose_frame(&p, raw);
	rc = big_store_tx(b, id, raw, len, at, from, err);
	ways[0].hops = 0;
	for (uint32_t i = 0; rc == MK_OK && i < (uint32_t)wanted + 1 && count < PATHS_MAX; i++) {
		const struct way *w = &ways[0];
		uint32_t last = sender;

		if (i > 0 && p.type != MC_TRACE) {
			big_grow(b, ways, count, sender, &ways[count]);
			w = &ways[count++];
			last = w->hops == 0 ? sender : w->nodes[w->hops - 1];
		}
		if (w->hops * p.hash_size > MC_PATH_MAX)
			continue;
		rc = big_store_obs(b, id, w, &p,
				   p.type == MC_TRACE ? dice_below(b, OBSERVERS)
						      : b->nodes[last].observers[dice_below(b, 4)],
				   at + (int64_t)(i / 4) + dice_below(b, 3), err);
	}
	return rc;
}

static mk_result
big_store_packets(struct big *b, uint32_t count, mk_err *err)
{
	mk_result rc = MK_OK;

	for (uint32_t i = 0; i < count && rc == MK_OK; i++)
		rc = big_store_packet(b, i + 1,
				      b->now_s - 60 -
					  (int64_t)((uint64_t)(count - i - 1) * SPAN_S / count),
				      err);
	return rc;
}

/* Indexes are made last, which is faster. */
static mk_result
big_make(struct big *b, const char *path, uint32_t count, mk_err *err)
{
	struct db_options options = { .path = path, .create = true, .cache_kib = 262144 };
	const struct schema_index *index = NULL;
	mk_result rc = db_open(&b->db, &options, err);

	if (rc == MK_OK)
		rc = db_exec(b->db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", err);
	if (rc == MK_OK)
		rc = db_begin(b->db, err);
	if (rc == MK_OK)
		rc = schema_create(b->db, err);
	if (rc == MK_OK)
		rc = db_exec(b->db,
			     "DROP INDEX idx_observations_transmission_id;"
			     "DROP INDEX idx_observations_observer_idx;"
			     "DROP INDEX idx_observations_timestamp;"
			     "DROP INDEX idx_observations_tx_ts;"
			     "DROP INDEX idx_observations_observer_idx_timestamp",
			     err);
	if (rc == MK_OK)
		rc = big_store_packets(b, count, err);
	if (rc == MK_OK)
		rc = big_store_nodes(b, err);
	for (; rc == MK_OK; rc = schema_add_index(b->db, index, err)) {
		rc = schema_next_index(b->db, &index, err);
		if (rc != MK_OK || index == NULL)
			break;
	}
	if (rc == MK_OK)
		rc = db_exec(b->db,
			     "UPDATE transmissions SET last_seen = COALESCE((SELECT max(timestamp)"
			     " FROM observations WHERE transmission_id = transmissions.id),"
			     " last_seen)",
			     err);
	if (rc == MK_OK)
		rc = schema_finish(b->db, err);
	if (rc == MK_OK)
		rc = db_commit(b->db, err);
	if (rc == MK_OK)
		rc = db_use_wal(b->db, err);
	return rc;
}

int
main(int argc, char **argv)
{
	static const char *const known[] = { "#test", "#bay", "#sensors" };
	struct big b = { .dice = 1, .now_s = (int64_t)time(NULL) };
	uint32_t count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 71000;
	mk_err err = { 0 };
	mk_result rc;

	if (argc < 2 || count == 0) {
		printf("usage: big_database FILE [TRANSMISSIONS]\n");
		return 0;
	}
	b.nodes = calloc(NODES, sizeof(*b.nodes));
	if (b.nodes == NULL)
		return 1;
	mc_keys_init(&b.keys);
	(void)mc_keys_add_public(&b.keys);
	b.channels[0] = *b.keys.at[0];
	for (uint32_t i = 0; i < 5; i++) {
		uint8_t secret[16] = { (uint8_t)(200 + i), 1, 2, 3 };

		if (i < 3) {
			(void)mc_keys_add_hashtag(&b.keys, known[i]);
			mc_key_hashtag(known[i], secret);
		}
		mc_key_init(&b.channels[i + 1], secret, sizeof(secret));
	}
	big_make_nodes(&b);
	(void)unlink(argv[1]);
	rc = big_make(&b, argv[1], count, &err);
	if (rc != MK_OK)
		fprintf(stderr, "big_database: %s\n", err.text);
	else
		printf("transmissions=%" PRIu32 " observations=%" PRIu64 "\n", count,
		       b.observations);
	db_close(b.db);
	mc_keys_fini(&b.keys);
	free(b.nodes);
	return rc == MK_OK ? 0 : 1;
}
