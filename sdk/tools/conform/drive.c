/* SPDX-License-Identifier: MIT
 *
 * Instances that the checks keep busy, and the way they end.
 */
#define _GNU_SOURCE
#include "conform.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit.h"

mk_tk *
drive_start(struct conform *c, const char *config)
{
	mk_tk *tk = mk_tk_new(c->desc, config);
	mk_result r;

	conform_doing(c, "start");
	r = mk_tk_start(tk);
	if (r == MK_OK)
		return tk;
	conform_fail(c, "does not start%s: %s", config == NULL ? " (try --config)" : "",
		     mk_tk_error(tk));
	mk_tk_free(tk);
	return NULL;
}

/* Calls of the plugin get every kind of answer in turn. */
static void
drive_answer(mk_tk *tk)
{
	static const uint8_t items[] = { 0x81, 0xa5, 'i', 't', 'e', 'm', 's', 0x90 };
	uint32_t turn = 0;
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_raw(&w, items, sizeof(items));
	for (int i = 0; i < 100 && mk_tk_asked(tk) != NULL; i++) {
		turn = (uint32_t)tk->callbacks % 3;
		if (turn == 0)
			mk_tk_answer(tk, MK_OK, NULL, &w);
		else
			mk_tk_answer(tk, turn == 1 ? MK_EUNAVAIL : MK_EDENIED, "conform", NULL);
	}
	mk_writer_fini(&w);
}

void
drive_time(mk_tk *tk, uint32_t seconds)
{
	for (uint32_t i = 0; i < seconds * 4; i++) {
		mk_tk_advance(tk, 250000);
		mk_tk_poll(tk, 0);
		drive_answer(tk);
	}
}

void
drive_send(struct conform *c, mk_tk *tk, const struct target *t, const void *body, size_t len)
{
	mk_writer w;

	conform_doing(c, "%s %s, body of %zu bytes", t->method ? "call" : "message", t->name, len);
	if (!t->method) {
		mk_tk_send_raw(tk, t->name, body, len, 0);
		return;
	}
	mk_writer_init(&w, MK_BODY_MAX);
	mk_put_raw(&w, body, len);
	mk_tk_call(tk, t->name, &w);
	mk_writer_fini(&w);
}

void
drive_some(struct conform *c, mk_tk *tk, uint32_t rounds)
{
	mk_writer w;

	mk_writer_init(&w, MK_BODY_MAX);
	for (uint32_t i = 0; i < rounds; i++) {
		for (size_t k = 0; k < c->target_count; k++) {
			bodies_make(c, &c->targets[k], &w);
			drive_send(c, tk, &c->targets[k], w.data, w.len);
		}
		conform_doing(c, "timers");
		mk_tk_advance(tk, 100000);
		mk_tk_poll(tk, 0);
		drive_answer(tk);
	}
	mk_writer_fini(&w);
}

const char *
drive_broken(const mk_tk *tk, const char *kind)
{
	static char line[256];
	const char *text = mk_tk_misbehaved_text(tk);

	for (; *text != '\0'; text = strchr(text, '\n') + 1) {
		if (strncmp(text, kind, strlen(kind)) != 0)
			continue;
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
		return line;
	}
	return NULL;
}

enum verdict
drive_end(struct conform *c, mk_tk *tk)
{
	const char *broken;
	char text[256] = "";

	conform_doing(c, "stop");
	mk_tk_stop(tk);
	broken = drive_broken(tk, "other: ");
	if (broken != NULL)
		snprintf(text, sizeof(text), "%s", broken + strlen("other: "));
	conform_doing(c, "destroy");
	if (mk_tk_free(tk) > 0)
		return conform_fail(c, "left behind: %.*s", (int)strcspn(mk_tk_leaks(), "\n"),
				    mk_tk_leaks());
	return text[0] != '\0' ? conform_fail(c, "%s", text) : PASS;
}

/* -------------------------------------------------------------- traces --- */

static uint32_t
traces_entries(const char *folder)
{
	DIR *d = opendir(folder);
	uint32_t count = 0;

	while (d != NULL && readdir(d) != NULL)
		count++;
	if (d != NULL)
		closedir(d);
	return count;
}

void
traces_take(struct traces *t)
{
	struct sigaction action;
	char line[128];
	FILE *f;

	memset(t, 0, sizeof(*t));
	/* Some kernels and containers do not let a process read this. */
	f = fopen("/proc/self/io", "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "wchar: ", 7) == 0) {
			t->written = strtoull(line + 7, NULL, 10);
			t->has_written = true;
		}
	}
	if (f != NULL)
		fclose(f);
	t->fds = traces_entries("/proc/self/fd");
	t->threads = traces_entries("/proc/self/task");
	for (int i = 1; i < NSIG; i++) {
		if (sigaction(i, NULL, &action) == 0)
			t->handlers = t->handlers * 31 + (uint64_t)(uintptr_t)action.sa_sigaction;
	}
}

const char *
traces_changed(const struct traces *before)
{
	struct traces now;

	traces_take(&now);
	if (now.fds != before->fds)
		return "left a file descriptor open";
	if (now.threads != before->threads)
		return "started a thread";
	if (now.handlers != before->handlers)
		return "changed a signal handler";
	if (now.has_written && now.written != before->written)
		return "wrote something";
	return NULL;
}
