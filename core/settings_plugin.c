/* SPDX-License-Identifier: MIT
 *
 * plugins: in meshkern.yaml: what each instance is, may do and may use up.
 */
#include "settings_impl.h"

#include <string.h>
#include <sys/stat.h>

#include <meshkern/manifest.h>

/* What a plugin of others may use if the file does not say. */
#define THIRD_PARTY_MEMORY (UINT64_C(256) << 20)
#define THIRD_PARTY_FILES 1024u
#define THIRD_PARTY_RATE 20000u

#define HOUR INT64_C(3600000000)

static const char *const isolations[] = { "inproc", "process", NULL };

static const char *const capabilities[] = { "storage.read", "storage.write", "net",
					    "exec",         "core.control",  NULL };

static const mk_option allow_table[] = {
	{ .name = "read", .type = MK_OPT_LIST, .max = 64, .help = "files and folders to read" },
	{ .name = "write",
	  .type = MK_OPT_LIST,
	  .max = 64,
	  .help = "files and folders to read and write" },
	{ .name = NULL },
};

static const mk_option limits_table[] = {
	{ .name = "memory",
	  .type = MK_OPT_SIZE,
	  .help = "memory of its own, 0 = no limit; 256MiB with path:, else none" },
	{ .name = "cpu",
	  .type = MK_OPT_DURATION,
	  .help = "processor time until it is ended, 0 = no limit; none by default" },
	{ .name = "files",
	  .type = MK_OPT_INT,
	  .max = 1 << 20,
	  .help = "open files, 0 = no limit; 1024 with path:, else none" },
	{ .name = "rate",
	  .type = MK_OPT_INT,
	  .max = 1000000000,
	  .help = "messages a second it may publish, 0 = no limit; 20000 with path:, else none" },
	{ .name = NULL },
};

#define DEADLINE(name_, dflt_, help_)                                                             \
	{                                                                                         \
		.name = name_, .type = MK_OPT_DURATION, .min = 10000, .max = HOUR, .dflt = dflt_, \
		.help = help_                                                                     \
	}
static const mk_option deadlines_table[] = {
	DEADLINE("create", "5s", "to load and create it"),
	DEADLINE("start", "10s", "to start it"),
	DEADLINE("stop", "5s", "to finish what it has begun"),
	DEADLINE("stuck", "30s", "for one callback"),
	{ .name = NULL },
};

static const mk_option outbox_table[] = {
	{ .name = "size",
	  .type = MK_OPT_SIZE,
	  .min = 1 << 20,
	  .dflt = "1GiB",
	  .help = "on disk; a full outbox refuses messages" },
	{ .name = "sync",
	  .type = MK_OPT_DURATION,
	  .max = HOUR,
	  .dflt = "200ms",
	  .help = "written through to the disk at least this often, 0 = after each message" },
	{ .name = NULL },
};

const mk_option settings_plugin_table[] = {
	{ .name = "enabled", .type = MK_OPT_BOOL, .dflt = "true", .help = "runs at all" },
	{ .name = "plugin",
	  .type = MK_OPT_STRING,
	  .min = 1,
	  .max = MK_ID_MAX,
	  .help = "plugin to run; by default the one named like the instance" },
	{ .name = "path",
	  .type = MK_OPT_STRING,
	  .min = 1,
	  .help = "file of a plugin of others; by default NAME.so is searched" },
	{ .name = "isolation",
	  .type = MK_OPT_ENUM,
	  .choices = isolations,
	  .help = "inside of the daemon or in a process of its own; by default process with path:, "
		  "else inproc" },
	{ .name = "grant",
	  .type = MK_OPT_LIST,
	  .max = 16,
	  .choices = capabilities,
	  .help = "what it may do besides its topics" },
	{ .name = "publish",
	  .type = MK_OPT_LIST,
	  .max = 256,
	  .help = "topics it may publish; by default all that it declares" },
	{ .name = "subscribe",
	  .type = MK_OPT_LIST,
	  .max = 256,
	  .help = "topics it may receive; by default all that it declares" },
	{ .name = "allow",
	  .type = MK_OPT_GROUP,
	  .sub = allow_table,
	  .help = "files that its process may reach besides its own" },
	{ .name = "limits",
	  .type = MK_OPT_GROUP,
	  .sub = limits_table,
	  .help = "what it may use up" },
	{ .name = "deadlines",
	  .type = MK_OPT_GROUP,
	  .sub = deadlines_table,
	  .help = "how long it may take" },
	{ .name = "outbox",
	  .type = MK_OPT_GROUP,
	  .sub = outbox_table,
	  .help = "messages on durable topics that are not stored yet" },
	{ .name = "config",
	  .type = MK_OPT_TREE,
	  .help = "the plugin's own options; see its reference" },
	{ .name = NULL },
};

