/* SPDX-License-Identifier: MIT
 *
 * One writer, many readers: the plugin's thread changes what the server's threads answer from.
 *
 * A lock of both kinds, with writers going first, and a number for each part of the model that
 * tells which answers are still good. Measured by tests/bench/http_model.c, two threads that ask all
 * the time and a thousand changes a second wanted (2 busy cores; reads and changes per second):
 *
 *   the plugin's thread answers for others   28,000   560    two wake-ups for each request
 *   mutex                                    47,000   220
 *   read-write lock as it comes              34,000    10    the writer starves
 *   read-write lock, writers first           46,000   290    this one
 *
 * A copy for each change is no choice for a model of 100 MB.
 */
#ifndef MK_HTTP_MODEL_H
#define MK_HTTP_MODEL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <meshkern/plugin.h>

/* The parts of the model. A route names those it reads, a writer those it changed. */
#define MODEL_PLUGINS (1u << 0)   /* core/plugins */
#define MODEL_STATS (1u << 1)     /* core/stats, core/gap */
#define MODEL_SNAPSHOTS (1u << 2) /* retained values */
#define MODEL_MQTT (1u << 3)      /* mqtt/sources */
#define MODEL_STORAGE (1u << 4)   /* storage/state, storage/stats */
#define MODEL_AREA (1u << 5)      /* decode/area */
#define MODEL_CONFIG (1u << 6)    /* options */
#define MODEL_PARTS 32u           /* bits from 8 on are for the read model of the database */

struct model {
	pthread_rwlock_t lock;
	_Atomic uint64_t version[MODEL_PARTS];
};

mk_result model_init(struct model *m);
void model_fini(struct model *m);

/* Not to be nested, and not to be held over anything that waits. */
void model_read(struct model *m);
void model_read_end(struct model *m);
void model_write(struct model *m);
/* `parts`: what was changed. */
void model_write_end(struct model *m, uint32_t parts);

/* Grows whenever one of the parts changes. */
uint64_t model_version(const struct model *m, uint32_t parts);

#endif
