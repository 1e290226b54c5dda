// Works for a program as a user of the package does: answers early, claims, completes, fails, lets time pass: `node work.mjs PACKAGE URL`,
// the program on stdin as `{ load, start }`. Says what the program printed, as JSON.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

import { runstate } from "./package.mjs";

const { load, start } = JSON.parse(readFileSync(0, "utf8"));
const store = await runstate.open(process.argv[3]);
await store.load(load);
const { id } = await store.start(start);

await store.answer(id, "small", { key: "size", by: "somebody" });
await assert.rejects(store.answer(id, "large", { key: "size" }), { code: "already_answered" });
await assert.rejects(store.answer(id, "?"), { code: "ambiguous_call" });

const owner = "node";
const first = await store.claim({ kinds: ["add"], owner });
assert.deepEqual([first.call.args, first.claimed.attempts], [[1, 2], 1]);
assert.equal(await store.claim({ kinds: ["add"], owner: "another" }), null);
assert.ok((await store.heartbeat(first, 60_000)) > Date.now() + 50_000);
await store.release(first);
const again = await store.claim({ call: first.claimed.call, owner });
await assert.rejects(store.complete(first, 4), { code: "stale_claim" });
await store.complete(again, again.call.args[0] + again.call.args[1], { by: owner });
const other = await store.claim({ kinds: ["fetch"], owner });
const { reached } = await store.fail(other, "no network");
assert.equal(reached.status, "waiting_cc");

// A timer: it is due when its time has come, and not before.
const due = await store.nextDue();
const soon = await store.runDue();
assert.deepEqual([soon.failed, soon.more], [[], false]);
for (let left = due - Date.now(); left >= 0; left = due - Date.now()) await wait(left + 1);
await store.runDue();

await store.pause(id);
await store.unpause(id);
await store.cancel(id);
const { status, output } = await store.show(id);
assert.equal(status, "cancelled");
await store.delete(id);
await assert.rejects(store.show(id), { code: "not_found" });
console.log(JSON.stringify(output));
await store.close();
