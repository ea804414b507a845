/* SPDX-License-Identifier: MIT
 *
 * Plugin files. See plugin_file.h.
 */
#define _GNU_SOURCE /* realpath */
#include "plugin_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/options.h>

#include "child.h"
#include "probe.h"

#define PROBE_US 5000000u

void
plugin_files_add(struct plugin_files *list, const char *file)
{
	list->items = cli_alloc(list->items, (list->count + 1) * sizeof(*list->items));
	list->items[list->count++] =
	    (struct plugin_file){ .file = cli_format("%s", file), .path = realpath(file, NULL) };
}

void
plugin_files_probe(struct plugin_files *list)
{
	struct probe *probes = cli_alloc(NULL, list->count * sizeof(*probes));

	for (uint32_t i = 0; i < list->count; i++) {
		probes[i] = (struct probe){ .mode = "--probe", .path = list->items[i].path };
		if (probes[i].path == NULL)
			snprintf(probes[i].error, sizeof(probes[i].error), "it cannot be reached");
	}
	probe_run(probes, list->count, PROBE_US);
	for (uint32_t i = 0; i < list->count; i++) {
		struct plugin_file *f = &list->items[i];
		mk_err err = { MK_OK, "" };

		f->data = probes[i].answer;
		f->len = probes[i].len;
		if (probes[i].error[0] != '\0')
			snprintf(f->error, sizeof(f->error), "%s", probes[i].error);
		else if (mk_manifest_read(&f->manifest, f->data, f->len, &err) != MK_OK)
			snprintf(f->error, sizeof(f->error), "its manifest is bad: %.300s",
				 err.text);
	}
	free(probes);
}

static int
plugin_file_wanted(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 3 && strcmp(entry->d_name + len - 3, ".so") == 0;
}

static void
plugin_files_search(struct plugin_files *list, const char *folder, bool must_exist)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, plugin_file_wanted, alphasort);

	if (count < 0 && must_exist)
		(void)cli_say(CLI_FAILED, "read %s: %s", folder, strerror(errno));
	for (int i = 0; i < count; i++) {
		char *file = cli_format("%s/%s", folder, entries[i]->d_name);

		plugin_files_add(list, file);
		free(file);
		free(entries[i]);
	}
	free(entries);
}

int
plugin_files_find(struct plugin_files *list, const struct cli *cli)
{
	struct config c = { 0 };
	int rc = config_find(cli) == NULL ? 0 : config_open(&c, cli);

	*list = (struct plugin_files){ 0 };
	for (uint32_t i = 0; rc == 0 && i < mk_values_count(c.values, "plugin_path"); i++) {
		char *option = cli_format("plugin_path[%u]", i);
		const char *path = mk_values_str(c.values, option);
		char *folder = path == NULL ? NULL : config_path(&c, path);

		if (folder != NULL)
			plugin_files_search(list, folder, true);
		free(folder);
		free(option);
	}
	config_close(&c);
	for (const char *const *dir = child_builtin_dirs(); rc == 0 && *dir != NULL; dir++)
		plugin_files_search(list, *dir, false);
	if (rc == 0)
		plugin_files_probe(list);
	return rc;
}

void
plugin_files_fini(struct plugin_files *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		free(list->items[i].data);
		mk_manifest_free(list->items[i].manifest);
		free(list->items[i].file);
		free(list->items[i].path);
	}
	free(list->items);
}
