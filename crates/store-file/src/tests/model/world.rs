//! A state of the model: the disk, the position of each process, and what was reported to any process. Also the steps
//! between states.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::process::{Hashes, Histories, ModelAnswer, ModelCall, ModelObservation, ModelValue, PointId};
use super::rules::Rule;
use crate::fault::{Contents, Inode, SyncOutcome, UnsyncedChange};
use crate::format::{IDENTITY, commit_path, commit_seq, is_temp};
use crate::fs::Reason;

/// A step of the search.
#[derive(Clone, Copy, Debug)]
pub enum ModelStep {
    /// A process gets the answer to one of its calls.
    Grant(usize, usize),
    /// The power fails; these unsynced changes survive.
    Power(u64),
}

/// Everything that can affect later steps.
#[derive(Clone)]
pub struct ModelWorld {
    pub disk: Contents,
    /// The point of each process; `None` if it is dead or has not started.
    pub points: Vec<Option<PointId>>,
    /// The commands reported to any process before each process began its act.
    known_at_begin: Vec<u64>,
    /// The commands reported to any process as committed.
    pub acknowledged: u64,
    /// The commands reported to any process as refused.
    pub refused: u64,
    /// The commands that a restored copy may lack.
    reverted: u64,
    /// How often the power can still fail.
    pub power_losses: usize,
    /// Number of changes of the disk, and its hash since the last change.
    edits: u64,
    hashed: Option<u64>,
}

/// The processes, and the rule that they leave out.
pub struct ModelProcesses {
    pub histories: Vec<Histories>,
    pub skip: Option<Rule>,
    pub hashes: Hashes,
}

impl ModelWorld {
    pub fn new(disk: Contents, processes: usize, power_losses: usize) -> Self {
        Self {
            disk,
            points: vec![None; processes],
            known_at_begin: vec![0; processes],
            acknowledged: 0,
            refused: 0,
            reverted: 0,
            power_losses,
            edits: 0,
            hashed: None,
        }
    }

    pub fn key(&mut self, hashes: &mut Hashes) -> u64 {
        let mut hasher = DefaultHasher::new();
        let disk = *self.hashed.get_or_insert_with(|| {
            let mut hasher = DefaultHasher::new();
            self.disk.hash_into(&mut hasher, &mut |bytes| hashes.hash_bytes(bytes));
            hasher.finish()
        });
        (disk, &self.points, &self.known_at_begin, self.acknowledged, self.refused, self.reverted, self.power_losses)
            .hash(&mut hasher);
        hasher.finish()
    }

    /// Whether the invariants must be checked again after a step from `from`.
    pub fn differs(&self, from: &Self) -> bool {
        let promises = |world: &Self| (world.acknowledged, world.refused, world.reverted);
        self.edits != from.edits || promises(self) != promises(from)
    }

    /// Returns the calls that can be granted.
    pub fn choices(&self, processes: &ModelProcesses) -> Vec<ModelStep> {
        let waiting = |(process, at): (usize, &Option<PointId>)| {
            let calls = at.map_or(0, |at| processes.histories[process].points[at].pending.len());
            (0..calls).map(move |which| ModelStep::Grant(process, which))
        };
        self.points.iter().enumerate().flat_map(waiting).collect()
    }

    /// Whether a power failure here can undo changes that no failure before or after could. Any call but a sync adds
    /// changes that a failure may undo, and cancels nothing that was reported. A failure after it thus shows all that
    /// one before it would.
    pub fn is_worth_a_loss_of_power(&self, processes: &ModelProcesses) -> bool {
        self.points.iter().enumerate().all(|(process, at)| {
            at.is_none_or(|at| {
                let pending = &processes.histories[process].points[at].pending;
                pending.iter().all(|call| matches!(call, ModelCall::Sync(_)))
            })
        })
    }

