// The proof after a death: it must fail wherever something is lost or doubled.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Ledger } from "../src/kill/ledger";
import { holds, prove, verdict } from "../src/kill/proof";

const line = (n: number) => ({ key: `q-${n}`, answer: `answer ${n}` });
const row = (n: number) => ({ key: `q-${n}`, result: `answer ${n}`, outcome: "answered" });

/** Two acknowledged, a third under way. */
const ledger: Ledger = {
  attempt: { store: "indexeddb:x", execution: "e", begun: 10, killed: 20, watched: { id: "w", hash: "h" } },
  sent: [line(1), line(2), line(3)],
  acknowledged: [line(1), line(2)],
};

const watched = { hash: "h", lastModified: 5 };
const output = ["answer 1", "answer 2"];

test("all that was acknowledged is there, none twice", () => {
  const proof = prove(ledger, { calls: [row(1), row(2)], output, watched });
  assert.deepEqual(proof, { acknowledged: 2, lost: [], twice: [], underWay: 1, kept: 0, watched: "same" });
  assert.ok(holds(proof));
});

test("what was under way may be kept or not", () => {
  const proof = prove(ledger, { calls: [row(1), row(2), row(3)], output: [...output, "answer 3"], watched });
  assert.equal(proof.kept, 1);
  assert.ok(holds(proof));
});

test("an acknowledged answer that is missing, or another one, breaks the promise", () => {
  for (const calls of [[row(1)], [row(1), { ...row(2), result: "other" }], [row(1), row(2), row(2)]]) {
    const proof = prove(ledger, { calls, output, watched });
    assert.deepEqual(proof.lost, [line(2)]);
    assert.ok(!holds(proof));
  }
});

test("an answer that the program got twice breaks it too", () => {
  const proof = prove(ledger, { calls: [row(1), row(2)], output: [...output, "answer 1"], watched });
  assert.deepEqual(proof.twice, ["answer 1"]);
  assert.ok(!holds(proof));
});

test("what was looked at must be what it was, unless somebody went on with it meanwhile", () => {
  const fate = (seen: typeof watched | null) => {
    const proof = prove(ledger, { calls: [row(1), row(2)], output, watched: seen });
    return [proof.watched, holds(proof)];
  };
  assert.deepEqual(fate({ hash: "other", lastModified: 15 }), ["went on", true]);
  assert.deepEqual(fate({ hash: "other", lastModified: 5 }), ["lost", false]);
  assert.deepEqual(fate(null), ["lost", false]);
});

test("the outcome is one line", () => {
  const said = (calls: ReturnType<typeof row>[], lines = output) =>
    verdict(prove(ledger, { calls, output: lines, watched }));
  assert.equal(said([row(1), row(2)]), "Killed: all 2 saved answers are there");
  assert.equal(said([row(1)]), "Killed: 1 of 2 saved answers is lost");
  assert.equal(said([row(1), row(2)], [...output, "answer 1"]), "Killed: the program got 1 answer twice");
  const none = { ...ledger, sent: [], acknowledged: [] };
  assert.equal(verdict(prove(none, { calls: [], output: [], watched })), "Killed before the first answer was saved");
});
