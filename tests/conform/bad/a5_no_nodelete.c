/* SPDX-License-Identifier: MIT
 *
 * Is linked without -z nodelete (by its CMakeLists.txt).
 */
#include "bad.h"

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy);
