/* SPDX-License-Identifier: MIT
 *
 * The parts of the program meshsim.
 */
#ifndef SIM_MESHSIM_H
#define SIM_MESHSIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"
#include "sim.h"

/* What was asked for on the command line. */
struct meshsim_options {
	struct sim_options sim;
	uint64_t count;     /* receptions, 0 no limit */
	double duration_s;  /* of the mesh's time, 0 no limit */
	const char *json;   /* file, "-" standard output; or NULL */
	const char *broker; /* mqtt://host:port; or NULL */
	const char *truth;  /* file or NULL */
	uint32_t qos, connections, inflight;
	bool distinct, flat_out, pregenerate;
};

/* 0; 2 after having said what is wrong; -1 after having shown the help. */
int meshsim_options(int argc, char **argv, struct meshsim_options *o);

/* What was published, as whoever stores it will count it. */
struct tally {
	uint64_t messages, receptions, statuses, clients;
	uint64_t rejected;      /* damaged: no packet any more */
	uint64_t refused;       /* adverts with a wrong signature */
	uint64_t transmissions; /* different content hashes */
	uint64_t observations;  /* different in hash, observer or path */
	struct tally_set {
		uint64_t *at;
		size_t count, cap;
	} hashes, observed;
};
/* Count an event; *fresh: it is the first of its observation. False: out of memory. */
bool tally_add(struct tally *t, const struct sim_event *e, bool *fresh);
void tally_print(const struct tally *t, double seconds, FILE *out);
void tally_fini(struct tally *t);

/* A broker: messages out, with a bounded number that it has not acknowledged. */
struct publisher;
struct publisher *publisher_new(const struct meshsim_options *o); /* NULL after having said why */
/* Waits while too many are under way. `lane` keeps its order. */
bool publisher_send(struct publisher *p, uint32_t lane, const char *topic, const char *payload,
		    uint32_t len);
/* What was sent so far goes out; messages are else collected. */
bool publisher_flush(struct publisher *p);
/* Waits for the last acknowledgements; false if a message or the connection was lost. */
bool publisher_finish(struct publisher *p);
void publisher_free(struct publisher *p);

#endif
