/* SPDX-License-Identifier: MIT
 *
 * A hub for the tests of the client libraries: the outside of the bus on the real libnng, driven
 * by one command a line on standard input, each answered by one line "ok ..." or "error ...".
 *
 *   peers N                wait until exactly N subscribers are connected
 *   publish TOPIC N [SIZE] stamp and send N messages; body {"n": seq, "pad": SIZE bytes}
 *   drop TOPIC N           stamp N messages and keep them in the ring, but send nothing
 *   forget TOPIC SEQ       the ring has nothing up to SEQ any more
 *   retain TOPIC SEQ       the retained values are the messages from SEQ on
 *   heads                  send core/heads
 *   ignore N               the next N requests get no answer
 *   lose N                 the next N records of answers are not sent
 *   epoch N                begin a new epoch
 *   kick                   cut every subscriber off
 *   raw HEX                send these bytes as one message
 *   stats                  ok requests=N malformed=N replayed=N gaps=N
 *   quit                   also at end of input
 *
 * Messages are made from topic and sequence, so the "ring" is two numbers for each topic. One
 * thread does everything; only the pipe callback runs on a thread of nng.
 */
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/supplemental/tls/tls.h>

#include <msgpack.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOPICS_MAX 128
#define PIPES_MAX 32
#define REPLAY_MAX 4096u
#define PEERS_WAIT_MS 10000
#define TIME_BASE_US 1700000000000000u

enum { FLAG_REPLAYED = 1, FLAG_GAP = 2, FLAG_RETAINED = 4, FLAG_DURABLE = 16 };

struct topic {
	char name[64];
	uint64_t head;     /* last sequence */
	uint64_t gone;     /* the ring has gone+1 .. head */
	uint64_t retained; /* first retained sequence, 0 = not a retained topic */
	size_t pad;
};

struct hub {
	nng_socket pub, pull;
	uint64_t epoch;
	struct topic topics[TOPICS_MAX];
	size_t topic_count;
	uint64_t requests, malformed, replayed, gaps;
	uint64_t ignore, lose;
	const char *cert, *ca;
	int wake[2];
	pthread_mutex_t lock; /* guards pipes and pipe_count */
	nng_pipe pipes[PIPES_MAX];
	size_t pipe_count;
};

static void
fail(const char *what, int rc)
{
	fprintf(stderr, "fakehub: %s: %s\n", what, rc ? nng_strerror(rc) : "failed");
	exit(1);
}

