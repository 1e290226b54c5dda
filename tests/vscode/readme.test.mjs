// The extension in docs/vscode.md, in a real VS Code: its question is there after the extension host was killed.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { withBrowser } from "../browser/support/chromium.js";
import { IN_FULL } from "../browser/support/full.js";
import { newWorkbench, startServer } from "./support/code-server.js";
import { Workbench } from "./support/workbench.js";

const EXAMPLE = fileURLToPath(new URL("../../examples/vscode-extension/", import.meta.url));
const ESBUILD = fileURLToPath(new URL("../package/node_modules/.bin/esbuild", import.meta.url));

const MANIFEST = {
  name: "greeter",
  publisher: "acme",
  version: "0.0.1",
  engines: { vscode: "^1.100.0" },
  main: "./extension.cjs",
  activationEvents: ["onStartupFinished"],
  contributes: {
    commands: [
      { command: "greeter.start", title: "Greeter: Start" },
      { command: "greeter.answer", title: "Greeter: Answer" },
    ],
  },
};

async function documentedSource() {
  const page = await readFile(new URL("../../docs/vscode.md", import.meta.url), "utf8");
  return /^```ts\n([\s\S]*?)^```/m.exec(page)?.[1] ?? assert.fail("the page has no extension");
}

/** Bundles the extension of the page into the folder of extensions. */
async function installGreeter(extensions) {
  const folder = join(extensions, "acme.greeter-0.0.1");
  const input = join(EXAMPLE, "build/readme/extension.ts");
  await mkdir(join(EXAMPLE, "build/readme"), { recursive: true });
  await mkdir(folder, { recursive: true });
  await writeFile(input, await documentedSource());
  // The flags are those in the page.
  const flags = ["--bundle", "--platform=node", "--format=cjs", "--external:vscode", "--log-level=warning"];
  await promisify(execFile)(ESBUILD, [input, ...flags, `--outfile=${join(folder, "extension.cjs")}`]);
  const dist = join(EXAMPLE, "node_modules/runstate/dist");
  for (const name of await readdir(dist)) if (name.endsWith(".wasm")) await copyFile(join(dist, name), join(folder, name));
  await writeFile(join(folder, "package.json"), JSON.stringify(MANIFEST));
}

test("the documented extension asks again after its host was killed", IN_FULL, async () => {
  const bench = await newWorkbench(undefined, { "a.txt": "" });
  await installGreeter(bench.extensions);
  const server = await startServer(bench);
  try {
    await withBrowser(async (browser) => {
      const workbench = await Workbench.open(browser, server.url, "acme.greeter");
      const count = (text) => workbench.status().locator(`text=${text}`).waitFor();
      await count("0");
      await workbench.command("Greeter: Start");
      await count("1");
      assert.equal(await server.killExtensionHosts(), 1);
      await workbench.reload();
      await count("1");
      await workbench.command("Greeter: Answer");
      await workbench.quickInput("Who is there?").waitFor();
      await workbench.page.keyboard.type("Ada");
      await workbench.page.keyboard.press("Enter");
      await count("0");
    });
  } finally {
    await server.stop();
    await bench.remove();
  }
});
