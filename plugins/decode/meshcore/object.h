/* SPDX-License-Identifier: MIT
 *
 * From a packet to the object that is stored and shown, and to what columns are made of.
 */
#ifndef MC_OBJECT_H
#define MC_OBJECT_H

#include "advert.h"
#include "frame.h"
#include "keys.h"

#define MC_JSON_MAX 4096u /* no packet has an object as long as this */
#define MC_CHANNEL_TEXT (MC_CHANNEL_NAME_MAX + 1)

struct mc_object {
	char json[MC_JSON_MAX];
	size_t json_len;
	bool failed;           /* too short for its type: nothing below is set */
	bool has_advert;       /* advert is good, signature_valid if it was asked for */
	bool signature_valid;  /* true where nobody looked */
	bool decrypted;        /* a group packet that one of the keys opened */
	const uint8_t *sender; /* key of who sent a request or answered a discovery, or NULL */
	const char *anomaly;   /* "trace_not_direct", ...; NULL if there is none */
	char channel[MC_CHANNEL_TEXT]; /* GRP_TXT: its name, or "enc_" and the hash; else "" */
	struct mc_advert advert;
};

struct mc_decoder {                 /* how to decode */
	const struct mc_keys *keys; /* NULL: none */
	bool verify;                /* look at signatures */
};

/* What is in the object points into the frame's bytes. False: no memory, and no object. */
bool mc_object_decode(struct mc_object *o, const struct mc_frame *f, const struct mc_decoder *how);

/* Why the advert of an object must not become a node: "invalid signature" or one of
 * mc_advert_fault; NULL if it may. */
const char *mc_object_refusal(const struct mc_object *o);

#endif
