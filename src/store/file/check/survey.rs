//! Reading all of a store, whatever state it is in, and saying of each file what is wrong with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Watch;
use super::islands::{self, Tail};
use crate::marker::BoxFuture;
use crate::schema::Catalog;
use crate::store::file::commit_file;
use crate::store::file::faults::unavailable;
use crate::store::file::format::{
    COMMITS, IDENTITY, Identity, RESERVE, SNAPSHOTS, check_seal, commit_path, commit_seq, file_hash, is_sign, is_temp,
    snapshot_path, snapshot_seq,
};
use crate::store::file::fs::{Fs, FsError, Reason, Sequence, Source, optional};
use crate::store::file::load::{Head, replay};
use crate::store::file::open::no_store;
use crate::store::file::reserve;
use crate::store::file::snapshot::{self, Fault, Header, SnapshotBase};
use crate::store::tables::Tables;
use crate::store::{Error, Finding, Limits, Report, Severity};

/// Sequence numbers are below this: a thousand commits a second for thirty thousand years. What has a greater one is none of ours.
const NUMBERS: u64 = 1_000_000_000_000_000;

/// How often a file is read that the disk does not give.
pub(super) const TRIES: usize = 3;

/// How often a store may be compacted under our eyes.
const ATTEMPTS: usize = 10;

/// What becomes of whole commits that stand behind a damaged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Islands {
    /// They are gone.
    Leave,
    /// Those that fit what is whole are applied.
    Apply,
}

/// Reads everything.
pub struct Survey {
    pub islands: Islands,
    pub watch: Option<Arc<dyn Watch>>,
}

/// A store as far as it could be read.
pub struct Surveyed {
    pub report: Report,
    /// What runstate.json says, or would have to say.
    pub identity: Option<Identity>,
    /// All that is whole.
    pub tables: Tables,
    /// The greatest number that any file has.
    pub highest: u64,
    /// The numbers of all snapshots, whatever is in them.
    pub snapshots: Vec<u64>,
    /// The numbers that somebody may stand at who needs the next one.
    pub stands: BTreeSet<u64>,
    /// Files that do not belong to the state and are to be kept aside.
    pub broken: Vec<String>,
    /// Those among them that no snapshot replaces, because of their numbers.
    pub foreign: Vec<String>,
}

impl Sequence for Survey {
    type Output = Result<Surveyed, Error>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let root = fs.root();
            for _ in 0..ATTEMPTS {
                let mut look = Look::new(fs, &self);
                match look.all().await {
                    Ok(true) => return Ok(look.found),
                    // A snapshot was taken meanwhile, and what was being read is gone.
                    Ok(false) => {}
                    Err(Stop::Disk(e)) => return Err(unavailable(&e, &root)),
                    Err(Stop::Told(error)) => return Err(error),
                }
            }
            Err(Error::Unavailable {
                what: format!("the store at {root}"),
                why: "new snapshots keep being taken while it is looked at; try again".to_owned(),
            })
        })
    }
}

/// An open snapshot, and whether it is whole.
type Opened = (Arc<dyn Source>, Result<(Header, Arc<SnapshotBase>), String>);

pub(super) enum Stop {
    Disk(FsError),
    Told(Error),
}

impl From<FsError> for Stop {
    fn from(e: FsError) -> Self {
        Stop::Disk(e)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Told(error)
    }
}

pub(super) struct Look<'a, F> {
    pub fs: &'a F,
    survey: &'a Survey,
    total: u64,
    pub found: Surveyed,
}

impl<'a, F: Fs> Look<'a, F> {
    fn new(fs: &'a F, survey: &'a Survey) -> Self {
        let tables = Tables::new(&Catalog::default(), Limits::default());
        let (report, snapshots, stands, broken, foreign) = Default::default();
        Self {
            fs,
            survey,
            total: 0,
            found: Surveyed { report, identity: None, tables, highest: 0, snapshots, stands, broken, foreign },
        }
    }

