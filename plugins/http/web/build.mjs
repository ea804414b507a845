// SPDX-License-Identifier: MIT
//
// Makes the pages: node build.mjs [--out FOLDER] [--test]
//
// Bundler is esbuild because it runs with the Node of Debian 12 (18), which Vite 8 does not. Names in
// assets/ carry a hash of the contents, compressed copies lie beside the files, and what an earlier
// build left is removed last, so a server may serve the folder meanwhile.
//
//   worker:./x.worker.ts   as an import gives the address of that file, bundled as a worker
//   make/*.mjs             each exports `make(write)`: further files, and constants for the sources
import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import zlib from "node:zlib";
import esbuild from "esbuild";

const root = path.dirname(fileURLToPath(import.meta.url));
const args = process.argv.slice(2);
const out = path.resolve(args.includes("--out") ? args[args.indexOf("--out") + 1] : path.join(root, "dist"));
const written = new Set();
const ENTRY = "src/app.tsx";

const common = {
	absWorkingDir: root,
	bundle: true,
	format: "esm",
	jsx: "automatic",
	jsxImportSource: "preact",
	legalComments: "none",
	logLevel: "warning",
	minify: true,
	target: "es2022",
	write: false,
};

/** Puts a file into the folder, with its compressed copies if they are smaller. */
function write(name, data) {
	const file = path.join(out, name);
	const bytes = Buffer.from(data);
	const put = (to, what) => {
		written.add(to);
		if (fs.existsSync(to) && fs.readFileSync(to).equals(what)) return;
		fs.mkdirSync(path.dirname(to), { recursive: true });
		fs.writeFileSync(`${to}.new`, what);
		fs.renameSync(`${to}.new`, to);
	};
	const gz = zlib.gzipSync(bytes, { level: 9 });
	if (gz.length < bytes.length * 0.9) {
		put(`${file}.gz`, gz);
		put(
			`${file}.br`,
			zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
		);
	}
	put(file, bytes);
}

/** The same with a hash in the name; returns the address. */
function writeHashed(name, data) {
	const hash = createHash("sha256").update(data).digest("hex").slice(0, 8);
	const { dir, name: stem, ext } = path.parse(name);
	const full = path.posix.join("assets", dir, `${stem}-${hash}${ext}`);
	write(full, data);
	return `/${full}`;
}

function removeStale(folder) {
	for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
		const file = path.join(folder, entry.name);
		if (entry.isDirectory()) {
			removeStale(file);
			if (fs.readdirSync(file).length === 0) fs.rmdirSync(file);
		} else if (!written.has(file)) {
			fs.unlinkSync(file);
		}
	}
}

const workers = {
	name: "workers",
	setup(build) {
		build.onResolve({ filter: /^worker:/ }, (a) => ({
			path: path.resolve(a.resolveDir, a.path.slice("worker:".length)),
			namespace: "worker",
		}));
		build.onLoad({ filter: /.*/, namespace: "worker" }, async (a) => {
			const made = await esbuild.build({ ...common, entryPoints: [a.path], outdir: out });
			const address = writeHashed(path.basename(a.path).replace(/\.ts$/, ".js"), made.outputFiles[0].contents);
			return { contents: `export default ${JSON.stringify(address)}`, watchFiles: [a.path] };
		});
	},
};

/**
 * Whatever the shell has loaded already is one chunk: bundlers put each set of modules that the same
 * pages use into a file of its own, which would be a dozen requests. So every module that is loaded
 * later is made to import the shell as well; then no set of pages is a special one.
 */
function oneShell(later) {
	return {
		name: "one-shell",
		setup(build) {
			build.onLoad({ filter: /\.tsx?$/ }, (a) => {
				if (a.namespace !== "file" || !later.has(a.path)) return null;
				const shell = JSON.stringify(path.join(root, ENTRY));
				return {
					contents: `${fs.readFileSync(a.path, "utf8")}\nimport ${shell};\n`,
					loader: a.path.endsWith("x") ? "tsx" : "ts",
				};
			});
		},
	};
}

