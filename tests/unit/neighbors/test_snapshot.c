/* SPDX-License-Identifier: MIT
 *
 * The snapshot: canonical, complete, and refused when it is not what it should be.
 */
#include "fixture.h"

#include <hops/body.h>

TestSuite(snapshot, .timeout = 120, .init = begin, .fini = finished);

static struct snapshot_order order;

static void
people(struct hops_nodes *nodes)
{
	node(nodes, "a1b200", "repeater", 50, 4);
	node(nodes, "b2c300", "repeater", 50.1, 4);
	node(nodes, "b2ffff", "repeater", 50.2, 4);
}

static void
history(uint32_t from, uint32_t to)
{
	static const char *const paths[] = { "a1b2", "a1b2,b2c3", "b2", "a1,b2", "", "b2c3" };
	static const char *const observers[] = { "OBS-1", "obs-2", "obs-3" };

	for (uint32_t i = from; i < to; i++) {
		struct hops_obs o = observed(i + 1, 1 + i / 6, observers[i % 3],
					     i % 12 < 6 ? "cafe" : NULL, paths[i * 7 % 6]);

		o.has_snr = true;
		o.snr = (float)(i % 40) / 4 - 5;
		take(o);
	}
}

static void
written(mk_writer *w, const struct hops_graph *shown, uint64_t serial, uint64_t number)
{
	struct snapshot_input in = {
		.links = &l, .graph = &g, .shown = shown, .order = { serial, number }
	};

	solve();
	mk_writer_init(w, 0);
	cr_assert_eq(snapshot_write(w, &in), MK_OK);
}

static mk_result
read_back(const mk_writer *w, bool delta)
{
	mk_doc doc;
	mk_result rc;

	mk_doc_init(&doc);
	cr_assert_eq(mk_doc_open(&doc, w->data, w->len, NULL, NULL, 0), MK_OK);
	rc = snapshot_read(&l, &order, mk_doc_root(&doc), delta);
	mk_doc_fini(&doc);
	return rc;
}

static void
start_again(void)
{
	finished();
	begin();
	people(&n);
}

/* S1: a restart in the middle. The window before the cursor is read again, as the feed does. */
Test(snapshot, a_restart_changes_nothing)
{
	mk_writer whole, half, rest;

	people(&n);
	history(0, 500);
	written(&whole, NULL, 7, 0);
	for (uint32_t cut = 1; cut < 500; cut += 83) {
		start_again();
		history(0, cut);
		written(&half, NULL, 1, 0);
		start_again();
		cr_assert_eq(read_back(&half, false), MK_OK);
		cr_assert_eq(l.cursor, cut);
		for (uint32_t i = 0; i < cut; i++) {
			struct hops_obs o =
			    observed(i + 1, 1 + i / 6,
				     (const char *[]){ "OBS-1", "obs-2", "obs-3" }[i % 3],
				     i % 12 < 6 ? "cafe" : NULL,
				     (const char *[]){ "a1b2", "a1b2,b2c3", "b2", "a1,b2", "",
						       "b2c3" }[i * 7 % 6]);

			links_take(&l, &o, true);
		}
		history(0, 500); /* what is covered is ignored */
		written(&rest, NULL, 7, 0);
		cr_expect_eq(rest.len, whole.len, "cut at %u", cut);
		cr_expect_eq(memcmp(rest.data, whole.data, whole.len), 0, "cut at %u", cut);
		mk_writer_fini(&half);
		mk_writer_fini(&rest);
	}
	mk_writer_fini(&whole);
}

