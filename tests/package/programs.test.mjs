// Programs in files, by the plugins of the packed package in each bundler, and by its hook of Node.

import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { IN_FULL } from "../browser/support/full.js";
import { nodeModulePath, project, tool } from "./support/project.js";

const PROGRAM = {
  "review.program.ts": `/// <reference types="runstate/program" />
import type { Input } from "./input.ts";
import { isYes } from "./rules/verdict";

export default function main(input: Input): boolean {
  return isYes(ask(\`Is \${input.file} ready to merge?\`));
}
`,
  "rules/verdict.ts": `/** Whether an answer approves. */\nexport const isYes = (answer: string): boolean => answer === "yes";\n`,
  "input.ts": "export interface Input {\n  file: string;\n}\n",
};

const APP = `import { open } from "runstate";
import review from "./review.program.ts";

const rs = await open("memory:");
await rs.load(review);
const run = await rs.start(review, { input: { file: "parser.ts" } });
for await (const question of run.questions()) await question.answer("yes");
console.log(await run.result());
await rs.close();
`;

const VITE_CONFIG = `import { vitePlugin } from "runstate/programs";

export default { plugins: [vitePlugin()], logLevel: "error", build: { ssr: "app.js", outDir: "out" } };
`;

const ROLLUP_CONFIG = `import { vitePlugin } from "runstate/programs";

export default { input: "app.js", external: ["runstate"], plugins: [vitePlugin()], output: { dir: "out" } };
`;

const ESBUILD_SCRIPT = `import { build } from ${JSON.stringify(import.meta.resolve("esbuild"))};
import { esbuildPlugin } from "runstate/programs";

const options = { bundle: true, packages: "external", platform: "node", format: "esm", outdir: "out" };
await build({ entryPoints: ["app.js"], plugins: [esbuildPlugin()], ...options });
`;

/** Each builds \`app.js\` of a project, to \`out/app.js\`. */
const BUNDLERS = [
  { name: "Vite", config: { "vite.config.js": VITE_CONFIG }, build: (here) => here.run(tool("vite"), "build") },
  { name: "rolldown", config: { "rolldown.config.js": ROLLUP_CONFIG }, build: (here) => here.run(tool("rolldown"), "-c") },
  { name: "esbuild", config: { "build.js": ESBUILD_SCRIPT }, build: (here) => here.run("node", "build.js") },
  { name: "Vite 7", config: { "vite.config.js": VITE_CONFIG }, build: (here) => here.run("node", nodeModulePath("vite7/bin/vite.js"), "build"), inFull: true },
  { name: "Rollup", config: { "rollup.config.js": ROLLUP_CONFIG }, build: (here) => here.run(tool("rollup"), "-c"), inFull: true },
];

for (const { name, config, build, inFull } of BUNDLERS) {
  test(`${name}: the bundle has the program compiled`, inFull ? IN_FULL : {}, async (t) => {
    const here = await project(t, { ...PROGRAM, ...config, "app.js": APP });
    await build(here);
    await rm(join(here.folder, "node_modules/runstate/dist/runstate_compiler_bg.wasm"));
    assert.equal(await here.run("node", "out/app.js"), "true\n");
  });

  test(`${name}: an error of the program fails the build, with its place`, inFull ? IN_FULL : {}, async (t) => {
    const wrong = PROGRAM["rules/verdict.ts"].replace("answer ===", "answr ===");
    const here = await project(t, { ...PROGRAM, ...config, "app.js": APP, "rules/verdict.ts": wrong });
    const error = await build(here).then(() => assert.fail("it was built"), (thrown) => thrown);
    assert.match(error.message, /answr is not defined/);
    // Bundlers count columns from 0.
    assert.match(error.message, /rules\/verdict\.ts(:| \()2:50/);
  });
}

test("Node imports the program", async (t) => {
  const here = await project(t, { ...PROGRAM, "app.js": APP });
  assert.equal(await here.run("node", "--import", "runstate/register", "app.js"), "true\n");
});

test("Node imports the program that TypeScript has compiled to JavaScript", IN_FULL, async (t) => {
  const options = { module: "nodenext", target: "es2022", strict: true, skipLibCheck: true, types: ["node"], rewriteRelativeImportExtensions: true, outDir: "out" };
  const tsconfig = JSON.stringify({ compilerOptions: options, include: ["*.ts"] });
  const verdict = PROGRAM["review.program.ts"].replace("./rules/verdict", "./rules/verdict.ts");
  const here = await project(t, { ...PROGRAM, "review.program.ts": verdict, "app.ts": APP, "tsconfig.json": tsconfig }, { types: true });
  await here.run(tool("tsc"));
  assert.equal(await here.run("node", "--import", "runstate/register", "out/app.js"), "true\n");
});

test("in Node an error of the program has its place", async (t) => {
  const wrong = PROGRAM["rules/verdict.ts"].replace("answer ===", "answr ===");
  const here = await project(t, { ...PROGRAM, "app.js": APP, "rules/verdict.ts": wrong });
  await assert.rejects(here.run("node", "--import", "runstate/register", "app.js"), /rules\/verdict\.ts:2:51: answr is not defined/);
});
