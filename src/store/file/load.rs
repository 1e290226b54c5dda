//! Reading a whole store: the highest snapshot and the commits after it (rules 2 and 3), and telling a gap from a race (rule 12).

use super::commit_file;
use super::faults::unavailable;
use super::feed::Feed;
use super::format::{
    COMMITS, FORMAT, IDENTITY, Identity, SEAL, commit_path, commit_seq, file_hash, read_identity, snapshot_path,
};
use super::fs::{Fs, FsError, Rule, Sequence, optional};
use super::snapshot::{self, Fault, Header};
use super::steps::highest_snapshot;
use crate::marker::BoxFuture;
use crate::schema::Catalog;
use crate::store::tables::Tables;
use crate::store::{Error, Limits};

/// How often a store may change under our eyes while it is read: each time means that a snapshot was taken meanwhile.
const ATTEMPTS: usize = 100;

/// Reads the store.
pub struct Load {
    /// Which store it must be.
    pub identity: Identity,
    /// Bounds of batches.
    pub limits: Limits,
    /// The last commit that the reader knows already.
    pub known: Option<Head>,
}

/// The last commit that a state contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The snapshot the state came from; none: the empty one of a new store, which could not be written.
    pub base: Option<u64>,
    /// The commit.
    pub seq: u64,
    /// Hash of its file.
    pub hash: String,
    /// How its file ends; none: it was not read.
    pub end: Option<FileEnd>,
}

/// How a file ends: its size and its seal, by which a long one is known again without reading all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEnd {
    /// Bytes of the file.
    pub size: u64,
    /// Its last bytes.
    pub seal: Vec<u8>,
}

impl FileEnd {
    /// Of a file with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { size: bytes.len() as u64, seal: bytes[bytes.len().saturating_sub(SEAL)..].to_vec() }
    }
}

/// A store that was read. Nothing of it is known to be safe from the loss of power.
pub struct Loaded {
    /// All documents.
    pub tables: Tables,
    /// As of here.
    pub head: Head,
    /// What is damaged after the head.
    pub damage: Option<Error>,
    /// What the commits since the snapshot changed.
    pub feed: Feed,
    /// How much there is to read.
    pub weight: Weight,
    /// There are files that the snapshot makes superfluous: somebody died while cleaning up.
    pub litter: bool,
    /// How what was read goes together with what the reader knew.
    pub past: Past,
}

/// How a state that was read goes together with the one that was known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// The known commit is part of it.
    Continued,
    /// A snapshot stands where the known commit was; nothing contradicts it.
    Overtaken,
    /// It is another history, or nothing was known.
    Other,
}

/// How much a state was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Bytes of the snapshot.
    pub snapshot: u64,
    /// Commit files after it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Sequence for Load {
    type Output = Result<Loaded, Error>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let root = fs.root();
            let io = |e: FsError| unavailable(&e, &root);
            let found = fs.read(IDENTITY, None).await.map_err(io)?;
            let found = read_identity(&found, &format!("{root}/{IDENTITY}"))?;
            if found.store != self.identity.store {
                let (was, is) = (&self.identity.store, found.store);
                return Err(Error::Unavailable {
                    what: format!("the store at {root}"),
                    why: format!("it was replaced by another one ({is}, was {was}); open it again"),
                });
            }
            // A commit that cannot be replayed leaves half of itself in the tables: they are read again up to it.
            let mut unreplayable: Option<(u64, Error)> = None;
            for _ in 0..ATTEMPTS {
                let Some(mut state) = self.start(fs, &root).await? else { continue };
                let stop = unreplayable.clone();
                match state.go_on(fs, &root, stop).await? {
                    Reached::End => {}
                    Reached::Unreplayable(seq, error) => {
                        unreplayable = Some((seq, error));
                        continue;
                    }
                }
                if state.loaded.damage.is_none() && !state.whole(fs, &root).await.map_err(io)? {
                    continue;
                }
                if state.still_newest(fs).await.map_err(io)? {
                    return Ok(state.loaded);
                }
            }
            Err(Error::Unavailable {
                what: format!("the store at {root}"),
                why: "new snapshots keep being taken while it is opened; try again".to_owned(),
            })
        })
    }
}

impl Load {
    /// Rule 2, first half: the highest snapshot. None: it vanished, start over.
    async fn start<F: Fs>(&self, fs: &F, root: &str) -> Result<Option<Reading>, Error> {
        let io = |e: FsError| unavailable(&e, root);
        let mut tables = Tables::new(&Catalog::default(), self.limits);
        let snapshot = highest_snapshot(fs).await.map_err(io)?;
        let mut size = 0;
        let header = match snapshot {
            // It could not be written where nothing can be; it is known anyway.
            None => Header::first(&self.identity),
            Some(seq) => {
                let path = snapshot_path(seq);
                let Some(source) = optional(fs.source(&path).await).map_err(io)? else { return Ok(None) };
                let at = format!("{root}/{path}");
                let (header, base) = match snapshot::open(source, seq, &self.identity.store, &at) {
                    Ok(opened) => opened,
                    Err(Fault::Disk(e)) if e.missing() => return Ok(None),
                    Err(Fault::Disk(e)) => return Err(io(e)),
                    Err(Fault::Wrong(_)) if self.identity.format > FORMAT => {
                        return Err(Error::NewerVersion { what: at, found: self.identity.format, supported: FORMAT });
                    }
                    Err(Fault::Wrong(why)) => return Err(Error::Corrupt { at, why }),
                };
                size = base.size();
                tables = Tables::over(base, self.limits)?;
                header
            }
        };
        let head = Head { base: snapshot, seq: header.snapshot, hash: header.prev, end: None };
        let past = match &self.known {
            Some(known) if known.seq < head.seq => Past::Overtaken,
            Some(known) if known.seq == head.seq && known.hash == head.hash => Past::Continued,
            _ => Past::Other,
        };
        let weight = Weight { snapshot: size, ..Weight::default() };
        let feed = Feed::from(head.seq);
        let loaded = Loaded { tables, head, damage: None, feed, weight, litter: false, past };
        Ok(Some(Reading { loaded, known: self.known.clone() }))
    }
}

