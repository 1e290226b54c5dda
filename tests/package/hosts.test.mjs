// The package outside of pages: Node with `import` and `require`, Deno, Bun, Jest, and its command line.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { IN_FULL } from "../browser/support/full.js";
import { project, tool } from "./support/project.js";
import { OUTPUT, cjs, esm } from "./support/tour.js";

/** Runs the tour in memory and on files. */
const BOTH = 'console.log(await tour("memory:"));\nconsole.log(await tour("file:store"));';
const TWICE = `${OUTPUT}\n${OUTPUT}\n`;

test("the package works in Node with import", async (t) => {
  const here = await project(t, { "main.js": esm(BOTH) });
  assert.equal(await here.run("node", "main.js"), TWICE);
});

test("the package works in Node with require", async (t) => {
  const both = 'tour("memory:").then(console.log).then(() => tour("file:store")).then(console.log);';
  const here = await project(t, { "main.js": cjs(both) }, { type: "commonjs" });
  assert.equal(await here.run("node", "main.js"), TWICE);
});

test("the package works in a worker thread of Node", IN_FULL, async (t) => {
  const main = 'import { Worker } from "node:worker_threads";\nnew Worker(new URL("./work.js", import.meta.url));\n';
  const here = await project(t, { "main.js": main, "work.js": esm(BOTH) });
  assert.equal(await here.run("node", "main.js"), TWICE);
});

test("the package works in Deno", IN_FULL, async (t) => {
  const here = await project(t, { "main.js": esm(BOTH) });
  assert.equal(await here.run(tool("deno"), "run", "--quiet", "--no-remote", "--allow-all", "main.js"), TWICE);
});

test("Deno opens stores with permissions for files alone", IN_FULL, async (t) => {
  const main = 'import { open } from "runstate";\nfor (const url of ["memory:", "file:store"]) await (await open(url)).close();\nconsole.log("open");\n';
  const here = await project(t, { "main.js": main });
  const deno = (...permissions) => here.run(tool("deno"), "run", "--quiet", "--no-remote", "--no-prompt", ...permissions, "main.js");
  const narrow = ["--allow-read=node_modules,store", "--allow-write=store"];
  // The name of a new folder is durable when the folder above it is synced, which takes the permission to read it.
  await assert.rejects(deno(...narrow), /Requires read access to/);
  assert.equal(existsSync(join(here.folder, "store")), false, "a folder that cannot be synced is not created");
  assert.equal(await deno("--allow-read=.", "--allow-write=store"), "open\n");
  assert.equal(await deno(...narrow), "open\n", "the folder above an existing store is not needed");
  assert.equal(await deno("--allow-read", "--allow-write"), "open\n");
});

test("a program of `bun build --compile` has the WebAssembly in it", IN_FULL, async (t) => {
  const main = `
    import compiler from "runstate/compiler.wasm" with { type: "file" };
    import runtime from "runstate/node.wasm" with { type: "file" };
    import { files } from "runstate/node";
    import { init, open } from "runstate/slim";
    await init(runtime, { compilerWasm: compiler, files });
    const rs = await open("file:store");
    await rs.load({ name: "hello", source: 'console.log("hello")' });
    console.log((await (await rs.start("hello")).output()).join());
    await rs.close();`;
  const here = await project(t, { "main.js": main });
  await here.run(tool("bun"), "build", "--compile", "main.js", "--outfile", "program");
  await rm(join(here.folder, "node_modules"), { recursive: true });
  assert.equal(await here.run(join(here.folder, "program")), "hello\n");
});

test("the package works in Bun", IN_FULL, async (t) => {
  const here = await project(t, { "main.js": esm(BOTH) });
  assert.equal(await here.run(tool("bun"), "run", "main.js"), TWICE);
});

test("a store written in Node opens in Deno and Bun", IN_FULL, async (t) => {
  const ask = `
    import { open } from "runstate";
    const rs = await open("file:store");
    await rs.load({ name: "three", source: 'console.log(CC("1?"), CC("2?"), CC("3?"))' });
    const run = await rs.start("three", { id: "run" });
    await run.answer("node");
    await rs.close();`;
  const answer = (by) => `
    import { open } from "runstate";
    const rs = await open("file:store");
    const run = await rs.run("run");
    await run.answer("${by}");
    console.log(run.status, (await run.output()).join());
    await rs.close();`;
  const here = await project(t, { "ask.js": ask, "deno.js": answer("deno"), "bun.js": answer("bun") });
  assert.equal(await here.run("node", "ask.js"), "");
  assert.equal(await here.run(tool("deno"), "run", "--quiet", "--no-remote", "--allow-all", "deno.js"), "waiting_cc \n");
  assert.equal(await here.run(tool("bun"), "run", "bun.js"), "complete node deno bun\n");
});

test("the package works in Jest with CommonJS", IN_FULL, async (t) => {
  const tests = `
const { simulated } = require("runstate/testing");
const { open, RunstateError } = require("runstate");

test("a week passes", async () => {
  const world = await simulated();
  const rs = await world.open("memory:");
  await rs.load({ name: "nap", source: 'sleep(7 * 86_400_000); console.log("rested")' });
  const run = await rs.start("nap");
  await world.advance(7 * 86_400_000);
  expect(await run.output()).toEqual(["rested"]);
});

test("a store on files, and its errors", async () => {
  const rs = await open("file:store");
  await expect(rs.run("missing")).rejects.toThrow(RunstateError);
  await rs.close();
});
`;
  const here = await project(t, { "nap.test.js": tests, "jest.config.js": "module.exports = { cache: false };" }, { type: "commonjs" });
  await here.run(tool("jest"), "--rootDir", here.folder, "--runInBand");
});

test("npx runstate runs, lists and resumes", async (t) => {
  const here = await project(t, { "greet.ts": 'console.log("Hello, " + CC("Who?") + "!");\n' });
  const npx = (words) => here.run("sh", "-c", `npx --no-install runstate ${words}`);
  assert.match(await npx("--help"), /run FILE.*\n.*resume ID/);
  assert.match(await npx("--version"), /^\d+\.\d+\.\d+\s*$/);
  const exit = await npx("run greet.ts --store file:store < /dev/null").then(() => 0, ({ cause }) => cause.code);
  assert.equal(exit, 3, "the execution waits, and standard input has no answer");
  const [, id] = /^(\S+) {2}greet {2}Who\?\n$/.exec(await npx("list --store file:store"));
  assert.match(await npx(`resume ${id} --store file:store << EOF\nAda\nEOF`), /^\? Who\?\nHello, Ada!\n/);
});
