/* SPDX-License-Identifier: MIT
 *
 * Publishes numbered packets to a broker with QoS 1, so that a test can tell which have arrived.
 * What the broker has not acknowledged is sent again after a reconnect; exit status 0 means that it
 * has acknowledged all of them. tests/bench/mqtt.py and tests/integration/mqtt_*.py use it.
 *
 *   mqtt_publish BROKER FIRST COUNT [PER_SECOND [OBSERVERS]]
 *
 * BROKER is tcp://HOST:PORT. Packet N is a group text of 40 bytes with N at 10 to 13, from
 * observer N modulo OBSERVERS (50), a status after every 100th packet of all. PER_SECOND 0: as fast as it goes.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <MQTTAsync.h>

#include "clock.h"

#define WINDOW 1000u /* messages under way */
#define FREE UINT64_MAX

static struct state {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	MQTTAsync client;
	bool connected, lost, failed;
	uint64_t acked;
	uint64_t slots[WINDOW]; /* numbers under way, FREE */
	uint32_t free_count;
	uint32_t stack[WINDOW]; /* the free ones */
} g;

static void
signal_state(bool *flag)
{
	pthread_mutex_lock(&g.lock);
	*flag = true;
	pthread_cond_signal(&g.wake);
	pthread_mutex_unlock(&g.lock);
}

static void
on_connected(void *context, MQTTAsync_successData *data)
{
	(void)context;
	(void)data;
	signal_state(&g.connected);
}

static void
on_failed(void *context, MQTTAsync_failureData *data)
{
	(void)context;
	(void)data;
	signal_state(&g.failed);
}

static void
on_lost(void *context, char *cause)
{
	(void)context;
	(void)cause;
	signal_state(&g.lost);
}

static int
on_arrived(void *context, char *topic, int len, MQTTAsync_message *m)
{
	(void)context;
	(void)len;
	MQTTAsync_freeMessage(&m);
	MQTTAsync_free(topic);
	return 1;
}

static void
on_acked(void *context, MQTTAsync_successData *data)
{
	uint64_t *slot = context;

	(void)data;
	pthread_mutex_lock(&g.lock);
	*slot = FREE;
	g.stack[g.free_count++] = (uint32_t)(slot - g.slots);
	g.acked++;
	pthread_cond_signal(&g.wake);
	pthread_mutex_unlock(&g.lock);
}

static bool
connect_once(const char *broker)
{
	MQTTAsync_connectOptions o = MQTTAsync_connectOptions_initializer;
	bool good;

	if (g.client != NULL)
		MQTTAsync_destroy(&g.client);
	g.connected = g.lost = g.failed = false;
	if (MQTTAsync_create(&g.client, broker, "mqtt-publish", MQTTCLIENT_PERSISTENCE_NONE,
			     NULL) != MQTTASYNC_SUCCESS)
		return false;
	MQTTAsync_setCallbacks(g.client, NULL, on_lost, on_arrived, NULL);
	o.MQTTVersion = MQTTVERSION_3_1_1;
	o.maxInflight = (int)WINDOW;
	o.connectTimeout = 5;
	o.onSuccess = on_connected;
	o.onFailure = on_failed;
	if (MQTTAsync_connect(g.client, &o) != MQTTASYNC_SUCCESS)
		return false;
	pthread_mutex_lock(&g.lock);
	while (!g.connected && !g.failed && !g.lost)
		pthread_cond_wait(&g.wake, &g.lock);
	good = g.connected;
	pthread_mutex_unlock(&g.lock);
	return good;
}

static bool
send_text(const char *topic, const char *text, uint64_t *slot)
{
	MQTTAsync_responseOptions o = MQTTAsync_responseOptions_initializer;

	o.onSuccess = slot == NULL ? NULL : on_acked;
	o.context = slot;
	return MQTTAsync_send(g.client, topic, (int)strlen(text), text, slot == NULL ? 0 : 1, 0,
			      &o) == MQTTASYNC_SUCCESS;
}

