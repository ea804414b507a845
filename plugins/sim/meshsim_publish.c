/* SPDX-License-Identifier: MIT
 *
 * Messages to a broker: MQTT 3.1.1, publishing only, many packets in one write. What is to be
 * measured is often on the same machine, so this must not need much of it: 300,000 messages with
 * QoS 1 took 8.6 s of processor time with Paho, which keeps lists of every message, and take 1.5 s.
 *
 * With QoS 1 a broker may go away: what it has not acknowledged is kept and sent again when it is
 * back.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "meshsim.h"

#define WAIT_S 30    /* for the broker, before it counts as dead */
#define AGAIN_MS 200 /* between two attempts to reach it again */
#define OUT_SIZE 65536
#define PACKET_MAX (MESSAGE_TOPIC_MAX + MESSAGE_PAYLOAD_MAX + 16)
#define CONNACK 0x20
#define PUBACK 0x40
#define DUP 0x08

struct lane {
	int fd;
	uint32_t unacked;
	uint16_t id;
	uint8_t in[4]; /* CONNACK and PUBACK have four bytes, and nothing else comes */
	size_t in_len, out_len;
	uint8_t out[OUT_SIZE];
	/* Packets that are not acknowledged, oldest first, each behind its length (u32). A broker
	 * acknowledges in the order in which it was sent to. */
	uint8_t *kept;
	size_t kept_at, kept_len, kept_cap;
};

struct publisher {
	struct lane *lanes;
	uint32_t count, inflight;
	uint8_t qos;
	const char *url;
};

static bool
publisher_fail(const struct publisher *p, const char *what)
{
	fprintf(stderr, "meshsim: %s: %s\n", p->url, what);
	return false;
}

static bool
lane_keep(struct lane *l, const uint8_t *packet, size_t len)
{
	uint32_t length = (uint32_t)len;

	if (l->kept_at > l->kept_cap / 2) {
		memmove(l->kept, l->kept + l->kept_at, l->kept_len - l->kept_at);
		l->kept_len -= l->kept_at;
		l->kept_at = 0;
	}
	if (l->kept_len + sizeof(length) + len > l->kept_cap) {
		size_t cap = (l->kept_len + sizeof(length) + len) * 2;
		uint8_t *kept = realloc(l->kept, cap);

		if (kept == NULL)
			return false;
		l->kept = kept;
		l->kept_cap = cap;
	}
	memcpy(l->kept + l->kept_len, &length, sizeof(length));
	memcpy(l->kept + l->kept_len + sizeof(length), packet, len);
	l->kept_len += sizeof(length) + len;
	return true;
}

/* The oldest one; *len of it. */
static uint8_t *
lane_kept(struct lane *l, size_t at, size_t *len)
{
	uint32_t length;

	memcpy(&length, l->kept + at, sizeof(length));
	*len = length;
	return l->kept + at + sizeof(length);
}

