//! Runs random graphs of steps in a process that may die at any call of its store: a step is claimed once at a time,
//! after those that it depends on, and completed steps are undone in reverse order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runstate::decision::EngineSettings;
use runstate::domain::apps::DOMAIN;
use runstate::engine::{Engine, Error, RunLimit};
use runstate::store::Store;
use runstate::store::layer::Method;
use runstate::testing::{Fault, FaultStore};
use runstate::testing::{SimHost, SimIds};
use runstate::time::Millis;
use serde_json::{Value as Json, json};

use super::agreement::{claim_of, expect_agreement};

/// When a process dies.
pub enum Deaths {
    /// Never.
    None,
    /// At this call of this method in the commands of a run, before or after the store has done it.
    Once(Method, u64, Fault),
    /// In every third operation, at a random call.
    Often(SimIds),
}

/// A process that executes an app. After its death another one repeats its operation, under the same command id.
struct Process {
    host: SimHost,
    engine: Engine,
    store: Arc<FaultStore<Arc<dyn Store>>>,
    deaths: Deaths,
    operations: u32,
    /// The number of processes that have died.
    died: u32,
}

async fn open_engine(host: &SimHost, store: Arc<dyn Store>) -> Engine {
    Engine::with_settings(store, Arc::new(host.clone()), &[&DOMAIN], EngineSettings::default()).await.unwrap()
}

impl Process {
    async fn open(store: Arc<dyn Store>, deaths: Deaths) -> Self {
        let store = Arc::new(FaultStore::new(store));
        let host = SimHost::default();
        let engine = open_engine(&host, store.clone()).await;
        Self { host, engine, store, deaths, operations: 0, died: 0 }
    }

    /// Runs `work` until a process survives it.
    async fn survive<T>(&mut self, work: impl AsyncFn(&Engine) -> Result<T, Error>) -> Result<T, Error> {
        loop {
            let planned = self.plan_death();
            let result = work(&self.engine).await;
            let is_dead = self.store.is_dead();
            self.store.heal();
            if let (Deaths::Once(method, nth, _), Some(before)) = (&mut self.deaths, planned) {
                *nth = nth.saturating_sub(self.store.calls(*method) - before);
            }
            if !is_dead {
                return result;
            }
            self.died += 1;
            self.engine = open_engine(&self.host, self.store.clone()).await;
        }
    }

    /// Plans the death of this process. Returns the number of calls of its method so far.
    fn plan_death(&self) -> Option<u64> {
        let (method, nth, fault) = match &self.deaths {
            Deaths::Once(method, nth, fault) if *nth > 0 => (*method, *nth, fault.clone()),
            Deaths::Often(ids) if ids.below(3) == 0 => {
                let method = [Method::Get, Method::Query, Method::Commit][ids.below(3)];
                (method, 1 + ids.below(3) as u64, [Fault::DieBefore, Fault::DieAfter][ids.below(2)].clone())
            }
            _ => return None,
        };
        self.store.plan(method, nth, fault);
        Some(self.store.calls(method))
    }

    async fn command(&mut self, name: &str, mut parameters: Json) -> Result<Json, Error> {
        self.operations += 1;
        parameters["commandId"] = format!("operation-{}", self.operations).into();
        self.survive(async |engine| call(engine, name, parameters.clone()).await).await
    }

