/* SPDX-License-Identifier: MIT
 *
 * What the server answers, as tables. This header and request.h are all that the author of a route
 * needs; OpenAPI is made from the same tables.
 *
 *   static void
 *   nodes_list(struct request *rq, struct json *out)
 *   {
 *           int64_t limit = request_int(rq, "limit");
 *           ...
 *   }
 *
 *   static const struct route_param nodes_params[] = {
 *           { "limit", PARAM_LIMIT, .dflt = 50, .max = 2000, .help = "at most so many" },
 *           { NULL },
 *   };
 *
 *   const struct route node_routes[] = {
 *           { "GET", "/api/nodes", nodes_list, nodes_params, .reads = MODEL_NODES, .cost = 2 },
 *           { NULL },
 *   };
 */
#ifndef MK_HTTP_ROUTE_H
#define MK_HTTP_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "../json/json.h"
#include "target.h"

struct request;

enum param_type {
	PARAM_TEXT,  /* min 1: it must be there; max: bytes, 0 = 1024 */
	PARAM_INT,   /* no number: dflt. Outside of min..max: the nearer one */
	PARAM_LIMIT, /* no number or below 1: dflt. Above max: max */
	PARAM_BOOL,  /* "true", "1", "false", "0"; anything else: dflt */
	PARAM_ENUM,  /* index among the choices; anything else: dflt */
	PARAM_FLOAT, /* no number: dflt. Outside of min..max: the nearer one */
};

struct route_param {
	const char *name;
	enum param_type type;
	int64_t dflt, min, max;
	const char *const *choices; /* PARAM_ENUM; ends with NULL */
	const char *error; /* a bad value is a 400 with this text, in place of the default */
	const char *help;
	uint8_t
	    list; /* of a limit: which of the configured ones (enum settings_list) is above it */
};

/* route.flags */
#define ROUTE_KEY (1u << 0)          /* needs the API key */
#define ROUTE_PLAIN_ERRORS (1u << 1) /* errors are text/plain */
#define ROUTE_LASTING (1u << 3) /* browsers may keep it for a day without asking; not squeezed */
#define ROUTE_SLASH (1u << 4)   /* what stands for a {name} of the pattern may have a "/" in it */
#define ROUTE_OPEN (1u << 2)    /* any origin may read it: Access-Control-Allow-Origin: * */

struct route {
	const char *method;  /* "GET" answers HEAD, too */
	const char *pattern; /* "/api/nodes/{pubkey}/health" */
	/* Runs on a server thread, under the model's read lock if the route reads anything. Writes
	 * the answer, or calls request_fail() or request_call(). Must not block. */
	void (*handle)(struct request *rq, struct json *out);
	const struct route_param *params; /* ends with a NULL name; or NULL */
	uint32_t flags;
	/* Parts of the model it looks at (MODEL_*). The answer is kept, with its gzip form and ETag,
	 * until one of them changes; 0: never kept. */
	uint32_t reads;
	uint32_t max_age_s; /* kept at least so long, whatever changes; at most if reads is 0 */
	uint32_t stale_s;   /* kept at most so long although nothing changes; 0: no limit */
	uint32_t cost;      /* taken from the client's budget; 0: free */
	uint32_t body_max;  /* of a POST or PUT; above: 413 */
	const char *type;   /* Content-Type; NULL: application/json */
	const char *summary;
	const char *answer; /* for the documentation: what comes back */
};

#define ROUTE_ARGS 4u

struct route_match {
	const struct route *route; /* NULL: nothing has this path */
	uint32_t index;            /* for router_at() */
	const char *args[ROUTE_ARGS];
	char allow[64]; /* the methods this path has, if none of its routes has the one asked for */
};

/* All tables together, looked up by path. Immutable once made. */
struct router;

/* `tables` ends with NULL, each table with a NULL method. NULL: out of memory. */
struct router *router_new(const struct route *const *tables);
void router_free(struct router *r); /* takes NULL */
/* Fixed segments win over parameters. */
void router_find(const struct router *r, const char *method, const struct target *t,
		 struct route_match *match);
uint32_t router_count(const struct router *r);
const struct route *router_at(const struct router *r, uint32_t i);

/* A query value as its parameter says. False: it is bad, and the parameter has an error for that. */
struct param_value {
	const char *text; /* as it was given, NULL if it was not */
	int64_t number;
	double real;
};
bool route_param_read(const struct route_param *p, const char *text, struct param_value *out);

#endif
