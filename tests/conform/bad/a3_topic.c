/* SPDX-License-Identifier: MIT
 *
 * Publishes to a name that is no topic.
 */
#include "bad.h"

static const mk_topic publishes[] = { { .name = "bad out" }, { .name = NULL } };

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .publishes = publishes);
