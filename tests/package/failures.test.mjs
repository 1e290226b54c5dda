// Failures to load the package are a `RunstateError` with a code and a remedy. An uncaught error prints a short message.

import assert from "node:assert/strict";
import { truncate, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { IN_FULL } from "../browser/support/full.js";
import { html, policy, withServer, observe } from "./support/page.js";
import { project, tool } from "./support/project.js";

/** A page that opens a store and reports the failure. */
const FAILING = `
import { open, RunstateError } from "runstate";
const describe = (error) => ({ typed: error instanceof RunstateError, code: error.code, retryable: error.retryable, message: error.message });
globalThis.outcome = open("memory:").then(() => "opened", describe);`;

const WASM = "**/*_bg.wasm";
const respondWith = (answer) => (page) => page.route(WASM, (route) => route.fulfill(answer));

const PAGES = [
  {
    name: "a server without the file",
    prepare: respondWith({ status: 404, body: "not found" }),
    code: "io",
    message: /^runstate_bg\.wasm cannot be loaded: the server answered 404 for http.*\. Copy node_modules\/runstate\/dist\/runstate_bg\.wasm to http/,
  },
  {
    name: "a server that is overloaded",
    prepare: respondWith({ status: 503, body: "later" }),
    code: "unavailable",
    retryable: true,
    message: /the server answered 503/,
  },
  {
    name: "a server that answers with a page",
    prepare: respondWith({ status: 200, contentType: "text/html", body: "<!doctype html><title>app</title>" }),
    code: "io",
    message: /is not WebAssembly but begins with "<!doctype.*, a page: the server has no such file/,
  },
  {
    name: "a page that is called WebAssembly",
    prepare: respondWith({ status: 200, contentType: "application/wasm", body: "<!doctype html><title>app</title>" }),
    code: "io",
    message: /is damaged, or is not the runstate\/runstate\.wasm of this version \(.*magic/,
  },
  {
    name: "a file that ends early",
    prepare: respondWith({ status: 200, contentType: "application/wasm", body: Buffer.from("\0asm\x01\0\0\0\x01\x05", "latin1") }),
    code: "io",
    message: /is damaged, or is not/,
  },
  {
    name: "the WebAssembly of something else",
    prepare: respondWith({ status: 200, contentType: "application/wasm", body: Buffer.from("\0asm\x01\0\0\0", "latin1") }),
    code: "io",
    message: /is damaged, or is not/,
  },
  {
    name: "no network",
    prepare: (page) => page.route(WASM, (route) => route.abort()),
    code: "unavailable",
    retryable: true,
    message: /cannot be fetched \(Failed to fetch\): there is no network/,
  },
  {
    name: "a policy that forbids WebAssembly",
    options: policy("script-src 'self'"),
    code: "unsupported",
    message: /^the Content-Security-Policy of this page forbids WebAssembly: add 'wasm-unsafe-eval' to its script-src/,
  },
  {
    name: "a policy that forbids the request",
    options: policy("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"),
    code: "unavailable",
    retryable: true,
    message: /Content-Security-Policy lacks it in `connect-src`/,
  },
];

for (const { name, prepare, options, code, retryable = false, message } of PAGES) {
  test(`opening in a page fails with its reason: ${name}`, name === PAGES[0].name ? {} : IN_FULL, async (t) => {
    const here = await project(t, { "index.html": html("/out/main.js", options), "main.js": FAILING });
    await here.run(tool("esbuild"), "main.js", "--bundle", "--format=esm", "--outdir=out", "--log-level=warning");
    await here.run("cp", "node_modules/runstate/dist/runstate_bg.wasm", "out/");
    await withServer({ "/": here.folder }, async (url) => {
      const { outcome } = await observe(url, prepare);
      const { message: text, ...rest } = outcome;
      assert.deepEqual(rest, { typed: true, code, retryable }, text);
      assert.match(text, message);
    });
  });
}

test("a compiler that cannot be loaded is a reason, and the store works without it", async (t) => {
  const main = `
import { open, RunstateError } from "runstate";
const describe = (error) => ({ typed: error instanceof RunstateError, code: error.code, retryable: error.retryable, message: error.message });
globalThis.outcome = (async () => {
  const rs = await open("memory:");
  const refused = await rs.load({ name: "one", source: "1" }).then(() => "loaded", describe);
  return { ...refused, health: await rs.health() };
})();`;
  const here = await project(t, { "index.html": html("/out/main.js"), "main.js": main });
  await here.run(tool("esbuild"), "main.js", "--bundle", "--splitting", "--format=esm", "--outdir=out", "--log-level=warning");
  await here.run("cp", "node_modules/runstate/dist/runstate_bg.wasm", "node_modules/runstate/dist/runstate_compiler_bg.wasm", "out/");
  for (const [failing, message] of [
    ["**/compiler-browser*.js", /^the compiler \(compiler-browser\.js, or the chunk of a bundle that has it\) cannot be loaded: /],
    ["**/runstate_compiler_bg.wasm", /^runstate_compiler_bg\.wasm cannot be loaded: .*cannot be fetched/],
  ]) {
    await withServer({ "/": here.folder }, async (url) => {
      const { outcome } = await observe(url, (page) => page.route(failing, (route) => route.abort()));
      const { message: text, ...rest } = outcome;
      assert.deepEqual(rest, { typed: true, code: "unavailable", retryable: true, health: null }, text);
      assert.match(text, message);
      assert.match(text, /programs that were loaded before start by their names/);
    });
  }
});

/** A program for Node that opens a store and prints the outcome. */
const IN_NODE = `
import { open, RunstateError } from "runstate";
const outcome = await open("memory:").then(
  (rs) => rs.close().then(() => ({ opened: true })),
  ({ code, message, constructor }) => ({ typed: constructor === RunstateError, code, message }),
);
console.log(JSON.stringify(outcome));`;

const BESIDE = "node_modules/runstate/dist/runstate_node_bg.wasm";

test("opening in Node fails with the reason for each broken file", async (t) => {
  const here = await project(t, { "main.js": IN_NODE });
  const openInNode = async () => JSON.parse(await here.run("node", "main.js"));
  const beside = join(here.folder, BESIDE);
  await truncate(beside, 100_000);
  const short = await openInNode();
  assert.deepEqual([short.typed, short.code], [true, "io"]);
  assert.match(short.message, /runstate_node_bg\.wasm is damaged, or is not the runstate\/node\.wasm of this version/);
  await writeFile(beside, "<!doctype html>");
  const page = await openInNode();
  assert.deepEqual([page.typed, page.code], [true, "io"]);
  assert.match(page.message, /is not WebAssembly but begins with "<!doctype html>"/);
  await rm(beside);
  const missing = await openInNode();
  assert.deepEqual([missing.typed, missing.code], [true, "io"]);
  assert.match(missing.message, /runstate_node_bg\.wasm does not exist\. Copy node_modules\/runstate\/dist\/runstate_node_bg\.wasm to /);
});

test("`init` names its accepted sources and the wrong WebAssembly", async (t) => {
  const main = `
import { readFileSync } from "node:fs";
import { init } from "runstate/slim";
const bytes = (name) => readFileSync(new URL("node_modules/runstate/dist/" + name, import.meta.url));
for (const source of [7, undefined, {}, new Uint8Array(3), bytes("runstate_compiler_bg.wasm")]) {
  await init(source).then(() => console.log("loaded"), ({ name, code, message }) => console.log(name, code, message));
}
await init(bytes("runstate_node_bg.wasm"));
console.log("loaded");`;
  const here = await project(t, { "main.js": main });
  const lines = (await here.run("node", "main.js")).trimEnd().split("\n");
  assert.equal(lines.length, 6, lines.join("\n"));
  for (const line of lines.slice(0, 3)) assert.match(line, /^RunstateError usage the source of runstate\/node\.wasm must be a URL, a response, bytes or a module, not /);
  assert.match(lines[3], /^RunstateError io .*the given source is not WebAssembly/);
  assert.match(lines[4], /^RunstateError io .*is not the runstate\/node\.wasm of this version/);
  assert.equal(lines[5], "loaded");
});

test("Node compiles off its main thread and does not load `fetch`", async (t) => {
  const main = `
const refuse = { construct() { throw new Error("this compiles on the thread") } };
WebAssembly.Module = new Proxy(WebAssembly.Module, refuse);
for (const name of ["fetch", "Request", "Response"]) {
  Object.defineProperty(globalThis, name, { get() { throw new Error(name + " is read") } });
}
const { open } = await import("runstate");
const rs = await open("memory:");
await rs.load({ name: "one", source: "1" });
await rs.close();
const { simulated } = await import("runstate/testing");
await simulated();
console.log("opened");`;
  const here = await project(t, { "main.js": main });
  assert.equal(await here.run("node", "main.js"), "opened\n");
});

for (const [format, main, type] of [
  ["import", 'import { open } from "runstate";\nawait open("file:/dev/null/store");\n', "module"],
  ["require", 'require("runstate").open("file:/dev/null/store");\n', "commonjs"],
]) {
  test(`an uncaught error prints what failed, not the package: ${format}`, type === "module" ? {} : IN_FULL, async (t) => {
    const here = await project(t, { "main.js": main }, { type });
    const { stderr } = await here.run("node", "main.js").then(() => assert.fail("it opened"), ({ cause }) => cause);
    assert.match(stderr, /RunstateError: .*\/dev\/null\/store/);
    assert.ok(stderr.length < 2000, `${stderr.length} characters`);
    const longest = Math.max(...stderr.split("\n").map((line) => line.length));
    assert.ok(longest < 300, `a line of ${longest} characters`);
  });
}

test("stack traces name the sources", IN_FULL, async (t) => {
  const main = 'import { open } from "runstate";\nopen("nope:").catch(({ stack }) => console.log(stack));\n';
  const here = await project(t, { "main.js": main });
  assert.match(await here.run("node", "--enable-source-maps", "main.js"), /src\/open\.ts:\d+/);
});
