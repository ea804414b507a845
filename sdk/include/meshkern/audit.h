/* SPDX-License-Identifier: MIT
 *
 * What a shared object is and needs, read from the file without running any
 * of it. The file is hostile: every offset is checked.
 */
#ifndef MK_SDK_AUDIT_H
#define MK_SDK_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include <meshkern/err.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mk_audit mk_audit;

/* Reads an ELF shared object of this machine's class and byte order. */
mk_result mk_audit_open(mk_audit **out, const char *path, mk_err *err);
/* The same from memory; `data` must stay. For tests and the fuzzer. */
mk_result mk_audit_open_memory(mk_audit **out, const void *data, size_t len, mk_err *err);
void mk_audit_free(mk_audit *a);

uint32_t mk_audit_import_count(const mk_audit *a); /* undefined symbols */
const char *mk_audit_import(const mk_audit *a, uint32_t i);
uint32_t mk_audit_export_count(const mk_audit *a); /* defined, default visibility */
const char *mk_audit_export(const mk_audit *a, uint32_t i);
bool mk_audit_nodelete(const mk_audit *a);        /* linked with -z nodelete */
const char *mk_audit_build_id(const mk_audit *a); /* hex, "" if none */

/* The capability that importing `symbol` needs, NULL if none, "!" if no
 * plugin may ("dlopen", "fork" need "exec"; "nng_send" is "!"). */
const char *mk_audit_symbol_capability(const char *symbol);

/* MK_OK if every import is free or covered by `capabilities` (NULL-terminated,
 * may be NULL); else MK_EDENIED and a sentence that names the symbol and the
 * grant that would allow it. */
mk_result mk_audit_check(const mk_audit *a, const char *const *capabilities, mk_err *err);

#ifdef __cplusplus
}
#endif
#endif
