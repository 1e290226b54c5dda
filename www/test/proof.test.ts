// The proof after a kill: it must fail if an answer is lost or applied twice.

import assert from "node:assert/strict";
import { test } from "node:test";

import { isSound, prove, verdict, type Ledger } from "../src/kill/proof";

/** Two answers are acknowledged; a third one was sent. */
const ledger: Ledger = { store: "indexeddb:x", execution: "e", sent: [1, 2, 3], acknowledged: [1, 2] };

const row = (n: number, result = `answer ${n}`) => ({ key: `q-${n}`, response: { result, timestamp: 0, by: null, latencyMs: null } });
const output = ["answer 1", "answer 2"];

test("every acknowledged answer is stored, none twice", () => {
  const proof = prove(ledger, { calls: [row(1), row(2)], output });
  assert.deepEqual(proof, { acknowledged: 2, lost: [], twice: [], underWay: 1, kept: 0 });
  assert.ok(isSound(proof));
});

test("unacknowledged answers may be stored or not", () => {
  const proof = prove(ledger, { calls: [row(1), row(2), row(3)], output: [...output, "answer 3"] });
  assert.equal(proof.kept, 1);
  assert.ok(isSound(proof));
});

test("a missing or different acknowledged answer fails the proof", () => {
  for (const calls of [[row(1)], [row(1), row(2, "other")], [row(1), row(2), row(2)]]) {
    const proof = prove(ledger, { calls, output });
    assert.deepEqual(proof.lost, [2]);
    assert.ok(!isSound(proof));
  }
});

test("an answer that the program got twice fails the proof", () => {
  const proof = prove(ledger, { calls: [row(1), row(2)], output: [...output, "answer 1"] });
  assert.deepEqual(proof.twice, ["answer 1"]);
  assert.ok(!isSound(proof));
});

test("the verdict is one line", () => {
  const verdictOf = (calls: ReturnType<typeof row>[], lines = output) => verdict(prove(ledger, { calls, output: lines }));
  assert.equal(verdictOf([row(1), row(2)]), "Killed: all 2 saved answers are stored");
  assert.equal(verdictOf([row(1)]), "Killed: 1 of 2 saved answers is lost");
  assert.equal(verdictOf([row(1), row(2)], [...output, "answer 1"]), "Killed: the program got 1 answer twice");
  const none = { ...ledger, sent: [], acknowledged: [] };
  assert.equal(verdict(prove(none, { calls: [], output: [] })), "Killed before the first answer was saved");
});
