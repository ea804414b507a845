/* SPDX-License-Identifier: MIT
 *
 * Requests a capability that does not exist.
 */
#include "bad.h"

static const char *const capabilities[] = { "everything", NULL };

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .capabilities = capabilities);
