//! One run: processes on one store carry out steps, die and are started again; after every step all documents are judged, and compared with
//! a model that knows only what callers were told.

use std::collections::BTreeMap;
use std::sync::Arc;

use runstate::code::Code;
use runstate::domain::cvm::{CC_HISTORY, Claimed, EXECUTIONS, Load};
use runstate::engine::{COLLECTIONS as STAGING, Cvm, Error, Pace};
use runstate::id::CommandId;
use runstate::limits::Settings;
use runstate::marker::BoxFuture;
use runstate::store::layer::{Fault, FaultStore, Small};
use runstate::store::{self, Limits, Outcome, Store};
use runstate::testing::fault::FaultFs;
use runstate::testing::{block_on, yield_now};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;

use super::ground::Ground;
use super::model::{Acknowledged, Held};
use super::programs;
use super::step::{Act, Command, Step, Trouble};
use crate::documents::Documents;
use crate::schedule::{Choices, Yielding};
use crate::world::World;

/// Ids of executions that come and go.
pub const RUNS: usize = 4;

pub const RETENTION: Millis = Millis::days(2);

pub struct Process {
    fs: Option<FaultFs>,
    pub store: Arc<FaultStore<Small<Arc<dyn Store>>>>,
    pub cvm: Cvm,
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
    /// The process that looks on.
    onlooker: Option<FaultFs>,
    pub(super) world: World,
    pub(super) processes: Vec<Option<Process>>,
    pub(super) documents: Documents,
    pub(super) commands: u32,
    pub(super) acknowledged: Vec<Acknowledged>,
    pub(super) held: Vec<Held>,
    told: Vec<Told>,
    /// How often each thing came off.
    pub came_off: BTreeMap<String, u32>,
}

