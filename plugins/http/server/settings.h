/* SPDX-License-Identifier: MIT
 *
 * The options of the plugin, read once on its thread and immutable from then on, so that the
 * server's threads may look at them without a lock. A reload makes a new one; whoever still has the
 * old one keeps it by counting.
 */
#ifndef MK_HTTP_SETTINGS_H
#define MK_HTTP_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>

#include <meshkern/arena.h>
#include <meshkern/err.h>

#include <meshcore/geo.h>

#include "peers.h"

#define SETTINGS_LISTENERS 16u
#define SETTINGS_PROXIES 64u

struct settings_listen {
	struct sockaddr_storage address;
	socklen_t len;
	bool tls, compat, both; /* both: IPv4 on an IPv6 socket, too */
	const char *text;
};

/* Lists whose greatest length can be configured. */
enum settings_list {
	LIST_NONE,
	LIST_PACKETS,
	LIST_NODES,
	LIST_ANALYTICS,
	LIST_MESSAGES,
	LIST_HEALTH,
	LIST_COUNT
};

struct settings_region {
	const char *code, *label;
};

/* Map tiles: of an outside host (url NULL: none), or of a file of ours (NULL: none), which is
 * preferred. */
struct settings_tiles {
	const char *url, *origin, *attribution;
	uint32_t max_zoom;
	struct tile_file *file; /* read/db_tiles.h */
};

struct settings_area {
	const char *key, *label; /* "": not offered by name */
	struct mc_area area;     /* neither polygon nor box: everywhere */
};

/* What CoreScope's pages ask for first: finished answers. */
enum settings_page {
	PAGE_CACHE,
	PAGE_CLIENT,
	PAGE_THEME,
	PAGE_MAP,
	PAGE_AREAS,
	PAGE_POLYGONS,
	PAGE_CHANNELS,
	PAGE_COUNT
};

struct settings {
	_Atomic uint32_t refs;
	mk_arena arena;
	/* fixed while it runs */
	struct settings_listen listen[SETTINGS_LISTENERS];
	uint32_t listen_count, threads;
	const char *web, *compat_static; /* folders; NULL: none */
	const char *tls_cert, *tls_key;  /* files */
	uint64_t cache_bytes, ring_bytes, memory_bytes;
	/* Keys of nodes, ids of observers and beginnings of names that are not shown; each ends with
	 * NULL. */
	const char *const *node_blacklist, *const *observer_blacklist, *const *hidden_names;
	/* live */
	const char *api_key; /* NULL: none */
	bool key_weak, gzip, any_origin;
	const char *const *origins; /* ends with NULL */
	struct peer_key proxies[SETTINGS_PROXIES];
	uint32_t proxy_count;
	uint32_t connections, per_address, clients, clients_per_address;
	uint32_t budget_per_second, budget_burst;
	uint64_t idle_us, request_us, ping_us;
	uint32_t lists[LIST_COUNT]; /* the most that one answer has */
	int64_t battery_low_mv, battery_critical_mv;
	int64_t degraded_s[2], silent_s[2]; /* not heard for so long; 1: repeaters and rooms */
	const struct settings_region *regions;
	uint32_t region_count;
	const struct settings_area *areas; /* in the order of keys */
	uint32_t area_count;
	struct settings_tiles tiles;
	bool client_coverage;          /* there are pages about where phones heard whom */
	const char *pages[PAGE_COUNT]; /* JSON */
	/* Nobody heard of it for so many seconds: it is degraded, or silent. */
	int64_t infra_degraded_s, infra_silent_s, node_degraded_s, node_silent_s, observer_online_s,
	    observer_stale_s;
};

extern const mk_option http_settings_options[];

mk_result http_settings_read(const mk_host *host, struct settings **out, mk_err *err);
/* The same without opening files that options name. Of the host only the opt_ functions are used. */
mk_result http_settings_check(const mk_host *host, mk_err *err);
struct settings *http_settings_ref(struct settings *s);
void http_settings_unref(struct settings *s); /* takes NULL */
/* NULL: there is no such area. */
const struct settings_area *http_settings_area(const struct settings *s, const char *key);

/* --- places.c --- */
extern const mk_option http_region_options[], http_area_options[], http_map_options[];
mk_result http_places_read(struct settings *s, const mk_host *host, mk_err *err);
/* Opens the file with map tiles, if one is named. */
mk_result http_places_open(struct settings *s, const mk_host *host, mk_err *err);

/* --- pages.c, after the places --- */
extern const mk_option http_page_options[];
mk_result http_pages_read(struct settings *s, const mk_host *host, bool files, mk_err *err);

#endif
