/* SPDX-License-Identifier: MIT
 *
 * What is said on a channel: decryption of group packets and what is in them.
 */
#ifndef MC_GROUP_H
#define MC_GROUP_H

#include "frame.h"
#include "keys.h"

#define MC_MAC_SIZE 2u
#define MC_PLAIN_MAX 176u /* the most whole blocks that fit into a payload */
#define MC_SENDER_MAX 49u /* bytes of a name in a text */

struct mc_group { /* a decrypted GRP_TXT or GRP_DATA */
	const struct mc_key *key;
	uint8_t plain[MC_PLAIN_MAX];
	size_t len;
};

struct mc_text { /* parts of a text; they point into it */
	const char *sender, *message;
	size_t sender_len, message_len; /* sender 0: there is none */
};

/* Try the keys on a payload (channel hash, MAC, ciphertext). A text that is none is taken for a
 * MAC that fitted by chance. */
enum mc_check mc_group_decrypt(struct mc_group *g, uint8_t type, const uint8_t *payload, size_t len,
			       const struct mc_keys *keys);
/* The MAC that a channel's packets carry in front of the ciphertext. */
void mc_group_mac(const struct mc_key *key, const uint8_t *cipher, size_t len,
		  uint8_t mac[MC_MAC_SIZE]);

/* The text after the time and the flags, up to its end. */
const char *mc_group_text(const struct mc_group *g, size_t *len);
/* "name: message". */
void mc_text_split(const char *text, size_t len, struct mc_text *out);

#endif
