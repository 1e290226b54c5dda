// The package in bundles of one classic script, which have no `import.meta`: for Node, pages, workers and extension hosts. They find the WebAssembly
// beside them; if it is missing, the error names the remedy.

import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "node:test";

import { IN_FULL } from "../browser/support/full.js";
import { FOR_NODE, FOR_NODE_IN_ONE_FILE, FOR_PAGES, inOneFile } from "./support/bundlers.js";
import { html, policy, withServer, visit, observe } from "./support/page.js";
import { project } from "./support/project.js";
import { OUTPUT, esm, slim } from "./support/tour.js";

const IN_NODE = 'tour("memory:").then(console.log).then(() => tour("file:store")).then(console.log);';
const TWICE = `${OUTPUT}\n${OUTPUT}\n`;

const IN_PAGE = 'globalThis.outcome = tour("memory:").then(async (first) => [first, await tour("indexeddb:tour")]);';

/** Opens a store and reports the failure. */
const FAILING = `
import { open, RunstateError } from "runstate";
globalThis.outcome = open("memory:").then(
  () => "opened",
  (error) => ({ typed: error instanceof RunstateError, code: error.code, retryable: error.retryable, message: error.message }),
);`;
const PRINTING = `${FAILING}\nglobalThis.outcome.then((outcome) => console.log(JSON.stringify(outcome)));\n`;

const COPY = /Copy node_modules\/runstate\/dist\/runstate_(node_)?bg\.wasm (beside|to) .*import \{ init, open \} from "runstate\/slim"; await init\(bytes\)/;

