// The declarations of the package in TypeScript projects for Node and for bundlers. They reject invalid calls.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { IN_FULL } from "../browser/support/full.js";
import { project, tool } from "./support/project.js";

const USE = `
import { open, RunstateError, type Json, type Run } from "runstate";

export async function use(): Promise<Json> {
  const rs = await open("memory:");
  await rs.load({ name: "ask", source: "CC('who?')" });
  const run: Run = await rs.start("ask", { input: { deep: [1, null, "x"] } });
  const stop = rs.worker({ search: async (args, task) => ({ found: JSON.stringify(args), attempt: task.attempt }) });
  for await (const question of run.questions()) {
    const typed = question.as({ type: "object", required: ["n"], properties: { n: { type: "number" }, s: { type: "string" } } });
    await typed.answer({ n: 1 });
    // @ts-expect-error: the member is a number
    await typed.answer({ n: "1" });
    // @ts-expect-error: a Date is not a JSON value
    await question.answer(new Date());
  }
  try {
    return await run.result();
  } catch (error) {
    if (error instanceof RunstateError && error.code === "not_found") return null;
    // @ts-expect-error: not an error code
    if (error instanceof RunstateError && error.code === "no_such_code") return null;
    throw error;
  } finally {
    await stop();
    await rs.close();
  }
}
`;

const ENTRIES = `
import * as all from "runstate";
import * as slim from "runstate/slim";
import * as compiler from "runstate/compiler";
import * as testing from "runstate/testing";
export const entries = [all.open, slim.open, compiler.compile, testing];
`;

/** The types of domains. */
const DOMAINS = `
import type { Apps, Step } from "runstate/apps";
import type { ResourceBudget } from "runstate/fleet";
import type { Session } from "runstate/sessions";
import type { CallViewPage } from "runstate/types";
export type Domains = [Apps, Step, ResourceBudget, Session, CallViewPage];
`;

const DOM = ["es2023", "esnext.disposable", "dom", "dom.iterable"];

const config = (module, moduleResolution, { lib = DOM, types = [], noEmit = true } = {}) =>
  JSON.stringify({
    compilerOptions: {
      target: "es2022",
      lib,
      strict: true,
      noEmit,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      types,
      module,
      moduleResolution,
    },
    include: ["*.ts"],
  });

for (const [module, resolution] of [["node16", "node16"], ["nodenext", "nodenext"], ["esnext", "bundler"]]) {
  test(`types compile with moduleResolution ${resolution}`, resolution === "bundler" ? {} : IN_FULL, async (t) => {
    const files = { "use.ts": USE, "entries.ts": ENTRIES, "domains.ts": DOMAINS, "tsconfig.json": config(module, resolution) };
    const here = await project(t, files);
    assert.equal(await here.run(tool("tsc"), "--project", "."), "");
  });
}

test("the package exports few names", async (t) => {
  const here = await project(t, {});
  const declarations = await readFile(join(here.folder, "node_modules/runstate/dist/types/index.d.ts"), "utf8");
  assert.doesNotMatch(declarations, /export (type )?\*/);
  const listed = [...declarations.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, names]) => names.split(",")).filter((name) => name.trim() !== "");
  const declared = [...declarations.matchAll(/export declare (?:function|const) /g)];
  assert.ok(listed.length > 50 && listed.length + declared.length <= 90, `${listed.length + declared.length} names`);
});

const NODE = `import { open } from "runstate/node";\nexport const opened = open("file:store");\n`;

test("types compile in Node with Node's own types", async (t) => {
  const files = { "use.ts": USE, "node.ts": NODE, "tsconfig.json": config("nodenext", "nodenext", { types: ["node"] }) };
  const here = await project(t, files, { types: true });
  assert.equal(await here.run(tool("tsc"), "--project", "."), "");
});

test("types compile in Node without browser types", IN_FULL, async (t) => {
  const files = { "use.ts": USE, "node.ts": NODE, "entries.ts": ENTRIES, "tsconfig.json": config("node16", "node16", { lib: ["es2022"], types: ["node"] }) };
  const here = await project(t, files, { types: true });
  // `skipLibCheck` is off, because the declarations of the package must compile without browser types too.
  assert.equal(await here.run(tool("tsc"), "--project", ".", "--skipLibCheck", "false"), "");
});

test("types compile in pages with an older language version", IN_FULL, async (t) => {
  const files = { "use.ts": USE, "entries.ts": ENTRIES, "tsconfig.json": config("esnext", "bundler", { lib: ["es2022", "dom"] }) };
  const here = await project(t, files);
  assert.equal(await here.run(tool("tsc"), "--project", ".", "--skipLibCheck", "false"), "");
});

