/* SPDX-License-Identifier: MIT
 *
 * meshkern.yaml as a checked structure. What belongs to a plugin (config:) is
 * kept as a tree: only the plugin's own option table can check it.
 */
#ifndef MK_CONFIG_SETTINGS_H
#define MK_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include <meshkern/arena.h>
#include <meshkern/options.h>

#include "log.h"

enum isolation { ISOLATION_INPROC, ISOLATION_PROCESS };

struct listen_address {
	const char *url;      /* ipc:// tcp:// tls+tcp:// ws:// ; ipc paths absolute */
	const char *requests; /* where replays are asked for; NULL: not offered */
	const char *cert;     /* tls: PEM with certificate and key */
	const char *ca;       /* tls: clients must have a certificate of this CA */
	uint32_t mode;        /* ipc: file mode, default 0600 */
};

struct plugin_settings {
	const char *name;   /* instance: the key under plugins: */
	const char *plugin; /* plugin id, default = name */
	const char *path;   /* absolute path of the .so; NULL: disabled, not found */
	bool enabled;
	bool builtin;             /* found by name on the plugin path, no `path:` */
	enum isolation isolation; /* default: inproc if builtin, else process */
	const char *const *grant; /* capabilities; NULL-terminated */
	bool has_publish, has_subscribe;
	const char *const *publish;   /* topics granted; only if has_publish */
	const char *const *subscribe; /* the same */
	const char *const *read_paths, *const *write_paths; /* absolute */
	uint64_t memory_bytes, cpu_seconds, files;          /* limits: 0 = none */
	uint64_t rate; /* messages a second it may publish; 0 = no limit */
	uint64_t create_us, start_us, stop_us, stuck_us; /* deadlines */
	uint64_t outbox_bytes;
	uint64_t outbox_sync_us; /* fdatasync at least this often; 0 = each */
	uint32_t line, column;   /* of the key, for messages */
	const mk_node *config;   /* a map or empty; with a position in either case */
	mk_node no_config;       /* what `config` is if the file has none */
};

struct settings {
	const char *file;               /* as given */
	const char *data_dir;           /* absolute */
	const char *run_dir;            /* data_dir/run */
	const char *const *plugin_path; /* absolute */
	int32_t log_level;
	enum log_format log_format;
	struct listen_address *listen;
	uint32_t listen_count;
	uint64_t ring_messages; /* per ring, default 65536 */
	uint64_t ring_bytes;    /* per ring, default 64 MiB */
	uint64_t push_back_us;  /* how long a laggard may hold everyone up, 5 s */
	uint64_t call_timeout_us;
	struct plugin_settings *plugins;
	uint32_t plugin_count;
	mk_yaml *yaml;  /* owns the trees */
	mk_arena arena; /* owns the rest */
};

#define SETTINGS_PLUGINS_MAX 64u

/* What may be in the file, and in an entry of plugins:. */
extern const mk_option settings_table[], settings_plugin_table[];
extern const char *const settings_capabilities[]; /* that can be granted; NULL-terminated */

/* NULL when problems were added. Relative paths are relative to the file's
 * folder. `builtin_dirs` (NULL-terminated, may be NULL) is searched after
 * plugin_path. If others can read the file, mk_options_read warns of a secret
 * in it when it gets the same `problems`. */
struct settings *settings_load(const char *file, const char *const *builtin_dirs,
			       mk_problems *problems);
/* The same from text; `file` is only its name. */
struct settings *settings_parse(const char *file, const void *text, size_t len,
				const char *const *builtin_dirs, mk_problems *problems);
void settings_free(struct settings *s);

/* The first option that differs and that only a restart of the plugin brings into force; NULL:
 * there is none. The plugin's own options are not looked at. */
const char *settings_plugin_differs(const struct plugin_settings *a,
				    const struct plugin_settings *b);
/* Does something differ that only a restart of the daemon brings into force? */
bool settings_daemon_differs(const struct settings *a, const struct settings *b);

/* The reference page of the file's own options, and the commented sample. */
void settings_markdown(FILE *out);

#endif
