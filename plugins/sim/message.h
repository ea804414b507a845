/* SPDX-License-Identifier: MIT
 *
 * Events as the programs beside observers publish them over MQTT.
 */
#ifndef SIM_MESSAGE_H
#define SIM_MESSAGE_H

#include "sim.h"

#define MESSAGE_TOPIC_MAX 128
#define MESSAGE_PAYLOAD_MAX 1280

struct message {
	char topic[MESSAGE_TOPIC_MAX];
	char payload[MESSAGE_PAYLOAD_MAX]; /* JSON */
	uint32_t topic_len, payload_len;
};

void message_make(const struct sim *s, const struct sim_event *e, struct message *m);

#endif
