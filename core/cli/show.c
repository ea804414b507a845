/* SPDX-License-Identifier: MIT
 *
 * Results for people and for programs. See show.h.
 */
#include "show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "text.h"

static bool
key_ends(const char *key, const char *end)
{
	size_t len = strlen(key), end_len = strlen(end);

	return len >= end_len && strcmp(key + len - end_len, end) == 0;
}

/* A key for people, in `upper` case for the head of a table: "rss_bytes" is "RSS". */
static void
key_label(const char *key, bool upper, char *out, size_t cap)
{
	size_t len = strlen(key);

	if (key_ends(key, "_bytes"))
		len -= 6;
	else if (key_ends(key, "_us"))
		len -= 3;
	for (size_t i = 0; i < len && i + 1 < cap; i++, out++)
		*out = key[i] == '_' ? ' ' : key[i];
	*out = '\0';
	for (out -= len < cap ? len : cap - 1; upper && *out != '\0'; out++)
		*out = (char)(*out >= 'a' && *out <= 'z' ? *out - 'a' + 'A' : *out);
}

static void
value_number(FILE *out, const char *key, uint64_t n)
{
	uint64_t now = clock_wall_us();

	if (n == 0 && (strcmp(key, "pid") == 0 || strcmp(key, "rss_bytes") == 0))
		fputs("-", out); /* it shares those of the daemon */
	else if (strcmp(key, "since_us") == 0)
		fprintf(out, "%s ago", text_duration(now > n ? now - n : 0).s);
	else if (key_ends(key, "_us"))
		fputs(text_duration(n).s, out);
	else if (key_ends(key, "bytes"))
		fputs(text_size(n).s, out);
	else if (strcmp(key, "pid") == 0 || strcmp(key, "epoch") == 0)
		fprintf(out, "%" PRIu64, n);
	else
		fputs(text_count(n).s, out);
}

/* A scalar, a list of them with commas, or a map of them: "running 7, failed 0". */
static void
value_print(FILE *out, const char *key, const mk_val *value, uint32_t depth)
{
	bool is_map = mk_is_map(value), b;
	char name[128] = "", label[128];
	const char *s;
	size_t len;
	uint64_t u;
	int64_t i;
	double f;

	if (mk_get_str(value, &s, &len))
		fwrite(s, 1, len, out);
	else if (mk_get_u64(value, &u))
		value_number(out, key, u);
	else if (mk_get_i64(value, &i)) /* negative, or the line above had taken it */
		fprintf(out, "-%s", text_count(0 - (uint64_t)i).s);
	else if (mk_get_f64(value, &f))
		fprintf(out, "%g", f);
	else if (mk_get_bool(value, &b))
		fputs(b ? "yes" : "no", out);
	for (uint32_t k = 0; depth < 4 && k < mk_count(value); k++) {
		fputs(k == 0 ? "" : ", ", out);
		if (is_map && mk_copy_str(mk_key_at(value, k), name, sizeof(name))) {
			key_label(name, false, label, sizeof(label));
			fprintf(out, "%s ", label);
		}
		value_print(out, is_map ? name : key,
			    is_map ? mk_val_at(value, k) : mk_at(value, k), depth + 1);
	}
}

/* The states of plugins and of the daemon. */
static enum tone
value_tone(const char *key, const char *text)
{
	static const struct {
		const char *state;
		enum tone tone;
	} tones[] = { { "running", TONE_GOOD },
		      { "disabled", TONE_DIM },
		      { "failed", TONE_BAD },
		      { "quarantined", TONE_BAD },
		      { "stuck", TONE_BAD } };

	if (strcmp(key, "state") != 0)
		return TONE_PLAIN;
	for (size_t i = 0; i < sizeof(tones) / sizeof(tones[0]); i++)
		if (strcmp(text, tones[i].state) == 0)
			return tones[i].tone;
	return TONE_WARN;
}

static void
value_add(struct table *t, const char *key, const mk_val *value)
{
	char *s = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&s, &len);

	if (out != NULL) {
		value_print(out, key, value, 0);
		fclose(out);
	}
	table_add(t, s == NULL ? TONE_PLAIN : value_tone(key, s), len == 0 ? "-" : s,
		  len == 0 ? 1 : len);
	free(s);
}

static bool
holds_maps(const mk_val *value)
{
	for (uint32_t i = 0; i < mk_count(value); i++)
		if (mk_is_map(mk_is_map(value) ? mk_val_at(value, i) : mk_at(value, i)))
			return true;
	return false;
}

