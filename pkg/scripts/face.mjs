// The TypeScript of the package: to modules that share what they have in common (esbuild), the same once more for `require` where nothing loads
// modules by it (Jest), and to declarations (tsc).

import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { build, transform } from "esbuild";

import { forRequire } from "./require.mjs";
import { run } from "./run.mjs";

/** Those that only Node can load. */
const NODE = ["node", "slim-node", "compiler-node", "testing-node"];
/** Those that must load without it. */
const ANYWHERE = ["browser", "compiler-browser", "testing-browser", "slim"];

/** What is imported by name: `runstate` is the first, the others stand behind a slash. */
const ENTRIES = ["index", "node", "slim", "compiler", "testing"];

/** Builds dist/*.js, dist/*.cjs and dist/types. */
export async function face() {
  for (const name of readdirSync("dist")) {
    if (/\.(c?js|map)$/.test(name)) rmSync(join("dist", name));
  }
  const { metafile } = await modules([...NODE, "cli", ...ANYWHERE], { sourcemap: true });
  withoutNode(metafile);
  const { outputFiles } = await modules(NODE, { outExtension: { ".js": ".cjs" }, write: false });
  for (const { path, text } of outputFiles) writeFileSync(path, await commonJs(text));
  rmSync("dist/types", { recursive: true, force: true });
  run("node_modules/.bin/tsc", ["--emitDeclarationOnly"]);
  forRequire(ENTRIES);
}

/** Modules of these entries. Their lines are those of the source, so that errors show the one that failed. */
function modules(names, options) {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  return build({
    entryPoints: names.map((name) => `src/${name}.ts`),
    outdir: "dist",
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    external: ["node:*"],
    inject: ["src/defect.ts"],
    chunkNames: "chunk-[hash]",
    define: { RUNSTATE_VERSION: JSON.stringify(version) },
    minifySyntax: true,
    legalComments: "none",
    metafile: true,
    // It remembers where the process began.
    absWorkingDir: process.cwd(),
    logLevel: "warning",
    ...options,
  });
}

/** A module as CommonJS. What it loads later is loaded by `require`, too: Jest has no other way. */
async function commonJs(module) {
  const options = { format: "cjs", platform: "node", target: "node20", legalComments: "none" };
  // By `__dirname` instead (src/node/wasm.ts).
  const known = { "empty-import-meta": "silent" };
  const { code } = await transform(module, { ...options, supported: { "dynamic-import": false }, logOverride: known });
  return code;
}

/** Nothing that a page loads may import `node:…`, not even by way of what it shares. */
function withoutNode({ outputs }) {
  const seen = new Set();
  const visit = (path, by) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { path: imported, external } of outputs[path].imports) {
      if (external) throw new Error(`dist/${by}.js imports ${imported}, by way of ${path}`);
      visit(imported, by);
    }
  };
  for (const name of ANYWHERE) visit(`dist/${name}.js`, name);
}
