/* SPDX-License-Identifier: MIT
 *
 * The options of the plugin, in the form that decoding needs.
 */
#ifndef DECODE_CONFIG_H
#define DECODE_CONFIG_H

#include <meshkern/err.h>
#include <meshkern/plugin.h>

#include "meshcore/geo.h"
#include "meshcore/keys.h"
#include "meshcore/scope.h"

struct config {
	struct mc_keys keys;
	struct mc_regions regions;
	struct mc_area area; /* its points are `points` */
	struct mc_point *points;
	bool verify;       /* look at signatures */
	bool drop_foreign; /* adverts from outside of the area become no nodes */
	uint32_t skipped;  /* entries of the file that are no keys */
};

extern const mk_option config_options[];

/* `files`: read those that options name, too, which check() may not. The config is empty after a
 * failure. */
mk_result config_read(struct config *c, const mk_host *host, bool files, mk_err *err);
void config_fini(struct config *c);

#endif
