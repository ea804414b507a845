/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <meshkern/audit.h>

#include "grant.h"
#include "probe.h"

#define PROBE_US 2000000u /* a plugin's file must be loaded by then */

static void
plan_problem(const struct plan_item *item, mk_problems *problems, const char *text)
{
	mk_problems_add(problems, item->settings->line, item->settings->column, "plugins.%s: %s",
			item->settings->name, text);
}

/* ------------------------------------------------------------- one item -- */

static void
plan_take_manifest(struct plan_item *item, const uint8_t *data, size_t len, mk_problems *problems)
{
	const struct plugin_settings *s = item->settings;
	char where[MK_ID_MAX + 32];
	mk_err err = { 0 };
	mk_writer w;

	if (mk_manifest_read(&item->manifest, data, len, &err) != MK_OK) {
		plan_problem(item, problems, err.text);
		return;
	}
	if (strcmp(item->manifest->id, s->plugin) != 0)
		mk_problems_add(problems, s->line, s->column,
				"plugins.%s: %s is the plugin %s; to run it under another name, "
				"add \"plugin: %s\"",
				s->name, s->path, item->manifest->id, item->manifest->id);
	item->told = malloc(len);
	if (item->told != NULL) {
		memcpy(item->told, data, len);
		item->told_len = len;
	}
	grant_check(s, item->manifest, problems);
	snprintf(where, sizeof(where), "plugins.%s.config", s->name);
	item->values = mk_options_read(item->manifest->options, s->config, where, problems);
	mk_writer_init(&w, 0);
	if (item->values == NULL || mk_values_write(item->values, &w) != MK_OK) {
		plan_problem(item, problems, "out of memory");
		mk_writer_fini(&w);
		return;
	}
	item->body = w.data; /* the writer's memory goes on living here */
	item->len = w.len;
}

/* check() of the plugin found a fault if it says anything. */
static void
plan_take_check(struct plan_item *item, const uint8_t *data, size_t len, mk_problems *problems)
{
	char text[512];

	if (len == 0)
		return;
	snprintf(text, sizeof(text), "config: %.*s", (int)len, (const char *)data);
	plan_problem(item, problems, text);
}

/* Run one probe for each item, all at a time; `take` gets what the good ones say. */
static void
plan_probe(struct plan_item **items, uint32_t count, const char *mode,
	   void (*take)(struct plan_item *item, const uint8_t *data, size_t len, mk_problems *),
	   mk_problems *problems)
{
	struct probe probes[SETTINGS_PLUGINS_MAX];

	for (uint32_t i = 0; i < count; i++)
		probes[i] = (struct probe){ .mode = mode,
					    .path = items[i]->settings->path,
					    .options = items[i]->body,
					    .options_len = items[i]->len };
	probe_run(probes, count, PROBE_US);
	for (uint32_t i = 0; i < count; i++) {
		const struct plugin_settings *s = items[i]->settings;

		if (probes[i].error[0] == '\0')
			take(items[i], probes[i].answer, probes[i].len, problems);
		else
			mk_problems_add(problems, s->line, s->column, "plugins.%s: %s: %s", s->name,
					s->path, probes[i].error);
		free(probes[i].answer);
	}
}

/* Imports can be judged without running anything. */
static bool
plan_audit(struct plan_item *item, mk_problems *problems)
{
	const struct plugin_settings *s = item->settings;
	const char *granted[8];
	struct stat st;
	uint32_t n = 0;
	mk_audit *audit;
	mk_err err = { 0 };
	mk_result rc;

	if (s->path == NULL) {
		plan_problem(item, problems, "its file was not found");
		return false;
	}
	if (stat(s->path, &st) == 0)
		item->file_mark = (uint64_t)st.st_ino * 31 + (uint64_t)st.st_mtim.tv_sec * 1000003 +
				  (uint64_t)st.st_mtim.tv_nsec + (uint64_t)st.st_size;
	for (const char *const *c = settings_capabilities; *c != NULL; c++)
		if (grant_capability(s, *c))
			granted[n++] = *c;
	granted[n] = NULL;
	rc = mk_audit_open(&audit, s->path, &err);
	if (rc == MK_OK) {
		rc = mk_audit_check(audit, granted, &err);
		mk_audit_free(audit);
	}
	if (rc != MK_OK)
		plan_problem(item, problems, err.text);
	return rc == MK_OK;
}

