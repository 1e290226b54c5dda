//! Scripts: the acts of processes over the production code, and what each act shows about commands.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use runstate_store::Freshness;

use super::process::{ModelCall, ModelFs, ModelObservation};
use crate::commit_log::CommitLog;
use crate::tests::*;

/// A command; its index in the scenario is its bit.
#[derive(Clone, Copy, Debug)]
pub enum ModelCommand {
    /// Note, title.
    Insert(&'static str, &'static str),
    CountUp(&'static str),
    Delete(&'static str),
}

/// One step of a process. Numbers are commands.
#[derive(Clone, Copy, Debug)]
pub enum ModelAct {
    Open,
    Close,
    Commit(usize),
    /// Two commits at once, from one process.
    CommitBoth(usize, usize),
    Read,
    QueryOutcome(usize),
    Compact,
    /// Not a process: the user restores a copy that was taken after this commit file, without these commands.
    RestoreCopy(u64, &'static [usize]),
}

/// The name of a command.
pub fn command_name(command: usize) -> String {
    format!("c{command}")
}

fn command_bits(commands: &[usize]) -> u64 {
    commands.iter().fold(0, |bits, command| bits | 1 << command)
}

/// The state of all commands in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSummary {
    /// Commands that have a row in the ledger.
    pub present: u64,
    /// A contradiction: the documents are not the result of these commands.
    pub contradiction: Option<String>,
    /// Hash of all documents.
    pub hash: u64,
}

/// Reads a state.
pub fn summarize(log: &CommitLog, commands: &[ModelCommand]) -> StateSummary {
    let (mut present, mut notes, mut hasher) = (0u64, BTreeMap::new(), DefaultHasher::new());
    for found in log.tables.iter() {
        let (collection, id, stored) = found.unwrap();
        (collection, &*id, format!("{stored:?}")).hash(&mut hasher);
        if collection == "runstate.commands"
            && let Some(command) = id.strip_prefix('c').and_then(|n| n.parse::<u64>().ok())
        {
            present |= 1 << command;
        }
        if collection == NOTES.name {
            notes.insert(id.to_string(), (stored.document["n"].as_u64().unwrap(), stored.revision.writes()));
        }
    }
    let contradiction =
        log.read_only_reason().map(ToString::to_string).or_else(|| contradiction(present, &notes, commands));
    StateSummary { present, contradiction, hash: hasher.finish() }
}

fn contradiction(present: u64, notes: &BTreeMap<String, (u64, u64)>, commands: &[ModelCommand]) -> Option<String> {
    let is_present = |at: usize| present >> at & 1 == 1;
    let deleted = |id: &str| {
        commands.iter().enumerate().any(|(at, d)| is_present(at) && matches!(d, ModelCommand::Delete(i) if *i == id))
    };
    let mut titles = BTreeMap::new();
    for (at, command) in commands.iter().enumerate().filter(|(at, _)| is_present(*at)) {
        if let ModelCommand::Insert(id, title) = command
            && !deleted(id)
            && let Some(other) = titles.insert(title, at)
        {
            return Some(format!("both {other} and {at} gave {id} the title {title}"));
        }
    }
    let count = |id: &str, target: fn(&ModelCommand) -> Option<&'static str>| {
        commands
            .iter()
            .enumerate()
            .filter(|(at, command)| present >> at & 1 == 1 && target(command) == Some(id))
            .count() as u64
    };
    let ids: std::collections::BTreeSet<&str> = commands
        .iter()
        .map(|command| match command {
            ModelCommand::Insert(id, _) | ModelCommand::CountUp(id) | ModelCommand::Delete(id) => *id,
        })
        .collect();
    for id in ids {
        let inserted = count(id, |d| if let ModelCommand::Insert(id, _) = d { Some(id) } else { None });
        let increments = count(id, |d| if let ModelCommand::CountUp(id) = d { Some(id) } else { None });
        let deletions = count(id, |d| if let ModelCommand::Delete(id) = d { Some(id) } else { None });
        let expected = (inserted > 0 && deletions == 0).then_some((increments, 1 + increments));
        let found = notes.get(id).copied();
        if found != expected {
            return Some(format!("note {id} is {found:?} (count, writes), and the commands make {expected:?}"));
        }
    }
    None
}

/// A process.
pub struct ProcessScript {
    pub fs: ModelFs,
    pub commands: Vec<ModelCommand>,
    pub acts: Vec<ModelAct>,
}

impl ProcessScript {
    /// Runs to the end.
    pub async fn run(self) {
        let mut store: Option<FileStore<ModelFs>> = None;
        for (at, act) in self.acts.iter().enumerate() {
            self.wait_idle(ModelCall::Begin, at, store.as_ref()).await;
            if let Err(e) = self.act(at, *act, &mut store).await {
                self.report(ModelObservation::Violation(format!("{act:?}: {e}")));
                return;
            }
        }
    }

    /// Waits between two acts, or within an act when only the store is known. `at` identifies the step, so that each
    /// step draws other names.
    async fn wait_idle(&self, call: ModelCall, at: usize, store: Option<&FileStore<ModelFs>>) {
        self.fs.channel.lock().unwrap().begin(at, idle_hash(at, store));
        drop(self.fs.request(call).await);
        self.fs.channel.lock().unwrap().idle = None;
    }

    fn report(&self, observation: ModelObservation) {
        self.fs.channel.lock().unwrap().observations.push(observation);
    }

    fn all_commands(&self) -> u64 {
        (1 << self.commands.len()) - 1
    }

