/* SPDX-License-Identifier: MIT
 *
 * Reading shared objects as the dynamic linker does: through the program
 * headers and the dynamic section. Section headers can be missing or lie.
 */
#include "audit_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)256 << 20) /* a plugin with debug information has a few MB */
#define PAGE_LEAST 4096u

#if __ELF_NATIVE_CLASS == 64
#define NATIVE_CLASS ELFCLASS64
#else
#define NATIVE_CLASS ELFCLASS32
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_ORDER ELFDATA2LSB
#else
#define NATIVE_ORDER ELFDATA2MSB
#endif

static const ElfW(Sxword) dyn_tags[DYN_COUNT] = {
	[DYN_SYMTAB] = DT_SYMTAB, [DYN_SYMENT] = DT_SYMENT,   [DYN_STRTAB] = DT_STRTAB,
	[DYN_STRSZ] = DT_STRSZ,   [DYN_HASH] = DT_HASH,       [DYN_GNU_HASH] = DT_GNU_HASH,
	[DYN_RELA] = DT_RELA,     [DYN_RELASZ] = DT_RELASZ,   [DYN_REL] = DT_REL,
	[DYN_RELSZ] = DT_RELSZ,   [DYN_JMPREL] = DT_JMPREL,   [DYN_PLTRELSZ] = DT_PLTRELSZ,
	[DYN_PLTREL] = DT_PLTREL, [DYN_FLAGS_1] = DT_FLAGS_1,
};

mk_result
audit_malformed(mk_err *err, const char *what)
{
	return mk_err_set(err, MK_EFORMAT, "malformed shared object: %s", what);
}

/* -------------------------------------------------------- bounded access -- */

/* `size` bytes at a file offset, or NULL. */
static const uint8_t *
file_at(const mk_audit *a, uint64_t offset, uint64_t size)
{
	return offset <= a->len && size <= a->len - offset ? a->data + offset : NULL;
}

const uint8_t *
audit_memory_from(const mk_audit *a, uint64_t address, uint64_t *size)
{
	for (uint32_t i = 0; i < a->load_count; i++) {
		uint64_t into = address - a->loads[i].address;

		if (address < a->loads[i].address || into >= a->loads[i].size)
			continue;
		*size = a->loads[i].size - into;
		return a->data + a->loads[i].offset + into;
	}
	return NULL;
}

const uint8_t *
audit_memory(const mk_audit *a, uint64_t address, uint64_t size)
{
	uint64_t room;
	const uint8_t *p = audit_memory_from(a, address, &room);

	return p != NULL && size <= room ? p : NULL;
}

/* -------------------------------------------------------------- headers -- */

static mk_result
read_header(const mk_audit *a, elf_header *h, mk_err *err)
{
	const uint8_t *p = file_at(a, 0, sizeof(*h));

	if (p == NULL || memcmp(p, ELFMAG, SELFMAG) != 0)
		return mk_err_set(err, MK_EFORMAT, "not an ELF file");
	memcpy(h, p, sizeof(*h));
	if (h->e_ident[EI_CLASS] != NATIVE_CLASS || h->e_ident[EI_DATA] != NATIVE_ORDER)
		return mk_err_set(err, MK_EABI, "made for another kind of machine");
	if (h->e_type != ET_DYN)
		return mk_err_set(err, MK_EFORMAT, "not a shared object");
	if (h->e_phentsize != sizeof(elf_segment) ||
	    file_at(a, h->e_phoff, (uint64_t)h->e_phnum * sizeof(elf_segment)) == NULL)
		return audit_malformed(err, "program headers");
	return MK_OK;
}

/* Segments must come in the order of their addresses, as the format demands, and
 * must not share a page: else the linker may see other bytes than this does. */
static mk_result
add_load(mk_audit *a, const elf_segment *ph, uint64_t *end, mk_err *err)
{
	if (a->load_count == AUDIT_LOADS_MAX)
		return audit_malformed(err, "too many segments");
	if (ph->p_filesz > ph->p_memsz || ph->p_vaddr / PAGE_LEAST * PAGE_LEAST < *end ||
	    ph->p_memsz > UINT64_MAX - ph->p_vaddr ||
	    file_at(a, ph->p_offset, ph->p_filesz) == NULL)
		return audit_malformed(err, "segment");
	*end = ph->p_vaddr + ph->p_memsz;
	a->loads[a->load_count].address = ph->p_vaddr;
	a->loads[a->load_count].offset = ph->p_offset;
	a->loads[a->load_count++].size = ph->p_filesz;
	return MK_OK;
}

