//! A year of many executions, driven by nothing but `next_due` and `run_due`, by processes that die: at its end there is exactly what a model
//! says that knows no more than their programs and when they were started.

use std::collections::BTreeMap;
use std::sync::Arc;

use runstate::domain::cvm::{CC_HISTORY, EXECUTION_LOGS, EXECUTIONS, Load, Start};
use runstate::engine::{COLLECTIONS as STAGING, Cvm, Pace};
use runstate::id::CommandId;
use runstate::limits::Settings;
use runstate::schema::Query;
use runstate::store::layer::{Fault, FaultStore, Method};
use runstate::store::{COMMANDS, Error, Memory, Store};
use runstate::testing::{SimIds, block_on};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use serde_json::json;

use crate::documents::Documents;
use crate::world::{World, full, program, seed};

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;

/// How long a finished execution is kept.
const RETENTION: i64 = 30 * DAY;

/// More than all deaths together can hold anything up.
const SLACK: i64 = 2 * HOUR;

/// When the year ends; nothing is planned for that hour.
const END: i64 = 365 * DAY + 12 * HOUR;

/// What an execution does: a program and its input.
#[derive(Clone, Debug)]
enum Plan {
    /// Naps of so many days, a line after each.
    Naps(Vec<i64>),
    /// Asks nobody for so many days, and takes the default.
    Asks(i64),
    /// Asks nobody for so many days, and fails.
    Fails(i64),
    /// Several questions with deadlines in so many days.
    Several(Vec<i64>),
    /// Computes long, then asks nobody, for ever.
    Waits,
    /// Computes long, in many slices.
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

impl Plan {
    fn random(ids: &SimIds) -> Self {
        let days = |most: usize| 1 + ids.below(most) as i64;
        match ids.below(8) {
            0 | 1 => Plan::Naps((0..days(4)).map(|_| days(60)).collect()),
            2 => Plan::Asks(days(200)),
            3 => Plan::Fails(days(200)),
            4 | 5 => Plan::Several((0..1 + days(3)).map(|_| days(90)).collect()),
            6 => Plan::Waits,
            _ => Plan::Computes,
        }
    }

    fn program(&self) -> (&'static str, Json) {
        match self {
            Plan::Naps(naps) => ("naps", json!(naps)),
            Plan::Asks(days) => ("asks", json!(days)),
            Plan::Fails(days) => ("fails", json!(days)),
            Plan::Several(days) => ("several", json!(days)),
            Plan::Waits => ("waits", Json::Null),
            Plan::Computes => ("computes", Json::Null),
        }
    }

    /// When it ends, counted from its start; `None`: never.
    fn lasts(&self) -> Option<i64> {
        match self {
            Plan::Naps(naps) => Some(naps.iter().sum::<i64>() * DAY),
            Plan::Asks(days) | Plan::Fails(days) => Some(days * DAY),
            Plan::Several(days) => days.iter().max().map(|days| days * DAY),
            Plan::Waits => None,
            Plan::Computes => Some(0),
        }
    }

    /// When something happens next to one that has gone on for so long; `None`: nothing does.
    fn next(&self, age: i64) -> Option<i64> {
        let later = |at: &i64| *at > age;
        match self {
            Plan::Naps(naps) => {
                let mut at = 0;
                naps.iter()
                    .map(|days| {
                        at += days * DAY;
                        at
                    })
                    .find(later)
            }
            Plan::Several(days) => days.iter().map(|days| days * DAY).filter(later).min(),
            _ => self.lasts().filter(later),
        }
    }

    /// What stands there of one of that age: status, output, calls.
    fn stands(&self, age: i64) -> (&'static str, Vec<String>, usize) {
        let over = self.lasts().is_some_and(|lasts| lasts <= age);
        let status = match (over, self) {
            (false, _) => "waiting_cc",
            (true, Plan::Fails(_)) => "error",
            (true, _) => "complete",
        };
        let text = |line: &str| line.to_owned();
        let (output, calls) = match self {
            Plan::Naps(naps) => {
                let mut at = 0;
                let woke = naps.iter().take_while(|days| {
                    at += **days * DAY;
                    at <= age
                });
                let output: Vec<String> = woke.map(|days| format!("woke after {days}")).collect();
                let calls = naps.len().min(output.len() + 1);
                (output, calls)
            }
            Plan::Asks(_) => (if over { vec![text("over")] } else { Vec::new() }, 1),
            Plan::Fails(_) => (vec![text("asked")], 1),
            Plan::Several(days) => {
                let line = days.iter().map(|days| days.to_string()).collect::<Vec<_>>().join(",");
                (if over { vec![line] } else { Vec::new() }, days.len())
            }
            Plan::Waits => (vec![text("computed")], 1),
            Plan::Computes => ((0..4).map(|n| format!("part {n}")).collect(), 0),
        };
        (status, output, calls)
    }

