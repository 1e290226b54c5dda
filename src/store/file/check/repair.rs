//! Continuing from what is whole. What is damaged is kept aside in the folder `damaged`, never deleted; then a snapshot of all that is whole is
//! put above every number there is, by the very rules by which any snapshot is.

use std::sync::Arc;

use serde::Serialize;

use super::survey::{Islands, Surveyed};
use super::{Finding, Gravity, Report, Watch, survey};
use crate::id::hex;
use crate::marker::BoxFuture;
use crate::schema::Catalog;
use crate::store::Error;
use crate::store::file::cleaning::{Clean, Owner, TakeSnapshot, Taken, fence};
use crate::store::file::commit_file::{self, Entry};
use crate::store::file::faults::refused;
use crate::store::file::format::{
    COMMITS, FORMAT, IDENTITY, Identity, SNAPSHOTS, commit_path, commit_seq, file_hash, identity_bytes, random_store,
};
use crate::store::file::fs::{Fs, FsError, Reason, Sequence, optional};
use crate::store::file::snapshot::Header;
use crate::store::file::steps::{put_new, sync_all};
use crate::store::file::writing::Work;
use crate::store::file::{FileStore, Options, SnapshotPolicy};

/// The folder in which damaged files are kept.
const DAMAGED: &str = "damaged";

/// What a repair did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repaired {
    /// What was wrong, and what is gone.
    pub report: Report,
    /// The snapshot that the store goes on from; none: nothing had to be done.
    pub snapshot: Option<u64>,
    /// Files that are kept in the folder `damaged`.
    pub kept_aside: Vec<String>,
}

/// How far above every number there is a repair goes on: what others commit meanwhile stands between, and is found there.
const ABOVE: u64 = 1_000;

/// Looks at every file, and continues from what is whole. With `dry` it only says what it would do.
///
/// Of commits behind a damaged one those are kept that touch nothing which was lost. Others may have the store open: they read it anew, and
/// what they committed while it was repaired is committed again where it fits.
/// [`Error::Unavailable`]: there is no store. [`Error::Full`], [`Error::ReadOnly`]: nothing could be written, and nothing was changed.
pub async fn repair_on<F: Fs + Clone + 'static>(
    fs: &F,
    catalog: &Catalog,
    dry: bool,
    watch: Option<Arc<dyn Watch>>,
) -> Result<Repaired, Error> {
    let mut surveyed = survey(fs, Islands::Apply, watch.clone()).await?;
    match surveyed.tables.declare(catalog) {
        // What was lost may have made room for an entry: then nothing behind the damage is kept.
        Err(Error::UniqueViolation { .. }) => {
            surveyed = survey(fs, Islands::Leave, watch).await?;
            surveyed.tables.declare(catalog)?;
        }
        declared => declared?,
    }
    surveyed.report.documents = surveyed.tables.len() as u64;
    if surveyed.report.is_whole() {
        return Ok(Repaired { report: surveyed.report, snapshot: None, kept_aside: Vec::new() });
    }
    let (snapshot, kept_aside) = (surveyed.highest + ABOVE, surveyed.broken.clone());
    let mut report = surveyed.report.clone();
    if !dry {
        let root = fs.root();
        let random = fs.entropy().map_err(|e| refused(&e, &root))?;
        let repair = Repair { surveyed, random };
        let meanwhile = fs.run(repair).await.map_err(|e| refused(&e, &root))??;
        report.findings.extend(commit_again(fs, meanwhile).await?);
    }
    Ok(Repaired { report, snapshot: Some(snapshot), kept_aside })
}

struct Repair {
    surveyed: Surveyed,
    random: [u8; 16],
}

impl Sequence for Repair {
    /// What others committed meanwhile.
    type Output = Result<Vec<Entry>, Error>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let root = fs.root();
            let io = |e: FsError| refused(&e, &root);
            let Self { surveyed, random } = self;
            for folder in [COMMITS, SNAPSHOTS, DAMAGED] {
                fs.make_folder(folder).await.map_err(io)?;
            }
            let identity = identity(fs, &surveyed, random).await.map_err(io)?;
            sync_all(fs).await.map_err(io)?;
            // Before anything is replaced, so that what is named as gone stays to be looked at whenever we die.
            let kept = set_aside(fs, &surveyed.broken).await.map_err(io)?;
            // A snapshot of such a number would count as the highest for ever.
            for path in &surveyed.foreign {
                optional(fs.remove(path).await).map_err(io)?;
            }
            // Nobody has seen a commit of this number and hash, so whoever stands anywhere reads anew.
            let prev = file_hash(hex(&random).as_bytes());
            let base = surveyed.highest + ABOVE;
            let header = Header { snapshot: base, format: FORMAT, store: identity.store, prev };
            match (TakeSnapshot { header, tables: surveyed.tables, random }).run(fs).await {
                Taken::Linked => {}
                Taken::Overtaken => {
                    return Err(Error::Unavailable {
                        what: format!("the store at {root}"),
                        why: "another process is compacting or repairing it; try again".to_owned(),
                    });
                }
                Taken::Refused(e) => return Err(io(e)),
                Taken::Unreadable(error) => return Err(error),
            }
            // From here on the store is whole again.
            for path in surveyed.broken.iter().filter(|_| kept == Kept::NotYet) {
                keep_aside(fs, path).await.map_err(io)?;
            }
            fs.sync_folder(DAMAGED).await.map_err(io)?;
            // From here on whoever commits has read the new snapshot.
            fence(fs).await.map_err(io)?;
            let mut meanwhile = Vec::new();
            for seq in commits_between(fs, surveyed.highest, base).await.map_err(io)? {
                let bytes = fs.read(&commit_path(seq), None).await.map_err(io)?;
                if let Ok(file) = commit_file::read_alone(&bytes, seq) {
                    meanwhile.extend(file.commits);
                }
            }
            Clean { base, owner: Owner::Us }.run(fs).await.map_err(io)?;
            Ok(meanwhile)
        })
    }
}

