#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The commands of the meshkern tool that need no daemon: plugin new, inspect and list, config
check and reference. A copy of the program stands beside a meshkern-host of the test's choice.
MK_BINARY_DIR is the build folder, MK_SOURCE_DIR the source tree."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BINARY_DIR = os.path.abspath(os.environ.get("MK_BINARY_DIR", "build"))
SOURCE_DIR = os.path.abspath(os.environ.get("MK_SOURCE_DIR", "."))

PLUGIN = """
#include <meshkern/plugin.h>
static mk_result create(const mk_host *h, void **self) { (void)h; *self = 0; return MK_OK; }
static void on_msg(void *self, const mk_msg *m) { (void)self; (void)m; }
static void on_call(void *self, const mk_call *c) { (void)self; (void)c; }
static void destroy(void *self) { (void)self; }
static const mk_topic in[] = {{.name = "rx/", .flags = MK_TOPIC_MANUAL_ACK}, {0}};
static const mk_topic out[] = {
    {"echo/tick", MK_TOPIC_RELIABLE | MK_TOPIC_RETAINED, 0, 1, 2, "tick"}, {0}};
static const mk_method methods[] = {{"echo/back", "the body again"}, {0}};
static const char *const modes[] = {"a", "b", 0};
static const mk_option options[] = {
    {"every", "5s", "how often", 1000000, 3600000000, MK_OPT_DURATION, MK_OPT_LIVE, 0, 0},
    {"mode", "a", "which way", 0, 0, MK_OPT_ENUM, 0, modes, 0}, {0}};
static const char *const capabilities[] = {CAPABILITIES 0};
EXTRA
MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {MK_PLUGIN_HEAD, .id = "echo", .version = "1.2.3",
    .summary = "says it again", .license = "MIT", .subscribes = in, .publishes = out,
    .methods = methods, .options = options, .capabilities = capabilities, .create = create,
    .on_msg = on_msg, .on_call = on_call, .destroy = destroy};
"""


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        os.makedirs(f"{self.dir}/bin")
        shutil.copy(f"{BINARY_DIR}/bin/meshkern", f"{self.dir}/bin/")
        self.env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}

    def tearDown(self):
        shutil.rmtree(self.dir)

    def write(self, name, text, mode=0o644):
        path = f"{self.dir}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def read(self, name, **more):
        with open(f"{self.dir}/{name}", **more) as f:
            return f.read()

    def host(self, script=None):
        """The real meshkern-host, or a shell script in its place."""
        if script is None:
            shutil.copy(f"{BINARY_DIR}/bin/meshkern-host", f"{self.dir}/bin/")
        else:
            self.write("bin/meshkern-host", "#!/bin/bash\n" + script, 0o755)

    def plugin(self, name="echo.so", extra="", capabilities=""):
        code = PLUGIN.replace("EXTRA", extra).replace("CAPABILITIES", capabilities)
        source = self.write(name + ".c", code)
        subprocess.run(["cc", "-std=c11", "-shared", "-fPIC", "-fvisibility=hidden",
                        "-Wl,-z,nodelete", "-Wl,--build-id", f"-I{SOURCE_DIR}/sdk/include", source,
                        "-o", f"{self.dir}/{name}"], check=True)

    def run_tool(self, *args, status=0, **more):
        done = subprocess.run([f"{self.dir}/bin/meshkern", *args], env=self.env, cwd=self.dir,
                              capture_output=True, text=True, timeout=120, **more)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def out(self, *args, **more):
        return self.run_tool(*args, **more).stdout

    def err(self, *args, **more):
        return self.run_tool(*args, **more).stderr


