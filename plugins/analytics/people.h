/* SPDX-License-Identifier: MIT */
#ifndef ANALYTICS_PEOPLE_H
#define ANALYTICS_PEOPLE_H

#include "module.h"

extern const struct an_module people_module;

/* "A" to "D": of the mean of a signal in dB and how much it varies. */
const char *people_grade(double mean, double sd);

#endif
