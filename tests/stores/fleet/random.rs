//! Random commands on budgets against a model, on each store, by processes that die.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use runstate::domain::fleet::BudgetPeriod;
use runstate::engine::{Error, RunLimit};
use runstate::store::layer::Method;
use runstate::store::{Memory, Store};
use runstate::testing::{Fault, FaultStore};
use runstate::testing::{SimIds, block_on};
use runstate::time::{Date, Millis, Timestamp};
use serde_json::{Value as Json, json};

use super::scene::{FleetScene, money, text};
use crate::settings::is_full_run;
use crate::support::handles::simulated_files;

/// The budgets, in millionths.
const BUDGETS: [(&str, BudgetPeriod, i64); 3] = [
    ("daily", BudgetPeriod::Daily, 10_000_000),
    ("weekly", BudgetPeriod::Weekly, 30_000_000),
    ("total", BudgetPeriod::Total, 200_000_000),
];

/// When a process dies.
enum BudgetDeaths {
    /// Never.
    None,
    /// At this call of this method, before or after the store has done it.
    Once(Method, u64, Fault),
    /// In every third operation, at a random call.
    Often(SimIds),
}

/// A process. After its death another one repeats its operation, under the same command id.
struct BudgetProcess {
    scene: FleetScene,
    store: Arc<FaultStore<Arc<dyn Store>>>,
    deaths: BudgetDeaths,
    operations: u32,
    died: u32,
}

impl Deref for BudgetProcess {
    type Target = FleetScene;

    fn deref(&self) -> &FleetScene {
        &self.scene
    }
}

impl BudgetProcess {
    fn new(store: Arc<dyn Store>, deaths: BudgetDeaths) -> Self {
        let store = Arc::new(FaultStore::new(store));
        let scene = FleetScene::with_store(store.clone());
        scene.create_project();
        for (period, _, allocated) in BUDGETS {
            scene.budget(period, &decimal(allocated));
        }
        Self { scene, store, deaths, operations: 0, died: 0 }
    }

    /// Runs `work` until a process survives it.
    fn survive<T>(&mut self, work: impl Fn(&FleetScene) -> Result<T, Error>) -> Result<T, Error> {
        loop {
            let planned = self.plan_death();
            let result = work(&self.scene);
            let is_dead = self.store.is_dead();
            self.store.heal();
            if let (BudgetDeaths::Once(method, nth, _), Some(before)) = (&mut self.deaths, planned) {
                *nth = nth.saturating_sub(self.store.calls(*method) - before);
            }
            if !is_dead {
                return result;
            }
            self.died += 1;
            self.scene = self.scene.reopen(self.store.clone());
        }
    }

    /// Plans the death of this process. Returns the number of calls of its method so far.
    fn plan_death(&self) -> Option<u64> {
        let (method, nth, fault) = match &self.deaths {
            BudgetDeaths::Once(method, nth, fault) if *nth > 0 => (*method, *nth, fault.clone()),
            BudgetDeaths::Often(ids) if ids.below(3) == 0 => {
                let method = [Method::Get, Method::Commit][ids.below(2)];
                (method, 1 + ids.below(3) as u64, [Fault::DieBefore, Fault::DieAfter][ids.below(2)].clone())
            }
            _ => return None,
        };
        self.store.plan(method, nth, fault);
        Some(self.store.calls(method))
    }

    fn command(&mut self, name: &str, mut parameters: Json) -> Result<Json, Error> {
        self.operations += 1;
        parameters["commandId"] = format!("operation-{}", self.operations).into();
        self.survive(|scene| scene.call(name, parameters.clone()))
    }

    fn now(&self) -> Timestamp {
        self.scene.host.clock.now()
    }
}

