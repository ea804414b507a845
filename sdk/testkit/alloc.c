/* SPDX-License-Identifier: MIT
 *
 * malloc and its family, with a note of whose each block is. glibc exports its
 * own functions a second time under names that stay reachable, so replacing
 * them in the program costs no dlsym, and covers every shared object in it.
 *
 * The notes are a hash table in pages of its own (linear probing, deletion by
 * moving back), guarded by one lock.
 */
#define _GNU_SOURCE
#include "alloc.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <meshkern/plugin.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ALLOC_COUNTED 0
#else
#define ALLOC_COUNTED 1
#endif

static _Thread_local struct alloc_scope scope;

bool
alloc_counted(void)
{
	return ALLOC_COUNTED;
}

struct alloc_scope
alloc_enter(uint32_t owner, const char *where)
{
	struct alloc_scope before = scope;

	scope = (struct alloc_scope){ owner, where };
	return before;
}

void
alloc_leave(struct alloc_scope before)
{
	scope = before;
}

#if ALLOC_COUNTED

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *data, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *data);

/* All guarded by the lock. */
static struct {
	pthread_mutex_t lock;
	struct alloc_block *table;
	size_t cap; /* a power of two, at least twice `used` */
	size_t used;
	uint32_t fail_owner;
	uint32_t fail_left; /* allocations up to the one that fails; 0 = off */
	bool failed;
} notes = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A child process gets the lock free, whatever other threads were at. */
static void
alloc_lock(void)
{
	pthread_mutex_lock(&notes.lock);
}

static void
alloc_unlock(void)
{
	pthread_mutex_unlock(&notes.lock);
}

__attribute__((constructor)) static void
alloc_init(void)
{
	pthread_atfork(alloc_lock, alloc_unlock, alloc_unlock);
}

static size_t
alloc_slot(const void *data)
{
	uint64_t h = ((uint64_t)(uintptr_t)data >> 4) * 0x9e3779b97f4a7c15u;

	return (size_t)(h >> 20) & (notes.cap - 1);
}

static void
alloc_put(const struct alloc_block *b)
{
	size_t i = alloc_slot(b->data);

	while (notes.table[i].data != NULL)
		i = (i + 1) & (notes.cap - 1);
	notes.table[i] = *b;
}

