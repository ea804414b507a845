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

/* In the order of enum isolation. */
static const char *const isolations[] = { "inproc", "process", NULL };

const char *const settings_capabilities[] = { "storage.read", "storage.write", "net",
					      "exec",         "core.control",  NULL };

static const mk_option allow_table[] = {
	OPT("read", LIST, .max = 64, .help = "files and folders to read"),
	OPT("write", LIST, .max = 64, .help = "files and folders to read and write"),
	{ .name = NULL },
};

static const mk_option limits_table[] = {
	OPT("memory", SIZE,
	    .help = "memory of its own, 0 = no limit; 256MiB with path:, else none"),
	OPT("cpu", DURATION,
	    .help = "processor time until it is ended, 0 = no limit; none by default"),
	OPT("files", INT, .max = 1 << 20,
	    .help = "open files, 0 = no limit; 1024 with path:, else none"),
	OPT("rate", INT, .max = 1000000000,
	    .help = "messages a second it may publish, 0 = no limit; 20000 with path:, else none"),
	{ .name = NULL },
};

#define DEADLINE(name_, dflt_, help_) \
	OPT(name_, DURATION, .min = 10000, .max = HOUR, .dflt = dflt_, .help = help_)
static const mk_option deadlines_table[] = {
	DEADLINE("create", "5s", "to load and create it"),
	DEADLINE("start", "10s", "to start it"),
	DEADLINE("stop", "5s", "to finish what it has begun"),
	DEADLINE("stuck", "30s", "for one callback"),
	{ .name = NULL },
};

static const mk_option outbox_table[] = {
	OPT("size", SIZE, .min = 1 << 20, .dflt = "1GiB",
	    .help = "on disk; a full outbox refuses messages"),
	OPT("sync", DURATION, .max = HOUR, .dflt = "200ms",
	    .help = "written through to the disk at least this often, 0 = after each message"),
	{ .name = NULL },
};

const mk_option settings_plugin_table[] = {
	OPT("enabled", BOOL, .dflt = "true", .help = "runs at all"),
	OPT("plugin", STRING, .min = 1, .max = MK_ID_MAX,
	    .help = "plugin to run; by default the one named like the instance"),
	OPT("path", STRING, .min = 1,
	    .help = "file of a plugin of others; by default NAME.so is searched"),
	OPT("isolation", ENUM, .choices = isolations,
	    .help = "inside of the daemon or in a process of its own; by default process with "
		    "path:, else inproc"),
	OPT("grant", LIST, .max = 16, .choices = settings_capabilities,
	    .help = "what it may do besides its topics"),
	OPT("publish", LIST, .max = 256,
	    .help = "topics it may publish; by default all that it declares"),
	OPT("subscribe", LIST, .max = 256,
	    .help = "topics it may receive; by default all that it declares"),
	OPT("allow", GROUP, .sub = allow_table,
	    .help = "files that its process may reach besides its own"),
	OPT("limits", GROUP, .sub = limits_table, .help = "what it may use up"),
	OPT("deadlines", GROUP, .sub = deadlines_table, .help = "how long it may take"),
	OPT("outbox", GROUP, .sub = outbox_table,
	    .help = "messages on durable topics that are not stored yet"),
	OPT("config", TREE, .help = "the plugin's own options; see its reference"),
	{ .name = NULL },
};

static bool
plugin_is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* ID.so in the first folder that has it; else NULL, and `looked` names the folders. */
static const char *
plugin_search(const struct settings_part *p, const char *id, char *looked, size_t cap)
{
	const char *const *const lists[] = { p->plugin_path, p->builtin_dirs };
	size_t len = 0;

	for (int i = 0; i < 2; i++)
		for (const char *const *dir = lists[i]; dir != NULL && *dir != NULL; dir++) {
			const char *path = settings_text(p, "%s/%s.so", *dir, id);

			if (plugin_is_file(path))
				return path;
			(void)snprintf(looked + len, cap - len, "%s%s", len > 0 ? ", " : "", *dir);
			len = strlen(looked);
		}
	return NULL;
}