    /// Makes one step of a process, and describes it to `log`. A call that makes no difference to other processes is
    /// granted together with the call before it:
    ///
    /// - the first call of an act, with the beginning of the act: this process reports nothing meanwhile. The later an
    ///   act begins, the more its reply must include;
    /// - a sync after a sync: only a power failure distinguishes them, and one before both can undo more;
    /// - any sync, if the power can fail no more;
    /// - the removal of a process's own temp after its link, which only a fence can notice and which does not change
    ///   its result;
    /// - a read of an existing runstate.json, the creation of an existing folder, a pause: no process changes or
    ///   notices any of them.
    pub fn grant(
        &mut self,
        process: usize,
        which: usize,
        processes: &mut ModelProcesses,
        log: &mut dyn FnMut(String),
    ) -> Result<(), String> {
        let mut which = which;
        loop {
            let Some(at) = self.points[process] else { return Ok(()) };
            let call = processes.histories[process].points[at].pending[which].clone();
            let answer = match &call {
                ModelCall::Begin | ModelCall::Idle => {
                    self.known_at_begin[process] = self.acknowledged;
                    Ok(ModelValue::Unit)
                }
                call => {
                    if !matches!(call, ModelCall::List(_) | ModelCall::Read(_) | ModelCall::Size(_) | ModelCall::Pause)
                    {
                        (self.edits, self.hashed) = (self.edits + 1, None);
                    }
                    apply(&mut self.disk, call, processes.skip)
                }
            };
            if !is_idle(&call) {
                log(describe_call(process, &call, &answer));
            }
            let (to, observations) = processes.histories[process].answer(at, which, &answer, &mut processes.hashes);
            self.points[process] = Some(to);
            for observation in observations.iter() {
                log(format!("   {process}: {observation:?}"));
                self.observe(process, observation)?;
            }
            let point = &processes.histories[process].points[to];
            if point.ended || point.pending.first().is_some_and(is_idle) {
                self.known_at_begin[process] = 0;
            }
            match point.pending.as_slice() {
                [next] if is_idle(&call) || self.is_granted_with(&call, next) => which = 0,
                _ => return Ok(()),
            }
        }
    }

    fn is_granted_with(&self, call: &ModelCall, next: &ModelCall) -> bool {
        match next {
            ModelCall::Sync(_) => self.power_losses == 0 || matches!(call, ModelCall::Sync(_)),
            ModelCall::Read(path) => path == IDENTITY && self.disk.find(path).is_some(),
            ModelCall::MakeFolder(path) => self.disk.find(path).is_some(),
            ModelCall::Pause => true,
            // A temp is not used after its link. For a process that lists it meanwhile, its removal has the same
            // result.
            ModelCall::Remove(path) => matches!(call, ModelCall::Link(from, _) if from == path),
            _ => false,
        }
    }

    fn observe(&mut self, process: usize, observation: &ModelObservation) -> Result<(), String> {
        match observation {
            ModelObservation::Violation(why) => return Err(format!("process {process}: {why}")),
            ModelObservation::Saw { present, known } => {
                let missing = self.known_at_begin[process] & known & !present & !self.reverted;
                if missing != 0 {
                    return Err(format!(
                        "process {process} finds {present:b} of {known:b}, after {missing:b} was reported as committed"
                    ));
                }
                self.acknowledged |= present & !self.reverted;
            }
            ModelObservation::Refused(refused) => self.refused |= refused,
            ModelObservation::Reverted(reverted) => {
                self.reverted |= reverted;
                self.acknowledged &= !reverted;
            }
        }
        Ok(())
    }

    /// Returns every choice of surviving unsynced changes, except for temps, which a new process does not read.
    pub fn losses(&self) -> Vec<u64> {
        let unsynced = self.disk.unsynced();
        let counts: Vec<usize> = (0..unsynced.len()).filter(|n| !is_unread(&unsynced[*n])).collect();
        assert!(counts.len() <= 12, "too much is unsynced to go through all of it: {unsynced:?}");
        let chosen = |choice: u64| counts.iter().enumerate().fold(0, |bits, (bit, n)| bits | (choice >> bit & 1) << n);
        (0..1 << counts.len()).map(chosen).collect()
    }

