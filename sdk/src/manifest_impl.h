/* SPDX-License-Identifier: MIT
 *
 * What the files of the manifest share with each other: its limits, and tables
 * of its fields by which it is copied, written and read.
 */
#ifndef MK_SDK_MANIFEST_IMPL_H
#define MK_SDK_MANIFEST_IMPL_H

#include <meshkern/arena.h>
#include <meshkern/manifest.h>

#define MANIFEST_TOPICS_MAX 64u /* each way */
#define MANIFEST_METHODS_MAX 64u
#define MANIFEST_OPTIONS_MAX 256u /* with those in groups */
#define MANIFEST_GROUPS_MAX 4u    /* groups in groups */
#define MANIFEST_CHOICES_MAX 64u  /* of one option */
#define MANIFEST_CAPABILITIES_MAX 16u
#define MANIFEST_NAME_MAX 63u /* bytes; the rules for names may be tighter */
#define MANIFEST_LINE_MAX 255u
#define MANIFEST_TEXT_MAX 1000u

struct manifest {
	mk_manifest pub; /* first, so that it can be cast back */
	mk_topic *subscribes;
	mk_topic *publishes; /* the same lists, writable until it is finished */
	mk_arena arena;
	uint32_t options; /* so far */
};

enum field_kind { FIELD_TEXT, FIELD_U16, FIELD_U32, FIELD_I64, FIELD_BOOL };

struct field {
	const char *key;
	size_t offset;
	enum field_kind kind;
	uint32_t max; /* bytes of text */
};

/* A structure; those that stand in lists begin with their name. */
struct fields {
	const struct field *list;
	uint32_t count;
	size_t size; /* of the structure */
};

extern const struct fields manifest_root;
extern const struct fields manifest_topic;
extern const struct fields manifest_method;
extern const struct fields manifest_option; /* without choices and sub */

/* NULL: no memory. */
struct manifest *manifest_new(void);
/* The entries of a list of `size` bytes each that ends with a NULL name. */
uint32_t manifest_count(const void *list, size_t size);
/* Room for `count` entries and the end of the list; MK_EINVAL above `max`. */
mk_result manifest_list(struct manifest *m, size_t count, uint32_t max, size_t size, void *out,
			mk_err *err);
/* Count the options of one list more; MK_EINVAL if they are too many together. */
mk_result manifest_add_options(struct manifest *m, const mk_option *list, mk_err *err);
/* A checked copy of `len` bytes. */
mk_result manifest_text(struct manifest *m, const char *s, size_t len, uint32_t max,
			const char **out, mk_err *err);
/* r; if it is an error, "what: " is put in front of its text. */
mk_result manifest_in(const char *what, mk_result r, mk_err *err);
/* Fill in what may be left out, then check all that does not need the code. */
mk_result manifest_finish(struct manifest *m, mk_err *err);
/* The lists and strings of a descriptor, copied; not finished. */
mk_result manifest_from_desc(struct manifest **out, const mk_plugin_desc *desc, mk_err *err);

#endif