    /// Whether nothing of it is planned so near to the end that a death could decide.
    fn is_clear(&self, start: i64) -> bool {
        let far = |at: i64| (at - END).abs() > SLACK + HOUR;
        let mut age = 0;
        let mut clear = self.lasts().is_none_or(|lasts| far(start + lasts + RETENTION));
        while let Some(next) = self.next(age) {
            clear &= far(start + next);
            age = next;
        }
        clear && far(start)
    }
}

/// One that is to be started.
struct Planned {
    id: String,
    start: i64,
    plan: Plan,
}

/// A process: its way to the store, and what it commands.
type Process = (Arc<FaultStore<Arc<dyn Store>>>, Cvm);

/// The host: one process at a time, which dies now and then.
struct Host {
    world: World,
    began: i64,
    ids: SimIds,
    process: Option<Process>,
    deaths: u32,
    rounds: u32,
}

impl Host {
    fn new(seed: u64) -> Self {
        let settings = Settings { slice_instructions: 400, retention: Some(Millis(RETENTION)), ..Settings::default() };
        let world = World::on(Arc::new(Memory::new()), &programs(), settings);
        let began = world.host.clock.now().as_millis();
        Self { world, began, ids: SimIds::new(seed), process: None, deaths: 0, rounds: 0 }
    }

    /// The process; one in so many has trouble before it.
    fn process(&mut self) -> Cvm {
        let world = &self.world;
        let (store, cvm) = self.process.get_or_insert_with(|| {
            let store = Arc::new(FaultStore::new(world.disk.clone()));
            (store.clone(), world.process_over(store))
        });
        if self.ids.below(12) == 0 {
            let lost = Error::Unavailable { what: "the store".into(), why: "the line is cut".into() };
            let faults = [Fault::DieBefore, Fault::DieAfter, Fault::DieAfter, Fault::Before(lost)];
            let method = [Method::Commit, Method::Commit, Method::Commit, Method::Get][self.ids.below(4)];
            store.plan(method, 1 + self.ids.below(4) as u64, faults[self.ids.below(4)].clone());
        }
        cvm.clone()
    }

    /// Whether nothing went wrong with what the process has just done.
    fn buries(&mut self) -> bool {
        let dead = self.process.as_ref().is_some_and(|(store, _)| store.is_dead());
        self.deaths += u32::from(dead);
        if dead {
            self.process = None;
        }
        dead
    }

    fn now(&self) -> i64 {
        self.world.host.clock.now().as_millis() - self.began
    }

    /// Moves the clock on, never back.
    fn comes_to(&self, at: i64) {
        self.world.host.clock.set(Timestamp::from_millis(self.began + at.max(self.now())));
    }

    fn next_due(&self) -> Option<i64> {
        block_on(self.world.process().next_due()).unwrap().map(|at| at.as_millis() - self.began)
    }

    fn starts(&mut self, planned: &Planned) {
        let (program, input) = planned.plan.program();
        let start = Start::of(program).id(&planned.id).input(input);
        let command = CommandId::new(&format!("start {}", planned.id)).unwrap();
        // Whoever starts and dies knows nothing of it, and starts again; what was begun is left to others.
        for _ in 0..100 {
            let started = block_on(self.process().start(&start, Some(&command)));
            if !self.buries() && started.is_ok() {
                return;
            }
            if self.world.disk_has(&planned.id) {
                return;
            }
        }
        panic!("{} does not start", planned.id);
    }

    /// Does what is due at this moment.
    fn does_what_is_due(&mut self) {
        self.rounds += 1;
        let came_for_it = self.next_due().is_some_and(|next| next <= self.now());
        let cvm = self.process();
        let due = block_on(cvm.run_due(50, Pace::Stop));
        if self.buries() {
            return;
        }
        let Ok(due) = due else { return };
        if !due.failed.is_empty() {
            return;
        }
        assert!(!came_for_it || !due.is_nothing(), "it was time for something, and there was nothing");
        if due.more {
            return;
        }
        // Whoever comes at the same moment finds nothing, and the next moment is another one.
        let again = block_on(self.world.process().run_due(1_000, Pace::Stop)).unwrap();
        assert!(again.is_nothing(), "{again:?} after {due:?}");
        assert!(self.next_due().is_none_or(|next| next > self.now()));
    }

