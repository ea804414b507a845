/* SPDX-License-Identifier: MIT
 *
 * A whole configuration, checked before any of it is used: the file, every plugin's file, its
 * manifest, its grants, its options. Preparing touches nothing that runs, so it may be done on a
 * thread of its own; what fails leaves everything as it was.
 */
#ifndef MK_CONFIG_PLAN_H
#define MK_CONFIG_PLAN_H

#include <meshkern/manifest.h>

#include "settings.h"

struct plan_item { /* one plugin of the configuration */
	const struct plugin_settings *settings;
	mk_manifest *manifest; /* NULL: disabled */
	mk_values *values;     /* the same */
	uint8_t *told;         /* the manifest as the probe told it, to see a change */
	size_t told_len;
	uint64_t file_mark; /* changes when the plugin's file does */
	uint8_t *body;      /* the values as msgpack, for whoever runs the plugin */
	size_t len;
};

struct plan {
	uint32_t refs; /* core thread, after it was prepared */
	struct settings *settings;
	struct plan_item *items; /* settings->plugin_count of them, in its order */
};

/* NULL when problems were added. */
struct plan *plan_prepare(const char *file, const char *const *builtin_dirs, mk_problems *problems);
/* Read the manifest and the options of a plugin that the plan has as disabled. */
mk_result plan_complete(struct plan *plan, struct plan_item *item, mk_err *err);
struct plan *plan_ref(struct plan *p);
void plan_unref(struct plan *p); /* takes NULL */
/* Why a plugin that runs as `a` must be restarted to run as `b`, in words; NULL: it need not be, but
 * for its own options. Both were read. */
const char *plan_difference(const struct plan_item *a, const struct plan_item *b);
struct plan_item *plan_find(struct plan *p, const char *name);
/* Every plugin's options as a map, secrets as "***": name, value, the line of the file that says so (0:
 * a default), live (a change needs no restart). */
void plan_write_options(const struct plan *p, mk_writer *w, const char *key);

#endif
