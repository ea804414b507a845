/* SPDX-License-Identifier: MIT
 *
 * Where phones heard whom: cells of a map with who was heard there and how well, and who has brought
 * in most of it. The receptions are read out of the database, at the start and again every ten
 * seconds.
 */
#ifndef ANALYTICS_COVERAGE_H
#define ANALYTICS_COVERAGE_H

#include "frame.h"
#include "history.h"

#define COVERAGE_MAX 500000u /* receptions, the newest */

extern const struct an_module coverage_module;

/* For tests: as if it had been read. */
void coverage_take(void *self, const struct receptions_chunk *chunk);

#endif
