/* SPDX-License-Identifier: MIT
 *
 * What an instance left behind.
 *
 * Memory: the blocks that were allocated inside of the plugin and not freed.
 * A library may keep some for itself (the time zone, a table of errors), and
 * that is not the plugin's fault; so a block does not count if the data of a
 * shared library other than the plugin leads to it, over any other blocks.
 * Pointers in the plugin's own data do not excuse anything.
 *
 * Descriptors and threads have no owner that can be asked. They are compared
 * with a list from before the first create(), once no other kit is at work.
 */
#define _GNU_SOURCE
#include "kit.h"

#include <dirent.h>
#include <dlfcn.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LEAKS_IDS 4096    /* descriptors or threads that are looked at */
#define LEAKS_NAMED 20    /* blocks that are named one by one */
#define LEAKS_EXIT_MS 200 /* for threads that were joined to vanish from /proc */

struct leaks_ids {
	int ids[LEAKS_IDS];
	size_t count;
};

static struct {
	uint32_t kits; /* that have begun and not ended */
	struct leaks_ids fds, tasks;
	char text[2048]; /* of the last kit that was freed */
} leaks;

void
tk_leak(mk_tk *tk, const char *format, ...)
{
	size_t used = strlen(tk->left_text);
	va_list args;
	char line[256];

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	snprintf(tk->left_text + used, sizeof(tk->left_text) - used, "%s\n", line);
	tk->left++;
}

void
tk_leaks_reset(void)
{
	leaks.text[0] = '\0';
}

const char *
mk_tk_leaks(void)
{
	return leaks.text;
}

/* --------------------------------------------- descriptors and threads --- */

static void
leaks_list(const char *folder, struct leaks_ids *list)
{
	DIR *d = opendir(folder);
	const struct dirent *entry;

	list->count = 0;
	while (d != NULL && (entry = readdir(d)) != NULL) {
		int id = (int)strtol(entry->d_name, NULL, 10);

		if (entry->d_name[0] != '.' && id != dirfd(d) && list->count < LEAKS_IDS)
			list->ids[list->count++] = id;
	}
	if (d != NULL)
		closedir(d);
}

static bool
leaks_has(const struct leaks_ids *list, int id)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->ids[i] == id)
			return true;
	}
	return false;
}

/* Remove from `now` what was there before. */
static void
leaks_minus(struct leaks_ids *now, const struct leaks_ids *before)
{
	size_t kept = 0;

	for (size_t i = 0; i < now->count; i++) {
		if (!leaks_has(before, now->ids[i]))
			now->ids[kept++] = now->ids[i];
	}
	now->count = kept;
}

static void
leaks_fds(mk_tk *tk)
{
	struct leaks_ids now;
	char path[64];
	char target[160];

	leaks_list("/proc/self/fd", &now);
	leaks_minus(&now, &leaks.fds);
	for (size_t i = 0; i < now.count; i++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", now.ids[i]);
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		tk_leak(tk, "file descriptor %d: %s", now.ids[i], target);
	}
}

static void
leaks_tasks(mk_tk *tk)
{
	const struct timespec moment = { 0, 1000000 };
	struct leaks_ids now;
	char path[64];
	char name[32];

	/* pthread_join returns a little before the kernel has let go of the
	 * thread, and nothing else tells when that has happened. */
	for (int ms = 0; ms < LEAKS_EXIT_MS; ms++) {
		leaks_list("/proc/self/task", &now);
		leaks_minus(&now, &leaks.tasks);
		if (now.count == 0)
			return;
		nanosleep(&moment, NULL);
	}
	for (size_t i = 0; i < now.count; i++) {
		bool reported = false;
		FILE *f;

		for (size_t k = 0; k < tk->threads.count; k++)
			reported |= atomic_load(&tk->threads.items[k]->tid) == now.ids[i];
		if (reported)
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%d/comm", now.ids[i]);
		f = fopen(path, "re");
		if (f == NULL || fgets(name, sizeof(name), f) == NULL)
			name[0] = '\0';
		if (f != NULL)
			fclose(f);
		name[strcspn(name, "\n")] = '\0';
		tk_leak(tk, "thread %s: not started with spawn, not joined", name);
	}
}

/* -------------------------------------------------------------- memory --- */

struct leaks_scan {
	struct alloc_block *blocks; /* sorted by address */
	bool *reached;
	size_t count;
	size_t *todo; /* reached blocks whose content is to be looked at */
	size_t todo_count;
	const void *desc; /* lies in the plugin */
};

/* Mark every block that a word in [start, start + size) points to. The words
 * are copied: they need not be of any one type. */
static void
leaks_look(struct leaks_scan *s, const void *start, size_t size)
{
	uintptr_t first = ((uintptr_t)start + sizeof(uintptr_t) - 1) & ~(sizeof(uintptr_t) - 1);
	uintptr_t end = (uintptr_t)start + size;

	for (uintptr_t at = first; at + sizeof(uintptr_t) <= end; at += sizeof(uintptr_t)) {
		uintptr_t word;
		size_t low = 0;
		size_t high = s->count;

		memcpy(&word, (const void *)at, sizeof(word));
		while (low < high) {
			size_t mid = (low + high) / 2;

			if ((uintptr_t)s->blocks[mid].data < word)
				low = mid + 1;
			else
				high = mid;
		}
		if (low == s->count || (uintptr_t)s->blocks[low].data != word || s->reached[low])
			continue;
		s->reached[low] = true;
		s->todo[s->todo_count++] = low;
	}
}

