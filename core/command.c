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
command_details(struct core *c, mk_writer *w)
{
	mk_put_map(w, 2);
	plan_write_options(c->plan, w, "options");
	log_write_recent(w, "log");
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

/* If it was disabled when the configuration was read, nobody has looked at it yet. */
static mk_result
command_enable(struct plug *p, mk_err *err)
{
	mk_result rc = plan_complete(p->plan, p->item, err);

	return rc == MK_OK ? plug_enable(p, err) : rc;
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
		rc = command_enable(p, &err);
	else if (strcmp(cmd->name, "disable") == 0)
		plug_disable(p, "by command");
	else if (strcmp(cmd->name, "restart") == 0)
		rc = plug_restart(p, &err);
	else
		rc = plug_reset(p, &err);
	if (rc != MK_OK || waiting == NULL) {
		free(waiting);
		command_refuse(cmd, rc, err.text);
		return;
	}
	*waiting = *cmd;
	plug_wait(p, command_settled, waiting);
}

/* --------------------------------------------------------------- reload -- */

static void
command_reloaded(void *arg, const struct core_reload_outcome *o)
{
	struct command *cmd = arg;
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 4);
	mk_kv_bool(&w, "changed", o->changed);
	mk_kv_strs(&w, "plan", o->good ? o->count : 0, o->lines);
	mk_kv_strs(&w, "problems", o->good ? 0 : o->count, o->lines);
	mk_kv_strs(&w, "results", o->result_count, o->results);
	if (o->all_good)
		cmd->reply(cmd->arg, MK_OK, "", &w);
	else
		cmd->reply(cmd->arg, o->good ? MK_EUNAVAIL : MK_EINVAL,
			   o->good ? "not every plugin came to run with its new configuration"
				   : "the configuration has problems; nothing was changed",
			   &w);
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
		void (*look)(struct core *c, mk_writer *w);
		void (*change)(const struct command *cmd, const mk_val *parameters);
	} commands[] = {
		{ "status", core_write_status, NULL }, { "plugins", core_write_plugins, NULL },
		{ "stats", core_write_stats, NULL },   { "enable", NULL, command_live },
		{ "disable", NULL, command_live },     { "restart", NULL, command_live },
		{ "reset", NULL, command_live },       { "reload", NULL, command_reload },
		{ "details", command_details, NULL },
	};
	struct command cmd = { .core = c, .reply = reply, .arg = arg };

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		cmd.name = commands[i].name;
		/* What others log and are configured with is not everybody's business. */
		if (!may_control &&
		    (commands[i].look == NULL || commands[i].look == command_details))
			command_refuse(&cmd, MK_EDENIED, "needs the capability core.control");
		else if (commands[i].look != NULL)
			command_look(&cmd, commands[i].look);
		else
			commands[i].change(&cmd, parameters);
		return;
	}
	command_refuse(&cmd, MK_ENOENT, "no such command");
}