    /// `false`: the store was compacted meanwhile.
    async fn all(&mut self) -> Result<bool, Stop> {
        let fs = self.fs;
        let (commits, snapshots) = self.numbers().await?;
        self.identity(&commits, &snapshots).await?;
        let head = self.snapshots(&snapshots).await?;
        self.commits(&commits, head).await?;
        self.reserve().await?;
        self.found.report.documents = self.found.tables.len() as u64;
        let names = optional(fs.list(SNAPSHOTS).await)?.unwrap_or_default();
        let now = names.iter().filter_map(|name| snapshot_seq(name)).filter(|seq| *seq < NUMBERS).max();
        Ok(now == snapshots.iter().copied().max())
    }

    /// The numbers of all commits and snapshots, in order.
    async fn numbers(&mut self) -> Result<(Vec<u64>, Vec<u64>), Stop> {
        let fs = self.fs;
        let names = optional(fs.list("").await)?.unwrap_or_default();
        if ![IDENTITY, COMMITS, SNAPSHOTS].iter().any(|own| names.iter().any(|name| name == own)) {
            return Err(no_store(&fs.root()).into());
        }
        let mut commits = Vec::new();
        for name in optional(fs.list(COMMITS).await)?.unwrap_or_default() {
            match commit_seq(&name) {
                Some(seq) if seq < NUMBERS => commits.push(seq),
                Some(_) => self.foreign(format!("{COMMITS}/{name}")),
                None if is_temp(&name) => self.harmless(&format!("{COMMITS}/{name}"), "it was never finished"),
                None => self.harmless(&format!("{COMMITS}/{name}"), "it is none of the store's files"),
            }
        }
        let mut snapshots = Vec::new();
        for name in optional(fs.list(SNAPSHOTS).await)?.unwrap_or_default() {
            match snapshot_seq(&name) {
                Some(seq) if seq < NUMBERS => snapshots.push(seq),
                Some(seq) => {
                    self.found.snapshots.push(seq);
                    self.foreign(format!("{SNAPSHOTS}/{name}"));
                }
                None if is_sign(&name) => {
                    self.harmless(&format!("{SNAPSHOTS}/{name}"), "a process asked others to wait")
                }
                None => self.harmless(&format!("{SNAPSHOTS}/{name}"), "it is none of the store's files"),
            }
        }
        commits.sort_unstable();
        snapshots.sort_unstable();
        self.found.snapshots.extend(&snapshots);
        self.found.stands = commits.iter().chain(&snapshots).copied().chain([0]).collect();
        self.found.highest = commits.iter().chain(&snapshots).copied().max().unwrap_or(0);
        for path in commits.iter().map(|seq| commit_path(*seq)).chain(snapshots.iter().map(|seq| snapshot_path(*seq))) {
            self.total += optional(fs.size(&path).await)?.unwrap_or(0);
        }
        Ok((commits, snapshots))
    }

    /// The bytes of a commit; a disk that fails again and again is as good as damage, and so is a folder.
    pub(super) async fn commit(&self, path: &str) -> Result<Option<Vec<u8>>, FsError> {
        let mut tried = 1;
        loop {
            match optional(self.fs.read(path, None).await) {
                Err(e) if tried < TRIES && e.reason != Reason::Denied => tried += 1,
                read => return read,
            }
        }
    }

    /// A snapshot that was read as a whole, or what is wrong with it. A disk that stumbles once is asked again.
    async fn snapshot(&self, seq: u64, store: &str, at: &str) -> Result<Option<Opened>, FsError> {
        let mut tried = 0;
        loop {
            tried += 1;
            let Some(source) = optional(self.fs.source(&snapshot_path(seq)).await)? else { return Ok(None) };
            let whole = match snapshot::open(source.clone(), seq, store, at) {
                Ok((header, base)) => base.verify().map(|()| (header, base)),
                Err(Fault::Wrong(why)) => Err(Error::Corrupt { at: at.to_owned(), why }),
                Err(Fault::Disk(e)) if e.reason == Reason::Denied => return Err(e),
                Err(Fault::Disk(e)) => Err(unavailable(&e, at)),
            };
            match whole {
                Ok(whole) => return Ok(Some((source, Ok(whole)))),
                Err(Error::Corrupt { why, .. }) => return Ok(Some((source, Err(why)))),
                Err(_) if tried < TRIES => {}
                Err(error) => return Ok(Some((source, Err(error.to_string())))),
            }
        }
    }

