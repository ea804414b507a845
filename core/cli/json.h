/* SPDX-License-Identifier: MIT
 *
 * JSON for the command line: values to one line of it, and text into msgpack.
 */
#ifndef MK_CLI_JSON_H
#define MK_CLI_JSON_H

#include <stdio.h>

#include <meshkern/codec.h>
#include <meshkern/err.h>

/* One msgpack text as JSON, without a newline. False: it is malformed. */
bool json_print(FILE *out, const void *data, size_t len);
/* The same for a value of an open document; NULL prints null. */
bool json_print_value(FILE *out, const mk_val *value);
/* A JSON object as a msgpack map; {"$bin": "<hex>"} becomes a binary. */
mk_result json_parse(const char *text, size_t len, mk_writer *w, mk_err *err);

#endif
