//! Clients that use one budget at once, on any store. Each client has an engine of its own. Also used by the tests of
//! the store on MongoDB.

use std::sync::Arc;

use runstate::client::Cvm;
use runstate::domain::fleet::DOMAIN;
use runstate::engine::{Engine, SystemHost};
use runstate::marker::BoxFuture;
use runstate::store::{Store, StoreError};
use runstate::value::Json;
use serde_json::json;

use crate::settings::is_full_run;

pub type StoreFuture = BoxFuture<'static, Result<Arc<dyn Store>, StoreError>>;

/// Opens a store again, as another process does.
pub type StoreOpener<'a> = dyn Fn() -> StoreFuture + 'a;

/// The id of the project.
const PROJECT: &str = "01900000-0000-7000-8000-000000000002";

/// The number of records or calls in the short and in the full run.
pub fn records([short, full]: [usize; 2]) -> usize {
    if is_full_run() { full } else { short }
}

pub async fn open_engine(open: &StoreOpener<'_>) -> Engine {
    Engine::new(open().await.unwrap(), Arc::new(SystemHost), &[&DOMAIN]).await.unwrap()
}

async fn call(engine: &Engine, name: &str, parameters: Json) -> Result<Json, &'static str> {
    let called = engine.call(&format!("fleet.{name}"), parameters.as_object().unwrap().clone()).await;
    called.map_err(|error| error.code.as_str())
}

/// The records that the budgets admit: three quarters.
fn admitted(records: usize) -> usize {
    records * 3 / 4
}

/// Creates a project with budgets for three quarters of `records` records of 0.000001 CAD.
pub async fn create_budgets(engine: &Engine, records: usize) -> Vec<Json> {
    call(engine, "project.create", json!({"name": "p", "greediness": "0.5", "id": PROJECT})).await.unwrap();
    let mut budgets = Vec::new();
    for (period, spare) in [("monthly", 0), ("total", 1)] {
        let allocated = format!("{}.{:06}", 0, admitted(records) + spare);
        let budget = json!({
            "owner": PROJECT, "resourceType": "money", "budgetPeriod": period, "allocatedAmount": allocated,
            "unit": "CAD",
        });
        budgets.push(call(engine, "budget.create", budget).await.unwrap()["id"].clone());
    }
    budgets
}

/// Makes all records of one of `clients` clients at once. Every third one is a reservation that is committed or
/// released. Returns how many were used.
pub async fn record_all(engine: &Engine, client: usize, clients: usize, records: usize) -> usize {
    let record = |n: usize| {
        let engine = engine.clone();
        let amount = json!({"owner": PROJECT, "resourceType": "money", "amount": "0.000001", "unit": "CAD"});
        tokio::spawn(async move {
            if !n.is_multiple_of(3) {
                return call(&engine, "usage.record", amount).await.map(|_| true);
            }
            let reserved = call(&engine, "budget.reserve", amount).await?["id"].clone();
            match n % 2 {
                0 => {
                    let commit = json!({"id": reserved, "actual": "0.000001"});
                    call(&engine, "reservation.commit", commit).await.map(|_| true)
                }
                _ => call(&engine, "reservation.release", json!({"id": reserved})).await.map(|_| false),
            }
        })
    };
    let tasks: Vec<_> = (client..records).step_by(clients).map(record).collect();
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(is_used) => made += usize::from(is_used),
            Err(code) => assert_eq!(code, "budget_exceeded"),
        }
    }
    made
}

