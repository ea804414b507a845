/* SPDX-License-Identifier: MIT
 *
 * meshkern plugin inspect, plugin list: what plugin files say of themselves, and what they need.
 */
#include <stdlib.h>

#include <meshkern/audit.h>
#include <meshkern/options.h>

#include "plugin_file.h"
#include "show.h"
#include "text.h"

static void
write_topics(mk_writer *w, const mk_topic *topic, bool out)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = { { MK_TOPIC_RELIABLE, "reliable" },
		      { MK_TOPIC_DURABLE, "durable" },
		      { MK_TOPIC_RETAINED, "retained" },
		      { MK_TOPIC_MANUAL_ACK, "manual ack" } };
	uint32_t count = 0;

	while (topic[count].name != NULL)
		count++;
	mk_kv_array(w, out ? "publishes" : "subscribes", count);
	for (; topic->name != NULL; topic++) {
		char flags[64] = "";
		size_t used = 0;

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if ((topic->flags & names[i].flag) != 0)
				used += (size_t)snprintf(flags + used, sizeof(flags) - used, "%s%s",
							 used == 0 ? "" : ", ", names[i].name);
		mk_put_map(w, out ? 6 : 5);
		mk_kv_str(w, out ? "publishes" : "subscribes", topic->name);
		mk_kv_str(w, "delivery", used > 0 ? flags : out ? "latest" : NULL);
		mk_kv_u64(w, "schema_min", topic->schema_min);
		mk_kv_u64(w, "schema_max", topic->schema_max);
		if (out)
			mk_kv_u64(w, "largest_bytes", topic->max_body);
		mk_kv_str(w, "help", topic->help);
	}
}

static void
write_manifest(mk_writer *w, const mk_manifest *m)
{
	uint32_t methods = 0, capabilities = 0;

	while (m->methods[methods].name != NULL)
		methods++;
	while (m->capabilities[capabilities] != NULL)
		capabilities++;
	mk_kv_str(w, "plugin", m->id);
	mk_kv_str(w, "version", m->version);
	mk_kv_str(w, "summary", m->summary);
	mk_kv_str(w, "license", m->license);
	mk_kv_str(w, "author", m->author);
	mk_kv_str(w, "url", m->url);
	mk_kv_map(w, "interface", 3);
	mk_kv_u64(w, "major", m->abi_major);
	mk_kv_u64(w, "minor", m->abi_minor);
	mk_kv_u64(w, "needs_minor", m->min_host_minor);
	mk_kv_bool(w, "one_instance_only", (m->flags & MK_PLUGIN_SINGLE) != 0);
	mk_kv_array(w, "capabilities", capabilities);
	for (uint32_t i = 0; i < capabilities; i++)
		mk_put_str(w, m->capabilities[i]);
	write_topics(w, m->subscribes, false);
	write_topics(w, m->publishes, true);
	mk_kv_array(w, "methods", methods);
	for (uint32_t i = 0; i < methods; i++) {
		mk_put_map(w, 2);
		mk_kv_str(w, "method", m->methods[i].name);
		mk_kv_str(w, "help", m->methods[i].help);
	}
}

#define MANIFEST_PAIRS 12

static void
write_audit(mk_writer *w, const mk_audit *audit, const mk_err *verdict)
{
	uint32_t imports = mk_audit_import_count(audit), count = 0;

	for (uint32_t i = 0; i < imports; i++)
		count += mk_audit_symbol_capability(mk_audit_import(audit, i)) != NULL;
	mk_kv_str(w, "build_id", mk_audit_build_id(audit));
	mk_kv_bool(w, "nodelete", mk_audit_nodelete(audit));
	show_kv(w, "audit", verdict->code == MK_OK ? "good" : verdict->text);
	mk_kv_array(w, "imports", count);
	for (uint32_t i = 0; i < imports; i++) {
		const char *symbol = mk_audit_import(audit, i);
		const char *need = mk_audit_symbol_capability(symbol);

		if (need == NULL)
			continue;
		mk_put_map(w, 2);
		show_kv(w, "import", symbol);
		mk_kv_str(w, "needs", need[0] == '!' ? "forbidden" : need);
	}
}

#define AUDIT_PAIRS 4

