/* SPDX-License-Identifier: MIT
 *
 * Pages from a folder. Every path is walked name by name from the folder's descriptor, without
 * following links and without names that begin with a dot, so nothing outside of it can be reached.
 * A file NAME.br or NAME.gz beside NAME is sent to who takes it.
 */
#define _GNU_SOURCE
#include "server_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COMPRESS_MAX (4 << 20)
#define INDEX_MAX (4 << 20)

struct folder {
	int fd;
	bool compat;
	struct answer *index; /* compat: made once, as CoreScope does it */
};

struct file {
	int fd;
	struct stat st;
	const char *type;
	const char *encoding; /* NULL: as it is */
	char tag[48];
	bool fresh; /* the name never means other contents */
	bool page;  /* .html .js .css */
	bool text;  /* worth compressing */
};

static const struct {
	const char *ending, *type;
	bool text;
} file_types[] = {
	{ ".html", "text/html; charset=utf-8", true },
	{ ".js", "text/javascript; charset=utf-8", true },
	{ ".mjs", "text/javascript; charset=utf-8", true },
	{ ".css", "text/css; charset=utf-8", true },
	{ ".json", "application/json", true },
	{ ".map", "application/json", true },
	{ ".webmanifest", "application/manifest+json", true },
	{ ".svg", "image/svg+xml", true },
	{ ".txt", "text/plain; charset=utf-8", true },
	{ ".md", "text/plain; charset=utf-8", true },
	{ ".xml", "text/xml; charset=utf-8", true },
	{ ".ico", "image/vnd.microsoft.icon", false },
	{ ".png", "image/png", false },
	{ ".jpg", "image/jpeg", false },
	{ ".webp", "image/webp", false },
	{ ".gif", "image/gif", false },
	{ ".woff2", "font/woff2", false },
	{ ".wasm", "application/wasm", false },
	{ NULL, "application/octet-stream", false },
};

static uint32_t
file_type(const char *name)
{
	size_t len = strlen(name);
	uint32_t i = 0;

	for (; file_types[i].ending != NULL; i++) {
		size_t n = strlen(file_types[i].ending);

		if (len > n && strcasecmp(name + len - n, file_types[i].ending) == 0)
			break;
	}
	return i;
}

/* ------------------------------------------------------------- the file -- */

static bool
file_name_is_good(const char *name)
{
	return name[0] != '\0' && strchr(name, '/') == NULL &&
	       (name[0] != '.' || strcmp(name, ".well-known") == 0);
}

