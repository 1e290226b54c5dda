// The package in pages of different bundlers: Vite as a development server and built, esbuild, a web worker, and no bundler. Each page runs the same
// tour in Chromium, in memory and on IndexedDB.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";

import { IN_FULL } from "../browser/support/full.js";
import { html, withServer, visit } from "./support/page.js";
import { nodeModulePath, project, tool } from "./support/project.js";
import { OUTPUT, esm } from "./support/tour.js";

const IN_PAGE = 'document.title = "ready";\nglobalThis.outcome = tour("memory:").then(async (first) => [first, await tour("indexeddb:tour")]);';

for (const version of ["vite", "vite7"]) {
  test(`the package works in a page of the development server of ${version}`, IN_FULL, async (t) => {
    const here = await project(t, { "index.html": html("/main.js"), "main.js": esm(IN_PAGE) });
    const words = [nodeModulePath(`${version}/bin/vite.js`), "--host", "127.0.0.1", "--port", "0", "--clearScreen", "false"];
    const vite = spawn("node", words, { cwd: here.folder, stdio: ["ignore", "pipe", "inherit"] });
    try {
      const url = await new Promise((resolve, reject) => {
        createInterface({ input: vite.stdout }).on("line", (line) => {
          // Vite prints color codes within the address.
          const found = /http:\/\/127\.0\.0\.1:\d+\//.exec(line.replace(/\x1b\[[0-9;]*m/g, ""));
          if (found) resolve(found[0]);
        });
        vite.once("exit", (code) => reject(new Error(`vite ended with ${code}`)));
      });
      assert.deepEqual(await visit(url), [OUTPUT, OUTPUT]);
    } finally {
      vite.kill();
    }
  });
}

test("the package works in a page built by Vite", async (t) => {
  const here = await project(t, { "index.html": html("/main.js"), "main.js": esm(IN_PAGE) });
  await here.run("node", nodeModulePath("vite/bin/vite.js"), "build");
  await withServer({ "/": join(here.folder, "dist") }, async (url) => assert.deepEqual(await visit(url), [OUTPUT, OUTPUT]));
});

test("the package works in a page built by esbuild", IN_FULL, async (t) => {
  const here = await project(t, { "index.html": html("/out/main.js"), "main.js": esm(IN_PAGE) });
  await here.run(tool("esbuild"), "main.js", "--bundle", "--format=esm", "--splitting", "--outdir=out", "--log-level=warning");
  // esbuild does not process `new URL("…", import.meta.url)`, so its file must be copied beside the bundle.
  for (const name of ["runstate_bg.wasm", "runstate_compiler_bg.wasm"]) {
    await here.run("cp", `node_modules/runstate/dist/${name}`, "out/");
  }
  await withServer({ "/": here.folder }, async (url) => assert.deepEqual(await visit(url), [OUTPUT, OUTPUT]));
});

test("the package works in a web worker", async (t) => {
  const main = `
    const worker = new Worker(new URL("./work.js", import.meta.url), { type: "module" });
    globalThis.outcome = new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });`;
  const work = esm('tour("memory:").then(async (first) => postMessage([first, await tour("indexeddb:tour")]));');
  const here = await project(t, { "index.html": html("/main.js"), "main.js": main, "work.js": work });
  await here.run("node", nodeModulePath("vite/bin/vite.js"), "build");
  await withServer({ "/": join(here.folder, "dist") }, async (url) => assert.deepEqual(await visit(url), [OUTPUT, OUTPUT]));
});

test("the package works in a page with an import map and no bundler", IN_FULL, async (t) => {
  const map = JSON.stringify({ imports: { runstate: "/node_modules/runstate/dist/browser.js" } });
  const page = html("/main.js", { head: `<script type="importmap">${map}</script>` });
  const here = await project(t, { "index.html": page, "main.js": esm(IN_PAGE) });
  await withServer({ "/": here.folder }, async (url) => assert.deepEqual(await visit(url), [OUTPUT, OUTPUT]));
});
