// Checks the packed package: its contents, and the packed file with publint and attw.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

import { packagePages } from "./docs.mjs";
import { MODULES, fileOf } from "./modules.mjs";
import { output, run } from "./run.mjs";

/** The files of the packed package, without chunks, source maps and declarations. */
const CONTENT = [
  "LICENSE-APACHE", "LICENSE-MIT", "README.md", "package.json", "runstate.d.ts", ...packagePages(),
  ...["browser", "cli", "compiler-browser", "full", "register", "register-hooks", "slim", "testing-browser", "type-checker"].map((name) => `dist/${name}.js`),
  ...["built-ins", "compiler-node", "node", "programs", "slim-node", "testing-node"].flatMap((name) => [`dist/${name}.js`, `dist/${name}.cjs`]),
  ...MODULES.map((module) => `dist/${fileOf(module)}`),
];

/** Entries from which nothing is imported by name: WebAssembly, types, the declarations for programs of the machine,
 * and `runstate/register`. */
const NON_CODE_ENTRIES = ["./runstate.wasm", "./node.wasm", "./compiler.wasm", "./apps", "./fleet", "./sessions", "./types", "./program", "./register"];

/** Packs and checks; throws on the first failure. */
export async function check() {
  const folder = mkdtempSync(join(tmpdir(), "runstate-pack-"));
  try {
    const [packed] = JSON.parse(output("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder]));
    const paths = packed.files.map(({ path }) => path);
    checkContents(paths);
    checkNoBuildPaths(paths);
    const file = join(folder, packed.filename);
    run("node_modules/.bin/publint", ["--strict", file]);
    run("node_modules/.bin/attw", ["--exclude-entrypoints", ...NON_CODE_ENTRIES, "--", file]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Checks that no file contains a path of the machine that built it. */
function checkNoBuildPaths(paths) {
  const offending = paths.filter((path) => readFileSync(path).includes(homedir()));
  if (offending.length > 0) throw new Error(`npm pack: ${offending.join(", ")} contain the path ${homedir()} of this machine`);
}

function checkContents(paths) {
  const fixed = paths.filter((path) => !/^dist\/(chunk-[A-Z0-9]+\.c?js|[\w-]+\.js\.map|types\/.*\.d\.c?ts)$/.test(path)).sort();
  const problems = [
    ...CONTENT.filter((path) => !fixed.includes(path)).map((path) => `${path} is missing`),
    ...fixed.filter((path) => !CONTENT.includes(path)).map((path) => `${path} is not expected`),
  ];
  if (problems.length > 0) throw new Error(`npm pack: ${problems.join(", ")}; correct the build, or CONTENT in scripts/check.mjs`);
  console.log(`npm pack: ${paths.length} files, as expected`);
}
