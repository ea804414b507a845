/* SPDX-License-Identifier: MIT
 *
 * Radio: who hears whom, and how well. The mean signal of a link comes from distance, antenna
 * heights, a shadowing that both directions share, and the noise where the receiver is, which makes
 * them differ. Each reception then fades by itself.
 */
#include <stdlib.h>
#include <string.h>

#include "impl.h"

#define LOG10_2 0.30102999566398120
#define FAR_KM 160.0
#define POWER_DBM 26.0   /* with antennas */
#define LOSS_1KM_DB 91.0 /* free space, 868 MHz */
#define SNR_TOP4 52      /* the chips do not report more */
#define LOST_ANYWAY 0.03 /* collisions, a busy receiver */
#define MAST_SNR4 16     /* of a link made by an antenna that somebody aimed */
#define GOOD_SNR4 (-8)   /* enough to count as connected */
#define NONE4 INT16_MIN

/* What the model says about the mean, without any mast. `salt` gives the shadowing. */
static double
links_mean(const struct sim *s, double dx, double dy, double log_heights, uint64_t salt)
{
	double d2 = dx * dx + dy * dy, log_km, loss, exponent, clutter;
	struct dice d;

	if (d2 > FAR_KM * FAR_KM)
		return -1000;
	log_km = dice_log2(d2 < 0.0025 ? 0.0025 : d2) * LOG10_2 / 2;
	exponent = 4.5 - 0.5 * log_heights;
	clutter = 40 - 9 * log_heights;
	loss = LOSS_1KM_DB + 10 * exponent * log_km + (clutter > 3 ? clutter : 3);
	/* Beyond the horizon, which is about 5 km times the square of the heights' logarithm:
	 * antennas at 10 m see each other over 20 km, at 60 m over 63 km. */
	if (d2 > log_heights * log_heights * log_heights * log_heights * 25)
		loss += 8;
	dice_init(&d, s->o.seed, salt);
	return POWER_DBM - loss - dice_normal(&d) * 6;
}

/* How `to` hears `from`, quarters of a dB. */
static int
links_snr4(const struct sim *s, const uint16_t *mast, uint32_t from, uint32_t to)
{
	const struct node *a = &s->nodes[from], *b = &s->nodes[to];
	uint64_t low = from < to ? from : to, high = from < to ? to : from;
	double mean = links_mean(s, a->x_km - b->x_km, a->y_km - b->y_km,
				 a->log_height + b->log_height, 0x10000 + (high << 16 | low));
	double snr4 = (mean - b->noise_dbm) * 4;

	if ((mast[from] == to || mast[to] == from) && snr4 < MAST_SNR4)
		snr4 = MAST_SNR4 + (double)((from * 7 + to * 13) % 9) - 4;
	return snr4 < NONE4 + 1 ? NONE4 : (int)snr4;
}

static bool
links_both(const struct sim *s, const uint16_t *mast, uint32_t a, uint32_t b)
{
	return links_snr4(s, mast, a, b) >= GOOD_SNR4 && links_snr4(s, mast, b, a) >= GOOD_SNR4;
}

static uint32_t
links_nearest(const struct sim *s, const uint8_t *reached, uint32_t to)
{
	uint32_t best = 0;
	double best_d2 = 1e18;

	for (uint32_t i = 0; i < s->o.nodes; i++) {
		double dx = s->nodes[i].x_km - s->nodes[to].x_km;
		double dy = s->nodes[i].y_km - s->nodes[to].y_km, d2 = dx * dx + dy * dy;

		if (i != to && reached[i] && s->nodes[i].repeats && d2 < best_d2) {
			best_d2 = d2;
			best = i;
		}
	}
	return best;
}

/* Real networks are connected because somebody sees to it. Here a repeater, or any other node, that
 * the others cannot reach gets an antenna aimed at the nearest repeater that they can. */
static void
links_connect(const struct sim *s, uint16_t *mast, uint8_t *reached, uint16_t *queue)
{
	uint32_t head = 0, tail = 0, next = 1;

	reached[0] = 1;
	queue[tail++] = 0;
	while (tail < s->o.nodes) {
		for (; head < tail; head++) {
			uint32_t at = queue[head];

			for (uint32_t i = 0; s->nodes[at].repeats && i < s->o.nodes; i++) {
				if (!reached[i] && links_both(s, mast, at, i)) {
					reached[i] = 1;
					queue[tail++] = (uint16_t)i;
				}
			}
		}
		while (next < s->o.nodes && reached[next])
			next++;
		if (next == s->o.nodes)
			return;
		mast[next] = (uint16_t)links_nearest(s, reached, next);
		reached[next] = 1;
		queue[tail++] = (uint16_t)next;
	}
}

