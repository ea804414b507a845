/* SPDX-License-Identifier: MIT
 *
 * Pictures of the map from the MBTiles file that the operator has named.
 */
#include <stdlib.h>
#include <string.h>

#include "../http.h"
#include "../read/db_tiles.h"

/* Digits only; false: none, or more than fit. */
static bool
tile_number(const char *text, uint32_t *out)
{
	char *end;
	unsigned long n;

	if (text[0] < '0' || text[0] > '9' || strlen(text) > 9)
		return false;
	n = strtoul(text, &end, 10);
	*out = (uint32_t)n;
	return *end == '\0';
}

struct tile_out {
	struct request *rq;
	struct json *json;
};

static void
tile_put(void *arg, const void *data, size_t len, const char *type)
{
	struct tile_out *o = arg;

	request_set_type(o->rq, type);
	js_text(o->json, data, len);
}

static void
tile_show(struct request *rq, struct json *out)
{
	struct tile_file *file = request_settings(rq)->tiles.file;
	struct tile_out to = { rq, out };
	uint32_t at[3];
	mk_err err = { 0 };
	mk_result rc;

	if (file == NULL) {
		request_fail(rq, 404, "no map.mbtiles is configured");
		return;
	}
	for (uint32_t i = 0; i < 3; i++) {
		if (!tile_number(request_arg(rq, i), &at[i])) {
			request_fail(rq, 404, "Not found");
			return;
		}
	}
	rc = tiles_get(file, at[0], at[1], at[2], tile_put, &to, &err);
	/* Most of the world is not in the file: that is no error, and may be kept like a picture. */
	if (rc == MK_ENOENT)
		request_set_status(rq, 204);
	else if (rc != MK_OK)
		request_fail(rq,
			     rc == MK_EINVAL      ? 404
			     : rc == MK_ETIMEDOUT ? 503
						  : 500,
			     "%s", err.text);
}

/* clang-format off */
const struct route web_tiles_routes[] = {
	{ .method = "GET", .pattern = "/tiles/{z}/{x}/{y}", .handle = tile_show, .flags = ROUTE_LASTING,
	  .type = "application/octet-stream",
	  .summary = "a picture of the map, of the file map.mbtiles; 204: it has none there",
	  .answer = "image/png, image/jpeg or image/webp" },
	{ .method = NULL },
};
/* clang-format on */
