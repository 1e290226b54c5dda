//! Random commands on calls with costs, by processes that die: whatever happens, no budget is overspent, and none
//! counts an amount twice.

use std::sync::Arc;

use runstate::client::{Answer, Cvm};
use runstate::domain::cvm::{CC_HISTORY, Fail, Work};
use runstate::engine::{Error, RunLimit};
use runstate::operation::Backoff;
use runstate::schema::Query;
use runstate::store::layer::Method;
use runstate::store::{Freshness, Memory, Store};
use runstate::testing::{Fault, FaultStore};
use runstate::testing::{SimIds, block_on};
use runstate::time::Millis;
use runstate::value::{self, Json};
use serde_json::json;

use super::costs::CostScene;
use super::scene::{PROJECT, text};
use crate::settings::is_full_run;
use crate::support::handles::simulated_files;

/// The resources of the budgets, with their units.
const RESOURCES: [(&str, &str); 2] = [("money", "CAD"), ("api_calls", "calls")];

/// Codes of commands that came too late, or whose budget did not have the amount.
const REJECTIONS: [&str; 7] = [
    "already_answered",
    "budget_exceeded",
    "circuit_open",
    "deadline_passed",
    "illegal_transition",
    "not_found",
    "stale_claim",
];

/// A worker's process on the store. After its death another one repeats its command, under the same id.
struct CostProcess {
    scene: CostScene,
    store: Arc<FaultStore<Arc<dyn Store>>>,
    ids: SimIds,
    dies: bool,
    deaths: u32,
    commands: u32,
    /// Budgets with what was used of them, in millionths.
    budgets: Vec<(String, i64)>,
    works: Vec<Work>,
    executions: u32,
}

impl CostProcess {
    fn new(store: Arc<dyn Store>, seed: u64, dies: bool) -> Self {
        let store = Arc::new(FaultStore::new(store));
        let scene = CostScene::with_store(store.clone());
        let budget = |(resource, unit): (&str, &str)| {
            let budget = json!({
                "owner": PROJECT, "resourceType": resource, "budgetPeriod": "total", "allocatedAmount": "4",
                "unit": unit,
            });
            (text(&scene.fleet.ok("budget.create", budget)["id"]), 0)
        };
        let budgets = RESOURCES.into_iter().map(budget).collect();
        let (ids, works) = (SimIds::new(seed), Vec::new());
        Self { scene, store, ids, dies, deaths: 0, commands: 0, budgets, works, executions: 0 }
    }

    /// Runs a command until a process survives it.
    fn command<T>(&mut self, run: impl Fn(&Cvm) -> Result<T, Error>) -> Result<T, Error> {
        self.commands += 1;
        let id = runstate::id::CommandId::new(&format!("command-{}", self.commands)).unwrap();
        loop {
            if self.dies && self.ids.below(3) == 0 {
                let method = [Method::Get, Method::Commit][self.ids.below(2)];
                let fault = [Fault::DieBefore, Fault::DieAfter][self.ids.below(2)].clone();
                self.store.plan(method, 1 + self.ids.below(2) as u64, fault);
            }
            let result = run(&self.scene.cvm.with_id(&id));
            let is_dead = self.store.is_dead();
            self.store.heal();
            if !is_dead {
                if let Err(error) = &result {
                    assert!(REJECTIONS.contains(&error.code.as_str()), "{error}");
                }
                return result;
            }
            self.deaths += 1;
            let fleet = self.scene.fleet.reopen(self.store.clone());
            self.scene = CostScene { cvm: Cvm::new(&fleet.engine), fleet };
        }
    }

    /// Adds a cost to what was used.
    fn add_used(&mut self, resource: &str, amount: &str) {
        let at = RESOURCES.iter().position(|(name, _)| *name == resource).unwrap();
        self.budgets[at].1 += millionths(amount);
    }