static void
plan_complete_all(struct plan_item **items, uint32_t count, mk_problems *problems)
{
	struct plan_item *some[SETTINGS_PLUGINS_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		if (plan_audit(items[i], problems))
			some[n++] = items[i];
	plan_probe(some, n, "--probe", plan_take_manifest, problems);
	if (mk_problems_count(problems) > 0)
		return;
	n = 0;
	for (uint32_t i = 0; i < count; i++)
		if (items[i]->manifest != NULL && items[i]->manifest->has_check)
			some[n++] = items[i];
	plan_probe(some, n, "--check", plan_take_check, problems);
}

/* ---------------------------------------------------------- the whole plan -- */

static uint32_t
plan_class(const mk_topic *t)
{
	/* What is durable is reliable, whether it says so or not. */
	return (t->flags & MK_TOPIC_DURABLE) != 0
		   ? MK_TOPIC_DURABLE
		   : t->flags & (MK_TOPIC_RELIABLE | MK_TOPIC_RETAINED);
}

/* Publishers of a topic agree on its class, and subscribers understand its schema. */
static void
plan_check_topics(const struct plan_item *a, const struct plan_item *b, mk_problems *problems)
{
	for (const mk_topic *p = a->manifest->publishes; p->name != NULL; p++) {
		for (const mk_topic *q = b->manifest->publishes; a < b && q->name != NULL; q++)
			if (strcmp(p->name, q->name) == 0 && plan_class(p) != plan_class(q))
				mk_problems_add(problems, b->settings->line, b->settings->column,
						"plugins.%s: publishes %s with another delivery "
						"class than plugins.%s",
						b->settings->name, q->name, a->settings->name);
		for (const mk_topic *q = b->manifest->subscribes; q->name != NULL; q++)
			if (strcmp(p->name, q->name) == 0 && q->schema_max != 0 &&
			    (q->schema_min > p->schema_max || p->schema_min > q->schema_max))
				mk_problems_add(problems, b->settings->line, b->settings->column,
						"plugins.%s: understands schema %u to %u of %s, "
						"but plugins.%s publishes %u to %u",
						b->settings->name, q->schema_min, q->schema_max,
						q->name, a->settings->name, p->schema_min,
						p->schema_max);
	}
}

static void
plan_check_pair(const struct plan_item *a, const struct plan_item *b, mk_problems *problems)
{
	const struct plugin_settings *s = b->settings;

	if (mk_manifest_needs(a->manifest, "storage.write") &&
	    mk_manifest_needs(b->manifest, "storage.write"))
		mk_problems_add(problems, s->line, s->column,
				"plugins.%s: only one plugin may write the database, and "
				"plugins.%s does",
				s->name, a->settings->name);
	if ((b->manifest->flags & MK_PLUGIN_SINGLE) != 0 &&
	    strcmp(a->manifest->id, b->manifest->id) == 0)
		mk_problems_add(problems, s->line, s->column,
				"plugins.%s: %s may run only once, and plugins.%s does", s->name,
				b->manifest->id, a->settings->name);
	for (const mk_method *m = a->manifest->methods; m->name != NULL; m++)
		for (const mk_method *n = b->manifest->methods; n->name != NULL; n++)
			if (strcmp(m->name, n->name) == 0)
				mk_problems_add(problems, s->line, s->column,
						"plugins.%s: answers %s, and so does plugins.%s",
						s->name, n->name, a->settings->name);
}

static void
plan_check(struct plan *p, mk_problems *problems)
{
	uint32_t count = p->settings->plugin_count;

	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = 0; j < count; j++) {
			if (p->items[i].manifest == NULL || p->items[j].manifest == NULL)
				continue;
			plan_check_topics(&p->items[i], &p->items[j], problems);
			if (i < j)
				plan_check_pair(&p->items[i], &p->items[j], problems);
		}
}

static void
plan_forget(struct plan_item *item)
{
	mk_manifest_free(item->manifest);
	mk_values_free(item->values);
	free(item->told);
	free(item->body);
	*item = (struct plan_item){ .settings = item->settings };
}

