/* SPDX-License-Identifier: MIT
 *
 * A synthetic mesh: nodes with keys, names and places, radio links between them, traffic as the
 * firmware makes it, and what some of the nodes, the observers, hear of it. The same options give
 * the same events, on every machine.
 *
 * Time is Unix time in microseconds and belongs to the model: whoever reads the events decides
 * whether he waits until they are due. A `struct sim` belongs to one thread.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <meshkern/err.h>

#define SIM_NODES_MAX 4000
#define SIM_OBSERVERS_MAX 1000
#define SIM_PHONES_MAX 16
#define SIM_RATE_MAX 50000
#define SIM_FRAME_MAX 255

struct sim;

struct sim_options {
	uint64_t seed;
	uint64_t start_us;  /* time of the first event */
	uint32_t nodes;     /* 2 .. SIM_NODES_MAX */
	uint32_t observers; /* 1 .. nodes; they are nodes, too */
	uint32_t phones;
	double rate;                /* receptions in a second, 1 .. SIM_RATE_MAX */
	double lat, lon;            /* the centre */
	const char *const *regions; /* airport codes of the towns, in turn; NULL-terminated */
	const char *const *scopes;  /* names of regions for scoped floods, at most two */
	double damaged;             /* share of receptions with bit errors */
	double spoiled;             /* share of floods that a relay sends on with bit errors */
	double repeated;            /* share that arrives twice */
	double forged;              /* share of originated packets */
};

/* 60 nodes, 12 observers, 3 phones, 5 receptions a second, Belgium. */
extern const struct sim_options sim_defaults;

enum sim_kind { SIM_RECEPTION, SIM_STATUS, SIM_CLIENT };

/* What the observer itself has to say, in SIM_STATUS. */
struct sim_vitals {
	uint32_t battery_mv, uptime_s, tx_air_s, rx_air_s, errors, sent, received;
	int32_t noise_dbm;
};

struct sim_event {
	uint64_t at_us;
	enum sim_kind kind;
	uint32_t who;    /* observer, or phone */
	uint64_t packet; /* number of what was sent, from 1; the truth has it, too */
	int32_t snr4;    /* quarters of a dB */
	int32_t rssi;    /* dBm */
	uint8_t hash[8]; /* the content hash, before any damage */
	bool damaged;    /* `raw` is not what was sent */
	bool forged;     /* an advert whose signature is wrong */
	bool repeated;   /* the event before this one, once more */
	uint16_t len;
	uint8_t raw[SIM_FRAME_MAX];
	struct sim_vitals vitals;
	int32_t lat_e6, lon_e6, acc_m; /* SIM_CLIENT: where the phone was */
};

/* What there is to know about an observer or a phone. */
struct sim_party {
	char id[65]; /* upper-case key of an observer, lower-case of a phone */
	const char *name;
	const char *region;
	const char *model;
	const char *firmware;
	bool repeats;
	bool numbers_as_text; /* its program writes numbers as JSON strings */
	bool naive;           /* its times have no zone */
	int32_t zone_s;       /* and are so many seconds ahead of UTC */
};

/* MK_EINVAL, and err says which option. */
mk_result sim_check(const struct sim_options *options, mk_err *err);
mk_result sim_new(const struct sim_options *options, struct sim **out, mk_err *err);
void sim_free(struct sim *s);

/* The next event; there is always one. [borrowed] until the next call. NULL: out of memory, and
 * the mesh is of no more use. */
const struct sim_event *sim_next(struct sim *s);
/* From here on everything happens `us` later, the event that is in hand as well: whoever had to
 * wait puts the model's clock right. */
void sim_shift(struct sim *s, int64_t us);
mk_result sim_set_rate(struct sim *s, double rate); /* MK_EINVAL: out of range */

uint32_t sim_observers(const struct sim *s);
const struct sim_party *sim_observer(const struct sim *s, uint32_t i);
uint32_t sim_phones(const struct sim *s);
const struct sim_party *sim_phone(const struct sim *s, uint32_t i);

/* Write the truth as JSON lines (docs/sim.md): the mesh now, and every packet when it is sent.
 * `file` stays the caller's. MK_EIO if it could not be written so far. */
mk_result sim_tell(struct sim *s, FILE *file);

#endif