impl Run {
    pub fn on(ground: Ground, loads: &[Load]) -> Self {
        let settings = Settings { slice_instructions: 4_000, retention: Some(RETENTION), ..Settings::default() };
        let (store, onlooker) = ground.open();
        let world = World::on(store, loads, settings);
        let documents = Documents::of(&world.disk);
        Self {
            ground,
            onlooker,
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

    pub(super) fn process(&mut self, n: usize) -> &Process {
        let (world, ground) = (&self.world, &self.ground);
        self.processes[n].get_or_insert_with(|| {
            // What one of them writes in one batch is several to another.
            let batch_bytes = if n == 2 { 12 * 1024 } else { usize::MAX };
            let limits = Limits { batch_bytes, document_bytes: batch_bytes, batch_writes: usize::MAX };
            let (store, fs) = ground.open();
            let store = Arc::new(FaultStore::new(Small::new(Yielding::over(store), limits)));
            Process { cvm: world.process_over(store.clone()), store, fs }
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.world.host.clock.now()
    }

    pub fn step(&mut self, step: &Step) {
        match (&step.rival, step.act) {
            (Some(rival), _) if step.trouble.is_none() => return self.race(step, rival),
            (_, Act::Pass) => {
                self.world.pass(step.span());
                return self.count("Pass");
            }
            (_, Act::RepeatOld) => return self.repeat_old(step),
            _ => {}
        }
        let Some((command, id)) = self.next_command(step) else { return };
        let told = self.send(step, &command, &id);
        self.judge(step, &command, &id, told);
    }

    pub(super) fn count(&mut self, what: impl Into<String>) {
        *self.came_off.entry(what.into()).or_default() += 1;
    }

    fn next_command(&mut self, step: &Step) -> Option<(Command, CommandId)> {
        // An answer that was never given before is of the command's number.
        self.commands += 1;
        self.world.pass(Millis(1));
        let command = self.command(step)?;
        Some((command, CommandId::new(&format!("command-{}", self.commands)).unwrap()))
    }

    /// Two at the same moment, in some order of their calls to the store.
    fn race(&mut self, step: &Step, rival: &Step) {
        let before = self.documents.clone();
        let mut rivals = Vec::new();
        for step in [step, rival] {
            match step.act {
                Act::Pass => rivals.push((step, None, self.process(step.process).cvm.clone())),
                _ => {
                    let command = self.next_command(step);
                    let cvm = self.process(step.process).cvm.clone();
                    rivals.extend(command.map(|command| (step, Some(command), cvm)));
                }
            }
        }
        let world = &self.world;
        let tasks = rivals.iter().map(|(step, command, cvm)| -> BoxFuture<'_, Result<Json, Error>> {
            Box::pin(async move {
                match command {
                    Some((command, id)) => command.send(cvm, id).await,
                    None => {
                        yield_now().await;
                        world.pass(step.span());
                        Ok(Json::Null)
                    }
                }
            })
        });
        let seed = u64::from(self.commands) << 10 | step.more as u64;
        let told = Choices::random("rivals", seed).run(tasks.collect());
        self.look(&before);
        let mut told: Vec<_> = rivals.into_iter().zip(told).collect();
        // What somebody lets go the other one may have taken.
        told.sort_by_key(|((step, ..), _)| matches!(step.act, Act::Claim | Act::ClaimCall));
        for ((step, command, _), told) in told {
            let Some((command, id)) = command else { continue };
            println!("{id} by {}, raced: {command:?}: {:?}", step.process, told.as_ref().map_err(|error| error.code));
            match told {
                Ok(result) => {
                    self.count(format!("raced {:?}", step.act));
                    self.learn_raced(&command, &result);
                }
                Err(error) => self.refused(&command, &id, &error),
            }
        }
        self.compare();
    }

    /// Whoever is refused has done nothing.
    fn refused(&mut self, command: &Command, id: &CommandId, error: &Error) {
        let done = matches!(block_on(self.world.disk.outcome(id)).unwrap(), Outcome::Committed { .. });
        assert!(!done, "{command:?} was done, and its caller told {error:?}");
        assert!(!matches!(error.code, Code::Internal | Code::Corrupt | Code::Conflict), "{command:?}: {error:?}");
        self.count(format!("refused {}", error.code));
    }

    /// Sends it, with the step's trouble. `None`: the caller knows nothing.
    fn send(&mut self, step: &Step, command: &Command, id: &CommandId) -> Option<Result<Json, Error>> {
        self.process(step.process);
        let process = self.processes[step.process].as_ref().unwrap();
        if let Some((method, nth, trouble)) = step.trouble {
            let unreachable = || store::Error::Unavailable { what: "the store".into(), why: "the line is cut".into() };
            let unknown = || store::Error::Unknown { command: id.clone(), why: "the line was cut".into() };
            let fault = match trouble {
                Trouble::Unreachable => Fault::Before(unreachable()),
                Trouble::LostAnswer => Fault::After(unknown()),
                Trouble::DiesBefore => Fault::DieBefore,
                Trouble::DiesAfter => Fault::DieAfter,
            };
            let broken = !step.more.is_multiple_of(4) && self.ground.break_down(process.fs.as_ref(), step, trouble);
            if !broken {
                process.store.plan(method, nth, fault);
            }
        }
        let sent = block_on(command.send(&process.cvm, id));
        // Shown where the run fails.
        println!("{id} by {}: {command:?}: {:?}", step.process, sent.as_ref().map_err(|error| error.code));
        if self.ground.heal() {
            self.count("connection cut");
        }
        if self.bury(step.process) {
            return None;
        }
        self.process(step.process).store.heal();
        let lost = |error: &Error| matches!(error.code, Code::Unknown | Code::Unavailable | Code::Closed);
        Some(sent).filter(|sent| !sent.as_ref().is_err_and(lost))
    }

    /// Forgets the processes that have died; whether this one has. Who looks on comes back at once.
    fn bury(&mut self, sender: usize) -> bool {
        let gone = |fs: &Option<FaultFs>| fs.as_ref().is_some_and(|fs| !fs.alive());
        if gone(&self.onlooker) {
            (self.world.disk, self.onlooker) = self.ground.open();
            drop(self.world.process());
            self.count("power failed");
        }
        let mut died = false;
        for (n, place) in self.processes.iter_mut().enumerate() {
            if place.as_ref().is_some_and(|process| process.store.is_dead() || gone(&process.fs)) {
                *place = None;
                died |= n == sender;
            }
        }
        if died {
            self.count("died");
        }
        died
    }

    fn judge(&mut self, step: &Step, command: &Command, id: &CommandId, told: Option<Result<Json, Error>>) {
        let before = self.documents.clone();
        let mut told = told;
        if told.is_none() {
            self.look(&before);
            if step.again && command.has_id() {
                // Whoever comes again comes to another process.
                let calm = step.calm((step.process + 1) % 2);
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
                let changed = step.trouble.is_none() && self.documents != before;
                assert!(!changed, "{command:?}: {error:?}, and something changed");
                self.refused(command, id, &error);
            }
            None if done => self.learn(command, &Json::Null),
            // It has no id: whoever gives something back, and hears nothing, does not know.
            None if matches!(command, Command::Release(_)) => self.learn_given_back(command),
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
        let calm = step.calm((step.process + 1) % 3);
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
        let (id, command, mut result) = (id.clone(), command.clone(), result.clone());
        // Of a call that is gone nothing is left to do.
        if let Ok(claimed) = serde_json::from_value::<Claimed>(result.clone())
            && !self.documents.each(&CC_HISTORY).get(&claimed.call).is_some_and(|row| row.has("request"))
        {
            result = Json::Null;
        }
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

    /// Everything comes to its end when nobody dies any more: no row is left of what is gone.
    pub fn end(&mut self) {
        let calm = Step { act: Act::RunDue, process: 0, pick: 0, more: 1, trouble: None, again: false, rival: None };
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
