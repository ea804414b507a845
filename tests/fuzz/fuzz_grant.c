/* SPDX-License-Identifier: MIT
 *
 * What a configuration grants to a plugin that asks for anything: the input is a file, a zero byte,
 * and what is asked for, one a line. A third party gets what a list has or what is its own, never
 * more, and nobody gets what is the core's.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "grant.h"

#define ASKED_MAX 16

#define REQUIRE(x)               \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char words[ASKED_MAX][80];
static mk_topic topics[ASKED_MAX + 1];
static const char *capabilities[ASKED_MAX + 1];

static void
read_words(const char *text, size_t size)
{
	uint32_t n = 0;

	memset(topics, 0, sizeof(topics));
	memset(capabilities, 0, sizeof(capabilities));
	while (size > 0 && n < ASKED_MAX) {
		const char *end = memchr(text, '\n', size);
		size_t line = end == NULL ? size : (size_t)(end - text);
		size_t len = line < sizeof(words[0]) ? line : sizeof(words[0]) - 1;

		memcpy(words[n], text, len);
		words[n][len] = '\0';
		topics[n].name = words[n];
		capabilities[n] = words[n];
		n++;
		line += end != NULL;
		text += line;
		size -= line;
	}
}

static bool
is_covered(const char *const *list, const char *topic)
{
	bool covered = false;

	for (; *list != NULL; list++)
		covered = covered || mk_topic_covers(*list, topic);
	return covered;
}

static bool
begins(const char *text, const char *with, const char *then)
{
	size_t len = strlen(with);

	return strncmp(text, with, len) == 0 && strncmp(text + len, then, strlen(then)) == 0;
}

/* Returns how many problems asking for everything has to have. */
static uint32_t
check(const struct plugin_settings *s)
{
	uint32_t refused = 0;

	for (uint32_t i = 0; topics[i].name != NULL; i++) {
		const char *t = topics[i].name;
		bool publish = grant_publish(s, t), subscribe = grant_subscribe(s, t);

		refused += !publish + !subscribe + !grant_capability(s, t);
		if (publish)
			REQUIRE(!begins(t, "core/", ""));
		if (publish && s->has_publish)
			REQUIRE(is_covered(s->publish, t));
		else if (publish && !s->builtin)
			REQUIRE(begins(t, s->name, "/") ||
				(begins(t, "snapshot/", s->name) &&
				 strlen(t) == strlen("snapshot/") + strlen(s->name)));
		REQUIRE(subscribe == (!s->has_subscribe || is_covered(s->subscribe, t)));
		if (grant_capability(s, t) && !s->builtin) {
			bool granted = false;

			for (const char *const *g = s->grant; *g != NULL; g++)
				granted = granted || strcmp(*g, t) == 0;
			REQUIRE(granted);
		}
	}
	return refused;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
	size_t len = zero == NULL ? size : (size_t)(zero - data);
	mk_problems *problems = mk_problems_new("f");
	const mk_manifest m = { .publishes = topics,
				.subscribes = topics,
				.capabilities = capabilities };
	struct settings *s = settings_parse("/f", data, len, NULL, problems);

	read_words((const char *)data + len + (zero != NULL), size - len - (zero != NULL));
	for (uint32_t i = 0; s != NULL && i < s->plugin_count; i++) {
		uint32_t before = mk_problems_count(problems), refused = check(&s->plugins[i]);

		grant_check(&s->plugins[i], &m, problems);
		REQUIRE(mk_problems_count(problems) - before == refused);
	}
	settings_free(s);
	mk_problems_free(problems);
	return 0;
}
