/* SPDX-License-Identifier: MIT
 *
 * What a plugin asks for, against what the configuration allows. A plugin asks in its manifest;
 * everything it asks for must be granted, or it does not start.
 */
#ifndef MK_CONFIG_GRANT_H
#define MK_CONFIG_GRANT_H

#include <meshkern/manifest.h>

#include "settings.h"

/* Does the configuration allow the capability? Plugins that come with the daemon have theirs
 * built in. */
bool grant_capability(const struct plugin_settings *s, const char *capability);
/* May it publish, may it subscribe to `topic`? Without a list in the configuration a plugin may
 * subscribe to what it declares, and publish under its own name and as snapshot/NAME; one that
 * comes with the daemon may publish what it declares. */
bool grant_publish(const struct plugin_settings *s, const char *topic);
bool grant_subscribe(const struct plugin_settings *s, const char *topic);

/* One problem for each thing that is asked for and not granted, with the line that would allow
 * it. */
void grant_check(const struct plugin_settings *s, const mk_manifest *m, mk_problems *problems);

#endif
