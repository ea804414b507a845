/* SPDX-License-Identifier: MIT
 *
 * Bodies for messages and calls. A plugin looks for keys by name, so random
 * names would only test its first line; the names are taken from the strings
 * in the plugin's file. Everything is made from one seed: a finding comes
 * again.
 */
#include "conform.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX MK_TOPIC_MAX
#define PAIRS_MAX 8
#define DEPTH_MAX 6

uint32_t
bodies_random(struct conform *c, uint32_t below)
{
	c->seed ^= c->seed << 13;
	c->seed ^= c->seed >> 7;
	c->seed ^= c->seed << 17;
	return (uint32_t)(c->seed >> 32) % below;
}

/* --------------------------------------------------------------- names --- */

static void
bodies_word(struct conform *c, const char *word)
{
	for (size_t i = 0; i < c->word_count; i++) {
		if (strcmp(c->words[i], word) == 0)
			return;
	}
	if (c->word_count < WORDS_MAX)
		c->words[c->word_count++] = strdup(word);
}

/* Runs of letters that a NUL ends, as string literals are. */
static void
bodies_read_words(struct conform *c)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_./-";
	char word[WORD_MAX + 1];
	size_t len = 0;
	FILE *f = fopen(c->file, "rbe");
	int byte;

	bodies_word(c, "items");
	while (f != NULL && (byte = getc(f)) != EOF) {
		if (byte != 0 && len <= WORD_MAX && strchr(letters, byte) != NULL) {
			if (len < WORD_MAX)
				word[len] = (char)byte;
			len++;
			continue;
		}
		word[len < WORD_MAX ? len : WORD_MAX] = '\0';
		if (byte == 0 && len > 0 && len <= WORD_MAX)
			bodies_word(c, word);
		len = byte == 0 ? 0 : WORD_MAX + 1; /* something else: wait for its end */
	}
	if (f != NULL)
		fclose(f);
}

static void
bodies_target(struct conform *c, const char *name, bool method, uint32_t schema)
{
	if (c->target_count < TARGETS_MAX)
		c->targets[c->target_count++] = (struct target){ name, method, schema };
}

/* For a subtree: the topics in it that the plugin's file names, and one that
 * it cannot know. */
static void
bodies_subtree(struct conform *c, const mk_topic *t)
{
	char name[MK_TOPIC_MAX + 16], *unheard;

	for (size_t i = 0; i < c->word_count; i++) {
		if (mk_topic_covers(t->name, c->words[i]) && mk_topic_valid(c->words[i], false))
			bodies_target(c, c->words[i], false, t->schema_max);
	}
	snprintf(name, sizeof(name), "%sconform", t->name);
	if (mk_topic_valid(name, false) && c->target_count < TARGETS_MAX &&
	    (unheard = strdup(name)) != NULL)
		bodies_target(c, unheard, false, t->schema_max);
}

void
bodies_init(struct conform *c)
{
	c->seed = 0x6d6573686b65726e;
	bodies_read_words(c);
	for (const mk_topic *t = c->manifest->subscribes; t->name != NULL; t++) {
		if (mk_topic_valid(t->name, false))
			bodies_target(c, t->name, false, t->schema_max);
		else
			bodies_subtree(c, t);
	}
	for (const mk_method *m = c->manifest->methods; m->name != NULL; m++)
		bodies_target(c, m->name, true, 0);
}

/* ---------------------------------------------------------- generating --- */

static const char *
bodies_pick(struct conform *c)
{
	return c->words[bodies_random(c, (uint32_t)c->word_count)];
}

static void
bodies_number(struct conform *c, mk_writer *w)
{
	static const int64_t edges[] = { 0,
					 1,
					 -1,
					 127,
					 255,
					 256,
					 65536,
					 INT32_MAX,
					 INT64_MAX,
					 INT64_MIN,
					 1767225600,
					 1767225600000,
					 1767225600000000 };
	static const double reals[] = { 0.5, -0.0, 1e300, -1e-300, NAN, INFINITY };

	switch (bodies_random(c, 4)) {
	case 0:
		mk_put_f64(w, reals[bodies_random(c, sizeof(reals) / sizeof(reals[0]))]);
		break;
	case 1:
		mk_put_u64(w, UINT64_MAX - bodies_random(c, 2));
		break;
	case 2:
		mk_put_i64(w, edges[bodies_random(c, sizeof(edges) / sizeof(edges[0]))]);
		break;
	default:
		mk_put_i64(w, (int64_t)bodies_random(c, 1000) - 100);
	}
}

static void
bodies_text(struct conform *c, mk_writer *w)
{
	static const char *const texts[] = { "",
					     "a",
					     "\xc3\xa9\xe2\x82\xac",
					     "\" \\ \n %s %n",
					     "../../etc/passwd",
					     "0123456789abcdef" };
	uint8_t bytes[300];
	size_t len =
	    bodies_random(c, 4) == 0 ? bodies_random(c, sizeof(bytes)) : bodies_random(c, 33);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)bodies_random(c, 256);
	switch (bodies_random(c, 4)) {
	case 0:
		mk_put_bin(w, bytes, len);
		break;
	case 1:
		mk_put_str(w, bodies_pick(c));
		break;
	case 2:
		mk_put_str(w, texts[bodies_random(c, sizeof(texts) / sizeof(texts[0]))]);
		break;
	default: /* hexadecimal is what many fields are */
		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t) "0123456789abcdef"[bytes[i] & 15];
		mk_put_strn(w, (const char *)bytes, len);
	}
}

