/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

TestSuite(json, .timeout = 120);

/* JSON to msgpack and back again. */
static void
expect_same(const char *in, const char *out)
{
	mk_err err = { MK_OK, "" };
	char *s = NULL;
	size_t len;
	FILE *f = open_memstream(&s, &len);
	mk_writer w;

	mk_writer_init(&w, 0);
	cr_assert_eq(json_parse(in, strlen(in), &w, &err), MK_OK, "%s", err.text);
	cr_expect(json_print(f, w.data, w.len));
	fclose(f);
	cr_expect_str_eq(s, out);
	free(s);
	mk_writer_fini(&w);
}

static void
expect_refused(const char *in, const char *why)
{
	mk_err err = { MK_OK, "" };
	mk_writer w;

	mk_writer_init(&w, 0);
	cr_expect_neq(json_parse(in, strlen(in), &w, &err), MK_OK, "%s", in);
	cr_expect(strstr(err.text, why) != NULL, "%s: %s", in, err.text);
	mk_writer_fini(&w);
}

Test(json, all_types_survive)
{
	expect_same("{}", "{}");
	expect_same("{\"a\": [1, -1, 2.5, true, false, null, \"x\", {\"b\": []}]}",
		    "{\"a\":[1,-1,2.5,true,false,null,\"x\",{\"b\":[]}]}");
	expect_same("{\"max\": 9223372036854775807, \"min\": -9223372036854775808}",
		    "{\"max\":9223372036854775807,\"min\":-9223372036854775808}");
}

Test(json, binaries_are_written_as_hexadecimal)
{
	expect_same("{\"a\": {\"$bin\": \"00fF\"}, \"b\": {\"$bin\": \"\"}}",
		    "{\"a\":{\"$bin\":\"00ff\"},\"b\":{\"$bin\":\"\"}}");
}

Test(json, what_only_resembles_a_binary_is_a_map)
{
	expect_same("{\"a\": {\"$bin\": \"0g\"}}", "{\"a\":{\"$bin\":\"0g\"}}");
	expect_same("{\"a\": {\"$bin\": \"0\"}}", "{\"a\":{\"$bin\":\"0\"}}");
	expect_same("{\"a\": {\"$bin\": 1}}", "{\"a\":{\"$bin\":1}}");
	expect_same("{\"a\": {\"$bin\": \"00\", \"b\": 1}}", "{\"a\":{\"$bin\":\"00\",\"b\":1}}");
}

Test(json, a_body_is_an_object)
{
	expect_refused("[1]", "must be a JSON object");
	expect_same("{\"$bin\": \"00\"}", "{\"$bin\":\"00\"}");
}

Test(json, faults_have_a_position)
{
	expect_refused("{\"a\": }", "line 1, column 7");
	expect_refused("", "line");
}

Test(json, duplicate_keys_are_refused)
{
	expect_refused("{\"a\": 1, \"a\": 2}", "duplicate");
}

Test(json, keys_that_the_bus_does_not_carry_are_refused)
{
	char text[300];

	snprintf(text, sizeof(text), "{\"%0200d\": 1}", 0);
	expect_refused(text, "");
}

Test(json, nesting_is_limited_to_that_of_the_codec)
{
	char text[64] = "";

	expect_same("{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}",
		    "{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}");
	snprintf(text, sizeof(text), "{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}");
	expect_refused(text, "deep");
}

Test(json, malformed_data_is_not_printed)
{
	cr_expect_not(json_print(stdout, "\xc1", 1));
	cr_expect_not(json_print(stdout, "", 0));
}
