/* SPDX-License-Identifier: MIT
 *
 * Which modules there are.
 */
#ifndef ANALYTICS_MODULES_H
#define ANALYTICS_MODULES_H

#include "module.h"

extern const struct an_module rf_module;
extern const struct an_module channels_module;
extern const struct an_module airtime_module;
extern const struct an_module hashes_module;
extern const struct an_module distance_module;
extern const struct an_module scopes_module;
extern const struct an_module subpaths_module;
extern const struct an_module topology_module;

/* In the order in which they are told. NULL-terminated. */
extern const struct an_module *const analytics_modules[];

#endif