static bool
send_number(uint64_t number, uint32_t observers, uint64_t *slot)
{
	char topic[96], text[400];

	snprintf(topic, sizeof(topic), "meshcore/SJC/%064llX/packets",
		 (unsigned long long)(number % observers + 1));
	snprintf(text, sizeof(text),
		 "{\"origin\":\"observer %llu\",\"origin_id\":\"%064llX\",\"timestamp\":"
		 "\"2026-11-21T06:41:46.000000\",\"type\":\"PACKET\",\"direction\":\"rx\",\"len\":"
		 "\"40\","
		 "\"raw\":\"1502A1B2"
		 "C3D4E5F60102%08llX00112233445566778899AABBCCDDEEFF0011223344556677AABB\","
		 "\"SNR\":\"5.5\",\"RSSI\":\"-97\",\"score\":\"800\"}",
		 (unsigned long long)(number % observers + 1),
		 (unsigned long long)(number % observers + 1), (unsigned long long)number);
	if (!send_text(topic, text, slot))
		return false;
	if (number % 100 != 0)
		return true;
	snprintf(topic, sizeof(topic), "meshcore/SJC/%064llX/status",
		 (unsigned long long)(number % observers + 1));
	return send_text(topic, "{\"status\":\"online\",\"stats\":{\"battery_mv\":4100}}", NULL);
}

/* After a reconnect: all that was under way, into the same slots. */
static bool
send_again(uint32_t observers)
{
	for (uint32_t i = 0; i < WINDOW; i++)
		if (g.slots[i] != FREE && !send_number(g.slots[i], observers, &g.slots[i]))
			return false;
	return true;
}

/* Waits for `free_count` free slots. False: the connection is lost. */
static bool
wait_free(uint32_t free_count)
{
	bool good;

	pthread_mutex_lock(&g.lock);
	while (g.free_count < free_count && !g.lost)
		pthread_cond_wait(&g.wake, &g.lock);
	good = !g.lost;
	pthread_mutex_unlock(&g.lock);
	return good;
}

static bool
send_next(uint64_t number, uint32_t observers)
{
	uint32_t slot;

	pthread_mutex_lock(&g.lock);
	slot = g.stack[--g.free_count];
	g.slots[slot] = number;
	pthread_mutex_unlock(&g.lock);
	return send_number(number, observers, &g.slots[slot]);
}

/* A wait on the condition with nobody to signal it: the pace. */
static void
wait_until(uint64_t us)
{
	struct timespec until;
	uint64_t wall = clock_wall_us(), now = clock_now_us();

	if (us <= now)
		return;
	wall += us - now;
	until.tv_sec = (time_t)(wall / 1000000);
	until.tv_nsec = (long)(wall % 1000000) * 1000;
	pthread_mutex_lock(&g.lock);
	while (!g.lost && clock_now_us() < us &&
	       pthread_cond_timedwait(&g.wake, &g.lock, &until) == 0)
		;
	pthread_mutex_unlock(&g.lock);
}

int
main(int argc, char **argv)
{
	uint64_t first, count, rate, sent = 0, started;
	uint32_t observers;
	double seconds;

	if (argc < 4) {
		fprintf(stderr,
			"usage: mqtt_publish BROKER FIRST COUNT [PER_SECOND [OBSERVERS]]\n");
		return argc == 1 ? 0 : 2; /* scripts/bench starts every program here once */
	}
	first = strtoull(argv[2], NULL, 10);
	count = strtoull(argv[3], NULL, 10);
	rate = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
	observers = argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : 50;
	pthread_mutex_init(&g.lock, NULL);
	pthread_cond_init(&g.wake, NULL);
	for (uint32_t i = 0; i < WINDOW; i++) {
		g.slots[i] = FREE;
		g.stack[g.free_count++] = i;
	}
	started = clock_now_us();
	while (g.acked < count) {
		bool good = connect_once(argv[1]) && send_again(observers);

		while (good && sent < count) {
			if (rate > 0)
				wait_until(started + sent * 1000000 / rate);
			good = wait_free(1) && send_next(first + sent, observers);
			sent += good;
		}
		if (good)
			good = wait_free(WINDOW);
		if (!good)
			wait_until(clock_now_us() + 100000);
	}
	seconds = (double)(clock_now_us() - started) / 1e6;
	printf("%llu acknowledged in %.3f s, %.0f/s\n", (unsigned long long)g.acked, seconds,
	       (double)g.acked / seconds);
	MQTTAsync_destroy(&g.client);
	return 0;
}
