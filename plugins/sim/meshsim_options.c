/* SPDX-License-Identifier: MIT
 *
 * The command line of meshsim.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "meshsim.h"

static const char help[] =
    "usage: meshsim [OPTION...] (--json FILE|- | --publish mqtt://HOST[:PORT])\n"
    "A synthetic mesh: what its observers publish over MQTT.\n"
    "\n"
    "  --json FILE          write messages as JSON lines {\"topic\", \"payload\"}; - is the "
    "output\n"
    "  --publish URL        publish them to a broker, in the time of the mesh\n"
    "  --truth FILE         write what really happened, as JSON lines\n"
    "\n"
    "  --nodes N            2 to 4000 (60)\n"
    "  --observers N        nodes that report what they hear (12)\n"
    "  --phones N           phones that drive around (3)\n"
    "  --seed N             another seed, another mesh (1)\n"
    "  --rate R             receptions in a second of the mesh's time, 1 to 50000 (5)\n"
    "  --start SECONDS|now  Unix time at which it begins (with --publish now, else 1767225600)\n"
    "  --center LAT,LON     the middle of the towns (50.95,4.35)\n"
    "  --regions A,B,...    airport codes from west to east (OST,BRU,ANR,LGG)\n"
    "  --scopes A,B         names of regions for scoped floods; \"\" for none "
    "(belgium,vlaanderen)\n"
    "  --damaged P          share of receptions with a wrong bit (0.002)\n"
    "  --spoiled P          share of floods that a relay sends on with wrong bits (0)\n"
    "  --repeated P         share of receptions that arrives twice (0.01)\n"
    "  --forged P           share of packets that are forged adverts (0.005)\n"
    "  --distinct           every reception makes a new row: the last three are 0, phones too, "
    "and\n"
    "                       what an observer hears a second time is left out\n"
    "\n"
    "  --count N            end after N receptions (with --json 1000)\n"
    "  --duration S         end after S seconds of the mesh's time\n"
    "  --qos 0|1            (1)\n"
    "  --connections N      1 to 64 (1)\n"
    "  --inflight N         messages of a connection that are not acknowledged yet (500)\n"
    "  --flat-out           do not wait for the time of the mesh\n"
    "  --pregenerate        make all messages before the first is published; needs --count\n";

static bool
number(const char *text, double low, double high, double *out)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(text, &end);
	if (end == text || *end != '\0' || errno != 0 || !(v >= low && v <= high))
		return false;
	*out = v;
	return true;
}

static bool
whole(const char *text, uint64_t low, uint64_t high, uint64_t *out)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || v < low || v > high)
		return false;
	*out = v;
	return true;
}

static bool
small(const char *text, uint64_t low, uint64_t high, uint32_t *out)
{
	uint64_t v;

	if (!whole(text, low, high, &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

/* Cuts `text` up. What has too many parts is left to the check of the options. */
#define PARTS_MAX 64
struct parts {
	const char *at[PARTS_MAX + 1];
};

static bool
split(char *text, struct parts *out)
{
	uint32_t count = 0;
	char *next;

	for (; text != NULL && *text != '\0'; text = next) {
		next = strchr(text, ',');
		if (next != NULL)
			*next++ = '\0';
		if (count == PARTS_MAX)
			return false;
		out->at[count++] = text;
	}
	out->at[count] = NULL;
	return true;
}

static bool
center(char *text, struct sim_options *o)
{
	char *comma = strchr(text, ',');

	if (comma == NULL)
		return false;
	*comma = '\0';
	return number(text, -80, 80, &o->lat) && number(comma + 1, -177, 177, &o->lon);
}

