/* SPDX-License-Identifier: MIT
 *
 * A plugin that publishes numbers at a rate and writes down every number that the bus has taken.
 * Whoever includes it says what it is: SOURCE_ID, SOURCE_TOPIC, SOURCE_FLAGS.
 */
#include <stdlib.h>
#include <string.h>

#include "numbers.h"

#define TICK_US 1000u
#define BEHIND_MAX 1000u /* numbers that it catches up with when it was held up */
#define FILL_MAX 32768

struct source {
	const mk_host *host;
	int fd;
	uint64_t number;
	uint64_t rate;
	uint64_t since_us, due; /* what is due since then, and was published or skipped */
	mk_writer body;
	uint8_t fill[FILL_MAX];
};

static mk_result
source_create(const mk_host *host, void **self)
{
	struct source *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return MK_ENOMEM;
	s->host = host;
	s->fd = -1;
	mk_writer_init(&s->body, 0);
	*self = s;
	return MK_OK;
}

static void
source_destroy(void *self)
{
	struct source *s = self;

	if (s->fd != -1)
		close(s->fd);
	mk_writer_fini(&s->body);
	free(s);
}

static mk_result
source_publish(struct source *s)
{
	struct record r = { .number = s->number + 1 };
	mk_result rc;

	mk_writer_reset(&s->body);
	mk_put_map(&s->body, 2);
	mk_kv_u64(&s->body, "n", r.number);
	mk_kv_bin(&s->body, "fill", s->fill, (size_t)s->host->opt_int(s->host, "fill"));
	rc = mk_writer_end(&s->body);
	if (rc == MK_OK)
		rc =
		    s->host->publish(s->host, SOURCE_TOPIC, s->body.data, (uint32_t)s->body.len, 0);
	if (rc != MK_OK) {
		s->host->count(s->host,
			       rc == MK_EFULL    ? "full"
			       : rc == MK_EAGAIN ? "busy"
						 : "failed",
			       1);
		return rc;
	}
	s->number++;
	return numbers_write(s->fd, &r, 1) ? MK_OK : MK_EIO;
}

/* Also reconfigure(). */
static mk_result
source_set_rate(void *self)
{
	struct source *s = self;

	s->rate = (uint64_t)s->host->opt_int(s->host, "rate");
	s->since_us = s->host->now_us(s->host);
	s->due = 0;
	s->host->gauge(s->host, "rate", (int64_t)s->rate);
	return s->host->timer(s->host, 1, TICK_US, TICK_US);
}

static mk_result
source_start(void *self)
{
	struct source *s = self;
	struct record last = { 0 };
	uint64_t count;

	if (strcmp(s->host->opt_str(s->host, "label"), "no start") == 0)
		return MK_EUNAVAIL;
	s->fd = numbers_open(s->host);
	if (s->fd == -1)
		return MK_EIO;
	count = numbers_count(s->fd);
	if (count > 0 && pread(s->fd, &last, sizeof(last), (off_t)((count - 1) * sizeof(last))) !=
			     (ssize_t)sizeof(last))
		return MK_EIO;
	s->number = ((last.number >> 32) + 1) << 32;
	last = (struct record){ .number = s->number };
	if (!numbers_write(s->fd, &last, 1))
		return MK_EIO;
	return source_set_rate(s);
}

static void
source_on_timer(void *self, uint32_t id)
{
	struct source *s = self;
	uint64_t due = (s->host->now_us(s->host) - s->since_us) * s->rate / 1000000;

	(void)id;
	if (due > s->due + BEHIND_MAX)
		s->due = due - BEHIND_MAX;
	while (s->due < due && source_publish(s) == MK_OK)
		s->due++;
}

static void
source_stop(void *self)
{
	struct source *s = self;

	for (int64_t i = s->host->opt_int(s->host, "at_stop"); i > 0; i--)
		source_publish(s);
}

static mk_result
source_check(const mk_host *config, char *why, uint32_t why_len)
{
	if (strcmp(config->opt_str(config, "label"), "refused") != 0)
		return MK_OK;
	(void)snprintf(why, why_len, "label: this one is refused");
	return MK_EINVAL;
}

static const mk_topic source_topics[] = {
	{ .name = SOURCE_TOPIC, .flags = SOURCE_FLAGS, .help = "numbers" },
	{ .name = NULL },
};

/* clang-format off */
static const mk_option source_options[] = {
	{ .name = "rate", .type = MK_OPT_INT, .max = 1000000, .dflt = "3000", .flags = MK_OPT_LIVE,
	  .help = "messages a second" },
	{ .name = "fill", .type = MK_OPT_INT, .max = FILL_MAX, .dflt = "0", .flags = MK_OPT_LIVE,
	  .help = "bytes of ballast" },
	{ .name = "at_stop", .type = MK_OPT_INT, .max = 8000, .dflt = "0", .flags = MK_OPT_LIVE,
	  .help = "last messages, published in stop()" },
	{ .name = "label", .type = MK_OPT_STRING, .dflt = "none",
	  .help = "\"refused\" fails the check, \"no start\" the start" },
	{ .name = NULL },
};
/* clang-format on */

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.id = SOURCE_ID,
	.version = "1.0.0",
	.summary = "Publishes numbers and writes down which",
	.license = "MIT",
	.author = "The meshkern authors",
	.publishes = source_topics,
	.options = source_options,
	.check = source_check,
	.create = source_create,
	.start = source_start,
	.on_timer = source_on_timer,
	.reconfigure = source_set_rate,
	.stop = source_stop,
	.destroy = source_destroy,
};
