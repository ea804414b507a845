/* SPDX-License-Identifier: MIT
 *
 * Messages of other plugins as texts for CoreScope's clients: whatever they contain, the texts are
 * JSON of the form that these clients expect, and safe inside of HTML.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <http/server/events.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mk_msg msg = { .struct_size = sizeof(msg), .topic = "packet/stored", .body = data };
	struct frames *f;
	struct event *e;

	msg.body_len = (uint32_t)size;
	e = event_new(&msg);
	f = e == NULL ? NULL : feed_frames(e);
	if (f == NULL)
		abort();
	for (uint32_t i = 0; i < f->count; i++) {
		uint32_t from = i == 0 ? 0 : f->ends[i - 1];
		json_t *parsed = json_loadb(f->text + from, f->ends[i] - from,
					    JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);

		if (!json_is_object(json_object_get(json_object_get(parsed, "data"), "packet")) ||
		    memchr(f->text + from, '<', f->ends[i] - from) != NULL)
			abort();
		json_decref(parsed);
	}
	frames_free(f);
	event_unref(e);
	return 0;
}