    async fn act(&self, at: usize, act: ModelAct, open: &mut Option<FileStore<ModelFs>>) -> Result<(), StoreError> {
        if let ModelAct::RestoreCopy(seq, without) = act {
            drop(self.fs.request(ModelCall::RestoreCopy(seq)).await);
            self.report(ModelObservation::Reverted(command_bits(without)));
            return Ok(());
        }
        if let ModelAct::Open = act {
            let store = FileStore::open_on(self.fs.clone(), quiet_options()).await?;
            self.wait_idle(ModelCall::Idle, at + 100, Some(&store)).await;
            store.migrate(&catalog()).await?;
            *open = Some(store);
            return Ok(());
        }
        let Some(store) = open.as_ref() else { panic!("{act:?} before opening") };
        match act {
            ModelAct::Close => {
                store.close().await?;
                *open = None;
            }
            ModelAct::Commit(command) => self.commit(store, command, Some(at)).await?,
            ModelAct::CommitBoth(first, second) => {
                let mut commits = [first, second].map(|command| (Box::pin(self.commit(store, command, None)), None));
                std::future::poll_fn(|cx| {
                    for (commit, result) in commits.iter_mut().filter(|(_, result)| result.is_none()) {
                        if let Poll::Ready(value) = commit.as_mut().poll(cx) {
                            *result = Some(value);
                        }
                    }
                    if commits.iter().all(|(_, result)| result.is_some()) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                commits.into_iter().filter_map(|(_, result)| result).collect::<Result<(), StoreError>>()?;
            }
            ModelAct::Read => {
                let summary = store.inner.read_linearizable(|log| Ok(summarize(log, &self.commands))).await?;
                if let Some(contradiction) = summary.contradiction {
                    self.report(ModelObservation::Violation(format!("a reader sees that {contradiction}")));
                }
                self.report(ModelObservation::Saw { present: summary.present, known: self.all_commands() });
            }
            ModelAct::QueryOutcome(command) => {
                let committed = matches!(store.outcome(&command_id(command)).await?, Outcome::Committed { .. });
                self.report(ModelObservation::Saw { present: u64::from(committed) << command, known: 1 << command });
            }
            ModelAct::Compact => drop(store.compact().await?),
            ModelAct::Open | ModelAct::RestoreCopy(..) => {}
        }
        Ok(())
    }

    /// Commits as the engine does: after a conflict it decides again. `alone` is the index of this act if it does
    /// nothing else meanwhile.
    async fn commit(&self, store: &FileStore<ModelFs>, command: usize, alone: Option<usize>) -> Result<(), StoreError> {
        let bit = 1 << command;
        for attempt in 0..6 {
            if let (Some(at), 1..) = (alone, attempt) {
                self.wait_idle(ModelCall::Idle, at + 100 * attempt, Some(store)).await;
            }
            let write = match self.commands[command] {
                ModelCommand::Insert(id, title) => insert(id, title),
                ModelCommand::Delete(id) => Write { key: note(id), expect: Expectation::Any, op: WriteOp::Delete },
                ModelCommand::CountUp(id) => {
                    let found = store.get(&[note(id)], Freshness::Linearizable).await?.remove(0);
                    let Some(StoredDocument { revision, document, .. }) = found else {
                        // Only a repeat of the command would find it missing, and no increment is repeated.
                        self.report(ModelObservation::Refused(bit));
                        return Ok(());
                    };
                    let mut after = Document::clone(&document);
                    after.insert("n".into(), (document["n"].as_i64().unwrap() + 1).into());
                    let op =
                        WriteOp::Change { difference: Arc::new(difference(&document, &after)), after: Arc::new(after) };
                    Write { key: note(id), expect: Expectation::Revision(revision), op }
                }
            };
            match store.commit(batch(&command_name(command), vec![write])).await {
                Ok(_) => {
                    self.report(ModelObservation::Saw { present: bit, known: bit });
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) if matches!(self.commands[command], ModelCommand::CountUp(_)) => {}
                Err(StoreError::Conflict { .. } | StoreError::UniqueViolation { .. }) => {
                    // The winner is known: the only other command with the same note or title.
                    let others = self.rivals(command);
                    self.report(ModelObservation::Saw { present: others, known: others });
                    self.report(ModelObservation::Refused(bit));
                    return Ok(());
                }
                Err(e) => return Err(e),
            }
        }
        Err(StoreError::Unavailable { what: command_name(command), why: "it conflicts repeatedly".to_owned() })
    }

    /// Returns the only other command with the same note or title, or none if there are several.
    fn rivals(&self, command: usize) -> u64 {
        let ModelCommand::Insert(id, title) = self.commands[command] else { return 0 };
        let rival = |(at, other): (usize, &ModelCommand)| match other {
            ModelCommand::Insert(i, t) if at != command && (*i == id || *t == title) => Some(at),
            _ => None,
        };
        let rivals: Vec<usize> = self.commands.iter().enumerate().filter_map(rival).collect();
        if rivals.len() == 1 { command_bits(&rivals) } else { 0 }
    }
}

fn command_id(command: usize) -> CommandId {
    CommandId::new(&command_name(command)).unwrap()
}

/// Hashes the whole state of an idle process. Two processes with equal state behave alike from then on, whatever their
/// history.
fn idle_hash(at: usize, store: Option<&FileStore<ModelFs>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    at.hash(&mut hasher);
    if let Some(store) = store {
        let log = store.log();
        let CommitLog { head, dirty, damage, size, needs_cleanup, .. } = &*log;
        (format!("{head:?} {dirty:?} {damage:?} {size:?} {needs_cleanup} {:?}", log.read_only_reason()))
            .hash(&mut hasher);
        summarize(&log, &[]).hash.hash(&mut hasher);
    }
    hasher.finish()
}
