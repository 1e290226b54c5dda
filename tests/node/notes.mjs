// Adds notes to a store when stdin says so, and says each that is acknowledged: `node notes.mjs PACKAGE URL PREFIX COUNT`. Then,
// where it is not killed, says what the store holds: one line of JSON.

import { once } from "node:events";
import { writeSync } from "node:fs";

import { wasm } from "./package.mjs";

const [url, prefix, count] = process.argv.slice(3);
const say = (line) => writeSync(1, `${line}\n`);

const notes = await wasm.NodeNotes.open(url);
say("ready");
// Waits for a line, so that several processes can be let go together.
await once(process.stdin, "data");
process.stdin.destroy();
for (let i = 0; i < Number(count); i += 1) {
  const id = `${prefix}-${i}`;
  await notes.add(id);
  say(id);
}
say(JSON.stringify({ ids: await notes.ids(), health: notes.health() ?? null }));