/// A store that is being read.
struct Reading {
    loaded: Loaded,
    known: Option<Head>,
}

enum Reached {
    End,
    Unreplayable(u64, Error),
}

impl Reading {
    /// Rule 2, second half: the commits after the head until one is missing or damaged.
    async fn go_on<F: Fs>(&mut self, fs: &F, root: &str, stop: Option<(u64, Error)>) -> Result<Reached, Error> {
        loop {
            let next = self.loaded.head.seq + 1;
            if let Some((_, error)) = stop.as_ref().filter(|(seq, _)| *seq == next) {
                self.loaded.damage = Some(error.clone());
                return Ok(Reached::End);
            }
            let path = commit_path(next);
            let Some(bytes) = optional(fs.read(&path, None).await).map_err(|e| unavailable(&e, root))? else {
                return Ok(Reached::End);
            };
            let corrupt = |why: String| Error::Corrupt { at: format!("{root}/{path}"), why };
            match commit_file::read(&bytes, next, &self.loaded.head.hash) {
                Err(why) => {
                    self.loaded.damage = Some(corrupt(why));
                    return Ok(Reached::End);
                }
                Ok(file) => {
                    for (index, entry) in (0..).zip(&file.commits) {
                        match replay(&mut self.loaded.tables, entry)? {
                            Ok(done) => self.loaded.feed.push(next, (index, file.commits.len()), &done),
                            Err(why) => return Ok(Reached::Unreplayable(next, corrupt(why))),
                        }
                    }
                }
            }
            let loaded = &mut self.loaded;
            loaded.head.seq = next;
            loaded.head.hash = file_hash(&bytes);
            loaded.head.end = Some(FileEnd::of(&bytes));
            loaded.weight.files += 1;
            loaded.weight.bytes += bytes.len() as u64;
            if self.known.as_ref().is_some_and(|known| known.seq == next && known.hash == loaded.head.hash) {
                loaded.past = Past::Continued;
            }
        }
    }

    /// Rule 12: whether nothing is missing before a commit that is there. `false`: read again from the start.
    async fn whole<F: Fs>(&mut self, fs: &F, root: &str) -> Result<bool, FsError> {
        let next = self.loaded.head.seq + 1;
        // Copies may lack folders that were empty.
        let Some(names) = optional(fs.list(COMMITS).await)? else {
            fs.make_folder(COMMITS).await?;
            return Ok(true);
        };
        let there: Vec<u64> = names.iter().filter_map(|name| commit_seq(name)).collect();
        self.loaded.litter = self.loaded.head.base.is_some_and(|base| there.iter().any(|seq| *seq < base));
        let later = there.into_iter().filter(|seq| *seq >= next).min();
        let Some(later) = later else { return Ok(true) };
        // It was seen, so the next one had been there before it: either it is there by now, or a snapshot replaced both.
        let newest = highest_snapshot(fs).await?;
        let again = !fs.skips(Rule::GapLookedAtAgain);
        if again && (newest > self.loaded.head.base || optional(fs.size(&commit_path(next)).await)?.is_some()) {
            return Ok(false);
        }
        self.loaded.damage = Some(Error::Corrupt {
            at: format!("{root}/{}", commit_path(next)),
            why: format!("it is missing, while commit {later} is there; put it back from a copy of the store"),
        });
        Ok(true)
    }

    /// Rule 3: no higher snapshot by now, and ours still there.
    async fn still_newest<F: Fs>(&self, fs: &F) -> Result<bool, FsError> {
        if !fs.skips(Rule::LookAgain) && highest_snapshot(fs).await? > self.loaded.head.base {
            return Ok(false);
        }
        // Of what was read only the snapshot can have vanished: the commits after it go later.
        match self.loaded.head.base {
            Some(base) => Ok(fs.skips(Rule::BaseStands) || optional(fs.size(&snapshot_path(base)).await)?.is_some()),
            None => Ok(true),
        }
    }
}

/// Applies a commit of a file; the inner error says how it contradicts what was before it, and the tables then hold part of it. The outer
/// one: what is before it cannot be read now.
pub fn replay(
    tables: &mut Tables,
    entry: &commit_file::Entry,
) -> Result<Result<crate::store::tables::Commit, String>, Error> {
    match tables.apply_logged(&entry.logged) {
        Ok(done) => Ok(entry.confirm(&done).map(|()| done)),
        Err(unreadable @ Error::Unavailable { .. }) => Err(unreadable),
        Err(contradiction) => Ok(Err(contradiction.to_string())),
    }
}
