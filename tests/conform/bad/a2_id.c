/* SPDX-License-Identifier: MIT
 *
 * Has an id with capitals.
 */
#include "bad.h"

BAD_NAMED("Bad_Id", "1.0.0", .create = bad_create, .destroy = bad_destroy);
