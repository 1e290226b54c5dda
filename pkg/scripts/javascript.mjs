// Builds the TypeScript of the package: modules with shared chunks (esbuild), CommonJS copies for hosts whose
// `require` loads no modules (Jest), and declarations (tsc).

import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { build, transform } from "esbuild";

import { writeRequireDeclarations } from "./require-declarations.mjs";
import { run } from "./run.mjs";

/** The entries that only Node can load. */
const NODE_ENTRIES = ["node", "slim-node", "compiler-node", "testing-node", "programs"];
/** The files that Node loads as modules only. */
const NODE_MODULES = ["cli", "register", "register-hooks", "type-checker"];
/** The entries that must load without Node. */
const BROWSER_ENTRIES = ["browser", "compiler-browser", "testing-browser", "slim", "full"];

/** The declarations of the imported entries; those of `runstate` are the first. */
const IMPORTED_ENTRIES = ["index", "node", "slim", "compiler", "testing", "programs", "types/all", "types/apps", "types/fleet", "types/sessions"];

/** The built-ins that are written in the language. */
const BUILT_INS = "../crates/lang/src/prelude";

/** Builds dist/*.js, dist/*.cjs and dist/types. */
export async function buildJavaScript() {
  writeBuiltIns();
  for (const name of readdirSync("dist")) {
    if (/\.(c?js|map)$/.test(name)) rmSync(join("dist", name));
  }
  const { metafile } = await bundle([...NODE_ENTRIES, ...NODE_MODULES, ...BROWSER_ENTRIES], { sourcemap: true });
  checkNoNodeImports(metafile);
  const { outputFiles } = await bundle(NODE_ENTRIES, { outExtension: { ".js": ".cjs" }, write: false });
  for (const { path, text } of outputFiles) writeFileSync(path, await toCommonJs(text));
  rmSync("dist/types", { recursive: true, force: true });
  run("node_modules/.bin/tsc", ["--emitDeclarationOnly"]);
  writeRequireDeclarations(IMPORTED_ENTRIES);
}

/** Writes the built-ins as a module: the compiler loads it for programs that use one of them. */
function writeBuiltIns() {
  const files = readdirSync(BUILT_INS).map((name) => ({
    path: `runstate:${name.replace(/\.\w+$/, "").replaceAll("_", "-")}`,
    source: readFileSync(join(BUILT_INS, name), "utf8"),
  }));
  writeFileSync("build/built-ins.js", `export const builtIns = ${JSON.stringify(files)};\n`);
  writeFileSync("build/built-ins.d.ts", "export declare const builtIns: { path: string; source: string }[];\n");
}

/** Bundles entries to modules. Only syntax is minified, so that stack traces show readable lines. */
function bundle(names, options) {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  return build({
    // The built-ins are an entry for their name: files of pages are named after it.
    entryPoints: [...names.map((name) => ({ in: `src/${name}.ts`, out: name })), { in: "build/built-ins.js", out: "built-ins" }],
    outdir: "dist",
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    external: ["node:*"],
    inject: ["src/microtasks.ts"],
    chunkNames: "chunk-[hash]",
    define: { RUNSTATE_VERSION: JSON.stringify(version) },
    minifySyntax: true,
    legalComments: "none",
    metafile: true,
    // esbuild otherwise uses the folder in which the process started.
    absWorkingDir: process.cwd(),
    logLevel: "warning",
    ...options,
  });
}

/** Converts a module to CommonJS. Dynamic imports become `require` too, because Jest supports nothing else. */
async function toCommonJs(module) {
  const options = { format: "cjs", platform: "node", target: "node20", legalComments: "none" };
  // The empty `import.meta` is expected: src/node/wasm.ts uses `__dirname` instead.
  const logOverride = { "empty-import-meta": "silent" };
  const { code } = await transform(module, { ...options, supported: { "dynamic-import": false }, logOverride });
  return code;
}

/** Checks that no file that a page loads imports `node:…`, shared chunks included. */
function checkNoNodeImports({ outputs }) {
  const seen = new Set();
  const visit = (path, entry) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { path: imported, external } of outputs[path].imports) {
      if (external) throw new Error(`dist/${entry}.js imports ${imported} through ${path}, but pages cannot load it`);
      visit(imported, entry);
    }
  };
  for (const name of BROWSER_ENTRIES) visit(`dist/${name}.js`, name);
}