/// Checks that the budgets agree with the number of records that were made, and that none was admitted too many.
pub async fn check_budgets(engine: &Engine, budgets: &[Json], made: usize, records: usize) {
    assert!(made <= admitted(records), "{made} of {records} records were admitted");
    // Released reservations leave some of the amount, which the records after them may use.
    assert!(made >= admitted(records) / 2, "only {made} of {records} records were admitted");
    let used = format!("0.{made:06}");
    for budget in budgets {
        let budget = call(engine, "budget.show", json!({"id": budget})).await.unwrap();
        assert_eq!(budget["usedAmount"], used.trim_end_matches('0'));
        assert_eq!((&budget["reservedAmount"], &budget["overrunAmount"]), (&json!("0"), &json!("0")));
    }
    let report = engine.verify(|_| {}).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

/// Concurrent records of `clients` clients use a budget to its last millionth at most.
pub async fn records_at_once_never_overspend(open: &StoreOpener<'_>, clients: usize, records: usize) {
    let mut engines = Vec::new();
    for _ in 0..clients {
        engines.push(open_engine(open).await);
    }
    let budgets = create_budgets(&engines[0], records).await;
    let run = |(client, engine): (usize, &Engine)| {
        let engine = engine.clone();
        tokio::spawn(async move { record_all(&engine, client, clients, records).await })
    };
    let tasks: Vec<_> = engines.iter().enumerate().map(run).collect();
    let mut made = 0;
    for task in tasks {
        made += task.await.unwrap();
    }
    check_budgets(&engines[0], &budgets, made, records).await;
}

/// The source of a program that makes `calls` calls at once, each of which costs 1 CAD.
fn priced_calls(calls: usize) -> String {
    let cost = format!(r#"{{ owner: "{PROJECT}", resource: "money", amount: 1, unit: "CAD" }}"#);
    format!(r#"CC.all(Array.from({{ length: {calls} }}, () => ({{ tool: "draw", cost: {cost} }})))"#)
}

/// Workers of two engines complete calls whose budget has the cost of half of them; then it is raised, and they
/// complete the others.
pub async fn calls_at_once_never_overspend(open: &StoreOpener<'_>, calls: usize) {
    use runstate::client::Answer;
    use runstate::domain::cvm::{self, REFUSAL_DELAY, Start, Status};
    use runstate::testing::SimHost;
    use runstate::time::Millis;

    let host = SimHost::default();
    let mut engines = Vec::new();
    for _ in 0..2 {
        let domains = [&cvm::DOMAIN, &DOMAIN];
        engines.push(Engine::new(open().await.unwrap(), Arc::new(host.clone()), &domains).await.unwrap());
    }
    let engine = &engines[0];
    call(engine, "project.create", json!({"name": "p", "greediness": "0.5", "id": PROJECT})).await.unwrap();
    let budget = json!({
        "owner": PROJECT, "resourceType": "money", "budgetPeriod": "total",
        "allocatedAmount": (calls / 2).to_string(), "unit": "CAD",
    });
    let budget = call(engine, "budget.create", budget).await.unwrap()["id"].clone();
    Cvm::new(engine).load_source("p", &priced_calls(calls)).await.unwrap();
    Cvm::new(engine).start(Start::new("p").id("run")).await.unwrap();
    for (expected, status) in [(calls / 2, Status::WaitingCc), (calls, Status::Complete)] {
        let work = |engine: &Engine| {
            let cvm = Cvm::new(engine);
            tokio::spawn(async move {
                // A claim that finds only refused calls ends with none, and the next one sees the others.
                for idle in 0..calls {
                    while let Some(work) = cvm.claim(&["draw".to_owned()], "w", Millis::minutes(1)).await.unwrap() {
                        cvm.complete(&work.claimed, Answer::from(idle as i64)).await.unwrap();
                    }
                }
            })
        };
        let workers: Vec<_> = engines.iter().flat_map(|engine| [work(engine), work(engine)]).collect();
        for worker in workers {
            worker.await.unwrap();
        }
        let shown = call(engine, "budget.show", json!({"id": budget})).await.unwrap();
        assert_eq!((&shown["usedAmount"], &shown["reservedAmount"]), (&json!(expected.to_string()), &json!("0")));
        assert_eq!(Cvm::new(engine).show("run").await.unwrap().status, status);
        let raised = json!({"id": budget, "allocatedAmount": calls.to_string()});
        call(engine, "budget.change", raised).await.unwrap();
        host.clock.advance(REFUSAL_DELAY);
    }
    let report = engine.verify(|_| {}).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}
