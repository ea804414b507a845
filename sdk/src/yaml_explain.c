/* SPDX-License-Identifier: MIT
 *
 * libyaml says "did not find expected key"; the reader of that message wants
 * to know which of a few ordinary mistakes it was. Where the text around the
 * position tells, the message says so; else libyaml's own words are kept.
 */
#include "yaml_explain.h"

#include <string.h>

struct place {
	const char *text;
	size_t len;
	size_t line_start; /* of the line the problem is in */
	size_t at;         /* of the problem; <= len */
};

/* libyaml counts characters, not bytes. */
static struct place
yaml_find(const char *text, size_t len, const yaml_mark_t *mark)
{
	struct place p = { .text = text, .len = len };
	size_t line = 0;

	for (size_t i = 0; i < len && line < mark->line; i++) {
		bool crlf = text[i] == '\r' && i + 1 < len && text[i + 1] == '\n';

		if (crlf || (text[i] != '\n' && text[i] != '\r'))
			continue;
		line++;
		p.line_start = i + 1;
	}
	p.at = p.line_start;
	for (size_t column = 0; column < mark->column && p.at < len; column++) {
		p.at++;
		while (p.at < len && ((unsigned char)text[p.at] & 0xc0u) == 0x80u)
			p.at++;
	}
	return p;
}

static char
yaml_char(const struct place *p)
{
	return p->at < p->len ? p->text[p->at] : '\0';
}

/* Nothing but blanks between the start of the line and the problem. */
static bool
yaml_begins_line(const struct place *p)
{
	for (size_t i = p->line_start; i < p->at; i++)
		if (p->text[i] != ' ' && p->text[i] != '\t')
			return false;
	return true;
}

static bool
yaml_colon_before(const struct place *p)
{
	for (size_t i = p->line_start; i + 1 < p->at; i++)
		if (p->text[i] == ':' && p->text[i + 1] == ' ')
			return true;
	return false;
}

static const char *
yaml_explain_token(const struct place *p)
{
	switch (yaml_char(p)) {
	case '\t':
		return "a tab where only spaces are allowed: indent with spaces";
	case '@':
		return "a text that begins with \"@\" needs quotes";
	case '`':
		return "a text that begins with \"`\" needs quotes";
	case '%':
		return "a text that begins with \"%\" needs quotes";
	default:
		return "unexpected character";
	}
}

static const char *
yaml_explain_colon(const struct place *p)
{
	if (yaml_colon_before(p))
		return "a text that contains \": \" needs quotes";
	return "unexpected \":\": the line is indented too far, or the line above is not finished";
}

static const char *
yaml_explain_key(const struct place *p)
{
	if (!yaml_begins_line(p))
		return "unexpected text after the value: quotes go around a whole value";
	if (yaml_char(p) == '-')
		return "unexpected \"-\": a list item where a key was expected";
	return "wrong indentation: it fits none of the lines above";
}

/* NULL: libyaml's words are as good. */
static const char *
yaml_explain_syntax(const char *problem, const struct place *p)
{
	static const struct {
		const char *libyaml;
		const char *ours;
	} plain[] = {
		{ "found a tab character where an indentation space is expected",
		  "a tab where only spaces are allowed: indent with spaces" },
		{ "found a tab character that violates indentation",
		  "a tab where only spaces are allowed: indent with spaces" },
		{ "did not find expected '-' indicator",
		  "expected \"-\" and another list item; or the indentation is wrong" },
		{ "did not find expected ',' or ']'",
		  "expected \",\" or \"]\": the list is not closed" },
		{ "did not find expected ',' or '}'",
		  "expected \",\" or \"}\": the map is not closed" },
		{ "could not find expected ':'", "expected \":\" after the key" },
		{ "block sequence entries are not allowed in this context",
		  "unexpected \"-\": a list begins on a line of its own" },
		{ "mapping keys are not allowed in this context", "unexpected \"?\"" },
		{ "did not find expected node content", "expected a value" },
		{ "found unexpected end of stream", "the quotes are not closed" },
		{ "found unexpected document indicator", "the quotes are not closed" },
		{ "found unknown escape character",
		  "unknown escape: in double quotes, write \\\\ for a backslash" },
		{ "did not find expected <document start>", "text after the end of the document" },
		{ "found incompatible YAML document", "only YAML 1.1 and 1.2 are supported" },
	};

	if (strcmp(problem, "found character that cannot start any token") == 0)
		return yaml_explain_token(p);
	if (strcmp(problem, "mapping values are not allowed in this context") == 0)
		return yaml_explain_colon(p);
	if (strcmp(problem, "did not find expected key") == 0)
		return yaml_explain_key(p);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strcmp(problem, plain[i].libyaml) == 0)
			return plain[i].ours;
	return NULL;
}

/* Line and column of a byte; the reader's errors have only that. */
static void
yaml_explain_bytes(const yaml_parser_t *parser, const char *text, size_t len, mk_problems *problems)
{
	size_t end = parser->problem_offset < len ? parser->problem_offset : len;
	uint32_t line = 1;
	uint32_t column = 1;

	for (size_t i = 0; i < end; i++) {
		if (text[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)text[i] & 0xc0u) != 0x80u) {
			column++;
		}
	}
	if (strcmp(parser->problem, "control characters are not allowed") == 0)
		mk_problems_add(problems, line, column, "control character 0x%02x in the file",
				(unsigned)parser->problem_value);
	else
		mk_problems_add(problems, line, column, "the file is not UTF-8 text: %s",
				parser->problem);
}

void
yaml_explain(const yaml_parser_t *parser, const char *text, size_t len, mk_problems *problems)
{
	const yaml_mark_t *mark = &parser->problem_mark;
	struct place place;
	const char *what;
	bool enclosed;

	if (parser->error == YAML_MEMORY_ERROR || parser->problem == NULL) {
		mk_problems_add(problems, 0, 0, "out of memory");
		return;
	}
	if (parser->error == YAML_READER_ERROR) {
		yaml_explain_bytes(parser, text, len, problems);
		return;
	}
	place = yaml_find(text, len, mark);
	what = yaml_explain_syntax(parser->problem, &place);
	if (what == NULL)
		what = parser->problem;
	/* Where brackets and quotes were opened is what one has to look for. */
	enclosed = parser->context != NULL && parser->context_mark.line < mark->line &&
		   (strstr(parser->context, "flow") || strstr(parser->context, "quoted"));
	if (enclosed)
		mk_problems_add(problems, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1,
				"%s (begun at line %u)", what,
				(uint32_t)parser->context_mark.line + 1);
	else
		mk_problems_add(problems, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1,
				"%s", what);
}
