/* SPDX-License-Identifier: MIT
 *
 * Writes to the terminal what no terminal should be sent, while it is loaded, and ends the process.
 */
#define _GNU_SOURCE
#include "bad.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((constructor)) static void
leave(void)
{
	(void)fputs("look \x1b[2J\xff at me", stderr);
	syscall(SYS_exit_group, 3);
}

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	BAD_ABOUT("bad-noise"),
	.create = bad_create,
	.destroy = free,
};
