/* SPDX-License-Identifier: MIT
 *
 * The command line of meshkern-conform, and its outputs: lines for people, TAP
 * and JUnit for machines.
 */
#define _GNU_SOURCE
#include "conform.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kit.h"

#define MAIN_CHECKS_MAX 64
#define MAIN_BODIES_MAX 1000
#define MAIN_FILE_MAX (64u << 20)

enum format { FORMAT_HUMAN, FORMAT_TAP, FORMAT_JUNIT };

struct result {
	const struct check *check;
	struct report report;
	double seconds;
	char output[4096]; /* what the plugin printed, if it failed */
};

struct run {
	struct conform c;
	enum format format;
	bool list;
	const char *only, *skip; /* ids with commas between, or NULL */
	struct result results[MAIN_CHECKS_MAX];
	size_t count;
	uint32_t totals[SKIP + 1];
	bool left_out;   /* some were not run: no badge */
	bool not_loaded; /* its descriptor is bad: there is nothing to drive */
};

static const char usage[] =
    "usage: meshkern-conform FILE.so [options]\n"
    "       meshkern-conform --list\n"
    "\n"
    "Checks that a plugin keeps the rules of <meshkern/plugin.h>. Each check runs in\n"
    "a process of its own. Exit status: 0 all passed, 1 some failed, 2 wrong usage.\n"
    "\n"
    "  --only ID,...          run only these checks\n"
    "  --skip ID,...          leave these checks out\n"
    "  --config YAML          the plugin's configuration, as text or as @FILE\n"
    "  --body TOPIC=FILE      a message body (msgpack) for a topic or method; repeatable\n"
    "  --format FORMAT        human (default), tap or junit\n"
    "  --list                 print the checks\n";

__attribute__((noreturn, format(printf, 1, 2))) static void
main_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("meshkern-conform: ", stderr);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

/* A whole file, with a NUL behind it. */
static char *
main_read(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rbe");
	char *data = malloc(MAIN_FILE_MAX + 1u);

	if (f == NULL || data == NULL)
		main_fail("cannot open %s", path);
	*len = fread(data, 1, MAIN_FILE_MAX, f);
	if (ferror(f) || getc(f) != EOF)
		main_fail("cannot read %s", path);
	fclose(f);
	data[*len] = '\0';
	return realloc(data, *len + 1);
}

static void
main_body(struct run *run, char *argument)
{
	char *equals = strchr(argument, '=');
	struct body *b;
	char why[128];

	if (equals == NULL || run->c.given_count == MAIN_BODIES_MAX)
		main_fail("--body: expected TOPIC=FILE, at most %d times", MAIN_BODIES_MAX);
	*equals = '\0';
	b = &run->c.given[run->c.given_count++];
	b->topic = argument;
	b->data = (uint8_t *)main_read(equals + 1, &b->len);
	if (mk_validate(b->data, b->len, NULL, why, sizeof(why)) != MK_OK)
		main_fail("--body %s: %s", equals + 1, why);
	if (!tk_is_map(b->data, b->len))
		main_fail("--body %s: not a map", equals + 1);
}

static bool
main_in_list(const char *list, const char *id)
{
	size_t len = strlen(id);

	for (const char *at = list; at != NULL && *at != '\0'; at += strspn(at, ",")) {
		size_t n = strcspn(at, ",");

		if (n == len && strncasecmp(at, id, len) == 0)
			return true;
		at += n;
	}
	return false;
}

static const struct check *
main_check(size_t i)
{
	static const struct check *const tables[] = { load_checks, life_checks, message_checks,
						      config_checks, time_checks };

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (const struct check *check = tables[t]; check->id != NULL; check++) {
			if (i-- == 0)
				return check;
		}
	}
	return NULL;
}

static void
main_known(const char *option, const char *list)
{
	char id[16];

	for (const char *at = list; at != NULL && *at != '\0'; at += strspn(at, ",")) {
		size_t n = strcspn(at, ",");
		const struct check *check;
		size_t i = 0;

		snprintf(id, sizeof(id), "%.*s", (int)n, at);
		while ((check = main_check(i)) != NULL && strcasecmp(check->id, id) != 0)
			i++;
		if (check == NULL)
			main_fail("%s: there is no check %s (see --list)", option, id);
		at += n;
	}
}

