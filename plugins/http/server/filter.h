/* SPDX-License-Identifier: MIT
 *
 * Filters of WebSocket clients: {"type": [4, 5], "advert.role": "repeater"}. An item is taken if each
 * field has one of the values; of a field that is an array, one element is enough.
 */
#ifndef MK_HTTP_FILTER_H
#define MK_HTTP_FILTER_H

#include <stdbool.h>

#include <jansson.h>
#include <meshkern/codec.h>

#define FILTER_FIELDS 16u

/* May this be used as a filter? NULL may: it is none. */
bool filter_is_good(const json_t *filter);
bool filter_takes(json_t *filter, const mk_val *item);

#endif
