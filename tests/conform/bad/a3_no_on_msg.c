/* SPDX-License-Identifier: MIT
 *
 * Subscribes, but has no on_msg.
 */
#include "bad.h"

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .subscribes = bad_in);
