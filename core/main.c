/* SPDX-License-Identifier: MIT
 *
 * meshkernd: the daemon.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "child.h"
#include "core.h"
#include "heap.h"

static const char usage[] =
    "usage: meshkernd [-c FILE] [--check]\n"
    "\n"
    "Runs meshkern in the foreground and logs to stderr. SIGTERM and SIGINT stop it after\n"
    "everything under way has arrived, SIGHUP reads the configuration again.\n"
    "\n"
    "  -c, --config FILE   the configuration (meshkern.yaml)\n"
    "      --check         check the configuration, all plugins included, and exit:\n"
    "                      0 if it is good, 2 if not\n"
    "      --version       print the version\n"
    "      --help          print this\n";

struct main_options {
	const char *file;
	bool check;
};

/* Returns -1 to go on, else the exit status. */
static int
main_parse(int argc, char **argv, struct main_options *o)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
						 { "check", no_argument, NULL, 'k' },
						 { "version", no_argument, NULL, 'v' },
						 { "help", no_argument, NULL, 'h' },
						 { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->file = optarg;
			break;
		case 'k':
			o->check = true;
			break;
		case 'v':
			puts("meshkernd " MK_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "meshkernd: unexpected argument %s\n%s", argv[optind], usage);
	return 2;
}

static int
main_check(const struct main_options *o, mk_problems *problems)
{
	struct plan *plan = plan_prepare(o->file, child_builtin_dirs(), problems);

	mk_problems_print(problems, stderr);
	if (plan == NULL)
		return 2;
	plan_unref(plan);
	printf("%s: good\n", o->file);
	return 0;
}

static int
main_run(const struct main_options *o, mk_problems *problems)
{
	struct core *core = NULL;
	mk_err err = { 0 };
	sigset_t set;
	int signals;
	mk_result rc;

	/* Before the first thread is started: all of them inherit it. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	log_init(STDERR_FILENO, MK_LOG_INFO, LOG_TEXT);
	rc = core_new(&core, o->file, child_builtin_dirs(), problems, &err);
	mk_problems_print(problems, stderr);
	if (rc == MK_OK) {
		log_info("core", "meshkernd %s  config=%s data_dir=%s", MK_VERSION, o->file,
			 core->plan->settings->data_dir);
		core_run(core, signals);
	} else if (mk_problems_count(problems) == 0) {
		log_error("core", "%s", err.text);
	}
	core_free(core);
	close(signals);
	return rc == MK_OK ? 0 : mk_problems_count(problems) > 0 ? 2 : 1;
}

int
main(int argc, char **argv)
{
	struct main_options o = { .file = "meshkern.yaml" };
	int status = main_parse(argc, argv, &o);
	mk_problems *problems;

	if (status != -1)
		return status;
	heap_init();
	problems = mk_problems_new(o.file);
	if (problems == NULL)
		return 1;
	status = o.check ? main_check(&o, problems) : main_run(&o, problems);
	mk_problems_free(problems);
	return status;
}
