/* SPDX-License-Identifier: MIT
 *
 * What is said on a channel: see group.h.
 */
#include "group.h"

#include <string.h>

#include "utf8.h"

#define GROUP_HEAD (1 + MC_MAC_SIZE) /* channel hash, MAC */
#define GROUP_TEXT 5u                /* time, flags */
#define GROUP_ODD_MAX 2u             /* control characters that a text may have */

void
mc_group_mac(const struct mc_key *key, const uint8_t *cipher, size_t len, uint8_t mac[MC_MAC_SIZE])
{
	uint8_t full[MC_SHA256_SIZE];

	mc_hmac(&key->mac, cipher, len, NULL, 0, full);
	memcpy(mac, full, MC_MAC_SIZE);
}

const char *
mc_group_text(const struct mc_group *g, size_t *len)
{
	const char *text = (const char *)g->plain + GROUP_TEXT;
	const char *end = memchr(text, '\0', g->len - GROUP_TEXT);

	*len = end != NULL ? (size_t)(end - text) : g->len - GROUP_TEXT;
	return text;
}

/* A MAC has 16 bits: of many keys, one fits by chance now and then, and the text is noise. */
static bool
group_is_text(const struct mc_group *g)
{
	size_t len, n;
	const uint8_t *s = (const uint8_t *)mc_group_text(g, &len);
	uint32_t odd = 0, c = 0;

	for (size_t i = 0; i < len; i += n) {
		n = mc_utf8_next(s + i, len - i, &c);
		if (n == 0)
			return false;
		odd += (c < 0x20 && c != '\t' && c != '\n') || c == MC_UTF8_REPLACEMENT;
	}
	return odd <= GROUP_ODD_MAX;
}

enum mc_check
mc_group_decrypt(struct mc_group *g, uint8_t type, const uint8_t *payload, size_t len,
		 const struct mc_keys *keys)
{
	const uint8_t *cipher = payload + GROUP_HEAD;
	uint8_t mac[MC_MAC_SIZE];
	uint32_t at = 0;

	if (len <= GROUP_HEAD || (len - GROUP_HEAD) % MC_AES_SIZE != 0)
		return MC_WRONG;
	g->len = len - GROUP_HEAD;
	while ((g->key = mc_keys_next(keys, payload[0], &at)) != NULL) {
		mc_group_mac(g->key, cipher, g->len, mac);
		if (memcmp(mac, payload + 1, MC_MAC_SIZE) != 0)
			continue;
		if (!mc_aes_decrypt(g->key->secret, cipher, g->len, g->plain))
			return MC_NO_MEMORY;
		if (type != MC_GRP_TXT || group_is_text(g))
			return MC_RIGHT;
	}
	return MC_WRONG;
}

void
mc_text_split(const char *text, size_t len, struct mc_text *out)
{
	*out = (struct mc_text){ .message = text, .message_len = len };
	for (size_t i = 0; i + 1 < len && i <= MC_SENDER_MAX; i++) {
		if (text[i] == '[' || text[i] == ']')
			return;
		if (text[i] != ':')
			continue;
		/* A colon belongs to no name, so the first one decides. */
		if (text[i + 1] == ' ' && i > 0)
			*out = (struct mc_text){ text, text + i + 2, i, len - i - 2 };
		return;
	}
}