/** Copies the output of a build to a folder without an installed package beside or above it. */
async function copyOutput(t, here) {
  const folder = await mkdtemp(join(tmpdir(), "runstate-shipped-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await cp(join(here.folder, "out"), folder, { recursive: true });
  return folder;
}

const copyWasm = (here, name, to) => cp(join(here.folder, "node_modules/runstate/dist", name), join(to, name));

for (const { name, build, assets = false } of FOR_NODE) {
  const options = name === FOR_NODE[0].name ? {} : IN_FULL;
  test(`${name}: the bundle finds the package that is installed`, options, async (t) => {
    const here = await project(t, { "main.js": esm(IN_NODE) });
    await build(here);
    assert.equal(await here.run("node", "out/main.cjs"), TWICE);
  });

  test(`${name}: the bundle runs with the WebAssembly beside it anywhere`, options, async (t) => {
    const here = await project(t, { "main.js": esm(IN_NODE) });
    await build(here);
    const folder = await copyOutput(t, here);
    if (!assets) for (const file of ["runstate_node_bg.wasm", "runstate_compiler_bg.wasm"]) await copyWasm(here, file, folder);
    assert.equal(await here.run("node", join(folder, "main.cjs")), TWICE);
  });

  if (assets) continue;
  test(`${name}: without the WebAssembly the error names the remedy`, options, async (t) => {
    const here = await project(t, { "main.js": PRINTING });
    await build(here);
    const folder = await copyOutput(t, here);
    const { message, ...rest } = JSON.parse(await here.run("node", join(folder, "main.cjs")));
    assert.deepEqual(rest, { typed: true, code: "io", retryable: false });
    assert.match(message, COPY);
    assert.ok(message.includes(` to ${folder},`), message);
  });
}

/** Loads a program of several files besides. */
const ALL_IN_NODE = `
const inFiles = { name: "two", source: 'import { two } from "./two"; console.log(two);', files: [{ path: "two.ts", source: "export const two = 2;" }] };
async function all() {
  console.log(await tour("memory:"));
  console.log(await tour("file:store"));
  const rs = await open("memory:");
  await rs.load(inFiles);
  console.log(await (await rs.start("two")).output());
  await rs.close();
}
ready.then(all);`;

for (const { name, file, build } of FOR_NODE_IN_ONE_FILE) {
  test(`${name}: one file for Node has all bytes`, name === FOR_NODE_IN_ONE_FILE[0].name ? {} : IN_FULL, async (t) => {
    const begin = `
import compiler from "runstate/compiler.wasm";
import runtime from "runstate/node.wasm";
import { files } from "runstate/node";
const ready = init(runtime, { compilerWasm: compiler, files });`;
    const here = await project(t, { "main.js": slim(begin, ALL_IN_NODE) });
    await build(here);
    const folder = await copyOutput(t, here);
    assert.deepEqual(await readdir(folder), [basename(file)]);
    await rm(join(here.folder, "node_modules"), { recursive: true });
    assert.equal(await here.run("node", join(folder, basename(file))), `${TWICE}[ '2' ]\n`);
  });
}

test("in Node, `init` takes the paths and file: URLs of both modules", async (t) => {
  const begin = `
import { fileURLToPath } from "node:url";
import { files } from "runstate/node";
const missing = await init("/missing/node.wasm").catch((error) => error);
console.log(missing.code, missing.message.split(" (")[0]);
const path = fileURLToPath(import.meta.resolve("runstate/node.wasm"));
const ready = init(path, { compilerWasm: new URL(import.meta.resolve("runstate/compiler.wasm")), files });`;
  const here = await project(t, { "main.js": slim(begin, ALL_IN_NODE) });
  const refused = "io runstate_node_bg.wasm cannot be loaded: /missing/node.wasm cannot be read";
  assert.equal(await here.run("node", "main.js"), `${refused}\n${TWICE}[ '2' ]\n`);
});

test("a bundle for Node runs in a window of Electron", IN_FULL, async (t) => {
  const here = await project(t, { "main.js": esm(IN_NODE) });
  await FOR_NODE[0].build(here);
  // Such a window has `document` and `require`.
  const window = 'Object.assign(globalThis, { window: globalThis, document: { currentScript: null, visibilityState: "visible", addEventListener() {}, removeEventListener() {} } });';
  const electron = 'Object.defineProperty(process.versions, "electron", { value: "37.0.0" });';
  assert.equal(await here.run("node", "-e", `${window}${electron}require("./out/main.cjs")`), TWICE);
});

for (const { name, build, assets = false } of FOR_PAGES) {
  const options = name === FOR_PAGES[0].name ? {} : IN_FULL;
  test(`${name}: the script finds the WebAssembly beside it`, options, async (t) => {
    const here = await project(t, { "index.html": html("/out/main.js", { type: "text/javascript" }), "main.js": esm(IN_PAGE) });
    await build(here);
    if (!assets) for (const file of ["runstate_bg.wasm", "runstate_compiler_bg.wasm"]) await copyWasm(here, file, join(here.folder, "out"));
    await withServer({ "/": here.folder }, async (url) => assert.deepEqual(await visit(url), [OUTPUT, OUTPUT]));
  });

  if (assets) continue;
  test(`${name}: without the WebAssembly the error names the remedy`, options, async (t) => {
    const here = await project(t, { "index.html": html("/out/main.js", { type: "text/javascript" }), "main.js": FAILING });
    await build(here);
    await withServer({ "/": here.folder }, async (url) => {
      const { outcome } = await observe(url);
      const { message, ...rest } = outcome;
      assert.deepEqual(rest, { typed: true, code: "io", retryable: false });
      assert.match(message, /the server answered 404 for .*\/out\/runstate_bg\.wasm/);
      assert.match(message, COPY);
    });
  });
}

test("a classic worker finds the WebAssembly beside it", IN_FULL, async (t) => {
  const page = '<!doctype html><title>tour</title><link rel="icon" href="data:,"><script>globalThis.outcome = new Promise((resolve, reject) => { const worker = new Worker("/out/main.js"); worker.onmessage = ({ data }) => resolve(data); worker.onerror = ({ message }) => reject(new Error(message)); });</script>';
  const work = 'tour("memory:").then(async (first) => postMessage([first, await tour("indexeddb:tour")]));';
  const here = await project(t, { "index.html": page, "main.js": esm(work) });
  await FOR_PAGES[0].build(here);
  for (const file of ["runstate_bg.wasm", "runstate_compiler_bg.wasm"]) await copyWasm(here, file, join(here.folder, "out"));
  await withServer({ "/": here.folder }, async (url) => assert.deepEqual(await visit(url), [OUTPUT, OUTPUT]));
});

test("in a blob worker the error names the remedy", IN_FULL, async (t) => {
  const page = '<!doctype html><title>tour</title><link rel="icon" href="data:,"><script>globalThis.outcome = fetch("/out/main.js").then((response) => response.blob()).then((blob) => new Promise((resolve, reject) => { const worker = new Worker(URL.createObjectURL(blob)); worker.onmessage = ({ data }) => resolve(data); worker.onerror = ({ message }) => reject(new Error(message)); }));</script>';
  const here = await project(t, { "index.html": page, "main.js": `${FAILING}\nglobalThis.outcome.then(postMessage);\n` });
  await FOR_PAGES[0].build(here);
  await withServer({ "/": here.folder }, async (url) => {
    const { typed, code, message } = await visit(url);
    assert.deepEqual({ typed, code }, { typed: true, code: "io" });
    assert.match(message, COPY);
  });
});

/** Imports the bytes of both modules into the bundle. */
const BYTES = `
import runtime from "runstate/runstate.wasm";
import compiler from "runstate/compiler.wasm";
`;
const IN_ONE = slim(`${BYTES}\nconst ready = init(runtime, { compilerWasm: compiler });`, `globalThis.outcome = ready.then(() => tour("memory:")).then(async (first) => [first, await tour("indexeddb:tour")]);`);

test("a bundle with all bytes runs under a strict content security policy", IN_FULL, async (t) => {
  const strict = policy("default-src 'none'; img-src data:; script-src 'self' 'wasm-unsafe-eval'");
  const here = await project(t, { "index.html": html("/out/main.js", { type: "text/javascript", ...strict }), "main.js": IN_ONE });
  await inOneFile(here);
  await withServer({ "/": here.folder }, async (url) => assert.deepEqual(await visit(url), [OUTPUT, OUTPUT]));
});

test("`runstate/compiler` compiles by bytes, for `cvm.load` too", IN_FULL, async (t) => {
  const main = `
import wasm from "runstate/compiler.wasm";
import runtime from "runstate/runstate.wasm";
import { compile, init } from "runstate/compiler";
import * as slim from "runstate/slim";
globalThis.outcome = (async () => {
  await init(wasm);
  const { bytecode } = await compile("one", "1 + 1");
  await slim.init(runtime, { compile });
  const rs = await slim.open("memory:");
  await rs.load({ name: "greet", source: "console.log(CC('who?'))" });
  await rs.close();
  return bytecode.length > 0;
})();`;
  const strict = policy("default-src 'none'; img-src data:; script-src 'self' 'wasm-unsafe-eval'");
  const here = await project(t, { "index.html": html("/out/main.js", { type: "text/javascript", ...strict }), "main.js": main });
  await inOneFile(here);
  await withServer({ "/": here.folder }, async (url) => assert.equal(await visit(url), true));
});

/**
 * A web extension host, which calls the bundle as a function: without a script, without `__dirname`, and with a `require` that finds only the host.
 */
const HOST = `<!doctype html><title>host</title><link rel="icon" href="data:,"><script>
globalThis.outcome = fetch("/out/main.js").then((response) => response.text()).then((code) => {
  new Function("module", "exports", "require", code)({ exports: {} }, {}, () => { throw new Error("there is no such module"); });
  return globalThis.outcome;
});</script>`;

test("in a web extension host the remedy that the error names works", IN_FULL, async (t) => {
  const failing = await project(t, { "index.html": HOST, "main.js": FAILING });
  await FOR_PAGES[1].build(failing);
  await withServer({ "/": failing.folder }, async (url) => {
    const { typed, code, message } = await visit(url);
    assert.deepEqual({ typed, code }, { typed: true, code: "io" });
    assert.match(message, /the address of this script is unknown/);
    assert.match(message, COPY);
  });
  const here = await project(t, { "index.html": HOST, "main.js": IN_ONE });
  await inOneFile(here, "cjs");
  await withServer({ "/": here.folder }, async (url) => assert.deepEqual(await visit(url), [OUTPUT, OUTPUT]));
});

test("in a file: page the remedy that the error names works", IN_FULL, async (t) => {
  const page = html("out/main.js", { type: "text/javascript" });
  const at = (here) => pathToFileURL(join(here.folder, "index.html")).href;
  const failing = await project(t, { "index.html": page, "main.js": FAILING });
  await FOR_PAGES[0].build(failing);
  const { outcome } = await observe(at(failing));
  assert.deepEqual({ typed: outcome.typed, code: outcome.code }, { typed: true, code: "unavailable" });
  assert.match(outcome.message, COPY);
  const here = await project(t, { "index.html": page, "main.js": IN_ONE });
  await inOneFile(here);
  assert.deepEqual(await visit(at(here)), [OUTPUT, OUTPUT]);
});
