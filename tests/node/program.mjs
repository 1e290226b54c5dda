// Loads, starts and answers a program as a user of the package does: `node program.mjs PACKAGE URL`, the program on stdin as
// `{ load, start, answers }`. Says the execution at its end, as JSON.

import { readFileSync } from "node:fs";

import { runstate } from "./package.mjs";

const { load, start, answers } = JSON.parse(readFileSync(0, "utf8"));
const store = await runstate.open(process.argv[3]);
await store.load(load);
let { id, status } = await store.start(start);
for (const answer of answers) {
  const { calls } = await store.show(id);
  ({ status } = await store.answer(id, answer, { call: calls[0].callId }));
}
console.log(JSON.stringify({ status, shown: await store.show(id) }));
await store.close();
