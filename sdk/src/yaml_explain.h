/* SPDX-License-Identifier: MIT
 *
 * libyaml's errors in the words of someone who edits a configuration file.
 */
#ifndef MK_SDK_YAML_EXPLAIN_H
#define MK_SDK_YAML_EXPLAIN_H

#include <yaml.h>

#include <meshkern/options.h>

/* Add the problem at which `parser` stopped while reading `text`. */
void yaml_explain(const yaml_parser_t *parser, const char *text, size_t len, mk_problems *problems);

#endif