static bool
start(const char *text, struct sim_options *o)
{
	struct timespec now;
	uint64_t seconds;

	if (strcmp(text, "now") != 0) {
		if (!whole(text, 1, UINT32_MAX, &seconds))
			return false;
		o->start_us = seconds * 1000000;
		return true;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	o->start_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	return true;
}

/* Options with a value: 1 taken, 0 not one, -1 a wrong value. */
static int
take(struct meshsim_options *o, const char *name, char *v)
{
	static struct parts regions, scopes; /* of the process's only command line */
	struct sim_options *s = &o->sim;
	bool good;

	if (strcmp(name, "--json") == 0)
		good = (o->json = v) != NULL;
	else if (strcmp(name, "--publish") == 0)
		good = strncmp(o->broker = v, "mqtt://", 7) == 0;
	else if (strcmp(name, "--truth") == 0)
		good = (o->truth = v) != NULL;
	else if (strcmp(name, "--nodes") == 0)
		good = small(v, 2, SIM_NODES_MAX, &s->nodes);
	else if (strcmp(name, "--observers") == 0)
		good = small(v, 1, SIM_OBSERVERS_MAX, &s->observers);
	else if (strcmp(name, "--phones") == 0)
		good = small(v, 0, SIM_PHONES_MAX, &s->phones);
	else if (strcmp(name, "--seed") == 0)
		good = whole(v, 0, UINT64_MAX, &s->seed);
	else if (strcmp(name, "--rate") == 0)
		good = number(v, 1, SIM_RATE_MAX, &s->rate);
	else if (strcmp(name, "--start") == 0)
		good = start(v, s);
	else if (strcmp(name, "--center") == 0)
		good = center(v, s);
	else if (strcmp(name, "--regions") == 0)
		good = split(v, &regions) && (s->regions = regions.at) != NULL;
	else if (strcmp(name, "--scopes") == 0)
		good = split(v, &scopes) && (s->scopes = scopes.at) != NULL;
	else if (strcmp(name, "--damaged") == 0)
		good = number(v, 0, 1, &s->damaged);
	else if (strcmp(name, "--spoiled") == 0)
		good = number(v, 0, 1, &s->spoiled);
	else if (strcmp(name, "--repeated") == 0)
		good = number(v, 0, 1, &s->repeated);
	else if (strcmp(name, "--forged") == 0)
		good = number(v, 0, 1, &s->forged);
	else if (strcmp(name, "--count") == 0)
		good = whole(v, 1, UINT64_MAX, &o->count);
	else if (strcmp(name, "--duration") == 0)
		good = number(v, 0.001, 1e9, &o->duration_s);
	else if (strcmp(name, "--qos") == 0)
		good = small(v, 0, 1, &o->qos);
	else if (strcmp(name, "--connections") == 0)
		good = small(v, 1, 64, &o->connections);
	else if (strcmp(name, "--inflight") == 0)
		good = small(v, 1, 60000, &o->inflight);
	else
		return 0;
	return good ? 1 : -1;
}

static int
wrong(const char *what, const char *which)
{
	fprintf(stderr, "meshsim: %s%s; --help shows what there is\n", which, what);
	return 2;
}

static int
settle(struct meshsim_options *o, bool started)
{
	mk_err err;
	char now[] = "now";

	if ((o->json == NULL) == (o->broker == NULL))
		return wrong("expected --json or --publish", "");
	if (o->broker != NULL && !started)
		start(now, &o->sim);
	if (o->json != NULL && o->count == 0 && o->duration_s <= 0)
		o->count = 1000;
	if (o->pregenerate && o->count == 0)
		return wrong("--pregenerate needs --count", "");
	if (o->distinct) {
		o->sim.damaged = o->sim.spoiled = o->sim.repeated = o->sim.forged = 0;
		o->sim.phones = 0;
	}
	return sim_check(&o->sim, &err) == MK_OK ? 0 : wrong(err.text, "");
}

int
meshsim_options(int argc, char **argv, struct meshsim_options *o)
{
	bool started = false;

	*o = (struct meshsim_options){
		.sim = sim_defaults, .qos = 1, .connections = 1, .inflight = 500
	};
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i];
		int taken;

		if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
			fputs(help, stdout);
			return -1;
		}
		if (strcmp(name, "--distinct") == 0) {
			o->distinct = true;
			continue;
		}
		if (strcmp(name, "--flat-out") == 0) {
			o->flat_out = true;
			continue;
		}
		if (strcmp(name, "--pregenerate") == 0) {
			o->pregenerate = true;
			continue;
		}
		if (i + 1 == argc)
			return wrong(": unknown, or without a value", name);
		taken = take(o, name, argv[++i]);
		if (taken <= 0)
			return wrong(taken == 0 ? ": unknown option"
						: ": this value is not possible",
				     name);
		started |= strcmp(name, "--start") == 0;
	}
	return settle(o, started);
}