mk_result
plan_complete(struct plan *plan, struct plan_item *item, mk_err *err)
{
	mk_problems *problems;
	mk_result rc = MK_OK;

	if (item->manifest != NULL)
		return MK_OK;
	problems = mk_problems_new(plan->settings->file);
	if (problems == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	plan_complete_all(&item, 1, problems);
	if (mk_problems_count(problems) == 0)
		plan_check(plan, problems);
	if (mk_problems_count(problems) > 0) {
		rc = mk_err_set(err, MK_EINVAL, "%s", mk_problems_line(problems, 0));
		plan_forget(item); /* or it would pass as complete the next time */
	}
	mk_problems_free(problems);
	return rc;
}

struct plan *
plan_prepare(const char *file, const char *const *builtin_dirs, mk_problems *problems)
{
	struct plan_item *enabled[SETTINGS_PLUGINS_MAX];
	struct plan *p = calloc(1, sizeof(*p));
	uint32_t n = 0;

	if (p == NULL) {
		mk_problems_add(problems, 0, 0, "out of memory");
		return NULL;
	}
	p->refs = 1;
	p->settings = settings_load(file, builtin_dirs, problems);
	if (p->settings != NULL)
		p->items = calloc(p->settings->plugin_count + 1, sizeof(*p->items));
	if (p->items == NULL) {
		plan_unref(p);
		return NULL;
	}
	for (uint32_t i = 0; i < p->settings->plugin_count; i++) {
		p->items[i].settings = &p->settings->plugins[i];
		if (p->settings->plugins[i].enabled)
			enabled[n++] = &p->items[i];
	}
	plan_complete_all(enabled, n, problems);
	if (mk_problems_count(problems) == 0)
		plan_check(p, problems);
	if (mk_problems_count(problems) == 0)
		return p;
	plan_unref(p);
	return NULL;
}

struct plan *
plan_ref(struct plan *p)
{
	p->refs++;
	return p;
}

void
plan_unref(struct plan *p)
{
	if (p == NULL || --p->refs > 0)
		return;
	for (uint32_t i = 0; p->items != NULL && i < p->settings->plugin_count; i++)
		plan_forget(&p->items[i]);
	free(p->items);
	settings_free(p->settings);
	free(p);
}

struct plan_item *
plan_find(struct plan *p, const char *name)
{
	for (uint32_t i = 0; i < p->settings->plugin_count; i++)
		if (strcmp(p->items[i].settings->name, name) == 0)
			return &p->items[i];
	return NULL;
}

const char *
plan_difference(const struct plan_item *a, const struct plan_item *b)
{
	const char *option = settings_plugin_differs(a->settings, b->settings);

	if (option != NULL)
		return option;
	if (a->file_mark != b->file_mark)
		return b->settings->isolation == ISOLATION_PROCESS
			   ? "the file has changed"
			   : "the file has changed (its code is taken at a restart of the daemon)";
	if (a->told_len != b->told_len || memcmp(a->told, b->told, a->told_len) != 0)
		return "the plugin has changed";
	return NULL;
}

/* ------------------------------------------------------------- telling -- */

struct plan_option {
	mk_writer *w;
	const mk_values *values;
};

static void
plan_write_option(void *arg, const char *path, const char *old_text, const char *new_text,
		  bool is_live)
{
	const struct plan_option *o = arg;
	uint32_t line = 0, column;

	(void)old_text;
	mk_values_where(o->values, path, &line, &column);
	mk_put_map(o->w, 4);
	mk_kv_str(o->w, "name", path);
	mk_kv_str(o->w, "value", new_text);
	mk_kv_u64(o->w, "line", line);
	mk_kv_bool(o->w, "live", is_live);
}

void
plan_write_options(const struct plan *p, mk_writer *w, const char *key)
{
	mk_kv_map(w, key, p->settings->plugin_count);
	for (uint32_t i = 0; i < p->settings->plugin_count; i++) {
		const struct plan_item *item = &p->items[i];
		const mk_option *table = item->manifest == NULL ? NULL : item->manifest->options;
		struct plan_option o = { .w = w, .values = item->values };

		mk_kv_array(w, item->settings->name,
			    mk_values_diff(table, NULL, item->values, NULL, NULL, NULL));
		mk_values_diff(table, NULL, item->values, NULL, plan_write_option, &o);
	}
}