static void
main_options(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{ "only", required_argument, NULL, 'o' },
		{ "skip", required_argument, NULL, 's' },
		{ "config", required_argument, NULL, 'c' },
		{ "body", required_argument, NULL, 'b' },
		{ "format", required_argument, NULL, 'f' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static const char *const formats[] = { "human", "tap", "junit" };
	size_t len;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'o':
			run->only = optarg;
			break;
		case 's':
			run->skip = optarg;
			break;
		case 'c':
			run->c.config = optarg[0] == '@' ? main_read(optarg + 1, &len) : optarg;
			break;
		case 'b':
			main_body(run, optarg);
			break;
		case 'f':
			while (run->format < 3 && strcmp(formats[run->format], optarg) != 0)
				run->format++;
			if (run->format == 3)
				main_fail("--format: expected human, tap or junit");
			break;
		case 'l':
			run->list = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	main_known("--only", run->only);
	main_known("--skip", run->skip);
	if (!run->list && optind != argc - 1) {
		fputs(usage, stderr);
		exit(2);
	}
}

/* -------------------------------------------------------------- output --- */

static const char *const verdicts[] = { "?", "ok", "FAIL", "skip" };

/* What the plugin printed, indented; the lines of JUnit are not. */
static void
print_output(const char *text, const char *before)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		printf("%s%.*s\n", before, (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static void
print_one(const struct run *run, const struct result *r)
{
	const struct check *check = r->check;

	if (run->format == FORMAT_HUMAN) {
		printf("%-4s  %s  %s%s%s\n", verdicts[r->report.verdict], check->id, check->what,
		       r->report.text[0] != '\0' ? ": " : "", r->report.text);
		print_output(r->output, "          | ");
	} else if (run->format == FORMAT_TAP) {
		printf("%s %zu - %s %s%s%s\n", r->report.verdict == FAIL ? "not ok" : "ok",
		       run->count, check->id, check->what,
		       r->report.verdict == SKIP ? " # SKIP " : "",
		       r->report.verdict == SKIP ? r->report.text : "");
		if (r->report.verdict == FAIL)
			print_output(r->report.text, "# ");
		print_output(r->output, "# ");
	}
	fflush(stdout);
}

static void
print_xml(const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '<' || byte == '>' || byte == '&' || byte == '"')
			printf("&#%d;", byte);
		else if (byte >= 0x20 || byte == '\n' || byte == '\t')
			putchar(byte);
		else
			putchar('?'); /* XML has no such character */
	}
}

static void
print_junit(const struct run *run)
{
	static const char *const elements[] = { NULL, NULL, "failure", "skipped" };

	puts("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
	printf(
	    "<testsuite name=\"meshkern-conform\" tests=\"%zu\" failures=\"%u\" skipped=\"%u\">\n",
	    run->count, run->totals[FAIL], run->totals[SKIP]);
	for (size_t i = 0; i < run->count; i++) {
		const struct result *r = &run->results[i];
		const char *element = elements[r->report.verdict];

		printf("  <testcase classname=\"");
		print_xml(run->c.file);
		printf("\" name=\"%s ", r->check->id);
		print_xml(r->check->what);
		printf("\" time=\"%.3f\">", r->seconds);
		if (element != NULL) {
			printf("<%s message=\"", element);
			print_xml(r->report.text);
			printf("\">");
			print_xml(r->output);
			printf("</%s>", element);
		}
		puts("</testcase>");
	}
	puts("</testsuite>");
}

/* The highest level of which no check, and none below, failed. */
static const char *
main_badge(const struct run *run)
{
	static const char *const levels[] = { "loads", "correct", "robust" };
	const char *badge = "none";

	if (run->left_out)
		return "not rated, because checks were left out";
	for (size_t k = 0; k < sizeof(levels) / sizeof(levels[0]); k++) {
		for (size_t i = 0; i < run->count; i++) {
			if (strcmp(run->results[i].check->level, levels[k]) == 0 &&
			    run->results[i].report.verdict == FAIL)
				return badge;
		}
		badge = levels[k];
	}
	return badge;
}

static void
print_end(const struct run *run)
{
	FILE *out = run->format == FORMAT_JUNIT ? stderr : stdout;
	const char *before = run->format == FORMAT_TAP ? "# " : "";

	if (run->format == FORMAT_TAP)
		printf("1..%zu\n", run->count);
	if (run->format == FORMAT_JUNIT)
		print_junit(run);
	fprintf(out, "%slevel: %s\n", before, main_badge(run));
	fprintf(out, "%s%u passed, %u failed, %u skipped\n", before, run->totals[PASS],
		run->totals[FAIL], run->totals[SKIP]);
}

/* ---------------------------------------------------------------- main --- */

static void
main_run(struct run *run, const struct check *check)
{
	struct result *r = &run->results[run->count++];
	uint64_t before_us = tk_real_us();
	ssize_t n = 0;

	r->check = check;
	if (run->not_loaded && !check->bare)
		*run->c.report = (struct report){ .verdict = SKIP, .text = "it cannot be loaded" };
	else
		conform_run(&run->c, check);
	r->report = *run->c.report;
	r->seconds = (double)(tk_real_us() - before_us) / 1e6;
	if (r->report.verdict == FAIL)
		n = pread(run->c.output, r->output, sizeof(r->output) - 1, 0);
	r->output[n > 0 ? n : 0] = '\0';
	run->totals[r->report.verdict]++;
	/* A1 to A3 are about the descriptor. */
	if (r->report.verdict == FAIL && check->id[0] == 'A' && check->id[1] <= '3')
		run->not_loaded = true;
	print_one(run, r);
}

int
main(int argc, char **argv)
{
	static struct run run;
	const struct check *check;
	struct body *given = calloc(MAIN_BODIES_MAX, sizeof(*given));
	void *shared = mmap(NULL, sizeof(struct report), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	run.c.given = given;
	run.c.output = memfd_create("output", MFD_CLOEXEC);
	if (shared == MAP_FAILED || given == NULL || run.c.output < 0)
		main_fail("no memory");
	run.c.report = shared;
	main_options(&run, argc, argv);
	for (size_t i = 0; run.list && (check = main_check(i)) != NULL; i++)
		printf("%s  %-7s  %s\n", check->id, check->level, check->what);
	if (run.list)
		return 0;
	/* With a slash in it, or dlopen would look elsewhere. */
	run.c.file = realpath(argv[optind], NULL);
	if (run.c.file == NULL || access(run.c.file, R_OK) != 0)
		main_fail("cannot read %s", argv[optind]);
	for (size_t i = 0; (check = main_check(i)) != NULL; i++) {
		if ((run.only != NULL && !main_in_list(run.only, check->id)) ||
		    main_in_list(run.skip, check->id))
			run.left_out = true;
		else
			main_run(&run, check);
	}
	print_end(&run);
	return run.totals[FAIL] > 0;
}
