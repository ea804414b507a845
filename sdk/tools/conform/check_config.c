/* SPDX-License-Identifier: MIT
 *
 * C: options, their limits, and their change while it runs.
 */
#define _GNU_SOURCE
#include "conform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit.h"

static enum verdict
config_find_required(struct conform *c, const mk_option *o, const char *path)
{
	if ((o->flags & MK_OPT_REQUIRED) == 0)
		return PASS;
	return conform_skip(c, "%s is required: there are no defaults to start with", path);
}

static enum verdict
check_c1(struct conform *c)
{
	enum verdict v = config_each(c, config_find_required);
	mk_tk *tk;

	if (v != PASS)
		return v;
	tk = drive_start(c, NULL);
	if (tk == NULL)
		return FAIL;
	drive_some(c, tk, 3);
	return drive_end(c, tk);
}

/* An instance with a value that the table allows. check() may refuse it, and
 * start() may find that the world does not have it. */
static enum verdict
config_try(struct conform *c, const char *path, const char *value)
{
	char *text = config_with(c, path, value);
	mk_tk *tk = mk_tk_new(c->desc, text);
	mk_result r = mk_tk_check(tk);
	bool refused = r != MK_OK;
	char shown[64];

	snprintf(shown, sizeof(shown), "%.40s%s", value, strlen(value) > 40 ? "..." : "");
	free(text);
	if (!refused)
		r = mk_tk_start(tk);
	if (r == MK_OK)
		drive_some(c, tk, 3);
	else if (tk->broken != MK_OK || /* not even check() was asked */
		 (!refused && r != MK_EIO && r != MK_EDENIED && r != MK_EUNAVAIL &&
		  r != MK_ENOENT && r != MK_ENOMEM)) {
		conform_fail(c, "%s: %s is in range, but %s", path, shown, mk_tk_error(tk));
		mk_tk_free(tk);
		return FAIL;
	}
	return drive_end(c, tk);
}

static enum verdict
config_limits(struct conform *c, const mk_option *o, const char *path)
{
	enum verdict v = PASS;
	char *value;

	for (uint32_t i = 0; v == PASS && (value = config_value(o, i, false)) != NULL; i++) {
		conform_doing(c, "%s: %.40s", path, value);
		v = config_try(c, path, value);
		free(value);
	}
	for (uint32_t i = 0; v == PASS && (value = config_value(o, i, true)) != NULL; i++) {
		char *text = config_with(c, path, value);
		mk_tk *tk = mk_tk_new(c->desc, text);

		conform_doing(c, "%s: %.40s", path, value);
		if (mk_tk_start(tk) != MK_EINVAL)
			v = conform_fail(c, "%s: %.40s is out of range, and is taken", path, value);
		mk_tk_free(tk);
		free(text);
		free(value);
	}
	return v;
}

static enum verdict
check_c2(struct conform *c)
{
	if (c->manifest->options->name == NULL)
		return conform_skip(c, "has no options");
	return config_each(c, config_limits);
}

static enum verdict
check_c3(struct conform *c)
{
	struct traces before;
	const char *changed;
	char first[256];
	enum verdict v;
	mk_result r;
	mk_tk *tk;

	if (c->desc->check == NULL)
		return conform_skip(c, "has no check()");
	conform_doing(c, "check()");
	tk = mk_tk_new(c->desc, c->config);
	traces_take(&before);
	r = mk_tk_check(tk);
	changed = traces_changed(&before);
	snprintf(first, sizeof(first), "%s", mk_tk_error(tk));
	if (changed != NULL)
		v = conform_fail(c, "check() %s", changed);
	else if (mk_tk_check(tk) != r || strncmp(first, mk_tk_error(tk), sizeof(first) - 1) != 0)
		v = conform_fail(c, "check() says something else the second time");
	else
		v = PASS;
	if (v != PASS) {
		mk_tk_free(tk);
		return v;
	}
	return drive_end(c, tk);
}

