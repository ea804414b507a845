/* SPDX-License-Identifier: MIT
 *
 * Messages as a plugin gets them: valid until the callback returns, not a
 * moment longer. The copy ends right before a page that cannot be read, which
 * finds reading too far; when it is given back it cannot be read at all, which
 * finds pointers that were kept. Both end the test with SIGSEGV on the spot,
 * in every build.
 */
#define _GNU_SOURCE
#include "kit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BODY_KEPT 64
#define BODY_HEAD 256 /* room for the structure itself */

static_assert(sizeof(mk_msg) <= BODY_HEAD && sizeof(mk_call) <= BODY_HEAD &&
		  sizeof(mk_reply) <= BODY_HEAD,
	      "the structure fits");

/* What was given back and still has its addresses; the oldest is reused. */
static struct {
	struct tk_loan loans[BODY_KEPT];
	size_t next;
	struct tk_loan newest; /* may still be lent */
} kept;

/* Put `len` bytes before `end`; where they are now. */
static uint8_t *
body_push(uint8_t *end, const void *data, size_t len)
{
	if (len > 0)
		memcpy(end - len, data, len);
	return end - len;
}

struct tk_loan
tk_lend(const void *body, size_t body_len, const char *first, const char *second)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t first_len = strlen(first) + 1;
	size_t second_len = strlen(second) + 1;
	size_t need = body_len + first_len + second_len + BODY_HEAD;
	struct tk_loan loan;
	uint8_t *end;

	need = (need + page - 1) / page * page;
	loan.size = need + page;
	loan.head =
	    mmap(NULL, loan.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (loan.head == MAP_FAILED || mprotect((char *)loan.head + need, page, PROT_NONE) != 0)
		abort(); /* a test program without memory */
	end = body_push((uint8_t *)loan.head + need, body, body_len);
	loan.body = body != NULL ? end : NULL;
	end = body_push(end, first, first_len);
	loan.first = (const char *)end;
	end = body_push(end, second, second_len);
	loan.second = (const char *)end;
	kept.newest = loan;
	return loan;
}

void
tk_give_back(struct tk_loan *loan)
{
	struct tk_loan *slot = &kept.loans[kept.next++ % BODY_KEPT];

	/* The memory goes, the addresses stay taken. */
	if (madvise(loan->head, loan->size, MADV_DONTNEED) != 0 ||
	    mprotect(loan->head, loan->size, PROT_NONE) != 0)
		abort();
	if (slot->head != NULL)
		munmap(slot->head, slot->size);
	*slot = *loan;
	loan->head = NULL;
}

static bool
body_has(const struct tk_loan *loan, uintptr_t address)
{
	uintptr_t start = (uintptr_t)loan->head;

	return start != 0 && address >= start && address - start < loan->size;
}

bool
tk_was_lent(const void *address)
{
	bool lent = body_has(&kept.newest, (uintptr_t)address);

	for (size_t i = 0; i < BODY_KEPT && !lent; i++)
		lent = body_has(&kept.loans[i], (uintptr_t)address);
	return lent;
}
