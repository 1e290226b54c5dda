// Runs the code of the readme files. Each block of a section about Node is its own program; each block of a section about browsers has its own page.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { withBrowser } from "../browser/support/chromium.js";
import { serve } from "../browser/support/serve.js";
import { project, tool } from "./support/project.js";

const FILES = ["README.md", "pkg/README.md"];

/** Pages with programs, but without the list of calls. */
const PAGES = ["docs/code.md"];

/** The blocks of TypeScript and JavaScript below headings that match `about`, each named by its location. */
async function readBlocks(about) {
  const blocks = [];
  for (const file of [...FILES, ...PAGES]) {
    const text = await readFile(new URL(`../../${file}`, import.meta.url), "utf8");
    for (const section of text.split(/^(?=#+ )/m)) {
      const [heading] = section.split("\n", 1);
      if (!about.test(heading)) continue;
      const code = [...section.matchAll(/^```(?:ts|js|typescript|javascript)\n([\s\S]*?)^```/gm)];
      code.forEach(([, source], n) => blocks.push({ name: `${file}, ${heading.replace(/^#+ /, "")}, ${n + 1}`, source }));
    }
  }
  return blocks;
}

const inNode = await readBlocks(/\bnode\b|^#+ in tests|^# scripts/i);
const inPages = await readBlocks(/^(?!.*\bnode\b).*(browser|page)/i);

test("the readme files have code for Node and for browsers", () => {
  assert.ok(inNode.length > 0, "no code about Node");
  assert.ok(inPages.length > 0, "no code about browsers");
});

/** Creates a project that runs a block in Node. */
async function inProject(t, source) {
  const here = await project(t, { "main.ts": source });
  await here.run(tool("esbuild"), "main.ts", "--format=esm", "--outfile=main.js", "--log-level=warning");
  return here;
}

for (const { name, source } of inNode) {
  test(name, async (t) => {
    const here = await inProject(t, source);
    if (!source.includes("SIGKILL")) return here.run("node", "main.js");
    // The first run kills its own process; the second run finds the waiting execution.
    const { signal } = await here.run("node", "main.js").then(() => assert.fail("the process was not killed"), ({ cause }) => cause);
    assert.equal(signal, "SIGKILL");
    assert.equal(await here.run("node", "main.js"), "trip-1 complete [ 'to Lisbon' ]\n");
  });
}

for (const file of FILES) {
  test(`${file} shows every call that a program can make`, async () => {
    const [declared, shown] = await Promise.all(["examples/runstate.d.ts", file].map((path) => readFile(new URL(`../../${path}`, import.meta.url), "utf8")));
    const global = [...declared.matchAll(/^declare (?:function|const|class|var) (\w+)/gm)].map(([, name]) => name);
    const members = [...declared.matchAll(/^declare namespace (\w+) \{(.*?)^\}/gms)].flatMap(([, space, body]) =>
      [...body.matchAll(/^ {2}function (\w+)/gm)].map(([, name]) => `${space}.${name}`),
    );
    const names = new Set([...global, ...members]);
    assert.ok(names.size > 8, [...names].join());
    assert.deepEqual([...names].filter((name) => !new RegExp(`\\b${name.replace(".", "\\.")}\\b`).test(shown)), []);
  });
}

for (const { name, source } of inPages) {
  test(name, async (t) => {
    const page = '<!doctype html><title>readme</title><link rel="icon" href="data:,"><main></main><script type="module" src="/out/main.js"></script>';
    const here = await project(t, { "index.html": page, "main.ts": `${source}\nglobalThis.done = true;\n` });
    await here.run(tool("esbuild"), "main.ts", "--bundle", "--format=esm", "--outdir=out", "--log-level=warning");
    await here.run("cp", "-r", "node_modules/runstate/dist/.", "out/");
    const server = await serve({ "/": here.folder });
    try {
      await withBrowser(async (browser) => {
        const page = await browser.newPage();
        const errors = [];
        page.on("pageerror", (error) => errors.push(String(error)));
        // The page asks with dialogs; the test accepts each with an answer that fits.
        page.on("dialog", (dialog) => dialog.accept("yes"));
        await page.goto(server.url);
        await page.waitForFunction(() => globalThis.done === true).catch((error) => {
          throw new Error(`${error.message}\n${errors.join("\n")}`, { cause: error });
        });
        assert.deepEqual(errors, []);
      });
    } finally {
      await server.stop();
    }
  });
}
