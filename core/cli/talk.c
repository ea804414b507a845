/* SPDX-License-Identifier: MIT
 *
 * The client's side of the control protocol. See talk.h.
 */
#include "talk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <meshkern/options.h>

#include "clock.h"
#include "text.h"

#define TALK_MESSAGE_MAX (16u << 20)

/* The socket's path, by --control, -c, the environment or the usual files, in this order. */
static int
talk_path(const struct cli *cli, char **path, char **start)
{
	const char *environment = getenv("MESHKERN_CONTROL");
	struct config c;
	int rc;

	if (environment != NULL && environment[0] == '\0')
		environment = NULL;
	*start = NULL;
	if (cli->control != NULL || (cli->config == NULL && environment != NULL)) {
		*path = cli_format("%s", cli->control != NULL ? cli->control : environment);
		return 0;
	}
	rc = config_open(&c, cli);
	if (rc == 0) {
		const char *data_dir = mk_values_str(c.values, "data_dir");
		char *dir = config_path(&c, data_dir != NULL ? data_dir : "");

		*path = cli_format("%s/run/control.sock", dir);
		*start = cli_format("meshkernd -c %s", c.file);
		free(dir);
	}
	config_close(&c);
	return rc;
}

static int
talk_explain(const char *path, const char *start, int error)
{
	const char *how = start == NULL ? "meshkernd -c FILE" : start;

	if (error == ENOENT || error == ENOTDIR)
		return cli_say(CLI_UNREACHABLE,
			       "no daemon is running here (%s does not exist): "
			       "start it with `%s`, or name another with -c or --control",
			       path, how);
	if (error == ECONNREFUSED)
		return cli_say(CLI_UNREACHABLE,
			       "the daemon that used %s is gone: start it with `%s`", path, how);
	if (error == EAGAIN)
		return cli_say(CLI_UNREACHABLE,
			       "the daemon at %s takes no connections: it is busy "
			       "or stuck, see its log",
			       path);
	if (error == EACCES || error == EPERM)
		return cli_say(CLI_UNREACHABLE,
			       "%s belongs to another user: run this as the user of "
			       "the daemon, or as root",
			       path);
	return cli_say(CLI_UNREACHABLE, "connect to %s: %s", path, strerror(error));
}

/* 0 or an errno. The daemon cannot listen at a longer path either. */
static int
talk_connect(int fd, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(addr.sun_path))
		return ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	return connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : errno;
}

int
talk_open(struct talk *c, const struct cli *cli)
{
	const struct timeval limit = { .tv_sec = TALK_QUERY_US / 1000000 };
	char *path = NULL, *start = NULL;
	int rc, error;

	*c = (struct talk){ .fd = -1 };
	mk_writer_init(&c->request, TALK_MESSAGE_MAX);
	mk_doc_init(&c->doc);
	rc = talk_path(cli, &path, &start);
	if (rc != 0)
		return rc;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* The limit holds for connect and send; a full backlog would block for ever. */
	if (c->fd == -1 || setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == -1)
		error = errno;
	else
		error = talk_connect(c->fd, path);
	if (error != 0)
		rc = talk_explain(path, start, error);
	free(path);
	free(start);
	return rc;
}

void
talk_close(struct talk *c)
{
	if (c->fd != -1)
		close(c->fd);
	mk_writer_fini(&c->request);
	mk_doc_fini(&c->doc);
	free(c->answer);
	*c = (struct talk){ .fd = -1 };
}

mk_writer *
talk_begin(struct talk *c, const char *method, uint32_t params)
{
	mk_writer_reset(&c->request);
	mk_put_map(&c->request, params + 2);
	mk_kv_u64(&c->request, "id", 1);
	mk_kv_str(&c->request, "do", method);
	return &c->request;
}