    async fn ok_command(&mut self, name: &str, parameters: Json) -> Json {
        self.command(name, parameters).await.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The result of a query.
    async fn find(&self, name: &str, parameters: Json) -> Json {
        call(&self.engine, name, parameters).await.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    async fn show(&self) -> Json {
        self.find("execution.show", json!({"id": "e"})).await
    }

    async fn steps(&self) -> Vec<Json> {
        self.find("execution.steps", json!({"id": "e"})).await.as_array().unwrap().clone()
    }

    /// The status of each step: `1 completed, 2 pending`.
    async fn statuses(&self) -> String {
        let status = |step: &Json| format!("{} {}", step["stepId"], step["status"].as_str().unwrap());
        self.steps().await.iter().map(status).collect::<Vec<_>>().join(", ")
    }

    /// Checks that all documents agree with their declarations and with each other.
    async fn check(&self) {
        let findings = self.engine.verify(|_| {}).await.unwrap().findings;
        assert!(findings.is_empty(), "{findings:?}");
        let mut lists = vec![];
        for name in ["execution.list", "step.list"] {
            lists.push(self.find(name, json!({"limit": 1000})).await["items"].as_array().unwrap().clone());
        }
        expect_agreement(&lists[0], &lists[1]);
    }

    /// Waits, and does the work that is due then.
    async fn wait(&mut self, time: Millis) {
        self.host.clock.advance(time);
        let report = self.survive(async |engine| engine.run_due(10_000, RunLimit::Stop).await).await.unwrap();
        assert!(report.failed.is_empty(), "{report:?}");
    }
}

/// Calls an operation of the domain.
async fn call(engine: &Engine, name: &str, parameters: Json) -> Result<Json, Error> {
    engine.call(&format!("apps.{name}"), parameters.as_object().unwrap().clone()).await
}

/// A graph of this number of steps, each of which depends on earlier ones.
fn random_configuration(ids: &SimIds, steps: usize) -> Json {
    let step = |id: usize| {
        let mut depends_on = BTreeSet::new();
        for _ in 0..ids.below(3).min(id - 1) {
            depends_on.insert(1 + ids.below(id - 1));
        }
        let mut step = json!({"id": id, "name": format!("s{}", id % 5), "depends_on": depends_on});
        match ids.below(8) {
            0 => step["when"] = json!(true),
            1 if !depends_on.is_empty() => {
                let path = format!("$.steps.{}.output.odd", depends_on.iter().next().unwrap());
                step["when"] = json!({"value": path, "equals": true});
            }
            2 | 3 => step["compensate"] = json!({"name": "undo"}),
            4 => step["always"] = json!(true),
            _ => {}
        }
        if ids.below(2) == 0 {
            step["retry"] = json!({"max_attempts": 1 + ids.below(3), "backoff_ms": 1_000});
        }
        step
    };
    let policy = ["fail_fast", "continue"][ids.below(2)];
    json!({"steps": (1..=steps).map(step).collect::<Vec<_>>(), "settings": {"on_failure": policy}})
}

/// The knowledge of the test about one execution.
#[derive(Default)]
struct Observation {
    /// The claims, by the numbers of their steps.
    claims: BTreeMap<i64, Json>,
    /// The steps in the order in which they were completed.
    completed: Vec<i64>,
    /// The steps whose undoing began, in this order.
    undone: Vec<i64>,
}

impl Observation {
    async fn claim(&mut self, process: &Process, configuration: &Json, work: &Json) {
        let step = work["claimed"]["stepId"].as_i64().unwrap();
        let attempts = work["claimed"]["attempts"].as_u64().unwrap();
        if step < 0 {
            if attempts == 1 && !self.undone.contains(&-step) {
                self.undone.push(-step);
            }
        } else {
            let statuses: BTreeMap<i64, Json> = process
                .steps()
                .await
                .into_iter()
                .map(|one| (one["stepId"].as_i64().unwrap(), one["status"].clone()))
                .collect();
            for on in configuration["steps"][step as usize - 1]["depends_on"].as_array().unwrap() {
                let status = statuses[&on.as_i64().unwrap()].as_str().unwrap();
                // With `always` it may begin after a failure, when the others do not begin any more.
                let may_begin: &[&str] = match configuration["steps"][step as usize - 1]["always"] == true {
                    true => &["completed", "skipped", "failed", "pending"],
                    false => &["completed", "skipped"],
                };
                assert!(may_begin.contains(&status), "step {step} began while {on} was {status}");
            }
        }
        self.claims.insert(step, work.clone());
    }
}

/// The end of an execution.
#[derive(Debug, PartialEq)]
pub struct RunEnd {
    pub status: String,
    statuses: String,
    progress: Json,
}

/// Runs a random graph on a store by processes that die so. Also returns how many have died.
pub async fn run_on(store: Arc<dyn Store>, deaths: Deaths, ids: &SimIds, steps: usize, rate: usize) -> (RunEnd, u32) {
    let mut process = Process::open(store, deaths).await;
    let end = run(&mut process, ids, steps, rate).await;
    (end, process.died)
}

/// Runs random commands on a random graph until the execution has ended. Of `rate` claimed steps one fails.
async fn run(process: &mut Process, ids: &SimIds, steps: usize, rate: usize) -> RunEnd {
    let configuration = random_configuration(ids, steps);
    let version = json!({
        "appId": 1, "appName": "suite", "version": "1.0.0", "configuration": configuration, "activate": true
    });
    process.find("configuration.save", version).await;
    process.ok_command("execution.start", json!({"appId": 1, "userId": "u", "id": "e", "input": {}})).await;
    let names = json!(["s0", "s1", "s2", "s3", "s4", "undo"]);
    let mut observed = Observation::default();
    for round in 0.. {
        assert!(round < 100 * steps, "the execution does not end: {}", process.statuses().await);
        if round % 16 == 0 {
            process.check().await;
        }
        let work = process.ok_command("step.claim", json!({"names": names, "owner": "w"})).await;
        if !work.is_null() {
            observed.claim(process, &configuration, &work).await;
        }
        let held: Vec<i64> = observed.claims.keys().copied().collect();
        if !held.is_empty() && ids.below(4) > 0 {
            let step = held[ids.below(held.len())];
            let claim = observed.claims.remove(&step).unwrap();
            let is_open = |error: &str| error == "stale_claim";
            let result = match ids.below(rate) {
                0 => process.command("step.fail", claim_of(&claim, json!({"message": "broken"}))).await,
                1 => process.command("step.release", claim_of(&claim, json!({}))).await,
                _ => {
                    let output = claim_of(&claim, json!({"output": {"odd": step % 2 == 1}}));
                    let result = process.command("step.complete", output).await;
                    if result.is_ok() && step > 0 {
                        observed.completed.push(step);
                    }
                    result
                }
            };
            // Its lease may have ended, or another step has failed.
            assert!(result.as_ref().err().is_none_or(|error| is_open(error.code.as_str())), "{result:?}");
        }
        if ids.below(10) == 0 {
            process.wait(Millis::seconds(1 << ids.below(6))).await;
        }
        if work.is_null() && held.is_empty() {
            process.wait(Millis::seconds(5)).await;
        }
        let status = process.show().await["status"].as_str().unwrap().to_owned();
        let failed: Vec<i64> = process
            .steps()
            .await
            .iter()
            .filter(|step| step["status"] == "failed")
            .map(|step| step["stepId"].as_i64().unwrap())
            .collect();
        if status == "failed" && ids.below(3) > 0 && !failed.is_empty() {
            let name = ["step.retry", "step.skip"][ids.below(2)];
            let step = failed[ids.below(failed.len())];
            let result = process.command(name, json!({"executionId": "e", "stepId": step})).await;
            assert!(result.as_ref().err().is_none_or(|error| error.code.as_str() == "compensated"), "{result:?}");
        } else if status != "running" {
            break;
        }
    }
    process.check().await;
    let undoable = |step: &i64| !configuration["steps"][*step as usize - 1]["compensate"].is_null();
    let mut expected: Vec<i64> = observed.completed.iter().copied().filter(undoable).collect();
    expected.reverse();
    let status = process.show().await["status"].as_str().unwrap().to_owned();
    match status.as_str() {
        "failed" => assert_eq!(observed.undone, expected, "undone in another order"),
        _ => assert!(observed.undone.is_empty(), "{:?} of a {status} execution", observed.undone),
    }
    RunEnd { status, statuses: process.statuses().await, progress: process.show().await["progress"].clone() }
}
