/* SPDX-License-Identifier: MIT
 *
 * What an instance sends to the hub: messages as far as its credit goes, states, acknowledgements.
 */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "inst.h"

#define BUNDLE_BYTES (256u << 10)
#define ACK_US 5000u   /* acknowledge at most once in so long, */
#define ACK_BUNDLES 4u /* but after so many bundles, or BUNDLE_BYTES of them */
#define RETRY_US 1000u /* when the bus takes nothing */

/* -------------------------------------------------------------- sending -- */

static bool
inst_may_publish(const struct inst *in)
{
	return in->used < in->credit && in->used_bytes < in->credit_bytes &&
	       in->bundle.len < BUNDLE_BYTES;
}

/* Move publish records from the queue into the bundle. Lock held. */
static void
inst_take_queue(struct inst *in)
{
	while (in->queue_at < in->queue.len && inst_may_publish(in)) {
		const uint8_t *p = in->queue.data + in->queue_at;
		size_t len =
		    (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;

		wire_rest(&in->bundle, p, len + 4);
		if (in->bundle.failed)
			return;
		in->queue_at += len + 4;
		in->used++;
		in->used_bytes += len - 1;
		in->queued--;
	}
	if (in->queue_at == in->queue.len) {
		wire_clear(&in->queue);
		in->queue_at = 0;
	} else if (in->queue_at > in->queue.len / 2) {
		wire_drop(&in->queue, in->queue_at);
		in->queue_at = 0;
	}
}

static void
inst_take_outbox(struct inst *in)
{
	struct outbox_record r;

	while (in->outbox != NULL && in->started && inst_may_publish(in) &&
	       outbox_next(in->outbox, &r) == MK_OK) {
		size_t before = in->bundle.len;

		wire_begin(&in->bundle, WIRE_PUB);
		wire_u32(&in->bundle, r.flags | (r.number <= in->again_until ? WIRE_PUB_AGAIN : 0));
		wire_u32(&in->bundle, r.schema);
		wire_u64(&in->bundle, r.number);
		wire_str(&in->bundle, r.topic);
		wire_rest(&in->bundle, r.body, r.len);
		if (!wire_end(&in->bundle)) {
			outbox_rewind(in->outbox, r.number - 1);
			return;
		}
		in->used++;
		in->used_bytes += in->bundle.len - before - 5;
	}
}

void
inst_flush(struct inst *in)
{
	pthread_mutex_lock(&in->lock);
	for (;;) {
		if (in->bundle.len == 0) {
			in->bundle.failed = false;
			wire_rest(&in->bundle, in->ready.data, in->ready.len);
			if (!in->bundle.failed) {
				wire_clear(&in->ready);
				in->log_waiting = 0;
			}
			inst_take_queue(in);
			inst_take_outbox(in);
		}
		if (in->bundle.len == 0)
			break;
		if (link_send(in->push, in->bundle.data, in->bundle.len) != MK_OK) {
			loop_timer_set(in->flush_timer, clock_now_us() + RETRY_US);
			break;
		}
		wire_clear(&in->bundle);
	}
	pthread_mutex_unlock(&in->lock);
}

void
inst_say_state(struct inst *in, uint8_t state, mk_result result, const char *text)
{
	pthread_mutex_lock(&in->lock);
	wire_begin(&in->ready, WIRE_STATE);
	wire_u8(&in->ready, state);
	wire_u32(&in->ready, (uint32_t)result);
	wire_rest(&in->ready, text, strlen(text));
	wire_end(&in->ready);
	pthread_mutex_unlock(&in->lock);
	inst_flush(in);
}

/* Costs as much as a message, so it waits for company. After a crash the vitals tell the place. */
void
inst_say_ack(struct inst *in)
{
	pthread_mutex_lock(&in->lock);
	if (in->queued == 0)
		in->handled = in->delivered;
	pthread_mutex_unlock(&in->lock);
	if (in->bundles == in->bundles_told && in->done == in->done_told &&
	    in->handled == in->handled_told)
		return;
	pthread_mutex_lock(&in->lock);
	if (in->stopping || in->ready.len > 0 || in->queued > 0 ||
	    in->bundles - in->bundles_told >= ACK_BUNDLES || in->bytes_untold >= BUNDLE_BYTES ||
	    clock_now_us() - in->ack_us >= ACK_US) {
		in->done_told = in->done;
		in->handled_told = in->handled;
		in->bundles_told = in->bundles;
		in->bytes_untold = 0;
		in->ack_us = clock_now_us();
		wire_begin(&in->ready, WIRE_ACK);
		wire_u64(&in->ready, in->bundles);
		wire_u64(&in->ready, in->done);
		wire_u64(&in->ready, in->handled);
		wire_end(&in->ready);
	} else {
		loop_timer_set(in->flush_timer, in->ack_us + ACK_US);
	}
	pthread_mutex_unlock(&in->lock);
}

/* ------------------------------------------------------- acknowledgement -- */

static void
inst_set_done(struct inst *in, uint64_t order)
{
	in->done = order;
	atomic_store_explicit(&in->config.vitals->done, order, memory_order_relaxed);
}

static void
inst_pop_unacked(struct inst *in)
{
	while (in->unacked_count > 0) {
		const struct inst_unacked *u = &in->unacked[in->unacked_first];

		if (u->topic >= 0 && u->seq > in->manual[u->topic].acked)
			return;
		inst_set_done(in, u->order);
		in->unacked_first = (in->unacked_first + 1) % INST_UNACKED;
		in->unacked_count--;
	}
}

static int32_t
inst_manual_topic(struct inst *in, const char *topic)
{
	const mk_topic *t;

	for (uint32_t i = 0; i < in->manual_count; i++)
		if (strcmp(in->manual[i].topic, topic) == 0)
			return (int32_t)i;
	t = mk_topic_lookup(in->manifest->subscribes, topic);
	if (t == NULL || (t->flags & MK_TOPIC_MANUAL_ACK) == 0 ||
	    in->manual_count == sizeof(in->manual) / sizeof(in->manual[0]))
		return -1;
	snprintf(in->manual[in->manual_count].topic, sizeof(in->manual[0].topic), "%s", topic);
	return (int32_t)in->manual_count++;
}

bool
inst_ack(struct inst *in, const char *topic, uint64_t seq)
{
	int32_t i = in->unacked == NULL ? -1 : inst_manual_topic(in, topic);

	if (i < 0)
		return false;
	if (seq > in->manual[i].acked)
		in->manual[i].acked = seq;
	inst_pop_unacked(in);
	return true;
}

/* A message is handed over: from now on it is either done or waits for its ack. */
void
inst_handed_over(struct inst *in, const struct wire_msg *m)
{
	int32_t topic = in->unacked == NULL ? -1 : inst_manual_topic(in, m->topic);

	in->delivered = m->order;
	if (in->unacked == NULL || (topic < 0 && in->unacked_count == 0)) {
		inst_set_done(in, m->order);
		return;
	}
	in->unacked[(in->unacked_first + in->unacked_count++) % INST_UNACKED] =
	    (struct inst_unacked){ .order = m->order, .seq = m->seq, .topic = topic };
	inst_pop_unacked(in); /* the plugin may have acknowledged inside on_msg */
}