static enum verdict
config_live(struct conform *c, const mk_option *o, const char *path)
{
	uint32_t refused = 0;
	uint32_t taken = 0;
	mk_tk *tk;
	char *value;

	if ((o->flags & MK_OPT_LIVE) == 0)
		return PASS;
	tk = drive_start(c, c->config);
	if (tk == NULL)
		return FAIL;
	for (uint32_t i = 0; (value = config_value(o, i, false)) != NULL; i++) {
		char *text = config_with(c, path, value);
		mk_result r;

		conform_doing(c, "reconfigure %s: %.40s", path, value);
		r = mk_tk_reconfigure(tk, text);
		taken += r == MK_OK;
		refused += r == MK_ERESTART;
		drive_some(c, tk, 3);
		free(text);
		free(value);
	}
	conform_doing(c, "reconfigure %s", path);
	mk_tk_reconfigure(tk, c->config);
	if (refused == 0 || taken > 0)
		return drive_end(c, tk);
	mk_tk_free(tk);
	return conform_fail(c, "%s is LIVE, but always needs a restart%s", path,
			    c->desc->reconfigure == NULL ? ": there is no reconfigure()" : "");
}

static enum verdict
config_is_live(struct conform *c, const mk_option *o, const char *path)
{
	(void)c;
	(void)path;
	return (o->flags & MK_OPT_LIVE) != 0 ? FAIL : PASS;
}

static enum verdict
check_c4(struct conform *c)
{
	if (config_each(c, config_is_live) == PASS)
		return conform_skip(c, "has no LIVE options");
	return config_each(c, config_live);
}

/* Is `text` in what it logged, printed or published? */
static const char *
config_told(struct conform *c, mk_tk *tk, const char *text)
{
	char printed[65536];
	ssize_t n = pread(c->output, printed, sizeof(printed), 0);
	size_t len = 0;
	const void *body;

	if (mk_tk_log_has(tk, text))
		return "logged";
	if (n > 0 && memmem(printed, (size_t)n, text, strlen(text)) != NULL)
		return "printed";
	for (uint32_t i = 0; (body = mk_tk_body(tk, NULL, i, &len)) != NULL; i++) {
		if (memmem(body, len, text, strlen(text)) != NULL)
			return "published";
	}
	return strstr(mk_tk_error(tk), text) != NULL ? "told by check()" : NULL;
}

static enum verdict
config_secret(struct conform *c, const mk_option *o, const char *path)
{
	char secret[] = "conform5ecret0123456789";
	const char *told = NULL;
	char *text;
	mk_tk *tk;

	if ((o->flags & MK_OPT_SECRET) == 0 || o->type != MK_OPT_STRING)
		return PASS;
	if (o->max > 0 && o->max < (int64_t)strlen(secret))
		secret[o->max] = '\0';
	text = config_with(c, path, secret);
	conform_doing(c, "start with a secret in %s", path);
	tk = mk_tk_new(c->desc, text);
	if (mk_tk_start(tk) == MK_OK) {
		for (int i = 0; i < 20 && told == NULL; i++) {
			drive_some(c, tk, 1);
			told = config_told(c, tk, secret);
		}
		mk_tk_reconfigure(tk, c->config);
		mk_tk_stop(tk);
	}
	if (told == NULL)
		told = config_told(c, tk, secret);
	mk_tk_free(tk);
	free(text);
	return told == NULL ? PASS : conform_fail(c, "the secret in %s is %s", path, told);
}

static enum verdict
config_is_secret(struct conform *c, const mk_option *o, const char *path)
{
	(void)c;
	(void)path;
	return (o->flags & MK_OPT_SECRET) != 0 ? FAIL : PASS;
}

static enum verdict
check_c5(struct conform *c)
{
	if (config_each(c, config_is_secret) == PASS)
		return conform_skip(c, "has no SECRET options");
	return config_each(c, config_secret);
}

const struct check config_checks[] = {
	{ "C1", "correct", 20, false, "starts with its defaults", check_c1 },
	{ "C2", "robust", 120, false, "works with each option at its limits", check_c2 },
	{ "C3", "correct", 10, false, "check() only looks", check_c3 },
	{ "C4", "correct", 60, false, "LIVE options change without a restart", check_c4 },
	{ "C5", "correct", 30, false, "secrets are never told", check_c5 },
	{ NULL, NULL, 0, false, NULL, NULL },
};
