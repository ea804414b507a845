/* SPDX-License-Identifier: MIT
 *
 * Plugin files: what is in one, told by `meshkern-host --probe` in a process of its own, and
 * which there are on the plugin path.
 */
#ifndef MK_CLI_PROBE_H
#define MK_CLI_PROBE_H

#include <meshkern/manifest.h>

#include "cli.h"

struct probe {
	char *file;
	char *data; /* the manifest as msgpack */
	size_t len;
	mk_manifest *manifest; /* NULL: the file is bad, and `error` says why */
	char error[512];
};

/* At most 5 s. */
void probe_file(struct probe *p, const char *file);
void probe_fini(struct probe *p);

struct probes {
	struct probe *items;
	uint32_t count;
};

/* Folders in which the built-in plugins are looked for, NULL-terminated. */
const char *const *probe_builtin(void);

/* Every *.so: in the folders of plugin_path of the configuration, if there is one, then in those
 * of the built-in plugins. 0 or an exit status. Call probes_fini in either case. */
int probes_find(struct probes *list, const struct cli *cli);
void probes_fini(struct probes *list);

#endif
