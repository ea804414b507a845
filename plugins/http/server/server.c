/* SPDX-License-Identifier: MIT
 *
 * The server as a whole: sockets that listen, threads, settings. The plugin's thread.
 */
#define _GNU_SOURCE
#include "server_impl.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX (1 << 20)
#define BACKLOG 1024

void
httpd_log(const struct httpd *s, int level, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	s->config.host->log(s->config.host, level, line);
}

void
httpd_count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ------------------------------------------------------------ listening -- */

/* "*:8080" takes IPv4, too; so does "[::]:8080", unless IPv4 has a listener on that port. */
static bool
httpd_has_four(const struct settings *set, in_port_t port)
{
	for (uint32_t i = 0; i < set->listen_count; i++) {
		struct sockaddr_in four;

		memcpy(&four, &set->listen[i].address, sizeof(four));
		if (four.sin_family == AF_INET && four.sin_port == port && port != 0)
			return true;
	}
	return false;
}

static mk_result
httpd_listen(const struct settings *set, const struct settings_listen *l, int *out, mk_err *err)
{
	int family = l->address.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int yes = 1, no = 0;
	struct sockaddr_in6 six;

	if (fd == -1 && l->both && errno == EAFNOSUPPORT)
		return mk_err_set(err, MK_EUNAVAIL, "listen on %s: there is no IPv6; say 0.0.0.0",
				  l->text);
	if (fd == -1)
		return mk_err_errno(err, "listen on %s", l->text);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	memcpy(&six, &l->address, sizeof(six));
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY,
				 httpd_has_four(set, six.sin6_port) ? &yes : &no, sizeof(yes));
	if (bind(fd, (const struct sockaddr *)&l->address, l->len) == -1 ||
	    listen(fd, BACKLOG) == -1) {
		mk_err_errno(err, "listen on %s", l->text);
		close(fd);
		return MK_EUNAVAIL;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	*out = fd;
	return MK_OK;
}

static mk_result
httpd_open(struct httpd *s, mk_err *err)
{
	const struct settings *set = s->settings;

	for (uint32_t i = 0; i < set->listen_count; i++) {
		struct listener *l = &s->listeners[i];
		mk_result rc = httpd_listen(set, &set->listen[i], &l->fd, err);

		if (rc != MK_OK)
			return rc;
		s->listener_count++;
		l->watch.kind = WATCH_LISTEN;
		l->tls = set->listen[i].tls;
		l->compat = set->listen[i].compat;
		httpd_log(s, MK_LOG_INFO, "listening address=%s port=%u tls=%d compat=%d",
			  set->listen[i].text, httpd_port(s, i), l->tls, l->compat);
	}
	return MK_OK;
}

uint16_t
httpd_port(const struct httpd *s, uint32_t i)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	struct sockaddr_in in;

	if (i >= s->listener_count ||
	    getsockname(s->listeners[i].fd, (struct sockaddr *)&address, &len) == -1)
		return 0;
	memcpy(&in, &address, sizeof(in)); /* the port of IPv6 is at the same place */
	return ntohs(in.sin_port);
}

/* ---------------------------------------------------------------- files -- */

/* Relative paths are relative to data_dir. NULL: none, or out of memory. */
static const char *
httpd_path(struct httpd *s, const char *path)
{
	const mk_host *host = s->config.host;

	return path == NULL
		   ? NULL
		   : mk_arena_path(&s->settings->arena, host->dir(host, MK_DIR_DATA), path);
}

static mk_result
httpd_read_pem(const char *path, char **out, mk_err *err)
{
	FILE *f = path == NULL ? NULL : fopen(path, "re");
	char *text;
	size_t len;

	*out = NULL;
	if (path == NULL)
		return MK_OK;
	if (f == NULL)
		return mk_err_errno(err, "read %s", path);
	text = calloc(1, PEM_MAX);
	len = text == NULL ? 0 : fread(text, 1, PEM_MAX - 1, f);
	fclose(f);
	if (len == 0) {
		free(text);
		return mk_err_set(err, MK_EIO, "read %s: nothing", path);
	}
	*out = text;
	return MK_OK;
}