    fn lives(&mut self, planned: &[Planned]) {
        let mut planned = planned.iter().peekable();
        let mut stuck = 0;
        loop {
            let before = self.now();
            let start = planned.peek().map(|one| one.start);
            let next = self.next_due().into_iter().chain(start).min().unwrap_or(END);
            if next >= END {
                break;
            }
            self.comes_to(next);
            match planned.next_if(|one| one.start <= self.now()) {
                Some(one) => self.starts(one),
                None => self.does_what_is_due(),
            }
            stuck = if self.now() > before { 0 } else { stuck + 1 };
            assert!(stuck < 1_000, "the clock does not move on from {}", self.now());
        }
        self.comes_to(END);
        block_on(self.world.process().run_due(u32::MAX, Pace::Stop)).unwrap();
    }
}

impl World {
    fn disk_has(&self, execution: &str) -> bool {
        let key = runstate::schema::Key::new(&EXECUTIONS, execution);
        block_on(self.disk.get(&[key])).unwrap()[0].is_some()
    }
}

fn plans(many: usize, ids: &SimIds) -> Vec<Planned> {
    let mut planned: Vec<Planned> = Vec::new();
    while planned.len() < many {
        let (plan, start) = (Plan::random(ids), ids.below(360 * 24) as i64 * HOUR + ids.below(3_000_000) as i64);
        if plan.is_clear(start) {
            planned.push(Planned { id: format!("run-{}", planned.len()), start, plan });
        }
    }
    planned.sort_by_key(|one| one.start);
    planned
}

#[test]
fn a_year_of_timers_deadlines_retention_and_deaths_ends_as_the_model_says() {
    let seed = seed();
    let ids = SimIds::new(seed);
    let planned = plans(if full() { 1_000 } else { 200 }, &ids);
    let mut host = Host::new(seed.wrapping_add(1));
    host.lives(&planned);
    println!("{} rounds, {} deaths", host.rounds, host.deaths);
    assert!(host.deaths > 10);

    let documents = host.world.check();
    let mut expected = BTreeMap::new();
    let mut next: Option<i64> = None;
    for Planned { id, start, plan } in &planned {
        let age = END - start;
        let gone = plan.lasts().is_some_and(|lasts| lasts + RETENTION <= age);
        if gone {
            continue;
        }
        let kept = plan.lasts().map(|lasts| lasts + RETENTION);
        next = next.into_iter().chain(plan.next(age).or(kept).map(|at| start + at)).min();
        expected.insert(id.clone(), plan.stands(age));
    }
    let found: BTreeMap<String, (String, Vec<String>, usize)> = documents
        .each(&EXECUTIONS)
        .iter()
        .map(|(id, head)| {
            (id.clone(), (head.text("state.status").to_owned(), documents.output(id), documents.calls(id).len()))
        })
        .collect();
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(id, (status, output, calls))| (id, (status.to_owned(), output, calls))).collect();
    assert_eq!(found, expected);
    // Held up by deaths at the most.
    let (due, planned_next) = (host.next_due().unwrap(), next.unwrap());
    assert!((0..=SLACK).contains(&(due - planned_next)), "due at {due}, planned for {planned_next}");
    expect_swept(&host.world, &documents);
}

/// What has expired is gone, and nothing of what was staged or is gone has left a row.
fn expect_swept(world: &World, documents: &Documents) {
    let now = world.host.clock.now();
    let old = |at: i64, days: i64| now.since(Timestamp::from_millis(at)) >= Millis::days(days);
    for (id, row) in documents.each(&EXECUTION_LOGS) {
        assert!(!old(row.number("timestamp").unwrap(), 30), "log {id}");
    }
    assert!(documents.each(&CC_HISTORY).values().all(|call| documents.head(call.text("executionId")).is_some()));
    assert!(STAGING.iter().all(|of| documents.each(of).is_empty()));
    let ledger = block_on(world.disk.query(&Query::of(&COMMANDS))).unwrap();
    assert!(ledger.rows.iter().all(|row| !old(row.stored.document["at"].as_i64().unwrap(), 7)));
}

#[test]
fn a_host_is_not_called_for_what_somebody_deletes() {
    let mut host = Host::new(1);
    host.starts(&Planned { id: "run".into(), start: 0, plan: Plan::Computes });
    host.comes_to(RETENTION + HOUR);
    let store = Arc::new(FaultStore::new(host.world.disk.clone()));
    // It dies between marking it and removing its rows.
    store.plan(Method::Commit, 2, Fault::DieBefore);
    drop(block_on(host.world.process_over(store.clone()).run_due(10, Pace::Stop)));
    assert!(store.is_dead() && host.world.check().head("run").unwrap().has("deleting"));
    let lease = host.world.settings.run_lease.0;
    assert_eq!(host.next_due(), Some(host.now() + lease));
    host.comes_to(host.now() + lease);
    host.does_what_is_due();
    assert_eq!((host.world.check().rows_of("run"), host.next_due()), (0, None));
}
