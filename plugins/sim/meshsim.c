/* SPDX-License-Identifier: MIT
 *
 * meshsim writes or publishes what the observers of a synthetic mesh say over MQTT. The last line
 * on the error output tells what it was, so that whoever stores it can be checked by counting.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "meshsim.h"

static volatile sig_atomic_t interrupted;

struct meshsim {
	struct meshsim_options o;
	struct sim *sim;
	struct tally tally;
	struct publisher *publisher;
	FILE *json, *truth;
	uint64_t first_us, began_us; /* of the mesh, of the machine */
	struct store {               /* --pregenerate: lane, topic, NUL, payload, NUL, ... */
		char *at;
		size_t len, cap;
	} store;
};

static void
on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static uint64_t
meshsim_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Until the mesh is at the time of an event. */
static bool
meshsim_wait(const struct meshsim *m, uint64_t at_us)
{
	uint64_t due_us = m->began_us + (at_us - m->first_us);
	struct timespec due = { .tv_sec = (time_t)(due_us / 1000000),
				.tv_nsec = (long)(due_us % 1000000) * 1000 };

	if (due_us <= meshsim_now_us())
		return true;
	if (!publisher_flush(m->publisher))
		return false;
	while (!interrupted && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
	return true;
}

/* The payload is JSON already: as a value in a line, it is the object itself. */
static bool
meshsim_write(struct meshsim *m, const struct message *msg)
{
	return fprintf(m->json, "{\"topic\":\"%s\",\"payload\":%s}\n", msg->topic, msg->payload) >
	       0;
}

static bool
meshsim_keep(struct store *s, uint32_t lane, const struct message *msg)
{
	size_t need = sizeof(lane) * 2 + msg->topic_len + 1 + msg->payload_len;
	char *at;

	if (s->cap - s->len < need) {
		size_t cap = s->cap * 2 + (1u << 20);

		at = realloc(s->at, cap);
		if (at == NULL)
			return false;
		s->at = at;
		s->cap = cap;
	}
	at = s->at + s->len;
	memcpy(at, &lane, sizeof(lane));
	memcpy(at + sizeof(lane), &msg->payload_len, sizeof(lane));
	memcpy(at + 2 * sizeof(lane), msg->topic, msg->topic_len + 1);
	memcpy(at + 2 * sizeof(lane) + msg->topic_len + 1, msg->payload, msg->payload_len);
	s->len += need;
	return true;
}

static bool
meshsim_publish_kept(struct meshsim *m)
{
	const char *at = m->store.at, *end = at + m->store.len;

	while (at < end && !interrupted) {
		uint32_t lane, len;
		const char *topic = at + 2 * sizeof(lane), *payload = topic + strlen(topic) + 1;

		memcpy(&lane, at, sizeof(lane));
		memcpy(&len, at + sizeof(lane), sizeof(len));
		if (!publisher_send(m->publisher, lane, topic, payload, len))
			return false;
		at = payload + len;
	}
	return true;
}

static bool
meshsim_emit(struct meshsim *m, const struct sim_event *e)
{
	struct message msg;

	message_make(m->sim, e, &msg);
	if (m->json != NULL)
		return meshsim_write(m, &msg);
	if (m->o.pregenerate)
		return meshsim_keep(&m->store, e->who, &msg);
	if (!m->o.flat_out && !meshsim_wait(m, e->at_us))
		return false;
	return publisher_send(m->publisher, e->who, msg.topic, msg.payload, msg.payload_len);
}

static bool
meshsim_run(struct meshsim *m)
{
	uint64_t receptions = 0;

	while (!interrupted && (m->o.count == 0 || receptions < m->o.count)) {
		const struct sim_event *e = sim_next(m->sim);
		bool fresh;

		if (e == NULL)
			return false;
		if (m->o.duration_s > 0 && (double)(e->at_us - m->first_us) > m->o.duration_s * 1e6)
			return true;
		if (!tally_add(&m->tally, e, &fresh))
			return false;
		if (m->o.distinct && !fresh) {
			m->tally.messages--;
			m->tally.receptions--;
			continue;
		}
		if (!meshsim_emit(m, e))
			return false;
		receptions += e->kind == SIM_RECEPTION;
	}
	return true;
}

static bool
meshsim_open(struct meshsim *m)
{
	mk_err err;

	if (sim_new(&m->o.sim, &m->sim, &err) != MK_OK) {
		fprintf(stderr, "meshsim: %s\n", err.text);
		return false;
	}
	if (m->o.json != NULL) {
		m->json = strcmp(m->o.json, "-") == 0 ? stdout : fopen(m->o.json, "w");
		if (m->json == NULL) {
			fprintf(stderr, "meshsim: %s: %s\n", m->o.json, strerror(errno));
			return false;
		}
	}
	if (m->o.truth != NULL) {
		m->truth = fopen(m->o.truth, "w");
		if (m->truth == NULL || sim_tell(m->sim, m->truth) != MK_OK) {
			fprintf(stderr, "meshsim: %s: %s\n", m->o.truth, strerror(errno));
			return false;
		}
	}
	m->publisher = m->o.broker != NULL ? publisher_new(&m->o) : NULL;
	return m->o.broker == NULL || m->publisher != NULL;
}

/* A file that could not be written to its end is an error. */
static bool
meshsim_close(FILE *file, const char *name)
{
	bool good;

	if (file == NULL)
		return true;
	good = !ferror(file) && (file == stdout ? fflush(file) : fclose(file)) == 0;
	if (!good)
		fprintf(stderr, "meshsim: %s: cannot write\n", name);
	return good;
}

int
main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct meshsim m = { .sim = NULL };
	int status = meshsim_options(argc, argv, &m.o);
	bool good;

	if (status != 0)
		return status < 0 ? 0 : status;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	m.first_us = m.o.sim.start_us;
	good = meshsim_open(&m);
	m.began_us = meshsim_now_us();
	good = good && meshsim_run(&m);
	if (good && m.o.pregenerate && m.publisher != NULL) {
		m.began_us = meshsim_now_us();
		good = meshsim_publish_kept(&m);
	}
	if (m.publisher != NULL)
		good = publisher_finish(m.publisher) && good;
	good = meshsim_close(m.json, m.o.json) && good;
	good = meshsim_close(m.truth, m.o.truth) && good;
	if (m.tally.messages > 0)
		tally_print(&m.tally, (double)(meshsim_now_us() - m.began_us) / 1e6, stderr);
	publisher_free(m.publisher);
	sim_free(m.sim);
	tally_fini(&m.tally);
	free(m.store.at);
	return good ? 0 : 1;
}
