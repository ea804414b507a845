/* SPDX-License-Identifier: MIT
 *
 * The totals that every page shows.
 */
#include <string.h>

#include "../http.h"
#include "../read/read.h"

#define WEEK_S (7 * 86400)

struct stats_nodes {
	uint32_t all, active, repeaters, rooms, companions, sensors;
};

static void
stats_count(const struct read *r, int64_t now_s, struct stats_nodes *n)
{
	memset(n, 0, sizeof(*n));
	for (uint32_t i = 0; i < read_node_count(r); i++) {
		const struct read_node *node = read_node(r, i);
		const char *role = node->role == NULL ? "" : node->role;

		if (!node->known)
			continue;
		n->all++;
		if (!node->active || node->last_seen_s == READ_NULL ||
		    node->last_seen_s < now_s - WEEK_S)
			continue;
		n->active++;
		n->repeaters += strcmp(role, "repeater") == 0;
		n->rooms += strcmp(role, "room") == 0;
		n->companions += strcmp(role, "companion") == 0;
		n->sensors += strcmp(role, "sensor") == 0;
	}
}

/* Is no job correcting hashes of an older formula? */
static bool
stats_hashes_are_right(const struct http *h)
{
	mk_doc doc;
	const mk_val *items = mk_find(http_last(h, "storage/backfills", &doc), "items");
	bool right = true;

	for (uint32_t i = 0; i < mk_count(items); i++) {
		char name[64] = "", state[16] = "";

		mk_copy_str(mk_find(mk_at(items, i), "name"), name, sizeof(name));
		mk_copy_str(mk_find(mk_at(items, i), "state"), state, sizeof(state));
		right = right && (strstr(name, "hash") == NULL || strcmp(state, "done") == 0);
	}
	mk_doc_fini(&doc);
	return right;
}

static void
stats_memory(const struct http *h, const struct read_state *s, struct json *out)
{
	double rss = (double)atomic_load(&h->rss_bytes) / 1048576;

	js_knum(out, "trackedMB", (double)s->bytes / 1048576);
	js_knum(out, "storeDataMB", (double)s->bytes / 1048576);
	js_knum(out, "processRSSMB", rss);
	/* A program in C has no heap of that kind; the pages want numbers. */
	js_knum(out, "goHeapInuseMB", rss);
	js_knum(out, "goSysMB", rss);
	js_kuint(out, "neighborGraphCacheRebuildFailures", 0);
}

static void
stats(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	int64_t now_s = (int64_t)(h->host->wall_us(h->host) / 1000000);
	struct stats_nodes nodes;
	struct read_state s;
	uint64_t drops = 0;
	mk_doc doc;

	read_get_state(h->read, &s);
	if (!s.ready) {
		request_fail(rq, 503, "the database is not ready");
		return;
	}
	stats_count(h->read, now_s, &nodes);
	mk_get_u64(mk_find(http_last(h, "storage/stats", &doc), "sig_drops"), &drops);
	mk_doc_fini(&doc);
	js_object(out);
	js_kuint(out, "totalPackets", s.tx);
	js_kuint(out, "totalTransmissions", s.tx);
	js_kuint(out, "totalObservations", s.obs);
	js_kuint(out, "totalNodes", nodes.active);
	js_kuint(out, "totalNodesAllTime", nodes.all);
	js_kuint(out, "totalObservers", read_observer_count(h->read));
	js_kuint(out, "packetsLastHour", read_recent(h->read, READ_NONE, now_s, 3600));
	js_kuint(out, "packetsLast24h", read_recent(h->read, READ_NONE, now_s, 86400));
	js_kstr(out, "engine", "meshkern");
	js_kstr(out, "version", MK_VERSION);
	js_kstr(out, "commit", "unknown");
	js_kstr(out, "buildTime", "unknown");
	js_kobject(out, "counts");
	js_kuint(out, "repeaters", nodes.repeaters);
	js_kuint(out, "rooms", nodes.rooms);
	js_kuint(out, "companions", nodes.companions);
	js_kuint(out, "sensors", nodes.sensors);
	js_object_end(out);
	if (drops > 0)
		js_kuint(out, "signatureDrops", drops);
	js_kbool(out, "hashMigrationComplete", stats_hashes_are_right(h));
	stats_memory(h, &s, out);
	js_object_end(out);
}

const struct route stats_routes[] = {
	{ .method = "GET",
	  .pattern = "/api/stats",
	  .handle = stats,
	  .reads = MODEL_PACKETS | MODEL_NODES | MODEL_OBSERVERS | MODEL_STORAGE | MODEL_WARM,
	  .max_age_s = 2,
	  .summary = "totals of packets, nodes and observers" },
	{ .method = NULL },
};