static void
alloc_grow(void)
{
	struct alloc_block *old = notes.table;
	size_t old_cap = notes.cap;
	size_t cap = old_cap == 0 ? 4096 : old_cap * 2;
	void *pages = mmap(NULL, cap * sizeof(*old), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		abort(); /* a test program without memory has nothing to report */
	notes.table = pages;
	notes.cap = cap;
	for (size_t i = 0; i < old_cap; i++) {
		if (old[i].data != NULL)
			alloc_put(&old[i]);
	}
	if (old != NULL)
		munmap(old, old_cap * sizeof(*old));
}

static void
alloc_note(void *data, size_t size, const void *caller, struct alloc_scope whose)
{
	struct alloc_block b = { data, size, caller, whose.where, whose.owner };

	if (data == NULL)
		return;
	alloc_lock();
	if (notes.used * 2 >= notes.cap)
		alloc_grow();
	alloc_put(&b);
	notes.used++;
	alloc_unlock();
}

/* Empty slot `hole` and close the chain behind it. */
static void
alloc_close(size_t hole)
{
	size_t mask = notes.cap - 1;

	notes.table[hole].data = NULL;
	for (size_t i = (hole + 1) & mask; notes.table[i].data != NULL; i = (i + 1) & mask) {
		size_t home = alloc_slot(notes.table[i].data);

		/* Move it only if the hole is on its way from home. */
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		notes.table[hole] = notes.table[i];
		notes.table[i].data = NULL;
		hole = i;
	}
	notes.used--;
}

/* Forget a block, before it goes: afterwards another thread may get it. */
static bool
alloc_drop(const void *data, struct alloc_block *was)
{
	bool found = false;

	if (data == NULL)
		return false;
	alloc_lock();
	if (notes.cap > 0) {
		size_t i = alloc_slot(data);

		while (notes.table[i].data != NULL && notes.table[i].data != data)
			i = (i + 1) & (notes.cap - 1);
		found = notes.table[i].data == data;
		if (found) {
			*was = notes.table[i];
			alloc_close(i);
		}
	}
	alloc_unlock();
	return found;
}

/* True when this allocation has to fail. */
static bool
alloc_denied(void)
{
	bool denied = false;

	if (scope.owner == 0)
		return false;
	alloc_lock();
	if (notes.fail_left > 0 && notes.fail_owner == scope.owner) {
		denied = --notes.fail_left == 0;
		notes.failed |= denied;
	}
	alloc_unlock();
	if (denied)
		errno = ENOMEM;
	return denied;
}

MK_EXPORT void *
malloc(size_t size)
{
	void *data = alloc_denied() ? NULL : __libc_malloc(size);

	alloc_note(data, size, __builtin_return_address(0), scope);
	return data;
}

MK_EXPORT void *
calloc(size_t count, size_t size)
{
	void *data = alloc_denied() ? NULL : __libc_calloc(count, size);

	alloc_note(data, count * size, __builtin_return_address(0), scope);
	return data;
}

MK_EXPORT void *
realloc(void *data, size_t size)
{
	struct alloc_block was = { NULL, 0, NULL, NULL, 0 };
	struct alloc_scope whose = scope;
	void *now;

	if (alloc_denied())
		return NULL;
	/* A block keeps its owner, whoever makes it larger. */
	if (alloc_drop(data, &was))
		whose = (struct alloc_scope){ was.owner, was.where };
	else if (data != NULL)
		whose.owner = 0;
	now = __libc_realloc(data, size);
	if (now == NULL && size > 0)
		alloc_note(was.data, was.size, was.caller, whose);
	else
		alloc_note(now, size, __builtin_return_address(0), whose);
	return now;
}

MK_EXPORT void
free(void *data)
{
	struct alloc_block was;

	alloc_drop(data, &was);
	__libc_free(data);
}

MK_EXPORT void *
memalign(size_t alignment, size_t size)
{
	void *data = alloc_denied() ? NULL : __libc_memalign(alignment, size);

	alloc_note(data, size, __builtin_return_address(0), scope);
	return data;
}

MK_EXPORT void *
aligned_alloc(size_t alignment, size_t size)
{
	void *data = alloc_denied() ? NULL : __libc_memalign(alignment, size);

	alloc_note(data, size, __builtin_return_address(0), scope);
	return data;
}

MK_EXPORT int
posix_memalign(void **out, size_t alignment, size_t size)
{
	void *data;

	if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0)
		return EINVAL;
	data = alloc_denied() ? NULL : __libc_memalign(alignment, size);
	if (data == NULL)
		return ENOMEM;
	alloc_note(data, size, __builtin_return_address(0), scope);
	*out = data;
	return 0;
}

void
alloc_fail(uint32_t owner, uint32_t n)
{
	alloc_lock();
	notes.fail_owner = owner;
	notes.fail_left = n;
	notes.failed = false;
	alloc_unlock();
}

bool
alloc_failed(uint32_t owner)
{
	bool failed;

	alloc_lock();
	failed = notes.failed && notes.fail_owner == owner;
	alloc_unlock();
	return failed;
}

static int
alloc_by_address(const void *a, const void *b)
{
	uintptr_t left = (uintptr_t)((const struct alloc_block *)a)->data;
	uintptr_t right = (uintptr_t)((const struct alloc_block *)b)->data;

	return left < right ? -1 : left > right;
}

size_t
alloc_left(uint32_t owner, struct alloc_block **out)
{
	struct alloc_block *list = NULL;
	size_t left = 0;
	size_t count = 0;

	alloc_lock();
	for (size_t i = 0; i < notes.cap; i++)
		left += notes.table[i].data != NULL && notes.table[i].owner == owner;
	if (left > 0)
		list = __libc_malloc(notes.used * sizeof(*list));
	for (size_t i = 0; list != NULL && i < notes.cap; i++) {
		if (notes.table[i].data != NULL)
			list[count++] = notes.table[i];
	}
	alloc_unlock();
	if (count > 0)
		qsort(list, count, sizeof(*list), alloc_by_address);
	*out = list;
	return count;
}

void
alloc_forget(uint32_t owner)
{
	alloc_lock();
	for (size_t i = 0; i < notes.cap; i++) {
		if (notes.table[i].owner == owner)
			notes.table[i].owner = 0;
	}
	alloc_unlock();
}

#else

void
alloc_fail(uint32_t owner, uint32_t n)
{
	(void)owner;
	(void)n;
}

bool
alloc_failed(uint32_t owner)
{
	(void)owner;
	return false;
}

size_t
alloc_left(uint32_t owner, struct alloc_block **out)
{
	(void)owner;
	*out = NULL;
	return 0;
}

void
alloc_forget(uint32_t owner)
{
	(void)owner;
}

#endif
