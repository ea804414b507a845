/* SPDX-License-Identifier: MIT
 *
 * The audit of shared objects, on images built here piece by piece and on a
 * library of the system.
 */
#include <criterion/criterion.h>

#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <meshkern/audit.h>

TestSuite(audit, .timeout = 120);

/* ----------------------------------------------------------------- image -- */

enum { LOADS = 4, TAGS = 12, SYMBOLS = 16, RELOCATIONS = 4 };

/* One segment at address 0 that is the file itself. */
struct image {
	ElfW(Ehdr) header;
	ElfW(Phdr) segments[LOADS];
	ElfW(Dyn) dynamic[TAGS];
	ElfW(Sym) symbols[SYMBOLS];
	ElfW(Rela) relocations[RELOCATIONS];
	uint32_t hash[2];
	uint32_t gnu_hash[4 + 2 + 1 + 4]; /* head, bloom (at most 8 bytes), a bucket, chain */
	struct {
		ElfW(Nhdr) head;
		char name[4];
		uint8_t id[4];
	} note;
	char strings[256];
};

static struct image image;
static uint32_t string_count;
static uint32_t symbol_count;
static uint32_t tag_count;

static void
add_tag(ElfW(Sxword) tag, size_t value)
{
	image.dynamic[tag_count].d_tag = tag;
	image.dynamic[tag_count++].d_un.d_val = value;
}

static void
add_symbol(const char *name, bool defined, uint8_t bind, uint8_t visibility)
{
	ElfW(Sym) *s = &image.symbols[symbol_count++];

	s->st_name = string_count;
	s->st_info = (uint8_t)(bind << 4);
	s->st_other = visibility;
	s->st_shndx = defined ? 1 : SHN_UNDEF;
	memcpy(image.strings + string_count, name, strlen(name) + 1);
	string_count += (uint32_t)strlen(name) + 1;
	image.hash[1] = symbol_count;
}

static void
set_up(void)
{
	memset(&image, 0, sizeof(image));
	string_count = symbol_count = 1;
	tag_count = 0;
	memcpy(image.header.e_ident, ELFMAG, SELFMAG);
	image.header.e_ident[EI_CLASS] = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
	image.header.e_ident[EI_DATA] =
	    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	image.header.e_type = ET_DYN;
	image.header.e_phoff = offsetof(struct image, segments);
	image.header.e_phentsize = sizeof(ElfW(Phdr));
	image.header.e_phnum = 3;
	image.segments[0].p_type = PT_LOAD;
	image.segments[0].p_filesz = image.segments[0].p_memsz = sizeof(image);
	image.segments[1].p_type = PT_DYNAMIC;
	image.segments[1].p_vaddr = offsetof(struct image, dynamic);
	image.segments[2].p_type = PT_NOTE;
	image.segments[2].p_offset = offsetof(struct image, note);
	image.segments[2].p_filesz = sizeof(image.note);
	image.note.head.n_namesz = 4;
	image.note.head.n_descsz = 4;
	image.note.head.n_type = NT_GNU_BUILD_ID;
	memcpy(image.note.name, "GNU", 4);
	memcpy(image.note.id, "\x01\x23\xab\xff", 4);
	add_tag(DT_SYMTAB, offsetof(struct image, symbols));
	add_tag(DT_SYMENT, sizeof(ElfW(Sym)));
	add_tag(DT_STRTAB, offsetof(struct image, strings));
	add_tag(DT_STRSZ, sizeof(image.strings));
	add_tag(DT_HASH, offsetof(struct image, hash));
	image.hash[0] = 1;
	image.hash[1] = 1;
}

static mk_audit *
opened(void)
{
	mk_audit *a = NULL;
	mk_err err = { 0 };

	cr_assert_eq(mk_audit_open_memory(&a, &image, sizeof(image), &err), MK_OK, "%s", err.text);
	return a;
}

/* The error; "" if it can be opened. The image is copied, so that reads beyond
 * its end are found. */
