/* SPDX-License-Identifier: MIT
 *
 * Who hears a relay, and whom it hears: how often each hop of a flood was followed by each other one,
 * by the hour.
 */
#ifndef ANALYTICS_REACH_H
#define ANALYTICS_REACH_H

#include "frame.h"

#define REACH_DAYS_MAX 30
#define REACH_LINKS_MAX (1u << 18) /* more are refused */

extern const struct an_module reach_module;

#endif
