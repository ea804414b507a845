/* SPDX-License-Identifier: MIT
 *
 * sd_notify(3) without its library: one datagram a state. A notification that
 * cannot be delivered is nobody's error, so nothing is reported.
 */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

void
notify_send(const char *state)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 1 }; /* a full queue must not stop the daemon */
	size_t len = name == NULL ? 0 : strlen(name);
	int fd;

	if (len < 2 || len >= sizeof(addr.sun_path) || (name[0] != '/' && name[0] != '@'))
		return;
	memcpy(addr.sun_path, name, len);
	if (name[0] == '@') /* the abstract namespace begins with a NUL */
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&addr,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

/* A decimal number and nothing else; 0 if it is not one. */
static uint64_t
notify_number(const char *text)
{
	unsigned long long value;
	char *end;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	return errno != 0 || *end != '\0' ? 0 : value;
}

/* Half of what systemd allows, as it recommends. A pid that is not ours means
 * that the variables were inherited from a supervised parent. */
uint64_t
notify_watchdog_us(void)
{
	const char *pid = getenv("WATCHDOG_PID");

	if (pid != NULL && notify_number(pid) != (uint64_t)getpid())
		return 0;
	return notify_number(getenv("WATCHDOG_USEC")) / 2;
}