static void bodies_value(struct conform *c, mk_writer *w, uint32_t depth);

static void
bodies_map(struct conform *c, mk_writer *w, uint32_t depth)
{
	const char *keys[PAIRS_MAX];
	uint32_t pairs = 0;

	for (uint32_t tries = bodies_random(c, PAIRS_MAX + 1); tries > 0; tries--) {
		const char *key = bodies_pick(c);
		uint32_t i = 0;

		while (i < pairs && strcmp(keys[i], key) != 0)
			i++;
		if (i == pairs)
			keys[pairs++] = key;
	}
	mk_put_map(w, pairs);
	for (uint32_t i = 0; i < pairs; i++) {
		mk_put_str(w, keys[i]);
		bodies_value(c, w, depth + 1);
	}
}

static void
bodies_value(struct conform *c, mk_writer *w, uint32_t depth)
{
	uint32_t kind = bodies_random(c, depth < DEPTH_MAX ? 10 : 8);
	uint32_t count;

	if (kind < 3) {
		bodies_number(c, w);
	} else if (kind < 6) {
		bodies_text(c, w);
	} else if (kind == 6) {
		mk_put_bool(w, bodies_random(c, 2) == 1);
	} else if (kind == 7) {
		mk_put_nil(w);
	} else if (kind == 8) {
		bodies_map(c, w, depth);
	} else {
		count = bodies_random(c, 5);
		mk_put_array(w, count);
		for (uint32_t i = 0; i < count; i++)
			bodies_value(c, w, depth + 1);
	}
}

void
bodies_make(struct conform *c, const struct target *t, mk_writer *w)
{
	uint32_t given = bodies_random(c, 3); /* two of three, if there are any */
	uint32_t items;

	mk_writer_reset(w);
	for (size_t i = 0; given > 0 && i < c->given_count; i++) {
		const struct body *b = &c->given[(i + c->seed) % c->given_count];

		if (strcmp(b->topic, t->name) != 0)
			continue;
		mk_put_raw(w, b->data, b->len);
		return;
	}
	if (bodies_random(c, 2) == 0) {
		bodies_map(c, w, 0);
		return;
	}
	items = bodies_random(c, 4); /* the usual form of a batch */
	mk_put_map(w, 1);
	mk_kv_array(w, "items", items);
	for (uint32_t i = 0; i < items; i++)
		bodies_map(c, w, 1);
}

/* ------------------------------------------------------------ changing --- */

void
bodies_mutate(struct conform *c, mk_writer *w)
{
	static const uint8_t bytes[] = { 0x00, 0x7f, 0x80, 0x90, 0xa0, 0xc0, 0xc2, 0xc3,
					 0xc4, 0xcb, 0xcf, 0xd3, 0xd9, 0xdc, 0xe0, 0xff };
	uint8_t *original = malloc(w->len);

	if (original == NULL || w->len < 2) {
		free(original);
		return;
	}
	memcpy(original, w->data, w->len);
	for (int tries = 0; tries < 20; tries++) {
		for (uint32_t n = 1 + bodies_random(c, 3); n > 0; n--) {
			uint32_t at = 1 + bodies_random(c, (uint32_t)w->len - 1);

			if (bodies_random(c, 2) == 0)
				w->data[at] = bytes[bodies_random(c, sizeof(bytes))];
			else
				w->data[at] ^= (uint8_t)(1u << bodies_random(c, 8));
		}
		if (mk_validate(w->data, w->len, NULL, NULL, 0) == MK_OK)
			break;
		memcpy(w->data, original, w->len);
	}
	free(original);
}

static void
bodies_copy(const mk_val *v, mk_writer *w)
{
	uint32_t count = mk_count(v);
	const uint8_t *bin;
	const char *str;
	size_t len;
	int64_t i64;
	uint64_t u64;
	double f64;
	bool yes;

	if (mk_is_map(v)) {
		mk_put_map(w, count + 1);
		for (uint32_t i = 0; i < count; i++) {
			bodies_copy(mk_key_at(v, i), w);
			bodies_copy(mk_val_at(v, i), w);
		}
		mk_kv_str(w, "conform_unknown_key", "and its value");
	} else if (mk_is_array(v)) {
		mk_put_array(w, count);
		for (uint32_t i = 0; i < count; i++)
			bodies_copy(mk_at(v, i), w);
	} else if (mk_get_str(v, &str, &len)) {
		mk_put_strn(w, str, len);
	} else if (mk_get_bin(v, &bin, &len)) {
		mk_put_bin(w, bin, len);
	} else if (mk_get_bool(v, &yes)) {
		mk_put_bool(w, yes);
	} else if (mk_get_i64(v, &i64)) {
		mk_put_i64(w, i64);
	} else if (mk_get_u64(v, &u64)) {
		mk_put_u64(w, u64);
	} else if (mk_get_f64(v, &f64)) {
		mk_put_f64(w, f64);
	} else {
		mk_put_nil(w);
	}
}

void
bodies_extend(const void *body, size_t len, mk_writer *w)
{
	mk_doc doc;

	mk_writer_reset(w);
	mk_doc_init(&doc);
	if (mk_doc_open(&doc, body, len, NULL, NULL, 0) == MK_OK)
		bodies_copy(mk_doc_root(&doc), w);
	mk_doc_fini(&doc);
}
