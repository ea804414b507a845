/* SPDX-License-Identifier: MIT
 *
 * Plugin files in throw-away processes: `meshkern-host --probe` tells the manifest, `--check` what
 * is wrong with options. Whatever the file does there, it is over when the time is up.
 */
#ifndef MK_HOST_PROBE_H
#define MK_HOST_PROBE_H

#include <stddef.h>
#include <stdint.h>

#define PROBE_ANSWER_MAX (1u << 20) /* bytes; what is beyond is thrown away */

struct probe {
	/* What to do: */
	const char *mode, *path; /* the path is absolute: else dlopen would search for it */
	const void *options;     /* as msgpack, for --check */
	size_t options_len;
	/* What came of it: */
	char error[384]; /* "" if it exited well; not "" before: it is left out */
	uint8_t *answer; /* free it */
	size_t len;
};

/* Runs all of them, up to 64 at a time, and waits until they have exited or the time is up. What
 * they started ends with them. [any thread] */
void probe_run(struct probe *probes, uint32_t count, uint64_t limit_us);

#endif
