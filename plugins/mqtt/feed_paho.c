/* SPDX-License-Identifier: MIT
 *
 * Paho, and nothing else: one handle is one attempt to connect and one connection. The calls are
 * the net thread's; the callbacks come on Paho's threads, under Paho's lock.
 *
 * Acknowledging: Paho 1.3 sends the PUBACK as soon as the callback has returned, whatever it
 * returns. (A callback that returns 0 only moves the message into a queue in memory, which is
 * offered again at once, over and over, and after a few times not before the next packet from any
 * broker.) So the callback returns when the message is in a file, not before.
 */
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

#include <MQTTAsync.h>

#include "net.h"

#define KEEP_ALIVE 30 /* seconds */

static int
on_arrived(void *context, char *topic, int topic_len, MQTTAsync_message *m)
{
	struct feed *f = context;
	struct parse_message message = {
		.topic = topic,
		.topic_len = topic_len > 0 ? (size_t)topic_len : strlen(topic),
		.payload = m->payload,
		.len = (size_t)m->payloadlen,
		.retained = m->retained != 0,
	};

	(void)net_on_message(f, &message);
	MQTTAsync_freeMessage(&m);
	MQTTAsync_free(topic);
	return 1;
}

static void
on_lost(void *context, char *cause)
{
	net_on_event(context, FEED_LOST, cause == NULL ? "the connection was lost" : cause);
}

static void
on_connected(void *context, MQTTAsync_successData *data)
{
	(void)data;
	net_on_event(context, FEED_CONNECTED, NULL);
}

/* 1 to 5 are the broker's words, negative ones Paho's. */
static const char *
failure_text(const MQTTAsync_failureData *data, char *buf, size_t cap)
{
	static const char *const refusals[] = {
		"",
		"the broker wants another version of MQTT",
		"the broker does not take our client_id",
		"the broker is not available",
		"wrong user name or password",
		"not allowed to connect",
	};

	if (data == NULL)
		return "no connection";
	if (data->code >= 1 && data->code <= 5)
		return refusals[data->code];
	snprintf(buf, cap, "%s",
		 data->message != NULL ? data->message : MQTTAsync_strerror(data->code));
	return buf;
}

static void
on_connect_failed(void *context, MQTTAsync_failureData *data)
{
	char buf[200];

	net_on_event(context, FEED_FAILED, failure_text(data, buf, sizeof(buf)));
}

static int
on_tls_error(const char *text, size_t len, void *context)
{
	char said[200];

	while (len > 0 && text[len - 1] <= ' ')
		len--;
	snprintf(said, sizeof(said), "TLS: %.*s", (int)(len < 190 ? len : 190), text);
	net_on_event(context, 0, said);
	return 0;
}

/* Resolves before Paho does: a resolver that does not answer would stop all other brokers, and this
 * way there is an error that says so. Paho's thread then asks a resolver that has just answered. */
static const char *
feed_resolve(const struct url *url)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	static _Thread_local char why[300];
	int rc;

	if (_res.retry != 1) {
		(void)res_init(); /* of this thread */
		_res.retrans = 2;
		_res.retry = 1;
	}
	rc = getaddrinfo(url->host, NULL, &hints, &found);
	if (rc == 0) {
		freeaddrinfo(found);
		return NULL;
	}
	snprintf(why, sizeof(why), "host %s: %s", url->host, gai_strerror(rc));
	return why;
}

const char *
feed_connect(struct feed *f)
{
	const struct source_settings *s = &f->settings; /* only this thread changes them */
	MQTTAsync_connectOptions o = MQTTAsync_connectOptions_initializer;
	MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
	const char *why = feed_resolve(&s->url);
	MQTTAsync client;
	int rc;

	if (why != NULL)
		return why;
	rc =
	    MQTTAsync_create(&client, s->url.paho, f->client_id, MQTTCLIENT_PERSISTENCE_NONE, NULL);
	if (rc != MQTTASYNC_SUCCESS)
		return MQTTAsync_strerror(rc);
	f->client = client;
	o.MQTTVersion = MQTTVERSION_3_1_1;
	o.keepAliveInterval = KEEP_ALIVE;
	o.connectTimeout = (int)(s->connect_timeout_us / 1000000);
	o.cleansession = s->clean_session;
	o.username = s->username;
	o.password = s->password;
	o.context = f;
	o.onSuccess = on_connected;
	o.onFailure = on_connect_failed;
	if (s->url.tls) {
		tls.enableServerCertAuth = s->verify;
		tls.verify = s->verify;
		tls.trustStore = s->ca;
		tls.keyStore = s->cert;
		tls.privateKey = s->key;
		tls.ssl_error_cb = on_tls_error;
		tls.ssl_error_context = f;
		o.ssl = &tls;
	}
	rc = MQTTAsync_setCallbacks(client, f, on_lost, on_arrived, NULL);
	if (rc == MQTTASYNC_SUCCESS)
		rc = MQTTAsync_connect(client, &o);
	return rc == MQTTASYNC_SUCCESS ? NULL : MQTTAsync_strerror(rc);
}

static void
on_subscribed(void *context, MQTTAsync_successData *data)
{
	net_on_granted(context, data->alt.qos);
}

static void
on_subscribe_failed(void *context, MQTTAsync_failureData *data)
{
	(void)data;
	net_on_granted(context, 0x80);
}

static void
on_left(void *context, MQTTAsync_successData *data)
{
	(void)data;
	net_on_left(context);
}

const char *
feed_unsubscribe(struct feed *f)
{
	MQTTAsync_responseOptions o = MQTTAsync_responseOptions_initializer;
	int rc = MQTTASYNC_SUCCESS;

	o.context = f;
	o.onSuccess = on_left;
	for (uint32_t i = 0; rc == MQTTASYNC_SUCCESS && i < f->stale.n; i++)
		rc = MQTTAsync_unsubscribe(f->client, f->stale.v[i], &o);
	return rc == MQTTASYNC_SUCCESS ? NULL : MQTTAsync_strerror(rc);
}

/* One request for each topic. Of a request for several, Paho hands out as many answers as the broker
 * sent, without telling how many. */
const char *
feed_subscribe(struct feed *f)
{
	MQTTAsync_responseOptions o = MQTTAsync_responseOptions_initializer;
	const char *why = feed_unsubscribe(f);
	int rc = MQTTASYNC_SUCCESS;

	if (why != NULL)
		return why;
	o.context = f;
	o.onSuccess = on_subscribed;
	o.onFailure = on_subscribe_failed;
	for (uint32_t i = 0; rc == MQTTASYNC_SUCCESS && i < f->settings.topics.n; i++)
		rc = MQTTAsync_subscribe(f->client, f->settings.topics.v[i], f->settings.qos, &o);
	return rc == MQTTASYNC_SUCCESS ? NULL : MQTTAsync_strerror(rc);
}

/* Closes the socket; with a persistent session the broker goes on collecting. */
void
feed_close(struct feed *f)
{
	MQTTAsync client = f->client;

	f->client = NULL;
	if (client != NULL)
		MQTTAsync_destroy(&client);
}
