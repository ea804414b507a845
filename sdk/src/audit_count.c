/* SPDX-License-Identifier: MIT
 *
 * The symbol table of a shared object does not say how long it is. The hash
 * tables tell how many symbols can be found in it, the relocations which ones
 * the linker looks up for it; the larger number counts, so that nothing that
 * would be resolved is overlooked.
 */
#include "audit_impl.h"

#include <string.h>

#if __ELF_NATIVE_CLASS == 64
#define REL_SYMBOL(info) ELF64_R_SYM(info)
#else
#define REL_SYMBOL(info) ELF32_R_SYM(info)
#endif

static uint32_t
load_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void
raise_to(uint64_t *count, uint64_t least)
{
	if (*count < least)
		*count = least;
}

static mk_result
count_by_hash(const mk_audit *a, uint64_t *count, mk_err *err)
{
	const uint8_t *p;

	if (a->dyn[DYN_HASH] == 0)
		return MK_OK;
	p = audit_memory(a, a->dyn[DYN_HASH], 2 * sizeof(uint32_t));
	if (p == NULL)
		return audit_malformed(err, "hash table");
	raise_to(count, load_u32(p + sizeof(uint32_t)));
	return MK_OK;
}

/* Buckets hold the first symbol of a chain; the last chain ends the table. */
static mk_result
count_by_gnu_hash(const mk_audit *a, uint64_t *count, mk_err *err)
{
	uint64_t size = 0;
	uint64_t at;
	uint64_t buckets, first, bloom;
	uint64_t last = 0;
	const uint8_t *p;

	if (a->dyn[DYN_GNU_HASH] == 0)
		return MK_OK;
	p = audit_memory_from(a, a->dyn[DYN_GNU_HASH], &size);
	if (p == NULL || size < 4 * sizeof(uint32_t))
		return audit_malformed(err, "hash table");
	buckets = load_u32(p);
	first = load_u32(p + 4);
	bloom = load_u32(p + 8);
	at = 16 + bloom * sizeof(ElfW(Addr));
	if (at > size || buckets > (size - at) / 4)
		return audit_malformed(err, "hash table");
	for (uint64_t i = 0; i < buckets; i++)
		raise_to(&last, load_u32(p + at + 4 * i));
	raise_to(count, first);
	if (last < first)
		return MK_OK;
	for (at += 4 * (buckets + last - first);; at += 4) {
		if (at > size || size - at < 4)
			return audit_malformed(err, "hash table");
		raise_to(count, ++last);
		if ((load_u32(p + at) & 1) != 0)
			return MK_OK;
	}
}

/* `entry` bytes each, beginning with an ElfW(Rel). */
static mk_result
count_by_relocations(const mk_audit *a, int table, int bytes, uint64_t entry, uint64_t *count,
		     mk_err *err)
{
	uint64_t n = a->dyn[bytes] / entry;
	const uint8_t *p;
	ElfW(Rel) rel;

	if (a->dyn[table] == 0 || n == 0)
		return MK_OK;
	p = audit_memory(a, a->dyn[table], n * entry);
	if (p == NULL)
		return audit_malformed(err, "relocations");
	for (uint64_t i = 0; i < n; i++) {
		memcpy(&rel, p + i * entry, sizeof(rel));
		raise_to(count, (uint64_t)REL_SYMBOL(rel.r_info) + 1);
	}
	return MK_OK;
}

mk_result
audit_count_symbols(const mk_audit *a, uint64_t *count, mk_err *err)
{
	bool plt_rela = a->dyn[DYN_PLTREL] == DT_RELA;
	mk_result r = count_by_hash(a, count, err);

	if (r == MK_OK)
		r = count_by_gnu_hash(a, count, err);
	if (r == MK_OK)
		r = count_by_relocations(a, DYN_RELA, DYN_RELASZ, sizeof(ElfW(Rela)), count, err);
	if (r == MK_OK)
		r = count_by_relocations(a, DYN_REL, DYN_RELSZ, sizeof(ElfW(Rel)), count, err);
	if (r == MK_OK)
		r = count_by_relocations(a, DYN_JMPREL, DYN_PLTRELSZ,
					 plt_rela ? sizeof(ElfW(Rela)) : sizeof(ElfW(Rel)), count,
					 err);
	return r;
}
