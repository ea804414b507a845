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

#include "peers.h"

#define SETTINGS_LISTENERS 16u
#define SETTINGS_PROXIES 64u

struct settings_listen {
	struct sockaddr_storage address;
	socklen_t len;
	bool tls, compat, both; /* both: IPv4 on an IPv6 socket, too */
	const char *text;
};

struct settings {
	_Atomic uint32_t refs;
	mk_arena arena;
	/* fixed while it runs */
	struct settings_listen listen[SETTINGS_LISTENERS];
	uint32_t listen_count, threads;
	const char *web, *compat_static; /* folders; NULL: none */
	const char *tls_cert, *tls_key;  /* files */
	uint64_t cache_bytes, ring_bytes;
	/* live */
	const char *api_key; /* NULL: none */
	bool key_weak, gzip, any_origin;
	const char *const *origins; /* ends with NULL */
	struct peer_key proxies[SETTINGS_PROXIES];
	uint32_t proxy_count;
	uint32_t connections, per_address, clients, clients_per_address;
	uint32_t budget_per_second, budget_burst;
	uint64_t idle_us, request_us, ping_us;
};

extern const mk_option http_settings_options[];

/* Of the host only the opt_ functions are used. */
mk_result http_settings_read(const mk_host *host, struct settings **out, mk_err *err);
struct settings *http_settings_ref(struct settings *s);
void http_settings_unref(struct settings *s); /* takes NULL */

#endif
