// Secrets of apps through the public API: workers get them, and nothing else shows them. Run `node app_secrets.mjs PACKAGE URL SECRETS`, with
// `{ keys, configuration, token, session }` as JSON. It prints the execution and its steps as JSON.

import assert from "node:assert/strict";

import { runstate } from "./package.mjs";

const url = process.argv[3];
const { keys, configuration, token, session } = JSON.parse(process.argv[4]);
const options = { appName: "a", version: "1", configuration, activate: true };
const start = { userId: "u", id: "e", input: { token } };

const plain = await runstate.open("memory:", { timers: "off" });
await plain.apps.configuration.save(1, options);
await assert.rejects(plain.apps.execution.start(1, start), { code: "key_missing" });
await plain.close();

const rs = await runstate.open(url, { keys, timers: "off" });
await rs.apps.configuration.save(1, options);
await rs.apps.execution.start(1, start);
const work = await rs.apps.step.claim({ names: ["fetch"], owner: "node" });
assert.deepEqual(work.input, { auth: token });
await rs.apps.step.complete(work.claimed.id, { token: work.claimed.token, output: { session, echo: token } });

// A worker gets what the step before has reported.
let received;
const stop = rs.apps.worker({ use: async (input) => ((received = input), { echo: input.session }) });
await rs.apps.wait("e");
await stop();
assert.deepEqual(received, { session });

const shown = { ...(await rs.apps.execution.show("e")), steps: await rs.apps.execution.steps("e") };
const lists = [await rs.apps.execution.list(), await rs.apps.step.list(), await rs.apps.audit.list()];
console.log(JSON.stringify({ ...shown, lists }));
await rs.close();
