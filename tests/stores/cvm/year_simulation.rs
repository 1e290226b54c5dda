//! A year of many executions, driven only by `next_due` and `run_due`, by processes that die. At its end, the documents
//! agree with a model that knows only their programs and when they were started.

use std::collections::BTreeMap;
use std::sync::Arc;

use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{CC_HISTORY, EXECUTION_LOGS, EXECUTIONS, Load, Start};
use runstate::engine::{COLLECTIONS as STAGING, RunLimit};
use runstate::id::CommandId;
use runstate::schema::Query;
use runstate::store::layer::Method;
use runstate::store::{COMMANDS, Freshness, Memory, Store, StoreError};
use runstate::testing::{Fault, FaultStore};
use runstate::testing::{SimIds, block_on};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use serde_json::json;

use crate::cvm::documents::StoreDump;
use crate::cvm::scene::{Scene, is_full_run, program, seed};

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;

/// Time for which a finished execution is kept.
const RETENTION: i64 = 30 * DAY;

/// A bound for the delay that all deaths together can cause.
const SLACK: i64 = 2 * HOUR;

/// The end of the year. Nothing is planned for that hour.
const END: i64 = 365 * DAY + 12 * HOUR;

/// The plan of an execution: a program and its input.
#[derive(Clone, Debug)]
enum YearPlan {
    /// Sleeps for so many days each, and prints a line after each.
    Naps(Vec<i64>),
    /// Makes a call that is never answered, with a deadline in so many days, and takes the default.
    Asks(i64),
    /// Makes a call that is never answered, with a deadline in so many days, and fails.
    Fails(i64),
    /// Makes several calls with deadlines in so many days.
    Several(Vec<i64>),
    /// Computes for many slices, then makes a call without a deadline, which is never answered.
    Waits,
    /// Computes for many slices.
    Computes,
}