/* The pages that came with this plugin lie where its own file tells: beside the plugins in a build
 * tree, in share/ of an installation. Programs that the server is linked into have none. Without
 * pages there is the one of page.c. */
static void
httpd_own_pages(struct httpd *s, uint64_t now_us)
{
	static const char *const places[] = { "../web", MK_WEB_FROM_PLUGINS };
	char path[4096];
	mk_err err = { 0 };
	Dl_info own;
	int fd;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && s->web == NULL; i++) {
		const char *end;

		if (dladdr((const void *)http_settings_options, &own) == 0 ||
		    (end = strrchr(own.dli_fname, '/')) == NULL || strstr(end, ".so") == NULL ||
		    snprintf(path, sizeof(path), "%.*s/%s/index.html", (int)(end - own.dli_fname),
			     own.dli_fname, places[i]) >= (int)sizeof(path))
			continue;
		/* Not access(): the sandbox of a process lets one look, and not read. */
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd == -1)
			continue;
		close(fd);
		*strrchr(path, '/') = '\0';
		if (folder_new(path, false, now_us, &s->web, &err) != MK_OK)
			httpd_log(s, MK_LOG_WARN, "the pages cannot be served: %s", err.text);
	}
	if (s->web == NULL)
		httpd_log(s, MK_LOG_WARN,
			  "no pages can be read (they are built by npm; a process of its own "
			  "needs allow.read for them); \"/\" says what there is");
}

static mk_result
httpd_folders(struct httpd *s, mk_err *err)
{
	const struct settings *set = s->settings;
	uint64_t now = s->config.host->wall_us(s->config.host);
	mk_result rc = MK_OK;

	if (set->web == NULL)
		httpd_own_pages(s, now);
	else if (strcmp(set->web, "none") != 0)
		rc = folder_new(httpd_path(s, set->web), false, now, &s->web, err);
	if (rc == MK_OK && set->compat_static != NULL)
		rc = folder_new(httpd_path(s, set->compat_static), true, now, &s->compat, err);
	return rc;
}

static mk_result
httpd_workers(struct httpd *s, mk_err *err)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t n = s->settings->threads;
	char *cert = NULL, *key = NULL;
	mk_result rc = httpd_read_pem(httpd_path(s, s->settings->tls_cert), &cert, err);

	if (rc == MK_OK)
		rc = httpd_read_pem(httpd_path(s, s->settings->tls_key), &key, err);
	if (n == 0)
		n = processors < 1                   ? 1
		    : processors > (long)WORKERS_MAX ? WORKERS_MAX
						     : (uint32_t)processors;
	while (rc == MK_OK && s->worker_count < n) {
		rc = worker_init(&s->workers[s->worker_count], s, cert, key);
		s->worker_count += rc == MK_OK;
		if (rc != MK_OK)
			mk_err_set(err, rc, "start a server thread%s",
				   cert != NULL ? ": are certificate and key good?" : "");
	}
	if (key != NULL)
		explicit_bzero(key, PEM_MAX);
	free(key);
	free(cert);
	return rc;
}

/* ------------------------------------------------------------- its life -- */

static void
httpd_check_files(const struct httpd *s)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < (rlim_t)s->settings->connections + 128)
		httpd_log(s, MK_LOG_WARN,
			  "limits.connections is more than this process may open files=%llu",
			  (unsigned long long)limit.rlim_cur);
}

