/* SPDX-License-Identifier: MIT
 *
 * Work that may take long and that nobody waits for: one after the other, in the order it was given,
 * on a thread that lives while there is some. What is not done when the process ends is left undone.
 */
#ifndef MK_HOST_LATER_H
#define MK_HOST_LATER_H

struct later { /* part of what it is about; the work may free it */
	void (*work)(void *arg);
	void *arg;
	struct later *next;
};

/* Now, by the caller, where there can be no thread. [any thread] */
void later_do(struct later *l, void (*work)(void *arg), void *arg);

#endif
