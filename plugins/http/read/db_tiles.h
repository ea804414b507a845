/* SPDX-License-Identifier: MIT
 *
 * Pictures of a map from an MBTiles file (an SQLite database with the tables `metadata` and `tiles`,
 * or views of these names), for a site without internet. The file is the operator's, but may be
 * anything: what is no picture is not given out, and nothing takes longer than a moment. Any thread.
 */
#ifndef HTTP_READ_DB_TILES_H
#define HTTP_READ_DB_TILES_H

#include <meshkern/err.h>

#include <stddef.h>
#include <stdint.h>

#define TILES_ZOOM_MAX 24u
#define TILES_BYTES_MAX (1u << 20) /* of one picture */

struct tile_file;

struct tile_info {
	char attribution[256]; /* without HTML; "" */
	uint32_t max_zoom;
	uint64_t version; /* another one when the file is another one */
};

mk_result tiles_open(struct tile_file **out, const char *path, mk_err *err);
void tiles_close(struct tile_file *f); /* takes NULL */
const struct tile_info *tiles_info(const struct tile_file *f);

/* Row y is counted from the north, as in addresses. `fn` gets the picture and its type, which is a
 * literal. MK_ENOENT: the file has none there; MK_EINVAL: there is no such place; MK_EFORMAT: it has
 * something that is no PNG, JPEG or WebP; MK_ETOOBIG, MK_ETIMEDOUT, MK_EUNAVAIL. */
mk_result tiles_get(struct tile_file *f, uint32_t z, uint32_t x, uint32_t y,
		    void (*fn)(void *arg, const void *data, size_t len, const char *type),
		    void *arg, mk_err *err);

#endif
