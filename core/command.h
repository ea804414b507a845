/* SPDX-License-Identifier: MIT
 *
 * What the daemon can be told and asked, whether over the control socket or by a plugin's call to
 * "core/...". One table; answers may come later. Core thread only.
 */
#ifndef MK_CORE_COMMAND_H
#define MK_CORE_COMMAND_H

#include "core.h"

/* Called exactly once. `body` is NULL when there is none. */
typedef void command_reply(void *arg, mk_result result, const char *error, const mk_writer *body);

/* `parameters` is a map (NULL: none). Commands that change something need `may_control`. */
void command_run(struct core *c, const char *name, const mk_val *parameters, bool may_control,
		 command_reply *reply, void *arg);

#endif
