// Runs the code of the readme files and of the pages in docs/. A block of TypeScript or JavaScript that imports the
// package is a program: under a heading about browsers or pages it has its own page, else it runs in Node. A block that
// begins with a file name is that file, beside the programs of its document. `<!-- not run: reason -->` before a block
// leaves it out. All TypeScript among them also compiles, as one strict project.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";

import { withBrowser } from "../browser/support/chromium.js";
import { serve } from "../browser/support/serve.js";
import { project, tool } from "./support/project.js";

const read = (path) => readFile(new URL(`../../${path}`, import.meta.url), "utf8");

const pages = (await readdir(new URL("../../docs/", import.meta.url))).filter((name) => name.endsWith(".md")).sort();
const FILES = ["README.md", "pkg/README.md", ...pages.map((name) => `docs/${name}`)];

/** A program, or a file, of a document. `name` is its location. */
const blocks = [];
for (const document of FILES) {
  for (const section of (await read(document)).split(/^(?=#+ )/m)) {
    const heading = section.split("\n", 1)[0].replace(/^#+ /, "");
    const code = [...section.matchAll(/^(<!-- not run: .*-->\n)?```(ts|js)\n([\s\S]*?)^```/gm)];
    code.forEach(([, notRun, language, source], n) => {
      const inPage = /browser|page/i.test(heading) && !/\bnode\b/i.test(heading);
      const isProgram = /from "runstate/.test(source) && notRun === undefined;
      blocks.push({ name: `${document}, ${heading}, ${n + 1}`, document, source, language, inPage, isProgram, file: /^\/\/ (\S+\.ts)\n/.exec(source)?.[1] });
    });
  }
}
const inNode = blocks.filter(({ isProgram, inPage }) => isProgram && !inPage);
const inPages = blocks.filter(({ isProgram, inPage }) => isProgram && inPage);
const filesOf = (document) => Object.fromEntries(blocks.filter((one) => one.file && one.document === document).map(({ file, source }) => [file, source]));

test("the readme files have code for Node and for browsers", () => {
  for (const document of ["README.md", "pkg/README.md"]) {
    assert.ok(inNode.some((one) => one.document === document), `${document}: no code about Node`);
    assert.ok(inPages.some((one) => one.document === document), `${document}: no code about browsers`);
  }
});

for (const { name, source, file } of blocks.filter(({ file }) => file !== undefined)) {
  test(`${name}: it is the example of that name`, async () => assert.equal(source, await read(`examples/${file}`)));
}

test("the programs compile in one strict project", async (t) => {
  const typed = blocks.filter(({ isProgram, language }) => isProgram && language === "ts");
  const files = Object.fromEntries(typed.map(({ source }, n) => [`${n}.ts`, source]));
  const options = { target: "es2022", lib: ["es2023", "esnext.disposable", "dom", "dom.iterable"], types: ["node"], module: "nodenext", strict: true, noEmit: true };
  const here = await project(t, { ...files, "tsconfig.json": JSON.stringify({ compilerOptions: options, include: ["*.ts"] }) }, { types: true });
  const names = typed.map(({ name }, n) => `${n}.ts: ${name}`).join("\n");
  await here.run(tool("tsc"), "--project", ".").catch((error) => assert.fail(`${error.message}\n${names}`));
});

/** Creates a project that runs a block in Node. */
async function inProject(t, { source, document }) {
  const here = await project(t, { ...filesOf(document), "main.ts": source });
  await here.run(tool("esbuild"), "main.ts", "--format=esm", "--outfile=main.js", "--log-level=warning");
  return here;
}

for (const block of inNode) {
  test(block.name, async (t) => {
    const here = await inProject(t, block);
    if (!block.source.includes("SIGKILL")) return here.run("node", "main.js");
    // The first run kills its own process; the second run finds the waiting execution.
    const { signal } = await here.run("node", "main.js").then(() => assert.fail("the process was not killed"), ({ cause }) => cause);
    assert.equal(signal, "SIGKILL");
    assert.equal(await here.run("node", "main.js"), "trip-1 complete [ 'to Lisbon' ]\n");
  });
}

test("docs/calls.md shows every call that a program can make", async () => {
  const [declared, shown] = await Promise.all(["examples/runstate.d.ts", "docs/calls.md"].map(read));
  const global = [...declared.matchAll(/^declare (?:function|const|class|var) (\w+)/gm)].map(([, name]) => name);
  const members = [...declared.matchAll(/^declare namespace (\w+) \{(.*?)^\}/gms)].flatMap(([, space, body]) =>
    [...body.matchAll(/^ {2}function (\w+)/gm)].map(([, name]) => `${space}.${name}`),
  );
  const names = new Set([...global, ...members]);
  assert.ok(names.size > 8, [...names].join());
  assert.deepEqual([...names].filter((name) => !new RegExp(`\\b${name.replace(".", "\\.")}\\b`).test(shown)), []);
});

for (const { name, source, document } of inPages) {
  test(name, async (t) => {
    const page = '<!doctype html><title>readme</title><link rel="icon" href="data:,"><main></main><script type="module" src="/out/main.js"></script>';
    const here = await project(t, { ...filesOf(document), "index.html": page, "main.ts": `${source}\nglobalThis.done = true;\n` });
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
