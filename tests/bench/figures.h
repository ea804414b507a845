/* SPDX-License-Identifier: MIT
 *
 * What the benchmarks share: one line per figure, in the form that scripts/bench reads.
 */
#ifndef MK_BENCH_FIGURES_H
#define MK_BENCH_FIGURES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FIGURE_RUNS 64

struct figure { /* one metric of one case, over its runs */
	const char *metric, *unit;
	double runs[FIGURE_RUNS];
	uint32_t count;
};

static inline void
figure_add(struct figure *f, const char *metric, const char *unit, double value)
{
	f->metric = metric;
	f->unit = unit;
	if (f->count < FIGURE_RUNS)
		f->runs[f->count++] = value;
}

static inline int
figure_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Nothing for a metric that was not measured. */
static inline void
figure_print(struct figure *f, const char *bench, const char *name)
{
	uint32_t n = f->count;
	double median;
	int digits;

	if (n == 0)
		return;
	qsort(f->runs, n, sizeof(f->runs[0]), figure_compare);
	median = (f->runs[(n - 1) / 2] + f->runs[n / 2]) / 2;
	digits = median < 10 ? 3 : median < 1000 ? 1 : 0;
	printf("bench=%s case=%s metric=%s unit=%s median=%.*f min=%.*f max=%.*f runs=%u\n", bench,
	       name, f->metric, f->unit, digits, median, digits, f->runs[0], digits, f->runs[n - 1],
	       n);
	fflush(stdout);
}

#endif
