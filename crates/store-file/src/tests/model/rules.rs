//! The rules that a search can leave out. Production code always follows all of them. The file system of a process
//! leaves one out: it gives the calls of that rule an answer of its own, and does not make them.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::process::{ModelAnswer, ModelCall, ModelFs, ModelValue};
use crate::commit_file;
use crate::compaction::{Clean, TakeSnapshot};
use crate::format::{COMMITS, SNAPSHOTS, commit_path, commit_seq, file_hash, snapshot_path, snapshot_seq};
use crate::fs::{Reason, Sequence};
use crate::load::LoadStore;
use crate::protocol::{CatchUp, PutCommit};

/// The parts of the rules that can be left out one by one (`file/mod.rs` has the text of the rules).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// 1: each process syncs all folders before its first link or reply.
    SyncFoldersFirst,
    /// 3: if the snapshot is no longer the highest after reading, start over.
    RecheckSnapshots,
    /// 4: snapshots are listed after the temp was written.
    ListAfterTemp,
    /// 4: the head must still exist before the link.
    CheckHeadBeforeLink,
    /// 5: dirty folders are synced before the link.
    SyncBeforeLink,
    /// 6: after a lost number the expectations are checked again.
    RecheckExpectations,
    /// 6: after a lost number a new temp is written.
    NewTemp,
    /// 6: the folder is synced before a commit is acknowledged.
    SyncBeforeAcknowledging,
    /// 7: commits of other processes are applied before a reply.
    CatchUpBeforeReply,
    /// 7: the head must still exist before a reply.
    CheckHeadBeforeReply,
    /// 7: dirty folders are synced before a reply.
    SyncBeforeReply,
    /// 8: a higher snapshot stops the snapshot that is being taken.
    NoLowerSnapshot,
    /// 8: the folder of snapshots is synced before anything is removed.
    SyncSnapshot,
    /// 8: all temps are removed before any commit.
    Fence,
    /// 9: commits are removed in ascending order.
    CommitsAscending,
    /// 9: snapshots are removed after the commits, in ascending order.
    SnapshotsLast,
    /// 10: a process that cleans up after another removes temps first.
    CleanerFences,
    /// 11: a name is created only once. The disk of the search leaves it out (`world.rs`).
    CreateOnce,
    /// 12: a gap is read again before it counts as damage.
    RecheckGap,
}

/// The sequence of the protocol that makes a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallContext {
    #[default]
    Other,
    Load,
    Put,
    CatchUp,
    TakeSnapshot,
    Clean,
}

impl CallContext {
    pub fn from_sequence<S: Sequence>() -> Self {
        let is = |other: TypeId| TypeId::of::<S>() == other;
        match () {
            () if is(TypeId::of::<LoadStore>()) => Self::Load,
            () if is(TypeId::of::<PutCommit>()) => Self::Put,
            () if is(TypeId::of::<CatchUp>()) => Self::CatchUp,
            () if is(TypeId::of::<TakeSnapshot>()) => Self::TakeSnapshot,
            () if is(TypeId::of::<Clean>()) => Self::Clean,
            () => Self::Other,
        }
    }
}

/// The calls of a process while a rule is left out.
#[derive(Clone, Default)]
pub struct CallMemory {
    /// The calls of this sequence, with their answers.
    sequence: Arc<Mutex<Vec<(ModelCall, ModelAnswer)>>>,
    process: Arc<Mutex<ProcessMemory>>,
}

/// The files that a process has read or linked, and the snapshots that it has seen.
#[derive(Default)]
struct ProcessMemory {
    files: BTreeMap<String, Arc<Vec<u8>>>,
    snapshots: Vec<String>,
    /// The snapshots that this process has linked.
    linked: BTreeSet<String>,
}

impl CallMemory {
    /// Begins a sequence of the same process.
    pub fn begin_sequence(&self) -> Self {
        Self { sequence: Arc::default(), process: self.process.clone() }
    }

    /// Whether the sequence has made a call of this kind.
    fn has(&self, is_kind: impl Fn(&ModelCall, &ModelAnswer) -> bool) -> bool {
        self.sequence.lock().unwrap().iter().any(|(call, answer)| is_kind(call, answer))
    }

    fn has_linked(&self) -> bool {
        self.has(|call, answer| matches!(call, ModelCall::Link(..)) && answer.is_ok())
    }

    /// Whether the sequence has opened a snapshot since it last listed them.
    fn has_opened_snapshot(&self) -> bool {
        let calls = self.sequence.lock().unwrap();
        let since =
            calls.iter().rev().take_while(|(call, _)| !matches!(call, ModelCall::List(path) if path == SNAPSHOTS));
        let mut opened = since.filter(|(_, answer)| answer.is_ok());
        opened.any(|(call, _)| matches!(call, ModelCall::Read(path) if path.starts_with(SNAPSHOTS)))
    }

