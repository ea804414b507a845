/* SPDX-License-Identifier: MIT
 *
 * meshkern plugin new: a plugin that builds, from the template folder.
 *
 * The tree is made in a hidden folder beside its place and renamed when it is complete, so that
 * a failure leaves nothing. Signals wait meanwhile.
 */
/* nftw() is in the X/Open part of POSIX. */
#define _XOPEN_SOURCE 700

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <meshkern/manifest.h>

#include "child.h"
#include "clock.h"
#include "show.h"
#include "text.h"

#include "cli.h"

#define TEMPLATE_FILE_MAX (1u << 20)
#define TEMPLATE_DEPTH_MAX 8

struct mark {
	const char *from, *to;
};

struct expansion {
	struct mark marks[7]; /* in the contents of files */
	struct mark name;     /* in their names */
	uint32_t files;       /* made so far */
};

/* The text with all marks replaced. [owned] */
static char *
expand_text(const char *text, size_t len, const struct mark *marks, size_t count, size_t *out_len)
{
	char *buf = NULL;
	FILE *out = open_memstream(&buf, out_len);

	for (size_t at = 0; out != NULL && at < len;) {
		size_t i = 0;

		while (i < count && (strlen(marks[i].from) > len - at ||
				     memcmp(text + at, marks[i].from, strlen(marks[i].from)) != 0))
			i++;
		if (i == count) {
			fputc(text[at++], out);
			continue;
		}
		fputs(marks[i].to, out);
		at += strlen(marks[i].from);
	}
	if (out == NULL || fclose(out) != 0) {
		(void)cli_say(CLI_FAILED, "out of memory");
		exit(CLI_FAILED);
	}
	return buf;
}

static int
expand_file(const struct expansion *e, const char *from, const char *to, mode_t mode)
{
	size_t len = 0;
	char *text = cli_read_file(from, TEMPLATE_FILE_MAX, &len), *expanded;
	FILE *out;
	bool good;

	if (text == NULL)
		return cli_say(CLI_FAILED, "read %s: %s", from, strerror(errno));
	expanded = expand_text(text, len, e->marks, sizeof(e->marks) / sizeof(e->marks[0]), &len);
	out = fopen(to, "wx");
	good = out != NULL && fwrite(expanded, 1, len, out) == len;
	/* Scripts stay executable; everything else is left to the umask. */
	if (good && (mode & S_IXUSR) != 0)
		good = fchmod(fileno(out), mode & 0755) == 0;
	if (out != NULL && fclose(out) != 0)
		good = false;
	free(text);
	free(expanded);
	return good ? 0 : cli_say(CLI_FAILED, "write %s: %s", to, strerror(errno));
}

static int expand_folder(struct expansion *e, const char *from, const char *to, uint32_t depth);

static int
expand_entry(struct expansion *e, const char *from, const char *to, uint32_t depth)
{
	struct stat st;

	if (lstat(from, &st) == -1)
		return cli_say(CLI_FAILED, "read %s: %s", from, strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		if (depth == TEMPLATE_DEPTH_MAX)
			return cli_say(CLI_FAILED, "%s: nested too deep", from);
		if (mkdir(to, 0777) == -1)
			return cli_say(CLI_FAILED, "make %s: %s", to, strerror(errno));
		return expand_folder(e, from, to, depth + 1);
	}
	if (!S_ISREG(st.st_mode))
		return cli_say(CLI_FAILED, "%s: neither a file nor a folder", from);
	e->files++;
	return expand_file(e, from, to, st.st_mode);
}

static int
expand_folder(struct expansion *e, const char *from, const char *to, uint32_t depth)
{
	DIR *dir = opendir(from);
	const struct dirent *entry;
	int rc = 0;

	if (dir == NULL)
		return cli_say(CLI_FAILED, "read %s: %s", from, strerror(errno));
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;
		char *source, *shown, *target;
		size_t len;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		source = cli_format("%s/%s", from, name);
		shown = expand_text(name, strlen(name), &e->name, 1, &len);
		target = cli_format("%s/%s", to, shown);
		rc = expand_entry(e, source, target, depth);
		free(source);
		free(shown);
		free(target);
	}
	closedir(dir);
	return rc;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Makes `target` from the template folder, or nothing. */
