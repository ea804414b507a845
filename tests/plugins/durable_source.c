/* SPDX-License-Identifier: MIT
 *
 * Publishes durable numbers.
 */
#define SOURCE_ID "durable-source"
#define SOURCE_TOPIC "durable/number"
#define SOURCE_FLAGS MK_TOPIC_DURABLE

#include "source.h"