    /// Whether a sync of this folder is one of the three that sync all folders.
    fn is_sync_of_all(&self, folder: &str) -> bool {
        let calls = self.sequence.lock().unwrap();
        let previous = match calls.last() {
            Some((ModelCall::Sync(previous), _)) => Some(previous.as_str()),
            _ => None,
        };
        matches!((previous, folder), (_, "") | (Some(""), COMMITS) | (Some(COMMITS), SNAPSHOTS))
    }

    /// Answers a call as if nothing had changed since the process last saw the file or the folder.
    fn recall(&self, call: &ModelCall) -> Option<ModelAnswer> {
        let process = self.process.lock().unwrap();
        Some(Ok(match call {
            ModelCall::List(path) if path == SNAPSHOTS => ModelValue::Names(process.snapshots.clone()),
            ModelCall::Read(path) => ModelValue::Bytes(process.files.get(path)?.clone()),
            ModelCall::Size(path) => ModelValue::Size(process.files.get(path).map_or(1, |bytes| bytes.len() as u64)),
            _ => return None,
        }))
    }

    /// Returns the numbers of the files that the clean-up removes, in order.
    fn superseded(&self, folder: &str, number: fn(&str) -> Option<u64>) -> Vec<u64> {
        let base = self.process.lock().unwrap().snapshots.iter().filter_map(|name| snapshot_seq(name)).max();
        let calls = self.sequence.lock().unwrap();
        let listed = calls.iter().rev().find_map(|(call, answer)| match (call, answer) {
            (ModelCall::List(path), Ok(ModelValue::Names(names))) if path == folder => Some(names),
            _ => None,
        });
        let mut superseded: Vec<u64> =
            listed.into_iter().flatten().filter_map(|name| number(name)).filter(|seq| Some(*seq) < base).collect();
        superseded.sort_unstable();
        superseded
    }

    fn record(&self, call: ModelCall, answer: &ModelAnswer) {
        let mut process = self.process.lock().unwrap();
        let mut calls = self.sequence.lock().unwrap();
        match (&call, answer) {
            (ModelCall::List(path), Ok(ModelValue::Names(names))) if path == SNAPSHOTS => {
                process.snapshots.clone_from(names);
            }
            (ModelCall::Read(path), Ok(ModelValue::Bytes(bytes))) => {
                process.files.insert(path.clone(), bytes.clone());
            }
            (ModelCall::Link(from, to), Ok(_)) => {
                process.linked.insert(to.clone());
                let put = calls.iter().find_map(|(call, _)| match call {
                    ModelCall::PutTemp(path, bytes) if path == from => Some(bytes.clone()),
                    _ => None,
                });
                if let Some(bytes) = put {
                    process.files.insert(to.clone(), bytes);
                }
            }
            _ => {}
        }
        calls.push((call, answer.clone()));
    }
}

impl ModelFs {
    /// Makes a call, or what a process does instead that leaves the rule out.
    pub async fn request(&self, call: ModelCall) -> ModelAnswer {
        let Some(rule) = self.skip else { return self.grant(call).await };
        let answer = match self.answer_without(rule, &call) {
            Some(answer) => answer,
            None => self.make_without(rule, &call).await,
        };
        self.memory.record(call, &answer);
        answer
    }

    /// Returns the answer to a call that is not made without the rule.
    fn answer_without(&self, rule: Rule, call: &ModelCall) -> Option<ModelAnswer> {
        use CallContext::{CatchUp, Clean, Load, Put, TakeSnapshot};
        let memory = &self.memory;
        let made = |other: fn(&ModelCall) -> bool| memory.has(|call, _| other(call));
        let is_missing = |call: &ModelCall, answer: &ModelAnswer| {
            matches!((call, answer), (ModelCall::Read(_), Err(Reason::Missing)))
        };
        let recalled = match (rule, self.context, call) {
            (Rule::RecheckSnapshots, Load, ModelCall::List(_)) => memory.has_opened_snapshot(),
            (Rule::CheckHeadBeforeLink, Put, ModelCall::List(_) | ModelCall::Read(_)) => {
                made(|call| matches!(call, ModelCall::List(_)))
            }
            (Rule::CheckHeadBeforeReply, CatchUp, ModelCall::List(_) | ModelCall::Read(_) | ModelCall::Size(_)) => {
                memory.has(is_missing)
            }
            _ => false,
        };
        if recalled {
            return memory.recall(call);
        }
        let (done, none) = (Ok(ModelValue::Unit), Ok(ModelValue::Names(Vec::new())));
        let is_first_list = || !made(|call| matches!(call, ModelCall::List(path) if path == COMMITS));
        match (rule, self.context, call) {
            (Rule::SyncFoldersFirst, _, ModelCall::Sync(path)) => memory.is_sync_of_all(path).then_some(done),
            (Rule::SyncBeforeLink, Put, ModelCall::Sync(_)) => (!memory.has_linked()).then_some(done),
            (Rule::SyncBeforeAcknowledging, Put, ModelCall::Sync(_)) => memory.has_linked().then_some(done),
            (Rule::CatchUpBeforeReply, CatchUp, ModelCall::Read(_)) => {
                (!made(|_| true)).then_some(Err(Reason::Missing))
            }
            (Rule::SyncBeforeReply, CatchUp, ModelCall::Sync(_)) => Some(done),
            (Rule::NoLowerSnapshot, TakeSnapshot, ModelCall::List(_)) => Some(none),
            (Rule::SyncSnapshot, Clean, ModelCall::Sync(_)) => Some(done),
            (Rule::Fence, Clean, ModelCall::List(path)) if path == COMMITS => is_first_list().then_some(none),
            (Rule::CleanerFences, Clean, ModelCall::List(path)) if path == COMMITS => {
                let process = memory.process.lock().unwrap();
                let base = process.snapshots.iter().filter_map(|name| snapshot_seq(name)).max().map(snapshot_path);
                let is_own = base.is_some_and(|base| process.linked.contains(&base));
                (!is_own && is_first_list()).then_some(none)
            }
            (Rule::RecheckGap, Load, ModelCall::Size(_)) => Some(Err(Reason::Missing)),
            _ => None,
        }
    }

