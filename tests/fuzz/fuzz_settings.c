/* SPDX-License-Identifier: MIT
 *
 * meshkern.yaml from any text: complete settings, or problems and none.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_plugin(const struct plugin_settings *p)
{
	if (p->name == NULL || p->plugin == NULL || p->config == NULL || p->line == 0)
		abort();
	if (p->enabled && (p->path == NULL || p->path[0] != '/'))
		abort();
	if (p->grant == NULL || p->publish == NULL || p->subscribe == NULL)
		abort();
	for (size_t i = 0; p->read_paths[i] != NULL; i++)
		if (p->read_paths[i][0] != '/')
			abort();
}

static void
check_settings(const struct settings *s)
{
	if (s->data_dir[0] != '/' || s->plugin_count > SETTINGS_PLUGINS_MAX)
		abort();
	for (uint32_t i = 0; i < s->listen_count; i++)
		if (s->listen[i].url == NULL || s->listen[i].mode > 0777)
			abort();
	for (uint32_t i = 0; i < s->plugin_count; i++)
		check_plugin(&s->plugins[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mk_problems *problems = mk_problems_new("fuzz");
	struct settings *s = settings_parse("/etc/fuzz.yaml", data, size, NULL, problems);

	if ((s == NULL) != (mk_problems_count(problems) > 0))
		abort();
	if (s != NULL)
		check_settings(s);
	settings_free(s);
	mk_problems_free(problems);
	return 0;
}
