/* SPDX-License-Identifier: MIT
 *
 * What operators and clients write: hex digits, files of keys, points. The first byte chooses.
 */
#include <stdlib.h>
#include <string.h>

#include <meshcore/geo.h>
#include <meshcore/hash.h>
#include <meshcore/hex.h>
#include <meshcore/keys_file.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_file(const char *text, size_t size)
{
	struct mc_keys ring;
	const struct mc_key *k;
	uint32_t skipped = 0, at = 0, n = 0;
	char why[64] = "";

	mc_keys_init(&ring);
	if (mc_keys_parse(&ring, text, size, &skipped, why, sizeof(why)))
		require(why[0] == '\0');
	else
		require(why[0] != '\0');
	for (; (k = mc_keys_next(&ring, 0x11, &at)) != NULL; n++)
		require(k->name[0] != '\0' && strlen(k->name) <= MC_CHANNEL_NAME_MAX);
	require(n == ring.count);
	mc_keys_fini(&ring);
}

static void
check_hex(const char *text, size_t size)
{
	uint8_t out[256], again[256];
	char digits[513];
	size_t len = 0, len_again = 0;

	if (!mc_hex_decode(text, size, out, sizeof(out), &len))
		return;
	mc_hex_lower(out, len, digits);
	require(mc_hex_decode(digits, 2 * len, again, sizeof(again), &len_again));
	require(len == len_again && memcmp(out, again, len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char hash[MC_HASH_TEXT], *text;
	struct mc_point point;

	if (size == 0)
		return 0;
	text = malloc(size); /* the first byte makes room for a NUL at the end */
	require(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] % 2 == 0)
		check_file(text, size - 1);
	else
		check_hex(text, size - 1);
	mc_hash_stored(text, hash);
	require(strlen(hash) < MC_HASH_TEXT);
	if (mc_point_parse(text, &point))
		require(point.lat >= -90 && point.lat <= 90 && point.lon >= -180 &&
			point.lon <= 180);
	free(text);
	return 0;
}