static void answer(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void
answer(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

/* ------------------------------------------------------------- peers -- */

static void
on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct hub *hub = arg;
	size_t i = 0;

	pthread_mutex_lock(&hub->lock);
	while (i < hub->pipe_count && hub->pipes[i].id != pipe.id)
		i++;
	if (event == NNG_PIPE_EV_ADD_POST && hub->pipe_count < PIPES_MAX)
		hub->pipes[hub->pipe_count++] = pipe;
	else if (event == NNG_PIPE_EV_REM_POST && i < hub->pipe_count)
		hub->pipes[i] = hub->pipes[--hub->pipe_count];
	pthread_mutex_unlock(&hub->lock);
	if (write(hub->wake[1], "", 1) < 0)
		fail("wake", 0);
}

static size_t
peer_count(struct hub *hub)
{
	size_t n;

	pthread_mutex_lock(&hub->lock);
	n = hub->pipe_count;
	pthread_mutex_unlock(&hub->lock);
	return n;
}

static void
cmd_peers(struct hub *hub, uint64_t want)
{
	struct pollfd fd = { .fd = hub->wake[0], .events = POLLIN };
	char drain[64];

	while (peer_count(hub) != want) {
		if (poll(&fd, 1, PEERS_WAIT_MS) <= 0) {
			answer("error %zu peers", peer_count(hub));
			return;
		}
		if (read(hub->wake[0], drain, sizeof(drain)) < 0)
			fail("wake", 0);
	}
	answer("ok %zu", peer_count(hub));
}

static void
cmd_kick(struct hub *hub)
{
	nng_pipe pipes[PIPES_MAX];
	size_t i, n;

	pthread_mutex_lock(&hub->lock);
	n = hub->pipe_count;
	memcpy(pipes, hub->pipes, sizeof(pipes));
	pthread_mutex_unlock(&hub->lock);
	for (i = 0; i < n; i++)
		nng_pipe_close(pipes[i]);
	answer("ok %zu", n);
}

/* ---------------------------------------------------------- messages -- */

static struct topic *
topic_get(struct hub *hub, const char *name)
{
	struct topic *t;
	size_t i;

	for (i = 0; i < hub->topic_count; i++) {
		if (strcmp(hub->topics[i].name, name) == 0)
			return &hub->topics[i];
	}
	if (hub->topic_count == TOPICS_MAX || strlen(name) >= sizeof(t->name))
		fail("topic", 0);
	t = &hub->topics[hub->topic_count++];
	memset(t, 0, sizeof(*t));
	memcpy(t->name, name, strlen(name));
	return t;
}

static void
pack_str(msgpack_packer *pk, const char *s)
{
	msgpack_pack_str(pk, strlen(s));
	msgpack_pack_str_body(pk, s, strlen(s));
}

static void
send_bytes(struct hub *hub, const void *data, size_t len)
{
	int rc = nng_send(hub->pub, (void *)(uintptr_t)data, len, NNG_FLAG_NONBLOCK);

	if (rc != 0)
		fail("send", rc);
}

/* Everything up to the body. `to` is the asking client's id, or NULL for all. */
static void
begin(struct hub *hub, msgpack_sbuffer *buf, msgpack_packer *pk, const char *to, const char *topic,
      uint64_t seq, const char *origin, uint32_t flags)
{
	msgpack_sbuffer_init(buf);
	msgpack_packer_init(pk, buf, msgpack_sbuffer_write);
	if (to) {
		msgpack_sbuffer_write(buf, "~", 1);
		msgpack_sbuffer_write(buf, to, strlen(to));
		msgpack_sbuffer_write(buf, "/", 1);
	}
	msgpack_sbuffer_write(buf, topic, strlen(topic));
	msgpack_sbuffer_write(buf, " ", 1);
	msgpack_pack_array(pk, 2);
	msgpack_pack_array(pk, flags & FLAG_DURABLE ? 8 : 7);
	msgpack_pack_uint8(pk, 1);
	msgpack_pack_uint64(pk, hub->epoch);
	msgpack_pack_uint64(pk, seq);
	msgpack_pack_uint64(pk, TIME_BASE_US + seq);
	pack_str(pk, origin);
	msgpack_pack_uint32(pk, strcmp(origin, "core") ? 3 : 0);
	msgpack_pack_uint32(pk, flags);
	if (flags & FLAG_DURABLE)
		msgpack_pack_uint64(pk, seq + 1000);
}

static void
finish(struct hub *hub, msgpack_sbuffer *buf, bool is_answer)
{
	if (is_answer && hub->lose > 0)
		hub->lose--;
	else
		send_bytes(hub, buf->data, buf->size);
	msgpack_sbuffer_destroy(buf);
}

/* The message itself: always the same for the same topic and sequence. */
static void
send_message(struct hub *hub, const char *to, const struct topic *t, uint64_t seq, uint32_t flags)
{
	msgpack_sbuffer buf;
	msgpack_packer pk;
	char *pad = calloc(1, t->pad + 1);

	if (!pad)
		fail("memory", 0);
	if (strncmp(t->name, "rx/", 3) == 0)
		flags |= FLAG_DURABLE;
	begin(hub, &buf, &pk, to, t->name, seq, "pulse", flags);
	msgpack_pack_map(&pk, t->pad ? 2 : 1);
	pack_str(&pk, "n");
	msgpack_pack_uint64(&pk, seq);
	if (t->pad) {
		pack_str(&pk, "pad");
		msgpack_pack_bin(&pk, t->pad);
		msgpack_pack_bin_body(&pk, pad, t->pad);
	}
	finish(hub, &buf, to != NULL);
	free(pad);
}

static void
send_note(struct hub *hub, const char *to, const char *topic, uint64_t seq, uint32_t flags,
	  const char *key, uint64_t value)
{
	msgpack_sbuffer buf;
	msgpack_packer pk;

	begin(hub, &buf, &pk, to, topic, seq, "core", flags);
	msgpack_pack_map(&pk, 1);
	pack_str(&pk, key);
	msgpack_pack_uint64(&pk, value);
	finish(hub, &buf, true);
}

static void
cmd_heads(struct hub *hub)
{
	struct topic *self = topic_get(hub, "core/heads");
	msgpack_sbuffer buf;
	msgpack_packer pk;
	size_t i;

	begin(hub, &buf, &pk, NULL, self->name, ++self->head, "core", 0);
	self->gone = self->head;
	msgpack_pack_map(&pk, 1);
	pack_str(&pk, "heads");
	msgpack_pack_map(&pk, hub->topic_count);
	for (i = 0; i < hub->topic_count; i++) {
		pack_str(&pk, hub->topics[i].name);
		msgpack_pack_uint64(&pk, hub->topics[i].head);
	}
	finish(hub, &buf, false);
	answer("ok");
}

/* ---------------------------------------------------------- requests -- */

struct request {
	char act[16];
	char client[32];
	char topic[64];
	uint64_t from, n;
};

static bool
copy_str(const msgpack_object *o, char *out, size_t cap)
{
	if (o->type != MSGPACK_OBJECT_STR || o->via.str.size >= cap)
		return false;
	memcpy(out, o->via.str.ptr, o->via.str.size);
	out[o->via.str.size] = '\0';
	return true;
}

static bool
request_field(struct request *r, const msgpack_object *key, const msgpack_object *val)
{
	char name[16];
	bool is_u64 = val->type == MSGPACK_OBJECT_POSITIVE_INTEGER;

	if (!copy_str(key, name, sizeof(name)))
		return false;
	if (strcmp(name, "do") == 0)
		return copy_str(val, r->act, sizeof(r->act));
	if (strcmp(name, "client") == 0)
		return copy_str(val, r->client, sizeof(r->client));
	if (strcmp(name, "topic") == 0)
		return copy_str(val, r->topic, sizeof(r->topic));
	if (strcmp(name, "from") == 0 && is_u64)
		r->from = val->via.u64;
	else if (strcmp(name, "n") == 0 && is_u64)
		r->n = val->via.u64;
	else
		return false;
	return true;
}

static bool
request_parse(struct request *r, const char *data, size_t len)
{
	msgpack_unpacked msg;
	bool good = false;
	uint32_t i;

	memset(r, 0, sizeof(*r));
	msgpack_unpacked_init(&msg);
	if (msgpack_unpack_next(&msg, data, len, NULL) == MSGPACK_UNPACK_SUCCESS &&
	    msg.data.type == MSGPACK_OBJECT_MAP) {
		good = msg.data.via.map.size == 5;
		for (i = 0; good && i < msg.data.via.map.size; i++)
			good = request_field(r, &msg.data.via.map.ptr[i].key,
					     &msg.data.via.map.ptr[i].val);
	}
	msgpack_unpacked_destroy(&msg);
	return good && strcmp(r->act, "replay") == 0 && r->client[0] && r->topic[0];
}

static void
replay(struct hub *hub, const struct request *r)
{
	struct topic *t = topic_get(hub, r->topic);
	uint64_t n = r->n > REPLAY_MAX ? REPLAY_MAX : r->n;
	uint64_t seq = r->from == 0 ? 1 : r->from, end = seq + n;
	uint32_t flags = FLAG_REPLAYED;

	if (r->from == 0 && t->retained > 0) {
		seq = t->retained;
		end = t->head + 1;
		flags |= FLAG_RETAINED;
	}
	if (end > t->head + 1)
		end = t->head + 1;
	if (seq <= t->gone && seq < end) {
		uint64_t stop = t->gone + 1 < end ? t->gone + 1 : end;

		hub->gaps++;
		send_note(hub, r->client, t->name, seq, FLAG_GAP, "lost", stop - seq);
		seq = stop;
	}
	for (; seq < end; seq++, hub->replayed++)
		send_message(hub, r->client, t, seq, flags);
	send_note(hub, r->client, t->name, seq, 0, "end", seq);
}

static void
serve_requests(struct hub *hub)
{
	struct request r;
	char *data = NULL;
	size_t len;

	while (nng_recv(hub->pull, &data, &len, NNG_FLAG_ALLOC | NNG_FLAG_NONBLOCK) == 0) {
		hub->requests++;
		if (!request_parse(&r, data, len))
			hub->malformed++;
		else if (hub->ignore > 0)
			hub->ignore--;
		else
			replay(hub, &r);
		nng_free(data, len);
	}
}

/* ---------------------------------------------------------- commands -- */

static void
cmd_publish(struct hub *hub, const char *name, uint64_t n, size_t pad, bool is_sent)
{
	struct topic *t = topic_get(hub, name);

	t->pad = pad;
	for (; n > 0; n--) {
		t->head++;
		if (is_sent)
			send_message(hub, NULL, t, t->head, 0);
	}
	answer("ok %llu", (unsigned long long)t->head);
}

static void
cmd_raw(struct hub *hub, const char *hex)
{
	size_t i, len = strlen(hex) / 2;
	unsigned char *data = calloc(1, len + 1);
	unsigned int byte;

	if (!data)
		fail("memory", 0);
	for (i = 0; i < len && sscanf(hex + 2 * i, "%2x", &byte) == 1; i++)
		data[i] = (unsigned char)byte;
	send_bytes(hub, data, i);
	free(data);
	answer("ok %zu", i);
}

static void
cmd_stats(const struct hub *hub)
{
	answer("ok requests=%llu malformed=%llu replayed=%llu gaps=%llu",
	       (unsigned long long)hub->requests, (unsigned long long)hub->malformed,
	       (unsigned long long)hub->replayed, (unsigned long long)hub->gaps);
}

static void
cmd_epoch(struct hub *hub, uint64_t epoch)
{
	hub->epoch = epoch;
	hub->topic_count = 0;
	answer("ok");
}

static const char *
next_word(char **rest)
{
	char *word = *rest + strspn(*rest, " \n");
	char *end = word + strcspn(word, " \n");

	*rest = *end ? end + 1 : end;
	*end = '\0';
	return *word ? word : NULL;
}

/* false: leave the program. */
static bool
command(struct hub *hub, char *line)
{
	const char *verb = next_word(&line);
	const char *word = next_word(&line);
	const char *num = next_word(&line);
	const char *num2 = next_word(&line);
	uint64_t n1 = word ? strtoull(word, NULL, 10) : 0;
	uint64_t n2 = num ? strtoull(num, NULL, 10) : 0;

	if (!verb || strcmp(verb, "quit") == 0)
		return false;
	if (strcmp(verb, "peers") == 0)
		cmd_peers(hub, n1);
	else if (strcmp(verb, "publish") == 0 && num)
		cmd_publish(hub, word, n2, num2 ? strtoull(num2, NULL, 10) : 0, true);
	else if (strcmp(verb, "drop") == 0 && num)
		cmd_publish(hub, word, n2, 0, false);
	else if (strcmp(verb, "heads") == 0)
		cmd_heads(hub);
	else if (strcmp(verb, "epoch") == 0)
		cmd_epoch(hub, n1);
	else if (strcmp(verb, "kick") == 0)
		cmd_kick(hub);
	else if (strcmp(verb, "raw") == 0 && word)
		cmd_raw(hub, word);
	else if (strcmp(verb, "stats") == 0)
		cmd_stats(hub);
	else if (strcmp(verb, "forget") == 0 && num)
		answer("ok %llu", (unsigned long long)(topic_get(hub, word)->gone = n2));
	else if (strcmp(verb, "retain") == 0 && num)
		answer("ok %llu", (unsigned long long)(topic_get(hub, word)->retained = n2));
	else if (strcmp(verb, "ignore") == 0)
		answer("ok %llu", (unsigned long long)(hub->ignore = n1));
	else if (strcmp(verb, "lose") == 0)
		answer("ok %llu", (unsigned long long)(hub->lose = n1));
	else
		answer("error unknown command %s", verb);
	return true;
}

/* -------------------------------------------------------------- start -- */

static void
listen_on(struct hub *hub, nng_socket socket, const char *url)
{
	nng_tls_config *tls = NULL;
	nng_listener l;
	int rc = nng_listener_create(&l, socket, url);

	if (rc == 0 && strncmp(url, "ipc:", 4) == 0)
		rc = nng_listener_set_int(l, NNG_OPT_IPC_PERMISSIONS, 0600);
	if (rc == 0 && strncmp(url, "tls", 3) == 0) {
		rc = nng_tls_config_alloc(&tls, NNG_TLS_MODE_SERVER);
		if (rc == 0)
			rc = nng_tls_config_cert_key_file(tls, hub->cert, NULL);
		if (rc == 0)
			rc = nng_tls_config_ca_file(tls, hub->ca);
		if (rc == 0)
			rc = nng_tls_config_auth_mode(tls, NNG_TLS_AUTH_MODE_REQUIRED);
		if (rc == 0)
			rc = nng_listener_set_ptr(l, NNG_OPT_TLS_CONFIG, tls);
	}
	if (rc == 0)
		rc = nng_listener_start(l, 0);
	if (rc != 0)
		fail(url, rc);
}

static void
open_sockets(struct hub *hub)
{
	int rc = nng_pub0_open(&hub->pub);

	if (rc == 0)
		rc = nng_pull0_open(&hub->pull);
	if (rc == 0)
		rc = nng_socket_set_int(hub->pub, NNG_OPT_SENDBUF, 8192);
	if (rc == 0)
		rc = nng_socket_set_int(hub->pull, NNG_OPT_RECVBUF, 1024);
	if (rc == 0)
		rc = nng_pipe_notify(hub->pub, NNG_PIPE_EV_ADD_POST, on_pipe, hub);
	if (rc == 0)
		rc = nng_pipe_notify(hub->pub, NNG_PIPE_EV_REM_POST, on_pipe, hub);
	if (rc != 0)
		fail("open", rc);
}

static void
run(struct hub *hub)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .events = POLLIN } };
	static char line[1 << 20];
	int rc = nng_socket_get_int(hub->pull, NNG_OPT_RECVFD, &fds[1].fd);

	if (rc != 0)
		fail("recvfd", rc);
	/* Unbuffered, so that poll() sees every line that is still to be read. */
	setvbuf(stdin, NULL, _IONBF, 0);
	answer("ready");
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			fail("poll", 0);
		if (fds[1].revents)
			serve_requests(hub);
		if (!fds[0].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin) || !command(hub, line))
			return;
	}
}

int
main(int argc, char **argv)
{
	static struct hub hub = { .epoch = 1, .lock = PTHREAD_MUTEX_INITIALIZER };
	int opt;

	if (pipe(hub.wake) != 0)
		fail("pipe", 0);
	open_sockets(&hub);
	while ((opt = getopt(argc, argv, "e:c:a:l:r:")) != -1) {
		switch (opt) {
		case 'e':
			hub.epoch = strtoull(optarg, NULL, 10);
			break;
		case 'c':
			hub.cert = optarg;
			break;
		case 'a':
			hub.ca = optarg;
			break;
		case 'l':
			listen_on(&hub, hub.pub, optarg);
			break;
		case 'r':
			listen_on(&hub, hub.pull, optarg);
			break;
		default:
			fprintf(stderr,
				"usage: fakehub [-e EPOCH] [-c CERT -a CA] -l URL [-r URL]...\n");
			return 2;
		}
	}
	run(&hub);
	/* nng 1.5.2 may panic when a socket that listens for WebSockets is closed while somebody is
	 * at the door; the end of the process closes all of them as well. */
	fflush(stdout);
	_exit(0);
}