    /// The state that the best of all snapshots gives.
    async fn snapshots(&mut self, snapshots: &[u64]) -> Result<Option<Head>, Stop> {
        let mut head = None;
        let newest = snapshots.last().copied();
        for seq in snapshots.iter().rev() {
            let path = snapshot_path(*seq);
            let at = format!("{}/{path}", self.fs.root());
            let store = self.found.identity.as_ref().map(|identity| identity.store.clone()).unwrap_or_default();
            let Some((source, whole)) = self.snapshot(*seq, &store, &at).await? else { continue };
            self.read(source.size());
            match whole {
                Ok(_) if head.is_some() => {}
                Ok((header, base)) => {
                    if newest == Some(*seq) {
                        self.found.report.snapshot = Some(*seq);
                    }
                    self.found.tables = Tables::over(base, Limits::default())?;
                    head = Some(Head { base: Some(*seq), seq: *seq, hash: header.prev, end: None });
                }
                Err(why) if head.is_some() => self.harmless(&path, &why),
                Err(why) => {
                    self.found.broken.push(path.clone());
                    if snapshot::header(&*source).is_ok_and(|header| header.store != store) {
                        self.damage(&path, why, Vec::new());
                        continue;
                    }
                    let saved = match snapshot::open_damaged(source, *seq, &store, &at) {
                        Ok((header, base)) => Some((header, snapshot::saved(&base))),
                        Err(_) => None,
                    };
                    let Some((header, saved)) = saved else {
                        self.damage(&path, why, vec!["every document that is in it alone".to_owned()]);
                        continue;
                    };
                    self.damage(&path, why, saved.gone);
                    for (key, stored) in saved.documents {
                        self.found.tables.restore(key, stored)?;
                    }
                    head = Some(Head { base: Some(*seq), seq: *seq, hash: header.prev, end: None });
                }
            }
        }
        if let (Some(newest), Some(base)) = (newest, head.as_ref().and_then(|head| head.base))
            && base < newest
        {
            self.found.report.snapshot = Some(base);
        }
        Ok(head)
    }

    async fn commits(&mut self, commits: &[u64], head: Option<Head>) -> Result<(), Stop> {
        if let Some(base) = head.as_ref().and_then(|head| head.base).filter(|base| *base > 0 && !commits.contains(base))
        {
            let why = "the snapshot was taken after it, and it is not there: unless a repair took the snapshot, commits behind it may be missing too";
            self.harmless(&commit_path(base), why);
        }
        let first = || Header::first(self.found.identity.as_ref().unwrap_or(&Identity::of("")));
        let mut head = head.unwrap_or_else(|| Head { base: None, seq: 0, hash: first().prev, end: None });
        for seq in commits.iter().filter(|seq| **seq <= head.seq) {
            self.superseded(*seq, &head).await?;
        }
        let mut tail = Tail::default();
        for seq in commits.iter().filter(|seq| **seq > head.base.unwrap_or(0)) {
            let path = commit_path(*seq);
            let bytes = match self.commit(&path).await {
                Ok(Some(bytes)) => bytes,
                // Removed meanwhile, or a name without a file.
                Ok(None) if !self.is_listed(&path).await? => continue,
                Ok(None) => {
                    self.damage(&path, "its name leads nowhere".to_owned(), Vec::new());
                    Vec::new()
                }
                // Nothing is wrong with what others may read.
                Err(e) if e.reason == Reason::Denied => return Err(e.into()),
                Err(e) => {
                    self.damage(&path, e.to_string(), Vec::new());
                    Vec::new()
                }
            };
            self.read(bytes.len() as u64);
            if !tail.has_begun() {
                match self.follow(&bytes, *seq, &head)? {
                    Ok(()) => {
                        self.found.report.commits += 1;
                        head.seq = *seq;
                        head.hash = file_hash(&bytes);
                        continue;
                    }
                    Err(why) => {
                        let (at, why) = match head.seq + 1 {
                            missing if missing < *seq => {
                                (commit_path(missing), format!("it is missing, while commit {seq} is there"))
                            }
                            _ => (path.clone(), why),
                        };
                        if !self.found.report.findings.iter().any(|finding| finding.at == at) {
                            self.damage(&at, why, Vec::new());
                        }
                    }
                }
            }
            self.found.broken.push(path);
            tail.push(*seq, bytes);
        }
        self.found.report.head = head.seq;
        for (seq, why) in tail.damaged() {
            let path = commit_path(seq);
            if !self.found.report.findings.iter().any(|finding| finding.at == path) {
                self.damage(&path, why.clone(), Vec::new());
            }
        }
        let kept = match self.survey.islands {
            Islands::Apply => {
                islands::apply(&tail, self.found.report.store.as_deref().unwrap_or_default(), &mut self.found.tables)?
            }
            Islands::Leave => Vec::new(),
        };
        let gone =
            tail.commands().filter(|command| !kept.contains(command)).map(|command| format!("command {command}"));
        let gone: Vec<String> = gone.collect();
        let mut damages = self.found.report.findings.iter_mut().filter(|finding| finding.severity == Severity::Damage);
        if let Some(finding) = damages.find(|finding| finding.at.starts_with(COMMITS)) {
            finding.gone = gone;
        }
        Ok(())
    }