for (const module of ["node16", "nodenext"]) {
  test(`types compile in CommonJS with module ${module}`, IN_FULL, async (t) => {
    const both = `
import { RunstateError, type Question, type Run } from "runstate";
import { open } from "runstate/node";

// The declarations for modules and for \`require\` have the same types.
export async function same(run: Run): Promise<void> {
  const other: import("runstate", { with: { "resolution-mode": "import" } }).Run = run;
  const back: Run = other;
  const thrown: Error = new RunstateError({ code: "not_found", message: back.id });
  if (thrown instanceof RunstateError && thrown.code === "closed") throw thrown;
}
export const asked: Question<string>[] = [];
open("memory:").then(async (rs) => {
  await rs.load({ name: "greet", source: "console.log(CC('who?'))" });
  const run = await rs.start("greet");
  await same(run);
  for await (const question of run.questions()) await question.answer("Ada");
  console.log(run.status, await run.output());
  await rs.close();
});
`;
    const files = { "use.ts": USE, "main.ts": both, "entries.ts": ENTRIES, "domains.ts": DOMAINS, "tsconfig.json": config(module, module, { types: ["node"], noEmit: false }) };
    const here = await project(t, files, { type: "commonjs", types: true });
    assert.equal(await here.run(tool("tsc"), "--project", ".", "--skipLibCheck", "false"), "");
    assert.equal(await here.run("node", "main.js"), "complete [ 'Ada' ]\n");
  });
}

/** With `module: commonjs` alone, TypeScript 5 uses an older module resolution that ignores `exports`. */
test("types compile in CommonJS with module commonjs", IN_FULL, async (t) => {
  const main = `
import { open } from "runstate/node";
import { RunstateError } from "runstate";

open("memory:").then(async (rs) => {
  await rs.load({ name: "greet", source: "console.log(CC('who?'))" });
  const run = await rs.start("greet");
  for await (const question of run.questions()) await question.answer("Ada");
  console.log(run.status, await run.output());
  await rs.run("missing").catch((error) => console.log(error instanceof RunstateError && error.code));
  await rs.close();
});
`;
  const files = { "use.ts": USE, "main.ts": main, "entries.ts": ENTRIES, "tsconfig.json": config("commonjs", undefined, { types: ["node"], noEmit: false }) };
  const here = await project(t, files, { type: "commonjs", types: true });
  assert.equal(await here.run(tool("tsc"), "--project", ".", "--skipLibCheck", "false"), "");
  assert.equal(await here.run("node", "main.js"), "complete [ 'Ada' ]\nnot_found\n");
});

test("globals of programs are declared for editors", async (t) => {
  const program = `/// <reference types="runstate/program" />
const name: string = CC("Who?");
const size: "small" | "large" = CC("Which?", { choices: ["small", "large"] });
sleep(1000);
console.log(name, size, call("search", { q: name }));
// @ts-expect-error: not one of the choices
const other: "medium" = CC("Which?", { choices: ["small", "large"] });
`;
  const here = await project(t, { "program.ts": program, "tsconfig.json": config("esnext", "bundler", { lib: ["es2022"] }) });
  assert.equal(await here.run(tool("tsc"), "--project", "."), "");
});

/** Programs in files, and code that imports them. */
const IMPORTED = {
  "input.ts": "export interface Input {\n  file: string;\n  depth?: number;\n}\n",
  "review.program.ts": `/// <reference types="runstate/program" />
import type { Input } from "./input.ts";

export default async function main({ file, depth = 1 }: Input): Promise<{ file: string; approved: boolean }> {
  await tools.read({ file, depth });
  return { file, approved: ask("Is it ready?", { choices: ["yes", "no"] }) === "yes" };
}
`,
  "greet.program.ts": `/// <reference types="runstate/program" />
export default function main(): void {
  console.log(ask("Who?"));
}
`,
  "count.program.ts": "export default (input?: { from: number }): number => input?.from ?? 0;\n",
  "app.ts": `
import { open } from "runstate";
import count from "./count.program.ts";
import greet from "./greet.program.ts";
import type { Input } from "./input.ts";
import review from "./review.program.ts";

type Equals<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_ extends true>(): void {}

export async function use(input: Input): Promise<void> {
  const rs = await open("memory:");
  for (const program of [review, greet, count]) await rs.load(program);
  const run = await rs.start(review, { input, id: "r1" });
  const result = await (await run.refresh()).result();
  holds<Equals<typeof result, { file: string; approved: boolean }>>();
  await rs.runs.start(review, { input: { file: "a.ts" } });
  // @ts-expect-error: the file is a text
  await rs.start(review, { input: { file: 1 } });
  // @ts-expect-error: it is misspelled
  await rs.start(review, { input: { file: "a.ts", dept: 1 } });
  // @ts-expect-error: the input is required
  await rs.start(review, { id: "r1" });
  const nothing = await (await rs.start(greet)).result();
  holds<Equals<typeof nothing, null>>();
  // @ts-expect-error: the program takes no input
  await rs.start(greet, { input: 1 });
  const counted = await (await rs.start(count)).result();
  holds<Equals<typeof counted, number>>();
  await rs.start(count, { input: { from: 1 } });
  // @ts-expect-error: the number is missing
  await rs.start(count, { input: {} });
}
`,
  "vite.config.ts": `import { vitePlugin } from "runstate/programs";\nexport default { plugins: [vitePlugin()] };\n`,
};

test("a program that is imported from its file has the types of its input and result", async (t) => {
  const options = { target: "es2022", lib: DOM, strict: true, noEmit: true, skipLibCheck: true, types: [], module: "esnext", moduleResolution: "bundler", allowImportingTsExtensions: true };
  const here = await project(t, { ...IMPORTED, "tsconfig.json": JSON.stringify({ compilerOptions: options, include: ["*.ts"] }) });
  assert.equal(await here.run(tool("tsc"), "--project", "."), "");
});
