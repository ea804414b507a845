/* SPDX-License-Identifier: MIT */
#include "vitals.h"

#include <stdio.h>

#include "wire.h"

const char *
vitals_text(uint32_t callback)
{
	static const char *const text[] = {
#define VITALS_NAME(name, t) [VITALS_##name] = (t),
		VITALS_CALLBACKS(VITALS_NAME)
#undef VITALS_NAME
	};

	return callback < sizeof(text) / sizeof(text[0]) ? text[callback] : "?";
}

void
vitals_where(const struct vitals *v, char where[128])
{
	uint32_t callback = atomic_load(&v->callback);
	char topic[64];

	vitals_get_topic(v, topic);
	wire_clean(topic);
	where[0] = '\0';
	if (callback == VITALS_MSG || callback == VITALS_CALL)
		snprintf(where, 128, " in %s, topic %s", vitals_text(callback), topic);
	else if (callback != VITALS_NONE)
		snprintf(where, 128, " in %s", vitals_text(callback));
}
