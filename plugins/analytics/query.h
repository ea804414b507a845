/* SPDX-License-Identifier: MIT
 *
 * Questions: the arguments of a call, checked, with the filters resolved to who passes them.
 *
 *   region   text, codes with commas; "ALL" and blanks are none
 *   window   text: 1h 24h 1d 3d 7d 1w 30d
 *   from to  text, RFC 3339; one of them is enough, and they go before `window`
 *   area     map: `polygon` ([[lat, lon]], at least three) or `latMin` `latMax` `lonMin` `lonMax`;
 *            neither: everybody with a position
 *   hidden   [text], keys of nodes that nobody may see
 *
 * What cannot be read counts as absent, but a region that nobody is in leaves nobody.
 */
#ifndef ANALYTICS_QUERY_H
#define ANALYTICS_QUERY_H

#include "frame.h"

mk_result query_init(struct an_query *q, struct frame *f, const mk_val *args, int64_t now);
void query_fini(struct an_query *q);
/* Another window than what was asked for; false: there is none of that name. */
bool query_set_window(struct an_query *q, const char *text);

#endif
