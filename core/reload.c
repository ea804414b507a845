/* SPDX-License-Identifier: MIT
 *
 * A new configuration for a running daemon, all or nothing.
 *
 *   prepare, on a thread: parse, probe, check everything    -> problems: nothing has changed
 *   compare with what is in force                           -> the plan, a line for each change
 *   unless it is a dry run: stop, restart, reconfigure, start what differs, nothing else
 *   once all of these have come to rest                     -> what became of each
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "plug.h"

#define LINES_MAX 256u

struct reload_list {
	const char *lines[LINES_MAX];
	uint32_t count;
};

struct reload {
	struct core *core;
	struct task task; /* preparing */
	bool dry_run, applied;
	mk_problems *problems; /* the thread's until then */
	struct plan *plan;
	core_reloaded *done;
	void *arg;
	struct core_reload_outcome outcome;
	struct reload_list plan_lines, results;
	mk_arena arena;   /* owns the lines */
	const char *name; /* of the plugin whose options are compared */
};

__attribute__((format(printf, 3, 4))) static void
reload_line(struct reload *r, struct reload_list *list, const char *format, ...)
{
	const char *line;
	va_list ap;

	va_start(ap, format);
	line = mk_arena_vprintf(&r->arena, format, ap);
	va_end(ap);
	if (line != NULL && list->count < LINES_MAX)
		list->lines[list->count++] = line;
}
#define reload_plan(r, ...) reload_line(r, &(r)->plan_lines, __VA_ARGS__)

static void
reload_option(void *arg, const char *path, const char *old_text, const char *new_text, bool live)
{
	struct reload *r = arg;

	reload_plan(r, "%s: %soption %s: %s -> %s", r->name, live ? "live " : "", path,
		    old_text != NULL ? old_text : "(unset)",
		    new_text != NULL ? new_text : "(unset)");
}

/* A plugin that runs and shall go on running. True if something differs. */
static bool
reload_running(struct reload *r, struct plug *p, struct plan_item *item)
{
	const char *reason = plan_difference(p->item, item);
	bool live = true;
	uint32_t options;

	r->name = p->name;
	options = mk_values_diff(item->manifest->options, p->item->values, item->values, &live,
				 reload_option, r);
	live = live && reason == NULL;
	if (!live)
		reload_plan(r, "%s: restart (%s)", p->name, reason != NULL ? reason : "options");
	p->reloaded = options > 0 || !live;
	if (!r->dry_run && live && options == 0)
		plug_follow(p, r->plan, item);
	else if (!r->dry_run)
		plug_adopt(p, r->plan, item, live);
	return p->reloaded;
}

/* A plugin that stays in the configuration. True if something differs. */
static bool
reload_plugin(struct reload *r, struct plug *p, struct plan_item *item)
{
	bool enabled = item->settings->enabled, differs;

	if (enabled && p->wanted)
		return reload_running(r, p, item);
	if (enabled != p->wanted)
		reload_plan(r, "%s: %s", p->name, enabled ? "start" : "stop");
	differs = p->reloaded = enabled != p->wanted;
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
reload_apply(struct reload *r)
{
	struct core *c = r->core;
	const struct settings *was = c->plan->settings, *now = r->plan->settings;
	bool changed = false;
	mk_err err = { 0 };

	if (settings_daemon_differs(was, now))
		reload_plan(r, "data_dir and bus: taken at the next restart of the daemon");
	if (was->log_level != now->log_level || was->log_format != now->log_format) {
		reload_plan(r, "log: level or format");
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
		reload_plan(r, "%s: stop and remove", p->name);
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
		reload_plan(r, "%s: new%s", item->settings->name,
			    item->settings->enabled ? ", start" : ", disabled");
		p = r->dry_run ? NULL : plug_new(c, r->plan, item, &err);
		if (p == NULL)
			continue;
		p->reloaded = true;
		if (item->settings->enabled)
			plug_enable(p, &err);
	}
	if (!r->dry_run) {
		plan_unref(c->plan);
		c->plan = plan_ref(r->plan);
		c->plugs_changed = true;
	}
	return changed;
}

/* ------------------------------------------------------------- carrying out -- */

static void
reload_end(struct reload *r)
{
	r->core->reload = NULL;
	mk_arena_fini(&r->arena);
	mk_problems_free(r->problems);
	plan_unref(r->plan);
	free(r);
}

static void
reload_answer(struct reload *r)
{
	struct core_reload_outcome *o = &r->outcome;

	for (struct plug *p = r->core->plugs; r->applied && p != NULL; p = p->next) {
		bool good = p->state == (p->wanted ? PLUG_RUNNING : PLUG_DISABLED) && !p->reverted;

		if (!p->reloaded)
			continue;
		reload_line(r, &r->results, "%s: %s%s%s%s", p->name, plug_state_text(p->state),
			    p->reverted ? " with the old configuration, the new one did not work"
					: "",
			    p->reason[0] != '\0' ? ": " : "", p->reason);
		o->all_good = o->all_good && good;
	}
	o->lines = r->plan_lines.lines;
	o->count = r->plan_lines.count;
	o->results = r->results.lines;
	o->result_count = r->results.count;
	r->done(r->arg, o);
	reload_end(r);
}

static void
reload_on_prepared(void *arg)
{
	struct reload *r = arg;

	r->outcome.good = r->outcome.all_good = r->plan != NULL;
	for (struct plug *p = r->core->plugs; p != NULL; p = p->next)
		p->reloaded = false;
	if (r->plan != NULL)
		r->outcome.changed = reload_apply(r);
	for (uint32_t i = 0; i < mk_problems_lines(r->problems); i++)
		reload_plan(r, "%s", mk_problems_line(r->problems, i));
	r->applied = r->plan != NULL && !r->dry_run;
	if (!r->applied)
		reload_answer(r);
	else
		core_reload_round(r->core); /* perhaps nothing differs */
}

void
core_reload_round(struct core *c)
{
	if (c->reload == NULL || !c->reload->applied)
		return;
	for (const struct plug *p = c->plugs; p != NULL; p = p->next)
		if (p->remove || (p->reloaded && !(plug_is_settled(p) && p->tried)))
			return;
	reload_answer(c->reload);
}

void
core_end_reload(struct core *c)
{
	if (c->reload == NULL)
		return;
	if (c->reload->applied) {
		reload_answer(c->reload);
		return;
	}
	c->reload->dry_run = true;
	task_finish(&c->reload->task);
}

static void
reload_prepare(void *arg)
{
	struct reload *r = arg;

	r->plan = plan_prepare(r->core->file, r->core->builtin_dirs, r->problems);
}

mk_result
core_reload(struct core *c, bool dry_run, core_reloaded *done, void *arg)
{
	struct reload *r;

	if (c->reload != NULL || c->stop_by != 0)
		return MK_EAGAIN;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return MK_ENOMEM;
	*r = (struct reload){ .core = c, .dry_run = dry_run, .done = done, .arg = arg };
	r->problems = mk_problems_new(c->file);
	c->reload = r;
	if (r->problems != NULL &&
	    task_start(&r->task, c->loop, reload_prepare, reload_on_prepared, r) == MK_OK)
		return MK_OK;
	reload_end(r);
	return MK_ENOMEM;
}
