/* SPDX-License-Identifier: MIT
 *
 * Is an option table itself well formed? It comes from a plugin, so nothing
 * about it is taken for granted.
 */
#include <string.h>

#include "options_impl.h"

#define VALID_NAME_MAX MK_ID_MAX
#define VALID_OPTIONS_MAX 512u /* of a plugin, groups included */
#define VALID_FLAGS (MK_OPT_REQUIRED | MK_OPT_LIVE | MK_OPT_SECRET | MK_OPT_MAIN)

struct check {
	mk_err *err;
	uint32_t count;
};

static bool
valid_name(const char *name)
{
	size_t len = strlen(name);

	return len <= VALID_NAME_MAX && name[0] >= 'a' && name[0] <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static bool
valid_is_group(const mk_option *o)
{
	return o->type == MK_OPT_GROUP || o->type == MK_OPT_GROUPS;
}

/* Does min..max say something that the type can keep? */
static bool
valid_range(const mk_option *o)
{
	bool is_amount = o->type == MK_OPT_STRING || o->type == MK_OPT_DURATION ||
			 o->type == MK_OPT_SIZE || opt_is_list(o);
	bool has_none = o->type == MK_OPT_BOOL || o->type == MK_OPT_ENUM || o->type == MK_OPT_GROUP;

	if (has_none)
		return o->min == 0 && o->max == 0;
	if (is_amount && (o->min < 0 || o->max < 0))
		return false;
	if (o->type == MK_OPT_STRING && o->max == 0)
		return o->min <= OPT_STRING_MAX;
	if (opt_is_list(o))
		return o->min <= opt_max_entries(o) && o->max <= UINT32_MAX;
	return !opt_has_max(o) || o->min <= o->max;
}

static bool
valid_choices(const mk_option *o)
{
	if (o->choices == NULL)
		return o->type != MK_OPT_ENUM;
	if ((o->type != MK_OPT_ENUM && o->type != MK_OPT_LIST) || o->choices[0] == NULL)
		return false;
	for (size_t i = 0; o->choices[i] != NULL; i++)
		for (size_t j = 0; j <= i; j++)
			if (o->choices[i][0] == '\0' ||
			    (j < i && strcmp(o->choices[i], o->choices[j]) == 0))
				return false;
	return true;
}

/* The option as a table of its own, read from an empty file: what is wrong
 * then is its default. */
static mk_result
valid_default(const mk_option *o, mk_err *err)
{
	mk_option table[2] = { *o, { .name = NULL } };
	mk_problems *problems = mk_problems_new("");
	mk_values *values = NULL;
	mk_result result = MK_OK;

	if (problems == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	values = mk_options_read(table, NULL, NULL, problems);
	if (values == NULL)
		result = mk_err_set(err, MK_ENOMEM, "out of memory");
	else if (mk_problems_count(problems) > 0)
		result = mk_err_set(err, MK_EINVAL, "option%s", mk_problems_line(problems, 0) + 1);
	mk_values_free(values);
	mk_problems_free(problems);
	return result;
}

/* What is wrong with one option, or NULL. */
static const char *
valid_fault(const mk_option *o, uint32_t depth)
{
	if (!valid_name(o->name))
		return "a name is 1 to 31 of a-z, 0-9 and _, letter first";
	if (o->type < MK_OPT_BOOL || o->type > MK_OPT_GROUPS)
		return "unknown type";
	if ((o->flags & ~VALID_FLAGS) != 0)
		return "unknown flag";
	if ((o->flags & MK_OPT_REQUIRED) != 0 && o->dflt != NULL)
		return "required, and yet has a default";
	if ((o->flags & MK_OPT_MAIN) != 0 && (depth == 0 || valid_is_group(o) || opt_is_list(o)))
		return "MAIN is for a scalar in a group";
	if (!valid_range(o))
		return "min and max do not make a range";
	if (!valid_choices(o))
		return "choices: an ENUM needs some, all different, a LIST may have them";
	if (valid_is_group(o) != (o->sub != NULL))
		return "sub: a group needs it; others have none";
	if (valid_is_group(o) && depth == OPT_DEPTH_MAX)
		return "groups are nested too deep";
	if (o->sub != NULL && o->sub[0].name == NULL)
		return "a group without options";
	if (o->type == MK_OPT_GROUP && o->dflt != NULL)
		return "a group has no default; its options have";
	return NULL;
}

static mk_result
valid_table(struct check *c, const mk_option *table, uint32_t depth)
{
	const mk_option *lone = opt_main(table);

	for (const mk_option *o = table; o->name != NULL; o++) {
		const char *fault = valid_fault(o, depth);
		mk_result result;

		if (++c->count > VALID_OPTIONS_MAX)
			return mk_err_set(c->err, MK_EINVAL, "more than %u options",
					  VALID_OPTIONS_MAX);
		for (const mk_option *other = table; other < o; other++)
			if (strcmp(other->name, o->name) == 0)
				fault = "is there twice";
		if (fault == NULL && (o->flags & MK_OPT_MAIN) != 0 && o != lone)
			fault = "a second MAIN in its group";
		if (fault != NULL)
			return mk_err_set(c->err, MK_EINVAL, "option %.40s: %s", o->name, fault);
		result = o->sub != NULL ? valid_table(c, o->sub, depth + 1) : MK_OK;
		if (result == MK_OK && o->dflt != NULL)
			result = valid_default(o, c->err);
		else if (result != MK_OK)
			(void)mk_err_wrap(c->err, "in %s", o->name);
		if (result != MK_OK)
			return result;
	}
	return MK_OK;
}

mk_result
mk_options_valid(const mk_option *table, mk_err *err)
{
	struct check c = { .err = err };

	return table == NULL ? MK_OK : valid_table(&c, table, 0);
}
