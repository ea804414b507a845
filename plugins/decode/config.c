/* SPDX-License-Identifier: MIT
 *
 * The options of the plugin: see config.h. [plugin]
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meshcore/keys_file.h"

/* clang-format off */
static const mk_option key_options[] = {
	{ .name = "name", .help = "what the channel is called", .type = MK_OPT_STRING,
	  .flags = MK_OPT_REQUIRED, .min = 1, .max = MC_CHANNEL_NAME_MAX },
	{ .name = "key", .help = "32 hex digits; 64 for a long secret", .type = MK_OPT_STRING,
	  .flags = MK_OPT_REQUIRED | MK_OPT_SECRET, .min = 32, .max = 128 },
	{ .name = NULL },
};

static const mk_option area_options[] = {
	{ .name = "polygon", .help = "corners of the area, each \"lat,lon\"; three or more",
	  .type = MK_OPT_LIST, .max = MC_AREA_POINTS_MAX },
	{ .name = "buffer_km", .help = "so far outside of the polygon is still inside",
	  .type = MK_OPT_FLOAT, .max = 20000, .dflt = "0" },
	{ .name = "lat_min", .help = "a box, used without a polygon: all four or none",
	  .type = MK_OPT_FLOAT, .min = -90, .max = 90 },
	{ .name = "lat_max", .type = MK_OPT_FLOAT, .min = -90, .max = 90, .help = "its north" },
	{ .name = "lon_min", .type = MK_OPT_FLOAT, .min = -180, .max = 180, .help = "its west" },
	{ .name = "lon_max", .type = MK_OPT_FLOAT, .min = -180, .max = 180, .help = "its east" },
	{ .name = NULL },
};

static const char *const foreign_choices[] = { "flag", "drop", NULL };

const mk_option config_options[] = {
	{ .name = "channel_keys", .type = MK_OPT_GROUPS, .flags = MK_OPT_LIVE, .sub = key_options,
	  .help = "keys of private channels; they win over the others, and later over earlier ones" },
	{ .name = "channel_keys_file", .type = MK_OPT_STRING, .flags = MK_OPT_LIVE, .max = 1024,
	  .help = "more keys: a JSON file {\"name\": \"hex\"}, seen from data_dir" },
	{ .name = "hash_channels", .type = MK_OPT_LIST, .flags = MK_OPT_LIVE,
	  .help = "hashtag channels, whose key is made of their name; # may be left out" },
	{ .name = "hash_regions", .type = MK_OPT_LIST, .flags = MK_OPT_LIVE, .max = MC_REGIONS_MAX,
	  .help = "names of regions that packets may be limited to, in the order of trying" },
	{ .name = "validate_signatures", .type = MK_OPT_BOOL, .flags = MK_OPT_LIVE, .dflt = "true",
	  .help = "adverts with a wrong signature become no nodes" },
	{ .name = "geo_filter", .type = MK_OPT_GROUP, .flags = MK_OPT_LIVE, .sub = area_options,
	  .help = "where this mesh is; what advertises a position elsewhere is foreign" },
	{ .name = "foreign_adverts", .type = MK_OPT_ENUM, .flags = MK_OPT_LIVE, .dflt = "flag",
	  .choices = foreign_choices, .help = "mark foreign nodes, or leave them out" },
	{ .name = NULL },
};
/* clang-format on */

void
config_fini(struct config *c)
{
	mc_keys_fini(&c->keys);
	mc_regions_fini(&c->regions);
	free(c->points);
	memset(c, 0, sizeof(*c));
}

static mk_result
config_key_result(enum mc_key_result r, mk_err *err, const char *what, uint32_t i)
{
	switch (r) {
	case MC_KEY_BAD_NAME:
		return mk_err_set(err, MK_EINVAL, "%s[%u]: a name has 1 to %u bytes", what, i,
				  MC_CHANNEL_NAME_MAX);
	case MC_KEY_BAD:
		return mk_err_set(err, MK_EINVAL, "%s[%u].key: not 32 or 64 hex digits", what, i);
	case MC_KEY_FULL:
		return mk_err_set(err, MK_ENOMEM, "%s[%u]: too many, or out of memory", what, i);
	case MC_KEY_SET:
	case MC_KEY_KEPT:
		break;
	}
	return MK_OK;
}

/* The whole file. [owned] */
static char *
config_load(const char *path, size_t *len, mk_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = NULL;
	struct stat st;
	size_t n = 0;
	ssize_t got = -1;

	if (fd == -1 || fstat(fd, &st) == -1) {
		(void)mk_err_errno(err, "%s", path);
	} else if (!S_ISREG(st.st_mode) || st.st_size > (off_t)MC_KEYS_FILE_MAX) {
		(void)mk_err_set(err, MK_EFORMAT, "%s: not a file of at most %u bytes", path,
				 MC_KEYS_FILE_MAX);
	} else if ((text = malloc(MC_KEYS_FILE_MAX)) == NULL) {
		(void)mk_err_set(err, MK_ENOMEM, "out of memory");
	} else {
		while (n < MC_KEYS_FILE_MAX && (got = read(fd, text + n, MC_KEYS_FILE_MAX - n)) > 0)
			n += (size_t)got;
		if (got == -1)
			(void)mk_err_errno(err, "%s", path);
	}
	if (fd != -1)
		(void)close(fd);
	if (got == -1) {
		free(text);
		return NULL;
	}
	*len = n;
	return text;
}

