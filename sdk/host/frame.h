/* SPDX-License-Identifier: MIT
 *
 * A message as outsiders see it: topic, one space, msgpack [header, body], with
 * header = [version, epoch, seq, time_us, origin, schema, flags(, origin_seq)].
 */
#ifndef MK_HOST_FRAME_H
#define MK_HOST_FRAME_H

#include <meshkern/codec.h>
#include <meshkern/err.h>

#include "wire.h"

#define FRAME_VERSION 1u

/* `msg` with its body, into `out` (which is cleared). `prefix` is put before the topic
 * ("~client/"), "" for none. */
mk_result frame_write(struct wire_out *out, mk_writer *scratch, const char *prefix,
		      const mk_msg *msg);

/* The same with {key: value} as its body, whatever that of `msg` is. */
mk_result frame_write_note(struct wire_out *out, mk_writer *scratch, const char *prefix,
			   const mk_msg *msg, const char *key, uint64_t value);

struct frame {
	mk_msg msg; /* topic and origin point into the buffers below, body into the data */
	char topic[MK_TOPIC_MAX + MK_ID_MAX + 3];
	char origin[MK_ID_MAX + 1];
};

/* The reverse; the data is hostile. `doc` is used for the header. */
mk_result frame_parse(struct frame *f, mk_doc *doc, const void *data, size_t len, mk_err *err);

#endif
