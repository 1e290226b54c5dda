//! One run: processes on one store carry out steps, die and are started again; after every step all documents are judged, and compared with
//! a model that knows only what callers were told.

use std::collections::BTreeMap;
use std::sync::Arc;

use runstate::code::Code;
use runstate::domain::cvm::{Backoff, CC_HISTORY, Claimed, EXECUTIONS, Load, Of};
use runstate::engine::{COLLECTIONS as STAGING, Cvm, Error, Pace};
use runstate::id::CommandId;
use runstate::limits::Settings;
use runstate::store::layer::{Fault, FaultStore, Small};
use runstate::store::{self, Limits, Outcome, Store};
use runstate::testing::block_on;
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use serde_json::json;

use super::programs;
use super::step::{Act, Command, Step, Trouble};
use crate::documents::{Documents, Found};
use crate::world::World;

/// Ids of executions that come and go.
const RUNS: usize = 4;

const RETENTION: Millis = Millis::days(2);

/// Opens the store as a process of its own does.
pub type Ground = Box<dyn Fn() -> Arc<dyn Store>>;

struct Process {
    store: Arc<FaultStore<Small<Arc<dyn Store>>>>,
    cvm: Cvm,
}

/// An answer that somebody was told was taken.
struct Acknowledged {
    execution: String,
    incarnation: String,
    call: String,
    answer: Json,
    /// It was given before its question was asked, and does not fit it.
    unfit: bool,
}

/// What a worker was given.
#[derive(Clone)]
struct Held {
    claimed: Claimed,
    incarnation: String,
    until: Timestamp,
    /// Nobody else may have it.
    alone: bool,
}

/// A command that was carried out, and what its caller was told.
struct Told {
    id: CommandId,
    command: Command,
    result: Json,
    at: Timestamp,
}

pub struct Run {
    ground: Ground,
    world: World,
    processes: Vec<Option<Process>>,
    documents: Documents,
    commands: u32,
    acknowledged: Vec<Acknowledged>,
    held: Vec<Held>,
    told: Vec<Told>,
    /// How often each thing came off.
    pub came_off: BTreeMap<String, u32>,
}

impl Run {
    pub fn on(ground: Ground, loads: &[Load]) -> Self {
        let settings = Settings { slice_instructions: 4_000, retention: Some(RETENTION), ..Settings::default() };
        let world = World::on(ground(), loads, settings);
        let documents = Documents::of(&world.disk);
        Self {
            ground,
            world,
            processes: vec![None, None, None],
            documents,
            commands: 0,
            acknowledged: Vec::new(),
            held: Vec::new(),
            told: Vec::new(),
            came_off: BTreeMap::new(),
        }
    }

    fn process(&mut self, n: usize) -> &Process {
        let (world, ground) = (&self.world, &self.ground);
        self.processes[n].get_or_insert_with(|| {
            // What one of them writes in one batch is several to another.
            let batch_bytes = if n == 2 { 12 * 1024 } else { usize::MAX };
            let limits = Limits { batch_bytes, document_bytes: batch_bytes, batch_writes: usize::MAX };
            let store = Arc::new(FaultStore::new(Small::new(ground(), limits)));
            Process { cvm: world.process_over(store.clone()), store }
        })
    }

    fn now(&self) -> Timestamp {
        self.world.host.clock.now()
    }

    pub fn step(&mut self, step: &Step) {
        if step.act == Act::Pass {
            let span = [1, 500, 5_000, 10_000, 20_000, 31_000, 61_000, 3_700_000][step.pick % 8];
            let span = if step.pick > 985 { Millis::days(1).0 + 1 } else { span };
            self.world.pass(Millis(span));
            return self.count("Pass");
        }
        if step.act == Act::RepeatOld {
            return self.repeat_old(step);
        }
        let Some(command) = self.command(step) else { return };
        self.commands += 1;
        let id = CommandId::new(&format!("command-{}", self.commands)).unwrap();
        let told = self.send(step, &command, &id);
        self.judge(step, &command, &id, told);
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.came_off.entry(what.into()).or_default() += 1;
    }

