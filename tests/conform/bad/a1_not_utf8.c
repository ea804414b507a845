/* SPDX-License-Identifier: MIT
 *
 * Has a summary in Latin-1.
 */
#include "bad.h"

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .summary = "caf\xe9");
