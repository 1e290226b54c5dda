//! One run: processes on one store take steps, die and are started again. After every step all documents are checked,
//! and compared with a model that knows only the results of callers.

use std::collections::BTreeMap;
use std::sync::Arc;

use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{CC_HISTORY, Cancel, ClaimedCall, EXECUTIONS, Load};
use runstate::engine::{COLLECTIONS as STAGING, Error, RunLimit};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::store::{self, BatchLimits, Outcome, Store};
use runstate::testing::fault::FaultFs;
use runstate::testing::{Fault, FaultStore, LimitedStore};
use runstate::testing::{block_on, yield_now};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;

use super::model::{AcknowledgedAnswer, HeldClaim};
use super::step::{RandomCommand, RandomStep, StepAct, StepFault};
use super::{TestBackend, model};
use crate::cvm::documents::StoreDump;
use crate::cvm::interleaving::{ScheduleChoices, YieldingStore};
use crate::cvm::scene::Scene;

/// Number of ids of executions.
pub const RUNS: usize = 4;

pub const RETENTION: Millis = Millis::days(2);

pub struct RandomProcess {
    fs: Option<FaultFs>,
    pub store: Arc<FaultStore<LimitedStore<Arc<dyn Store>>>>,
    pub cvm: Cvm,
}

/// A committed command, and the result of its caller.
struct AcknowledgedCommand {
    id: CommandId,
    command: RandomCommand,
    result: Json,
    at: Timestamp,
}

pub struct RandomRun {
    backend: TestBackend,
    /// The process that observes.
    observer: Option<FaultFs>,
    pub(super) scene: Scene,
    pub(super) processes: Vec<Option<RandomProcess>>,
    pub(super) documents: StoreDump,
    pub(super) commands: u32,
    pub(super) acknowledged: Vec<AcknowledgedAnswer>,
    pub(super) held: Vec<HeldClaim>,
    acknowledged_commands: Vec<AcknowledgedCommand>,
    /// How often each event occurred.
    pub coverage: BTreeMap<String, u32>,
}

impl RandomRun {
    pub fn new(backend: TestBackend, loads: &[Load]) -> Self {
        let settings = Settings { slice_instructions: 4_000, retention: Some(RETENTION), ..Settings::default() };
        let (store, observer) = backend.open();
        let scene = Scene::with_programs(store, loads, settings);
        let documents = StoreDump::load(&scene.store);
        Self {
            backend,
            observer,
            scene,
            processes: vec![None, None, None],
            documents,
            commands: 0,
            acknowledged: Vec::new(),
            held: Vec::new(),
            acknowledged_commands: Vec::new(),
            coverage: BTreeMap::new(),
        }
    }

