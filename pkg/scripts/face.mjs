// The TypeScript of the package: to modules that share what they have in common (esbuild), and to declarations (tsc).

import { readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { build } from "esbuild";

import { forRequire } from "./require.mjs";
import { run } from "./run.mjs";

/** Those that only Node can load. */
const NODE = ["node", "slim-node", "compiler-node", "testing-node", "cli"];
/** Those that must load without it. */
const ANYWHERE = ["browser", "compiler-browser", "testing-browser", "slim"];

/** What is imported by name: `runstate` is the first, the others stand behind a slash. */
const ENTRIES = ["index", "node", "slim", "compiler", "testing"];

/** Builds dist/*.js and dist/types. */
export async function face() {
  for (const name of readdirSync("dist")) {
    if (name.endsWith(".js")) rmSync(join("dist", name));
  }
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  const { metafile } = await build({
    entryPoints: [...NODE, ...ANYWHERE].map((name) => `src/${name}.ts`),
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
    minifyWhitespace: true,
    legalComments: "none",
    metafile: true,
    // It remembers where the process began.
    absWorkingDir: process.cwd(),
    logLevel: "warning",
  });
  withoutNode(metafile);
  rmSync("dist/types", { recursive: true, force: true });
  run("node_modules/.bin/tsc", ["--emitDeclarationOnly"]);
  forRequire(ENTRIES);
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
