/* SPDX-License-Identifier: MIT
 *
 * Has half a version.
 */
#include "bad.h"

BAD_NAMED("bad", "1.0", .create = bad_create, .destroy = bad_destroy);
