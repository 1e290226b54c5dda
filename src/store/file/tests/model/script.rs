//! What processes do: scripts over the production code, and what each act tells about commands.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::calls::{Call, ModelFs, Told};
use crate::store::file::log::Log;
use crate::store::file::tests::*;

/// A command; its place in the scenario is its bit.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// Note, title.
    Insert(&'static str, &'static str),
    CountUp(&'static str),
    Delete(&'static str),
}

/// One step of a process. Numbers are commands.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Open,
    Close,
    Commit(usize),
    /// Two at once, from one process.
    Both(usize, usize),
    Read,
    Ask(usize),
    Compact,
    /// No process of ours: somebody puts a copy back that was taken after this commit file, without these commands.
    PutBack(u64, &'static [usize]),
}

/// The name of a command.
pub fn name(command: usize) -> String {
    format!("c{command}")
}

fn bits(commands: &[usize]) -> u64 {
    commands.iter().fold(0, |bits, command| bits | 1 << command)
}

/// What a state says about all commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Commands that have a row in the ledger.
    pub present: u64,
    /// What contradicts what: the documents are not what these commands make.
    pub wrong: Option<String>,
    /// All documents.
    pub hash: u64,
}

/// Reads a state.
pub fn facts(log: &Log, deeds: &[Deed]) -> Facts {
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
    let wrong = log.illness().map(ToString::to_string).or_else(|| contradiction(present, &notes, deeds));
    Facts { present, wrong, hash: hasher.finish() }
}

fn contradiction(present: u64, notes: &BTreeMap<String, (u64, u64)>, deeds: &[Deed]) -> Option<String> {
    let there = |at: usize| present >> at & 1 == 1;
    let deleted =
        |id: &str| deeds.iter().enumerate().any(|(at, d)| there(at) && matches!(d, Deed::Delete(i) if *i == id));
    let mut titles = BTreeMap::new();
    for (at, deed) in deeds.iter().enumerate().filter(|(at, _)| there(*at)) {
        if let Deed::Insert(id, title) = deed
            && !deleted(id)
            && let Some(other) = titles.insert(title, at)
        {
            return Some(format!("both {other} and {at} gave {id} the title {title}"));
        }
    }
    let done = |id: &str, which: fn(&Deed) -> Option<&'static str>| {
        deeds.iter().enumerate().filter(|(at, deed)| present >> at & 1 == 1 && which(deed) == Some(id)).count() as u64
    };
    let ids: std::collections::BTreeSet<&str> = deeds
        .iter()
        .map(|deed| match deed {
            Deed::Insert(id, _) | Deed::CountUp(id) | Deed::Delete(id) => *id,
        })
        .collect();
    for id in ids {
        let made = done(id, |d| if let Deed::Insert(id, _) = d { Some(id) } else { None });
        let counted = done(id, |d| if let Deed::CountUp(id) = d { Some(id) } else { None });
        let deleted = done(id, |d| if let Deed::Delete(id) = d { Some(id) } else { None });
        let should = (made > 0 && deleted == 0).then_some((counted, 1 + counted));
        let is = notes.get(id).copied();
        if is != should {
            return Some(format!("note {id} is {is:?} (count, writes), and the commands make {should:?}"));
        }
    }
    None
}

/// A process.
pub struct Script {
    pub fs: ModelFs,
    pub deeds: Vec<Deed>,
    pub acts: Vec<Act>,
}

impl Script {
    /// Runs to the end.
    pub async fn run(self) {
        let mut store: Option<FileStore<ModelFs>> = None;
        for (at, act) in self.acts.iter().enumerate() {
            self.rest(Call::Begin, at, store.as_ref()).await;
            if let Err(e) = self.act(at, *act, &mut store).await {
                self.tell(Told::Wrong(format!("{act:?}: {e}")));
                return;
            }
        }
    }

    /// Between two acts, or within one where nothing but the store is known. `at` names the place, so that all draw other names.
    async fn rest(&self, call: Call, at: usize, store: Option<&FileStore<ModelFs>>) {
        self.fs.port.lock().unwrap().begin(at, idle(at, store));
        drop(self.fs.ask(call).await);
        self.fs.port.lock().unwrap().idle = None;
    }

    fn tell(&self, told: Told) {
        self.fs.port.lock().unwrap().told.push(told);
    }

    fn all(&self) -> u64 {
        (1 << self.deeds.len()) - 1
    }

