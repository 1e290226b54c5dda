// Works for a program as a user of the package does: answers early, claims, completes, fails, lets time pass: `node work.mjs PACKAGE URL`,
// the program on stdin as `{ load, start }`. Says what the program printed, as JSON.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

import { given, runstate } from "./package.mjs";

const { load, start } = JSON.parse(readFileSync(0, "utf8"));
const rs = await runstate.open(process.argv[3], { timers: "off" });
const { cvm } = rs;
await cvm.load(given(load));
const run = await cvm.start(start.program, { id: start.id });

await run.answer("small", { key: "size", by: "somebody" });
await assert.rejects(run.answer("large", { key: "size" }), { code: "already_answered" });
await assert.rejects(run.answer("?"), { code: "ambiguous_call" });

const owner = "node";
const first = await cvm.claim({ kinds: ["add"], owner });
assert.deepEqual([first.call.args, first.claimed.attempts], [[1, 2], 1]);
assert.equal(await cvm.claim({ kinds: ["add"], owner: "another" }), null);
const beat = Date.now();
assert.ok((await cvm.heartbeat(first, 60_000)) >= beat + 60_000);
await cvm.release(first);
const again = await cvm.claim({ call: first.claimed.call, owner });
await assert.rejects(cvm.complete(first, 4), { code: "stale_claim" });
await cvm.complete(again, again.call.args[0] + again.call.args[1], { by: owner });
const other = await cvm.claim({ kinds: ["fetch"], owner });
const { reached } = await cvm.fail(other, "no network");
assert.equal(reached.status, "waiting_cc");

// A timer: it is due when its time has come, and not before.
const due = await cvm.nextDue();
const soon = await cvm.runDue();
assert.deepEqual([soon.failed, soon.more], [[], false]);
// On a busy machine its time may have come meanwhile.
if (Date.now() < due) assert.equal(soon.woken, 0);
for (let left = due - Date.now(); left >= 0; left = due - Date.now()) await wait(left + 1);
await cvm.runDue();

await run.pause();
await run.unpause();
await run.cancel();
const { status, output } = await run.show();
assert.equal(status, "cancelled");
await run.delete();
await assert.rejects(run.show(), { code: "not_found" });
console.log(JSON.stringify(output));
await rs.close();