    /// Sends it, with the step's trouble. `None`: the caller knows nothing.
    fn send(&mut self, step: &Step, command: &Command, id: &CommandId) -> Option<Result<Json, Error>> {
        let process = self.process(step.process);
        if let Some((method, nth, trouble)) = step.trouble {
            let unreachable = || store::Error::Unavailable { what: "the store".into(), why: "the line is cut".into() };
            let unknown = || store::Error::Unknown { command: id.clone(), why: "the line was cut".into() };
            let fault = match trouble {
                Trouble::Unreachable => Fault::Before(unreachable()),
                Trouble::LostAnswer => Fault::After(unknown()),
                Trouble::DiesBefore => Fault::DieBefore,
                Trouble::DiesAfter => Fault::DieAfter,
            };
            process.store.plan(method, nth, fault);
        }
        let sent = block_on(command.send(&process.cvm, id));
        // Shown where the run fails.
        println!("{id} by {}: {command:?}: {:?}", step.process, sent.as_ref().map_err(|error| error.code));
        let dead = process.store.is_dead();
        process.store.heal();
        if dead {
            self.processes[step.process] = None;
            self.count("died");
            return None;
        }
        let lost = |error: &Error| matches!(error.code, Code::Unknown | Code::Unavailable | Code::Closed);
        Some(sent).filter(|sent| !sent.as_ref().is_err_and(lost))
    }

    fn judge(&mut self, step: &Step, command: &Command, id: &CommandId, told: Option<Result<Json, Error>>) {
        let before = self.documents.clone();
        let mut told = told;
        if told.is_none() {
            self.look(&before);
            if step.again && command.has_id() {
                // Whoever comes again comes to another process.
                let calm = Step { trouble: None, process: (step.process + 1) % 2, ..step.clone() };
                told = self.send(&calm, command, id);
                self.count("sent again");
            }
        }
        self.look(&before);
        let done = matches!(block_on(self.world.disk.outcome(id)).unwrap(), Outcome::Committed { .. });
        match told {
            Some(Ok(result)) => {
                self.count(format!("{:?}", step.act));
                self.learn(command, &result);
                if step.again && command.has_id() {
                    self.try_again(step, command, id, &result);
                }
                self.told.push(Told { id: id.clone(), command: command.clone(), result, at: self.now() });
            }
            Some(Err(error)) => {
                assert!(!done, "{command:?} was done, and its caller told {error:?}");
                assert!(
                    step.trouble.is_some() || self.documents == before,
                    "{command:?}: {error:?}, and something changed"
                );
                assert!(
                    !matches!(error.code, Code::Internal | Code::Corrupt | Code::Conflict),
                    "{command:?}: {error:?}"
                );
                self.count(format!("refused {}", error.code));
            }
            None if done => self.learn(command, &Json::Null),
            None => {}
        }
        if matches!(command, Command::RunDue(Pace::Stop)) && step.trouble.is_none() {
            self.expect_nothing_due(step);
        }
        self.compare();
    }

    /// The same command again changes nothing and is told the same.
    fn try_again(&mut self, step: &Step, command: &Command, id: &CommandId, result: &Json) {
        let before = self.documents.clone();
        let calm = Step { trouble: None, process: (step.process + 1) % 3, ..step.clone() };
        let again = self.send(&calm, command, id).unwrap().unwrap();
        assert_eq!(&again, result, "{command:?} again");
        self.look(&before);
        assert_eq!(self.documents, before, "{command:?} again");
        self.count("told the same");
    }

    fn repeat_old(&mut self, step: &Step) {
        let now = self.now();
        self.told.retain(|told| now.since(told.at) < Millis::days(6) && told.command.has_id());
        if self.told.is_empty() {
            return;
        }
        let Told { id, command, result, .. } = &self.told[step.pick % self.told.len()];
        // One that a dead process left running would be driven on.
        if self.documents.statuses().contains_key("running") {
            return;
        }
        let (id, command, result) = (id.clone(), command.clone(), result.clone());
        self.try_again(step, &command, &id, &result);
        self.count("RepeatOld");
    }

    /// What is done is done: the second time there is nothing, and what is next is what the rules say.
    fn expect_nothing_due(&mut self, step: &Step) {
        let before = self.documents.clone();
        let cvm = self.process(step.process).cvm.clone();
        let due = block_on(cvm.run_due(1_000, Pace::Stop)).unwrap();
        self.look(&before);
        assert!(due.is_nothing() && self.documents == before, "run_due found {due:?} when all was done");
        let next = block_on(cvm.next_due()).unwrap();
        assert!(next.is_none_or(|next| next > self.now()), "there is nothing to do, and {next:?} is when to do it");
    }

