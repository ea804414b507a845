/* SPDX-License-Identifier: MIT
 *
 * The last hour of the bus and of the plugins, and their restarts in a day: sampled from core/stats,
 * which comes every 5 s and has only totals. Of bounded size, in memory, gone with the process.
 *
 * Under the model's lock: the plugin's thread writes, handlers read.
 */
#ifndef HTTP_ROUTES_BUS_PAST_H
#define HTTP_ROUTES_BUS_PAST_H

#include "../json/json.h"
#include "../server/ring.h"

#define PAST_TOPICS 256u
#define PAST_INSTANCES 64u

struct bus_past;

struct bus_past *bus_past_new(void);    /* NULL: out of memory */
void bus_past_free(struct bus_past *p); /* takes NULL */
/* core/stats or core/plugins. */
void bus_past_note(struct bus_past *p, const struct event *e);
/* As the answer of GET /api/bus/past. */
void bus_past_write(const struct bus_past *p, struct json *out);

#endif
