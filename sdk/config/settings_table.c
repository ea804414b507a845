/* SPDX-License-Identifier: MIT
 *
 * meshkern.yaml: what may be in it, and which member of the settings it becomes.
 */
#include <stddef.h>

#include <meshkern/manifest.h>

#include "settings_impl.h"

#define HOUR INT64_C(3600000000)

#define OPT(name_, type_, ...)                                     \
	{                                                          \
		.name = name_, .type = MK_OPT_##type_, __VA_ARGS__ \
	}
#define END                  \
	{                    \
		.name = NULL \
	}

/* In the order of MK_LOG_ERROR, of enum log_format and of enum isolation. */
static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const log_formats[] = { "text", "json", NULL };
static const char *const isolations[] = { "inproc", "process", NULL };

const char *const settings_capabilities[] = { "storage.read", "storage.write", "net",
					      "exec",         "core.control",  NULL };

/* -------------------------------------------------------------------- bus -- */

static const mk_option listen_table[] = {
	OPT("url", STRING, .min = 1, .max = 255, .flags = MK_OPT_REQUIRED | MK_OPT_MAIN,
	    .help = "ipc://PATH, tcp://HOST:PORT, tls+tcp://HOST:PORT or ws://HOST:PORT/PATH"),
	OPT("requests", STRING, .min = 1, .max = 255,
	    .help = "where subscribers ask for replays; by default PATH.in for ipc, PATH/in for "
		    "ws, not offered for tcp and tls+tcp"),
	OPT("cert", STRING, .min = 1, .help = "tls+tcp: PEM file with certificate and key"),
	OPT("ca", STRING, .min = 1,
	    .help = "tls+tcp: clients must show a certificate of this authority"),
	OPT("mode", STRING, .min = 1, .max = 5, .dflt = "0600",
	    .help = "ipc: who may connect, as for chmod"),
	END,
};

static const mk_option ring_table[] = {
	OPT("messages", INT, .min = 64, .max = 16 << 20, .dflt = "65536",
	    .help = "messages kept for replay, per topic class"),
	OPT("bytes", SIZE, .min = 1 << 20, .max = INT64_C(64) << 30, .dflt = "16MiB",
	    .help = "the same in bytes; what is reached first counts"),
	END,
};

static const mk_option bus_table[] = {
	OPT("listen", GROUPS, .max = 16, .sub = listen_table,
	    .help = "addresses where programs outside subscribe"),
	OPT("ring", GROUP, .sub = ring_table, .help = "replay memory"),
	OPT("push_back", DURATION, .max = HOUR, .dflt = "5s",
	    .help = "how long one slow subscriber of a reliable topic may hold publishers up"),
	OPT("call_timeout", DURATION, .min = 1000, .max = HOUR, .dflt = "5s",
	    .help = "how long a call waits for its reply when the caller does not say"),
	END,
};

/* ---------------------------------------------------------------- plugins -- */

static const mk_option allow_table[] = {
	OPT("read", LIST, .max = 64, .help = "files and folders to read"),
	OPT("write", LIST, .max = 64, .help = "files and folders to read and write"),
	END,
};

static const mk_option limits_table[] = {
	OPT("memory", SIZE,
	    .help = "memory of its own, 0 = no limit; 256MiB with path:, else none"),
	OPT("cpu", DURATION,
	    .help = "processor time until it is ended, 0 = no limit; none by default"),
	OPT("files", INT, .max = 1 << 20,
	    .help = "open files, 0 = no limit; 1024 with path:, else none"),
	OPT("rate", INT, .max = 1000000000,
	    .help = "messages a second it may publish, 0 = no limit; 20000 with path:, else none"),
	END,
};

#define DEADLINE(name_, dflt_, help_) \
	OPT(name_, DURATION, .min = 10000, .max = HOUR, .dflt = dflt_, .help = help_)
static const mk_option deadlines_table[] = {
	DEADLINE("create", "5s", "to load and create it"),
	DEADLINE("start", "10s", "to start it"),
	DEADLINE("stop", "5s", "to finish what it has begun"),
	DEADLINE("stuck", "30s", "for one callback"),
	END,
};

static const mk_option outbox_table[] = {
	OPT("size", SIZE, .min = 1 << 20, .dflt = "1GiB",
	    .help = "on disk; a full outbox refuses messages"),
	OPT("sync", DURATION, .max = HOUR, .dflt = "200ms",
	    .help = "written through to the disk at least this often, 0 = after each message"),
	END,
};