static bool
lane_push(struct publisher *p, struct lane *l)
{
	size_t at = 0;

	while (at < l->out_len) {
		ssize_t n = send(l->fd, l->out + at, l->out_len - at, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return publisher_fail(p, errno == EAGAIN ? "it takes nothing any more"
								 : strerror(errno));
		at += (size_t)n;
	}
	l->out_len = 0;
	return true;
}

static bool
lane_answer(struct publisher *p, struct lane *l, const uint8_t *packet)
{
	size_t len;

	if (packet[0] == CONNACK && packet[3] == 0)
		return true;
	if (packet[0] == CONNACK)
		return publisher_fail(p, "it refuses the connection");
	if (packet[0] != PUBACK || packet[1] != 2 || l->unacked == 0)
		return publisher_fail(p, "this is no broker");
	l->unacked--;
	lane_kept(l, l->kept_at, &len);
	l->kept_at += sizeof(uint32_t) + len;
	return true;
}

/* What the broker has answered; waits for something if `wait`. */
static bool
lane_pull(struct publisher *p, struct lane *l, bool wait)
{
	struct pollfd ready = { .fd = l->fd, .events = POLLIN };
	uint8_t in[4096];
	ssize_t n;
	int found = poll(&ready, 1, wait ? WAIT_S * 1000 : 0);

	if (found < 0)
		return errno == EINTR || publisher_fail(p, strerror(errno));
	if (found == 0)
		return !wait || publisher_fail(p, "no answer any more");
	n = recv(l->fd, in, sizeof(in), 0);
	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return publisher_fail(p, "connection lost");
	for (ssize_t i = 0; i < n; i++) {
		l->in[l->in_len++] = in[i];
		if (l->in_len < sizeof(l->in))
			continue;
		l->in_len = 0;
		if (!lane_answer(p, l, l->in))
			return false;
	}
	return true;
}

static size_t
lane_put_text(uint8_t *out, const char *text, size_t len)
{
	out[0] = (uint8_t)(len >> 8);
	out[1] = (uint8_t)len;
	memcpy(out + 2, text, len);
	return len + 2;
}

static bool
lane_hello(struct publisher *p, struct lane *l, uint32_t number)
{
	/* Level 4, clean session, no keep-alive. */
	static const uint8_t head[] = { 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0 };
	struct timespec now;
	char id[24];
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(id, sizeof(id), "meshsim%lx%u", (unsigned long)now.tv_nsec, (unsigned)number);
	memcpy(l->out + 2, head, sizeof(head));
	len = sizeof(head) + lane_put_text(l->out + 2 + sizeof(head), id, strlen(id));
	l->out[0] = 0x10;
	l->out[1] = (uint8_t)len;
	l->out_len = len + 2;
	return lane_push(p, l) && lane_pull(p, l, true);
}

static int
publisher_dial(const struct publisher *p)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	struct timeval patience = { .tv_sec = WAIT_S };
	const char *host = p->url + strlen("mqtt://"), *colon = strrchr(host, ':');
	char name[256];
	int fd = -1, on = 1, code;

	snprintf(name, sizeof(name), "%.*s", (int)(colon != NULL ? colon - host : 255), host);
	code = getaddrinfo(name, colon != NULL ? colon + 1 : "1883", &hints, &found);
	if (code != 0) {
		publisher_fail(p, gai_strerror(code));
		return -1;
	}
	for (const struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
			publisher_fail(p, strerror(errno));
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(found);
	if (fd >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	}
	return fd;
}

/* The broker has gone away: wait for it, and send it again what it has not acknowledged. */
static bool
lane_revive(struct publisher *p, struct lane *l)
{
	for (int tries = 0; p->qos > 0 && tries < WAIT_S * 1000 / AGAIN_MS; tries++) {
		size_t at = l->kept_at, len;

		if (l->fd >= 0)
			close(l->fd);
		l->in_len = 0;
		l->fd = publisher_dial(p);
		if (l->fd < 0 || !lane_hello(p, l, (uint32_t)(l - p->lanes))) {
			poll(NULL, 0, AGAIN_MS);
			continue;
		}
		for (l->out_len = 0; at < l->kept_len; at += sizeof(uint32_t) + len) {
			uint8_t *packet = lane_kept(l, at, &len);

			packet[0] |= DUP;
			memcpy(l->out, packet, len);
			l->out_len = len;
			if (!lane_push(p, l))
				break;
		}
		if (at == l->kept_len)
			return true;
	}
	return false;
}

static bool
lane_flush(struct publisher *p, struct lane *l)
{
	return lane_push(p, l) || lane_revive(p, l);
}

static bool
lane_read(struct publisher *p, struct lane *l, bool wait)
{
	return lane_pull(p, l, wait) || lane_revive(p, l);
}

struct publisher *
publisher_new(const struct meshsim_options *o)
{
	struct publisher *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->url = o->broker;
	p->qos = (uint8_t)o->qos;
	p->inflight = o->inflight;
	p->lanes = calloc(o->connections, sizeof(*p->lanes));
	for (uint32_t i = 0; p->lanes != NULL && i < o->connections; i++) {
		p->lanes[i].fd = publisher_dial(p);
		if (p->lanes[i].fd < 0)
			break;
		p->count++;
		if (!lane_hello(p, &p->lanes[i], i))
			break;
		if (p->count == o->connections)
			return p;
	}
	publisher_free(p);
	return NULL;
}

bool
publisher_send(struct publisher *p, uint32_t lane, const char *topic, const char *payload,
	       uint32_t len)
{
	struct lane *l = &p->lanes[lane % p->count];
	size_t topic_len = strlen(topic), rest = 2 + topic_len + (p->qos > 0 ? 2 : 0) + len;
	uint8_t *out, *packet;

	if (rest + 5 > PACKET_MAX)
		return publisher_fail(p, "a message is too long");
	if (OUT_SIZE - l->out_len < PACKET_MAX && !(lane_flush(p, l) && lane_read(p, l, false)))
		return false;
	while (p->qos > 0 && l->unacked >= p->inflight) {
		if (!lane_flush(p, l) || !lane_read(p, l, true))
			return false;
	}
	packet = out = l->out + l->out_len;
	*out++ = (uint8_t)(0x30 | p->qos << 1);
	for (; rest >= 128; rest >>= 7) /* the length in sevens of bits */
		*out++ = (uint8_t)(rest | 128);
	*out++ = (uint8_t)rest;
	out += lane_put_text(out, topic, topic_len);
	if (p->qos > 0) {
		l->id = (uint16_t)(l->id + 1 + (l->id == UINT16_MAX));
		*out++ = (uint8_t)(l->id >> 8);
		*out++ = (uint8_t)l->id;
		l->unacked++;
	}
	memcpy(out, payload, len);
	l->out_len = (size_t)(out + len - l->out);
	return p->qos == 0 || lane_keep(l, packet, (size_t)(out + len - packet)) ||
	       publisher_fail(p, "out of memory");
}

bool
publisher_flush(struct publisher *p)
{
	for (uint32_t i = 0; i < p->count; i++) {
		if (!lane_flush(p, &p->lanes[i]) || !lane_read(p, &p->lanes[i], false))
			return false;
	}
	return true;
}

bool
publisher_finish(struct publisher *p)
{
	static const uint8_t bye[] = { 0xe0, 0 };

	for (uint32_t i = 0; i < p->count; i++) {
		struct lane *l = &p->lanes[i];

		if (!lane_flush(p, l))
			return false;
		while (l->unacked > 0) {
			if (!lane_read(p, l, true))
				return false;
		}
		memcpy(l->out, bye, sizeof(bye));
		l->out_len = sizeof(bye);
		if (!lane_push(p, l))
			return false;
	}
	return true;
}

void
publisher_free(struct publisher *p)
{
	if (p == NULL)
		return;
	for (uint32_t i = 0; i < p->count; i++) {
		if (p->lanes[i].fd >= 0)
			close(p->lanes[i].fd);
		free(p->lanes[i].kept);
	}
	free(p->lanes);
	free(p);
}
