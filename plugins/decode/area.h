/* SPDX-License-Identifier: MIT
 *
 * The area that this mesh is to stay in, when it is set while the daemon runs: a file in the plugin's
 * own folder wins over the option geo_filter, also over the next start, until it is set anew. [plugin]
 */
#ifndef DECODE_AREA_H
#define DECODE_AREA_H

#include <meshkern/codec.h>
#include <meshkern/err.h>

#include "config.h"

#define AREA_FILE "geo_filter"

/* Puts what the file says in place of the config's area; MK_ENOENT: there is no file. */
mk_result area_load(struct config *c, const char *dir, mk_err *err);
/* The method decode/set_area, as far as the file: `body` is {polygon: [[lat, lon]...], buffer_km}; no
 * polygon or an empty one is an area without limits. */
mk_result area_save(const char *dir, const mk_val *body, mk_err *err);
/* The body of decode/area: {polygon, buffer_km} or {lat_min, lat_max, lon_min, lon_max}, or {}. */
void area_put(mk_writer *w, const struct mc_area *area);

#endif
