/* SPDX-License-Identifier: MIT
 *
 * The results of commands are msgpack maps. Here they become one line of JSON or, for people,
 * pairs and tables, so that both always show the same data, and what a newer daemon adds appears
 * without a change here.
 *
 * Units follow from the names of keys: sizes end in "bytes", durations in "_us"; "since_us" is a
 * moment.
 */
#ifndef MK_CLI_SHOW_H
#define MK_CLI_SHOW_H

#include <stdio.h>

#include <meshkern/codec.h>

#include "cli.h"

/* A map: its pairs; then, for each value that is a list of maps, a table. Returns 0. */
int show_data(const struct cli *cli, const mk_val *map);
/* The same for a map that was just written; frees the writer. Returns the exit status. */
int show_written(const struct cli *cli, mk_writer *w);
/* Key and value for such a map, from outside: what is not UTF-8 loses its odd bytes. */
void show_put(mk_writer *w, const char *s); /* NULL writes nil */
void show_kv(mk_writer *w, const char *key, const char *s);
/* For people: a list of maps as a table, of these columns, or of all if `keys` is NULL. */
void show_list(const struct cli *cli, const mk_val *list, const char *const *keys, uint32_t count);
/* For people: a list of strings, each on a line of its own, never cut. */
void show_lines(FILE *out, const mk_val *list);

#endif