static bool
plugin_is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* DIR/ID.so in the first of `dirs` that has it. `looked` grows by a name each. */
static const char *
plugin_search(struct settings_reader *r, const char *const *dirs, const char *id, char *looked,
	      size_t cap)
{
	for (size_t i = 0; dirs[i] != NULL; i++) {
		const char *path = mk_arena_printf(&r->s->arena, "%s/%s.so", dirs[i], id);
		size_t len = strlen(looked);

		if (path == NULL) {
			settings_no_memory(r);
			return NULL;
		}
		if (plugin_is_file(path))
			return path;
		(void)snprintf(looked + len, cap - len, "%s%s", len > 0 ? ", " : "", dirs[i]);
	}
	return NULL;
}

static void
plugin_locate(const struct settings_part *p, struct plugin_settings *ps)
{
	char looked[512] = "";

	ps->builtin = !mk_values_has(p->v, "path");
	if (!ps->builtin) {
		ps->path = settings_path(p->r, mk_values_str(p->v, "path"));
		if (ps->enabled && !plugin_is_file(ps->path))
			settings_problem(p, "path", "there is no file %s", ps->path);
		return;
	}
	ps->path = plugin_search(p->r, p->r->plugin_path, ps->plugin, looked, sizeof(looked));
	if (ps->path == NULL)
		ps->path =
		    plugin_search(p->r, p->r->builtin_dirs, ps->plugin, looked, sizeof(looked));
	if (ps->path == NULL && ps->enabled)
		mk_problems_add(
		    p->r->problems, p->line, p->column,
		    "%s: %s.so is not in %s; path: or plugin_path: can tell where it is", p->where,
		    ps->plugin, looked[0] != '\0' ? looked : "any folder");
}

static void
plugin_check_topics(const struct settings_part *p, const char *list)
{
	char path[32];

	for (uint32_t i = 0; i < mk_values_count(p->v, list); i++) {
		const char *topic;

		(void)snprintf(path, sizeof(path), "%s[%u]", list, i);
		topic = mk_values_str(p->v, path);
		if (topic != NULL && !mk_topic_valid(topic, true))
			settings_problem(
			    p, path,
			    "\"%.80s\" is no topic: 1 to %d of a-z, 0-9, '.', '_', '-' "
			    "and '/'; a '/' at the end means all below",
			    topic, MK_TOPIC_MAX);
	}
}

static void
plugin_read_grants(const struct settings_part *p, struct plugin_settings *ps)
{
	plugin_check_topics(p, "publish");
	plugin_check_topics(p, "subscribe");
	ps->grant = settings_list(p, "grant", settings_text);
	ps->has_publish = mk_values_has(p->v, "publish");
	ps->has_subscribe = mk_values_has(p->v, "subscribe");
	ps->publish = settings_list(p, "publish", settings_text);
	ps->subscribe = settings_list(p, "subscribe", settings_text);
	ps->read_paths = settings_list(p, "allow.read", settings_path);
	ps->write_paths = settings_list(p, "allow.write", settings_path);
}

static uint64_t
plugin_limit(const struct settings_part *p, const struct plugin_settings *ps, const char *path,
	     uint64_t third_party)
{
	if (mk_values_has(p->v, path))
		return (uint64_t)mk_values_int(p->v, path);
	return ps->builtin ? 0 : third_party;
}

static void
plugin_read_limits(const struct settings_part *p, struct plugin_settings *ps)
{
	static const char *const of_process[] = { "limits.memory", "limits.cpu", "limits.files",
						  "allow.read", "allow.write" };
	const mk_values *v = p->v;
	uint64_t cpu_us = plugin_limit(p, ps, "limits.cpu", 0);

	ps->memory_bytes = plugin_limit(p, ps, "limits.memory", THIRD_PARTY_MEMORY);
	ps->cpu_seconds = cpu_us / 1000000 + (cpu_us % 1000000 != 0);
	ps->files = plugin_limit(p, ps, "limits.files", THIRD_PARTY_FILES);
	ps->rate = plugin_limit(p, ps, "limits.rate", THIRD_PARTY_RATE);
	ps->create_us = (uint64_t)mk_values_int(v, "deadlines.create");
	ps->start_us = (uint64_t)mk_values_int(v, "deadlines.start");
	ps->stop_us = (uint64_t)mk_values_int(v, "deadlines.stop");
	ps->stuck_us = (uint64_t)mk_values_int(v, "deadlines.stuck");
	ps->outbox_bytes = (uint64_t)mk_values_int(v, "outbox.size");
	ps->outbox_sync_us = (uint64_t)mk_values_int(v, "outbox.sync");
	for (size_t i = 0; i < sizeof(of_process) / sizeof(of_process[0]); i++)
		if (ps->isolation == ISOLATION_INPROC && mk_values_has(v, of_process[i]))
			settings_warn(p, of_process[i], "has no effect without isolation: process");
}

