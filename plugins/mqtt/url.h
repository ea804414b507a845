/* SPDX-License-Identifier: MIT
 *
 * The address of a broker. Pure functions.
 */
#ifndef MK_MQTT_URL_H
#define MK_MQTT_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct url {
	bool tls;
	char paho[1024];  /* as Paho wants it: tcp://, ssl://, ws://, wss:// */
	char shown[1024]; /* without a password */
	char host[256];
	uint16_t port;
	char user[128], password[256]; /* "" if there are none in it */
};

/* False: `why` says what is wrong, without quoting a password. */
bool url_parse(const char *text, struct url *out, char *why, size_t why_len);

#endif