const mk_option settings_plugin_table[] = {
	OPT("enabled", BOOL, .dflt = "true", .help = "runs at all"),
	OPT("plugin", STRING, .min = 1, .max = MK_ID_MAX,
	    .help = "plugin to run; by default the one named like the instance"),
	OPT("path", STRING, .min = 1,
	    .help = "file of a plugin of others; by default NAME.so is searched"),
	OPT("isolation", ENUM, .choices = isolations,
	    .help = "inside of the daemon or in a process of its own; by default process with "
		    "path:, else inproc"),
	OPT("grant", LIST, .max = 16, .choices = settings_capabilities,
	    .help = "what it may do besides its topics"),
	OPT("publish", LIST, .max = 256, .flags = MK_OPT_TOPICS,
	    .help = "topics it may publish; by default all that it declares"),
	OPT("subscribe", LIST, .max = 256, .flags = MK_OPT_TOPICS,
	    .help = "topics it may receive; by default all that it declares"),
	OPT("allow", GROUP, .sub = allow_table,
	    .help = "files that its process may reach besides its own"),
	OPT("limits", GROUP, .sub = limits_table, .help = "what it may use up"),
	OPT("deadlines", GROUP, .sub = deadlines_table, .help = "how long it may take"),
	OPT("outbox", GROUP, .sub = outbox_table,
	    .help = "messages on durable topics that are not stored yet"),
	OPT("config", TREE, .help = "the plugin's own options; see its reference"),
	END,
};

/* --------------------------------------------------------------- the file -- */

static const mk_option log_table[] = {
	OPT("level", ENUM, .choices = log_levels, .dflt = "info", .help = "how much is logged"),
	OPT("format", ENUM, .choices = log_formats, .dflt = "text",
	    .help = "lines to read, or one JSON object a line"),
	END,
};

const mk_option settings_table[] = {
	OPT("meshkern", INT, .min = 1, .flags = MK_OPT_REQUIRED,
	    .help = "version of this file's format: 1"),
	OPT("data_dir", STRING, .min = 1, .dflt = "./data",
	    .help = "databases, outboxes and run files; relative to this file"),
	OPT("plugin_path", LIST, .max = 32,
	    .help = "folders searched for NAME.so, before those of the installation"),
	OPT("bus", GROUP, .sub = bus_table, .help = "message bus"),
	OPT("log", GROUP, .sub = log_table, .help = "log on standard error"),
	OPT("plugins", MAP, .max = SETTINGS_PLUGINS_MAX, .sub = settings_plugin_table,
	    .help = "instances by name"),
	END,
};

/* ---------------------------------------------------------------- members -- */

#define BIND(path_, type_, struct_, member_)                              \
	{                                                                 \
		path_, MK_BIND_##type_, offsetof(struct struct_, member_) \
	}

const mk_bind settings_binds[] = {
	BIND("data_dir", PATH, settings, data_dir),
	BIND("plugin_path", PATHS, settings, plugin_path),
	BIND("log.level", ENUM, settings, log_level),
	BIND("log.format", ENUM, settings, log_format),
	BIND("bus.ring.messages", U64, settings, ring_messages),
	BIND("bus.ring.bytes", U64, settings, ring_bytes),
	BIND("bus.push_back", U64, settings, push_back_us),
	BIND("bus.call_timeout", U64, settings, call_timeout_us),
	{ .path = NULL },
};

const mk_bind settings_listen_binds[] = {
	BIND("url", TEXT, listen_address, url),
	BIND("requests", TEXT, listen_address, requests),
	BIND("cert", PATH, listen_address, cert),
	BIND("ca", PATH, listen_address, ca),
	{ .path = NULL },
};

const mk_bind settings_plugin_binds[] = {
	BIND("enabled", BOOL, plugin_settings, enabled),
	BIND("plugin", TEXT, plugin_settings, plugin),
	BIND("path", PATH, plugin_settings, path),
	BIND("isolation", ENUM, plugin_settings, isolation),
	BIND("grant", TEXTS, plugin_settings, grant),
	BIND("publish", GIVEN, plugin_settings, has_publish),
	BIND("publish", TEXTS, plugin_settings, publish),
	BIND("subscribe", GIVEN, plugin_settings, has_subscribe),
	BIND("subscribe", TEXTS, plugin_settings, subscribe),
	BIND("allow.read", PATHS, plugin_settings, read_paths),
	BIND("allow.write", PATHS, plugin_settings, write_paths),
	BIND("limits.memory", U64, plugin_settings, memory_bytes),
	BIND("limits.cpu", U64, plugin_settings, cpu_seconds),
	BIND("limits.files", U64, plugin_settings, files),
	BIND("limits.rate", U64, plugin_settings, rate),
	BIND("deadlines.create", U64, plugin_settings, create_us),
	BIND("deadlines.start", U64, plugin_settings, start_us),
	BIND("deadlines.stop", U64, plugin_settings, stop_us),
	BIND("deadlines.stuck", U64, plugin_settings, stuck_us),
	BIND("outbox.size", U64, plugin_settings, outbox_bytes),
	BIND("outbox.sync", U64, plugin_settings, outbox_sync_us),
	{ .path = NULL },
};
