// The package in Next.js with Turbopack: in a route of a server, which is built, and in a page that the server sends.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { withBrowser } from "../browser/support/chromium.js";
import { IN_FULL } from "../browser/support/full.js";
import { project } from "./support/project.js";

const PACKAGES = fileURLToPath(new URL("next/node_modules", import.meta.url));

const USE = `
  await rs.load({ name: "hello", source: 'console.log("hello", CC("who?"))' });
  const run = await rs.start("hello");
  await run.answer("Next");
  const output = await run.output();`;

const FILES = (standalone) => ({
  "next.config.mjs": `export default ${JSON.stringify(standalone ? { output: "standalone", serverExternalPackages: ["runstate"] } : {})};\n`,
  "app/layout.jsx": `export default function Layout({ children }) { return <html lang="en"><body>{children}</body></html>; }\n`,
  "app/api/route.js": `import { open } from "runstate";
export const dynamic = "force-dynamic";
export async function GET() {
  const rs = await open("file:store");${USE}
  await rs.close();
  return Response.json(output);
}\n`,
  "app/page.jsx": `"use client";
import { useEffect, useState } from "react";
import { open } from "runstate";
export default function Page() {
  const [shown, show] = useState("");
  useEffect(() => { (async () => {
    const rs = await open("memory:");${USE}
    show(output.join());
  })().catch((error) => show(String(error))); }, []);
  return <main id="shown">{shown}</main>;
}\n`,
});

/** Serves the project and calls `use` with its address. The server has a process group of its own. */
async function serve(here, words, environment, use) {
  const server = spawn("node", words, { cwd: here.folder, env: { ...process.env, PORT: "0", HOSTNAME: "127.0.0.1", ...environment }, stdio: ["ignore", "pipe", "inherit"] });
  try {
    let text = "";
    for await (const piece of server.stdout) {
      text += piece;
      const found = /http:\/\/(?:127\.0\.0\.1|localhost):(\d+)/.exec(text);
      if (found) return await use(`http://127.0.0.1:${found[1]}`);
    }
    assert.fail(`the server ended: ${text}`);
  } finally {
    const ended = once(server, "exit");
    server.kill("SIGTERM");
    await ended;
  }
}

async function build(t, standalone) {
  const here = await project(t, FILES(standalone));
  await cp(PACKAGES, join(here.folder, "node_modules"), { recursive: true, verbatimSymlinks: true });
  await here.run("node", "node_modules/next/dist/bin/next", "build");
  return here;
}

test("a route of Next.js and a page that it sends run programs", IN_FULL, async (t) => {
  const here = await build(t, false);
  await serve(here, ["node_modules/next/dist/bin/next", "start", "--hostname", "127.0.0.1", "--port", "0"], {}, async (address) => {
    assert.deepEqual(await (await fetch(`${address}/api`)).json(), ["hello Next"]);
    await withBrowser(async (browser) => {
      const page = await browser.newPage();
      await page.goto(address);
      await page.waitForFunction(() => document.querySelector("#shown")?.textContent !== "");
      assert.equal(await page.evaluate(() => document.querySelector("#shown").textContent), "hello Next");
    });
  });
});

test("a standalone server of Next.js runs programs", IN_FULL, async (t) => {
  const here = await build(t, true);
  await serve(here, [".next/standalone/server.js"], {}, async (address) => {
    assert.deepEqual(await (await fetch(`${address}/api`)).json(), ["hello Next"]);
  });
});