/* A regular file, or -1. */
static int
file_open_at(int dir, const char *name, const char *ending, struct stat *st)
{
	char full[512];
	int fd;

	if (snprintf(full, sizeof(full), "%s%s", name, ending) >= (int)sizeof(full))
		return -1;
	fd = openat(dir, full, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		return -1;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	close(fd);
	return -1;
}

static bool
file_choose(struct file *f, int dir, const char *name, const struct request *rq)
{
	static const char *const encodings[] = { "br", "gzip" };
	static const char *const endings[] = { ".br", ".gz" };

	for (int i = 0; i < 2; i++) {
		if (answer_header(rq, "Range") != NULL || !answer_takes(rq, encodings[i]))
			continue;
		f->fd = file_open_at(dir, name, endings[i], &f->st);
		if (f->fd == -1)
			continue;
		f->encoding = encodings[i];
		return true;
	}
	f->fd = file_open_at(dir, name, "", &f->st);
	return f->fd != -1;
}

/* The file that `names` lead to. */
static bool
file_find(struct file *f, const struct folder *folder, const char *const *names, uint32_t count,
	  const struct request *rq)
{
	const char *last = names[count - 1];
	uint32_t type = file_type(last);
	int dir = folder->fd;
	bool found;

	for (uint32_t i = 0; i < count; i++) {
		int next;

		if (!file_name_is_good(names[i])) {
			found = false;
			goto out;
		}
		if (i + 1 == count)
			break;
		next = openat(dir, names[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir != folder->fd)
			close(dir);
		if (next == -1)
			return false;
		dir = next;
	}
	found = file_choose(f, dir, last, rq);
	if (found) {
		f->type = file_types[type].type;
		f->page = type < 4;
		f->text = file_types[type].text;
		(void)snprintf(f->tag, sizeof(f->tag), "\"%llx-%llx%s\"",
			       (unsigned long long)f->st.st_mtim.tv_sec * 1000 +
				   (unsigned long long)f->st.st_mtim.tv_nsec / 1000000,
			       (unsigned long long)f->st.st_size,
			       f->encoding == NULL ? "" : f->encoding);
		f->fresh = !folder->compat && count > 1 && strcmp(names[0], "assets") == 0;
	}
out:
	if (dir != folder->fd)
		close(dir);
	return found;
}

/* ----------------------------------------------------------- the answer -- */

static const char *
file_caching(const struct folder *folder, const struct file *f)
{
	if (f->fresh)
		return "public, max-age=31536000, immutable";
	if (folder->compat)
		return f->page ? "no-cache, no-store, must-revalidate" : NULL;
	return "no-cache";
}

static void
file_headers(const struct folder *folder, const struct file *f, struct MHD_Response *r)
{
	const char *caching = file_caching(folder, f);
	char text[64];
	struct tm tm;

	(void)MHD_add_response_header(r, "Content-Type", f->type);
	(void)MHD_add_response_header(r, "ETag", f->tag);
	(void)MHD_add_response_header(r, "Vary", "Accept-Encoding");
	if (caching != NULL)
		(void)MHD_add_response_header(r, "Cache-Control", caching);
	if (f->encoding != NULL)
		(void)MHD_add_response_header(r, "Content-Encoding", f->encoding);
	else
		(void)MHD_add_response_header(r, "Accept-Ranges", "bytes");
	if (gmtime_r(&f->st.st_mtim.tv_sec, &tm) != NULL &&
	    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
		(void)MHD_add_response_header(r, "Last-Modified", text);
}

static bool
file_is_known(const struct file *f, const struct request *rq)
{
	const char *since = answer_header(rq, "If-Modified-Since");
	char text[64];
	struct tm tm;

	if (answer_header(rq, "If-None-Match") != NULL)
		return answer_tag_matches(rq, f->tag);
	return since != NULL && gmtime_r(&f->st.st_mtim.tv_sec, &tm) != NULL &&
	       strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0 &&
	       strcmp(text, since) == 0;
}

/* "bytes=A-B", "bytes=A-", "bytes=-N"; one range only. 0: none, 1: good, -1: outside of the file. */
static int
file_range(const struct request *rq, uint64_t size, uint64_t *from, uint64_t *len)
{
	const char *s = answer_header(rq, "Range");
	uint64_t first, last = size - 1;
	char *end;

	if (s == NULL || strncmp(s, "bytes=", 6) != 0 || strchr(s, ',') != NULL ||
	    answer_header(rq, "If-Range") != NULL)
		return 0;
	s += 6;
	if (*s == '-') {
		first = strtoull(s + 1, &end, 10);
		if (end == s + 1 || *end != '\0')
			return 0;
		first = first > size ? 0 : size - first;
	} else {
		first = strtoull(s, &end, 10);
		if (end == s || *end != '-')
			return 0;
		s = end + 1;
		if (*s != '\0') {
			last = strtoull(s, &end, 10);
			if (*end != '\0' || last < first)
				return 0;
		}
	}
	if (first >= size)
		return -1;
	*from = first;
	*len = (last >= size ? size - 1 : last) - first + 1;
	return 1;
}

/* The file's contents through the cache of answers, compressed. NULL: send it as it is. */
static struct answer *
file_compress(const struct file *f, const struct request *rq)
{
	struct worker *w = rq->conn->worker;
	uint64_t version = (uint64_t)f->st.st_mtim.tv_sec * 1000000007u ^
			   (uint64_t)f->st.st_mtim.tv_nsec ^ (uint64_t)f->st.st_size << 40;
	struct answer *a, *small = NULL;
	ssize_t n = 0;
	size_t got = 0;

	if (f->encoding != NULL || f->st.st_size > COMPRESS_MAX || !rq->settings->gzip ||
	    answer_header(rq, "Range") != NULL || !answer_takes(rq, "gzip"))
		return NULL;
	a = cache_get(w->server->cache, rq->target.raw, true, version, 0);
	if (a != NULL)
		return a;
	a = answer_new((size_t)f->st.st_size);
	while (a != NULL && got < a->len && (n = read(f->fd, a->data + got, a->len - got)) > 0)
		got += (size_t)n;
	if (a != NULL && got == a->len) {
		a->version = version;
		a->expires_us = UINT64_MAX;
		small = gzip_answer(w->gzip, a);
	}
	answer_unref(a);
	if (small != NULL)
		cache_put(w->server->cache, rq->target.raw, small);
	return small;
}

static enum MHD_Result
file_send(const struct folder *folder, struct file *f, struct request *rq)
{
	uint64_t from = 0, len = (uint64_t)f->st.st_size;
	struct answer *small = NULL;
	struct MHD_Response *r;
	unsigned status = 200;
	char text[96];

	if (file_is_known(f, rq)) {
		close(f->fd);
		r = MHD_create_response_from_buffer(0, (void *)(uintptr_t) "",
						    MHD_RESPMEM_PERSISTENT);
		if (r != NULL)
			file_headers(folder, f, r);
		httpd_count(&rq->conn->worker->server->not_modified);
		return answer_queue(rq, 304, r, 0);
	}
	small = f->text ? file_compress(f, rq) : NULL;
	if (small != NULL) {
		close(f->fd);
		f->encoding = "gzip";
		len = small->len;
		r = MHD_create_response_from_buffer_with_free_callback_cls(small->len, small->data,
									   answer_unref, small);
		if (r == NULL)
			answer_unref(small);
	} else {
		int range = f->encoding == NULL && len > 0 ? file_range(rq, len, &from, &len) : 0;

		status = range == 0 ? 200 : range == 1 ? 206 : 416;
		if (range == -1)
			len = 0;
		(void)snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)from,
			       (unsigned long long)(from + len - 1),
			       (unsigned long long)f->st.st_size);
		if (range == -1)
			(void)snprintf(text, sizeof(text), "bytes */%llu",
				       (unsigned long long)f->st.st_size);
		r = MHD_create_response_from_fd_at_offset64(len, f->fd, from);
		if (r == NULL)
			close(f->fd);
		else if (range != 0)
			(void)MHD_add_response_header(r, "Content-Range", text);
	}
	if (r != NULL)
		file_headers(folder, f, r);
	return answer_queue(rq, status, r, len);
}

static enum MHD_Result
folder_index(struct folder *f, struct request *rq)
{
	static const char *const name[] = { "index.html" };
	struct file file = { .fd = -1 };
	struct MHD_Response *r;

	if (f->index == NULL && file_find(&file, f, name, 1, rq))
		return file_send(f, &file, rq);
	if (f->index == NULL) {
		request_fail(rq, 404, "not found");
		return answer_error(rq);
	}
	r = MHD_create_response_from_buffer_with_free_callback_cls(f->index->len, f->index->data,
								   answer_unref,
								   answer_ref(f->index));
	if (r == NULL) {
		answer_unref(f->index);
		return MHD_NO;
	}
	(void)MHD_add_response_header(r, "Content-Type", f->index->type);
	(void)MHD_add_response_header(r, "Cache-Control", "no-cache, no-store, must-revalidate");
	return answer_queue(rq, 200, r, f->index->len);
}

enum MHD_Result
folder_answer(struct folder *f, struct request *rq)
{
	const struct target *t = &rq->target;
	const char *accept = answer_header(rq, "Accept");
	struct file file = { .fd = -1 };
	bool named = true; /* it may be the name of a file; an address of a page may be more */

	for (uint32_t i = 0; i < t->segments; i++) {
		named = named && strchr(t->segment[i], '/') == NULL;
		if (strstr(t->segment[i], "..") == NULL)
			continue;
		request_fail(rq, 400, "bad request");
		return answer_error(rq);
	}
	if (t->segments == 0 || (t->segments == 1 && strcmp(t->segment[0], "index.html") == 0))
		return folder_index(f, rq);
	if (named && file_find(&file, f, t->segment, t->segments, rq))
		return file_send(f, &file, rq);
	/* The pages have addresses of their own, which only they understand. */
	if (f->compat || (accept != NULL && strstr(accept, "text/html") != NULL))
		return folder_index(f, rq);
	request_fail(rq, 404, "not found");
	return answer_error(rq);
}

/* ------------------------------------------------------------ the folder -- */

/* index.html with each __BUST__ replaced by the time of the start. */
static void
folder_read_index(struct folder *f, uint64_t now_us)
{
	static const char mark[] = "__BUST__";
	struct stat st;
	int fd = file_open_at(f->fd, "index.html", "", &st);
	char *text = fd == -1 || st.st_size > INDEX_MAX ? NULL : calloc(1, (size_t)st.st_size + 1);
	ssize_t n = text == NULL ? -1 : read(fd, text, (size_t)st.st_size);
	struct json out;

	js_init(&out, 2 * INDEX_MAX);
	for (const char *s = text; n > 0 && s != NULL;) {
		const char *next = strstr(s, mark);

		js_text(&out, s, next == NULL ? strlen(s) : (size_t)(next - s));
		if (next != NULL)
			js_printf(&out, "%llu", (unsigned long long)(now_us / 1000000));
		s = next == NULL ? NULL : next + sizeof(mark) - 1;
	}
	f->index = n <= 0 || out.failed ? NULL : answer_new(out.len);
	if (f->index != NULL) {
		memcpy(f->index->data, out.data, out.len);
		f->index->type = "text/html; charset=utf-8";
	}
	js_fini(&out);
	free(text);
	if (fd != -1)
		close(fd);
}

mk_result
folder_new(const char *path, bool compat, uint64_t now_us, struct folder **out, mk_err *err)
{
	struct folder *f = path == NULL ? NULL : calloc(1, sizeof(*f));
	mk_result rc;

	if (f == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	f->compat = compat;
	f->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (f->fd == -1) {
		rc = mk_err_errno(err, "folder %s", path);
		free(f);
		return rc;
	}
	if (compat)
		folder_read_index(f, now_us);
	*out = f;
	return MK_OK;
}

void
folder_free(struct folder *f)
{
	if (f == NULL)
		return;
	answer_unref(f->index);
	close(f->fd);
	free(f);
}