/* The plugin's own part, kept for its table; never NULL, for its position. */
static void
plugin_read_config(const struct settings_part *p, struct plugin_settings *ps, const mk_node *node)
{
	const mk_node *config = mk_node_find(node, "config");
	mk_node *empty;

	if (config != NULL && config->kind == MK_NODE_MAP) {
		ps->config = config;
		return;
	}
	if (config != NULL && !mk_node_is_null(config))
		mk_problems_add(p->r->problems, config->line, config->column,
				"%s.config: expected a map, found a %s", p->where,
				config->kind == MK_NODE_LIST ? "list" : "text");
	empty = mk_arena_alloc(&p->r->s->arena, sizeof(*empty));
	if (empty == NULL) {
		settings_no_memory(p->r);
		return;
	}
	*empty = (mk_node){ .kind = MK_NODE_MAP,
			    .line = config != NULL ? config->line : p->line,
			    .column = config != NULL ? config->column : p->column,
			    .text = "" };
	ps->config = empty;
}

static void
plugin_read(struct settings_reader *r, const mk_node *key, const mk_node *node)
{
	struct plugin_settings *ps = &r->s->plugins[r->s->plugin_count++];
	char where[MK_ID_MAX + 16];
	mk_values *v;
	struct settings_part p = { .r = r, .where = where };

	(void)snprintf(where, sizeof(where), "plugins.%s", key->text);
	v = mk_options_read(settings_plugin_table, node, where, r->problems);
	if (v == NULL)
		return;
	p.v = v;
	p.line = ps->line = key->line;
	p.column = ps->column = key->column;
	ps->name = key->text;
	ps->plugin = key->text;
	if (mk_values_has(v, "plugin"))
		ps->plugin = settings_text(r, mk_values_str(v, "plugin"));
	ps->enabled = mk_values_int(v, "enabled") != 0;
	if (mk_id_valid(ps->plugin))
		plugin_locate(&p, ps);
	else
		settings_problem(&p, "plugin", "\"%.60s\" is no name of a plugin", ps->plugin);
	ps->isolation = ps->builtin ? ISOLATION_INPROC : ISOLATION_PROCESS;
	if (mk_values_has(v, "isolation"))
		ps->isolation = strcmp(mk_values_str(v, "isolation"), "inproc") == 0
				    ? ISOLATION_INPROC
				    : ISOLATION_PROCESS;
	plugin_read_grants(&p, ps);
	plugin_read_limits(&p, ps);
	plugin_read_config(&p, ps, node);
	mk_values_free(v);
}

static bool
plugin_has_grant(const struct plugin_settings *ps, const char *capability)
{
	for (size_t i = 0; ps->enabled && ps->grant != NULL && ps->grant[i] != NULL; i++)
		if (strcmp(ps->grant[i], capability) == 0)
			return true;
	return false;
}

static void
plugin_check_writers(struct settings_reader *r)
{
	const struct plugin_settings *writer = NULL;

	for (uint32_t i = 0; i < r->s->plugin_count; i++) {
		const struct plugin_settings *ps = &r->s->plugins[i];

		if (!plugin_has_grant(ps, "storage.write"))
			continue;
		if (writer != NULL)
			mk_problems_add(
			    r->problems, ps->line, ps->column,
			    "plugins.%s: storage.write is granted to plugins.%s already, "
			    "and only one may write",
			    ps->name, writer->name);
		else
			writer = ps;
	}
}

void
settings_read_plugins(struct settings_reader *r, const mk_node *plugins)
{
	bool is_map = plugins != NULL && plugins->kind == MK_NODE_MAP;
	uint32_t count = is_map ? plugins->count : 0;

	if (plugins != NULL && !is_map && !mk_node_is_null(plugins))
		mk_problems_add(r->problems, plugins->line, plugins->column,
				"plugins: expected a map of names, found a %s",
				plugins->kind == MK_NODE_LIST ? "list" : "text");
	if (count > SETTINGS_PLUGINS_MAX) {
		const mk_node *key = plugins->keys[SETTINGS_PLUGINS_MAX];

		mk_problems_add(r->problems, key->line, key->column,
				"plugins: %u are too many, the maximum is %u", count,
				SETTINGS_PLUGINS_MAX);
		return;
	}
	r->s->plugins = mk_arena_array(&r->s->arena, count, sizeof(*r->s->plugins));
	if (r->s->plugins == NULL) {
		settings_no_memory(r);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		const mk_node *key = plugins->keys[i];

		if (mk_id_valid(key->text))
			plugin_read(r, key, plugins->items[i]);
		else
			mk_problems_add(r->problems, key->line, key->column,
					"plugins: \"%.60s\" is no name: 1 to %d of a-z, 0-9 and -, "
					"letter first",
					key->text, MK_ID_MAX);
	}
	plugin_check_writers(r);
}
