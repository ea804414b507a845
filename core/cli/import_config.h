/* SPDX-License-Identifier: MIT
 *
 * What the parts of `meshkern import-config` have in common.
 */
#ifndef MK_CLI_IMPORT_CONFIG_H
#define MK_CLI_IMPORT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct import {
	const json_t *root;
	const char *file; /* config.json, absolute */
	char *dir;        /* its folder */
	uint32_t notes;   /* comments about what could not be taken over as it was */
};

/* Keys without regard to case, as CoreScope has it. NULL: not there, or null. */
const json_t *import_find(const json_t *object, const char *key);
const json_t *import_find_in(const struct import *im, const char *group, const char *key);
/* NULL if it is absent, empty or no string. */
const char *import_text(const json_t *v);
bool import_whole(const json_t *v, long *out);
bool import_point(const json_t *point); /* [lat, lon] */

/* YAML. In double quotes, whatever is in it. */
void import_put_quoted(const char *s);
/* A line of comment; control characters cannot end it. */
void import_put_note(struct import *im, const char *indent, const char *what, const char *value);
void import_put_text(const char *indent, const char *key, const char *value);
/* Strings that are not empty, as a list on one line; nothing for an empty one. */
void import_put_list(const char *indent, const char *key, const json_t *list);
/* The corners "lat,lon" of a polygon, as a list on one line. */
void import_put_polygon(const char *indent, const json_t *polygon);

/* import_pages.c: what the http plugin is told about CoreScope's pages. */
void import_put_pages(struct import *im);

#endif