    /// Starts an execution that waits for one to four calls.
    fn start(&mut self) {
        self.executions += 1;
        let call = |ids: &SimIds| {
            let (resource, unit) = RESOURCES[ids.below(2)];
            let amount = (1 + ids.below(9)) as f64 / 4.0;
            let deadline = if ids.below(3) == 0 { "timeoutMs: 50000, default: 1" } else { "" };
            format!(
                r#"{{ tool: "draw", cost: {{ owner: "{PROJECT}", resource: "{resource}", amount: {amount}, unit: "{unit}" }}, {deadline} }}"#
            )
        };
        let calls: Vec<String> = (0..=self.ids.below(4)).map(|_| call(&self.ids)).collect();
        let source = format!("for (let i = 0; i < 3; i++) try {{ CC.all([{}]) }} catch (e) {{}}", calls.join(", "));
        self.scene.start_source(&format!("run-{}", self.executions), &source);
    }

    fn claim(&mut self) {
        let lease = Millis::seconds(5 + self.ids.below(60) as i64);
        let claimed = self.command(|cvm| block_on(cvm.claim(&["draw".to_owned()], "worker", lease)));
        self.works.extend(claimed.unwrap());
    }

    /// Completes work that was claimed, with its cost or another one.
    fn complete(&mut self, work: &Work) {
        let cost = work.call.cost.clone().unwrap();
        let actual = (self.ids.below(3) == 0).then(|| (self.ids.below(12) as f64 / 4.0).to_string());
        let answer = || actual.iter().fold(Answer::from("a"), |answer, actual| answer.cost(actual));
        let is_recorded = |error: Error| error.message.ends_with("only the cost was recorded");
        let completed = self.command(|cvm| block_on(cvm.complete(&work.claimed, answer())));
        if completed.is_ok() || completed.is_err_and(is_recorded) {
            self.add_used(&cost.resource, actual.as_deref().unwrap_or(&cost.amount));
        }
    }

    /// Answers any open call, without a claim.
    fn answer(&mut self) {
        let id = format!("run-{}", 1 + self.ids.below(self.executions as usize));
        let calls = block_on(self.scene.cvm.show(&id)).unwrap().calls;
        if calls.is_empty() {
            return;
        }
        let call = &calls[self.ids.below(calls.len())];
        let cost = call.cost.clone().unwrap();
        if self.command(|cvm| block_on(cvm.answer(&id, Answer::to_call(&call.id).value("p")))).is_ok() {
            self.add_used(&cost.resource, &cost.amount);
        }
    }

    fn fail(&mut self, work: &Work) {
        let retry = (self.ids.below(2) == 0).then(Backoff::default);
        let (execution, call) = (work.claimed.execution.clone(), work.claimed.call.clone());
        let token = work.claimed.token;
        let fail = Fail { execution, call, token, message: "no".into(), retry, ..Fail::default() };
        _ = self.command(|cvm| block_on(cvm.fail(&fail)));
    }

    /// Waits, and does the work that is due then.
    fn wait(&mut self) {
        self.scene.fleet.host.clock.advance(Millis::seconds(self.ids.below(90) as i64));
        let report = block_on(self.scene.fleet.engine.run_due(10_000, RunLimit::Stop)).unwrap();
        assert!(report.failed.is_empty(), "{report:?}");
    }

    fn raise(&mut self) {
        let (budget, used) = &self.budgets[self.ids.below(2)];
        let allocated = used / 1_000_000 + self.ids.below(8) as i64;
        let change = json!({"id": budget, "allocatedAmount": allocated.to_string()});
        self.scene.fleet.ok("budget.change", change);
    }

    fn step(&mut self) {
        let held = |process: &mut Self| {
            let count = process.works.len();
            (count > 0).then(|| process.works.swap_remove(process.ids.below(count)))
        };
        match self.ids.below(14) {
            0 => self.start(),
            1..=4 => self.claim(),
            5..=7 => drop(held(self).map(|work| self.complete(&work))),
            8 => drop(held(self).map(|work| self.fail(&work))),
            9 => drop(held(self).map(|work| self.command(|cvm| block_on(cvm.release(&work.claimed))))),
            10 => {
                let Some(work) = held(self) else { return };
                _ = self.command(|cvm| block_on(cvm.heartbeat(&work.claimed, Millis::seconds(40))));
                self.works.push(work);
            }
            11 => self.answer(),
            12 => match self.ids.below(3) {
                0 => {
                    let id = format!("run-{}", 1 + self.ids.below(self.executions as usize));
                    _ = self.command(|cvm| block_on(cvm.cancel(&id)));
                }
                _ => self.raise(),
            },
            _ => self.wait(),
        }
    }

