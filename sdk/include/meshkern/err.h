/* SPDX-License-Identifier: MIT
 *
 * An error with its story. The lowest level states the fact, each level above
 * puts its operation in front, and whoever handles it logs it once:
 * "plugin rainmap: open ./rainmap.so: no such file or directory".
 */
#ifndef MK_SDK_ERR_H
#define MK_SDK_ERR_H

#include <stddef.h>

#include <meshkern/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mk_err {
	mk_result code;
	char text[384];
} mk_err;

/* All take err == NULL, and return the code so that `return mk_err_set(...)`
 * reads well. Text that does not fit is cut with "...". [any] */
mk_result mk_err_set(mk_err *err, mk_result code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* MK_EIO, MK_ENOMEM, MK_ENOENT or MK_EDENIED by errno, ": strerror" appended. */
mk_result mk_err_errno(mk_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Put "format: " in front of the text. Returns err->code; without an err the
 * code is not known here and it is MK_EIO. */
mk_result mk_err_wrap(mk_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
#endif
