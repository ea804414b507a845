/* SPDX-License-Identifier: MIT
 *
 * What an instance said: its log, its numbers, and the rules that it broke.
 */
#include "kit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
tk_misbehaved(mk_tk *tk, const char *kind, const char *format, ...)
{
	char text[256];
	char line[288];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(line, sizeof(line), "%s: %s", kind, text);
	pthread_mutex_lock(&tk->lock);
	tk->broken_count++;
	if (tk->broken_rules.count < TK_LINES_MAX)
		*TK_PUSH(&tk->broken_rules) = tk_copy(line);
	pthread_mutex_unlock(&tk->lock);
}

uint32_t
mk_tk_logged(const mk_tk *tk, int32_t level)
{
	uint32_t count = 0;

	pthread_mutex_lock(&tk_mutable(tk)->lock);
	if (level >= 0 && level <= MK_LOG_DEBUG)
		count = tk->log_counts[level];
	pthread_mutex_unlock(&tk_mutable(tk)->lock);
	return count;
}

bool
mk_tk_log_has(const mk_tk *tk, const char *text)
{
	bool has = false;

	pthread_mutex_lock(&tk_mutable(tk)->lock);
	for (size_t i = 0; i < tk->logs.count && !has; i++)
		has = strstr(tk->logs.items[i].text, text) != NULL;
	pthread_mutex_unlock(&tk_mutable(tk)->lock);
	return has;
}

int64_t
mk_tk_number(const mk_tk *tk, const char *name)
{
	int64_t value = 0;

	pthread_mutex_lock(&tk_mutable(tk)->lock);
	for (size_t i = 0; i < tk->numbers.count; i++) {
		if (strcmp(tk->numbers.items[i].name, name) == 0)
			value = tk->numbers.items[i].value;
	}
	pthread_mutex_unlock(&tk_mutable(tk)->lock);
	return value;
}

uint32_t
mk_tk_misbehaved(const mk_tk *tk)
{
	uint32_t count;

	pthread_mutex_lock(&tk_mutable(tk)->lock);
	count = tk->broken_count;
	pthread_mutex_unlock(&tk_mutable(tk)->lock);
	return count;
}

const char *
mk_tk_misbehaved_text(const mk_tk *tk)
{
	mk_tk *kit = tk_mutable(tk); /* the joined text is a cache */
	size_t size = 1;
	size_t used = 0;

	pthread_mutex_lock(&kit->lock);
	for (size_t i = 0; i < kit->broken_rules.count; i++)
		size += strlen(kit->broken_rules.items[i]) + 1;
	free(kit->broken_text);
	kit->broken_text = malloc(size);
	if (kit->broken_text == NULL)
		abort();
	kit->broken_text[0] = '\0';
	for (size_t i = 0; i < kit->broken_rules.count; i++) {
		snprintf(kit->broken_text + used, size - used, "%s\n", kit->broken_rules.items[i]);
		used += strlen(kit->broken_rules.items[i]) + 1;
	}
	pthread_mutex_unlock(&kit->lock);
	return kit->broken_text;
}
