/* SPDX-License-Identifier: MIT
 *
 * Publishes reliable numbers.
 */
#define SOURCE_ID "kill-source"
#define SOURCE_TOPIC "kill/number"
#define SOURCE_FLAGS MK_TOPIC_RELIABLE

#include "source.h"