static int
leaks_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct leaks_scan *s = arg;
	uintptr_t desc = (uintptr_t)s->desc;

	(void)size;
	if (info->dlpi_name[0] == '\0')
		return 0; /* the test program: the plugin may be linked into it */
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type == PT_LOAD && desc >= start &&
		    desc - start < info->dlpi_phdr[i].p_memsz)
			return 0; /* the plugin */
	}
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_W) != 0)
			leaks_look(s, (const void *)(info->dlpi_addr + p->p_vaddr), p->p_memsz);
		if (p->p_type == PT_TLS && info->dlpi_tls_data != NULL)
			leaks_look(s, info->dlpi_tls_data, p->p_memsz);
	}
	return 0;
}

/* Thread-specific values of libraries lie in the C library's own structure of
 * the thread, whose size it tells to debuggers. */
static void
leaks_thread(struct leaks_scan *s)
{
	const uint32_t *size = dlsym(RTLD_DEFAULT, "_thread_db_sizeof_pthread");

	if (size != NULL && *size < 65536)
		leaks_look(s, (const void *)(uintptr_t)pthread_self(), *size);
}

static void
leaks_name(mk_tk *tk, const struct alloc_block *b)
{
	const char *file = "?";
	Dl_info info;

	memset(&info, 0, sizeof(info));
	if (dladdr(b->caller, &info) != 0 && info.dli_fname != NULL) {
		file = strrchr(info.dli_fname, '/');
		file = file != NULL ? file + 1 : info.dli_fname;
	}
	tk_leak(tk, "memory: %zu bytes allocated in %s, at %s+0x%zx%s%s", b->size, b->where, file,
		(size_t)((uintptr_t)b->caller - (uintptr_t)info.dli_fbase),
		info.dli_sname != NULL ? " in " : "", info.dli_sname != NULL ? info.dli_sname : "");
}

/* The dynamic linker keeps thread-local variables until the thread ends. */
static bool
leaks_by_linker(const struct alloc_block *b)
{
	Dl_info info;

	return dladdr(b->caller, &info) != 0 && info.dli_fname != NULL &&
	       strstr(info.dli_fname, "/ld-linux") != NULL;
}

static void
leaks_memory(mk_tk *tk)
{
	struct leaks_scan s = { .desc = tk->desc };
	uint32_t unnamed = 0;
	uint32_t named = 0;

	s.count = alloc_left(tk->id, &s.blocks);
	if (s.count == 0)
		return;
	s.reached = calloc(s.count, sizeof(*s.reached));
	s.todo = calloc(s.count, sizeof(*s.todo));
	if (s.reached == NULL || s.todo == NULL)
		abort();
	dl_iterate_phdr(leaks_library, &s);
	leaks_thread(&s);
	while (s.todo_count > 0) {
		const struct alloc_block *b = &s.blocks[s.todo[--s.todo_count]];

		leaks_look(&s, b->data, b->size);
	}
	for (size_t i = 0; i < s.count; i++) {
		if (s.blocks[i].owner != tk->id || s.reached[i] || leaks_by_linker(&s.blocks[i]))
			continue;
		if (named++ < LEAKS_NAMED)
			leaks_name(tk, &s.blocks[i]);
		else
			unnamed++;
	}
	if (unnamed > 0) {
		tk_leak(tk, "memory: %u more blocks", unnamed);
		tk->left += unnamed - 1;
	}
	free(s.reached);
	free(s.todo);
	free(s.blocks);
	alloc_forget(tk->id);
}

/* ----------------------------------------------------------- begin, end --- */

static void *
leaks_idle(void *arg)
{
	return arg;
}

void
tk_leaks_begin(mk_tk *tk)
{
	pthread_t first;

	if (tk->baseline)
		return;
	tk->baseline = true;
	if (leaks.kits++ > 0)
		return;
	/* ThreadSanitizer starts a thread of its own with the first one. */
	if (!alloc_counted() && pthread_create(&first, NULL, leaks_idle, NULL) == 0)
		pthread_join(first, NULL);
	leaks_list("/proc/self/fd", &leaks.fds);
	leaks_list("/proc/self/task", &leaks.tasks);
}

uint32_t
tk_leaks_end(mk_tk *tk)
{
	/* The memory of an instance that could not be destroyed is in use. */
	if (tk->state != TK_STUCK)
		leaks_memory(tk);
	if (tk->baseline && --leaks.kits == 0) {
		leaks_fds(tk);
		leaks_tasks(tk);
	}
	tk->baseline = false;
	memcpy(leaks.text, tk->left_text, sizeof(leaks.text));
	if (tk->left > 0)
		fprintf(stderr, "testkit: %s left behind:\n%s", tk->name, leaks.text);
	return tk->left;
}

bool
mk_tk_fail_alloc(mk_tk *tk, uint32_t n)
{
	alloc_fail(tk->id, n);
	return alloc_counted();
}

bool
mk_tk_alloc_failed(const mk_tk *tk)
{
	return alloc_failed(tk->id);
}