static mk_result
config_keys_file(struct config *c, const mk_host *host, mk_err *err)
{
	const char *name = host->opt_str(host, "channel_keys_file"), *dir;
	char path[4096], why[160], *text;
	size_t len = 0;
	bool good;

	if (name == NULL || name[0] == '\0')
		return MK_OK;
	dir = host->dir(host, MK_DIR_DATA);
	if (snprintf(path, sizeof(path), "%s%s%s", name[0] == '/' ? "" : dir,
		     name[0] == '/' ? "" : "/", name) >= (int)sizeof(path))
		return mk_err_set(err, MK_EIO, "channel_keys_file: the path is too long");
	text = config_load(path, &len, err);
	if (text == NULL)
		return mk_err_wrap(err, "channel_keys_file");
	good = mc_keys_parse(&c->keys, text, len, &c->skipped, why, sizeof(why));
	free(text);
	return good ? MK_OK : mk_err_set(err, MK_EFORMAT, "channel_keys_file: %s: %s", path, why);
}

/* From the lowest priority to the highest. */
static mk_result
config_keys(struct config *c, const mk_host *host, bool files, mk_err *err)
{
	mk_result r = config_key_result(mc_keys_add_public(&c->keys), err, "Public", 0);
	char path[64];

	if (r == MK_OK && files)
		r = config_keys_file(c, host, err);
	for (uint32_t i = 0; r == MK_OK && i < host->opt_count(host, "hash_channels"); i++) {
		snprintf(path, sizeof(path), "hash_channels[%u]", i);
		r = config_key_result(mc_keys_add_hashtag(&c->keys, host->opt_str(host, path)), err,
				      "hash_channels", i);
	}
	for (uint32_t i = 0; r == MK_OK && i < host->opt_count(host, "channel_keys"); i++) {
		const char *name;

		snprintf(path, sizeof(path), "channel_keys[%u].name", i);
		name = host->opt_str(host, path);
		snprintf(path, sizeof(path), "channel_keys[%u].key", i);
		r = config_key_result(mc_keys_set(&c->keys, name, host->opt_str(host, path)), err,
				      "channel_keys", i);
	}
	for (uint32_t i = 0; r == MK_OK && i < host->opt_count(host, "hash_regions"); i++) {
		snprintf(path, sizeof(path), "hash_regions[%u]", i);
		r = config_key_result(mc_regions_add(&c->regions, host->opt_str(host, path)), err,
				      "hash_regions", i);
	}
	return r;
}

static mk_result
config_area(struct config *c, const mk_host *host, mk_err *err)
{
	static const char *const sides[] = { "geo_filter.lat_min", "geo_filter.lat_max",
					     "geo_filter.lon_min", "geo_filter.lon_max" };
	double *const values[] = { &c->area.lat_min, &c->area.lat_max, &c->area.lon_min,
				   &c->area.lon_max };
	uint32_t count = host->opt_count(host, "geo_filter.polygon"), given = 0;
	char path[64];

	for (uint32_t i = 0; i < 4; i++) {
		given += host->opt_str(host, sides[i]) != NULL;
		*values[i] = host->opt_float(host, sides[i]);
	}
	if (given != 0 && given != 4)
		return mk_err_set(err, MK_EINVAL, "geo_filter: a box needs all four sides");
	c->area.has_box = given == 4;
	c->area.buffer_km = host->opt_float(host, "geo_filter.buffer_km");
	if (count == 0)
		return MK_OK;
	if (count < 3)
		return mk_err_set(err, MK_EINVAL, "geo_filter.polygon: fewer than three corners");
	c->points = calloc(count, sizeof(*c->points));
	if (c->points == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	for (uint32_t i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "geo_filter.polygon[%u]", i);
		if (!mc_point_parse(host->opt_str(host, path), &c->points[i]))
			return mk_err_set(err, MK_EINVAL, "%s: not \"lat,lon\"", path);
	}
	c->area.points = c->points;
	c->area.count = count;
	return MK_OK;
}

mk_result
config_read(struct config *c, const mk_host *host, bool files, mk_err *err)
{
	mk_result r;

	memset(c, 0, sizeof(*c));
	c->verify = host->opt_int(host, "validate_signatures") != 0;
	c->drop_foreign = strcmp(host->opt_str(host, "foreign_adverts"), "drop") == 0;
	r = config_keys(c, host, files, err);
	if (r == MK_OK)
		r = config_area(c, host, err);
	if (r != MK_OK)
		config_fini(c);
	return r;
}