class New(Case):
    def setUp(self):
        super().setUp()
        self.write("share/meshkern/template/CMakeLists.txt", "mk_add_plugin(@NAME@)\n")
        self.write("share/meshkern/template/src/NAME.c", "@IDENT@ @IN@ @OUT@ @NAME@@NAME @\n")
        self.write("share/meshkern/template/.hidden/run-NAME", "#!/bin/sh\n", 0o755)
        self.write("share/meshkern/template/empty", "")
        with open(f"{self.dir}/share/meshkern/template/binary", "wb") as f:
            f.write(b"\x00\xff@YEAR@\x00@AUTHOR@|@DATE@")

    def nothing_is_left(self):
        self.assertEqual(sorted(os.listdir(self.dir)), ["bin", "share"])

    def test_marks_in_files_and_names_are_replaced(self):
        self.out("plugin", "new", "rain-map", "--in", "rx/", "--out", "rain/cell")
        self.assertEqual(self.read("rain-map/CMakeLists.txt"), "mk_add_plugin(rain-map)\n")
        self.assertEqual(self.read("rain-map/src/rain-map.c"),
                         "rain_map rx/ rain/cell rain-map@NAME @\n")
        self.assertEqual(self.read("rain-map/empty"), "")
        self.assertTrue(os.access(f"{self.dir}/rain-map/.hidden/run-rain-map", os.X_OK))
        with open(f"{self.dir}/rain-map/binary", "rb") as f:
            self.assertRegex(f.read(), rb"^\x00\xff20\d\d\x00Your Name <you@example\.org>\|"
                                       rb"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20\d\d [\d:]{8} \+0000$")
        self.assertEqual(sorted(os.listdir(self.dir)), ["bin", "rain-map", "share"])

    def test_topics_have_defaults_and_the_folder_can_be_chosen(self):
        os.mkdir(f"{self.dir}/share/here")
        result = json.loads(self.out("plugin", "new", "a", "--dir", "share/here", "--json"))
        self.assertEqual(result, {"folder": "share/here/a", "files": 5})
        self.assertEqual(self.read("share/here/a/src/a.c"),
                         "a packet/decoded snapshot/a a@NAME @\n")
        self.nothing_is_left()

    def test_the_author_is_told_or_that_of_the_debian_tools(self):
        self.env.update({"DEBFULLNAME": "Ann", "DEBEMAIL": "ann@example.net"})
        self.out("plugin", "new", "a")
        self.out("plugin", "new", "b", "--author", "Ödön <o@example.net>")
        self.assertIn("Ann <ann@example.net>|", self.read("a/binary", errors="replace"))
        self.assertIn("Ödön <o@example.net>|", self.read("b/binary", errors="replace"))
        self.assertEqual(sorted(os.listdir(self.dir)), ["a", "b", "bin", "share"])

    def test_the_umask_is_kept(self):
        self.out("plugin", "new", "a", umask=0o027)
        self.assertEqual(os.stat(f"{self.dir}/a").st_mode & 0o777, 0o750)
        self.assertEqual(os.stat(f"{self.dir}/a/src/a.c").st_mode & 0o777, 0o640)

    def test_nothing_is_overwritten(self):
        self.write("share/a", "mine")
        self.assertIn("exists already", self.err("plugin", "new", "a", "--dir", "share", status=1))
        os.symlink("nowhere", f"{self.dir}/share/b")
        self.assertIn("exists already", self.err("plugin", "new", "b", "--dir", "share", status=1))
        self.assertEqual(self.read("share/a"), "mine")

    def test_a_failure_leaves_nothing(self):
        os.mkfifo(f"{self.dir}/share/meshkern/template/src/pipe")
        self.assertIn("neither a file nor a folder", self.err("plugin", "new", "a", status=1))
        os.unlink(f"{self.dir}/share/meshkern/template/src/pipe")
        self.nothing_is_left()
        self.write("share/meshkern/template/NAME", "1")
        self.write("share/meshkern/template/a", "2")
        self.assertIn("File exists", self.err("plugin", "new", "a", status=1))
        self.nothing_is_left()
        self.err("plugin", "new", "a", "--template", "absent", status=1)
        self.err("plugin", "new", "a", "--dir", "absent", status=1)
        self.nothing_is_left()

    def test_without_a_template_it_says_so(self):
        shutil.rmtree(f"{self.dir}/share")
        self.assertIn("--template", self.err("plugin", "new", "a", status=1))

    def test_bad_names_are_status_2(self):
        for args in (["A"], ["../a"], ["a/b"], [""], ["a" * 32], ["a", "--in", "X"],
                     ["a", "--out", "a b"], ["a", "--author", 'x"y'], ["a", "--out", "a" * 64]):
            self.err("plugin", "new", *args, status=2)
        self.nothing_is_left()