static int
expand_all(struct expansion *e, const char *template, const char *target)
{
	const char *slash = strrchr(target, '/');
	char *work = cli_format("%.*s/.%s.XXXXXX", (int)(slash - target), target, slash + 1);
	mode_t mask = umask(0);
	sigset_t blocked, before;
	int rc;

	(void)umask(mask);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGHUP);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	if (mkdtemp(work) == NULL) {
		rc = cli_say(CLI_FAILED, "make a folder in %.*s: %s", (int)(slash - target), target,
			     strerror(errno));
	} else {
		rc = expand_folder(e, template, work, 0);
		/* rename replaces an empty folder at most: what holds files is never lost. */
		if (rc == 0 && (chmod(work, 0777 & ~mask) == -1 || rename(work, target) == -1))
			rc = cli_say(CLI_FAILED, "make %s: %s", target, strerror(errno));
		if (rc != 0)
			(void)nftw(work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(work);
	return rc;
}

/* Where the template is: as told, or as installed, or in the source tree. NULL after saying so. */
static char *
template_find(const char *told)
{
	static const char *const places[] = { "../share/meshkern/template", "../../sdk/template" };
	struct stat st;

	for (size_t i = 0; told == NULL && i < sizeof(places) / sizeof(places[0]); i++) {
		char *place = cli_format("%s/%s", child_exe_dir(), places[i]);

		if (stat(place, &st) == 0 && S_ISDIR(st.st_mode))
			return place;
		free(place);
	}
	if (told != NULL)
		return cli_format("%s", told);
	(void)cli_say(CLI_FAILED, "the template folder is not where the program expects it: name "
				  "it with --template FOLDER");
	return NULL;
}

/* "NAME <MAIL>": as told, or as Debian's tools have it, or something to be replaced. [owned] */
static char *
new_author(const char *told)
{
	const char *name = getenv("DEBFULLNAME"), *mail = getenv("DEBEMAIL");

	if (told != NULL)
		return cli_format("%s", told);
	return cli_format("%s <%s>", name == NULL ? "Your Name" : name,
			  mail == NULL ? "you@example.org" : mail);
}

static int
new_check(const char *name, const char *in, const char *out, const char *author)
{
	bool plain = mk_utf8_valid(author, strlen(author)) && strlen(author) < 128;

	if (!mk_id_valid(name))
		return cli_say(CLI_USAGE,
			       "\"%s\" is no plugin name: 1 to %d of a-z, 0-9 and -, a "
			       "letter first",
			       name, MK_ID_MAX);
	if (!mk_topic_valid(in, true))
		return cli_say(CLI_USAGE, "--in: \"%s\" is no topic", in);
	if (!mk_topic_valid(out, false))
		return cli_say(CLI_USAGE, "--out: \"%s\" is no topic", out);
	/* It becomes part of a string in C. */
	for (const char *c = author; *c != '\0'; c++)
		plain = plain && (uint8_t)*c >= ' ' && *c != '"' && *c != '\\' && *c != 127;
	return plain ? 0 : cli_say(CLI_USAGE, "\"%s\" cannot be the author's name", author);
}

static int
new_make(const struct cli *cli, const char *in, const char *out, const char *author)
{
	const char *name = cli->args[0], *parent = cli_value(cli, "--dir");
	char *target = cli_format("%s/%s", parent == NULL ? "." : parent, name);
	char ident[MK_ID_MAX + 1], year[8] = "", date[40] = "", *template = NULL;
	struct expansion e = { .marks = { { "@NAME@", name },
					  { "@IDENT@", ident },
					  { "@IN@", in },
					  { "@OUT@", out },
					  { "@AUTHOR@", author },
					  { "@YEAR@", year },
					  { "@DATE@", date } },
			       .name = { "NAME", name } };
	time_t now = (time_t)(clock_wall_us() / 1000000);
	struct stat st;
	struct tm tm;
	mk_writer w;
	int rc = CLI_FAILED;

	if (gmtime_r(&now, &tm) != NULL) {
		strftime(year, sizeof(year), "%Y", &tm);
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	}
	for (size_t i = 0; i < sizeof(ident) && (i == 0 || name[i - 1] != '\0'); i++)
		ident[i] = (char)(name[i] == '-' ? '_' : name[i]);
	if (lstat(target, &st) == 0)
		(void)cli_say(rc, "%s exists already: nothing was done", target);
	else
		template = template_find(cli_value(cli, "--template"));
	if (template != NULL)
		rc = expand_all(&e, template, target);
	if (rc == 0) {
		mk_writer_init(&w, 0);
		mk_put_map(&w, 2);
		show_kv(&w, "folder", target);
		mk_kv_u64(&w, "files", e.files);
		rc = show_written(cli, &w);
		if (!cli->json)
			puts("its README.md says how to build, test and load it");
	}
	free(template);
	free(target);
	return rc;
}

static int
new_run(const struct cli *cli)
{
	const char *in = cli_value(cli, "--in"), *out = cli_value(cli, "--out");
	char *snapshot = cli_format("snapshot/%s", cli->args[0]);
	char *author = new_author(cli_value(cli, "--author"));
	int rc;

	in = in == NULL ? "packet/decoded" : in;
	out = out == NULL ? snapshot : out;
	rc = new_check(cli->args[0], in, out, author);
	if (rc == 0)
		rc = new_make(cli, in, out, author);
	free(author);
	free(snapshot);
	return rc;
}

const struct command command_plugin_new = {
	.name = "plugin new",
	.usage = "NAME [--in TOPIC] [--out TOPIC] [--dir DIR]",
	.summary = "make the source of a new plugin that builds, with its tests",
	.help =
	    "Makes the folder NAME with a plugin in C that subscribes to one topic and publishes\n"
	    "to another, its tests, and a README that says what to do next. An existing folder\n"
	    "is never touched, and a failure leaves nothing behind.\n",
	.flags = { { "--in", "TOPIC", "what it subscribes to; packet/decoded" },
		   { "--out", "TOPIC", "what it publishes; snapshot/NAME" },
		   { "--dir", "DIR", "the folder in which NAME is made; the current one" },
		   { "--author", "TEXT", "NAME <MAIL>; from $DEBFULLNAME and $DEBEMAIL" },
		   { "--template", "FOLDER",
		     "another template than the one that came with this tool" } },
	.min_args = 1,
	.max_args = 1,
	.run = new_run,
};
