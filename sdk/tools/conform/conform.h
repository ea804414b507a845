/* SPDX-License-Identifier: MIT
 *
 * meshkern-conform: does a plugin keep the rules of plugin.h? Every check runs
 * in a process of its own, loads the plugin there, and drives it with the test
 * kit. What a check finds it says in one line.
 *
 *   main.c    the command line, the list, the outputs
 *   run.c     one check in its process
 *   drive.c   start an instance, keep it busy, end it
 *   bodies.c  message bodies: simple, generated, mutated
 *   config.c  configurations with one option changed
 *   check_{load,life,message,config,time}.c  the checks
 */
#ifndef MK_CONFORM_H
#define MK_CONFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshkern/codec.h>
#include <meshkern/manifest.h>
#include <meshkern/plugin.h>
#include <meshkern/testkit.h>

enum verdict { VERDICT_NONE, PASS, FAIL, SKIP };

struct report { /* shared with the process that runs the check */
	enum verdict verdict;
	char text[1024]; /* why */
	char doing[256]; /* what it is at: told if it crashes */
	char crash[128]; /* what the crash was about, if that is known */
};

struct body {
	const char *topic; /* for this one only; NULL = for all */
	uint8_t *data;
	size_t len;
};

#define WORDS_MAX 512
#define TARGETS_MAX 64

struct target { /* where bodies go */
	const char *name;
	bool method;
	uint32_t schema;
};

struct conform {
	const char *file;
	const char *config; /* YAML text, or NULL */
	struct body *given; /* --body */
	size_t given_count;
	struct report *report;
	int output; /* what the process of the check printed */

	/* In the process of a check only: */
	const mk_plugin_desc *desc;
	mk_manifest *manifest;
	char *words[WORDS_MAX]; /* strings in the plugin: likely keys and topics */
	size_t word_count;
	struct target targets[TARGETS_MAX];
	size_t target_count;
	uint64_t seed;
};

struct check {
	const char *id;
	const char *level; /* "loads", "correct" or "robust" */
	uint32_t seconds;  /* its time limit */
	bool bare;         /* runs without the plugin being loaded for it */
	const char *what;
	enum verdict (*run)(struct conform *c);
};
extern const struct check load_checks[], life_checks[], message_checks[], config_checks[],
    time_checks[]; /* end with a NULL id */

/* --- run.c --- */
/* Run one check in a process of its own; the result is in c->report. */
void conform_run(struct conform *c, const struct check *check);
/* The verdict with its sentence. */
enum verdict conform_fail(struct conform *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum verdict conform_skip(struct conform *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void conform_doing(struct conform *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Load the plugin into this process. */
enum verdict conform_load(struct conform *c);

/* --- drive.c --- */
/* A started instance, or NULL and a failed verdict. */
mk_tk *drive_start(struct conform *c, const char *config);
/* A bit of everything: messages, calls, time, answers to its own calls. */
void drive_some(struct conform *c, mk_tk *tk, uint32_t rounds);
void drive_send(struct conform *c, mk_tk *tk, const struct target *t, const void *body, size_t len);
/* Let `seconds` pass, with answers and descriptors served in between. */
void drive_time(mk_tk *tk, uint32_t seconds);
/* Stop and free. Fails if something is left behind, or a rule was broken that
 * is not what another check is about. */
enum verdict drive_end(struct conform *c, mk_tk *tk);
/* The first broken rule of a kind ("publish: "), or NULL; in a static buffer. */
const char *drive_broken(const mk_tk *tk, const char *kind);
/* What must not change: descriptors, threads, written bytes, signal handlers. */
struct traces {
	uint32_t fds, threads;
	uint64_t written;
	uint64_t handlers; /* a hash */
	bool has_written;
};
void traces_take(struct traces *t);
/* What changed since, or NULL. */
const char *traces_changed(const struct traces *before);

/* --- bodies.c --- */
/* Strings of the plugin's file and the targets made of them. */
void bodies_init(struct conform *c);
uint32_t bodies_random(struct conform *c, uint32_t below);
/* One valid body: from the given ones for the target, or generated. */
void bodies_make(struct conform *c, const struct target *t, mk_writer *w);
/* Change some bytes of w, so that it stays valid; w is left alone if that
 * does not succeed. */
void bodies_mutate(struct conform *c, mk_writer *w);
/* The same body with keys that no schema has. */
void bodies_extend(const void *body, size_t len, mk_writer *w);

/* --- config.c --- */
/* Calls `each` for every scalar option and list, also in groups; stops when it
 * does not return PASS. */
enum verdict config_each(struct conform *c,
			 enum verdict (*each)(struct conform *c, const mk_option *o,
					      const char *path));
/* Values as YAML; NULL when there are no more. `bad`: values out of range. */
char *config_value(const mk_option *o, uint32_t i, bool bad);
/* --config with the option at `path` set to a value; to be freed. */
char *config_with(struct conform *c, const char *path, const char *value);

#endif