class Inspect(Case):
    def test_everything_that_it_says_is_shown(self):
        self.host()
        self.plugin(capabilities='"exec",')
        text = self.out("plugin", "inspect", "echo.so")
        for pattern in (r"plugin +echo\n", r"version +1\.2\.3\n", r"capabilities +exec\n",
                        r"rx/ +manual ack", r"echo/tick +reliable, retained +1 +2 +64\.0 KiB +tick",
                        r"echo/back +the body again", r"duration, 1s to 1h", r"#every: 5s",
                        r"one of a, b", r"build id +[0-9a-f]{40}", r"nodelete +yes",
                        r"audit +good"):
            self.assertRegex(text, pattern)

    def test_json_has_the_manifest_and_the_audit(self):
        self.host()
        self.plugin()
        data = json.loads(self.out("plugin", "inspect", "./echo.so", "--json"))
        self.assertEqual(data["manifest"]["id"], "echo")
        self.assertEqual(len(data["manifest"]["options"]), 2)
        self.assertEqual((data["audit"], data["nodelete"], data["imports"]), ("good", True, []))

    def test_an_import_without_its_capability_is_status_1(self):
        self.host()
        extra = "#include <unistd.h>\nint f(void);\nMK_EXPORT int f(void) { return (int)fork(); }"
        self.plugin(extra=extra)
        done = self.run_tool("plugin", "inspect", "echo.so", status=1)
        self.assertRegex(done.stdout, r"fork +exec")
        self.assertIn("fork", done.stderr)
        self.plugin(extra=extra, capabilities='"exec",')
        self.assertRegex(self.out("plugin", "inspect", "echo.so"), r"audit +good")

    def test_what_is_no_plugin_is_status_1(self):
        self.host()
        self.write("text.so", "hello")
        self.err("plugin", "inspect", "text.so", status=1)
        self.err("plugin", "inspect", "absent.so", status=1)
        self.err("plugin", "inspect", ".", status=1)
        self.write("none.c", "int x;")
        subprocess.run(["cc", "-shared", "-fPIC", "none.c", "-o", "none.so"], cwd=self.dir,
                       check=True)
        self.assertIn("mk_plugin_v1", self.err("plugin", "inspect", "none.so", status=1))

    def fails(self, script, pattern):
        self.host(script)
        done = self.run_tool("plugin", "inspect", "echo.so", status=1)
        self.assertRegex(done.stderr, pattern)
        self.assertTrue(done.stderr.replace("\n", "").isprintable())

    def test_a_file_that_crashes_or_lies_is_named_so(self):
        self.plugin()
        self.fails("echo chatter; printf 'bad \\033[31m thing\\n' >&2; exit 1",
                   r"it was refused: bad \\x1b\[31m thing\n$")
        self.fails("exit 1", "it was refused\n$")
        self.fails("kill -SEGV $$", "crashed while it was loaded: Segmentation fault")
        self.fails("exit 0", "its manifest is bad")
        self.fails("head -c 100 /dev/urandom >&3", "its manifest is bad")
        self.fails("head -c 9000000 /dev/zero >&3; head -c 9000000 /dev/zero", "manifest is bad")
        os.unlink(f"{self.dir}/bin/meshkern-host")
        self.assertIn("meshkern-host", self.err("plugin", "inspect", "echo.so", status=1))

    def test_a_file_that_hangs_ends_after_the_limit_with_all_its_processes(self):
        self.plugin()
        self.fails(f"sleep 1000 & echo $! >{self.dir}/pid; exec >&- 2>&- 3>&-; wait",
                   "did not load within 5 s")
        with self.assertRaises(ProcessLookupError):
            pid = int(self.read("pid"))
            for _ in range(1000):  # it is init that reaps it, in its own time
                os.kill(pid, 0)
                with open(f"/proc/{pid}/stat") as f:
                    if f.read().split()[2] == "Z":
                        raise ProcessLookupError


