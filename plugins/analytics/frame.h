/* SPDX-License-Identifier: MIT
 *
 * The frame of analytics: the table of packets, who there is, and the modules that count. It belongs
 * to the plugin's thread.
 *
 * DOC: How a packet gets into the counts
 *
 * A packet changes while its copies come in, mostly within seconds. What changed waits, and is
 * counted when somebody asks or a second later, so a packet that thirty observers heard is counted
 * once or twice and not thirty times. Before something that is counted changes, it is taken out of
 * the counts.
 *
 * DOC: Views
 *
 * A view is the counts of one module over the packets that pass one filter. It is made from the
 * table of packets when a filter is asked for first, and from then on it is kept up to date like
 * the one without a filter: what is new is added, and what a window has left is subtracted. A view
 * that nobody asked for in a while gives its memory to others.
 *
 * Making one takes up to a second's tenth, in steps between which other things are done. Packets are
 * gone through by their slots: those below `view->made` are in it, and only they are folded.
 */
#ifndef ANALYTICS_FRAME_H
#define ANALYTICS_FRAME_H

#include <feed/feed.h>

#include "module.h"

#define FRAME_MODULES_MAX 24u
#define FRAME_VIEWS_MAX 96u
#define FRAME_BLOCK 1024u /* packets allocated together */
#define FRAME_OBSERVERS_MAX 65535u
#define FRAME_LATELY 256u

struct view_class {
	const char *name;
	void *context; /* the class's own */
	size_t size;   /* of the counts; zeroed they are empty */
	/* `view->in_region` says which observers count, NULL: all. */
	/* False: out of memory, and the counts are of no use any more. */
	bool (*add)(void *counts, const struct view *view, const struct an_packet *p, int sign);
	void (*fini)(void *counts);
	size_t (*bytes)(const void *counts);
	bool area_by_hops;        /* a packet is in an area if a hop of it is, not by who sent it */
	bool no_window, no_place; /* such filters are not for it */
};

struct view {
	const struct frame *frame;
	const struct view_class *class;
	char shape[112];
	int64_t since, until;
	int64_t goal;       /* where `since` is to be; later while what it left is in it still */
	uint32_t made;      /* slots below are in it; UINT32_MAX: all */
	uint8_t *in_region; /* by observer, NULL: no such filter */
	uint32_t in_region_count;
	uint8_t *in_area; /* by id, NULL: no such filter */
	uint32_t in_area_count;
	uint32_t *run; /* an_query.run */
	uint32_t run_count;
	int64_t used; /* when it was asked for last */
	void *counts;
	bool failed; /* memory was out while counting: it is made anew when asked for */
};

struct names {       /* texts with numbers from 1 on */
	char **text; /* by number; 0 is NULL */
	uint32_t count, cap;
	uint32_t *slots; /* open addressing; number */
	uint32_t slot_count;
};

struct frame_hop { /* who a token is, as far as that is decided without a path around it */
	uint32_t token, id;
	bool sure; /* nobody else begins so */
};

struct lora { /* how the radios are set */
	int64_t freq_hz;
	double bw_khz;
	int sf, cr, preamble;
};

struct frame_counts {
	uint64_t observations, packets, late, refused, gone, folds, answered, views_made;
};

struct frame {
	const mk_host *host;
	const char *database; /* its path, "" as long as it is not known; NULL: there is none */
	const struct an_module *const *classes;
	struct hops_nodes nodes;
	struct hops_graph graph;
	struct an_node *node; /* by id */
	uint32_t node_cap;
	struct an_observer *observers;
	uint32_t observer_count, observer_cap;
	uint16_t *observer_of; /* by id: place + 1 */
	uint32_t observer_of_cap;
	uint16_t lately[FRAME_LATELY]; /* places of observers that were named before */
	struct names channels, senders, scopes;
	/* the table */
	struct an_packet **blocks;
	uint32_t block_count, slot_count; /* slots ever used */
	uint32_t *free_slots;
	uint32_t free_count, free_cap;
	uint32_t *index; /* open addressing by tx; slot + 1 */
	uint32_t index_size, packet_count;
	uint32_t *order; /* slots by `first`, from order_start on */
	uint32_t order_start, order_count, order_cap;
	bool unsorted;
	uint32_t *waiting; /* slots */
	uint32_t waiting_count, waiting_cap;
	uint32_t *plain; /* a ring of the slots that are not packed; the oldest is at plain_at */
	uint32_t plain_at, plain_count;
	size_t packed_bytes;
	struct an_packet whole;                         /* what table_whole gave last, */
	uint32_t whole_hops[HOPS_PATH_MAX + UINT8_MAX]; /* and its lists */
	struct an_heard *whole_heard;
	uint32_t whole_cap;
	int64_t newest; /* `first` of the newest packet */
	uint64_t cursor;
	/* options */
	int64_t keep; /* seconds */
	uint32_t max_packets;
	size_t view_bytes;
	bool count_copies; /* damaged copies are packets like others */
	struct lora lora;
	/* who tokens are */
	struct frame_hop *hops;
	uint32_t hop_size, hop_count;
	uint64_t hops_at; /* nodes.changes when they were decided */
	uint64_t people;  /* counts what changed of names, roles and regions */
	uint64_t version; /* counts what changed of the packets */
	struct {
		const struct an_module *class;
		void *self;
	} modules[FRAME_MODULES_MAX];
	uint32_t module_count;
	struct view *views[FRAME_VIEWS_MAX];
	uint32_t view_count;
	bool later;   /* what was asked for needs a view that is not made yet */
	json_t *json; /* of the packet that is new */
	uint8_t raw[512];
	bool live;
	struct frame_counts counts;
};

