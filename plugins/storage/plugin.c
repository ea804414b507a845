/* SPDX-License-Identifier: MIT
 *
 * storage, the only writer of the database: what it takes, publishes and can be told.
 */
#include "service.h"

#define MANUAL MK_TOPIC_MANUAL_ACK

/* clang-format off */
static const mk_topic subscribes[] = {
	{ .name = "packet/decoded", .flags = MANUAL, .help = "packets, to become rows" },
	{ .name = "rx/status", .flags = MANUAL, .help = "observers about themselves" },
	{ .name = "client/heard", .flags = MANUAL, .help = "what phones heard, and where" },
	{ .name = "core/poison", .help = "what nobody can decode, so that it is not waited for" },
	{ .name = "snapshot/", .help = "to be kept over restarts" },
	{ .name = NULL },
};

static const mk_topic publishes[] = {
	{ .name = "packet/stored", .flags = MK_TOPIC_RELIABLE, .max_body = EVENTS_MAX_BODY,
	  .help = "packets that are on disk" },
	{ .name = "node/changed", .flags = MK_TOPIC_RELIABLE, .max_body = EVENTS_MAX_BODY,
	  .help = "rows of nodes" },
	{ .name = "observer/changed", .flags = MK_TOPIC_RELIABLE, .max_body = EVENTS_MAX_BODY,
	  .help = "rows of observers" },
	{ .name = "storage/committed", .flags = MK_TOPIC_RELIABLE, .max_body = EVENTS_MAX_BODY,
	  .help = "what is on disk, by origin" },
	{ .name = "storage/state", .flags = MK_TOPIC_RELIABLE | MK_TOPIC_RETAINED,
	  .help = "whether the database may be opened" },
	{ .name = "storage/stats", .help = "counters" },
	{ .name = "storage/backfills", .flags = MK_TOPIC_RELIABLE | MK_TOPIC_RETAINED,
	  .help = "work on old rows that is to be done, or was" },
	{ .name = "snapshot/", .flags = MK_TOPIC_RELIABLE | MK_TOPIC_RETAINED,
	  .max_body = MK_BODY_MAX, .help = "those of the last run, at the start" },
	{ .name = NULL },
};

static const mk_method methods[] = {
	{ .name = "storage/step", .help = "one step of a backfill: name, hold_us" },
	{ .name = "storage/backfill", .help = "name, do: pause, resume, retry" },
	{ .name = "storage/forget", .help = "nodes are deleted: keys -> deleted" },
	{ .name = "storage/define", .help = "a backfill for a table of the caller's own" },
	{ .name = NULL },
};

static const char *const synchronous[] = { "normal", "full", NULL };

#define DAYS(key, days, text) { .name = key, .help = text, .type = MK_OPT_INT, .max = 36500, \
				.dflt = days, .flags = MK_OPT_LIVE }

static const mk_option retention[] = {
	DAYS("nodes", "7", "days without an advert until a node is inactive; 0: never"),
	DAYS("observers", "14", "days of silence until an observer is inactive; 0: never"),
	DAYS("packets", "0", "days since a packet was last heard until it is deleted; 0: never"),
	DAYS("metrics", "30", "days that samples of observers and dropped packets are kept; 0: for ever"),
	DAYS("clients", "0", "days that the receptions of phones are kept; 0: for ever"),
	DAYS("edges", "5", "days without a sign of it until a link between neighbours is deleted; 0: never"),
	{ .name = NULL },
};

static const mk_option options[] = {
	{ .name = "database", .help = "the file, seen from data_dir", .type = MK_OPT_STRING,
	  .min = 1, .max = 3000, .dflt = "meshkern.db" },
	{ .name = "synchronous", .help = "full: each commit waits for the disk; normal: what is acknowledged does",
	  .type = MK_OPT_ENUM, .choices = synchronous, .dflt = "normal" },
	{ .name = "cache", .help = "memory for pages of the database", .type = MK_OPT_SIZE,
	  .min = 1048576, .max = 17179869184, .dflt = "16MiB" },
	{ .name = "commit_rows", .help = "a transaction ends after so many packets",
	  .type = MK_OPT_INT, .min = 1, .max = 100000, .dflt = "2000", .flags = MK_OPT_LIVE },
	{ .name = "commit_after", .help = "and after this time in any case", .type = MK_OPT_DURATION,
	  .min = 100, .max = 10000000, .dflt = "10ms", .flags = MK_OPT_LIVE },
	{ .name = "sync_after", .help = "commits are brought to the disk, and acknowledged, at most this often",
	  .type = MK_OPT_DURATION, .min = 1000, .max = 60000000, .dflt = "100ms",
	  .flags = MK_OPT_LIVE },
	{ .name = "snapshots_after", .help = "snapshots are written at most this often",
	  .type = MK_OPT_DURATION, .min = 100000, .max = 3600000000, .dflt = "5s",
	  .flags = MK_OPT_LIVE },
	{ .name = "metrics_interval", .help = "one sample of an observer is kept for each",
	  .type = MK_OPT_DURATION, .min = 1000000, .max = 86400000000, .dflt = "5m",
	  .flags = MK_OPT_LIVE },
	{ .name = "backup", .help = "copy an old database before it is upgraded",
	  .type = MK_OPT_BOOL, .dflt = "true" },
	{ .name = "guests", .help = "instances that may have tables of their own in the database",
	  .type = MK_OPT_LIST, .max = 16, .flags = MK_OPT_LIVE },
	{ .name = "guests_size", .help = "what the tables and indexes of each of them may take",
	  .type = MK_OPT_SIZE, .min = 65536, .max = 1099511627776, .dflt = "64MiB",
	  .flags = MK_OPT_LIVE },
	{ .name = "retention", .help = "how long things are kept", .type = MK_OPT_GROUP,
	  .sub = retention },
	{ .name = NULL },
};
/* clang-format on */

static const char *const capabilities[] = { "storage.write", "storage.read", NULL };

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.min_host_minor = 1,
	.flags = MK_PLUGIN_SINGLE,
	.id = "storage",
	.version = "1.0.0",
	.summary = "The only writer of the database",
	.license = "MIT",
	.author = "The meshkern authors",
	.subscribes = subscribes,
	.publishes = publishes,
	.methods = methods,
	.options = options,
	.capabilities = capabilities,
	.create = service_create,
	.start = service_start,
	.on_msg = service_on_msg,
	.on_call = service_on_call,
	.on_timer = service_on_timer,
	.reconfigure = service_reconfigure,
	.stop = service_stop,
	.destroy = service_destroy,
};