    /// Looks at all documents: what must hold at every moment does, and what never changes did not since `before`.
    fn look(&mut self, before: &Documents) {
        self.documents = Documents::of(&self.world.disk);
        let mut wrong = self.documents.wrong(&self.world.settings);
        wrong.extend(self.documents.wrong_after(before));
        let heads = self.documents.each(&EXECUTIONS).iter().filter(|(_, head)| !head.has("deleting"));
        wrong.extend(heads.filter_map(|(id, head)| {
            let wrong = programs::wrong_lines(&self.documents, id, head)?;
            Some(format!("{id} ({}, {}): {wrong}", head.text("programName"), head.text("state.status")))
        }));
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    fn incarnation(&self, execution: &str) -> String {
        self.documents.head(execution).map_or(String::new(), |head| head.incarnation().to_owned())
    }

    /// What a caller knows now.
    fn learn(&mut self, command: &Command, result: &Json) {
        match command {
            Command::Answer { execution, call, answer } => {
                let call = call.clone().unwrap_or_else(|| self.answered_with(execution, answer));
                self.acknowledge(execution, call, answer);
            }
            Command::AnswerKey { execution, answer, .. } => {
                let call = self.answered_with(execution, answer);
                self.acknowledge(execution, call, answer);
            }
            Command::Complete { claimed, answer } => {
                self.let_go(claimed);
                self.acknowledge(&claimed.execution, claimed.call.clone(), answer);
            }
            Command::Fail { claimed, .. } | Command::Release(claimed) => self.let_go(claimed),
            Command::Heartbeat(claimed) => {
                let until = result.as_i64().map(Timestamp::from_millis);
                let held = self.held.iter_mut().find(|held| held.claimed == *claimed);
                if let (Some(held), Some(until)) = (held, until) {
                    held.until = until;
                }
            }
            Command::Claim { .. } => {
                if let Ok(claimed) = serde_json::from_value::<Claimed>(result.clone()) {
                    self.hold(claimed);
                }
            }
            _ => {}
        }
    }

    /// The call that has this answer, which was given once.
    fn answered_with(&self, execution: &str, answer: &Json) -> String {
        let rows = self.documents.each(&CC_HISTORY).iter();
        let with: Vec<&String> = rows
            .filter(|(_, row)| row.text("executionId") == execution && row.at("response.result") == answer)
            .map(|(id, _)| id)
            .collect();
        match with.as_slice() {
            [one] => (*one).clone(),
            _ => panic!("{answer} was acknowledged, and stands in {with:?}"),
        }
    }

    fn acknowledge(&mut self, execution: &str, call: String, answer: &Json) {
        let incarnation = self.incarnation(execution);
        let row = &self.documents.each(&CC_HISTORY)[&call];
        let unfit = !row.has("request");
        assert_eq!((row.text("outcome"), row.at("response.result")), ("answered", answer));
        let same = |one: &Acknowledged| one.call == call && one.incarnation == incarnation && !one.unfit;
        assert!(!self.acknowledged.iter().any(same), "call {call} took two answers");
        self.acknowledged.push(Acknowledged {
            execution: execution.to_owned(),
            incarnation,
            call,
            answer: answer.clone(),
            unfit: unfit && answer.is_string(),
        });
    }

    fn hold(&mut self, claimed: Claimed) {
        let incarnation = self.incarnation(&claimed.execution);
        let now = self.now();
        for other in
            self.held.iter().filter(|held| held.claimed.call == claimed.call && held.incarnation == incarnation)
        {
            assert!(other.claimed.token < claimed.token, "token {} was given before", claimed.token);
            assert!(!other.alone || other.until <= now, "{claimed:?} was taken from {:?}", other.claimed);
        }
        self.held.push(Held { until: claimed.until, claimed, incarnation, alone: true });
    }

    fn let_go(&mut self, claimed: &Claimed) {
        self.held.iter_mut().filter(|held| held.claimed == *claimed).for_each(|held| held.alone = false);
    }

    /// What was acknowledged stands, and nothing else does; what is counted is there.
    fn compare(&mut self) {
        for one in &self.acknowledged {
            let head = self.documents.head(&one.execution);
            if !head.is_some_and(|head| head.incarnation() == one.incarnation && !head.has("deleting")) {
                continue;
            }
            let row = &self.documents.each(&CC_HISTORY)[&one.call];
            let kept = (row.text("outcome"), row.at("response.result")) == ("answered", &one.answer);
            let may_be_dropped = one.unfit && row.has("request") && row.at("request.schema").is_object();
            assert!(kept || may_be_dropped, "{} was acknowledged, and this stands there: {row:?}", one.answer);
        }
        let mut seen = Vec::new();
        for (id, row) in self.documents.each(&CC_HISTORY) {
            let outcome = row.text("outcome");
            if row.has("request") && !outcome.is_empty() {
                seen.push(format!("outcome {outcome}"));
            }
            let head = self.documents.head(row.text("executionId")).unwrap();
            let known = |one: &Acknowledged| one.call == *id && one.incarnation == head.incarnation();
            assert!(
                outcome != "answered" || head.has("deleting") || self.acknowledged.iter().any(known),
                "nobody answered {id} so"
            );
        }
        seen.into_iter().for_each(|outcome| self.count(outcome));
        let cvm = self.process(0).cvm.clone();
        assert_eq!(block_on(cvm.next_due()).unwrap(), self.due(), "next due");
        let counted = block_on(cvm.statuses(None)).unwrap();
        let mut statuses = BTreeMap::new();
        for head in self.documents.each(&EXECUTIONS).values().filter(|head| !head.has("deleting")) {
            *statuses.entry(head.text("state.status").to_owned()).or_insert(0u64) += 1;
        }
        assert_eq!(counted.into_iter().filter(|(_, n)| *n > 0).collect::<BTreeMap<_, _>>(), statuses);
    }

    /// When there is something to do next, by the rules.
    fn due(&self) -> Option<Timestamp> {
        let heads = self.documents.each(&EXECUTIONS).values();
        let due = |head: &Found| {
            let kept = head.number("completed").filter(|_| !head.has("deleting")).map(|at| at + RETENTION.0);
            head.number("wakeAt").into_iter().chain(kept).min()
        };
        heads.filter_map(due).min().map(Timestamp::from_millis)
    }

    /// The command of a step, on what is there.
    fn command(&mut self, step: &Step) -> Option<Command> {
        let (pick, more) = (step.pick, step.more);
        let run = format!("run-{}", pick % RUNS);
        Some(match step.act {
            Act::Start => Command::Start { id: self.free(pick), program: programs::name(more).to_owned() },
            Act::Next => Command::Next(run),
            Act::AnswerOpen => Command::Answer { execution: run, call: None, answer: self.new_answer() },
            Act::AnswerCall => {
                let (call, row) = self.open(pick)?;
                let answer = self.fitting(&row, more);
                Command::Answer { execution: row.text("executionId").to_owned(), call: Some(call), answer }
            }
            Act::AnswerKey => {
                let key = ["k", "k", "k", "x", "n", "nobody asks"][more % 6].to_owned();
                let answer = if key == "n" && more % 2 == 0 { json!(1_000 + self.commands) } else { self.new_answer() };
                Command::AnswerKey { execution: run, key, occurrence: 1 + (more as u64 / 6) % 3, answer }
            }
            Act::AnswerWrong => {
                let (call, row) = self.open(pick)?;
                Command::Answer {
                    execution: row.text("executionId").to_owned(),
                    call: Some(call),
                    answer: json!({"no": "answer"}),
                }
                .only_if(
                    row.has("request")
                        && (row.at("request.choices").is_array()
                            || row.at("request.schema").is_object()
                            || row.text("kind") == "timer"),
                )?
            }
            Act::Pause => Command::Pause(run),
            Act::Unpause => Command::Unpause(self.of_status("paused", pick).unwrap_or(run)),
            Act::Cancel => Command::Cancel(run),
            Act::Retry => Command::Retry(self.of_status("error", pick).unwrap_or(run)),
            Act::Delete => Command::Delete(run),
            Act::Claim => {
                let kinds: &[&str] =
                    [&["cc"][..], &["search"], &["cc", "search", "write"], &["write", "fs.readFile"]][more % 4];
                let of = Of::Kinds(kinds.iter().map(|kind| (*kind).to_owned()).collect());
                self.claim(of, step)
            }
            Act::ClaimCall => {
                Command::Claim { of: Of::Call(self.open(pick)?.0), owner: "by name".into(), lease: Millis::seconds(20) }
            }
            Act::Heartbeat => Command::Heartbeat(self.in_hand(pick)?),
            Act::Complete => {
                let claimed = self.in_hand(pick)?;
                let row = self.documents.each(&CC_HISTORY).get(&claimed.call)?.clone();
                Command::Complete { answer: self.fitting(&row, more), claimed }
            }
            Act::Fail => {
                let name = (more % 2 == 0).then(|| "Refused".to_owned());
                Command::Fail { claimed: self.in_hand(pick)?, retry: None, name }
            }
            Act::FailRetry => {
                let retry = Backoff { attempts: 2, initial: Millis::seconds(4), longest: Millis::minutes(1) };
                Command::Fail { claimed: self.in_hand(pick)?, retry: Some(retry), name: None }
            }
            Act::Release => Command::Release(self.in_hand(pick)?),
            Act::RunDue => Command::RunDue(if more % 4 == 0 { Pace::Slice } else { Pace::Stop }),
            Act::Pass | Act::RepeatOld => return None,
        })
    }

    fn claim(&self, of: Of, step: &Step) -> Command {
        Command::Claim { of, owner: format!("worker {}", step.process), lease: Millis::seconds(10) }
    }

    /// An id that is free, else one that is not.
    fn free(&self, pick: usize) -> String {
        let ids = (0..RUNS).map(|n| format!("run-{}", (pick + n) % RUNS));
        let free = ids.clone().find(|id| self.documents.head(id).is_none());
        free.or(ids.clone().next()).unwrap()
    }

    fn of_status(&self, status: &str, pick: usize) -> Option<String> {
        let heads = self.documents.each(&EXECUTIONS).iter();
        let of: Vec<&String> =
            heads.filter(|(_, head)| head.text("state.status") == status).map(|(id, _)| id).collect();
        (!of.is_empty()).then(|| of[pick % of.len()].clone())
    }

    /// A call that is open; sometimes one that is not.
    fn open(&self, pick: usize) -> Option<(String, Found)> {
        let closed = pick % 10 == 0;
        let rows = self.documents.each(&CC_HISTORY).iter();
        let rows: Vec<_> = rows.filter(|(_, row)| row.has("outcome") == closed).collect();
        (!rows.is_empty()).then(|| rows[pick / 10 % rows.len()]).map(|(id, row)| (id.clone(), row.clone()))
    }

    /// Something claimed, now and then by somebody who has let it go or was too late.
    fn in_hand(&self, pick: usize) -> Option<Claimed> {
        let recent = self.held[self.held.len().saturating_sub(6)..].iter();
        let alone: Vec<&Held> = recent.clone().filter(|held| held.alone).collect();
        let held = if pick % 4 == 0 || alone.is_empty() { recent.collect() } else { alone };
        (!held.is_empty()).then(|| held[pick / 4 % held.len()].claimed.clone())
    }

    /// An answer that was never given before.
    fn new_answer(&self) -> Json {
        json!(format!("answer {}", self.commands))
    }

    fn fitting(&self, row: &Found, more: usize) -> Json {
        match row.at("request.choices").as_array() {
            Some(choices) => choices[more % choices.len()].clone(),
            None if row.at("request.schema").is_object() => json!(1_000 + self.commands),
            None => self.new_answer(),
        }
    }

    /// Everything comes to its end when nobody dies any more: no row is left of what is gone.
    pub fn end(&mut self) {
        let calm = Step { act: Act::RunDue, process: 0, pick: 0, more: 1, trouble: None, again: false };
        for _ in 0..4 {
            self.world.pass(Millis::minutes(120));
            self.step(&calm);
        }
        for n in 0..RUNS {
            let id = CommandId::new(&format!("end-{n}")).unwrap();
            let cancel = Command::Cancel(format!("run-{n}"));
            drop(block_on(cancel.send(&self.process(0).cvm.clone(), &id)));
        }
        self.world.pass(RETENTION);
        let cvm = self.process(0).cvm.clone();
        block_on(cvm.run_due(1_000, Pace::Stop)).unwrap();
        let documents = Documents::of(&self.world.disk);
        for of in [&EXECUTIONS, &CC_HISTORY, &runstate::domain::cvm::OUTPUTS, &runstate::domain::cvm::HEAP_PAGES] {
            assert!(documents.each(of).is_empty(), "{:?}", documents.each(of));
        }
        assert!(STAGING.iter().all(|of| documents.each(of).is_empty()));
        assert_eq!(block_on(cvm.next_due()).unwrap(), None);
    }
}

impl Command {
    fn only_if(self, holds: bool) -> Option<Self> {
        holds.then_some(self)
    }
}
