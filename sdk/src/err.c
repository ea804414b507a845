/* SPDX-License-Identifier: MIT
 *
 * Errors with context. Texts are composed beside the error and copied last, so
 * that an argument may be the error's own old text.
 */
#include <meshkern/err.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERR_TEXT sizeof(((mk_err *)NULL)->text)

/* Take over `head` and `tail`. What does not fit is cut after a whole UTF-8
 * character and ends in "...". */
static void
err_store(mk_err *err, const char *head, const char *tail)
{
	char text[2 * ERR_TEXT];
	size_t end = ERR_TEXT - sizeof("...");
	int n = snprintf(text, sizeof(text), "%s%s", head, tail);

	if (n >= (int)ERR_TEXT) {
		while (end > 0 && ((unsigned char)text[end] & 0xc0u) == 0x80u)
			end--;
		memcpy(text + end, "...", sizeof("..."));
	}
	memcpy(err->text, text, strlen(text) + 1);
}

__attribute__((format(printf, 2, 0))) static void
err_format(mk_err *err, const char *format, va_list ap, const char *separator, const char *tail)
{
	char head[ERR_TEXT + 1]; /* one byte more than fits, so that err_store sees the overflow */
	char rest[ERR_TEXT + 4];

	if (vsnprintf(head, sizeof(head), format, ap) < 0)
		head[0] = '\0';
	(void)snprintf(rest, sizeof(rest), "%s%s", separator, tail);
	err_store(err, head, rest);
}

mk_result
mk_err_set(mk_err *err, mk_result code, const char *format, ...)
{
	va_list ap;

	if (err == NULL)
		return code;
	va_start(ap, format);
	err_format(err, format, ap, "", "");
	va_end(ap);
	err->code = code;
	return code;
}

static mk_result
err_from_errno(int e)
{
	switch (e) {
	case ENOMEM:
		return MK_ENOMEM;
	case ENOENT:
	case ENOTDIR:
		return MK_ENOENT;
	case EACCES:
	case EPERM:
	case EROFS:
		return MK_EDENIED;
	default:
		return MK_EIO;
	}
}

mk_result
mk_err_errno(mk_err *err, const char *format, ...)
{
	int e = errno;
	mk_result code = err_from_errno(e);
	char reason[128];
	va_list ap;

	if (err == NULL)
		return code;
	if (strerror_r(e, reason, sizeof(reason)) != 0)
		(void)snprintf(reason, sizeof(reason), "error %d", e);
	va_start(ap, format);
	err_format(err, format, ap, ": ", reason);
	va_end(ap);
	err->code = code;
	errno = e;
	return code;
}

mk_result
mk_err_wrap(mk_err *err, const char *format, ...)
{
	va_list ap;

	if (err == NULL)
		return MK_EIO;
	va_start(ap, format);
	err_format(err, format, ap, ": ", err->text);
	va_end(ap);
	return err->code;
}
