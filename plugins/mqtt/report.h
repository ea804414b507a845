/* SPDX-License-Identifier: MIT
 *
 * What is shown of the brokers: mqtt/sources, and numbers.
 */
#ifndef MK_MQTT_REPORT_H
#define MK_MQTT_REPORT_H

#include "net.h"

/* The body of mqtt/sources. [plugin] */
mk_result report_write(struct net *n, mk_writer *w);
void report_numbers(struct net *n); /* [plugin] */

#endif