static mk_result
read_segments(mk_audit *a, const elf_header *h, uint64_t *dynamic, mk_err *err)
{
	uint32_t dynamics = 0;
	uint64_t end = 0;
	elf_segment ph;
	mk_result r;

	for (uint32_t i = 0; i < h->e_phnum; i++) {
		memcpy(&ph, a->data + h->e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_LOAD) {
			r = add_load(a, &ph, &end, err);
			if (r != MK_OK)
				return r;
		} else if (ph.p_type == PT_DYNAMIC) {
			*dynamic = ph.p_vaddr;
			dynamics++;
		}
	}
	return dynamics == 1 ? MK_OK : audit_malformed(err, "it needs one dynamic section");
}

/* The last entry of a kind counts, as for the linker. */
static mk_result
read_dynamic(mk_audit *a, uint64_t address, mk_err *err)
{
	uint64_t size = 0;
	const uint8_t *p = audit_memory_from(a, address, &size);
	ElfW(Dyn) d;

	for (; p != NULL && size >= sizeof(d); p += sizeof(d), size -= sizeof(d)) {
		memcpy(&d, p, sizeof(d));
		if (d.d_tag == DT_NULL)
			return MK_OK;
		for (uint32_t i = 0; i < DYN_COUNT; i++) {
			if (d.d_tag == dyn_tags[i])
				a->dyn[i] = d.d_un.d_val;
		}
	}
	return audit_malformed(err, "dynamic section");
}

static void
read_note(mk_audit *a, const uint8_t *p, uint64_t size, uint64_t align)
{
	ElfW(Nhdr) n;

	while (size >= sizeof(n)) {
		uint64_t name;
		uint64_t desc;

		memcpy(&n, p, sizeof(n));
		p += sizeof(n);
		size -= sizeof(n);
		name = ((uint64_t)n.n_namesz + align - 1) / align * align;
		if (name > size || n.n_descsz > size - name)
			return;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == sizeof("GNU") &&
		    memcmp(p, "GNU", sizeof("GNU")) == 0 && n.n_descsz <= AUDIT_BUILD_ID_MAX) {
			for (uint32_t i = 0; i < n.n_descsz; i++)
				(void)snprintf(a->build_id + 2 * (size_t)i, 3, "%02x", p[name + i]);
			return;
		}
		desc = ((uint64_t)n.n_descsz + align - 1) / align * align;
		if (desc > size - name)
			return;
		p += name + desc;
		size -= name + desc;
	}
}

static void
read_notes(mk_audit *a, const elf_header *h)
{
	elf_segment ph;

	for (uint32_t i = 0; i < h->e_phnum; i++) {
		const uint8_t *p;

		memcpy(&ph, a->data + h->e_phoff + i * sizeof(ph), sizeof(ph));
		p = ph.p_type == PT_NOTE ? file_at(a, ph.p_offset, ph.p_filesz) : NULL;
		if (p != NULL && a->build_id[0] == '\0')
			read_note(a, p, ph.p_filesz, ph.p_align == 8 ? 8 : 4);
	}
}

/* -------------------------------------------------------------- symbols -- */

static void
add_symbol(mk_audit *a, const elf_symbol *s, const char *name)
{
	uint8_t bind = s->st_info >> 4;
	uint8_t visibility = s->st_other & 3;

	if (name[0] == '\0')
		return;
	if (s->st_shndx == SHN_UNDEF)
		a->imports[a->import_count++] = name;
	else if (bind != STB_LOCAL && (visibility == STV_DEFAULT || visibility == STV_PROTECTED))
		a->exports[a->export_count++] = name;
}

