// The declarations, as TypeScript reads them in projects for Node and for bundlers; and that they refuse what is wrong.

import assert from "node:assert/strict";
import { test } from "node:test";

import { project, tool } from "./support/project.js";

const USE = `
import { open, RunstateError, type Json, type Run } from "runstate";

export async function use(): Promise<Json> {
  const rs = await open("memory:");
  await rs.cvm.load({ name: "ask", source: "CC('who?')" });
  const run: Run = await rs.cvm.start("ask", { input: { deep: [1, null, "x"] } });
  const stop = rs.cvm.worker({ search: async (args, task) => ({ found: JSON.stringify(args), attempt: task.attempt }) });
  for await (const question of run.questions()) {
    const typed = question.as({ type: "object", required: ["n"], properties: { n: { type: "number" }, s: { type: "string" } } });
    await typed.answer({ n: 1 });
    // @ts-expect-error: it is a number
    await typed.answer({ n: "1" });
    // @ts-expect-error: a date is no plain value
    await question.answer(new Date());
  }
  try {
    return await run.result();
  } catch (error) {
    if (error instanceof RunstateError && error.code === "not_found") return null;
    // @ts-expect-error: there is no such code
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

const config = (module, moduleResolution) =>
  JSON.stringify({
    compilerOptions: {
      target: "es2022",
      lib: ["es2023", "esnext.disposable", "dom", "dom.iterable"],
      strict: true,
      noEmit: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      types: [],
      module,
      moduleResolution,
    },
    include: ["*.ts"],
  });

for (const [module, resolution] of [["node16", "node16"], ["nodenext", "nodenext"], ["esnext", "bundler"]]) {
  test(`moduleResolution ${resolution}`, async (t) => {
    const files = { "use.ts": USE, "entries.ts": ENTRIES, "tsconfig.json": config(module, resolution) };
    const here = await project(t, files);
    assert.equal(await here.run(tool("tsc"), "--project", "."), "");
  });
}

test("in Node, with its own types beside", async (t) => {
  const node = `import { open } from "runstate/node";\nexport const opened = open("file:store");\n`;
  const here = await project(t, { "use.ts": USE, "node.ts": node, "tsconfig.json": config("nodenext", "nodenext").replace('"types":[]', '"types":["node"]') }, { types: true });
  assert.equal(await here.run(tool("tsc"), "--project", "."), "");
});
