/* SPDX-License-Identifier: MIT
 *
 * A conversation with the running daemon over its control socket: one request, then one answer
 * or a stream of them. Messages are a u32 (little-endian) length and one msgpack map.
 */
#ifndef MK_CLI_TALK_H
#define MK_CLI_TALK_H

#include <meshkern/codec.h>

#include "cli.h"

#define TALK_QUERY_US 10000000u   /* for what the daemon answers from memory */
#define TALK_CHANGE_US 300000000u /* for what waits on plugins, whose deadlines are settings */
#define TALK_FOREVER UINT64_MAX

struct talk {
	int fd;
	mk_writer request;
	uint8_t *answer;
	mk_doc doc;
	/* the last answer, borrowed until the next talk_next */
	mk_result result;
	bool more;          /* another answer follows */
	const mk_val *data; /* a map, or NULL */
};

/* Connect. 0, or the exit status after saying what to do. Call talk_close in either case. */
int talk_open(struct talk *c, const struct cli *cli);
/* A request with `params` more pairs, which the caller writes into the result. */
mk_writer *talk_begin(struct talk *c, const char *method, uint32_t params);
int talk_send(struct talk *c);
/* The next answer; at most `wait_us` without a sign of life. 0 also when it is a refusal. */
int talk_next(struct talk *c, uint64_t wait_us);
/* 0 if the last answer was good; else its error is said, with `what` in front. */
int talk_verdict(const struct talk *c, const char *what);
void talk_close(struct talk *c);

/* All of it for a method without parameters or with a name: ask, then `show` the data (see
 * show_data). */
int talk_ask(const struct cli *cli, const char *method, const char *name, uint64_t wait_us,
	     int (*show)(const struct cli *cli, const mk_val *data));

#endif
