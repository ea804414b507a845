/* SPDX-License-Identifier: MIT
 *
 * What the files of the audit share with each other.
 */
#ifndef MK_SDK_AUDIT_IMPL_H
#define MK_SDK_AUDIT_IMPL_H

#include <meshkern/audit.h>

#include <link.h>
#include <stddef.h>

#define AUDIT_LOADS_MAX 32u
#define AUDIT_BUILD_ID_MAX 64u /* bytes; usually 20 */

typedef ElfW(Ehdr) elf_header;
typedef ElfW(Phdr) elf_segment;
typedef ElfW(Sym) elf_symbol;

/* Entries of the dynamic section that matter here. */
enum {
	DYN_SYMTAB,
	DYN_SYMENT,
	DYN_STRTAB,
	DYN_STRSZ,
	DYN_HASH,
	DYN_GNU_HASH,
	DYN_RELA,
	DYN_RELASZ,
	DYN_REL,
	DYN_RELSZ,
	DYN_JMPREL,
	DYN_PLTRELSZ,
	DYN_PLTREL,
	DYN_FLAGS_1,
	DYN_COUNT
};

struct mk_audit {
	const uint8_t *data;
	size_t len;
	uint8_t *owned; /* the data, if it came from a file */
	struct {
		uint64_t address;
		uint64_t offset;
		uint64_t size; /* in the file */
	} loads[AUDIT_LOADS_MAX];
	uint32_t load_count;
	uint64_t dyn[DYN_COUNT];
	const char **imports; /* into data */
	const char **exports;
	uint32_t import_count;
	uint32_t export_count;
	char build_id[2 * AUDIT_BUILD_ID_MAX + 1];
};

/* What the file has from an address to the end of its segment, or NULL. */
const uint8_t *audit_memory_from(const mk_audit *a, uint64_t address, uint64_t *size);
/* `size` bytes at an address, or NULL. */
const uint8_t *audit_memory(const mk_audit *a, uint64_t address, uint64_t size);
mk_result audit_malformed(mk_err *err, const char *what);
/* The number of symbols that the linker can reach, below 2^33. */
mk_result audit_count_symbols(const mk_audit *a, uint64_t *count, mk_err *err);

#endif
