/* SPDX-License-Identifier: MIT
 *
 * The control socket: run_dir/control.sock, mode 0600. Both ways one msgpack map a message. Requests {"id", "do", ...}, answers {"id", "result", "error", "data"}; a stream
 * sends several answers with "more": true. Core thread only.
 */
#ifndef MK_CORE_CONTROL_H
#define MK_CORE_CONTROL_H

#include "core.h"

mk_result control_new(struct control **out, struct core *c, const char *run_dir, mk_err *err);
void control_free(struct control *ctl); /* takes NULL */
/* After each round: answer what was read, bring what is new to clients that follow the bus. */
void control_pump(struct control *ctl);

#endif
