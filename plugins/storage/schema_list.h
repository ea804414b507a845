/* SPDX-License-Identifier: MIT
 *
 * What the database consists of, as lists. Only schema.c reads them.
 */
#ifndef STORAGE_SCHEMA_LIST_H
#define STORAGE_SCHEMA_LIST_H

#include "schema.h"

struct column {
	const char *name, *decl;
};

/* Lists end with a NULL name. */
struct table {
	const char *name;
	const struct column *columns;
	const char *tail;   /* what follows the columns in CREATE TABLE */
	const char *unique; /* columns by which rows are told apart; what is written relies on it */
};

extern const struct table schema_tables[];
extern const struct schema_index schema_indexes[];
extern const char schema_view[];
/* Indexes of earlier versions of CoreScope. */
extern const char *const schema_dropped[];
/* Rows of _migrations: what completing the schema does, and what jobs do. */
extern const char *const schema_markers[];
extern const char *const schema_job_markers[];

#endif
