/* SPDX-License-Identifier: MIT
 *
 * Installs a signal handler in a constructor.
 */
#include <signal.h>

#include "bad.h"

static void
on_signal(int number)
{
	(void)number;
}

__attribute__((constructor)) static void
init(void)
{
	const struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGPIPE, &action, NULL);
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy);