    /// Makes a call in another order, or with another effect, than with the rule.
    async fn make_without(&self, rule: Rule, call: &ModelCall) -> ModelAnswer {
        use CallContext::{Clean, Put};
        match (rule, self.context, call) {
            (Rule::ListAfterTemp, Put, ModelCall::PutTemp(..)) => {
                let early = ModelCall::List(SNAPSHOTS.to_owned());
                let names = self.grant(early.clone()).await;
                self.memory.record(early, &names);
                self.grant(call.clone()).await
            }
            (Rule::ListAfterTemp, Put, ModelCall::List(_))
                if !self.memory.has(|c, _| matches!(c, ModelCall::Read(_))) =>
            {
                match self.memory.recall(call) {
                    Some(early) => early,
                    None => self.grant(call.clone()).await,
                }
            }
            (Rule::NewTemp, Put, ModelCall::Link(from, to)) => {
                let (mut linked, mut seq) = (self.grant(call.clone()).await, seq_of_commit(to));
                while matches!(linked, Err(Reason::Exists)) {
                    seq += 1;
                    linked = self.grant(ModelCall::Link(from.clone(), commit_path(seq))).await;
                }
                linked
            }
            (Rule::RecheckExpectations, Put, ModelCall::Link(from, to)) => self.link_after_winners(from, to).await,
            (Rule::CommitsAscending, Clean, ModelCall::Remove(path)) if path.starts_with(COMMITS) => {
                let superseded = self.memory.superseded(COMMITS, commit_seq);
                let at = superseded.iter().position(|seq| commit_path(*seq) == *path);
                let mirrored = at.map_or_else(|| path.clone(), |at| commit_path(superseded[superseded.len() - 1 - at]));
                self.grant(ModelCall::Remove(mirrored)).await
            }
            (Rule::SnapshotsLast, Clean, ModelCall::List(path)) if path == COMMITS => {
                for seq in self.memory.superseded(SNAPSHOTS, snapshot_seq) {
                    drop(self.grant(ModelCall::Remove(snapshot_path(seq))).await);
                }
                self.grant(call.clone()).await
            }
            _ => self.grant(call.clone()).await,
        }
    }

    /// Links a commit with the operations that were decided before other writers took its number.
    async fn link_after_winners(&self, from: &str, to: &str) -> ModelAnswer {
        let mut seq = seq_of_commit(to);
        let decided = self.memory.sequence.lock().unwrap().iter().find_map(|(call, _)| match call {
            ModelCall::PutTemp(_, bytes) => commit_file::read_unchained(bytes, seq).ok(),
            _ => None,
        });
        loop {
            let linked = self.grant(ModelCall::Link(from.to_owned(), commit_path(seq))).await;
            let (Err(Reason::Exists), Some(decided)) = (&linked, &decided) else { return linked };
            let Ok(ModelValue::Bytes(winner)) = self.grant(ModelCall::Read(commit_path(seq))).await else {
                return linked;
            };
            seq += 1;
            let store = decided.store.as_deref().unwrap_or_default();
            let bytes = commit_file::write(seq, &file_hash(&winner), store, decided.at, &decided.commits).unwrap();
            drop(self.grant(ModelCall::Remove(from.to_owned())).await);
            drop(self.grant(ModelCall::PutTemp(from.to_owned(), Arc::new(bytes))).await);
        }
    }
}

fn seq_of_commit(path: &str) -> u64 {
    path.strip_prefix("commits/").and_then(commit_seq).unwrap()
}
