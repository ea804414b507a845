/* SPDX-License-Identifier: MIT
 *
 * What the commands need from the system: messages, memory, files beside the program, the
 * configuration file, helper programs.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "settings.h"
#include "text.h"

void *
cli_alloc(void *old, size_t size)
{
	void *p = realloc(old, size == 0 ? 1 : size);

	if (p == NULL) {
		fputs("meshkern: out of memory\n", stderr);
		exit(CLI_FAILED);
	}
	return p;
}

__attribute__((format(printf, 1, 0))) static char *
cli_vformat(const char *format, va_list ap)
{
	va_list again;
	char *s;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	s = cli_alloc(NULL, len < 0 ? 1 : (size_t)len + 1);
	s[0] = '\0';
	if (len > 0)
		vsnprintf(s, (size_t)len + 1, format, ap);
	return s;
}

char *
cli_format(const char *format, ...)
{
	va_list ap;
	char *s;

	va_start(ap, format);
	s = cli_vformat(format, ap);
	va_end(ap);
	return s;
}

int
cli_say(int status, const char *format, ...)
{
	va_list ap;
	char *s, *clean;

	va_start(ap, format);
	s = cli_vformat(format, ap);
	va_end(ap);
	clean = text_clean(s, strlen(s), 0, NULL);
	fflush(stdout); /* so that the two do not change places on a terminal */
	fprintf(stderr, "meshkern: %s\n", clean);
	free(clean);
	free(s);
	return status;
}

char *
cli_read_file(const char *path, size_t max, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
	struct stat st = { 0 };
	size_t used = 0;
	char *buf;
	ssize_t n = 0;

	if (fd == -1)
		return NULL;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > max) {
		close(fd);
		errno = S_ISDIR(st.st_mode) ? EISDIR : S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		return NULL;
	}
	buf = cli_alloc(NULL, (size_t)st.st_size + 1);
	while (used < (size_t)st.st_size &&
	       (n = read(fd, buf + used, (size_t)st.st_size - used)) > 0)
		used += (size_t)n;
	close(fd);
	if (n < 0) {
		free(buf);
		return NULL;
	}
	buf[used] = '\0';
	*len = used;
	return buf;
}

/* ------------------------------------------------------- configuration -- */

#define CONFIG_HERE "meshkern.yaml"
#define CONFIG_SYSTEM "/etc/meshkern/meshkern.yaml"

const char *
config_find(const struct cli *cli)
{
	if (cli->config != NULL)
		return cli->config;
	if (access(CONFIG_HERE, F_OK) == 0)
		return CONFIG_HERE;
	return access(CONFIG_SYSTEM, F_OK) == 0 ? CONFIG_SYSTEM : NULL;
}

int
config_open(struct config *c, const struct cli *cli)
{
	mk_problems *problems;
	const char *slash;
	mk_yaml *yaml;
	size_t len = 0;
	char *text;

	*c = (struct config){ .file = config_find(cli) };
	if (c->file == NULL)
		return cli_say(CLI_USAGE, "found neither ./" CONFIG_HERE " nor " CONFIG_SYSTEM
					  ": name the configuration with -c FILE or the daemon's "
					  "socket with --control SOCKET");
	text = cli_read_file(c->file, 1u << 20, &len);
	if (text == NULL)
		return cli_say(CLI_USAGE, "read %s: %s", c->file, strerror(errno));
	problems = mk_problems_new(c->file);
	yaml = problems == NULL ? NULL : mk_yaml_load(text, len, problems);
	free(text);
	if (problems == NULL)
		return cli_say(CLI_FAILED, "out of memory");
	for (uint32_t i = 0; yaml == NULL && i < mk_problems_lines(problems); i++)
		(void)cli_say(CLI_USAGE, "%s", mk_problems_line(problems, i));
	if (yaml != NULL)
		c->values = mk_options_read(settings_table, mk_yaml_root(yaml), "", problems);
	mk_yaml_free(yaml);
	mk_problems_free(problems);
	slash = strrchr(c->file, '/');
	c->dir =
	    slash == NULL ? cli_format(".") : cli_format("%.*s", (int)(slash - c->file), c->file);
	return c->values == NULL ? CLI_USAGE : 0;
}

void
config_close(struct config *c)
{
	mk_values_free(c->values);
	free(c->dir);
	*c = (struct config){ 0 };
}

char *
config_path(const struct config *c, const char *path)
{
	if (strncmp(path, "./", 2) == 0)
		path += 2;
	if (path[0] == '/' || strcmp(c->dir, ".") == 0)
		return cli_format("%s", path);
	return cli_format("%s/%s", c->dir, path);
}