mk_result
httpd_new(struct httpd **out, const struct httpd_config *config, mk_err *err)
{
	struct httpd *s = calloc(1, sizeof(*s));
	mk_result rc = MK_OK;

	if (s == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	s->config = *config;
	s->settings = http_settings_ref(config->settings);
	atomic_init(&s->settings_version, 1);
	pthread_mutex_init(&s->settings_lock, NULL);
	s->router = router_new(config->tables);
	s->perf = s->router == NULL ? NULL : perf_new(s->router);
	s->peers = peers_new();
	s->socket_peers = peers_new();
	s->cache = cache_new(s->settings->cache_bytes);
	if (s->router == NULL || s->perf == NULL || s->peers == NULL || s->socket_peers == NULL ||
	    s->cache == NULL)
		rc = mk_err_set(err, MK_ENOMEM, "out of memory");
	if (rc == MK_OK)
		rc = httpd_folders(s, err);
	if (rc == MK_OK)
		rc = httpd_open(s, err);
	httpd_check_files(s);
	if (rc == MK_OK)
		rc = httpd_workers(s, err);
	if (rc != MK_OK) {
		httpd_free(s);
		return rc;
	}
	*out = s;
	return MK_OK;
}

mk_result
httpd_start(struct httpd *s, mk_err *err)
{
	for (uint32_t i = 0; i < s->worker_count; i++) {
		char name[16];
		mk_result rc;

		(void)snprintf(name, sizeof(name), "http-%u", i);
		rc = s->config.host->spawn(s->config.host, name, worker_run, &s->workers[i]);
		if (rc != MK_OK) {
			httpd_stop(s);
			return mk_err_set(err, rc, "start a thread: %s", mk_result_text(rc));
		}
	}
	return MK_OK;
}

void
httpd_wake(struct httpd *s)
{
	for (uint32_t i = 0; i < s->worker_count; i++)
		worker_poke(&s->workers[i]);
}

void
httpd_stop(struct httpd *s)
{
	atomic_store(&s->stopping, true);
	httpd_wake(s);
}

void
httpd_free(struct httpd *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->worker_count; i++)
		worker_fini(&s->workers[i]);
	calls_forget(s);
	for (uint32_t i = 0; i < s->listener_count; i++)
		close(s->listeners[i].fd);
	folder_free(s->web);
	folder_free(s->compat);
	cache_free(s->cache);
	peers_free(s->peers);
	peers_free(s->socket_peers);
	perf_free(s->perf);
	router_free(s->router);
	http_settings_unref(s->settings);
	pthread_mutex_destroy(&s->settings_lock);
	free(s);
}

void
httpd_set_settings(struct httpd *s, struct settings *settings)
{
	struct settings *old;

	pthread_mutex_lock(&s->settings_lock);
	old = s->settings;
	s->settings = http_settings_ref(settings);
	atomic_fetch_add(&s->settings_version, 1);
	pthread_mutex_unlock(&s->settings_lock);
	http_settings_unref(old);
	httpd_wake(s);
}

void
httpd_set_ready(struct httpd *s, bool ready)
{
	atomic_store(&s->ready, ready);
}

bool
httpd_is_ready(const struct httpd *s)
{
	return atomic_load(&s->ready);
}

const struct router *
httpd_router(const struct httpd *s)
{
	return s->router;
}

struct perf *
httpd_perf(const struct httpd *s)
{
	return s->perf;
}

void
httpd_get_stats(const struct httpd *s, struct httpd_stats *out)
{
	*out = (struct httpd_stats){
		.accepted = atomic_load(&s->accepted),
		.refused = atomic_load(&s->refused),
		.requests = atomic_load(&s->requests),
		.errors = atomic_load(&s->errors),
		.limited = atomic_load(&s->limited),
		.timeouts = atomic_load(&s->timeouts),
		.not_modified = atomic_load(&s->not_modified),
		.cache_hits = atomic_load(&s->cache_hits),
		.cache_misses = atomic_load(&s->cache_misses),
		.cache_entries = cache_entries(s->cache),
		.cache_bytes = cache_bytes(s->cache),
		.sent_bytes = atomic_load(&s->sent_bytes),
		.connections = atomic_load(&s->connections),
		.clients = atomic_load(&s->clients),
		.events_sent = atomic_load(&s->events_sent),
		.events_lost = atomic_load(&s->events_lost),
		.clients_refused = atomic_load(&s->clients_refused),
		.clients_dropped = atomic_load(&s->clients_dropped),
	};
}