    async fn is_listed(&self, path: &str) -> Result<bool, FsError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok(optional(self.fs.list(folder).await)?.unwrap_or_default().iter().any(|listed| listed == name))
    }

    /// Applies the next commit; the inner error: what is wrong with it.
    fn follow(&mut self, bytes: &[u8], seq: u64, head: &Head) -> Result<Result<(), String>, Stop> {
        if seq != head.seq + 1 {
            return Ok(Err(String::new()));
        }
        let file = match commit_file::read(bytes, seq, &head.hash) {
            Ok(file) => file,
            Err(why) => return Ok(Err(why)),
        };
        // What does not fit must leave no half of itself.
        for entry in &file.commits {
            if let Some(key) = islands::misfit(&self.found.tables, entry)? {
                return Ok(Err(format!("command `{}` does not fit what stands under {key}", entry.logged.command)));
            }
            if let Err(why) = replay(&mut self.found.tables, entry)? {
                return Ok(Err(why));
            }
        }
        Ok(Ok(()))
    }

    /// A commit that the snapshot contains: nothing depends on it.
    async fn superseded(&mut self, seq: u64, head: &Head) -> Result<(), Stop> {
        let path = commit_path(seq);
        let Some(bytes) = optional(self.fs.read(&path, None).await)? else { return Ok(()) };
        self.read(bytes.len() as u64);
        if seq == head.seq && file_hash(&bytes) != head.hash {
            self.harmless(&path, "it is not the commit that the snapshot was taken after");
        } else if let Err(why) = check_seal(&bytes) {
            self.harmless(&path, why);
        }
        Ok(())
    }

    async fn reserve(&mut self) -> Result<(), Stop> {
        if let Some(bytes) = optional(self.fs.read(RESERVE, None).await)?
            && bytes != reserve::contents(bytes.len() as u64)
        {
            self.harmless(RESERVE, "its bytes were changed; nothing but space is kept in it");
        }
        Ok(())
    }

    fn read(&mut self, bytes: u64) {
        self.found.report.bytes += bytes;
        if let Some(watch) = &self.survey.watch {
            watch.progress(self.found.report.bytes.min(self.total), self.total);
        }
    }

    fn foreign(&mut self, path: String) {
        self.damage(&path, "nothing can have this number".to_owned(), Vec::new());
        self.found.broken.push(path.clone());
        self.found.foreign.push(path);
    }

    fn harmless(&mut self, at: &str, why: &str) {
        self.found.report.findings.push(Finding::harmless(at, why));
    }

    pub(super) fn damage(&mut self, at: &str, why: String, gone: Vec<String>) {
        self.found.report.findings.push(Finding { gone, ..Finding::damage(at, why) });
    }
}