/* Programs get the options as the plugin has them; people as they may write them. */
static void
inspect_options(const mk_manifest *m)
{
	char *sample = NULL;
	size_t len = 0;
	FILE *out;

	if (m->options[0].name == NULL || (out = open_memstream(&sample, &len)) == NULL)
		return;
	mk_options_sample(m->options, 4, out);
	fclose(out);
	puts("\nOPTIONS, with their defaults, as they may stand in the configuration:\n  config:");
	text_lines(stdout, "", sample);
	free(sample);
}

static int
inspect_show(const struct cli *cli, const struct plugin_file *p, const mk_audit *audit,
	     const mk_err *verdict)
{
	const mk_manifest *m = p->manifest;
	uint32_t pairs = 1 + AUDIT_PAIRS;
	mk_writer w;
	int rc;

	if (m != NULL)
		pairs += MANIFEST_PAIRS + cli->json;
	mk_writer_init(&w, MK_BODY_MAX);
	mk_put_map(&w, pairs);
	show_kv(&w, "file", p->file);
	if (m != NULL)
		write_manifest(&w, m);
	write_audit(&w, audit, verdict);
	if (m != NULL && cli->json) {
		mk_put_str(&w, "manifest");
		mk_put_raw(&w, p->data, p->len);
	}
	rc = show_written(cli, &w);
	if (m != NULL && !cli->json)
		inspect_options(m);
	return rc;
}

static int
inspect_run(const struct cli *cli)
{
	const char *file = cli->args[0];
	mk_err err = { MK_OK, "" }, verdict = { MK_OK, "" };
	mk_audit *audit = NULL;
	struct plugin_files list = { 0 };
	const struct plugin_file *p;
	int rc;

	if (mk_audit_open(&audit, file, &err) != MK_OK)
		return cli_say(CLI_FAILED, "%s: %s", file, err.text);
	plugin_files_add(&list, file);
	plugin_files_probe(&list);
	p = &list.items[0];
	(void)mk_audit_check(audit, p->manifest == NULL ? NULL : p->manifest->capabilities,
			     &verdict);
	rc = inspect_show(cli, p, audit, &verdict);
	if (p->manifest == NULL)
		rc = cli_say(CLI_FAILED, "%s: %s", file, p->error);
	else if (verdict.code != MK_OK)
		rc = cli_say(CLI_FAILED, "%s: %s", file, verdict.text);
	plugin_files_fini(&list);
	mk_audit_free(audit);
	return rc;
}

const struct command command_plugin_inspect = {
	.name = "plugin inspect",
	.usage = "FILE.so",
	.summary = "what a plugin file is, offers and needs",
	.help =
	    "Loads the file for a moment in a process of its own, at most 5 s, and shows what it\n"
	    "says of itself: topics, methods, options with their types, defaults and ranges, and\n"
	    "the capabilities that the configuration must grant (`grant:`). The audit looks at\n"
	    "the file from outside: which functions it imports that need a capability, and\n"
	    "whether it asks for all of them.\n\n"
	    "The exit status is 1 when the daemon would refuse the file.\n",
	.min_args = 1,
	.max_args = 1,
	.run = inspect_run,
};

static int
list_run(const struct cli *cli)
{
	struct plugin_files list;
	int rc = plugin_files_find(&list, cli);
	mk_writer w;

	mk_writer_init(&w, MK_BODY_MAX);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", list.count);
	for (uint32_t i = 0; i < list.count; i++) {
		const mk_manifest *m = list.items[i].manifest;

		mk_put_map(&w, 5);
		mk_kv_str(&w, "plugin", m == NULL ? NULL : m->id);
		mk_kv_str(&w, "version", m == NULL ? NULL : m->version);
		show_kv(&w, "file", list.items[i].file);
		mk_kv_str(&w, "summary", m == NULL ? NULL : m->summary);
		show_kv(&w, "error", m == NULL ? list.items[i].error : NULL);
	}
	if (rc == 0 && list.count == 0 && !cli->json)
		puts("no plugin files were found");
	else if (rc == 0)
		rc = show_written(cli, &w);
	mk_writer_fini(&w);
	plugin_files_fini(&list);
	return rc;
}

const struct command command_plugin_list = {
	.name = "plugin list",
	.usage = "",
	.summary = "the plugin files that the daemon finds by name",
	.help =
	    "These are the *.so in the folders of plugin_path of the configuration and in those "
	    "of\n"
	    "the built-in plugins. Each is loaded for a moment in a process of its own to learn\n"
	    "what it is; a bad one is listed with the error. `meshkern plugins` shows what the\n"
	    "daemon really runs.\n",
	.run = list_run,
};
