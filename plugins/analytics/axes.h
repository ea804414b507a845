/* SPDX-License-Identifier: MIT
 *
 * How much a mesh depends on each of its nodes, from the graph alone: bridge (betweenness), coverage
 * (harmonic reach) and redundancy (pairs that lose each other without it). One shortest-path search
 * per source serves bridge and coverage; a few sources at a time, so that whoever calls can do
 * something else in between.
 */
#ifndef ANALYTICS_AXES_H
#define ANALYTICS_AXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshkern/err.h>

#define AXES_WEIGHT_MIN 1e-9          /* lighter edges are none */
#define AXES_LINK_MIN (1.0 / 100 / 3) /* lighter ones do not hold the mesh together */
#define AXES_SOURCES_MAX 3000u        /* of larger graphs a sample of so many */

struct axes_edge {
	uint32_t a, b;
	double weight; /* 0..1, more is better */
};

struct axes;

/* A graph of the nodes 0..nodes-1. Loops and what is no weight are dropped, of parallel edges the
 * strongest stays. Copies the edges. */
mk_result axes_new(struct axes **out, uint32_t nodes, const struct axes_edge *edges, size_t count);
void axes_free(struct axes *x); /* takes NULL */
/* At most so many sources more. True: finished. */
bool axes_step(struct axes *x, uint32_t sources);
/* Then: divided by the largest of the graph, by node. NULL until then. */
const double *axes_bridge(const struct axes *x);
const double *axes_coverage(const struct axes *x);
const double *axes_redundancy(const struct axes *x);
size_t axes_bytes(const struct axes *x);

/* 0.30 bridge + 0.25 coverage + 0.25 redundancy + 0.20 traffic, each cut to 0..1. */
double axes_usefulness(double bridge, double coverage, double redundancy, double traffic);
/* "A" to "F". */
const char *axes_grade(double usefulness);

#endif