class Path(Case):
    def test_the_plugin_path_and_the_built_in_folder_are_listed(self):
        self.host()
        os.makedirs(f"{self.dir}/mine")
        self.plugin("mine/echo.so")
        os.makedirs(f"{self.dir}/plugins")
        shutil.copy(f"{self.dir}/mine/echo.so", f"{self.dir}/plugins/other.so")
        self.write("plugins/broken.so", "x")
        self.write("plugins/readme.txt", "x")
        self.write("meshkern.yaml", "meshkern: 1\nplugin_path: [./mine]\n")
        items = json.loads(self.out("plugin", "list", "--json"))["items"]
        self.assertEqual([os.path.basename(i["file"]) for i in items],
                         ["echo.so", "broken.so", "other.so"])
        self.assertEqual([i["plugin"] for i in items], ["echo", None, "echo"])
        self.assertTrue(items[1]["error"])
        self.assertRegex(self.out("plugin", "list"), r"echo +1\.2\.3 +mine/echo\.so +says it again")

    def test_one_folder_may_stand_for_a_path_of_one(self):
        self.host()
        os.makedirs(f"{self.dir}/mine")
        self.plugin("mine/echo.so")
        self.write("meshkern.yaml", "meshkern: 1\nplugin_path: ./mine\n")
        self.assertRegex(self.out("plugin", "list"), r"echo +1\.2\.3 +mine/echo\.so ")

    def test_names_and_words_that_are_no_utf8_are_shown_and_do_no_harm(self):
        self.host("printf 'b\\377d' >&2; exit 1")
        os.makedirs(f"{self.dir}/plugins")
        with open(os.fsencode(self.dir) + b"/plugins/\xff\x1b.so", "w") as f:
            f.write("x")
        for locale in ("C", "C.UTF-8"):
            self.env["LC_ALL"] = locale
            self.assertRegex(self.out("plugin", "list"), r"/\?\\x1b\.so .*it was refused: b\?d")
            item, = json.loads(self.out("plugin", "list", "--json"))["items"]
            self.assertRegex(item["file"], "/\\?\x1b.so$")
            self.assertEqual(item["error"], "it was refused: b?d")

    def test_no_files_are_said_to_be_none(self):
        self.assertEqual(self.out("plugin", "list"), "no plugin files were found\n")
        self.assertEqual(json.loads(self.out("plugin", "list", "--json")), {"items": []})

    def test_a_folder_that_is_missing_is_told(self):
        self.write("meshkern.yaml", "meshkern: 1\nplugin_path: [./mine]\n")
        self.assertIn("read mine: No such file", self.err("plugin", "list"))


class Config(Case):
    def test_a_good_file_is_good(self):
        self.host()
        self.plugin()
        good = self.write("m.yaml", "meshkern: 1\nplugins: { echo: { path: ./echo.so, "
                          "publish: [echo/], subscribe: [rx/], config: { mode: b } } }\n", 0o600)
        self.assertIn("is good", self.out("config", "check", "m.yaml"))
        self.assertEqual(json.loads(self.out("config", "check", "-c", good, "--json")),
                         {"file": good, "count": 0, "good": True, "problems": []})

    def test_problems_are_status_2_with_their_positions(self):
        self.host()
        self.plugin()
        self.write("meshkern.yaml", "meshkern: 1\nnonsense: 1\nlog: { level: loud }\n", 0o600)
        text = self.err("config", "check", status=2)
        self.assertIn("meshkern.yaml:2:", text)
        self.assertIn("meshkern.yaml:3:", text)
        data = json.loads(self.out("config", "check", "--json", status=2))
        self.assertEqual((data["good"], data["count"]), (False, 2))
        self.write("meshkern.yaml", "meshkern: 1\nplugins: { echo: { path: ./echo.so, "
                   "publish: [echo/], subscribe: [rx/], config: { mode: c } } }\n", 0o600)
        self.assertRegex(self.err("config", "check", status=2), r"meshkern\.yaml:2:\d+: .*mode")

    def test_no_file_is_status_2(self):
        self.assertIn("no configuration", self.err("config", "check", status=2))
        self.err("config", "check", "absent.yaml", status=2)

    def test_the_reference_has_the_file_and_the_plugins(self):
        self.host()
        os.makedirs(f"{self.dir}/plugins")
        self.plugin("plugins/echo.so")
        text = self.out("config", "reference")
        self.assertIn("| `data_dir` | string | `./data` |", text)
        self.assertRegex(text, r"## echo 1\.2\.3\n\nsays it again\n\n\| option ")
        self.assertIn("| `every` | duration, 1s to 1h | `5s` |", text)
        self.assertEqual(json.loads(self.out("config", "reference", "--json"))["markdown"], text)


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    failed = len({str(getattr(t, "test_case", t)) for t, _ in result.failures + result.errors})
    print(f"{result.testsRun - failed} passed, {failed} failed, 0 skipped")
    sys.exit(0 if result.wasSuccessful() else 1)
