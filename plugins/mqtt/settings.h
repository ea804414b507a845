/* SPDX-License-Identifier: MIT
 *
 * The options of the plugin, checked and copied, so that threads other than the plugin's may read
 * them.
 */
#ifndef MK_MQTT_SETTINGS_H
#define MK_MQTT_SETTINGS_H

#include <meshkern/plugin.h>

#include "route.h"
#include "url.h"

#define SETTINGS_SOURCES 64 /* as many may be configured */

struct source_settings {
	char *name;
	struct url url;
	char *username, *password; /* NULL if there is none, here and below */
	char *client_id;
	char *region;
	char *ca, *cert, *key; /* absolute paths */
	bool verify;
	bool clean_session;
	int qos;
	uint64_t connect_timeout_us;
	struct strings topics;
	struct strings iata_filter;
};

struct settings {
	struct route_rules rules;
	uint64_t silence_us;
	size_t buffer;
	uint32_t count;
	struct source_settings *sources;
};

extern const mk_option settings_options[];

/* The plugin's check(): relations between options. */
mk_result settings_check(const mk_host *config, char *why, uint32_t why_len);
/* MK_ENOMEM, or MK_EINVAL for what settings_check would have refused. [plugin] */
mk_result settings_read(const mk_host *host, struct settings *out);
void settings_fini(struct settings *s);
void source_settings_fini(struct source_settings *s);
/* They would make the same connection with the same subscriptions. */
bool source_settings_same_connection(const struct source_settings *a,
				     const struct source_settings *b);
/* The broker would know us as the same client. */
bool source_settings_same_session(const struct source_settings *a, const struct source_settings *b);

#endif
