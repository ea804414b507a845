/* SPDX-License-Identifier: MIT
 *
 * Plugin files. See probe.h.
 */
#define _GNU_SOURCE /* pipe2 */

#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <meshkern/options.h>

#include "child.h"
#include "clock.h"

#define PROBE_LIMIT_US 5000000u
#define PROBE_OUTPUT_MAX (1u << 20) /* bytes a stream; the largest manifest is far below */

/* Reads one piece; false at the end of the stream. What is above the limit is thrown away, so
 * that the process can end. */
static bool
probe_read(int fd, char **buf, size_t *len)
{
	char piece[16384];
	ssize_t n = read(fd, piece, sizeof(piece));
	size_t keep;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	keep = PROBE_OUTPUT_MAX - *len < (size_t)n ? PROBE_OUTPUT_MAX - *len : (size_t)n;
	*buf = cli_alloc(*buf, *len + keep + 1);
	memcpy(*buf + *len, piece, keep);
	*len += keep;
	(*buf)[*len] = '\0';
	return true;
}

/* Reads the manifest and the words to their ends and waits for the end of the process, whatever
 * comes first: one that has closed its output may still hang. False: the time was up. */
static bool
probe_drain(struct probe *p, int data_fd, int words_fd, int pid_fd, char **words)
{
	uint64_t end = clock_now_us() + PROBE_LIMIT_US;
	struct pollfd fds[3] = { { .fd = data_fd, .events = POLLIN },
				 { .fd = words_fd, .events = POLLIN },
				 { .fd = pid_fd, .events = POLLIN } };
	size_t words_len = 0;

	while (fds[0].fd >= 0 || fds[1].fd >= 0 || fds[2].fd >= 0) {
		uint64_t now = clock_now_us();

		if (now >= end)
			return false;
		if (poll(fds, 3, (int)((end - now) / 1000 + 1)) <= 0)
			continue;
		if (fds[0].revents != 0 && !probe_read(data_fd, &p->data, &p->len))
			fds[0].fd = -1;
		if (fds[1].revents != 0 && !probe_read(words_fd, words, &words_len))
			fds[1].fd = -1;
		if (fds[2].revents != 0)
			fds[2].fd = -1;
	}
	return true;
}

/* The last line of what it said: a plugin may have chattered before. */
static const char *
probe_last_line(char *words)
{
	size_t len = words == NULL ? 0 : strlen(words);
	const char *start;

	while (len > 0 && words[len - 1] == '\n')
		words[--len] = '\0';
	start = len == 0 ? NULL : strrchr(words, '\n');
	return len == 0 ? "" : start == NULL ? words : start + 1;
}

static void
probe_judge(struct probe *p, bool late, int status, char *words)
{
	const char *said = probe_last_line(words), *colon = said[0] == '\0' ? "" : ": ";
	mk_err err = { MK_OK, "" };

	if (late)
		snprintf(p->error, sizeof(p->error), "loading it takes longer than 5 s");
	else if (WIFSIGNALED(status))
		snprintf(p->error, sizeof(p->error), "loading it crashed (signal %d)%s%s",
			 WTERMSIG(status), colon, said);
	else if (WEXITSTATUS(status) != 0)
		snprintf(p->error, sizeof(p->error), "it was refused%s%s", colon, said);
	else if (mk_manifest_read(&p->manifest, p->data, p->len, &err) != MK_OK)
		snprintf(p->error, sizeof(p->error), "its manifest is bad: %s", err.text);
}

/* Runs the probe of an absolute path: without a slash in it, dlopen would look elsewhere. */
static void
probe_run(struct probe *p, const char *path)
{
	const char *const args[] = { "--probe", path, NULL };
	int data[2] = { -1, -1 }, out[2] = { -1, -1 }, pid_fd, status = 0;
	char *words = NULL;
	mk_err err = { MK_OK, "" };
	mk_result rc;
	bool late;
	pid_t pid;

	if (pipe2(data, O_CLOEXEC) == -1 || pipe2(out, O_CLOEXEC) == -1)
		rc = mk_err_errno(&err, "pipe");
	else
		rc = child_spawn(&pid, args, data[1], -1, out[1], &err);
	close(data[1]);
	close(out[1]);
	if (rc == MK_OK) {
		pid_fd = child_pidfd(pid);
		late = !probe_drain(p, data[0], out[0], pid_fd, &words);
		/* Not reaped yet, so the number is its own; what it has started goes with it. */
		kill(-pid, SIGKILL);
		while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
			;
		close(pid_fd);
		probe_judge(p, late, status, words);
		free(words);
	} else {
		snprintf(p->error, sizeof(p->error), "%s", err.text);
	}
	close(data[0]);
	close(out[0]);
}

void
probe_file(struct probe *p, const char *file)
{
	char *path = realpath(file, NULL);

	*p = (struct probe){ .file = cli_format("%s", file) };
	if (path == NULL)
		snprintf(p->error, sizeof(p->error), "%s", strerror(errno));
	else
		probe_run(p, path);
	free(path);
}

void
probe_fini(struct probe *p)
{
	free(p->data);
	mk_manifest_free(p->manifest);
	free(p->file);
}

const char *const *
probe_builtin(void)
{
	static char in_tree[1100], installed[1100];
	static const char *const dirs[] = { in_tree, installed, NULL };

	snprintf(in_tree, sizeof(in_tree), "%s/../plugins", child_exe_dir());
	snprintf(installed, sizeof(installed), "%s/../lib/meshkern/plugins", child_exe_dir());
	return dirs;
}

static int
probe_wanted(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 3 && strcmp(entry->d_name + len - 3, ".so") == 0;
}

static void
probes_add(struct probes *list, const char *folder, bool must_exist)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, probe_wanted, alphasort);

	if (count < 0 && must_exist)
		(void)cli_say(CLI_FAILED, "read %s: %s", folder, strerror(errno));
	for (int i = 0; i < count; i++) {
		char *file = cli_format("%s/%s", folder, entries[i]->d_name);

		list->items = cli_alloc(list->items, (list->count + 1) * sizeof(*list->items));
		probe_file(&list->items[list->count++], file);
		free(file);
		free(entries[i]);
	}
	free(entries);
}

int
probes_find(struct probes *list, const struct cli *cli)
{
	struct config c = { 0 };
	const mk_node *path;
	int rc = config_find(cli) == NULL ? 0 : config_open(&c, cli);

	*list = (struct probes){ 0 };
	path = c.yaml == NULL ? NULL : mk_node_find(mk_yaml_root(c.yaml), "plugin_path");
	for (uint32_t i = 0; path != NULL && path->kind == MK_NODE_LIST && i < path->count; i++) {
		char *folder = path->items[i]->kind != MK_NODE_SCALAR
				   ? NULL
				   : config_path(&c, path->items[i]->text);

		if (folder != NULL)
			probes_add(list, folder, true);
		free(folder);
	}
	config_close(&c);
	for (const char *const *dir = probe_builtin(); rc == 0 && *dir != NULL; dir++)
		probes_add(list, *dir, false);
	return rc;
}

void
probes_fini(struct probes *list)
{
	for (uint32_t i = 0; i < list->count; i++)
		probe_fini(&list->items[i]);
	free(list->items);
}
