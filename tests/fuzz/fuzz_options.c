/* SPDX-License-Identifier: MIT
 *
 * Options read from any text; what is good must survive the wire unchanged.
 * Input that begins with the byte 1, which no YAML does, is read as values
 * from the wire instead.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/options.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const modes[] = { "fast", "safe", NULL };

static const mk_option inner[] = {
	{ .name = "main", .type = MK_OPT_STRING, .flags = MK_OPT_MAIN | MK_OPT_REQUIRED },
	{ .name = "port", .type = MK_OPT_INT, .min = 1, .max = 65535, .dflt = "1883" },
	{ .name = "pass", .type = MK_OPT_STRING, .min = 2, .flags = MK_OPT_SECRET },
	{ .name = NULL },
};

static const mk_option outer[] = {
	{ .name = "each", .type = MK_OPT_GROUPS, .sub = inner, .dflt = "[ a, { main: b } ]" },
	{ .name = "opt", .type = MK_OPT_GROUP, .sub = inner, .flags = MK_OPT_LIVE },
	{ .name = NULL },
};

static const mk_option table[] = {
	{ .name = "b", .type = MK_OPT_BOOL, .dflt = "on" },
	{ .name = "i", .type = MK_OPT_INT },
	{ .name = "n", .type = MK_OPT_INT, .min = -5 },
	{ .name = "f", .type = MK_OPT_FLOAT },
	{ .name = "s", .type = MK_OPT_STRING, .dflt = "\"x: y\"" },
	{ .name = "e", .type = MK_OPT_ENUM, .choices = modes },
	{ .name = "d", .type = MK_OPT_DURATION, .max = 3600000000 },
	{ .name = "z", .type = MK_OPT_SIZE },
	{ .name = "l", .type = MK_OPT_LIST, .max = 3 },
	{ .name = "c", .type = MK_OPT_LIST, .choices = modes },
	{ .name = "g", .type = MK_OPT_GROUP, .sub = outer },
	{ .name = "gs", .type = MK_OPT_GROUPS, .sub = outer },
	{ .name = "t", .type = MK_OPT_TREE },
	{ .name = NULL },
};

static void
see(void *arg, const char *path, const char *old_text, const char *new_text, bool is_live)
{
	(void)is_live;
	*(size_t *)arg += strlen(path) + (old_text != NULL ? strlen(old_text) : 0) +
			  (new_text != NULL ? strlen(new_text) : 0);
}

/* What was read goes over the wire and comes back the same. */
static void
check_wire(const mk_values *v, mk_problems *problems)
{
	mk_values *back;
	mk_writer w;
	bool live = true;
	size_t seen = 0;

	mk_writer_init(&w, 0);
	if (mk_values_write(v, &w) != MK_OK || mk_writer_end(&w) != MK_OK)
		abort();
	back = mk_values_read(table, w.data, w.len, problems);
	if (back == NULL || mk_values_diff(table, v, back, &live, see, &seen) != 0 || !live)
		abort();
	(void)mk_values_diff(table, NULL, v, &live, see, &seen);
	mk_values_free(back);
	mk_writer_fini(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mk_problems *problems = mk_problems_new("fuzz");
	mk_yaml *y = NULL;
	mk_values *v = NULL;

	if (size > 0 && data[0] == 1) {
		v = mk_values_read(table, data + 1, size - 1, problems);
		if ((v == NULL) != (mk_problems_count(problems) > 0))
			abort();
	} else {
		y = mk_yaml_load(data, size, problems);
		if (y != NULL)
			v = mk_options_read(table, mk_yaml_root(y), "p", problems);
	}
	if (v != NULL && mk_problems_count(problems) == 0)
		check_wire(v, problems);
	mk_values_free(v);
	mk_yaml_free(y);
	mk_problems_free(problems);
	return 0;
}
