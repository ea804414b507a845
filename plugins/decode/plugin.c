/* SPDX-License-Identifier: MIT
 *
 * decode turns what was received into packets: from rx/raw and rx/client to packet/decoded and
 * client/heard.
 */
#include <meshkern/plugin.h>

#include "config.h"
#include "decode.h"

/* clang-format off */
static const mk_topic subscribes[] = {
	{ .name = "rx/raw", .flags = MK_TOPIC_MANUAL_ACK, .help = "packets as they were heard" },
	{ .name = "rx/client", .flags = MK_TOPIC_MANUAL_ACK, .help = "packets that phones heard" },
	{ .name = "storage/committed", .help = "what need not be decoded again" },
	{ .name = NULL },
};

static const mk_topic publishes[] = {
	{ .name = "packet/decoded", .flags = MK_TOPIC_RELIABLE, .max_body = MK_BODY_MAX,
	  .help = "what was heard, decoded" },
	{ .name = "client/heard", .flags = MK_TOPIC_RELIABLE, .max_body = MK_BODY_MAX,
	  .help = "whom phones heard" },
	{ .name = "decode/area", .flags = MK_TOPIC_RETAINED, .help = "the area of this mesh" },
	{ .name = NULL },
};

static const mk_method methods[] = {
	{ .name = "decode/packet",
	  .help = "{raw: binary or hex, keys: {name: hex}} -> {header, transportCodes, path, json, "
		  "raw, hash, anomaly}" },
	{ .name = "decode/set_area",
	  .help = "{polygon: [[lat, lon]...], buffer_km}, from now on in place of geo_filter" },
	{ .name = NULL },
};
/* clang-format on */

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.min_host_minor = 1,
	.flags = MK_PLUGIN_SINGLE, /* two would say everything twice */
	.id = "decode",
	.version = "1.0.0",
	.summary = "Decodes MeshCore packets",
	.license = "MIT",
	.author = "The meshkern authors",
	.subscribes = subscribes,
	.publishes = publishes,
	.methods = methods,
	.options = config_options,
	.check = decode_check,
	.create = decode_create,
	.start = decode_start,
	.on_msg = decode_on_msg,
	.on_call = decode_on_call,
	.on_timer = decode_on_timer,
	.reconfigure = decode_reconfigure,
	.stop = decode_stop,
	.destroy = decode_destroy,
};
