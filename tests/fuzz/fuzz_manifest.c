/* SPDX-License-Identifier: MIT
 *
 * Manifests from any bytes. One that is let through is a valid descriptor, and
 * stays the same when it is written and read again.
 */
#include <stdlib.h>
#include <string.h>

#include <meshkern/manifest.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static mk_result
a_create(const mk_host *host, void **self)
{
	(void)host;
	(void)self;
	return MK_OK;
}

static void
a_destroy(void *self)
{
	(void)self;
}

static mk_result
a_check(const mk_host *config, char *why, uint32_t why_len)
{
	(void)config;
	(void)why;
	(void)why_len;
	return MK_OK;
}

static mk_result
a_reconfigure(void *self)
{
	(void)self;
	return MK_OK;
}

static void
an_on_msg(void *self, const mk_msg *msg)
{
	(void)self;
	(void)msg;
}

static void
an_on_call(void *self, const mk_call *call)
{
	(void)self;
	(void)call;
}

static void
write_again(const mk_manifest *m, mk_writer *w)
{
	mk_plugin_desc d = {
		MK_PLUGIN_HEAD,
		.id = m->id,
		.version = m->version,
		.summary = m->summary,
		.license = m->license,
		.author = m->author,
		.url = m->url,
		.flags = m->flags,
		.min_host_minor = m->min_host_minor,
		.subscribes = m->subscribes,
		.publishes = m->publishes,
		.methods = m->methods,
		.options = m->options,
		.capabilities = m->capabilities,
		.create = a_create,
		.destroy = a_destroy,
		.check = m->has_check ? a_check : NULL,
		.reconfigure = m->has_reconfigure ? a_reconfigure : NULL,
		.on_msg = m->has_on_msg ? an_on_msg : NULL,
		.on_call = m->has_on_call ? an_on_call : NULL,
	};

	d.abi_minor = m->abi_minor;
	require(mk_desc_check(&d, NULL) == MK_OK);
	mk_writer_init(w, 0);
	require(mk_manifest_write(&d, w) == MK_OK && mk_writer_end(w) == MK_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mk_manifest *m;
	mk_writer first;
	mk_writer second;
	mk_err err = { 0 };

	if (mk_manifest_read(&m, data, size, &err) != MK_OK) {
		require(err.code != MK_OK && err.text[0] != '\0');
		return 0;
	}
	write_again(m, &first);
	mk_manifest_free(m);
	require(mk_manifest_read(&m, first.data, first.len, &err) == MK_OK);
	write_again(m, &second);
	mk_manifest_free(m);
	require(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	mk_writer_fini(&first);
	mk_writer_fini(&second);
	return 0;
}
