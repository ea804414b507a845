/* SPDX-License-Identifier: MIT
 *
 * What phones heard, out of the database and read-only, from a thread of its own: what is behind a
 * row, in chunks that come to the plugin's thread.
 */
#ifndef ANALYTICS_HISTORY_H
#define ANALYTICS_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include <meshkern/arena.h>
#include <meshkern/plugin.h>

#define RECEPTIONS_CHUNK 4096u

struct reception_row {
	int64_t id, at; /* at: Unix seconds */
	const char *client, *heard;
	double lat, lon, snr;
	bool has_snr;
};

struct client_row {
	const char *key, *name;
};

struct receptions_chunk {
	mk_arena arena; /* owns the texts */
	struct reception_row *rows;
	uint32_t count;
	struct client_row *clients;
	uint32_t client_count, client_cap;
	bool end; /* no more come */
};

struct receptions;

/* Rows with ids above `after`, of those the newest `most`. on_chunk runs on the plugin's thread. */
mk_result receptions_read(struct receptions **out, const mk_host *host, const char *path,
			  int64_t after, uint32_t most,
			  void (*on_chunk)(void *arg, const struct receptions_chunk *chunk),
			  void *arg);
/* No more chunks come. Also after the last one. */
void receptions_drop(struct receptions *r);

#endif