static const char *
refusal(size_t len)
{
	static mk_err err;
	uint8_t *copy = malloc(len + 1);
	mk_audit *a = NULL;

	cr_assert_not_null(copy);
	memcpy(copy, &image, len);
	copy = realloc(copy, len > 0 ? len : 1);
	err.text[0] = '\0';
	if (mk_audit_open_memory(&a, copy, len, &err) != MK_OK)
		cr_expect_null(a);
	mk_audit_free(a);
	free(copy);
	return err.text;
}

/* --------------------------------------------------------------- reading -- */

Test(audit, imports_and_exports_are_told_apart, .init = set_up)
{
	mk_audit *a;

	add_symbol("malloc", false, STB_GLOBAL, STV_DEFAULT);
	add_symbol("mk_plugin_v1", true, STB_GLOBAL, STV_DEFAULT);
	add_symbol("hidden", true, STB_GLOBAL, STV_HIDDEN);
	add_symbol("local", true, STB_LOCAL, STV_DEFAULT);
	add_symbol("weak_import", false, STB_WEAK, STV_DEFAULT);
	add_symbol("protected", true, STB_WEAK, STV_PROTECTED);
	a = opened();
	cr_assert_eq(mk_audit_import_count(a), 2);
	cr_expect_str_eq(mk_audit_import(a, 0), "malloc");
	cr_expect_str_eq(mk_audit_import(a, 1), "weak_import");
	cr_expect_str_eq(mk_audit_import(a, 2), "");
	cr_assert_eq(mk_audit_export_count(a), 2);
	cr_expect_str_eq(mk_audit_export(a, 0), "mk_plugin_v1");
	cr_expect_str_eq(mk_audit_export(a, 1), "protected");
	cr_expect_str_eq(mk_audit_export(a, 2), "");
	mk_audit_free(a);
}

Test(audit, the_build_id_is_hex, .init = set_up)
{
	mk_audit *a = opened();

	cr_expect_str_eq(mk_audit_build_id(a), "0123abff");
	mk_audit_free(a);
	image.note.head.n_type = 99;
	a = opened();
	cr_expect_str_eq(mk_audit_build_id(a), "");
	mk_audit_free(a);
}

Test(audit, notes_that_lie_about_their_size_are_left_out, .init = set_up)
{
	image.note.head.n_descsz = UINT32_MAX;
	cr_expect_str_eq(refusal(sizeof(image)), "");
	image.note.head.n_descsz = 4;
	image.note.head.n_namesz = UINT32_MAX;
	cr_expect_str_eq(refusal(sizeof(image)), "");
	image.segments[2].p_filesz = (size_t)-1;
	cr_expect_str_eq(refusal(sizeof(image)), "");
}

Test(audit, the_mark_against_unloading_is_seen, .init = set_up)
{
	mk_audit *a = opened();

	cr_expect_not(mk_audit_nodelete(a));
	mk_audit_free(a);
	add_tag(DT_FLAGS_1, DF_1_NOW | DF_1_NODELETE);
	a = opened();
	cr_expect(mk_audit_nodelete(a));
	mk_audit_free(a);
}

Test(audit, the_gnu_hash_table_tells_the_number_of_symbols, .init = set_up)
{
	const size_t bloom = sizeof(ElfW(Addr)) / 4;
	mk_audit *a;

	add_symbol("socket", false, STB_GLOBAL, STV_DEFAULT);
	add_symbol("first", true, STB_GLOBAL, STV_DEFAULT);
	add_symbol("second", true, STB_GLOBAL, STV_DEFAULT);
	image.dynamic[4].d_tag = DT_GNU_HASH;
	image.dynamic[4].d_un.d_val = offsetof(struct image, gnu_hash);
	image.gnu_hash[0] = 1;         /* buckets */
	image.gnu_hash[1] = 2;         /* first symbol in it */
	image.gnu_hash[2] = 1;         /* words of the filter */
	image.gnu_hash[4 + bloom] = 2; /* the bucket: where its chain begins */
	image.gnu_hash[4 + bloom + 1] = 0;
	image.gnu_hash[4 + bloom + 2] = 1; /* the end of the chain */
	a = opened();
	cr_expect_eq(mk_audit_import_count(a), 1);
	cr_expect_eq(mk_audit_export_count(a), 2);
	mk_audit_free(a);
	image.gnu_hash[4 + bloom] = 0; /* nothing is exported */
	a = opened();
	cr_expect_eq(mk_audit_import_count(a), 1);
	cr_expect_eq(mk_audit_export_count(a), 0);
	mk_audit_free(a);
}

