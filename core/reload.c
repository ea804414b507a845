/* SPDX-License-Identifier: MIT
 *
 * A new configuration for a running daemon, all or nothing.
 *
 *   prepare, on a thread: parse, probe, check everything    -> problems: nothing has changed
 *   compare with what is in force                           -> the plan, a line for each change
 *   unless it is a dry run: stop, restart, reconfigure, start what differs, nothing else
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core.h"
#include "plug.h"

#define LINES_MAX 256u

struct reload {
	struct core *core;
	pthread_t thread;
	int fd; /* written when the thread is through */
	struct loop_watch *watch;
	bool dry_run;
	mk_problems *problems; /* the thread's until then */
	struct plan *plan;
	void (*done)(void *, bool, bool, uint32_t, const char *const *);
	void *arg;
	char *lines[LINES_MAX];
	uint32_t count;
};

__attribute__((format(printf, 2, 3))) static void
reload_line(struct reload *r, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (r->count < LINES_MAX && (r->lines[r->count] = strdup(text)) != NULL)
		r->count++;
}

struct reload_option {
	struct reload *reload;
	const char *name;
};

static void
reload_option(void *arg, const char *path, const char *old_text, const char *new_text, bool live)
{
	struct reload_option *o = arg;

	reload_line(o->reload, "%s: %soption %s: %s -> %s", o->name, live ? "live " : "", path,
		    old_text != NULL ? old_text : "(unset)",
		    new_text != NULL ? new_text : "(unset)");
}

static bool
reload_lists_differ(const char *const *a, const char *const *b)
{
	while (a != NULL && b != NULL && *a != NULL && *b != NULL && strcmp(*a, *b) == 0) {
		a++;
		b++;
	}
	return (a != NULL && *a != NULL) || (b != NULL && *b != NULL);
}

/* Why a restart is needed, NULL if it is not. */
static const char *
reload_reason(const struct plan_item *a, const struct plan_item *b)
{
	const struct plugin_settings *s = a->settings, *t = b->settings;

	if (strcmp(s->path, t->path) != 0)
		return "another file";
	if (s->isolation != t->isolation)
		return "isolation";
	if (reload_lists_differ(s->grant, t->grant) ||
	    reload_lists_differ(s->publish, t->publish) ||
	    reload_lists_differ(s->subscribe, t->subscribe) ||
	    reload_lists_differ(s->read_paths, t->read_paths) ||
	    reload_lists_differ(s->write_paths, t->write_paths))
		return "grants";
	if (s->memory_bytes != t->memory_bytes || s->cpu_seconds != t->cpu_seconds ||
	    s->files != t->files || s->rate != t->rate)
		return "limits";
	if (s->outbox_bytes != t->outbox_bytes || s->outbox_sync_us != t->outbox_sync_us)
		return "outbox";
	if (a->file_mark != b->file_mark)
		return s->isolation == ISOLATION_PROCESS
			   ? "the file has changed"
			   : "the file has changed (its code is taken at a restart of the daemon)";
	if (a->told_len != b->told_len || memcmp(a->told, b->told, a->told_len) != 0)
		return "the plugin has changed";
	return NULL;
}

/* A plugin that runs and shall go on running. True if something differs. */
static bool
reload_running(struct reload *r, struct plug *p, struct plan_item *item)
{
	struct reload_option option = { .reload = r, .name = p->name };
	const char *reason = reload_reason(p->item, item);
	bool live = true;
	uint32_t options = mk_values_diff(item->manifest->options, p->item->values, item->values,
					  &live, reload_option, &option);

	live = live && reason == NULL;
	if (!live)
		reload_line(r, "%s: restart (%s)", p->name, reason != NULL ? reason : "options");
	if (!r->dry_run && live && options == 0)
		plug_follow(p, r->plan, item);
	else if (!r->dry_run)
		plug_adopt(p, r->plan, item, live);
	return options > 0 || !live;
}

/* A plugin that stays in the configuration. True if something differs. */
static bool
reload_plugin(struct reload *r, struct plug *p, struct plan_item *item)
{
	bool enabled = item->settings->enabled, differs;

	if (enabled && p->wanted)
		return reload_running(r, p, item);
	if (enabled != p->wanted)
		reload_line(r, "%s: %s", p->name, enabled ? "start" : "stop");
	differs = enabled != p->wanted;
	if (r->dry_run)
		return differs;
	if (!enabled && p->wanted)
		plug_disable(p, "by the configuration");
	plug_follow(p, r->plan, item);
	if (enabled)
		plug_enable(p, NULL);
	return differs;
}

