/* SPDX-License-Identifier: MIT */
#include "modules.h"

#include <stddef.h>

#include "copies.h"
#include "coverage.h"
#include "observing.h"
#include "people.h"
#include "reach.h"
#include "relays.h"
#include "skew.h"

const struct an_module *const analytics_modules[] = {
	&copies_module, /* first: what is a copy the others shall know */
	&rf_module,        &topology_module, &relays_module,   &skew_module,     &reach_module,
	&observing_module, &people_module,   &coverage_module, &scopes_module,   &airtime_module,
	&channels_module,  &hashes_module,   &distance_module, &subpaths_module, NULL,
};
