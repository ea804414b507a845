/* SPDX-License-Identifier: MIT */
#include "packed.h"

#include <string.h>

/* Behind the hops that are shown, in a packed block: one byte, how long all other hops are, or 0 if
 * that differs; these, as many bytes each as they are long, or four; and the copies, each three bytes,
 * or five where the number of the observer does not fit into one. */
#define FAR UINT8_MAX /* in place of the number */

static uint32_t
packed_hop_size(const struct an_packet *p)
{
	uint32_t size = p->more_count > 0 ? HOPS_TOKEN_SIZE(p->hops[p->hop_count]) : 0;

	for (uint32_t i = 1; i < p->more_count; i++) {
		if (HOPS_TOKEN_SIZE(p->hops[p->hop_count + i]) != size)
			return 0;
	}
	return size;
}

size_t
packed_length(const struct an_packet *p)
{
	uint32_t hop_size = packed_hop_size(p);
	size_t len = p->hop_count * sizeof(*p->hops) + 1 + p->heard_count * 3u;

	len += p->more_count * (hop_size > 0 ? hop_size : sizeof(*p->hops));
	for (uint32_t i = 0; i < p->heard_count; i++)
		len += p->heard[i].observer >= FAR ? 2 : 0;
	return len;
}

void
packed_write(const struct an_packet *p, uint8_t *to)
{
	uint32_t hop_size = packed_hop_size(p), bytes = hop_size > 0 ? hop_size : sizeof(*p->hops);

	if (p->hop_count > 0)
		memcpy(to, p->hops, p->hop_count * sizeof(*p->hops));
	to += p->hop_count * sizeof(*p->hops);
	*to++ = (uint8_t)hop_size;
	for (uint32_t i = 0; i < p->more_count; i++) {
		for (uint32_t k = 0; k < bytes; k++)
			*to++ = (uint8_t)(p->hops[p->hop_count + i] >> 8 * k);
	}
	for (uint32_t i = 0; i < p->heard_count; i++) {
		const struct an_heard *h = &p->heard[i];

		*to++ = h->observer < FAR ? (uint8_t)h->observer : FAR;
		if (h->observer >= FAR) {
			*to++ = (uint8_t)h->observer;
			*to++ = (uint8_t)(h->observer >> 8);
		}
		*to++ = (uint8_t)h->snr;
		*to++ = h->rssi;
	}
}

size_t
packed_read(const struct an_packet *p, uint32_t *hops, struct an_heard *heard)
{
	const uint8_t *begin = (const uint8_t *)p->hops, *from = begin;
	uint32_t bytes, size;

	if (p->hop_count > 0)
		memcpy(hops, p->hops, p->hop_count * sizeof(*hops));
	from += p->hop_count * sizeof(*hops);
	size = *from++;
	bytes = size > 0 ? size : sizeof(*hops);
	for (uint32_t i = 0; i < p->more_count; i++) {
		uint32_t hop = size << 24;

		for (uint32_t k = 0; k < bytes; k++)
			hop |= (uint32_t)*from++ << 8 * k;
		hops[p->hop_count + i] = hop;
	}
	for (uint32_t i = 0; i < p->heard_count; i++) {
		struct an_heard *h = &heard[i];

		h->observer = *from++;
		if (h->observer == FAR) {
			h->observer = (uint16_t)(from[0] | from[1] << 8);
			from += 2;
		}
		h->snr = (int8_t)*from++;
		h->rssi = *from++;
	}
	return (size_t)(from - begin);
}
