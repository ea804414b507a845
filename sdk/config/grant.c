/* SPDX-License-Identifier: MIT */
#include "grant.h"

#include <stdio.h>
#include <string.h>

/* The plugins that come with the daemon, and what they need. */
static const struct {
	const char *plugin;
	const char *capability;
} grant_builtin[] = {
	{ "storage", "storage.write" },  { "storage", "storage.read" },
	{ "http", "storage.read" },      { "http", "net" },
	{ "http", "core.control" },      { "mqtt", "net" },
	{ "neighbors", "storage.read" }, { "analytics", "storage.read" },
	{ "mbcap", "storage.read" },     { "backfill", "storage.read" },
};

static bool
grant_listed(const char *const *list, const char *item)
{
	for (; list != NULL && *list != NULL; list++)
		if (strcmp(*list, item) == 0)
			return true;
	return false;
}

static bool
grant_covered(const char *const *list, const char *topic)
{
	for (; list != NULL && *list != NULL; list++)
		if (mk_topic_covers(*list, topic))
			return true;
	return false;
}

bool
grant_capability(const struct plugin_settings *s, const char *capability)
{
	for (size_t i = 0; s->builtin && i < sizeof(grant_builtin) / sizeof(grant_builtin[0]); i++)
		if (strcmp(grant_builtin[i].plugin, s->plugin) == 0 &&
		    strcmp(grant_builtin[i].capability, capability) == 0)
			return true;
	return grant_listed(s->grant, capability);
}

bool
grant_publish(const struct plugin_settings *s, const char *topic)
{
	char own[MK_TOPIC_MAX + 2];

	if (strncmp(topic, "core/", 5) == 0)
		return false; /* the core's own */
	if (s->has_publish)
		return grant_covered(s->publish, topic);
	if (s->builtin)
		return true;
	snprintf(own, sizeof(own), "snapshot/%s", s->name);
	if (strcmp(topic, own) == 0)
		return true;
	snprintf(own, sizeof(own), "%s/", s->name);
	return mk_topic_covers(own, topic);
}

bool
grant_subscribe(const struct plugin_settings *s, const char *topic)
{
	return !s->has_subscribe || grant_covered(s->subscribe, topic);
}

void
grant_check(const struct plugin_settings *s, const mk_manifest *m, mk_problems *problems)
{
	for (const char *const *c = m->capabilities; *c != NULL; c++)
		if (!grant_capability(s, *c))
			mk_problems_add(problems, s->line, s->column,
					"plugins.%s: needs the capability %s; to allow it, add "
					"\"grant: [%s]\"",
					s->name, *c, *c);
	for (const mk_topic *t = m->publishes; t->name != NULL; t++)
		if (!grant_publish(s, t->name))
			mk_problems_add(problems, s->line, s->column,
					"plugins.%s: publishes %s; to allow it, add it to "
					"\"publish: [%s]\"",
					s->name, t->name, t->name);
	for (const mk_topic *t = m->subscribes; t->name != NULL; t++)
		if (!grant_subscribe(s, t->name))
			mk_problems_add(problems, s->line, s->column,
					"plugins.%s: subscribes to %s; to allow it, add it to "
					"\"subscribe: [%s]\"",
					s->name, t->name, t->name);
}
