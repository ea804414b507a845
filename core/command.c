/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plug.h"

struct command { /* one that is under way */
	struct core *core;
	const char *name;
	command_reply *reply;
	void *arg;
};

static void
command_refuse(const struct command *cmd, mk_result result, const char *error)
{
	cmd->reply(cmd->arg, result, error, NULL);
}

/* -------------------------------------------------------------- looking -- */

static void
command_look(const struct command *cmd, void (*write)(struct core *, mk_writer *))
{
	mk_writer w;

	mk_writer_init(&w, 0);
	write(cmd->core, &w);
	if (mk_writer_end(&w) == MK_OK)
		cmd->reply(cmd->arg, MK_OK, "", &w);
	else
		command_refuse(cmd, mk_writer_end(&w), "the answer could not be written");
	mk_writer_fini(&w);
}

static void
command_status(const struct command *cmd, const mk_val *parameters)
{
	(void)parameters;
	command_look(cmd, core_write_status);
}

static void
command_plugins(const struct command *cmd, const mk_val *parameters)
{
	(void)parameters;
	command_look(cmd, core_write_plugins);
}

static void
command_stats(const struct command *cmd, const mk_val *parameters)
{
	(void)parameters;
	command_look(cmd, core_write_stats);
}

/* -------------------------------------------------------- plugins' lives -- */

/* The outcome of enable, disable, restart or reset. */
static void
command_settled(void *arg, struct plug *p)
{
	struct command *cmd = arg;
	bool down = strcmp(cmd->name, "disable") == 0;
	bool good = down ? p->state == PLUG_DISABLED : p->state == PLUG_RUNNING;
	char error[320];
	mk_writer w;

	mk_writer_init(&w, 4096);
	mk_put_map(&w, 3);
	mk_kv_str(&w, "name", p->name);
	mk_kv_str(&w, "state", plug_state_text(p->state));
	mk_kv_str(&w, "note",
		  p->item->settings->enabled == !down || strcmp(cmd->name, "restart") == 0
		      ? ""
		      : "until the next reload or restart of the daemon; to keep it, change "
			"the configuration");
	snprintf(error, sizeof(error), "plugin %s is %s: %s", p->name, plug_state_text(p->state),
		 p->reason);
	cmd->reply(cmd->arg, good ? MK_OK : MK_EUNAVAIL, good ? "" : error, &w);
	mk_writer_fini(&w);
	free(cmd);
}

static mk_result
command_enable(struct core *c, struct plug *p, mk_err *err)
{
	mk_problems *problems;
	mk_result rc;

	if (p->item->manifest == NULL) {
		/* It was disabled when the configuration was read, and not looked at. */
		problems = mk_problems_new(c->file);
		if (problems == NULL)
			return mk_err_set(err, MK_ENOMEM, "out of memory");
		rc = plan_complete(p->plan, p->item, problems);
		if (rc != MK_OK)
			mk_err_set(err, rc, "%s", mk_problems_line(problems, 0));
		mk_problems_free(problems);
		if (rc != MK_OK)
			return rc;
	}
	return plug_enable(p, err);
}

static void
command_live(const struct command *cmd, const mk_val *parameters)
{
	char name[MK_ID_MAX + 1];
	struct command *waiting = NULL;
	struct plug *p = NULL;
	mk_err err = { 0 };
	mk_result rc = MK_OK;

	if (!mk_copy_str(mk_find(parameters, "name"), name, sizeof(name)))
		rc = mk_err_set(&err, MK_EINVAL, "the name of a plugin is missing");
	else if ((p = plug_find(cmd->core, name)) == NULL)
		rc = mk_err_set(&err, MK_ENOENT, "no plugin %s in the configuration", name);
	else if (p->waiter != NULL)
		rc = mk_err_set(&err, MK_EAGAIN, "another command for %s is under way", name);
	else if ((waiting = malloc(sizeof(*waiting))) == NULL)
		rc = mk_err_set(&err, MK_ENOMEM, "out of memory");
	else if (strcmp(cmd->name, "enable") == 0)
		rc = command_enable(cmd->core, p, &err);
	else if (strcmp(cmd->name, "disable") == 0)
		plug_disable(p, "by command");
	else if (strcmp(cmd->name, "restart") == 0)
		rc = plug_restart(p, &err);
	else
		rc = plug_reset(p, &err);
	if (rc != MK_OK) {
		free(waiting);
		command_refuse(cmd, rc, err.text);
		return;
	}
	*waiting = *cmd;
	plug_wait(p, command_settled, waiting);
}

/* --------------------------------------------------------------- reload -- */

static void
command_reloaded(void *arg, bool good, bool changed, uint32_t count, const char *const *lines)
{
	struct command *cmd = arg;
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 3);
	mk_kv_bool(&w, "changed", changed);
	mk_kv_array(&w, "plan", good ? count : 0);
	for (uint32_t i = 0; good && i < count; i++)
		mk_put_str(&w, lines[i]);
	mk_kv_array(&w, "problems", good ? 0 : count);
	for (uint32_t i = 0; !good && i < count; i++)
		mk_put_str(&w, lines[i]);
	cmd->reply(cmd->arg, good ? MK_OK : MK_EINVAL,
		   good ? "" : "the configuration has problems; nothing was changed", &w);
	mk_writer_fini(&w);
	free(cmd);
}

static void
command_reload(const struct command *cmd, const mk_val *parameters)
{
	struct command *waiting = malloc(sizeof(*waiting));
	bool dry_run = false;
	mk_result rc = MK_ENOMEM;

	mk_get_bool(mk_find(parameters, "dry_run"), &dry_run);
	if (waiting != NULL) {
		*waiting = *cmd;
		rc = core_reload(cmd->core, dry_run, command_reloaded, waiting);
	}
	if (rc == MK_OK)
		return;
	free(waiting);
	command_refuse(cmd, rc, rc == MK_EAGAIN ? "a reload is under way" : mk_result_text(rc));
}

void
command_run(struct core *c, const char *name, const mk_val *parameters, bool may_control,
	    command_reply *reply, void *arg)
{
	static const struct {
		const char *name;
		bool changes;
		void (*fn)(const struct command *cmd, const mk_val *parameters);
	} commands[] = {
		{ "status", false, command_status }, { "plugins", false, command_plugins },
		{ "stats", false, command_stats },   { "enable", true, command_live },
		{ "disable", true, command_live },   { "restart", true, command_live },
		{ "reset", true, command_live },     { "reload", true, command_reload },
	};
	struct command cmd = { .core = c, .reply = reply, .arg = arg };

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		cmd.name = commands[i].name;
		if (commands[i].changes && !may_control)
			command_refuse(&cmd, MK_EDENIED, "needs the capability core.control");
		else
			commands[i].fn(&cmd, parameters);
		return;
	}
	command_refuse(&cmd, MK_ENOENT, "no such command");
}