static void
plugin_locate(const struct settings_part *p, struct plugin_settings *ps)
{
	const char *path = settings_str(p, "path");
	char looked[512] = "any folder";

	ps->builtin = path == NULL;
	if (!mk_id_valid(ps->plugin)) {
		settings_problem(p, "plugin", "\"%.60s\" is no name of a plugin", ps->plugin);
		return;
	}
	ps->path = path != NULL ? settings_path(p, path)
				: plugin_search(p, ps->plugin, looked, sizeof(looked));
	if (ps->enabled && path != NULL && !plugin_is_file(ps->path))
		settings_problem(p, "path", "there is no file %s", ps->path);
	if (ps->enabled && ps->path == NULL)
		settings_problem(p, "",
				 "%s.so is not in %s; path: or plugin_path: can tell where "
				 "it is",
				 ps->plugin, looked);
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

static bool
plugin_writes(const struct plugin_settings *ps)
{
	for (size_t i = 0; ps->enabled && ps->grant != NULL && ps->grant[i] != NULL; i++)
		if (strcmp(ps->grant[i], "storage.write") == 0)
			return true;
	return false;
}

static void
plugin_read_grants(const struct settings_part *p, struct plugin_settings *ps)
{
	const struct plugin_settings *other = p->s->plugins;

	ps->grant = settings_list(p, "grant", SETTINGS_TEXTS);
	ps->has_publish = mk_values_has(p->v, "publish");
	ps->has_subscribe = mk_values_has(p->v, "subscribe");
	ps->publish = settings_list(p, "publish", SETTINGS_TOPICS);
	ps->subscribe = settings_list(p, "subscribe", SETTINGS_TOPICS);
	ps->read_paths = settings_list(p, "allow.read", SETTINGS_PATHS);
	ps->write_paths = settings_list(p, "allow.write", SETTINGS_PATHS);
	while (other < ps && !plugin_writes(other))
		other++;
	if (other < ps && plugin_writes(ps))
		settings_problem(p, "",
				 "storage.write is granted to plugins.%s already, and only "
				 "one may write",
				 other->name);
}

static void
plugin_read(const struct settings_part *root, const mk_node *key, const mk_node *node)
{
	struct plugin_settings *ps = &root->s->plugins[root->s->plugin_count++];
	const char *where = settings_text(root, "plugins.%s", key->text);
	mk_values *v = mk_options_read(settings_plugin_table, node, where, root->problems);
	const mk_node *config = mk_node_find(node, "config");
	struct settings_part p = *root;

	p.v = v;
	p.where = where;
	p.line = ps->line = key->line;
	p.column = ps->column = key->column;
	ps->name = key->text;
	ps->plugin = key->text;
	if (mk_values_has(v, "plugin"))
		ps->plugin = settings_text(&p, "%s", mk_values_str(v, "plugin"));
	ps->enabled = mk_values_int(v, "enabled") != 0;
	plugin_locate(&p, ps);
	ps->isolation = ps->builtin ? ISOLATION_INPROC : ISOLATION_PROCESS;
	if (mk_values_has(v, "isolation"))
		ps->isolation = (enum isolation)mk_values_int(v, "isolation");
	plugin_read_grants(&p, ps);
	plugin_read_limits(&p, ps);
	ps->no_config = (mk_node){ .kind = MK_NODE_MAP, .line = p.line, .column = p.column };
	ps->config = config != NULL ? config : &ps->no_config;
	mk_values_free(v);
}

void
settings_read_plugins(const struct settings_part *root, const mk_node *plugins)
{
	/* If it is anything but a map, the option table has complained or it is empty. */
	uint32_t count = plugins != NULL && plugins->kind == MK_NODE_MAP ? plugins->count : 0;
	struct settings *s = root->s;

	if (count > SETTINGS_PLUGINS_MAX) {
		const mk_node *key = plugins->keys[SETTINGS_PLUGINS_MAX];

		mk_problems_add(root->problems, key->line, key->column,
				"plugins: %u are too many, the maximum is %u", count,
				SETTINGS_PLUGINS_MAX);
		return;
	}
	s->plugins = settings_array(root, count, sizeof(*s->plugins));
	for (uint32_t i = 0; s->plugins != NULL && i < count; i++) {
		const mk_node *key = plugins->keys[i];

		if (mk_id_valid(key->text))
			plugin_read(root, key, plugins->items[i]);
		else
			mk_problems_add(root->problems, key->line, key->column,
					"plugins: \"%.60s\" is no name: 1 to %d of a-z, 0-9 and -, "
					"letter first",
					key->text, MK_ID_MAX);
	}
}
