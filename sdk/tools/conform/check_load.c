/* SPDX-License-Identifier: MIT
 *
 * A: what can be said about the file, and about its descriptor.
 */
#define _GNU_SOURCE
#include "conform.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include <meshkern/audit.h>

/* The descriptor alone: without its tables, or with a good name. */
static enum verdict
load_desc(struct conform *c, mk_plugin_desc *copy)
{
	const mk_plugin_desc *desc;
	void *object;

	conform_doing(c, "dlopen");
	object = dlopen(c->file, RTLD_NOW | RTLD_LOCAL);
	if (object == NULL)
		return conform_fail(c, "%s", dlerror());
	desc = dlsym(object, "mk_plugin_v1");
	if (desc == NULL)
		return conform_fail(c, "the symbol mk_plugin_v1 is not exported");
	if (desc->struct_size < sizeof(*copy))
		return conform_fail(c, "struct_size is %u: is MK_PLUGIN_HEAD missing?",
				    desc->struct_size);
	memcpy(copy, desc, sizeof(*copy));
	return PASS;
}

static enum verdict
load_judge(struct conform *c, const mk_plugin_desc *copy)
{
	mk_err err = { 0 };

	return mk_desc_check(copy, &err) == MK_OK ? PASS : conform_fail(c, "%s", err.text);
}

static enum verdict
check_a1(struct conform *c)
{
	mk_plugin_desc copy = { 0 };
	enum verdict v = load_desc(c, &copy);

	if (v != PASS)
		return v;
	copy.id = "name";
	copy.version = "1.0.0";
	copy.subscribes = copy.publishes = NULL;
	copy.methods = NULL;
	copy.options = NULL;
	copy.capabilities = NULL;
	return load_judge(c, &copy);
}

static enum verdict
check_a2(struct conform *c)
{
	static const mk_plugin_desc empty = { MK_PLUGIN_HEAD };
	mk_plugin_desc copy = { 0 };
	mk_plugin_desc named = empty;
	enum verdict v = load_desc(c, &copy);

	if (v != PASS)
		return v;
	named.id = copy.id;
	named.version = copy.version;
	named.create = copy.create;
	named.destroy = copy.destroy;
	return load_judge(c, &named);
}

static enum verdict
check_a3(struct conform *c)
{
	mk_plugin_desc copy = { 0 };
	enum verdict v = load_desc(c, &copy);

	if (v != PASS)
		return v;
	copy.id = "name";
	copy.version = "1.0.0";
	return load_judge(c, &copy);
}

static enum verdict
check_a4(struct conform *c)
{
	mk_plugin_desc copy = { 0 };
	mk_audit *audit;
	mk_err err = { 0 };
	enum verdict v = load_desc(c, &copy);

	if (v != PASS)
		return v;
	if (mk_audit_open(&audit, c->file, &err) != MK_OK)
		return conform_fail(c, "%s", err.text);
	if (mk_audit_check(audit, copy.capabilities, &err) != MK_OK)
		v = conform_fail(c, "%s", err.text);
	mk_audit_free(audit);
	return v;
}

static enum verdict
check_a5(struct conform *c)
{
	mk_audit *audit;
	mk_err err = { 0 };
	enum verdict v = PASS;

	if (mk_audit_open(&audit, c->file, &err) != MK_OK)
		return conform_fail(c, "%s", err.text);
	if (!mk_audit_nodelete(audit))
		v = conform_fail(c, "link with -Wl,-z,nodelete");
	mk_audit_free(audit);
	return v;
}

/* Made by the linker or a sanitizer, not by the author. */
static bool
load_is_generated(const char *symbol)
{
	static const char *const names[] = { "__asan",      "__odr_asan", "__ubsan",  "__tsan",
					     "__sanitizer", "__sancov",   "__start_", "__stop_",
					     "__gcov",      "_init",      "_fini",    "_edata",
					     "_end",        "__bss_start" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strncmp(symbol, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

static enum verdict
check_a6(struct conform *c)
{
	mk_audit *audit;
	mk_err err = { 0 };
	char names[200] = "";
	size_t used = 0;
	uint32_t others = 0;

	if (mk_audit_open(&audit, c->file, &err) != MK_OK)
		return conform_fail(c, "%s", err.text);
	for (uint32_t i = 0; i < mk_audit_export_count(audit); i++) {
		const char *symbol = mk_audit_export(audit, i);

		if (strcmp(symbol, "mk_plugin_v1") == 0 || load_is_generated(symbol))
			continue;
		if (others++ < 3)
			used +=
			    (size_t)snprintf(names + used, sizeof(names) - used, " %.50s", symbol);
	}
	mk_audit_free(audit);
	return others == 0
		   ? PASS
		   : conform_fail(c, "exports %u more (compile with -fvisibility=hidden):%s",
				  others, names);
}

static enum verdict
check_a7(struct conform *c)
{
	struct traces before;
	const char *changed;

	conform_doing(c, "dlopen");
	traces_take(&before);
	if (dlopen(c->file, RTLD_NOW | RTLD_LOCAL) == NULL)
		return conform_fail(c, "%s", dlerror());
	changed = traces_changed(&before);
	return changed == NULL ? PASS : conform_fail(c, "loading it %s", changed);
}

const struct check load_checks[] = {
	{ "A1", "loads", 10, true, "mk_plugin_v1 is exported, complete and UTF-8", check_a1 },
	{ "A2", "loads", 10, true, "id and version are well formed", check_a2 },
	{ "A3", "loads", 10, true, "topics, methods, options and capabilities are valid",
	  check_a3 },
	{ "A4", "loads", 10, true, "imports only what its capabilities allow", check_a4 },
	{ "A5", "loads", 10, true, "is linked with -z nodelete", check_a5 },
	{ "A6", "loads", 10, true, "exports nothing else", check_a6 },
	{ "A7", "loads", 10, true,
	  "constructors leave no descriptor, thread or handler and write nothing", check_a7 },
	{ NULL, NULL, 0, false, NULL, NULL },
};