fn programs() -> Vec<Load> {
    vec![
        program("naps", r#"for (const days of input) { sleep(days * 86400000); console.log("woke after", days); }"#),
        program("asks", r#"console.log(CC("q?", { timeoutMs: input * 86400000, default: "over" }));"#),
        program("fails", r#"console.log("asked"); CC("q?", { timeoutMs: input * 86400000 });"#),
        program(
            "several",
            r#"console.log(CC.all(input.map((days) => ({ prompt: "q?", timeoutMs: days * 86400000, default: days }))).join());"#,
        ),
        program("waits", r#"for (let i = 0; i < 600; i++); console.log("computed"); CC("q?");"#),
        program(
            "computes",
            r#"for (let n = 0; n < 4; n++) { for (let i = 0; i < 300; i++); console.log("part", n); }"#,
        ),
    ]
}

impl YearPlan {
    fn random(ids: &SimIds) -> Self {
        let days = |max: usize| 1 + ids.below(max) as i64;
        match ids.below(8) {
            0 | 1 => YearPlan::Naps((0..days(4)).map(|_| days(60)).collect()),
            2 => YearPlan::Asks(days(200)),
            3 => YearPlan::Fails(days(200)),
            4 | 5 => YearPlan::Several((0..1 + days(3)).map(|_| days(90)).collect()),
            6 => YearPlan::Waits,
            _ => YearPlan::Computes,
        }
    }

    fn program(&self) -> (&'static str, Json) {
        match self {
            YearPlan::Naps(naps) => ("naps", json!(naps)),
            YearPlan::Asks(days) => ("asks", json!(days)),
            YearPlan::Fails(days) => ("fails", json!(days)),
            YearPlan::Several(days) => ("several", json!(days)),
            YearPlan::Waits => ("waits", Json::Null),
            YearPlan::Computes => ("computes", Json::Null),
        }
    }

    /// Time from its start to its end; `None`: it never ends.
    fn duration(&self) -> Option<i64> {
        match self {
            YearPlan::Naps(naps) => Some(naps.iter().sum::<i64>() * DAY),
            YearPlan::Asks(days) | YearPlan::Fails(days) => Some(days * DAY),
            YearPlan::Several(days) => days.iter().max().map(|days| days * DAY),
            YearPlan::Waits => None,
            YearPlan::Computes => Some(0),
        }
    }

    /// The age at the next event after this age; `None`: there is none.
    fn next_event_after(&self, age: i64) -> Option<i64> {
        let is_later = |at: &i64| *at > age;
        match self {
            YearPlan::Naps(naps) => {
                let mut at = 0;
                naps.iter()
                    .map(|days| {
                        at += days * DAY;
                        at
                    })
                    .find(is_later)
            }
            YearPlan::Several(days) => days.iter().map(|days| days * DAY).filter(is_later).min(),
            _ => self.duration().filter(is_later),
        }
    }

    /// The expected status, output and number of calls at that age.
    fn expected_at(&self, age: i64) -> (&'static str, Vec<String>, usize) {
        let has_ended = self.duration().is_some_and(|duration| duration <= age);
        let status = match (has_ended, self) {
            (false, _) => "waiting_cc",
            (true, YearPlan::Fails(_)) => "error",
            (true, _) => "complete",
        };
        let text = |line: &str| line.to_owned();
        let (output, calls) = match self {
            YearPlan::Naps(naps) => {
                let mut at = 0;
                let woke = naps.iter().take_while(|days| {
                    at += **days * DAY;
                    at <= age
                });
                let output: Vec<String> = woke.map(|days| format!("woke after {days}")).collect();
                let calls = naps.len().min(output.len() + 1);
                (output, calls)
            }
            YearPlan::Asks(_) => (if has_ended { vec![text("over")] } else { Vec::new() }, 1),
            YearPlan::Fails(_) => (vec![text("asked")], 1),
            YearPlan::Several(days) => {
                let line = days.iter().map(|days| days.to_string()).collect::<Vec<_>>().join(",");
                (if has_ended { vec![line] } else { Vec::new() }, days.len())
            }
            YearPlan::Waits => (vec![text("computed")], 1),
            YearPlan::Computes => ((0..4).map(|n| format!("part {n}")).collect(), 0),
        };
        (status, output, calls)
    }

    /// Whether none of its events is planned so near to the end that a death could decide.
    fn is_far_from_end(&self, start: i64) -> bool {
        let far = |at: i64| (at - END).abs() > SLACK + HOUR;
        let mut age = 0;
        let mut clear = self.duration().is_none_or(|duration| far(start + duration + RETENTION));
        while let Some(next) = self.next_event_after(age) {
            clear &= far(start + next);
            age = next;
        }
        clear && far(start)
    }
}

/// An execution that is to be started.
struct YearExecution {
    id: String,
    start: i64,
    plan: YearPlan,
}

/// A process: its access to the store, and its commands.
type YearProcess = (Arc<FaultStore<Arc<dyn Store>>>, Cvm);

/// The host: one process at a time, which dies now and then.
struct YearHost {
    scene: Scene,
    start_ms: i64,
    ids: SimIds,
    process: Option<YearProcess>,
    deaths: u32,
    rounds: u32,
}

impl YearHost {
    fn new(seed: u64) -> Self {
        let settings = Settings { slice_instructions: 400, retention: Some(Millis(RETENTION)), ..Settings::default() };
        let scene = Scene::with_programs(Arc::new(Memory::new()), &programs(), settings);
        let start_ms = scene.host.clock.now().as_millis();
        Self { scene, start_ms, ids: SimIds::new(seed), process: None, deaths: 0, rounds: 0 }
    }

    /// The process; for one in so many uses, a fault is planned.
    fn process(&mut self) -> Cvm {
        let scene = &self.scene;
        let (store, cvm) = self.process.get_or_insert_with(|| {
            let store = Arc::new(FaultStore::new(scene.store.clone()));
            (store.clone(), scene.process_over(store))
        });
        if self.ids.below(12) == 0 {
            let unavailable = StoreError::Unavailable { what: "the store".into(), why: "the line is cut".into() };
            let faults = [Fault::DieBefore, Fault::DieAfter, Fault::DieAfter, Fault::FailBefore(unavailable)];
            let method = [Method::Commit, Method::Commit, Method::Commit, Method::Get][self.ids.below(4)];
            store.plan(method, 1 + self.ids.below(4) as u64, faults[self.ids.below(4)].clone());
        }
        cvm.clone()
    }

    /// Drops the process if it has died, and returns whether it has.
    fn drop_if_dead(&mut self) -> bool {
        let dead = self.process.as_ref().is_some_and(|(store, _)| store.is_dead());
        self.deaths += u32::from(dead);
        if dead {
            self.process = None;
        }
        dead
    }

    fn now(&self) -> i64 {
        self.scene.host.clock.now().as_millis() - self.start_ms
    }

    /// Advances the clock, never backwards.
    fn advance_to(&self, at: i64) {
        self.scene.host.clock.set(Timestamp::from_millis(self.start_ms + at.max(self.now())));
    }

    fn next_due(&self) -> Option<i64> {
        block_on(self.scene.process().engine().next_due(runstate::store::Freshness::Linearizable))
            .unwrap()
            .map(|at| at.as_millis() - self.start_ms)
    }

    fn start(&mut self, planned: &YearExecution) {
        let (program, input) = planned.plan.program();
        let start = Start::new(program).id(&planned.id).input(input);
        let command = CommandId::new(&format!("start {}", planned.id)).unwrap();
        // A caller that dies does not know whether the start was committed, and starts again. Others continue an
        // execution that has begun.
        for _ in 0..100 {
            let started = block_on(self.process().with_id(&command).start(&start));
            if !self.drop_if_dead() && started.is_ok() {
                return;
            }
            if self.scene.has_execution(&planned.id) {
                return;
            }
        }
        panic!("{} does not start", planned.id);
    }

    /// Does the work that is due at this moment.
    fn run_due(&mut self) {
        self.rounds += 1;
        let was_due = self.next_due().is_some_and(|next| next <= self.now());
        let cvm = self.process();
        let due = block_on(cvm.engine().run_due(50, RunLimit::Stop));
        if self.drop_if_dead() {
            return;
        }
        let Ok(due) = due else { return };
        if !due.failed.is_empty() {
            return;
        }
        assert!(!was_due || !due.is_empty(), "work was due, and none was found");
        if due.more {
            return;
        }
        // A second process finds nothing at the same moment, and the next due time is later.
        let again = block_on(self.scene.process().engine().run_due(1_000, RunLimit::Stop)).unwrap();
        assert!(again.is_empty(), "{again:?} after {due:?}");
        assert!(self.next_due().is_none_or(|next| next > self.now()));
    }

    fn run_year(&mut self, planned: &[YearExecution]) {
        let mut planned = planned.iter().peekable();
        let mut stuck = 0;
        loop {
            let before = self.now();
            let start = planned.peek().map(|one| one.start);
            let next = self.next_due().into_iter().chain(start).min().unwrap_or(END);
            if next >= END {
                break;
            }
            self.advance_to(next);
            match planned.next_if(|one| one.start <= self.now()) {
                Some(one) => self.start(one),
                None => self.run_due(),
            }
            stuck = if self.now() > before { 0 } else { stuck + 1 };
            assert!(stuck < 1_000, "the clock does not move on from {}", self.now());
        }
        self.advance_to(END);
        block_on(self.scene.process().engine().run_due(u32::MAX, RunLimit::Stop)).unwrap();
    }
}

impl Scene {
    fn has_execution(&self, execution: &str) -> bool {
        let key = runstate::schema::Key::new(&EXECUTIONS, execution);
        block_on(self.store.get(&[key], Freshness::Linearizable)).unwrap()[0].is_some()
    }
}

fn random_plans(many: usize, ids: &SimIds) -> Vec<YearExecution> {
    let mut planned: Vec<YearExecution> = Vec::new();
    while planned.len() < many {
        let (plan, start) = (YearPlan::random(ids), ids.below(360 * 24) as i64 * HOUR + ids.below(3_000_000) as i64);
        if plan.is_far_from_end(start) {
            planned.push(YearExecution { id: format!("run-{}", planned.len()), start, plan });
        }
    }
    planned.sort_by_key(|one| one.start);
    planned
}

#[test]
fn a_year_of_timers_deadlines_retention_and_deaths_ends_as_the_model_says() {
    let seed = seed();
    let ids = SimIds::new(seed);
    let planned = random_plans(if is_full_run() { 1_000 } else { 200 }, &ids);
    let mut host = YearHost::new(seed.wrapping_add(1));
    host.run_year(&planned);
    println!("{} rounds, {} deaths", host.rounds, host.deaths);
    assert!(host.deaths > 10);

    let documents = host.scene.check();
    let mut expected = BTreeMap::new();
    let mut next: Option<i64> = None;
    for YearExecution { id, start, plan } in &planned {
        let age = END - start;
        let is_deleted = plan.duration().is_some_and(|duration| duration + RETENTION <= age);
        if is_deleted {
            continue;
        }
        let deletion = plan.duration().map(|duration| duration + RETENTION);
        next = next.into_iter().chain(plan.next_event_after(age).or(deletion).map(|at| start + at)).min();
        expected.insert(id.clone(), plan.expected_at(age));
    }
    let found: BTreeMap<String, (String, Vec<String>, usize)> = documents
        .collection(&EXECUTIONS)
        .iter()
        .map(|(id, head)| {
            (id.clone(), (head.text("state.status").to_owned(), documents.output(id), documents.calls(id).len()))
        })
        .collect();
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(id, (status, output, calls))| (id, (status.to_owned(), output, calls))).collect();
    assert_eq!(found, expected);
    // Deaths delay it by at most the slack.
    let (due, planned_next) = (host.next_due().unwrap(), next.unwrap());
    assert!((0..=SLACK).contains(&(due - planned_next)), "due at {due}, planned for {planned_next}");
    expect_swept(&host.scene, &documents);
}

/// Expired rows are gone, and neither staged turns nor deleted executions have left rows.
fn expect_swept(scene: &Scene, documents: &StoreDump) {
    let now = scene.host.clock.now();
    let old = |at: i64, days: i64| now.since(Timestamp::from_millis(at)) >= Millis::days(days);
    for (id, row) in documents.collection(&EXECUTION_LOGS) {
        assert!(!old(row.number("timestamp").unwrap(), 30), "log {id}");
    }
    assert!(documents.collection(&CC_HISTORY).values().all(|call| documents.head(call.text("executionId")).is_some()));
    assert!(STAGING.iter().all(|of| documents.collection(of).is_empty()));
    let ledger = block_on(scene.store.query(&Query::of(&COMMANDS), Freshness::Linearizable)).unwrap();
    assert!(ledger.items.iter().all(|row| !old(row.stored.document["at"].as_i64().unwrap(), 7)));
}

#[test]
fn host_is_not_due_while_another_process_deletes() {
    let mut host = YearHost::new(1);
    host.start(&YearExecution { id: "run".into(), start: 0, plan: YearPlan::Computes });
    host.advance_to(RETENTION + HOUR);
    let store = Arc::new(FaultStore::new(host.scene.store.clone()));
    // The process dies after it has marked the execution and before it removes the rows.
    store.plan(Method::Commit, 2, Fault::DieBefore);
    drop(block_on(host.scene.process_over(store.clone()).engine().run_due(10, RunLimit::Stop)));
    assert!(store.is_dead() && host.scene.check().head("run").unwrap().has("deleting"));
    let lease = host.scene.settings.run_lease.0;
    assert_eq!(host.next_due(), Some(host.now() + lease));
    host.advance_to(host.now() + lease);
    host.run_due();
    assert_eq!((host.scene.check().row_count("run"), host.next_due()), (0, None));
}
