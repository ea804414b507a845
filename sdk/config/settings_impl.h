/* SPDX-License-Identifier: MIT
 *
 * Which member of the settings a value of meshkern.yaml becomes.
 */
#ifndef MK_CONFIG_SETTINGS_IMPL_H
#define MK_CONFIG_SETTINGS_IMPL_H

#include "settings.h"

extern const mk_bind settings_binds[], settings_listen_binds[], settings_plugin_binds[];

#endif