static mk_result
read_symbols(mk_audit *a, mk_err *err)
{
	uint64_t strings_size = a->dyn[DYN_STRSZ];
	const uint8_t *strings = audit_memory(a, a->dyn[DYN_STRTAB], strings_size);
	const uint8_t *table;
	uint64_t count = 0;
	elf_symbol s;
	mk_result r = audit_count_symbols(a, &count, err);

	if (r != MK_OK)
		return r;
	table = audit_memory(a, a->dyn[DYN_SYMTAB], count * sizeof(s));
	if (table == NULL || (a->dyn[DYN_SYMENT] != 0 && a->dyn[DYN_SYMENT] != sizeof(s)))
		return audit_malformed(err, "symbol table");
	if (strings == NULL || strings_size == 0 || strings[strings_size - 1] != '\0')
		return audit_malformed(err, "string table");
	a->imports = calloc((size_t)count + 1, sizeof(*a->imports));
	a->exports = calloc((size_t)count + 1, sizeof(*a->exports));
	if (a->imports == NULL || a->exports == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	for (uint64_t i = 0; i < count; i++) {
		memcpy(&s, table + i * sizeof(s), sizeof(s));
		if (s.st_name >= strings_size)
			return audit_malformed(err, "symbol name");
		add_symbol(a, &s, (const char *)strings + s.st_name);
	}
	return MK_OK;
}

/* ------------------------------------------------------------------ open -- */

static mk_result
audit_parse(mk_audit *a, mk_err *err)
{
	uint64_t dynamic = 0;
	elf_header h = { 0 };
	mk_result r = read_header(a, &h, err);

	if (r == MK_OK)
		r = read_segments(a, &h, &dynamic, err);
	if (r == MK_OK)
		r = read_dynamic(a, dynamic, err);
	if (r == MK_OK && (a->dyn[DYN_FLAGS_1] & DF_1_PIE) != 0)
		r = mk_err_set(err, MK_EFORMAT, "a program, not a shared object");
	if (r == MK_OK)
		r = read_symbols(a, err);
	if (r == MK_OK)
		read_notes(a, &h);
	return r;
}

mk_result
mk_audit_open_memory(mk_audit **out, const void *data, size_t len, mk_err *err)
{
	mk_audit *a = calloc(1, sizeof(*a));
	mk_result r;

	if (a == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	a->data = data;
	a->len = len;
	r = audit_parse(a, err);
	if (r != MK_OK) {
		mk_audit_free(a);
		return r;
	}
	*out = a;
	return MK_OK;
}

static mk_result
read_all(int fd, uint8_t *data, size_t len, mk_err *err)
{
	while (len > 0) {
		ssize_t n = read(fd, data, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return mk_err_errno(err, "read");
		if (n == 0)
			return mk_err_set(err, MK_EIO, "the file became shorter");
		data += n;
		len -= (size_t)n;
	}
	return MK_OK;
}

/* The whole file is copied: a mapped one could change between check and use. */
mk_result
mk_audit_open(mk_audit **out, const char *path, mk_err *err)
{
	uint8_t *data = NULL;
	struct stat st;
	mk_result r;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block */
	if (fd == -1)
		return mk_err_errno(err, "%s", path);
	if (fstat(fd, &st) == -1) {
		r = mk_err_errno(err, "stat");
	} else if (!S_ISREG(st.st_mode)) {
		r = mk_err_set(err, MK_EFORMAT, "not a regular file");
	} else if ((uint64_t)st.st_size > FILE_MAX) {
		r = mk_err_set(err, MK_ETOOBIG, "larger than %zu MiB", FILE_MAX >> 20);
	} else {
		data = malloc((size_t)st.st_size + 1);
		r = data == NULL ? mk_err_set(err, MK_ENOMEM, "out of memory")
				 : read_all(fd, data, (size_t)st.st_size, err);
	}
	close(fd);
	if (r == MK_OK)
		r = mk_audit_open_memory(out, data, (size_t)st.st_size, err);
	if (r != MK_OK) {
		free(data);
		(void)mk_err_wrap(err, "%s", path);
		return r;
	}
	(*out)->owned = data;
	return MK_OK;
}

void
mk_audit_free(mk_audit *a)
{
	if (a == NULL)
		return;
	free(a->imports);
	free(a->exports);
	free(a->owned);
	free(a);
}

uint32_t
mk_audit_import_count(const mk_audit *a)
{
	return a->import_count;
}

const char *
mk_audit_import(const mk_audit *a, uint32_t i)
{
	return i < a->import_count ? a->imports[i] : "";
}

uint32_t
mk_audit_export_count(const mk_audit *a)
{
	return a->export_count;
}

const char *
mk_audit_export(const mk_audit *a, uint32_t i)
{
	return i < a->export_count ? a->exports[i] : "";
}

bool
mk_audit_nodelete(const mk_audit *a)
{
	return (a->dyn[DYN_FLAGS_1] & DF_1_NODELETE) != 0;
}

const char *
mk_audit_build_id(const mk_audit *a)
{
	return a->build_id;
}