Test(snapshot, a_base_and_its_deltas_are_the_whole)
{
	struct hops_graph shown = { 0 }, copy = { 0 }, direct = { 0 };
	struct hops_ids ids = { 0 };
	mk_writer base, delta, whole;
	mk_doc doc;

	people(&n);
	history(0, 120);
	written(&base, NULL, 1, 0);
	shown = g;
	g = (struct hops_graph){ 0 };
	links_settled(&l);
	hops_nodes_set(&n, "b2ffff", 6, &(struct hops_node){ 0 }); /* an open end becomes an edge */
	history(120, 131);
	written(&delta, &shown, 1, 1);
	written(&whole, NULL, 2, 0);
	cr_expect_lt(delta.len, base.len + 200);
	mk_doc_init(&doc);
	for (int i = 0; i < 2; i++) {
		const mk_writer *w = i == 0 ? &base : &delta;

		cr_assert_eq(mk_doc_open(&doc, w->data, w->len, NULL, NULL, 0), MK_OK);
		cr_assert_eq(hops_graph_read(&copy, &ids, mk_doc_root(&doc), i == 1), MK_OK);
	}
	cr_assert_eq(mk_doc_open(&doc, whole.data, whole.len, NULL, NULL, 0), MK_OK);
	cr_assert_eq(hops_graph_read(&direct, &ids, mk_doc_root(&doc), false), MK_OK);
	cr_expect_eq(copy.count, direct.count);
	cr_expect_eq(copy.open, direct.open);
	for (uint32_t i = 0; i < direct.count; i++) {
		const struct hops_edge *e = &direct.edges[i];
		const struct hops_edge *f = hops_graph_find(&copy, e->a, e->b, e->token);

		cr_assert_not_null(f);
		cr_expect_eq(memcmp(&e->t, &f->t, sizeof(e->t)), 0);
	}
	cr_expect_gt(direct.observer_count, 0);
	cr_expect_eq(copy.observer_count, direct.observer_count);
	cr_expect_eq(memcmp(copy.observers, direct.observers,
			    direct.observer_count * sizeof(*direct.observers)),
		     0, "bits stand for the same observers");
	start_again();
	order = (struct snapshot_order){ 0 };
	cr_expect_eq(read_back(&base, false), MK_OK);
	cr_expect_eq(read_back(&delta, true), MK_OK);
	cr_expect_eq(l.cursor, 131);
	cr_expect(order.serial == 1 && order.n == 1);
	mk_doc_fini(&doc);
	mk_writer_fini(&base);
	mk_writer_fini(&delta);
	mk_writer_fini(&whole);
	hops_graph_fini(&shown);
	hops_graph_fini(&copy);
	hops_graph_fini(&direct);
	hops_ids_fini(&ids);
}

Test(snapshot, the_graph_counts_as_same_until_something_changed)
{
	struct hops_graph shown;

	people(&n);
	history(0, 60);
	solve();
	shown = g;
	g = (struct hops_graph){ 0 };
	solve();
	cr_expect(snapshot_is_same(&g, &shown));
	history(60, 61);
	solve();
	cr_expect_not(snapshot_is_same(&g, &shown));
	hops_graph_fini(&shown);
}

Test(snapshot, deltas_that_do_not_follow_and_old_bases_are_refused)
{
	mk_writer base, delta;

	people(&n);
	history(0, 60);
	written(&base, NULL, 5, 0);
	written(&delta, &g, 5, 2);
	start_again();
	order = (struct snapshot_order){ 0 };
	cr_expect_eq(read_back(&delta, true), MK_ESTATE);
	cr_expect_eq(read_back(&delta, false), MK_EFORMAT);
	cr_expect_eq(read_back(&base, false), MK_OK);
	cr_expect_eq(read_back(&base, false), MK_EEXIST);
	cr_expect_eq(read_back(&delta, true), MK_ESTATE);
	mk_writer_fini(&base);
	mk_writer_fini(&delta);
}

/* Every byte damaged in turn: refused, or understood, but never half taken. */
Test(snapshot, damage_is_refused_and_leaves_nothing)
{
	uint32_t refused = 0;
	mk_writer base;

	people(&n);
	history(0, 30);
	written(&base, NULL, 5, 0);
	for (size_t i = 0; i < base.len; i++) {
		uint8_t *bytes = (uint8_t *)(uintptr_t)base.data, old = bytes[i];
		mk_doc doc;
		mk_result rc;

		bytes[i] = (uint8_t)(old ^ (i % 2 == 0 ? 0x55 : 0xff));
		start_again();
		order = (struct snapshot_order){ 0 };
		mk_doc_init(&doc);
		rc = mk_doc_open(&doc, base.data, base.len, NULL, NULL, 0);
		if (rc == MK_OK)
			rc = snapshot_read(&l, &order, mk_doc_root(&doc), false);
		mk_doc_fini(&doc);
		if (rc != MK_OK) {
			refused++;
			cr_expect_eq(l.count, 0);
			cr_expect_eq(l.cursor, 0);
			cr_expect_eq(order.serial, 0);
		}
		bytes[i] = old;
	}
	cr_expect_gt(refused, base.len / 4);
	mk_writer_fini(&base);
}