fn decimal(millionths: i64) -> String {
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A budget in the model: its used and its reserved amount in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct ModelBudget {
    used: i64,
    reserved: i64,
}

/// A reservation in the model.
struct ModelReservation {
    uuid: String,
    amount: i64,
    expires_at: Timestamp,
    budgets: Vec<(usize, Date)>,
    ended_at: Option<Timestamp>,
}

/// The specification, in numbers of the machine.
#[derive(Default)]
struct BudgetModel {
    budgets: BTreeMap<(usize, Date), ModelBudget>,
    reservations: Vec<ModelReservation>,
}

impl BudgetModel {
    fn covering(now: Timestamp) -> Vec<(usize, Date)> {
        (0..).zip(BUDGETS).map(|(index, (_, period, _))| (index, period.days(Date::of(now)).0)).collect()
    }

    fn admits(&self, now: Timestamp, amount: i64) -> bool {
        Self::covering(now).iter().all(|key| {
            let budget = self.budgets.get(key).copied().unwrap_or_default();
            budget.used + budget.reserved + amount <= BUDGETS[key.0].2
        })
    }

    fn add(&mut self, keys: &[(usize, Date)], used: i64, reserved: i64) {
        for key in keys {
            let budget = self.budgets.entry(*key).or_default();
            (budget.used, budget.reserved) = (budget.used + used, budget.reserved + reserved);
        }
    }

    /// Ends a reservation with what was used of it.
    fn end(&mut self, index: usize, used: i64, now: Timestamp) {
        let one = &mut self.reservations[index];
        let reserved = if one.ended_at.is_none() { -one.amount } else { 0 };
        one.ended_at.get_or_insert(now);
        let keys = one.budgets.clone();
        self.add(&keys, used, reserved);
    }
}

fn check(process: &BudgetProcess, model: &BudgetModel) {
    for row in process.items("budget.list", json!({})) {
        let period = text(&row["budgetPeriod"]);
        let index = BUDGETS.iter().position(|(name, ..)| *name == period).unwrap();
        let start = Date::parse(row["periodStart"].as_str().unwrap()).unwrap();
        let expected = model.budgets.get(&(index, start)).copied().unwrap_or_default();
        let overrun = (expected.used + expected.reserved - BUDGETS[index].2).max(0);
        let found = ["usedAmount", "reservedAmount", "overrunAmount"].map(|name| text(&row[name]));
        assert_eq!(found, [expected.used, expected.reserved, overrun].map(decimal), "{period} {start}");
    }
    process.verify();
}

/// Runs random commands, and returns the model at the end.
fn run(process: &mut BudgetProcess, ids: &SimIds, rounds: usize) -> Vec<ModelBudget> {
    let mut model = BudgetModel::default();
    let amount = |largest: usize| 1 + ids.below(largest) as i64;
    for round in 0..rounds {
        let now = process.now();
        let pick = |model: &BudgetModel| ids.below(model.reservations.len().max(1));
        match ids.below(9) {
            0..=2 => {
                let amount = amount(4_000_000);
                let mut parameters = money(&decimal(amount));
                let ttl = Millis::minutes(1 + ids.below(2_000) as i64);
                parameters["ttlMs"] = ttl.0.into();
                match process.command("budget.reserve", parameters) {
                    Ok(reserved) => {
                        assert!(model.admits(now, amount));
                        let budgets = BudgetModel::covering(now);
                        model.add(&budgets, 0, amount);
                        let (uuid, expires_at) = (text(&reserved["id"]), now + ttl);
                        model.reservations.push(ModelReservation { uuid, amount, expires_at, budgets, ended_at: None });
                    }
                    Err(error) => {
                        assert_eq!(error.code.as_str(), "budget_exceeded");
                        assert!(!model.admits(now, amount));
                    }
                }
            }
            3 | 4 => {
                let amount = amount(3_000_000);
                let result = process.command("usage.record", money(&decimal(amount)));
                assert_eq!(result.is_ok(), model.admits(now, amount), "{result:?}");
                if result.is_ok() {
                    model.add(&BudgetModel::covering(now), amount, 0);
                }
            }
            5 if !model.reservations.is_empty() => {
                // Committed ones leave the model: a second commit is rejected.
                let index = pick(&model);
                let actual = ids.below(6_000_000) as i64;
                let commit = json!({"id": model.reservations[index].uuid, "actual": decimal(actual)});
                process.command("reservation.commit", commit.clone()).unwrap();
                let again = process.command("reservation.commit", commit).unwrap_err();
                assert_eq!(again.code.as_str(), "illegal_transition");
                model.end(index, actual, now);
                model.reservations.remove(index);
            }
            6 if !model.reservations.is_empty() => {
                let index = pick(&model);
                let released = process.command("reservation.release", json!({"id": model.reservations[index].uuid}));
                assert_eq!(released.is_ok(), model.reservations[index].ended_at.is_none(), "{released:?}");
                model.end(index, 0, now);
            }
            7 | 8 => {
                process.scene.host.clock.advance(Millis::minutes(ids.below(3_000) as i64));
                let report = process.survive(|scene| block_on(scene.engine.run_due(10_000, RunLimit::Stop))).unwrap();
                assert!(report.failed.is_empty(), "{report:?}");
                let now = process.now();
                for index in 0..model.reservations.len() {
                    if model.reservations[index].expires_at <= now {
                        model.end(index, 0, now);
                    }
                }
                // Their rows are removed after 30 days.
                model.reservations.retain(|one| one.ended_at.is_none_or(|ended| now.since(ended) < Millis::days(30)));
            }
            _ => {}
        }
        if round % 16 == 15 {
            check(process, &model);
        }
    }
    check(process, &model);
    model.budgets.into_values().collect()
}

fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::new())
}

#[test]
fn random_commands_on_budgets_agree_with_the_model() {
    for seed in 0..20 {
        run(&mut BudgetProcess::new(memory(), BudgetDeaths::None), &SimIds::new(seed), 150);
    }
}

#[test]
fn a_death_at_any_call_of_the_store_changes_no_budget() {
    // The short run lets every eighth call die.
    let (seeds, stride) = if is_full_run() { (2, 2) } else { (1, 8) };
    for seed in 0..seeds {
        let run_with = |deaths| {
            let mut process = BudgetProcess::new(memory(), deaths);
            (run(&mut process, &SimIds::new(seed), 40), process)
        };
        let (calm, _) = run_with(BudgetDeaths::None);
        let mut deaths = 0;
        for (method, fault) in [Method::Get, Method::Query, Method::Commit]
            .into_iter()
            .flat_map(|method| [(method, Fault::DieBefore), (method, Fault::DieAfter)])
        {
            for nth in (1..).step_by(stride) {
                let (end, process) = run_with(BudgetDeaths::Once(method, nth, fault.clone()));
                assert_eq!(end, calm, "seed {seed}: {fault:?} at call {nth} of {method:?}");
                if process.died == 0 {
                    break;
                }
                deaths += 1;
            }
        }
        println!("seed {seed}: {deaths} deaths");
        assert!(deaths > 50 / stride, "{deaths}");
    }
}

#[test]
fn budgets_end_alike_on_every_store_whatever_dies() {
    for seed in 100..if is_full_run() { 106 } else { 101 } {
        let expected = run(&mut BudgetProcess::new(memory(), BudgetDeaths::None), &SimIds::new(seed), 200);
        for store in [memory(), simulated_files()] {
            let mut process = BudgetProcess::new(store, BudgetDeaths::Often(SimIds::new(1_000 + seed)));
            assert_eq!(run(&mut process, &SimIds::new(seed), 200), expected, "seed {seed}");
            println!("seed {seed}: {} deaths", process.died);
            assert!(process.died > 10, "{}", process.died);
        }
    }
}