    async fn act(&self, at: usize, act: Act, open: &mut Option<FileStore<ModelFs>>) -> Result<(), Error> {
        if let Act::PutBack(seq, without) = act {
            drop(self.fs.ask(Call::PutBack(seq)).await);
            self.tell(Told::Forget(bits(without)));
            return Ok(());
        }
        if let Act::Open = act {
            let store = FileStore::open_on(self.fs.clone(), quiet()).await?;
            self.rest(Call::Rest, at + 100, Some(&store)).await;
            store.migrate(&catalog()).await?;
            *open = Some(store);
            return Ok(());
        }
        let Some(store) = open.as_ref() else { panic!("{act:?} before opening") };
        match act {
            Act::Close => {
                store.close().await?;
                *open = None;
            }
            Act::Commit(command) => self.commit(store, command, Some(at)).await?,
            Act::Both(first, second) => {
                let mut halves = [first, second].map(|one| (Box::pin(self.commit(store, one, None)), None));
                std::future::poll_fn(|cx| {
                    for (half, ended) in halves.iter_mut().filter(|(_, ended)| ended.is_none()) {
                        if let Poll::Ready(done) = half.as_mut().poll(cx) {
                            *ended = Some(done);
                        }
                    }
                    if halves.iter().all(|(_, ended)| ended.is_some()) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                halves.into_iter().filter_map(|(_, ended)| ended).collect::<Result<(), Error>>()?;
            }
            Act::Read => {
                let facts = store.inner.current(|log| Ok(facts(log, &self.deeds))).await?;
                if let Some(wrong) = facts.wrong {
                    self.tell(Told::Wrong(format!("a reader sees that {wrong}")));
                }
                self.tell(Told::Saw { present: facts.present, known: self.all() });
            }
            Act::Ask(command) => {
                let there = matches!(store.outcome(&id(command)).await?, Outcome::Committed { .. });
                self.tell(Told::Saw { present: u64::from(there) << command, known: 1 << command });
            }
            Act::Compact => drop(store.compact().await?),
            Act::Open | Act::PutBack(..) => {}
        }
        Ok(())
    }

    /// Commits as the engine does: what conflicts is decided again. `alone`: this act, which does nothing else meanwhile.
    async fn commit(&self, store: &FileStore<ModelFs>, command: usize, alone: Option<usize>) -> Result<(), Error> {
        let bit = 1 << command;
        for attempt in 0..6 {
            if let (Some(at), 1..) = (alone, attempt) {
                self.rest(Call::Rest, at + 100 * attempt, Some(store)).await;
            }
            let write = match self.deeds[command] {
                Deed::Insert(id, title) => insert(id, title),
                Deed::Delete(id) => Write { key: note(id), expect: Expect::Any, op: Op::Delete },
                Deed::CountUp(id) => {
                    let found = store.get(&[note(id)]).await?.remove(0);
                    let Some(Stored { revision, document, .. }) = found else {
                        // Only a repeat of the command would find it gone; nobody repeats what counts here.
                        self.tell(Told::Never(bit));
                        return Ok(());
                    };
                    let mut after = Document::clone(&document);
                    after.insert("n".into(), (document["n"].as_i64().unwrap() + 1).into());
                    let op = Op::Change { difference: Arc::new(difference(&document, &after)), after: Arc::new(after) };
                    Write { key: note(id), expect: Expect::Revision(revision), op }
                }
            };
            match store.commit(batch(&name(command), vec![write])).await {
                Ok(_) => {
                    self.tell(Told::Saw { present: bit, known: bit });
                    return Ok(());
                }
                Err(Error::Conflict { .. }) if matches!(self.deeds[command], Deed::CountUp(_)) => {}
                Err(Error::Conflict { .. } | Error::UniqueViolation { .. }) => {
                    // Who has it was seen: the first of the others that inserts the same note or title.
                    let others = self.rivals(command);
                    self.tell(Told::Saw { present: others, known: others });
                    self.tell(Told::Never(bit));
                    return Ok(());
                }
                Err(e) => return Err(e),
            }
        }
        Err(Error::Unavailable { what: name(command), why: "it conflicts again and again".to_owned() })
    }

    /// The only other command with the same note or title; none, where there are several.
    fn rivals(&self, command: usize) -> u64 {
        let Deed::Insert(id, title) = self.deeds[command] else { return 0 };
        let rival = |(at, deed): (usize, &Deed)| match deed {
            Deed::Insert(i, t) if at != command && (*i == id || *t == title) => Some(at),
            _ => None,
        };
        let rivals: Vec<usize> = self.deeds.iter().enumerate().filter_map(rival).collect();
        if rivals.len() == 1 { bits(&rivals) } else { 0 }
    }
}

fn id(command: usize) -> CommandId {
    CommandId::new(&name(command)).unwrap()
}

/// Everything that an idle process knows: two that know the same do the same from then on, whatever they have been through.
fn idle(at: usize, store: Option<&FileStore<ModelFs>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    at.hash(&mut hasher);
    if let Some(store) = store {
        let log = store.log();
        let Log { head, dirty, damage, weight, litter, .. } = &*log;
        (format!("{head:?} {dirty:?} {damage:?} {weight:?} {litter} {:?}", log.illness())).hash(&mut hasher);
        facts(&log, &[]).hash.hash(&mut hasher);
    }
    hasher.finish()
}
