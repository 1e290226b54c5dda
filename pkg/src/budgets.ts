// `rs.budgets`: the budgets of projects, and of any other owner. All operations come from generated classes.

import type { Engine } from "./engine.js";
import {
  FleetBudgetAccountOperations, FleetBudgetEventOperations, FleetBudgetOperations, FleetExchangeRateOperations,
  FleetReservationOperations, FleetUsageOperations,
} from "./generated.js";

/**
 * Budgets: how much of a resource an owner may use in a period. An owner is a project, or any other id. Pages have them
 * by `runstate/full`. Every method rejects with a `RunstateError`.
 *
 * @example
 * const money = { resourceType: "money", unit: "CAD" } as const;
 * await rs.budgets.create("team-a", { ...money, budgetPeriod: "daily", allocatedAmount: "10" });
 */
export class Budgets extends FleetBudgetOperations {
  /** The budgets of an owner for one resource, with the plans of later periods. */
  readonly account: FleetBudgetAccountOperations;
  /** Warnings and overruns. */
  readonly event: FleetBudgetEventOperations;
  /** The prices of currencies in Canadian dollars. */
  readonly exchangeRate: FleetExchangeRateOperations;
  /** Amounts that are reserved before they are used. */
  readonly reservation: FleetReservationOperations;
  /** Uses. */
  readonly usage: FleetUsageOperations;

  /** @internal */
  constructor(engine: Engine) {
    super(engine);
    this.account = new FleetBudgetAccountOperations(engine);
    this.event = new FleetBudgetEventOperations(engine);
    this.exchangeRate = new FleetExchangeRateOperations(engine);
    this.reservation = new FleetReservationOperations(engine);
    this.usage = new FleetUsageOperations(engine);
  }
}