static bool
talk_write(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

int
talk_send(struct talk *c)
{
	uint32_t len = (uint32_t)c->request.len;
	const uint8_t head[4] = { (uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16),
				  (uint8_t)(len >> 24) };

	if (mk_writer_end(&c->request) != MK_OK)
		return cli_say(CLI_USAGE, "the request is larger than the daemon accepts (16 MiB)");
	if (!talk_write(c->fd, head, 4) || !talk_write(c->fd, c->request.data, len))
		return cli_say(CLI_UNREACHABLE, "the daemon does not take requests: %s",
			       strerror(errno));
	return 0;
}

/* 0, or the exit status after saying why. */
static int
talk_read(int fd, uint8_t *buf, size_t len, uint64_t wait_us)
{
	while (len > 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int ready = poll(&p, 1, wait_us == TALK_FOREVER ? -1 : (int)(wait_us / 1000));
		ssize_t n = 0;

		if (ready > 0)
			n = recv(fd, buf, len, 0);
		if ((ready < 0 || n < 0) && errno == EINTR)
			continue;
		if (ready == 0)
			return cli_say(CLI_UNREACHABLE,
				       "the daemon has not answered within %s: it is "
				       "busy or stuck, see its log",
				       text_duration(wait_us).s);
		if (n < 0)
			return cli_say(CLI_UNREACHABLE, "read from the daemon: %s",
				       strerror(errno));
		if (n == 0)
			return cli_say(CLI_UNREACHABLE, "the daemon closed the connection: it has "
							"stopped, see its log");
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

int
talk_next(struct talk *c, uint64_t wait_us)
{
	char why[160];
	uint8_t head[4] = { 0 };
	uint32_t len;
	const mk_val *root;
	int64_t result = 0;
	int rc = talk_read(c->fd, head, 4, wait_us);

	if (rc != 0)
		return rc;
	len = (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
	      (uint32_t)head[3] << 24;
	if (len > TALK_MESSAGE_MAX)
		return cli_say(CLI_FAILED, "the daemon's answer is too long (%u bytes)", len);
	mk_doc_close(&c->doc);
	c->answer = cli_alloc(c->answer, len);
	rc = talk_read(c->fd, c->answer, len, wait_us);
	if (rc != 0)
		return rc;
	if (mk_doc_open(&c->doc, c->answer, len, NULL, why, sizeof(why)) != MK_OK)
		return cli_say(CLI_FAILED, "the daemon's answer is malformed: %s", why);
	root = mk_doc_root(&c->doc);
	if (!mk_get_i64(mk_find(root, "result"), &result) || result > 0 || result < INT32_MIN)
		return cli_say(CLI_FAILED, "the daemon's answer has no result");
	c->result = (mk_result)result;
	c->more = false;
	(void)mk_get_bool(mk_find(root, "more"), &c->more);
	c->data = mk_find(root, "data");
	return 0;
}

int
talk_verdict(const struct talk *c, const char *what)
{
	const mk_val *error = mk_find(mk_doc_root(&c->doc), "error");
	const char *s = NULL;
	size_t len = 0;

	if (c->result == MK_OK)
		return 0;
	if (!mk_get_str(error, &s, &len) || len == 0)
		return cli_say(CLI_FAILED, "%s: %s", what, mk_result_text(c->result));
	return cli_say(CLI_FAILED, "%s: %.*s", what, (int)(len < 4096 ? len : 4096), s);
}

int
talk_ask(const struct cli *cli, const char *method, const char *name, uint64_t wait_us,
	 int (*show)(const struct cli *cli, const mk_val *data))
{
	struct talk c;
	int rc = talk_open(&c, cli);

	if (rc == 0) {
		mk_writer *w = talk_begin(&c, method, name == NULL ? 0 : 1);

		if (name != NULL)
			mk_kv_str(w, "name", name);
		rc = talk_send(&c);
	}
	if (rc == 0)
		rc = talk_next(&c, wait_us);
	if (rc == 0)
		rc = talk_verdict(&c, name == NULL ? method : name);
	if (rc == 0)
		rc = show(cli, c.data);
	talk_close(&c);
	return rc;
}