/* `modules`: NULL-terminated. */
mk_result frame_init(struct frame *f, const mk_host *host, const struct an_module *const *modules);
void frame_fini(struct frame *f);
/* Forget every packet. */
mk_result frame_clear(struct frame *f);

/* ----------------------------------------------------------------- input -- */

void frame_on_obs(struct frame *f, const struct hops_obs *o);
void frame_on_person(struct frame *f, const struct history_person *p);
void frame_on_people(struct frame *f); /* they come anew, all of them */
void frame_on_graph(struct frame *f, const mk_val *body, bool delta);
/* snapshot/mbcap */
void frame_on_capability(struct frame *f, const mk_val *body, bool delta);
void frame_on_live(struct frame *f);
void frame_on_tick(struct frame *f, int64_t now);
/* What waits is counted. */
void frame_flush(struct frame *f);

/* ----------------------------------------------------------- for modules -- */

/* The packet of a transmission, or NULL. */
const struct an_packet *frame_find(const struct frame *f, uint64_t tx);
/* Packets by when they were heard first, oldest first: those with since <= first <= until. */
void frame_each(struct frame *f, int64_t since, int64_t until,
		void (*fn)(void *arg, const struct an_packet *p), void *arg);
/* It is a damaged copy of another packet, and counts nowhere; or it is none after all. */
void frame_set_copy(struct frame *f, const struct an_packet *p, bool copy);
/* The decoded object of a new packet, read once; NULL: there is none. In on_packet only. */
const json_t *frame_json(struct frame *f, const struct an_news *news);
/* The number of a text, 1 and up; 0 if it is NULL, or refused because there are too many. */
uint16_t frame_text(struct frame *f, struct names *names, const char *text, size_t len);
/* The place of an observer by its id, or AN_NO_OBSERVER. */
uint16_t frame_observer(const struct frame *f, const char *id, size_t len);
/* The node of a token when nothing else is known: the only one; else the one with a position and
 * most adverts. HOPS_NONE: nobody. `sure` may be NULL. */
uint32_t frame_hop(struct frame *f, uint32_t token, bool *sure);
const char *frame_key(const struct frame *f, uint32_t id);  /* NULL for HOPS_NONE */
const char *frame_name(const struct frame *f, uint32_t id); /* NULL: not known */
const char *frame_role(const struct frame *f, uint32_t id); /* in lower case; NULL: not known */
/* The module's counts over what passes the filter of `q`. Until the next callback. q NULL: over
 * everything. NULL: out of memory, or the view has to be made first: then the frame drops the answer
 * and asks again. */
const void *frame_view(struct frame *f, const struct view_class *class, const struct an_query *q);
/* All views of a class are of no use any more: they are made anew when they are asked for. */
void frame_forget(struct frame *f, const struct view_class *class);
bool query_hides(const struct an_query *q, uint32_t id);
/* Arguments: an integer, a text; `otherwise` if it is not there. Numbers may be texts, too. */
int64_t query_int(const struct an_query *q, const char *name, int64_t otherwise);
bool query_text(const struct an_query *q, const char *name, char *out, size_t cap);

/* ------------------------------------------------------------- questions -- */

#define FRAME_LATER UINT32_MAX

/* The part of the name behind "analytics/". Writes the answer; returns the HTTP status, 0 if nobody
 * answers that, or FRAME_LATER: ask again when frame_step has made a view. */
uint32_t frame_answer(struct frame *f, const char *name, const mk_val *args, struct json *out);
/* There are views to be made; goes on with one for a few milliseconds, true if that was its last. */
bool frame_is_making(const struct frame *f);
bool frame_step(struct frame *f);

size_t frame_bytes(const struct frame *f);

#endif
