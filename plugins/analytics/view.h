/* SPDX-License-Identifier: MIT
 *
 * Views: made, kept up to date, given up (frame.h explains them). Inside of the frame.
 */
#ifndef ANALYTICS_VIEW_H
#define ANALYTICS_VIEW_H

#include "frame.h"

/* A packet into all counts, of modules and of views, or out of them. */
void frame_fold(struct frame *f, struct an_packet *p, int sign);
/* All of them, for good. */
void views_free(struct frame *f);
/* Those that nobody asked for in a while go. */
void views_expire(struct frame *f, int64_t now);
size_t views_bytes(const struct frame *f);

#endif