/* One row a pair; a map of maps gives a row for each of them, "ring reliable". */
static void
pairs_add(struct table *t, const char *prefix, const mk_val *map)
{
	for (uint32_t i = 0; i < mk_count(map); i++) {
		const mk_val *value = mk_val_at(map, i);
		char key[128] = "", label[128], *name;

		(void)mk_copy_str(mk_key_at(map, i), key, sizeof(key));
		key_label(key, false, label, sizeof(label));
		name = cli_format("%s%s", prefix, label);
		if (mk_is_map(value) && holds_maps(value)) {
			char *inner = cli_format("%s ", name);

			pairs_add(t, inner, value);
			free(inner);
		} else if (!mk_is_array(value) || !holds_maps(value)) {
			table_add(t, TONE_DIM, name, strlen(name));
			value_add(t, key, value);
		}
		free(name);
	}
}

void
show_list(const struct cli *cli, const mk_val *list, const char *const *keys, uint32_t count)
{
	const mk_val *first = mk_at(list, 0);
	char names[TABLE_COLUMNS_MAX][128], labels[TABLE_COLUMNS_MAX][128];
	const char *heads[TABLE_COLUMNS_MAX];
	struct table t;

	if (keys == NULL)
		count = mk_count(first);
	if (count > TABLE_COLUMNS_MAX)
		count = TABLE_COLUMNS_MAX;
	if (count == 0)
		return;
	for (uint32_t c = 0; c < count; c++) {
		uint64_t u;

		names[c][0] = '\0';
		if (keys != NULL)
			snprintf(names[c], sizeof(names[c]), "%s", keys[c]);
		else
			(void)mk_copy_str(mk_key_at(first, c), names[c], sizeof(names[c]));
		labels[c][0] = mk_get_u64(mk_find(first, names[c]), &u) ? '>' : '~';
		key_label(names[c], true, labels[c] + 1, sizeof(labels[c]) - 1);
		heads[c] = labels[c];
	}
	table_init(&t, heads, count);
	for (uint32_t i = 0; i < mk_count(list); i++)
		for (uint32_t c = 0; c < count; c++)
			value_add(&t, names[c], mk_find(mk_at(list, i), names[c]));
	table_print(&t, stdout, cli->width, cli->colour);
}

void
show_lines(FILE *out, const mk_val *list)
{
	for (uint32_t i = 0; i < mk_count(list); i++) {
		const char *s = "";
		size_t len = 0;
		char *clean;

		(void)mk_get_str(mk_at(list, i), &s, &len);
		clean = text_clean(s, len, 0, NULL);
		fprintf(out, "%s\n", clean);
		free(clean);
	}
}

int
show_data(const struct cli *cli, const mk_val *map)
{
	static const char *const heads[] = { "", "~" };
	struct table t;

	if (cli->json) {
		json_print_value(stdout, map);
		putchar('\n');
		return 0;
	}
	table_init(&t, heads, 2);
	pairs_add(&t, "", map);
	table_print(&t, stdout, cli->width, cli->colour);
	for (uint32_t i = 0; i < mk_count(map); i++) {
		const mk_val *value = mk_val_at(map, i);

		if (!mk_is_array(value) || !holds_maps(value))
			continue;
		putchar('\n');
		show_list(cli, value, NULL, 0);
	}
	return 0;
}

void
show_put(mk_writer *w, const char *s)
{
	char *copy = s == NULL ? NULL : cli_format("%s", s);
	bool valid = s == NULL || mk_utf8_valid(s, strlen(s));

	for (char *c = copy; !valid && *c != '\0'; c++)
		if ((*c & 0x80) != 0)
			*c = '?';
	mk_put_str(w, copy);
	free(copy);
}

void
show_kv(mk_writer *w, const char *key, const char *s)
{
	mk_put_str(w, key);
	show_put(w, s);
}

int
show_written(const struct cli *cli, mk_writer *w)
{
	mk_doc doc;
	bool good;

	mk_doc_init(&doc);
	good =
	    mk_writer_end(w) == MK_OK && mk_doc_open(&doc, w->data, w->len, NULL, NULL, 0) == MK_OK;
	if (good)
		show_data(cli, mk_doc_root(&doc));
	mk_doc_fini(&doc);
	mk_writer_fini(w);
	return good ? 0
		    : cli_say(CLI_FAILED, "the result cannot be shown: it is too large or no "
					  "valid text");
}