    /// Lets the power fail; all processes die.
    pub fn lose_power(&mut self, survivors: u64) {
        self.disk.lose_power(|n, _| survivors >> n & 1 == 1);
        (self.edits, self.hashed) = (self.edits + 1, None);
        self.points.fill(None);
        self.known_at_begin.fill(0);
    }
}

fn is_idle(call: &ModelCall) -> bool {
    matches!(call, ModelCall::Begin | ModelCall::Idle)
}

fn is_unread(unsynced: &UnsyncedChange) -> bool {
    match unsynced {
        UnsyncedChange::Added(path)
        | UnsyncedChange::Removed(path)
        | UnsyncedChange::Replaced(path)
        | UnsyncedChange::Bytes(path, _) => path.rsplit('/').next().is_some_and(is_temp),
    }
}

fn describe_call(process: usize, call: &ModelCall, answer: &ModelAnswer) -> String {
    let outcome = match answer {
        Ok(ModelValue::Unit) => String::new(),
        Ok(ModelValue::Bytes(bytes)) => format!(" → {} bytes", bytes.len()),
        Ok(ModelValue::Names(names)) => format!(" → {names:?}"),
        Ok(ModelValue::Size(size)) => format!(" → {size} bytes"),
        Err(reason) => format!(" → {reason:?}"),
    };
    match call {
        ModelCall::PutTemp(path, _) => format!("{process}: put {path}{outcome}"),
        call => format!("{process}: {call:?}{outcome}"),
    }
}

/// Applies a call to the disk. A temp is written and synced in one step: no process reads it before it has another
/// name. If it is listed or removed in between, the result is the same as right after.
fn apply(disk: &mut Contents, call: &ModelCall, skip: Option<Rule>) -> ModelAnswer {
    let unit = |result: Result<(), Reason>| result.map(|()| ModelValue::Unit);
    match call {
        ModelCall::Begin | ModelCall::Idle | ModelCall::Pause => Ok(ModelValue::Unit),
        ModelCall::MakeFolder(path) => unit(disk.make_folder(path)),
        ModelCall::PutTemp(path, bytes) => unit(disk.create(path).map(|file| {
            disk.write(file, bytes);
            disk.sync_file(file, SyncOutcome::Saves);
        })),
        ModelCall::Sync(path) => {
            let above = if path.is_empty() { disk.sync_parent(SyncOutcome::Saves) } else { Ok(()) };
            unit(above.and_then(|()| disk.sync_folder(path, SyncOutcome::Saves)))
        }
        ModelCall::Link(from, to) => {
            if skip == Some(Rule::CreateOnce) && disk.find(from).is_some() {
                let _ = disk.remove(to);
            }
            unit(disk.link(from, to))
        }
        ModelCall::List(path) => disk.list(path).map(ModelValue::Names),
        ModelCall::Read(path) => disk.read(path).map(ModelValue::Bytes),
        ModelCall::Remove(path) => unit(disk.remove(path)),
        ModelCall::Size(path) => match disk.find(path) {
            Some(Inode::File(_)) => disk.read(path).map(|bytes| ModelValue::Size(bytes.len() as u64)),
            Some(Inode::Folder(_)) => Err(Reason::Other),
            None => Err(Reason::Missing),
        },
        ModelCall::RestoreCopy(seq) => {
            for name in disk.list("commits").unwrap_or_default() {
                if commit_seq(&name).is_none_or(|at| at > *seq) {
                    disk.edit(&format!("commits/{name}"), None);
                }
            }
            debug_assert!(disk.find(&commit_path(*seq)).is_some());
            Ok(ModelValue::Unit)
        }
    }
}

/// Returns the disk as a new process finds it when all others are dead: without temps, and with all changes durable.
pub fn disk_after_crash(disk: &Contents) -> Contents {
    let mut disk = disk.clone();
    for folder in ["commits", "snapshots"] {
        for name in disk.list(folder).unwrap_or_default() {
            if is_temp(&name) {
                disk.edit(&format!("{folder}/{name}"), None);
            }
        }
    }
    disk.lose_power(|_, _| true);
    disk
}

/// Ignores all descriptions.
pub fn discard_output() -> impl FnMut(String) {
    |_| ()
}