async fn commits_between<F: Fs>(fs: &F, after: u64, before: u64) -> Result<Vec<u64>, FsError> {
    let names = fs.list(COMMITS).await?;
    let mut found: Vec<u64> = names.iter().filter_map(|name| commit_seq(name)).collect();
    found.retain(|seq| (after + 1..before).contains(seq));
    found.sort_unstable();
    Ok(found)
}

/// Commits on the repaired store what others committed on the damaged one while it was repaired; what does not fit is told.
async fn commit_again<F: Fs + Clone + 'static>(fs: &F, entries: Vec<Entry>) -> Result<Option<Finding>, Error> {
    if entries.is_empty() {
        return Ok(None);
    }
    let options = Options { existing: true, reserve_bytes: 0, snapshots: SnapshotPolicy::NEVER, ..Options::default() };
    let store = FileStore::open_on(fs.clone(), options).await?;
    let mut gone = Vec::new();
    for entry in entries {
        let command = entry.logged.command.to_string();
        match store.inner.commit_work(Work::Again(Box::new(entry))).await {
            Ok(_) => {}
            Err(Error::Conflict { .. }) => gone.push(format!("command {command}")),
            Err(error) => return Err(error),
        }
    }
    let why = "it was committed while the store was repaired, on what is gone".to_owned();
    let finding = Finding { at: COMMITS.to_owned(), gravity: Gravity::Damage, why, gone };
    Ok((!finding.gone.is_empty()).then_some(finding))
}

/// Whether what is damaged has been kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    /// Files have one name only here: they would be missing where they stand, and are needed until the store is whole again.
    NotYet,
}

async fn set_aside<F: Fs>(fs: &F, broken: &[String]) -> Result<Kept, FsError> {
    for path in broken {
        let Some(aside) = keep_aside(fs, path).await? else { continue };
        if optional(fs.size(path).await)?.is_none() && optional(fs.link_new(&aside, path).await)?.is_some() {
            return Ok(Kept::NotYet);
        }
    }
    fs.sync_folder(DAMAGED).await?;
    Ok(Kept::Yes)
}

/// Gives a file a second name in the folder of what is damaged, and says which. Where files have one name only it loses its first.
async fn keep_aside<F: Fs>(fs: &F, path: &str) -> Result<Option<String>, FsError> {
    let name = path.replace('/', "-");
    let mut aside = format!("{DAMAGED}/{name}");
    for again in 2..1_000 {
        match fs.link_new(path, &aside).await {
            Err(e) if e.reason == Reason::Exists => {
                // By a repair that was cut off.
                if optional(fs.read(path, None).await).ok() == optional(fs.read(&aside, None).await).ok() {
                    return Ok(None);
                }
                aside = format!("{DAMAGED}/{again}-{name}");
            }
            // It is gone, or was moved by a repair that was cut off.
            Err(e) if e.missing() => return Ok(None),
            done => return done.map(|()| Some(aside)),
        }
    }
    Ok(None)
}

/// What runstate.json says; it is written anew where it does not say it.
async fn identity<F: Fs>(fs: &F, surveyed: &Surveyed, random: [u8; 16]) -> Result<Identity, FsError> {
    let broken = surveyed.report.findings.iter().any(|finding| finding.at == IDENTITY);
    let identity = match &surveyed.identity {
        Some(identity) => identity.clone(),
        // Nothing of the store says any more which one it was.
        None => Identity::of(&random_store(random)),
    };
    if broken {
        keep_aside(fs, IDENTITY).await?;
        optional(fs.remove(IDENTITY).await)?;
        put_new(fs, IDENTITY, &identity_bytes(&identity.store)).await?;
    }
    Ok(identity)
}
