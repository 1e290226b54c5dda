// Works on the calls of a program through the public API: early answers, claims, completions, failures, timers. Run `node worker.mjs PACKAGE URL`,
// with `{ load, start }` on stdin. It prints the output of the program as JSON.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

import { withoutNulls, runstate } from "./package.mjs";

const { load, start } = JSON.parse(readFileSync(0, "utf8"));
const rs = await runstate.open(process.argv[3], { timers: "off" });
const { runs, due } = rs;
await runs.load(withoutNulls(load));
const run = await runs.start(start.program, { id: start.id });

await run.answer("small", { key: "size", by: "Ada" });
await assert.rejects(run.answer("large", { key: "size", occurrence: 1 }), { code: "already_answered" });
// No question is open, but two tools.
await assert.rejects(run.answer("?"), { code: "illegal_transition" });

const owner = "node";
const first = await runs.claim({ kinds: ["add"], owner });
assert.deepEqual([first.call.args, first.claimed.attempts], [[1, 2], 1]);
assert.equal(await runs.claim({ kinds: ["add"], owner: "another" }), null);
const beat = Date.now();
assert.ok((await runs.heartbeat(first, 60_000)) >= beat + 60_000);
await runs.release(first);
const again = await runs.claim({ call: first.claimed.call, owner });
await assert.rejects(runs.complete(first, 4), { code: "stale_claim" });
await runs.complete(again, again.call.args[0] + again.call.args[1], { by: owner });
const other = await runs.claim({ kinds: ["fetch"], owner });
const { execution } = await runs.fail(other, "no network");
assert.equal(execution.status, "waiting_cc");

// A timer is due at its time and not before.
const dueAt = await due.next();
const soon = await due.run();
assert.deepEqual([soon.failed, soon.more], [[], false]);
// On a busy machine its time may have passed already.
if (Date.now() < dueAt) assert.equal(soon.resumed, 0);
for (let left = dueAt - Date.now(); left >= 0; left = dueAt - Date.now()) await wait(left + 1);
await due.run();

await run.pause();
await run.unpause();
await run.cancel();
const { status, output } = await run.show();
assert.equal(status, "cancelled");
await run.delete();
await assert.rejects(run.show(), { code: "not_found" });
console.log(JSON.stringify(output));
await rs.close();
