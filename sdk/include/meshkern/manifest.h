/* SPDX-License-Identifier: MIT
 *
 * A descriptor as data: checked, written as msgpack by the process that loaded
 * the plugin, read by one that has not.
 */
#ifndef MK_SDK_MANIFEST_H
#define MK_SDK_MANIFEST_H

#include <meshkern/codec.h>
#include <meshkern/err.h>
#include <meshkern/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Everything is [owned] by the manifest. Bounds: 64 topics each way, 64 methods,
 * 256 options with those in groups, groups 4 deep, 64 choices an option, 16
 * capabilities; names 63 bytes, one-line texts 255, help and defaults 1000. All
 * text is UTF-8 without control characters; what a plugin leaves out is "", or
 * NULL in the lists. */
typedef struct mk_manifest {
	uint16_t abi_major;
	uint16_t abi_minor;
	uint32_t min_host_minor;
	uint32_t flags; /* MK_PLUGIN_* */
	const char *id, *version, *summary, *license, *author, *url;
	const mk_topic *subscribes; /* end with a NULL name; never NULL */
	const mk_topic *publishes;  /* schema_max and max_body filled in */
	const mk_method *methods;
	const mk_option *options;
	const char *const *capabilities; /* NULL-terminated; never NULL */
	bool has_check, has_reconfigure, has_on_msg, has_on_call;
} mk_manifest;

/* Topic "rx/raw" or subtree "rx/"; no part between slashes is empty, "." or
 * ".." (topics become parts of paths). Instance and plugin names. */
bool mk_topic_valid(const char *name, bool subtree_allowed);
bool mk_id_valid(const char *id);
/* Does `pattern` (a topic, or a subtree ending in '/') cover `topic` (the
 * same)? "rx/" covers "rx/raw" and "rx/raw/"; "rx/raw" covers only itself. */
bool mk_topic_covers(const char *pattern, const char *topic);

/* The entry of a table (ends with a NULL name, or is NULL) that counts for `topic`: the longest one
 * that covers it, or NULL. */
const mk_topic *mk_topic_lookup(const mk_topic *table, const char *topic);

/* For tables of topics by name. */
uint32_t mk_topic_hash(const char *name);

/* A pair of a map: the names of a table; none if it is NULL. */
void mk_kv_topics(mk_writer *w, const char *key, const mk_topic *table);

/* Has one entry of `a` messages for one of `b`? Both end with a NULL name. */
bool mk_topics_meet(const mk_topic *a, const mk_topic *b);

/* The rules a descriptor must keep: major and minor version, sizes, UTF-8 and
 * length of strings, id and version well formed, topic names, no duplicates,
 * options valid, on_msg there if it subscribes, on_call if it has methods,
 * known capabilities, nothing published or answered below core/. MK_EABI or
 * MK_EINVAL with a sentence. */
mk_result mk_desc_check(const mk_plugin_desc *desc, mk_err *err);

/* A descriptor that passed mk_desc_check, as one msgpack map. Tables of a
 * plugin with smaller entries (topic_size ...) are read by their size. */
mk_result mk_manifest_write(const mk_plugin_desc *desc, mk_writer *w);
/* Reads what mk_manifest_write wrote, trusting none of it. */
mk_result mk_manifest_read(mk_manifest **out, const void *body, size_t len, mk_err *err);
void mk_manifest_free(mk_manifest *m);
/* Is the capability among those that it asks for? */
bool mk_manifest_needs(const mk_manifest *m, const char *capability);

#ifdef __cplusplus
}
#endif
#endif