static mk_result
links_fill(struct sim *s, const uint16_t *mast)
{
	uint32_t cap = 0;

	for (uint32_t i = 0; i < s->o.nodes; i++) {
		s->nodes[i].link = s->link_count;
		for (uint32_t j = 0; j < s->o.nodes; j++) {
			int snr4 = i == j ? NONE4 : links_snr4(s, mast, i, j);

			if (snr4 + s->fades[FADES - 1] < SNR_LIMIT4)
				continue;
			if (s->link_count == cap) {
				struct link *more;

				cap = cap == 0 ? 1024 : cap * 2;
				more = realloc(s->links, cap * sizeof(*more));
				if (more == NULL)
					return MK_ENOMEM;
				s->links = more;
			}
			s->links[s->link_count].to = (uint16_t)j;
			s->links[s->link_count++].snr4 = (int16_t)snr4;
			s->nodes[i].link_count++;
		}
	}
	return MK_OK;
}

static int
links_fade_order(const void *a, const void *b)
{
	return *(const int8_t *)a - *(const int8_t *)b;
}

mk_result
links_make(struct sim *s, mk_err *err)
{
	size_t n = s->o.nodes;
	uint16_t *mast = malloc(n * sizeof(*mast)), *queue = calloc(n, sizeof(*queue));
	uint8_t *reached = calloc(n, 1);
	mk_result r = MK_ENOMEM;
	struct dice d;

	dice_init(&d, 1, 2); /* not of the seed: a property of radio */
	for (size_t i = 0; i < FADES; i++)
		s->fades[i] = (int8_t)(dice_normal(&d) * 8);
	qsort(s->fades, FADES, 1, links_fade_order);
	if (mast != NULL && queue != NULL && reached != NULL) {
		memset(mast, 0xff, n * sizeof(*mast));
		links_connect(s, mast, reached, queue);
		r = links_fill(s, mast);
	}
	free(mast);
	free(queue);
	free(reached);
	return r == MK_OK ? MK_OK : mk_err_set(err, r, "out of memory");
}

void
links_drift(struct sim *s)
{
	for (uint32_t i = 0; i < s->link_count / 100 + 1 && s->link_count > 0; i++) {
		struct link *l = &s->links[dice_below(&s->dice, s->link_count)];
		int step = dice_chance(&s->dice, 0.5) ? 1 : -1;

		if (l->snr4 + step < 200 && l->snr4 + step > SNR_LIMIT4 - 40)
			l->snr4 = (int16_t)(l->snr4 + step);
	}
}

double
links_loss(const struct sim *s, int snr4)
{
	uint32_t low = 0;

	while (low < FADES && snr4 + s->fades[low] < SNR_LIMIT4)
		low++;
	return 1 - (1 - (double)low / FADES) * (1 - LOST_ANYWAY);
}

void
links_phone(struct sim *s, struct phone *p)
{
	const struct town *a = &s->towns[p->from], *b = &s->towns[p->to];

	p->x_km = a->x_km + (b->x_km - a->x_km) * p->way;
	p->y_km = a->y_km + (b->y_km - a->y_km) * p->way;
	for (uint32_t i = 0; i < s->o.nodes; i++) {
		const struct node *n = &s->nodes[i];
		/* Shadowing changes every kilometre or so. */
		uint64_t salt = (uint64_t)(int64_t)(p->x_km + 1000) << 40 |
				(uint64_t)(int64_t)(p->y_km + 1000) << 20 | i;
		double mean =
		    links_mean(s, n->x_km - p->x_km, n->y_km - p->y_km, n->log_height + 0.2, salt);
		double snr4 = (mean + 116) * 4;

		p->snr4[i] = snr4 < NONE4 + 1 ? NONE4 : (int16_t)snr4;
	}
}

bool
links_heard(struct sim *s, int mean4, int32_t *snr4)
{
	uint64_t x = dice_u64(&s->dice);
	int fade = s->fades[x % FADES];

	if (mean4 + fade < SNR_LIMIT4 || (double)(x >> 32) < LOST_ANYWAY * 4294967296.0)
		return false;
	mean4 += fade;
	*snr4 = mean4 > SNR_TOP4 ? SNR_TOP4 + (int)(x >> 20 & 3) - 2 : mean4;
	return true;
}
