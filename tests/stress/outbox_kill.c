/* SPDX-License-Identifier: MIT
 *
 * The outbox's promise against kill -9: a number that outbox_append returned
 * is there afterwards, with its content; numbering stays dense; and of what
 * was trimmed at most the last segment comes back.
 *
 * A child appends, reads and trims as fast as it can and reports every number
 * over a pipe; after a random count of reports it is killed wherever it is.
 * Exit status 0 = kept.
 */
#define _XOPEN_SOURCE 700 /* P_tmpdir */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "outbox.h"

#define RUN_US 8000000u
#define MAX_BYTES ((uint64_t)256 << 20)
#define SEGMENT_BYTES ((uint64_t)1 << 20)
#define LARGEST 300000u
/* The shortest record is 40 bytes of head, "a/b" with its NUL, no body. */
#define SEGMENT_RECORDS (SEGMENT_BYTES / 44)

struct report {
	uint64_t number;  /* appended, and outbox_append returned */
	uint64_t trimmed; /* and outbox_trim returned */
};

static uint8_t noise[LARGEST];

static uint64_t
mix(uint64_t x) /* splitmix64 */
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* Mostly small, sometimes large: a large one is more likely to be cut. */
static uint32_t
length_of(uint64_t number)
{
	uint64_t r = mix(number);

	return (uint32_t)(r % 16 == 0 ? r % LARGEST : r % 700);
}

static const uint8_t *
body_of(uint64_t number)
{
	return noise + mix(number + 7) % (LARGEST - length_of(number));
}

static _Noreturn void
die(const char *what, uint64_t a, uint64_t b)
{
	fprintf(stderr, "outbox_kill: %s (%" PRIu64 ", %" PRIu64 ")\n", what, a, b);
	exit(1);
}

static struct outbox *
open_or_die(const char *dir)
{
	struct outbox *o;
	mk_err err;

	if (outbox_open(&o, dir, MAX_BYTES, SEGMENT_BYTES, &err) != MK_OK)
		die(err.text, 0, 0);
	return o;
}

static _Noreturn void
child_run(const char *dir, int fd, uint64_t seed)
{
	struct outbox *o = open_or_die(dir);
	struct outbox_record record;
	struct outbox_stats stats;
	struct report report;

	outbox_get_stats(o, &stats);
	report.trimmed = stats.first == 0 ? stats.last : stats.first - 1;
	for (uint64_t next = stats.last + 1;; next++) {
		mk_result rc = outbox_append(o, next % 3 == 0 ? "a/b" : "rx/raw", (uint32_t)next, 5,
					     body_of(next), length_of(next), &report.number);

		if (rc != MK_OK || report.number != next)
			die("append", report.number, (uint64_t)-rc);
		(void)outbox_next(o, &record);
		if (mix(seed + next) % 64 == 0) {
			uint64_t keep = mix(seed ^ next) % 2000;

			outbox_trim(o, next > keep ? next - keep : 0);
			if (next > keep && next - keep > report.trimmed)
				report.trimmed = next - keep;
		}
		if (mix(seed + next) % 512 == 1)
			(void)outbox_sync(o);
		if (write(fd, &report, sizeof(report)) != (ssize_t)sizeof(report))
			_exit(1); /* less than PIPE_BUF: whole or not at all */
	}
}

/* All reports the child made, killed after about `count` of them. */
static struct report
child_kill_after(pid_t pid, int fd, uint64_t count)
{
	struct report report, last = { 0, 0 };
	uint64_t seen = 0;
	int status;
	ssize_t n;

	if (count == 0)
		kill(pid, SIGKILL);
	while ((n = read(fd, &report, sizeof(report))) == (ssize_t)sizeof(report)) {
		last = report;
		if (++seen == count)
			kill(pid, SIGKILL);
	}
	if (n != 0)
		die("read the reports", (uint64_t)errno, 0);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		die("the child failed by itself", seen, count);
	return last;
}

/* Everything from the first kept record to the last, by its content. */
static void
check_records(struct outbox *o, const struct outbox_stats *stats)
{
	struct outbox_record r;
	uint64_t number = stats->first == 0 ? stats->last + 1 : stats->first;

	for (; number <= stats->last; number++) {
		if (outbox_next(o, &r) != MK_OK)
			die("a record is missing", number, stats->last);
		if (r.number != number)
			die("a number is missing", number, r.number);
		if (r.len != length_of(number) || memcmp(r.body, body_of(number), r.len) != 0 ||
		    strcmp(r.topic, number % 3 == 0 ? "a/b" : "rx/raw") != 0 ||
		    r.schema != (uint32_t)number || r.flags != 5)
			die("a record is wrong", number, r.len);
	}
	if (outbox_next(o, &r) != MK_ENOENT)
		die("more than the last", r.number, stats->last);
}

/* One life and death. *last and *trimmed: what is certain before, and after. */
static void
round_run(const char *dir, uint64_t seed, uint64_t *last, uint64_t *trimmed)
{
	struct outbox_stats stats;
	struct report told;
	struct outbox *o;
	int fds[2];
	pid_t pid;

	if (pipe(fds) == -1 || (pid = fork()) == -1)
		die("pipe or fork", (uint64_t)errno, 0);
	if (pid == 0) {
		close(fds[0]);
		child_run(dir, fds[1], seed);
	}
	close(fds[1]);
	told = child_kill_after(pid, fds[0], mix(seed) % 8 == 0 ? 0 : mix(seed) % 3000);
	close(fds[0]);

	if (told.number > *last)
		*last = told.number;
	o = open_or_die(dir);
	outbox_get_stats(o, &stats);
	/* The kill may have come between an append and its report. */
	if (stats.last != *last && stats.last != *last + 1)
		die("the last number", stats.last, *last);
	if (stats.first != 0 && stats.first <= *trimmed)
		die("trimmed before a clean close, and back", stats.first, *trimmed);
	if (stats.first != 0 && stats.first + SEGMENT_RECORDS <= told.trimmed)
		die("more than a segment came back", stats.first, told.trimmed);
	if (stats.damaged != 0)
		die("damage", stats.damaged, 0);
	check_records(o, &stats);
	*last = stats.last;
	outbox_trim(o, stats.last - mix(seed + 1) % (stats.last / 2 + 1));
	outbox_get_stats(o, &stats);
	*trimmed = stats.first == 0 ? stats.last : stats.first - 1;
	outbox_close(o);
}

static void
remove_all(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), entry->d_name, 0);
	if (d == NULL || closedir(d) == -1 || rmdir(dir) == -1)
		die("clean up", (uint64_t)errno, 0);
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");
	uint64_t begin = clock_now_us(), seed = begin, last = 0, trimmed = 0;
	unsigned rounds = 0;
	char dir[256];

	log_init(STDERR_FILENO, MK_LOG_WARN, LOG_TEXT);
	signal(SIGPIPE, SIG_IGN);
	snprintf(dir, sizeof(dir), "%s/outbox_kill.XXXXXX", tmp == NULL ? P_tmpdir : tmp);
	if (mkdtemp(dir) == NULL)
		die("make a directory", (uint64_t)errno, 0);
	for (size_t i = 0; i < LARGEST; i++)
		noise[i] = (uint8_t)mix(i);
	while (clock_now_us() - begin < RUN_US) {
		round_run(dir, mix(seed + rounds), &last, &trimmed);
		rounds++;
	}
	remove_all(dir);
	printf("outbox_kill: %u kills, %" PRIu64 " records, none lost\n", rounds, last);
	return 0;
}
