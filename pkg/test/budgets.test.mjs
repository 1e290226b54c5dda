// `rs.budgets`: budgets of any owner, and costs that ask a person for more.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertRefused, openStore } from "./support.mjs";

const MONEY = { resourceType: "money", unit: "CAD" };

/** Creates a budget of the team, and returns a function that reads its amounts. */
async function createBudget(rs, allocatedAmount) {
  const { id } = await rs.budgets.create("team-a", { ...MONEY, budgetPeriod: "total", allocatedAmount });
  return async () => {
    const { allocatedAmount, usedAmount, reservedAmount } = await rs.budgets.show(id);
    return [allocatedAmount, usedAmount, reservedAmount];
  };
}

test("any id owns budgets, without a project", async (t) => {
  const rs = await openStore(t);
  await assertRefused(rs.budgets.reserve("team-a", { ...MONEY, amount: "1" }), "not_found");
  const amounts = await createBudget(rs, "5");
  const { id } = await rs.budgets.reserve("team-a", { ...MONEY, amount: "3" });
  await assertRefused(rs.budgets.usage.record("team-a", { ...MONEY, amount: "2.5" }), "budget_exceeded");
  await rs.budgets.reservation.commit(id, { actual: "1" });
  await rs.budgets.usage.record("team-a", { ...MONEY, amount: "2.5" });
  assert.deepEqual(await amounts(), ["5", "3.5", "0"]);
  const { items } = await rs.budgets.list({ owner: "team-a" });
  assert.deepEqual(items.map(({ owner }) => owner), ["team-a"]);
});

test("a cost that its budget lacks asks a person, whose approval raises it", async (t) => {
  const rs = await openStore(t);
  const amounts = await createBudget(rs, "3");
  const cost = `{ owner: "team-a", resource: "money", amount: 5, unit: "CAD", onRefused: "ask" }`;
  await rs.load({ name: "draw", source: `async function main() { return await tools.draw({}, { cost: ${cost} }); }` });
  const run = await rs.start("draw");
  const stop = rs.worker({ draw: async () => "drawn" });
  t.after(stop);
  for await (const question of rs.questions()) {
    assert.deepEqual([question.isApproval, question.kind], [true, "draw"]);
    assert.equal(question.needs, "needs 2 CAD more in the total budget of money");
    await question.approve({ by: "ann" });
    break;
  }
  assert.equal(await run.result(), "drawn");
  assert.deepEqual(await amounts(), ["5", "5", "0"]);
});

test("the inbox has a call again that needs more than it has shown", async (t) => {
  const rs = await openStore(t);
  const amounts = await createBudget(rs, "3");
  const cost = `{ owner: "team-a", resource: "money", amount: 5, unit: "CAD", onRefused: "ask" }`;
  await rs.load({ name: "draw", source: `try { call("draw", {}, { cost: ${cost} }) } catch (e) { console.log(e.name, e.code) }` });
  const run = await rs.start("draw");
  t.after(rs.worker({ draw: async () => "drawn" }));
  const needs = [];
  for await (const question of rs.questions()) {
    needs.push(question.needs);
    if (needs.length === 2) {
      await question.reject({ by: "ann" });
      break;
    }
    await rs.budgets.usage.record("team-a", { ...MONEY, amount: "1" });
    await assertRefused(question.approve({ by: "ann" }), "stale");
  }
  assert.deepEqual(needs, [2, 3].map((amount) => `needs ${amount} CAD more in the total budget of money`));
  await run.result();
  assert.deepEqual([await run.output(), await amounts()], [["RejectedError budget_exceeded"], ["3", "1", "0"]]);
});
