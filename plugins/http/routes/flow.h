/* SPDX-License-Identifier: MIT
 *
 * What /api/overview knows that is not in the database's rows: how many observations came in which
 * minute of the last eight days, how long they took to get here, and changes that rows do not keep.
 *
 * Counters are written by the plugin's thread and read by all; changes are under the model's lock.
 */
#ifndef HTTP_ROUTES_FLOW_H
#define HTTP_ROUTES_FLOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <meshkern/plugin.h>

#define FLOW_MINUTES (8u * 1440u)
#define FLOW_LAGS 512u
#define FLOW_CHANGES 64u

struct read;
struct model;

struct flow_change {
	const char *kind; /* "firmware", "multibyte" */
	int64_t at;       /* Unix seconds */
	char key[80], name[64], text[96];
};

struct flow {
	const mk_host *host;
	struct read *read;
	struct model *model;
	_Atomic uint32_t minutes[FLOW_MINUTES]; /* observations, by minute of Unix time */
	_Atomic int64_t head;                   /* the newest minute */
	_Atomic int64_t last_us;                /* the newest reception, Unix time; 0: none */
	_Atomic uint64_t lag_count;
	_Atomic uint32_t lags_us[FLOW_LAGS]; /* from reception to here, a ring */
	_Atomic bool seeded, stop;
	bool asked;
	struct flow_change changes[FLOW_CHANGES]; /* a ring */
	uint32_t change_count;
};

/* Zeroed before. */
void flow_init(struct flow *f, const mk_host *host, struct model *model, struct read *read);
/* Before the model is told, so that what was there before can be compared. [plugin] */
void flow_on_msg(struct flow *f, const mk_msg *msg);
/* Every second: reads the past once when there is a database. [plugin] */
void flow_on_timer(struct flow *f);

/* Observations of the minutes from `first` on, `count` of them. */
uint64_t flow_sum(const struct flow *f, int64_t first, uint32_t count);
/* The same hour on the last seven days, for each minute; negative: too little is known. */
double flow_usual(const struct flow *f, int64_t now_minute);
/* Of the last observations, 95 of 100 came within so many milliseconds; negative: there are none. */
double flow_lag_ms(const struct flow *f);

#endif
