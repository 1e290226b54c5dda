// Programs in files: which files belong to a program, and what the plugins give to their bundlers.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { load } from "../dist/register-hooks.js";
import { esbuildPlugin, vitePlugin } from "runstate/programs";
import { assertRefused, folder, openStore } from "./support.mjs";

/** Creates a folder with these files. */
function folderWith(t, files) {
  const root = folder(t);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

/** Imports a file of a folder by the plugin for Vite. `error` is the error that it reports. */
async function importByVite(root, name) {
  const watched = [];
  const warnings = [];
  let error;
  const context = {
    addWatchFile: (path) => watched.push(path.slice(root.length + 1)),
    warn: ({ message }) => warnings.push(message),
    error(reported) {
      error = reported;
      throw new Error("stopped");
    },
  };
  const module = await vitePlugin().load.call(context, join(root, name)).catch(() => undefined);
  const program = module && JSON.parse(module.code.slice("export default ".length, -2));
  return { program, watched: watched.sort(), warnings, error };
}

/** Imports a file of a folder by the plugin for esbuild. */
function importByEsbuild(root, name) {
  let load;
  esbuildPlugin().setup({ onLoad: (_, callback) => (load = callback) });
  return load({ path: join(root, name) });
}

test("a program has the files that it imports, and no others", async (t) => {
  const root = folderWith(t, {
    "programs/review.program.ts": `
      import type { Input } from "../types.ts";
      import { a } from "./parts/a";
      import { index } from "./parts";
      import words from "../words.json" with { type: "json" };
      import { js } from "./old.js";
      import { ts } from './new.js'
      const text = 'import "./unused.ts"';
      export default (input: Input) => [a, index, words, js, ts, input.n];`,
    "programs/parts/a.ts": `export * from "./b.ts";`,
    "programs/parts/b.ts": `import "./a.ts"; export const a = 1;`,
    "programs/parts/index.ts": "export const index = 2;",
    "programs/old.js": "export const js = 4;",
    "programs/new.ts": "export const ts = 5;",
    "programs/unused.ts": "this does not compile",
    "types.ts": `import "./server.ts"; export interface Input { n: number }`,
    "server.ts": "",
    "words.json": `["x"]`,
  });
  const { program, watched } = await importByVite(root, "programs/review.program.ts");
  assert.deepEqual([program.name, program.entry], ["review", "programs/review.program.ts"]);
  const files = ["programs/new.ts", "programs/old.js", "programs/parts/a.ts", "programs/parts/b.ts", "programs/parts/index.ts", "words.json"];
  assert.deepEqual(program.files.map(({ path }) => path).sort(), files);
  for (const path of [...files, "programs/review.program.ts"]) assert.ok(watched.includes(path), path);
  assert.ok(!watched.includes("server.ts"), "imports of types are not followed");
  const rs = await openStore(t);
  await rs.load(program);
  const run = await rs.start(program, { input: { n: 6 } });
  assert.deepEqual(await run.result(), [1, 2, ["x"], 4, 5, 6]);
});

test("a program compiled by a plugin is the version that its source gives", async (t) => {
  const source = "console.log(1)";
  const root = folderWith(t, { "one.program.ts": source, "one.program.js": source });
  const rs = await openStore(t);
  assert.equal((await rs.load({ name: "one", source })).changed, true);
  for (const name of ["one.program.ts", "one.program.js"]) {
    const { program } = await importByVite(root, name);
    assert.deepEqual([program.name, (await rs.load(program)).changed], ["one", false]);
  }
});

test("an imported program runs in the version that its process has loaded", async (t) => {
  const root = folderWith(t, {
    "one/review.program.ts": "export default () => [1, ask('?')];",
    "two/review.program.ts": "export default () => [2, ask('?')];",
  });
  const [one, two] = await Promise.all(["one", "two"].map(async (name) => (await importByVite(root, `${name}/review.program.ts`)).program));
  const first = await openStore(t);
  await first.load(one);
  const { programVersion } = await first.load(two);
  assert.equal(programVersion, 2);
  const results = [];
  for (const [program, options] of [[one, {}], [two, {}], ["review", {}], [two, { programVersion: 1 }], ["review", { programVersion: 1 }]]) {
    const run = await first.start(program, options);
    await run.answer("x");
    results.push((await run.result())[0]);
  }
  assert.deepEqual(results, [1, 2, 2, 1, 1]);
  await assertRefused(first.start("review", { programVersion: 9 }), "not_found");
  // Another version repeats the same start.
  const started = await first.start(one, { commandId: "same" });
  assert.equal((await first.start(two, { commandId: "same" })).id, started.id);
});

test("other files are left to the bundler", async (t) => {
  const root = folderWith(t, { "review.ts": "1" });
  assert.deepEqual(await importByVite(root, "review.ts"), { program: undefined, watched: [], warnings: [], error: undefined });
});

test("a plugin reports where a program does not compile", async (t) => {
  const root = folderWith(t, {
    "a/bad.program.ts": `import { b } from "../b";\nb(ask("?"));`,
    "b.ts": `export const b = (x) => x;\nconst é = "é" + nowhere;`,
  });
  const loc = { file: join(root, "b.ts"), line: 2, column: 16 };
  const { error, watched } = await importByVite(root, "a/bad.program.ts");
  assert.deepEqual([error.loc, error.id, watched], [loc, loc.file, ["a/bad.program.ts", "b.ts"]]);
  assert.match(error.message, /^nowhere is not defined\n {4}const é = "é" \+ nowhere;/);
  const { errors: [first], watchFiles } = await importByEsbuild(root, "a/bad.program.ts");
  assert.equal(first.text, "nowhere is not defined");
  assert.deepEqual(first.location, { ...loc, column: 18, lineText: `const é = "é" + nowhere;` });
  assert.equal(watchFiles.length, 2);
});

test("a plugin reports what the compiler warns of", async (t) => {
  const root = folderWith(t, { "idle.program.ts": "function main() {}\nfunction start() { main() }\nexport const handlers = { start };" });
  const { program, warnings } = await importByVite(root, "idle.program.ts");
  const { warnings: texts } = await importByEsbuild(root, "idle.program.ts");
  assert.match(warnings[0] ?? "", /^idle\.program\.ts:1:10: `main` is not called/);
  assert.deepEqual([texts.map(({ text }) => text), program.warnings], [warnings, warnings]);
});

test("the hook of Node answers at once, as `module.registerHooks` requires", (t) => {
  const root = folderWith(t, { "one.program.ts": "console.log(1)", "other.ts": "1" });
  const url = (name) => pathToFileURL(join(root, name)).href;
  const source = `export default {"name":"one","source":"console.log(1)","entry":"one.program.ts","files":[]};\n`;
  const next = (passed) => ({ passed });
  assert.deepEqual(load(`${url("one.program.ts")}?v=1`, {}, next), { format: "module", shortCircuit: true, source });
  for (const other of [url("other.ts"), "data:text/javascript,1", "node:fs"]) assert.deepEqual(load(other, {}, next), { passed: other });
});

test("a program that was imported as code is refused with the remedy", async (t) => {
  const rs = await openStore(t);
  function main() {}
  for (const refused of [rs.load(main), rs.start(main)]) {
    assert.match((await assertRefused(refused, "usage")).message, /`runstate\/programs`, or with `node --import runstate\/register`/);
  }
});