/* The linker resolves what relocations name, whatever the hash table says. */
Test(audit, symbols_that_only_relocations_know_are_seen, .init = set_up)
{
	mk_audit *a;

	add_symbol("free", false, STB_GLOBAL, STV_DEFAULT);
	add_symbol("fork", false, STB_GLOBAL, STV_DEFAULT);
	image.hash[1] = 1;
	add_tag(DT_RELA, offsetof(struct image, relocations));
	add_tag(DT_RELASZ, sizeof(image.relocations));
	image.relocations[2].r_info = sizeof(void *) == 8 ? (uint64_t)2 << 32 : 2 << 8;
	a = opened();
	cr_assert_eq(mk_audit_import_count(a), 2);
	cr_expect_str_eq(mk_audit_import(a, 1), "fork");
	mk_audit_free(a);
	image.dynamic[5].d_tag = DT_JMPREL;
	image.dynamic[6].d_tag = DT_PLTRELSZ;
	add_tag(DT_PLTREL, DT_RELA);
	a = opened();
	cr_expect_eq(mk_audit_import_count(a), 2);
	mk_audit_free(a);
}

/* --------------------------------------------------------- hostile files -- */

Test(audit, what_is_no_shared_object_is_refused, .init = set_up)
{
	cr_expect_str_eq(refusal(0), "not an ELF file");
	cr_expect_str_eq(refusal(20), "not an ELF file");
	image.header.e_type = ET_EXEC;
	cr_expect_str_eq(refusal(sizeof(image)), "not a shared object");
	image.header.e_type = ET_DYN;
	add_tag(DT_FLAGS_1, DF_1_PIE);
	cr_expect_str_eq(refusal(sizeof(image)), "a program, not a shared object");
	image.header.e_ident[EI_CLASS] ^= 3;
	cr_expect_str_eq(refusal(sizeof(image)), "made for another kind of machine");
	image.header.e_ident[EI_CLASS] ^= 3;
	image.header.e_ident[EI_DATA] ^= 3;
	cr_expect_str_eq(refusal(sizeof(image)), "made for another kind of machine");
	image.header.e_ident[0] = 'x';
	cr_expect_str_eq(refusal(sizeof(image)), "not an ELF file");
}

Test(audit, a_file_cut_off_anywhere_is_refused, .init = set_up)
{
	add_symbol("malloc", false, STB_GLOBAL, STV_DEFAULT);
	cr_expect_str_eq(refusal(sizeof(image)), "");
	for (size_t len = 0; len < sizeof(image); len += 7)
		cr_expect_str_not_empty(refusal(len), "%zu", len);
}

Test(audit, program_headers_outside_of_the_file_are_refused, .init = set_up)
{
	image.header.e_phoff = (size_t)-8;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: program headers");
	image.header.e_phoff = offsetof(struct image, segments);
	image.header.e_phnum = 0xffff;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: program headers");
	image.header.e_phnum = 3;
	image.header.e_phentsize = 1;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: program headers");
}

Test(audit, segments_that_overlap_or_share_a_page_are_refused, .init = set_up)
{
	image.segments[3] = image.segments[0];
	image.header.e_phnum = 4;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: segment");
	image.segments[3].p_vaddr = (sizeof(image) + 15) / 16 * 16;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: segment");
	image.segments[3].p_vaddr = 1 << 20;
	cr_expect_str_eq(refusal(sizeof(image)), "");
}

