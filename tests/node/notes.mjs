// Adds notes to a store after a line on stdin and prints each acknowledged note: `node notes.mjs PACKAGE URL PREFIX COUNT`. Unless it is killed, it
// then prints the contents of the store as one line of JSON.

import { once } from "node:events";
import { writeSync } from "node:fs";

import { wasm } from "./package.mjs";

const [url, prefix, count] = process.argv.slice(3);
const print = (line) => writeSync(1, `${line}\n`);

const notes = await wasm.NodeNotes.open(url);
print("ready");
// Waits for a line, so that several processes can start together.
await once(process.stdin, "data");
process.stdin.destroy();
for (let i = 0; i < Number(count); i += 1) {
  const id = `${prefix}-${i}`;
  await notes.add(id);
  print(id);
}
print(JSON.stringify({ ids: await notes.ids(), health: notes.health() ?? null }));
