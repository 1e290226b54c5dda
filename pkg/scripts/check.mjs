// Whether the package is as others will find it: publint and attw over the packed file, and what is in it.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

import { output, run } from "./run.mjs";

/** All that is in the packed package; chunks and declarations by their folder. */
const CONTENT = [
  "LICENSE-APACHE", "LICENSE-MIT", "README.md", "package.json",
  "dist/browser.js", "dist/cli.js", "dist/compiler-browser.js", "dist/compiler-node.js", "dist/node.js", "dist/slim.js", "dist/slim-node.js",
  "dist/testing-browser.js", "dist/testing-node.js",
  "dist/runstate_bg.wasm", "dist/runstate_node_bg.wasm", "dist/runstate_compiler_bg.wasm", "dist/runstate_testing_bg.wasm",
];

/** Entries that are no code. */
const BYTES = ["./runstate.wasm", "./node.wasm", "./compiler.wasm"];

/** Packs and checks; throws on the first failure. `testModules`: files that were built for tests and may contain local paths. */
export async function check(testModules) {
  const folder = mkdtempSync(join(tmpdir(), "runstate-pack-"));
  try {
    const [packed] = JSON.parse(output("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder]));
    const paths = packed.files.map(({ path }) => path);
    content(paths);
    nobodysFolders(paths.filter((path) => !testModules.includes(path)));
    const file = join(folder, packed.filename);
    run("node_modules/.bin/publint", ["--strict", file]);
    // There is one form of the code, modules, which `require` loads too (Node 20.19 and later); types are there for both (scripts/require.mjs).
    const known = ["--ignore-rules", "cjs-resolves-to-esm", "false-cjs"];
    run("node_modules/.bin/attw", ["--profile", "node16", ...known, "--exclude-entrypoints", ...BYTES, "--", file]);
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
  const rest = paths.filter((path) => !/^dist\/(chunk-[A-Z0-9]+\.js|types\/.*\.d\.c?ts)$/.test(path)).sort();
  const wrong = [
    ...CONTENT.filter((path) => !rest.includes(path)).map((path) => `${path} is missing`),
    ...rest.filter((path) => !CONTENT.includes(path)).map((path) => `${path} should not be there`),
  ];
  if (wrong.length > 0) throw new Error(`npm pack: ${wrong.join(", ")}`);
  console.log(`npm pack: ${paths.length} files, as they should be`);
}
