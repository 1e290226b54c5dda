// Loads, starts and answers a program through the public API: `node program.mjs PACKAGE URL`, with `{ load, start, answers }` on stdin. It prints the
// execution as JSON.

import { readFileSync } from "node:fs";

import { withoutNulls, runstate } from "./package.mjs";

const { load, start, answers } = JSON.parse(readFileSync(0, "utf8"));
const rs = await runstate.open(process.argv[3]);
await rs.load(withoutNulls(load));
const run = await rs.start(start.program, { id: start.id ?? undefined, input: start.input ?? undefined });
for (const answer of answers) {
  const { calls } = await run.show();
  await run.answer(answer, { call: calls[0].id });
}
console.log(JSON.stringify({ status: run.status, shown: await run.show() }));
await rs.close();