/** Files that are imported dynamically by others. */
function importedLater(metafile) {
	const inputs = Object.values(metafile.inputs).flatMap((i) => i.imports);
	return new Set(inputs.filter((i) => i.kind === "dynamic-import").map((i) => path.resolve(root, i.path)));
}

async function makeFiles() {
	const define = {};
	const folder = path.join(root, "make");
	const scripts = fs.existsSync(folder) ? fs.readdirSync(folder).filter((f) => f.endsWith(".mjs")) : [];
	for (const script of scripts.sort()) {
		const { make } = await import(pathToFileURL(path.join(folder, script)).href);
		for (const [name, value] of Object.entries((await make({ write, writeHashed })) ?? {}))
			define[name] = JSON.stringify(value);
	}
	return define;
}

async function build() {
	const options = {
		...common,
		entryPoints: [ENTRY],
		entryNames: "assets/[name]-[hash]",
		chunkNames: "assets/[name]-[hash]",
		outdir: out,
		splitting: true,
		metafile: true,
		plugins: [workers],
		define: { ...(await makeFiles()), "process.env.NODE_ENV": '"production"' },
	};
	const { metafile } = await esbuild.build(options);
	const made = await esbuild.build({ ...options, plugins: [oneShell(importedLater(metafile)), workers] });
	for (const file of made.outputFiles) write(path.relative(out, file.path), file.contents);

	const outputs = Object.entries(made.metafile.outputs);
	const address = (name) => `/${path.relative(out, path.resolve(root, name))}`;
	const [entry, { cssBundle, imports }] = outputs.find(([, o]) => o.entryPoint === ENTRY);
	const preload = imports.filter((i) => i.kind === "import-statement").map((i) => address(i.path));
	const head = [
		`<link rel="stylesheet" href="${address(cssBundle)}">`,
		...preload.map((p) => `<link rel="modulepreload" href="${p}">`),
		`<script type="module" src="${address(entry)}"></script>`,
	];
	const page = fs.readFileSync(path.join(root, "index.html"), "utf8");
	write("index.html", page.replace("<!-- assets -->", head.join("\n")));
	for (const name of fs.existsSync(path.join(root, "public")) ? fs.readdirSync(path.join(root, "public")) : [])
		write(name, fs.readFileSync(path.join(root, "public", name)));
	// Which page needs what, for the check of the budgets.
	write(
		"build.json",
		JSON.stringify(
			Object.fromEntries(
				outputs.map(([name, o]) => [
					address(name),
					{
						entry: o.entryPoint,
						css: o.cssBundle && address(o.cssBundle),
						imports: o.imports.map((i) => [i.kind, address(i.path)]),
					},
				]),
			),
			null,
			1,
		),
	);
	removeStale(out);
}

/** The unit tests: src/**\/*.test.ts, bundled for node:test. */
async function test() {
	const found = [];
	const look = (folder) => {
		for (const e of fs.readdirSync(folder, { withFileTypes: true })) {
			if (e.isDirectory()) look(path.join(folder, e.name));
			else if (/\.test\.tsx?$/.test(e.name)) found.push(path.join(folder, e.name));
		}
	};
	look(path.join(root, "src"));
	const folder = path.join(out, "..", "web-unit");
	await esbuild.build({
		...common,
		entryPoints: found,
		outdir: folder,
		outExtension: { ".js": ".mjs" },
		minify: false,
		platform: "node",
		write: true,
		plugins: [workers],
		loader: { ".css": "text" },
	});
	const files = fs.readdirSync(folder, { recursive: true }).filter((f) => f.endsWith(".mjs"));
	const done = spawnSync(process.execPath, ["--test", ...files.map((f) => path.join(folder, f))], { stdio: "inherit" });
	fs.rmSync(folder, { recursive: true, force: true });
	process.exitCode = done.status ?? 1;
}

await (args.includes("--test") ? test() : build());
