/* SPDX-License-Identifier: MIT
 *
 * What people call their radios and what they write; see words.h.
 */
#include "words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) ((uint32_t)(sizeof(a) / sizeof((a)[0])))

static const char *const people[] = {
	"Anke",   "Bram", "Chloé", "Daan",   "Elise", "Femke",   "Gilles",  "Hanne",   "Ilse",
	"Joris",  "Kato", "Lotte", "Maxim",  "Noor",  "Olivier", "Pieter",  "Quinten", "Renée",
	"Sander", "Tine", "Ugo",   "Veerle", "Wout",  "Xander",  "Yasmine", "Zoë",
};
static const char *const gear[] = { "",      " T1000",  " V3", " mobile", " 📻",
				    " home", " T-Deck", " 🚲",  "-2",      " handy" };
static const char *const sites[] = { "Toren",  "Noord", "Zuid", "Dak",  "Silo",    "Kerk",
				     "Heuvel", "Haven", "Mast", "Flat", "Rooftop", "RPT" };
static const char *const probes[] = { "Wx", "Sense", "Temp", "Tank" };

static const char *const openers[] = {
	"Goedemorgen",
	"Hi all",
	"Anyone near %s?",
	"Test from %s",
	"Bonjour de %s",
	"Hello mesh 👋",
	"Who can hear me in %s?",
	"New antenna is up in %s",
	"Good evening",
	"ping",
	"Moved the repeater in %s to the roof",
	"Just passing through %s",
};
static const char *const middles[] = {
	"",
	"",
	"signal is better than yesterday",
	"nice path today",
	"0 hops, wow",
	"running on solar since monday",
	"how is the coverage there?",
	"that was %u hops",
	"SNR is %u here",
	"battery at %u %%",
	"back on air after the update",
	"copied you loud and clear",
	"<3",
	"the storm took my antenna",
	"5/%u & counting",
};
static const char *const closers[] = { "", "", "!", " :)", " 73", " 👍", " \"over\"" };

/* Cuts on a character. */
static void
words_put(char *out, size_t max, const char *text)
{
	size_t have = strlen(out), len = strlen(text);

	if (len > max - have) {
		len = max - have;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(out + have, text, len);
	out[have + len] = '\0';
}

void
words_name(struct dice *d, uint8_t role, const char *town, uint32_t number, char *out, size_t max)
{
	char tail[12] = "";
	uint32_t pick = dice_below(d, 1u << 16);

	out[0] = '\0';
	if (role == 1) {
		words_put(out, max, people[number % COUNT(people)]);
		words_put(out, max, gear[pick % COUNT(gear)]);
		number /= COUNT(people);
	} else if (role == 4) {
		words_put(out, max, probes[pick % COUNT(probes)]);
		words_put(out, max, " ");
		words_put(out, max, town);
	} else {
		words_put(out, max, town);
		words_put(out, max, role == 3 ? " Room" : " ");
		words_put(out, max, role == 3 ? "" : sites[pick % COUNT(sites)]);
	}
	if (number > 0)
		snprintf(tail, sizeof(tail), " %u", (unsigned)number);
	words_put(out, max, tail);
}

static void
words_phrase(struct dice *d, const char *form, const char *place, char *out, size_t max)
{
	const char *mark = strchr(form, '%');
	char number[12];

	if (mark == NULL) {
		words_put(out, max, form);
		return;
	}
	for (const char *p = form; p < mark; p++)
		words_put(out, max, (const char[]){ *p, '\0' });
	snprintf(number, sizeof(number), "%u", (unsigned)dice_below(d, 100));
	words_put(out, max, mark[1] == 's' ? place : number);
	mark = strstr(mark + 2, "%%") != NULL ? " %" : mark + 2;
	words_put(out, max, mark);
}

void
words_text(struct dice *d, const char *place, char *out, size_t max)
{
	const char *middle = middles[dice_below(d, COUNT(middles))];
	bool opened = middle[0] == '\0' || dice_chance(d, 0.5);

	out[0] = '\0';
	if (opened)
		words_phrase(d, openers[dice_below(d, COUNT(openers))], place, out, max);
	if (opened && middle[0] != '\0') {
		char last = out[0] == '\0' ? ' ' : out[strlen(out) - 1];

		words_put(out, max, (last | 32) >= 'a' && (last | 32) <= 'z' ? ", " : " ");
	}
	words_phrase(d, middle, place, out, max);
	words_put(out, max, closers[dice_below(d, COUNT(closers))]);
}

void
words_report(struct dice *d, const char *place, char *out, size_t max)
{
	/* One after the other: arguments of a call are evaluated in any order. */
	int degrees = (int)dice_below(d, 40) - 8;
	unsigned tenths = dice_below(d, 10), pressure = 980 + dice_below(d, 50);
	unsigned wind = dice_below(d, 70);
	char text[96];

	snprintf(text, sizeof(text), "%s: %d.%u C, %u hPa, wind %u km/h", place, degrees, tenths,
		 pressure, wind);
	out[0] = '\0';
	words_put(out, max, text);
}
