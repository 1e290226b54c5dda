// Whether the package is as others will find it: publint and attw over the packed file, and what is in it.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

import { output, run } from "./run.mjs";

/** All that is in the packed package; chunks and declarations by their folder. */
const CONTENT = [
  "LICENSE-APACHE", "LICENSE-MIT", "README.md", "package.json", "runstate.d.ts",
  ...["browser", "cli", "compiler-browser", "slim", "testing-browser"].map((name) => `dist/${name}.js`),
  ...["compiler-node", "node", "slim-node", "testing-node"].flatMap((name) => [`dist/${name}.js`, `dist/${name}.cjs`]),
  "dist/runstate_bg.wasm", "dist/runstate_node_bg.wasm", "dist/runstate_compiler_bg.wasm",
];

/** Entries that no program imports: bytes, and what programs of the machine find. */
const BYTES = ["./runstate.wasm", "./node.wasm", "./compiler.wasm", "./program"];

/** Packs and checks; throws on the first failure. */
export async function check() {
  const folder = mkdtempSync(join(tmpdir(), "runstate-pack-"));
  try {
    const [packed] = JSON.parse(output("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder]));
    const paths = packed.files.map(({ path }) => path);
    content(paths);
    nobodysFolders(paths);
    const file = join(folder, packed.filename);
    run("node_modules/.bin/publint", ["--strict", file]);
    run("node_modules/.bin/attw", ["--exclude-entrypoints", ...BYTES, "--", file]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Nothing in it names a folder of the machine that built it. */
function nobodysFolders(paths) {
  const named = paths.filter((path) => readFileSync(path).includes(homedir()));
  if (named.length > 0) throw new Error(`npm pack: ${named.join(", ")} name ${homedir()}`);
}

function content(paths) {
  const rest = paths.filter((path) => !/^dist\/(chunk-[A-Z0-9]+\.c?js|[\w-]+\.js\.map|types\/.*\.d\.c?ts)$/.test(path)).sort();
  const wrong = [
    ...CONTENT.filter((path) => !rest.includes(path)).map((path) => `${path} is missing`),
    ...rest.filter((path) => !CONTENT.includes(path)).map((path) => `${path} should not be there`),
  ];
  if (wrong.length > 0) throw new Error(`npm pack: ${wrong.join(", ")}`);
  console.log(`npm pack: ${paths.length} files, as they should be`);
}