Test(audit, segments_outside_of_the_file_are_refused, .init = set_up)
{
	image.segments[0].p_filesz++;
	image.segments[0].p_memsz++;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: segment");
	image.segments[0].p_filesz = image.segments[0].p_memsz = (size_t)-1;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: segment");
	image.segments[0].p_filesz = sizeof(image);
	image.segments[0].p_memsz = 0;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: segment");
}

Test(audit, there_must_be_exactly_one_dynamic_section, .init = set_up)
{
	image.header.e_phnum = 1;
	cr_expect_str_eq(refusal(sizeof(image)),
			 "malformed shared object: it needs one dynamic section");
	image.header.e_phnum = 4;
	image.segments[3] = image.segments[1];
	cr_expect_str_eq(refusal(sizeof(image)),
			 "malformed shared object: it needs one dynamic section");
}

Test(audit, a_dynamic_section_without_an_end_is_refused, .init = set_up)
{
	image.segments[1].p_vaddr = sizeof(image) - 2 * sizeof(ElfW(Dyn));
	memset((char *)&image + image.segments[1].p_vaddr, 1, 2 * sizeof(ElfW(Dyn)));
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: dynamic section");
	image.segments[1].p_vaddr = (size_t)-16;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: dynamic section");
}

Test(audit, tables_outside_of_the_segments_are_refused, .init = set_up)
{
	static const struct {
		uint32_t tag;
		const char *text;
	} cases[] = { { 0, "malformed shared object: symbol table" },
		      { 2, "malformed shared object: string table" },
		      { 3, "malformed shared object: string table" },
		      { 4, "malformed shared object: hash table" } };

	add_symbol("malloc", false, STB_GLOBAL, STV_DEFAULT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t old = image.dynamic[cases[i].tag].d_un.d_val;

		image.dynamic[cases[i].tag].d_un.d_val = sizeof(image) - 2;
		cr_expect_str_eq(refusal(sizeof(image)), cases[i].text);
		image.dynamic[cases[i].tag].d_un.d_val = (size_t)-4;
		cr_expect_str_eq(refusal(sizeof(image)), cases[i].text);
		image.dynamic[cases[i].tag].d_un.d_val = old;
	}
}

Test(audit, a_number_of_symbols_that_cannot_be_is_refused, .init = set_up)
{
	image.hash[1] = UINT32_MAX;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: symbol table");
	image.hash[1] = 1;
	add_tag(DT_RELA, offsetof(struct image, relocations));
	add_tag(DT_RELASZ, sizeof(image.relocations));
	image.relocations[0].r_info = (size_t)-1;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: symbol table");
	image.relocations[0].r_info = 0;
	image.dynamic[6].d_un.d_val = (size_t)-1;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: relocations");
}

Test(audit, gnu_hash_tables_that_lie_are_refused, .init = set_up)
{
	image.dynamic[4].d_tag = DT_GNU_HASH;
	image.dynamic[4].d_un.d_val = offsetof(struct image, gnu_hash);
	image.gnu_hash[0] = UINT32_MAX;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: hash table");
	image.gnu_hash[0] = 1;
	image.gnu_hash[2] = UINT32_MAX;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: hash table");
	image.gnu_hash[2] = 0;
	image.gnu_hash[4] = UINT32_MAX;
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: hash table");
}

Test(audit, names_outside_of_the_string_table_are_refused, .init = set_up)
{
	add_symbol("malloc", false, STB_GLOBAL, STV_DEFAULT);
	image.symbols[1].st_name = sizeof(image.strings);
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: symbol name");
	image.symbols[1].st_name = 1;
	image.strings[sizeof(image.strings) - 1] = 'x';
	cr_expect_str_eq(refusal(sizeof(image)), "malformed shared object: string table");
}

/* ----------------------------------------------------------------- rules -- */

