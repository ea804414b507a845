/* SPDX-License-Identifier: MIT
 *
 * The mk_host that a plugin under test calls. Each function leaves the
 * plugin's allocation scope, checks the thread where plugin.h says [plugin],
 * and hands over to the part that does it.
 */
#define _GNU_SOURCE
#include "kit.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static mk_tk *
host_kit(const mk_host *host, struct alloc_scope *scope)
{
	*scope = alloc_enter(0, NULL);
	return host->impl;
}

/* In check() only the options may be used: it runs in another process, before
 * there is an instance. In destroy() nothing can have an effect any more. */
static bool
host_usable(mk_tk *tk, const char *function)
{
	if (!tk->in_check && !tk->in_destroy)
		return true;
	tk_misbehaved(tk, "other", "%s was called in %s()", function,
		      tk->in_check ? "check" : "destroy");
	return false;
}

static void
host_log(const mk_host *host, int32_t level, const char *line)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	bool good = level >= MK_LOG_ERROR && level <= MK_LOG_DEBUG && line != NULL &&
		    strpbrk(line, "\r\n") == NULL;

	if (!good)
		tk_misbehaved(tk, "other", "log: not one line at a known level");
	pthread_mutex_lock(&tk->lock);
	if (good)
		tk->log_counts[level]++;
	if (good && tk->logs.count == TK_LINES_MAX) {
		free(tk->logs.items[0].text); /* the newest are kept */
		TK_REMOVE(&tk->logs, 0);
	}
	if (good)
		*TK_PUSH(&tk->logs) = (struct tk_line){ level, tk_copy(line) };
	pthread_mutex_unlock(&tk->lock);
	alloc_leave(scope);
}

static mk_result
host_publish(const mk_host *host, const char *topic, const void *body, uint32_t len, uint32_t flags)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	mk_result r = MK_ESTATE;

	if (host_usable(tk, "publish"))
		r = tk_publish(tk, topic, body, len, flags);
	alloc_leave(scope);
	return r;
}

static mk_result
host_ack(const mk_host *host, const char *topic, uint64_t epoch, uint64_t seq)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	mk_result r = MK_ETHREAD;

	if (tk_on_thread(tk, "ack"))
		r = host_usable(tk, "ack") ? tk_ack(tk, topic, epoch, seq) : MK_ESTATE;
	alloc_leave(scope);
	return r;
}

static mk_result
host_call(const mk_host *host, const char *method, const void *body, uint32_t len,
	  uint64_t timeout_us, uint64_t *id)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	mk_result r = MK_ETHREAD;

	if (tk_on_thread(tk, "call"))
		r = host_usable(tk, "call") ? tk_ask(tk, method, body, len, timeout_us, id)
					    : MK_ESTATE;
	alloc_leave(scope);
	return r;
}

static mk_result
host_reply(const mk_host *host, uint64_t id, mk_result result, const char *error, const void *body,
	   uint32_t len)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	mk_result r = MK_ESTATE;

	if (host_usable(tk, "reply"))
		r = tk_reply(tk, id, result, error, body, len);
	alloc_leave(scope);
	return r;
}

static mk_result
host_timer(const mk_host *host, uint32_t id, uint64_t after_us, uint64_t every_us)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	mk_result r = MK_ETHREAD;

	/* Stopping one in destroy() is only tidy. */
	if (tk_on_thread(tk, "timer"))
		r = after_us == UINT64_MAX || host_usable(tk, "timer")
			? tk_timer(tk, id, after_us, every_us)
			: MK_ESTATE;
	alloc_leave(scope);
	return r;
}

static mk_result
host_watch_fd(const mk_host *host, int32_t fd, uint32_t events)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	mk_result r = MK_ETHREAD;

	if (tk_on_thread(tk, "watch_fd"))
		r = events == 0 || host_usable(tk, "watch_fd") ? tk_watch(tk, fd, events)
							       : MK_ESTATE;
	alloc_leave(scope);
	return r;
}

static mk_result
host_spawn(const mk_host *host, const char *name, void (*fn)(void *), void *arg)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	mk_result r = MK_ETHREAD;

	if (tk_on_thread(tk, "spawn"))
		r = host_usable(tk, "spawn") ? tk_spawn(tk, name, fn, arg) : MK_ESTATE;
	alloc_leave(scope);
	return r;
}

static mk_result
host_post(const mk_host *host, void (*fn)(void *), void *arg)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	mk_result r = MK_ESTATE;

	if (host_usable(tk, "post"))
		r = tk_post(tk, fn, arg);
	alloc_leave(scope);
	return r;
}

static const char *
host_opt_str(const mk_host *host, const char *path)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	const char *value = tk_on_thread(tk, "opt_str") ? mk_values_str(tk->values, path) : NULL;

	alloc_leave(scope);
	return value;
}

static int64_t
host_opt_int(const mk_host *host, const char *path)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	int64_t value = tk_on_thread(tk, "opt_int") ? mk_values_int(tk->values, path) : 0;

	alloc_leave(scope);
	return value;
}

static double
host_opt_float(const mk_host *host, const char *path)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	double value = tk_on_thread(tk, "opt_float") ? mk_values_float(tk->values, path) : 0;

	alloc_leave(scope);
	return value;
}

static uint32_t
host_opt_count(const mk_host *host, const char *path)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	uint32_t value = tk_on_thread(tk, "opt_count") ? mk_values_count(tk->values, path) : 0;

	alloc_leave(scope);
	return value;
}

static uint64_t
host_now_us(const mk_host *host)
{
	mk_tk *tk = host->impl;
	uint64_t now_us;

	pthread_mutex_lock(&tk->lock);
	now_us = tk->now_us;
	pthread_mutex_unlock(&tk->lock);
	return now_us;
}

