/* SPDX-License-Identifier: MIT
 *
 * What the tests of the plugin share.
 */
#ifndef DECODE_FIXTURE_H
#define DECODE_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>
#include <meshkern/testkit.h>

#include <meshcore/compose.h>
#include <meshcore/hex.h>

/* A text on Public, of a sender, by a flood. */
#define RAW_HEX "0A00D69FD7A5A7475DB07337749AE61FA53A4788E976"
/* With a path of two hops of 2 bytes. */
#define RAW_PATH_HEX "0942AABBCCDDD69FD7A5A7475DB07337749AE61FA53A4788E976"

static inline mk_tk *
started(const char *config)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, config);

	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	return tk;
}

static inline void
finished(mk_tk *tk)
{
	cr_expect_eq(mk_tk_misbehaved(tk), 0, "%s", mk_tk_misbehaved_text(tk));
	cr_expect_eq(mk_tk_free(tk), 0, "%s", mk_tk_leaks());
}

static inline void
put_hex(mk_writer *w, const char *hex)
{
	uint8_t raw[1024];
	size_t len = 0;

	cr_assert(mc_hex_decode(hex, strlen(hex), raw, sizeof(raw), &len));
	mk_kv_bin(w, "raw", raw, len);
}

/* As a durable message of the origin "test", whose numbers are those of the topic. */
static inline void
send_body(mk_tk *tk, const char *topic, mk_writer *w)
{
	cr_assert_eq(mk_writer_end(w), MK_OK);
	cr_assert_eq(mk_tk_send_raw(tk, topic, w->data, w->len, MK_MSG_DURABLE), MK_OK);
	mk_writer_fini(w);
}

/* A message of one item that has `hex` as its packet. */
static inline void
send_hex(mk_tk *tk, const char *topic, const char *hex)
{
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 1);
	mk_put_map(&w, 3);
	mk_kv_u64(&w, "at", 1774805580000000);
	mk_kv_str(&w, "observer", "obs");
	put_hex(&w, hex);
	send_body(tk, topic, &w);
}

static inline void
send_committed(mk_tk *tk, const char *source, uint64_t seq)
{
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 1);
	mk_put_map(&w, 2);
	mk_kv_str(&w, "source", source);
	mk_kv_u64(&w, "seq", seq);
	cr_assert_eq(mk_tk_send(tk, "storage/committed", &w), MK_OK);
	mk_writer_fini(&w);
}

/* A signed advert with a position as hex digits. */
static inline const char *
advert_hex(uint8_t route, int32_t lat_e6, int32_t lon_e6)
{
	static char hex[2 * MC_FRAME_MAX + 1];
	static const uint8_t seed[MC_KEY_SIZE] = "a seed for the tests";
	uint8_t payload[MC_PAYLOAD_MAX], raw[MC_FRAME_MAX];
	struct mc_parts parts = {
		.route = route, .type = MC_ADVERT, .hash_size = 1, .payload = payload
	};
	struct mc_advert a = { .flags = MC_NODE_REPEATER,
			       .time = 1774805580,
			       .has_location = true,
			       .lat_e6 = lat_e6,
			       .lon_e6 = lon_e6,
			       .name = "Node" };
	struct mc_identity id;

	cr_assert(mc_identity_init(&id, seed));
	parts.payload_len = mc_compose_advert(&id, &a, payload);
	return mc_hex_lower(raw, mc_compose_frame(&parts, raw), hex);
}

static inline bool
said(mk_tk *tk, const char *topic, uint32_t i, const char *part)
{
	const char *json = mk_tk_json(tk, topic, i);

	return json != NULL && strstr(json, part) != NULL;
}

#endif
