/* SPDX-License-Identifier: MIT
 *
 * The audit on any file.
 */
#include <stdlib.h>
#include <string.h>

#include <meshkern/audit.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names lie within the file. */
static void
check_name(const char *name, size_t size)
{
	if (strlen(name) >= size)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mk_audit *a;
	mk_err err;

	if (mk_audit_open_memory(&a, data, size, &err) != MK_OK)
		return 0;
	for (uint32_t i = 0; i < mk_audit_import_count(a); i++)
		check_name(mk_audit_import(a, i), size);
	for (uint32_t i = 0; i < mk_audit_export_count(a); i++)
		check_name(mk_audit_export(a, i), size);
	check_name(mk_audit_build_id(a), 2 * size);
	(void)mk_audit_check(a, (const char *const[]){ "net", NULL }, &err);
	mk_audit_free(a);
	return 0;
}
