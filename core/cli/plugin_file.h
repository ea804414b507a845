/* SPDX-License-Identifier: MIT
 *
 * Plugin files: what is in one, told by `meshkern-host --probe` in a process of its own, and
 * which there are on the plugin path.
 */
#ifndef MK_CLI_PLUGIN_FILE_H
#define MK_CLI_PLUGIN_FILE_H

#include <meshkern/manifest.h>

#include "cli.h"

struct plugin_file {
	char *file;
	char *path;    /* absolute: without a slash in it, dlopen would look elsewhere */
	uint8_t *data; /* the manifest as msgpack */
	size_t len;
	mk_manifest *manifest; /* NULL: the file is bad, and `error` says why */
	char error[400];
};

struct plugin_files {
	struct plugin_file *items;
	uint32_t count;
};

/* Adds one, which plugin_files_probe looks into. */
void plugin_files_add(struct plugin_files *list, const char *file);
/* At most 5 s for 64 files. */
void plugin_files_probe(struct plugin_files *list);

/* Every *.so: in the folders of plugin_path of the configuration, if there is one, then in those
 * of the built-in plugins. 0 or an exit status. Call plugin_files_fini in either case. */
int plugin_files_find(struct plugin_files *list, const struct cli *cli);
void plugin_files_fini(struct plugin_files *list);

#endif