    pub(super) fn process(&mut self, n: usize) -> &RandomProcess {
        let (scene, backend) = (&self.scene, &self.backend);
        self.processes[n].get_or_insert_with(|| {
            // One process needs several batches for what others write in one.
            let batch_bytes = if n == 2 { 12 * 1024 } else { usize::MAX };
            let limits = BatchLimits { batch_bytes, document_bytes: batch_bytes, batch_writes: usize::MAX };
            let (store, fs) = backend.open();
            let store = Arc::new(FaultStore::new(LimitedStore::new(YieldingStore::wrap(store), limits)));
            RandomProcess { cvm: scene.process_over(store.clone()), store, fs }
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.scene.host.clock.now()
    }

    pub fn step(&mut self, step: &RandomStep) {
        match (&step.rival, step.act) {
            (Some(rival), _) if step.fault.is_none() => return self.race(step, rival),
            (_, StepAct::PassTime) => {
                self.scene.host.clock.advance(step.elapsed());
                return self.count("PassTime");
            }
            (_, StepAct::RepeatOld) => return self.repeat_old_command(step),
            _ => {}
        }
        let Some((command, id)) = self.next_command(step) else { return };
        let reply = self.send(step, &command, &id);
        self.check_reply(step, &command, &id, reply);
    }

    pub(super) fn count(&mut self, event: impl Into<String>) {
        *self.coverage.entry(event.into()).or_default() += 1;
    }

    fn next_command(&mut self, step: &RandomStep) -> Option<(RandomCommand, CommandId)> {
        // A new answer contains the number of its command.
        self.commands += 1;
        self.scene.host.clock.advance(Millis(1));
        let command = self.command(step)?;
        Some((command, CommandId::new(&format!("command-{}", self.commands)).unwrap()))
    }

    /// Runs two steps at the same moment, in some order of their calls to the store.
    fn race(&mut self, step: &RandomStep, rival: &RandomStep) {
        let before = self.documents.clone();
        let mut rivals = Vec::new();
        for step in [step, rival] {
            match step.act {
                StepAct::PassTime => rivals.push((step, None, self.process(step.process).cvm.clone())),
                _ => {
                    let command = self.next_command(step);
                    let cvm = self.process(step.process).cvm.clone();
                    rivals.extend(command.map(|command| (step, Some(command), cvm)));
                }
            }
        }
        let scene = &self.scene;
        let tasks = rivals.iter().map(|(step, command, cvm)| -> BoxFuture<'_, Result<Json, Error>> {
            Box::pin(async move {
                match command {
                    Some((command, id)) => command.send(cvm, id).await,
                    None => {
                        yield_now().await;
                        scene.host.clock.advance(step.elapsed());
                        Ok(Json::Null)
                    }
                }
            })
        });
        let seed = u64::from(self.commands) << 10 | step.salt as u64;
        let replies = ScheduleChoices::random("rivals", seed).run(tasks.collect());
        self.reload_and_check(&before);
        let mut replies: Vec<_> = rivals.into_iter().zip(replies).collect();
        // A claim may take a call that the other step has released, so it is recorded last.
        replies.sort_by_key(|((step, ..), _)| matches!(step.act, StepAct::Claim | StepAct::ClaimCall));
        for ((step, command, _), reply) in replies {
            let Some((command, id)) = command else { continue };
            println!("{id} by {}, raced: {command:?}: {:?}", step.process, reply.as_ref().map_err(|error| error.code));
            match reply {
                Ok(result) => {
                    self.count(format!("raced {:?}", step.act));
                    self.record_raced(&command, &result);
                }
                Err(error) => self.expect_no_effect(&command, &id, &error),
            }
        }
        self.compare_with_documents();
    }

    /// A rejected command has had no effect.
    fn expect_no_effect(&mut self, command: &RandomCommand, id: &CommandId, error: &Error) {
        let is_committed = matches!(block_on(self.scene.store.outcome(id)).unwrap(), Outcome::Committed { .. });
        assert!(!is_committed, "{command:?} was committed, and its caller got {error:?}");
        assert!(
            !matches!(error.code, ErrorCode::INTERNAL | ErrorCode::CORRUPT | ErrorCode::CONFLICT),
            "{command:?}: {error:?}"
        );
        self.count(format!("refused {}", error.code));
    }

    /// Sends the command, with the fault of the step. `None`: the caller knows nothing.
    fn send(&mut self, step: &RandomStep, command: &RandomCommand, id: &CommandId) -> Option<Result<Json, Error>> {
        self.process(step.process);
        let process = self.processes[step.process].as_ref().unwrap();
        if let Some((method, nth, step_fault)) = step.fault {
            let unreachable =
                || store::StoreError::Unavailable { what: "the store".into(), why: "the line is cut".into() };
            let unknown = || store::StoreError::UnknownOutcome { command: id.clone(), why: "the line was cut".into() };
            let fault = match step_fault {
                StepFault::Unreachable => Fault::FailBefore(unreachable()),
                StepFault::LostReply => Fault::FailAfter(unknown()),
                StepFault::DiesBefore => Fault::DieBefore,
                StepFault::DiesAfter => Fault::DieAfter,
            };
            let is_injected =
                !step.salt.is_multiple_of(4) && self.backend.inject_fault(process.fs.as_ref(), step, step_fault);
            if !is_injected {
                process.store.plan(method, nth, fault);
            }
        }
        let sent = block_on(command.send(&process.cvm, id));
        // Shown if the run fails.
        println!("{id} by {}: {command:?}: {:?}", step.process, sent.as_ref().map_err(|error| error.code));
        if self.backend.heal() {
            self.count("connection cut");
        }
        if self.drop_dead_processes(step.process) {
            return None;
        }
        self.process(step.process).store.heal();
        let is_unknown = |error: &Error| {
            matches!(error.code, ErrorCode::UNKNOWN_OUTCOME | ErrorCode::UNAVAILABLE | ErrorCode::CLOSED)
        };
        Some(sent).filter(|sent| !sent.as_ref().is_err_and(is_unknown))
    }

    /// Drops the processes that have died, and returns whether the sender has. The observer is opened again at once.
    fn drop_dead_processes(&mut self, sender: usize) -> bool {
        let is_dead = |fs: &Option<FaultFs>| fs.as_ref().is_some_and(|fs| !fs.is_alive());
        if is_dead(&self.observer) {
            (self.scene.store, self.observer) = self.backend.open();
            drop(self.scene.process());
            self.count("power failed");
        }
        let mut died = false;
        for (n, slot) in self.processes.iter_mut().enumerate() {
            if slot.as_ref().is_some_and(|process| process.store.is_dead() || is_dead(&process.fs)) {
                *slot = None;
                died |= n == sender;
            }
        }
        if died {
            self.count("died");
        }
        died
    }

    fn check_reply(
        &mut self,
        step: &RandomStep,
        command: &RandomCommand,
        id: &CommandId,
        reply: Option<Result<Json, Error>>,
    ) {
        let before = self.documents.clone();
        let mut reply = reply;
        if reply.is_none() {
            self.reload_and_check(&before);
            if step.repeat && command.has_id() {
                // The repeat goes to another process.
                let faultless = step.without_faults((step.process + 1) % 2);
                reply = self.send(&faultless, command, id);
                self.count("sent again");
            }
        }
        self.reload_and_check(&before);
        let is_committed = matches!(block_on(self.scene.store.outcome(id)).unwrap(), Outcome::Committed { .. });
        match reply {
            Some(Ok(result)) => {
                self.count(format!("{:?}", step.act));
                self.record(command, &result);
                if step.repeat && command.has_id() {
                    self.repeat_and_compare(step, command, id, &result);
                }
                self.acknowledged_commands.push(AcknowledgedCommand {
                    id: id.clone(),
                    command: command.clone(),
                    result,
                    at: self.now(),
                });
            }
            Some(Err(error)) => {
                let changed = step.fault.is_none() && self.documents != before;
                assert!(!changed, "{command:?}: {error:?}, and something changed");
                self.expect_no_effect(command, id, &error);
            }
            None if is_committed => self.record(command, &Json::Null),
            // It has no command id: a worker that releases a call and gets no reply does not know the outcome.
            None if matches!(command, RandomCommand::Release(_)) => self.record_release(command),
            None => {}
        }
        if matches!(command, RandomCommand::RunDue(RunLimit::Stop)) && step.fault.is_none() {
            self.expect_nothing_due(step);
        }
        self.compare_with_documents();
    }

    /// The same command again changes nothing and has the same result.
    fn repeat_and_compare(&mut self, step: &RandomStep, command: &RandomCommand, id: &CommandId, result: &Json) {
        let before = self.documents.clone();
        let faultless = step.without_faults((step.process + 1) % 3);
        let repeated = self.send(&faultless, command, id).unwrap().unwrap();
        assert_eq!(&repeated, result, "{command:?} repeated");
        self.reload_and_check(&before);
        assert_eq!(self.documents, before, "{command:?} repeated");
        self.count("same reply");
    }

    fn repeat_old_command(&mut self, step: &RandomStep) {
        let now = self.now();
        self.acknowledged_commands.retain(|sent| now.since(sent.at) < Millis::days(6) && sent.command.has_id());
        if self.acknowledged_commands.is_empty() {
            return;
        }
        let AcknowledgedCommand { id, command, result, .. } =
            &self.acknowledged_commands[step.pick % self.acknowledged_commands.len()];
        // A repeat would resume an execution that a dead process left running.
        if self.documents.status_counts().contains_key("running") {
            return;
        }
        let (id, command, mut result) = (id.clone(), command.clone(), result.clone());
        // A claim that its call no longer has returns null: the call is gone, or it was claimed again.
        if let Ok(claimed) = serde_json::from_value::<ClaimedCall>(result.clone()) {
            let row = self.documents.collection(&CC_HISTORY).get(&claimed.call);
            let token = row.and_then(|row| row.value("claim.token").as_u64());
            if token != Some(claimed.token) {
                result = Json::Null;
            }
        }
        self.repeat_and_compare(step, &command, &id, &result);
        self.count("RepeatOld");
    }

    /// Due work is done once: a second attempt finds nothing due, and the next due time is later. An execution that a
    /// dead process left running may have a timer that is due when it is resumed, so workers repeat a pass that resumes
    /// one.
    fn expect_nothing_due(&mut self, step: &RandomStep) {
        let cvm = self.process(step.process).cvm.clone();
        let run_due = || block_on(cvm.engine().run_due(1_000, RunLimit::Stop)).unwrap();
        let mut before = self.documents.clone();
        let mut due = run_due();
        self.reload_and_check(&before);
        if due.resumed > 0 {
            before = self.documents.clone();
            due = run_due();
            self.reload_and_check(&before);
        }
        assert!(due.is_empty() && self.documents == before, "run_due found {due:?} when all was done");
        let next = block_on(cvm.engine().next_due(runstate::store::Freshness::Linearizable)).unwrap();
        assert!(next.is_none_or(|next| next > self.now()), "nothing is due, and the next due time is {next:?}");
    }

    /// Loads and checks all documents: every invariant holds, and immutable data has not changed since `before`.
    fn reload_and_check(&mut self, before: &StoreDump) {
        self.documents = StoreDump::load(&self.scene.store);
        let mut wrong = self.documents.violations(&self.scene.settings);
        wrong.extend(self.documents.violations_since(before));
        let heads = self.documents.collection(&EXECUTIONS).iter().filter(|(_, head)| !head.has("deleting"));
        wrong.extend(heads.filter_map(|(id, head)| {
            let wrong = model::output_mismatch(&self.documents, id, head)?;
            Some(format!("{id} ({}, {}): {wrong}", head.text("programName"), head.text("state.status")))
        }));
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Everything ends when no process dies any more, and deleted executions leave no rows.
    pub fn finish(&mut self) {
        let faultless =
            RandomStep { act: StepAct::RunDue, process: 0, pick: 0, salt: 1, fault: None, repeat: false, rival: None };
        for _ in 0..4 {
            self.scene.host.clock.advance(Millis::minutes(120));
            self.step(&faultless);
        }
        for n in 0..RUNS {
            let id = CommandId::new(&format!("end-{n}")).unwrap();
            let cancel = RandomCommand::Cancel(Cancel::new(&format!("run-{n}")));
            drop(block_on(cancel.send(&self.process(0).cvm.clone(), &id)));
        }
        self.scene.host.clock.advance(RETENTION);
        let cvm = self.process(0).cvm.clone();
        block_on(cvm.engine().run_due(1_000, RunLimit::Stop)).unwrap();
        let documents = StoreDump::load(&self.scene.store);
        for of in [&EXECUTIONS, &CC_HISTORY, &runstate::domain::cvm::OUTPUTS, &runstate::domain::cvm::HEAP_PAGES] {
            assert!(documents.collection(of).is_empty(), "{:?}", documents.collection(of));
        }
        assert!(STAGING.iter().all(|of| documents.collection(of).is_empty()));
        assert_eq!(block_on(cvm.engine().next_due(runstate::store::Freshness::Linearizable)).unwrap(), None);
    }
}