static uint64_t
host_wall_us(const mk_host *host)
{
	mk_tk *tk = host->impl;
	uint64_t wall_us;

	pthread_mutex_lock(&tk->lock);
	wall_us = tk->wall_us;
	pthread_mutex_unlock(&tk->lock);
	return wall_us;
}

/* The folders are made when the first one is asked for. The lock is held. */
static void
host_make_dirs(mk_tk *tk)
{
	static const char *const names[] = { "state", "data", "run" };
	const char *base = getenv("TMPDIR");

	/* The paths are short because unix sockets in them have to be. */
	if (base == NULL || strlen(base) > 30)
		base = "/tmp";
	snprintf(tk->dirs[3], sizeof(tk->dirs[3]), "%s/mk-tk-XXXXXX", base);
	if (mkdtemp(tk->dirs[3]) == NULL)
		abort();
	for (size_t i = 0; i < 3; i++) {
		int n = snprintf(tk->dirs[i], sizeof(tk->dirs[i]), "%s/%s", tk->dirs[3], names[i]);

		if (n < 0 || (size_t)n >= sizeof(tk->dirs[i]) || mkdir(tk->dirs[i], 0700) != 0)
			abort();
	}
}

const char *
mk_tk_dir(mk_tk *tk, uint32_t kind)
{
	if (kind > MK_DIR_RUN)
		return NULL;
	pthread_mutex_lock(&tk->lock);
	if (tk->dirs[3][0] == '\0')
		host_make_dirs(tk);
	pthread_mutex_unlock(&tk->lock);
	return tk->dirs[kind];
}

static const char *
host_dir(const mk_host *host, uint32_t kind)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	const char *dir = mk_tk_dir(tk, kind);

	alloc_leave(scope);
	return dir;
}

static int
host_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path); /* what cannot go stays in the temporary folder */
	return 0;
}

void
tk_dirs_begin(mk_tk *tk)
{
	if (tk->dirs[3][0] == '\0')
		return;
	nftw(tk->dirs[MK_DIR_RUN], host_remove, 16, FTW_DEPTH | FTW_PHYS);
	if (mkdir(tk->dirs[MK_DIR_RUN], 0700) != 0)
		abort();
}

void
tk_dirs_remove(mk_tk *tk)
{
	if (tk->dirs[3][0] != '\0')
		nftw(tk->dirs[3], host_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *
host_name(const mk_host *host)
{
	const mk_tk *tk = host->impl;

	return tk->name;
}

static mk_result
host_number(const mk_host *host, const char *name, int64_t value, bool add)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	size_t len = name != NULL ? strlen(name) : 0;
	struct tk_number *n = NULL;
	mk_result r = MK_OK;

	if (!host_usable(tk, add ? "count" : "gauge")) {
		r = MK_ESTATE;
	} else if (len == 0 || len > 64 || strspn(name, letters) != len) {
		tk_misbehaved(tk, "other", "gauge or count: bad name \"%.64s\"", len ? name : "");
		r = MK_EINVAL;
	}
	pthread_mutex_lock(&tk->lock);
	for (size_t i = 0; r == MK_OK && i < tk->numbers.count && n == NULL; i++) {
		if (strcmp(tk->numbers.items[i].name, name) == 0)
			n = &tk->numbers.items[i];
	}
	if (r == MK_OK && n == NULL && tk->numbers.count == TK_NUMBERS_MAX)
		r = MK_EFULL;
	if (r == MK_OK && n == NULL) {
		n = TK_PUSH(&tk->numbers);
		memcpy(n->name, name, len + 1);
	}
	if (r == MK_OK)
		n->value = add ? (int64_t)((uint64_t)n->value + (uint64_t)value) : value;
	pthread_mutex_unlock(&tk->lock);
	alloc_leave(scope);
	return r;
}

static mk_result
host_gauge(const mk_host *host, const char *name, int64_t value)
{
	return host_number(host, name, value, false);
}

static mk_result
host_count(const mk_host *host, const char *name, int64_t add)
{
	return host_number(host, name, add, true);
}

static const void *
host_extension(const mk_host *host, const char *id)
{
	(void)host;
	(void)id;
	return NULL; /* interface 1.0 has none */
}

static mk_result
host_hold(const mk_host *host, bool on)
{
	struct alloc_scope scope;
	mk_tk *tk = host_kit(host, &scope);
	mk_result r = MK_ETHREAD;

	if (tk_on_thread(tk, "hold"))
		r = host_usable(tk, "hold") ? MK_OK : MK_ESTATE;
	if (r == MK_OK)
		tk->held = on;
	alloc_leave(scope);
	return r;
}

void
tk_host_init(mk_tk *tk)
{
	tk->host = (mk_host){
		.struct_size = sizeof(mk_host),
		.abi_major = MK_ABI_MAJOR,
		.abi_minor = MK_ABI_MINOR,
		.impl = tk,
		.log = host_log,
		.publish = host_publish,
		.ack = host_ack,
		.call = host_call,
		.reply = host_reply,
		.timer = host_timer,
		.watch_fd = host_watch_fd,
		.spawn = host_spawn,
		.post = host_post,
		.opt_str = host_opt_str,
		.opt_int = host_opt_int,
		.opt_float = host_opt_float,
		.opt_count = host_opt_count,
		.now_us = host_now_us,
		.wall_us = host_wall_us,
		.dir = host_dir,
		.name = host_name,
		.gauge = host_gauge,
		.count = host_count,
		.extension = host_extension,
		.hold = host_hold,
	};
}