static bool
reload_addresses_differ(const struct settings *a, const struct settings *b)
{
	bool differ = a->listen_count != b->listen_count;

	for (uint32_t i = 0; !differ && i < a->listen_count; i++)
		differ = strcmp(a->listen[i].url, b->listen[i].url) != 0;
	return differ;
}

static bool
reload_apply(struct reload *r)
{
	struct core *c = r->core;
	const struct settings *was = c->plan->settings, *now = r->plan->settings;
	bool changed = false;
	mk_err err = { 0 };

	if (reload_addresses_differ(was, now) || strcmp(was->data_dir, now->data_dir) != 0 ||
	    was->ring_bytes != now->ring_bytes || was->ring_messages != now->ring_messages)
		reload_line(r, "data_dir and bus: taken at the next restart of the daemon");
	if (was->log_level != now->log_level || was->log_format != now->log_format) {
		reload_line(r, "log: level or format");
		changed = true;
		if (!r->dry_run)
			log_set(now->log_level, now->log_format);
	}
	for (struct plug *p = c->plugs, *next; p != NULL; p = next) {
		struct plan_item *item = plan_find(r->plan, p->name);

		next = p->next;
		if (item != NULL) {
			changed = reload_plugin(r, p, item) || changed;
			continue;
		}
		changed = true;
		reload_line(r, "%s: stop and remove", p->name);
		if (r->dry_run)
			continue;
		p->remove = true;
		plug_disable(p, "no longer in the configuration");
	}
	for (uint32_t i = 0; i < now->plugin_count; i++) {
		struct plan_item *item = &r->plan->items[i];
		struct plug *p = plug_find(c, item->settings->name);

		if (p != NULL)
			continue;
		changed = true;
		reload_line(r, "%s: new%s", item->settings->name,
			    item->settings->enabled ? ", start" : ", disabled");
		p = r->dry_run ? NULL : plug_new(c, r->plan, item, &err);
		if (p != NULL && item->settings->enabled)
			plug_enable(p, &err);
	}
	if (!r->dry_run) {
		plan_unref(c->plan);
		c->plan = plan_ref(r->plan);
		c->plugs_changed = true;
	}
	return changed;
}

static void
reload_end(struct reload *r)
{
	loop_unwatch(r->watch);
	close(r->fd);
	r->core->reload = NULL;
	for (uint32_t i = 0; i < r->count; i++)
		free(r->lines[i]);
	mk_problems_free(r->problems);
	plan_unref(r->plan);
	free(r);
}

static void
reload_on_prepared(void *arg, uint32_t events)
{
	struct reload *r = arg;
	bool good, changed = false;

	(void)events;
	pthread_join(r->thread, NULL);
	good = r->plan != NULL;
	if (good)
		changed = reload_apply(r);
	for (uint32_t i = 0; i < mk_problems_lines(r->problems); i++)
		reload_line(r, "%s", mk_problems_line(r->problems, i));
	r->done(r->arg, good, changed, r->count, (const char *const *)r->lines);
	reload_end(r);
}

void
core_end_reload(struct core *c)
{
	if (c->reload == NULL)
		return;
	c->reload->dry_run = true;
	reload_on_prepared(c->reload, 0);
}

static void *
reload_prepare(void *arg)
{
	struct reload *r = arg;
	uint64_t one = 1;

	r->plan = plan_prepare(r->core->file, r->core->builtin_dirs, r->problems);
	if (write(r->fd, &one, sizeof(one)) == -1)
		return NULL; /* cannot happen: a new eventfd takes one */
	return NULL;
}

mk_result
core_reload(struct core *c, bool dry_run,
	    void (*done)(void *, bool, bool, uint32_t, const char *const *), void *arg)
{
	struct reload *r;

	if (c->reload != NULL || c->stop_by != 0)
		return MK_EAGAIN;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return MK_ENOMEM;
	*r = (struct reload){ .core = c, .dry_run = dry_run, .done = done, .arg = arg };
	r->problems = mk_problems_new(c->file);
	r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->reload = r;
	if (r->fd != -1)
		r->watch = loop_watch(c->loop, r->fd, LOOP_READ, reload_on_prepared, r);
	if (r->problems == NULL || r->watch == NULL ||
	    pthread_create(&r->thread, NULL, reload_prepare, r) != 0) {
		reload_end(r);
		return MK_ENOMEM;
	}
	return MK_OK;
}
