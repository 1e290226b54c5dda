// Budgets: a project whose calls reserve money before they spend it, and a plot of the amounts. The calls stop before
// the budget is exceeded, and continue when it is raised.

import { effect, signal } from "@preact/signals";
import { RunstateError } from "runstate/full";
import type { Runstate } from "runstate/full";
import type { ResourceBudget, ResourceReservation, ResourceUsage } from "runstate/fleet";

import { Button, Panel, now, useCommand } from "./controls";
import { engine, makeRefresh, store } from "./engine";
import { formatCount } from "./format";
import { Plot, TONES } from "./plot";
import { BUDGETS, route } from "./state";

const PROJECT = "00000000-0000-4000-8000-000000000001";
const MONEY = { resourceType: "money", unit: "CAD" } as const;

/**
 * A call reserves more than it costs on average, because its cost is known only afterwards. Each costs at least half of
 * that, so that all together always reach the first budget.
 */
const [CALLS, RESERVED, MOST, PAUSE_MS, TTL_MS] = [16, "0.060000", 0.06, 250, 10_000];

interface BudgetDetails {
  budget: ResourceBudget;
  reservations: ResourceReservation[];
  uses: ResourceUsage[];
}

const shown = signal<BudgetDetails | null>(null);
/** Why the calls have stopped; empty if they have not. */
const stop = signal("");

/** Reads what is shown. */
export function followBudgets(rs: Runstate): void {
  const refresh = makeRefresh(async () => void (shown.value = await readBudget(rs)));
  effect(() => {
    if (route.value.at === "budgets" && now.value > 0) refresh();
  });
}

async function readBudget(rs: Runstate): Promise<BudgetDetails | null> {
  const own = { owner: PROJECT, resourceType: MONEY.resourceType };
  const { items: [budget] } = await rs.budgets.list({ ...own, budgetPeriod: "total" });
  if (budget === undefined) return null;
  const [{ items: reservations }, { items: uses }] = await Promise.all([
    rs.budgets.reservation.list({ ...own, sort: "expiresAt", descending: true, limit: 1_000 }),
    rs.budgets.usage.list({ owner: PROJECT, sort: "recordedAt", descending: true, limit: 1_000 }),
  ]);
  return { budget, reservations, uses };
}

async function prepare(rs: Runstate): Promise<void> {
  // The page may not have read the store yet, and another tab may have made the budget.
  shown.value = await readBudget(rs);
  if (shown.value !== null) return;
  const { items } = await rs.fleet.project.list({});
  if (!items.some(({ id }) => id === PROJECT)) await rs.fleet.project.create("demo", { greediness: "0.5", id: PROJECT });
  await rs.budgets.create(PROJECT, { ...MONEY, budgetPeriod: "total", allocatedAmount: "0.500000" });
}

/** Makes calls, each of which reserves an amount and records its cost. */
async function makeCalls(): Promise<void> {
  const rs = engine();
  stop.value = "";
  await prepare(rs);
  for (let call = 0; call < CALLS; call++) {
    try {
      const { id } = await rs.budgets.reserve(PROJECT, { ...MONEY, amount: RESERVED, ttlMs: TTL_MS });
      shown.value = await readBudget(rs);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      await rs.budgets.reservation.commit(id, { actual: (MOST * (0.5 + Math.random() / 2)).toFixed(6), resourceSubtype: "demo_call" });
    } catch (error) {
      if (!(error instanceof RunstateError && error.code === "budget_exceeded")) throw error;
      stop.value = error.message;
      break;
    } finally {
      shown.value = await readBudget(rs);
    }
  }
}

async function raise(): Promise<void> {
  const rs = engine();
  if (shown.value === null) return;
  const { id, allocatedAmount } = shown.value.budget;
  await rs.budgets.change(id, { allocatedAmount: (Number(allocatedAmount) + 0.25).toFixed(6) });
  stop.value = "";
  shown.value = await readBudget(rs);
}

export function BudgetsPanel() {
  const calls = useCommand();
  const raising = useCommand();
  return (
    <div class="stack" data-testid="budgets">
      <div class="bar apart">
        <h2>Budgets</h2>
        <span class="bar" role="group">
          <Button busy={raising.busy || shown.value === null} onClick={() => raising.run(raise)} testid="budgets-raise">Raise the budget</Button>
          <Button class="primary" busy={calls.busy || store.value === null} onClick={() => calls.run(makeCalls)} testid="budgets-spend">Make {CALLS} calls</Button>
        </span>
      </div>
      <p class="hint">
        Each call reserves {Number(RESERVED).toFixed(2)} CAD before it begins, and records its cost when it ends. A call that the budget does not cover does not
        begin, in whatever tab. The reservation of a call whose tab is killed is given back after {TTL_MS / 1_000} seconds.
      </p>
      {stop.value !== "" && <p class="banner bad" role="status" data-testid="budgets-stop">{stop.value}</p>}
      {shown.value === null ? <p class="hint">No call has been made.</p> : <BudgetBox {...shown.value} />}
    </div>
  );
}

function BudgetBox({ budget, reservations, uses }: BudgetDetails) {
  const { allocatedAmount, usedAmount, reservedAmount, unit } = budget;
  const amounts = [["spent", usedAmount], ["reserved", reservedAmount], ["allocated", allocatedAmount]] as const;
  return (
    <div class="app-parts">
      <Panel testid="budgets-plot-box" title="Money" aside={formatCount(uses.length, "call")}>
        <Plot testid="budgets-plot" names={amounts.map(([name]) => name)} {...amountsOverTime(budget, reservations, uses)} stepped />
        <table class="ranges">
          <thead><tr><th>amount</th><th>{unit}</th></tr></thead>
          <tbody>{amounts.map(([name, amount], row) => <tr key={name} data-testid={`budgets-${name}`}><th><span class={`mark ${TONES[row]}`} />{name}</th><td>{amount}</td></tr>)}</tbody>
        </table>
      </Panel>
    </div>
  );
}

/** The spent, reserved and allocated amounts after each change since the first call. */
function amountsOverTime(budget: ResourceBudget, reservations: ResourceReservation[], uses: ResourceUsage[]) {
  const changes = uses.map(({ recordedAt, amount }) => ({ at: recordedAt, spent: Number(amount), reserved: 0 }));
  for (const { createdAt, amount, ...state } of reservations) {
    changes.push({ at: createdAt, spent: 0, reserved: Number(amount) });
    if (state.state !== "active") changes.push({ at: state.endedAt, spent: 0, reserved: -Number(amount) });
  }
  changes.sort((a, b) => a.at - b.at);
  const began = changes[0]?.at ?? 0;
  let [spent, reserved] = [0, 0];
  const rows = changes.map((change) => ({ at: (change.at - began) / 1_000, spent: (spent += change.spent), reserved: (reserved += change.reserved) }));
  return {
    seconds: rows.map(({ at }) => at),
    values: [rows.map(({ spent }) => spent), rows.map(({ reserved }) => Math.max(0, reserved)), rows.map(() => Number(budget.allocatedAmount))],
  };
}

export const BudgetsLink = () => <a href={BUDGETS} aria-current={route.value.at === "budgets" ? "page" : undefined} data-testid="to-budgets">Budgets</a>;
