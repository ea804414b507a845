/* SPDX-License-Identifier: MIT
 *
 * Snapshots as they come back: to the plugin that published them, and to storage, which makes rows of
 * them. The input is a body, or changes to a good one; a good one must be taken after any bad one.
 *
 *   byte 0: bit 0 mbcap (else neighbors), bit 1 a delta, bit 2 raw; then the body, or pairs of
 *   (place, new byte) with two bytes for the place
 */
#include <stdlib.h>
#include <string.h>

#include <mbcap/snapshot.h>
#include <neighbors/snapshot.h>
#include <storage/apply.h>
#include <storage/schema.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY_A "a1b2000000000000000000000000000000000000000000000000000000000001"
#define KEY_B "b2c3000000000000000000000000000000000000000000000000000000000002"
#define OBSERVER "cafe000000000000000000000000000000000000000000000000000000000003"

static mk_writer good[2]; /* bodies of neighbors and mbcap */
static struct db *db;

static void
require(bool holds)
{
	if (!holds)
		abort();
}

/* ------------------------------------------------------- the plugins' side -- */

struct state {
	struct hops_nodes nodes;
	struct links links;
	struct mbcap mbcap;
};

static void
state_begin(struct state *s)
{
	static const struct hops_node repeater = { .there = true, .relays = true };

	*s = (struct state){ 0 };
	require(hops_nodes_set(&s->nodes, KEY_A, 64, &repeater) == MK_OK);
	require(hops_nodes_set(&s->nodes, KEY_B, 64, &repeater) == MK_OK);
	require(links_init(&s->links, &s->nodes, 5 * 86400, 1000) == MK_OK);
	require(mbcap_init(&s->mbcap, &s->nodes, 7 * 86400) == MK_OK);
}

static void
state_end(struct state *s)
{
	links_fini(&s->links);
	mbcap_fini(&s->mbcap);
	hops_nodes_fini(&s->nodes);
}

static void
state_make_good(void)
{
	struct state s;
	struct hops_graph graph = { 0 };
	struct solve_report report;
	struct solve_options options = { .least = 1, .now = 1795000100 };
	struct snapshot_input in = { .links = &s.links, .graph = &graph, .order = { 5, 0 } };
	struct mbcap_view view;

	state_begin(&s);
	for (uint32_t i = 0; i < 40; i++) {
		struct hops_obs o = { .id = i + 1,
				      .tx = i / 4 + 1,
				      .at = 1795000000 + i,
				      .observer = OBSERVER,
				      .observer_len = 64,
				      .from = i % 2 ? KEY_A : NULL,
				      .from_len = i % 2 ? 64 : 0,
				      .route = HOPS_ROUTE_FLOOD,
				      .type = i % 2 ? HOPS_TYPE_ADVERT : 5,
				      .size = 2,
				      .count = (uint8_t)(i % 3),
				      .has_snr = true,
				      .snr = 4.25f,
				      .hops = { HOPS_TOKEN(2, 0xb2c3), HOPS_TOKEN(2, 0xa1b2) } };

		links_take(&s.links, &o, false);
		mbcap_take(&s.mbcap, &o);
	}
	require(solve_graph(&graph, &s.links, &options, &report) == MK_OK);
	mk_writer_init(&good[0], 0);
	mk_writer_init(&good[1], 0);
	require(snapshot_write(&good[0], &in) == MK_OK);
	require(mbcap_view_make(&view, &s.mbcap, 1795000100) == MK_OK);
	require(mbcap_write(&good[1], &s.mbcap, &view, NULL, (struct mbcap_order){ 5, 0 },
			    1795000100) == MK_OK);
	mbcap_view_free(&view);
	hops_graph_fini(&graph);
	state_end(&s);
}

static mk_result
state_read(struct state *s, bool mbcap, const void *body, size_t len, bool delta)
{
	struct snapshot_order order = { 4, 0 };
	struct mbcap_order mbcap_order = { 4, 0 };
	mk_doc doc;
	mk_result rc;

	mk_doc_init(&doc);
	rc = mk_doc_open(&doc, body, (uint32_t)len, NULL, NULL, 0);
	if (rc == MK_OK && mbcap)
		rc = mbcap_read(&s->mbcap, &mbcap_order, mk_doc_root(&doc), delta);
	else if (rc == MK_OK)
		rc = snapshot_read(&s->links, &order, mk_doc_root(&doc), delta);
	mk_doc_fini(&doc);
	return rc;
}

/* -------------------------------------------------------------- storage's -- */

static void
rows_begin(void)
{
	mk_err err;

	require(db_open(&db, &(struct db_options){ .path = ":memory:", .create = true }, &err) ==
		MK_OK);
	require(db_begin(db, &err) == MK_OK && schema_create(db, &err) == MK_OK &&
		db_commit(db, &err) == MK_OK);
}

static mk_result
rows_apply(bool mbcap, const void *body, size_t len, bool delta)
{
	const char *name = mbcap ? "mbcap" : "neighbors";
	struct apply_input in = {
		.name = name, .origin = name, .body = body, .len = len, .delta = delta
	};
	mk_err err;
	mk_result rc;

	require(db_begin(db, &err) == MK_OK);
	rc = apply_snapshot(db, &in, NULL, &err);
	db_rollback(db); /* the next input begins from the same rows */
	return rc;
}

/* ------------------------------------------------------------------ input -- */

static void
run(bool mbcap, bool delta, const uint8_t *body, size_t len)
{
	const mk_writer *is_good = &good[mbcap];
	struct state s;

	if (mk_validate(body, len, NULL, NULL, 0) != MK_OK || !mk_begins_map(body, len))
		return; /* does not pass the bus */
	state_begin(&s);
	(void)state_read(&s, mbcap, body, len, delta);
	state_end(&s);
	(void)rows_apply(mbcap, body, len, delta);
	state_begin(&s);
	require(state_read(&s, mbcap, is_good->data, is_good->len, false) == MK_OK);
	state_end(&s);
	require(rows_apply(mbcap, is_good->data, is_good->len, false) == MK_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *body;
	bool mbcap;
	size_t len;

	if (size < 2)
		return -1;
	if (db == NULL) {
		state_make_good();
		rows_begin();
	}
	mbcap = data[0] & 1;
	if (data[0] & 4) {
		run(mbcap, data[0] & 2, data + 1, size - 1);
		return 0;
	}
	len = good[mbcap].len;
	body = malloc(len);
	require(body != NULL);
	memcpy(body, good[mbcap].data, len);
	for (size_t i = 1; i + 2 < size; i += 3)
		body[(size_t)(data[i] | data[i + 1] << 8) % len] = data[i + 2];
	run(mbcap, data[0] & 2, body, len);
	free(body);
	return 0;
}
