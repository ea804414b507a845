/* SPDX-License-Identifier: MIT
 *
 * Cannot be destroyed.
 */
#include "bad.h"

BAD_PLUGIN(.create = bad_create);
