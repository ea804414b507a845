/* SPDX-License-Identifier: MIT
 *
 * What a message to a group says of its channel.
 */
#ifndef ANALYTICS_CHANNELS_H
#define ANALYTICS_CHANNELS_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

struct channel_message {
	char hash[24];  /* the byte in decimal, or what an old row has, or "?" */
	char name[128]; /* "ch" and the hash where it is not known */
	bool named;     /* it is */
	bool encrypted;
	const char *sender, *text; /* "" if there is none; of the object */
};

/* `column`: the channel as the row has it, or NULL. */
void channel_read(struct channel_message *m, const json_t *object, const char *column, size_t len);
/* Do channels of this name have this hash byte? */
bool channel_fits(const char *name, const char *hash);

#endif