    /// What attempts have cost of which nothing is known.
    fn unknown(&self, budget: &str) -> Vec<i64> {
        let mut rows = self.scene.fleet.items("usage.list", json!({}));
        rows.retain(|row| row["metadata"]["outcome"] == "unknown" && row["budgets"][0] == budget);
        rows.iter().map(|row| millionths(&text(&row["amount"]))).collect()
    }

    fn check(&self) {
        for (budget, used) in &self.budgets {
            let amounts = self.scene.fleet.amounts(budget).map(|amount| millionths(&amount));
            let [allocated, used_amount, reserved, overrun] = amounts;
            let unknown: i64 = self.unknown(budget).iter().sum();
            assert_eq!(used_amount, *used + unknown, "the used amount is what answers and unknown attempts have cost");
            assert!(used_amount + reserved <= allocated + overrun, "{amounts:?}");
        }
        // Each active reservation belongs to one call, which is open or has ended without its worker.
        let query = Query::of(&CC_HISTORY).limit(10_000);
        let rows = block_on(self.store.query(&query, Freshness::Linearizable)).unwrap().items;
        let mut reservations: Vec<String> = Vec::new();
        for row in &rows {
            let reservation = value::get(&row.stored.document, "claim.reservation").and_then(Json::as_str);
            let outcome = row.stored.document.get("outcome").and_then(Json::as_str);
            let has_answer = matches!(outcome, Some("answered" | "failed"));
            assert!(reservation.is_none() || !has_answer, "{:?}", row.stored.document);
            reservations.extend(reservation.map(str::to_owned));
        }
        for active in self.scene.active() {
            assert_eq!(reservations.iter().filter(|id| **id == active).count(), 1, "{active} of {reservations:?}");
        }
    }
}

fn millionths(amount: &str) -> i64 {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    format!("{whole}{fraction:0<6}").parse().unwrap()
}

/// Runs random commands, and checks the budgets after each. Returns how many processes died, and how many amounts were
/// used.
fn run(mut process: CostProcess, steps: usize) -> (u32, usize) {
    process.start();
    for step in 0..steps {
        process.step();
        process.check();
        if step % 20 == 19 {
            process.scene.fleet.verify();
        }
    }
    // All that is open ends, and gives back what it holds when the leases end.
    for id in 1..=process.executions {
        _ = process.command(|cvm| block_on(cvm.cancel(&format!("run-{id}"))));
    }
    process.check();
    process.scene.fleet.after(Millis::minutes(2));
    process.check();
    process.scene.fleet.verify();
    assert_eq!(process.scene.active(), Vec::<String>::new());
    (process.deaths, process.scene.fleet.items("usage.list", json!({})).len())
}

#[test]
fn random_commands_on_calls_never_overspend_a_budget() {
    let seeds = if is_full_run() { 40 } else { 6 };
    let used: usize = (0..seeds).map(|seed| run(CostProcess::new(Arc::new(Memory::new()), seed, false), 200).1).sum();
    assert!(used > 50, "{used}");
}

#[test]
fn deaths_at_any_command_on_calls_change_no_budget() {
    for seed in 100..if is_full_run() { 110 } else { 101 } {
        for store in [Arc::new(Memory::new()) as Arc<dyn Store>, simulated_files()] {
            let (deaths, used) = run(CostProcess::new(store, seed, true), 200);
            println!("seed {seed}: {deaths} deaths, {used} uses");
            assert!(deaths > 10 && used > 3, "{deaths} {used}");
        }
    }
}