Test(audit, what_compilers_put_into_every_plugin_is_free)
{
	static const char *const names[] = { "__stack_chk_fail",
					     "__assert_fail",
					     "abort",
					     "__cxa_finalize",
					     "__cxa_atexit",
					     "__gmon_start__",
					     "_ITM_registerTMCloneTable",
					     "__tls_get_addr",
					     "__memcpy_chk",
					     "__asan_init",
					     "__tsan_func_entry",
					     "__ubsan_handle_add_overflow",
					     "_Unwind_Resume",
					     "__register_atfork",
					     "__errno_location",
					     "pthread_create",
					     "pthread_sigmask",
					     "malloc",
					     "open",
					     "sqlite3_prepare_v2",
					     "strsignal",
					     "sigemptyset",
					     "posix_spawnattr_init",
					     "executor_run",
					     "forklift",
					     "connection_open",
					     "MHD_queue_response",
					     "curl_slist_append",
					     "exitcode",
					     "" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_expect_null(mk_audit_symbol_capability(names[i]), "%s", names[i]);
}

Test(audit, symbols_need_their_capability)
{
	static const struct {
		const char *name;
		const char *capability;
	} cases[] = { { "sqlite3_open", "storage.read" },
		      { "sqlite3_open_v2", "storage.read" },
		      { "sqlite3_open16", "storage.read" },
		      { "sqlite3_config", "storage.write" },
		      { "socket", "net" },
		      { "connect", "net" },
		      { "accept4", "net" },
		      { "getaddrinfo", "net" },
		      { "MHD_start_daemon", "net" },
		      { "MQTTAsync_createWithOptions", "net" },
		      { "curl_easy_perform", "net" },
		      { "fork", "exec" },
		      { "__vfork", "exec" },
		      { "_Fork", "exec" },
		      { "execvp", "exec" },
		      { "posix_spawn", "exec" },
		      { "system", "exec" },
		      { "popen", "exec" },
		      { "kill", "exec" },
		      { "nng_send", "!" },
		      { "nn_socket", "!" },
		      { "dlopen", "!" },
		      { "dlmopen", "!" },
		      { "signal", "!" },
		      { "sigaction", "!" },
		      { "__sysv_signal", "!" },
		      { "sigprocmask", "!" },
		      { "exit", "!" },
		      { "_exit", "!" },
		      { "_Exit", "!" },
		      { "setenv", "!" },
		      { "putenv", "!" },
		      { "setlocale", "!" },
		      { "chdir", "!" },
		      { "umask", "!" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *needs = mk_audit_symbol_capability(cases[i].name);

		cr_assert_not_null(needs, "%s", cases[i].name);
		cr_expect_str_eq(needs, cases[i].capability, "%s", cases[i].name);
	}
}

/* The error of the check of the image; "" if there is none. */
static const char *
denial(const char *const *capabilities)
{
	static mk_err err;
	mk_audit *a = opened();

	err.text[0] = '\0';
	if (mk_audit_check(a, capabilities, &err) != MK_OK)
		cr_expect_eq(err.code, MK_EDENIED);
	mk_audit_free(a);
	return err.text;
}

Test(audit, a_plugin_that_imports_nothing_special_needs_no_grant, .init = set_up)
{
	add_symbol("malloc", false, STB_GLOBAL, STV_DEFAULT);
	add_symbol("fork", true, STB_GLOBAL, STV_DEFAULT);
	cr_expect_str_eq(denial(NULL), "");
	cr_expect_str_eq(denial((const char *const[]){ NULL }), "");
}

Test(audit, a_missing_grant_is_named_with_the_symbol, .init = set_up)
{
	add_symbol("fork", false, STB_GLOBAL, STV_DEFAULT);
	cr_expect_str_eq(denial(NULL), "imports fork, which needs grant: [exec]");
	cr_expect_str_eq(denial((const char *const[]){ "net", NULL }),
			 "imports fork, which needs grant: [exec]");
	cr_expect_str_eq(denial((const char *const[]){ "net", "exec", NULL }), "");
	add_symbol("socket", false, STB_GLOBAL, STV_DEFAULT);
	add_symbol("listen", false, STB_GLOBAL, STV_DEFAULT);
	cr_expect_str_eq(denial(NULL), "imports fork, which needs grant: [exec] (and 2 more "
				       "symbols are refused)");
}

Test(audit, no_grant_allows_the_bus_itself, .init = set_up)
{
	add_symbol("nng_send", false, STB_GLOBAL, STV_DEFAULT);
	cr_expect_str_eq(denial((const char *const[]){ "net", "exec", "storage.read",
						       "storage.write", "core.control", "!",
						       NULL }),
			 "imports nng_send, which no plugin may use");
}

Test(audit, who_may_write_the_database_may_read_it, .init = set_up)
{
	add_symbol("sqlite3_open_v2", false, STB_GLOBAL, STV_DEFAULT);
	cr_expect_str_eq(denial(NULL),
			 "imports sqlite3_open_v2, which needs grant: [storage.read]");
	cr_expect_str_eq(denial((const char *const[]){ "storage.read", NULL }), "");
	cr_expect_str_eq(denial((const char *const[]){ "storage.write", NULL }), "");
	add_symbol("sqlite3_config", false, STB_GLOBAL, STV_DEFAULT);
	cr_expect_str_eq(denial((const char *const[]){ "storage.read", NULL }),
			 "imports sqlite3_config, which needs grant: [storage.write]");
}

/* ----------------------------------------------------------------- files -- */

/* The path under which this process has loaded a library. */
static bool
loaded_path(const char *library, char *path, size_t cap)
{
	char line[4096];
	FILE *maps = fopen("/proc/self/maps", "r");
	bool found = false;

	cr_assert_not_null(maps);
	while (!found && fgets(line, sizeof(line), maps) != NULL) {
		char *start = strchr(line, '/');

		if (start == NULL || strstr(start, library) == NULL)
			continue;
		start[strcspn(start, "\n")] = '\0';
		found = snprintf(path, cap, "%s", start) < (int)cap;
	}
	(void)fclose(maps);
	return found;
}

static bool
has_export(const mk_audit *a, const char *name)
{
	for (uint32_t i = 0; i < mk_audit_export_count(a); i++) {
		if (strcmp(mk_audit_export(a, i), name) == 0)
			return true;
	}
	return false;
}

Test(audit, a_real_library_is_read_from_its_file)
{
	char path[4096];
	mk_audit *a = NULL;
	mk_err err = { 0 };

	cr_assert(loaded_path("libcriterion", path, sizeof(path)));
	cr_assert_eq(mk_audit_open(&a, path, &err), MK_OK, "%s", err.text);
	cr_expect(has_export(a, "criterion_run_all_tests"));
	cr_expect_not(has_export(a, "malloc"));
	cr_expect_gt(mk_audit_import_count(a), 3);
	cr_expect_eq(mk_audit_check(a, NULL, &err), MK_EDENIED, "a test runner forks");
	mk_audit_free(a);
}

Test(audit, files_that_cannot_be_read_are_named)
{
	char dir[] = "/tmp/mk-audit-XXXXXX";
	char path[64];
	char expected[256];
	mk_audit *a = NULL;
	mk_err err;

	cr_assert_not_null(mkdtemp(dir));
	cr_expect_eq(mk_audit_open(&a, dir, &err), MK_EFORMAT);
	(void)snprintf(expected, sizeof(expected), "%s: not a regular file", dir);
	cr_expect_str_eq(err.text, expected);
	(void)snprintf(path, sizeof(path), "%s/fifo", dir);
	cr_expect_eq(mk_audit_open(&a, path, &err), MK_ENOENT);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_eq(mk_audit_open(&a, path, &err), MK_EFORMAT);
	cr_expect_null(a);
	cr_expect_eq(unlink(path), 0);
	cr_expect_eq(rmdir(dir), 0);
}
