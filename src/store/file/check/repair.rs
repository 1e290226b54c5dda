//! Continuing from what is whole. What is damaged is kept aside in the folder `damaged`, never deleted; then a snapshot of all that is whole is
//! put above every number there is, by the very rules by which any snapshot is.

use std::sync::Arc;

use serde::Serialize;

use super::survey::{Islands, Surveyed};
use super::{Watch, survey};
use crate::id::hex;
use crate::marker::BoxFuture;
use crate::schema::Catalog;
use crate::store::file::cleaning::{Clean, Owner, TakeSnapshot, Taken, fence};
use crate::store::file::commit_file;
use crate::store::file::faults::refused;
use crate::store::file::format::{
    COMMITS, FORMAT, IDENTITY, Identity, SNAPSHOTS, commit_path, file_hash, identity_bytes, random_store, snapshot_seq,
};
use crate::store::file::fs::{Fs, FsError, Reason, Sequence, optional};
use crate::store::file::snapshot::Header;
use crate::store::file::steps::{put_new, sync_all};
use crate::store::{Error, Report};
use crate::time::Timestamp;

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

/// How often others may commit or compact while a store is looked at.
const ATTEMPTS: usize = 20;

/// Looks at every file, and continues from what is whole. With `dry` it only says what it would do.
///
/// Of commits behind a damaged one those are kept that touch nothing which was lost. Others may have the store open, and may not have seen the
/// damage: what they commit meanwhile is looked at too, until the number that they need next is taken; from then on they read anew.
/// [`Error::Unavailable`]: there is no store. [`Error::Full`], [`Error::ReadOnly`]: nothing could be written, and nothing was changed.
pub async fn repair_on<F: Fs>(
    fs: &F,
    catalog: &Catalog,
    dry: bool,
    watch: Option<Arc<dyn Watch>>,
) -> Result<Repaired, Error> {
    let root = fs.root();
    for _ in 0..ATTEMPTS {
        let mut surveyed = survey(fs, Islands::Apply, watch.clone()).await?;
        match surveyed.tables.declare(catalog) {
            // What was lost may have made room for an entry: then nothing behind the damage is kept.
            Err(Error::UniqueViolation { .. }) => {
                surveyed = survey(fs, Islands::Leave, watch.clone()).await?;
                surveyed.tables.declare(catalog)?;
            }
            declared => declared?,
        }
        surveyed.report.documents = surveyed.tables.len() as u64;
        if surveyed.report.is_whole() {
            return Ok(Repaired { report: surveyed.report, snapshot: None, kept_aside: Vec::new() });
        }
        let (report, kept_aside) = (surveyed.report.clone(), surveyed.broken.clone());
        let repaired = Repaired { report, snapshot: Some(surveyed.highest + 2), kept_aside };
        if dry {
            return Ok(repaired);
        }
        let random = fs.entropy().map_err(|e| refused(&e, &root))?;
        if fs.run(Repair { surveyed, random }).await.map_err(|e| refused(&e, &root))?? == Stood::Still {
            return Ok(repaired);
        }
    }
    Err(busy(&root))
}

fn busy(root: &str) -> Error {
    Error::Unavailable {
        what: format!("the store at {root}"),
        why: "others go on writing to it while it is repaired; try again".to_owned(),
    }
}

/// Whether the store is still what was looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stood {
    Still,
    Moved,
}

struct Repair {
    surveyed: Surveyed,
    random: [u8; 16],
}

impl Sequence for Repair {
    type Output = Result<Stood, Error>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let root = fs.root();
            let io = |e: FsError| refused(&e, &root);
            let Self { surveyed, random } = self;
            for folder in [COMMITS, SNAPSHOTS, DAMAGED] {
                fs.make_folder(folder).await.map_err(io)?;
            }
            // Nobody has seen a commit of this hash, so nobody's history goes on behind it.
            let prev = file_hash(hex(&random).as_bytes());
            if !hold_off(fs, &surveyed, &prev).await? {
                return Ok(Stood::Moved);
            }
            let identity = identity(fs, &surveyed, random).await.map_err(io)?;
            sync_all(fs).await.map_err(io)?;
            // Before anything is replaced, so that what is named as gone stays to be looked at whenever we die.
            let kept = set_aside(fs, &surveyed.broken).await.map_err(io)?;
            // A snapshot of such a number would count as the highest for ever.
            for path in &surveyed.foreign {
                optional(fs.remove(path).await).map_err(io)?;
            }
            let base = surveyed.highest + 2;
            let header = Header { snapshot: base, format: FORMAT, store: identity.store, prev };
            match (TakeSnapshot { header, tables: surveyed.tables, random }).run(fs).await {
                Taken::Linked => {}
                Taken::Overtaken => return Err(busy(&root)),
                Taken::Refused(e) => return Err(io(e)),
                Taken::Unreadable(error) => return Err(error),
            }
            // From here on the store is whole again.
            for path in surveyed.broken.iter().filter(|_| kept == Kept::NotYet) {
                keep_aside(fs, path).await.map_err(io)?;
            }
            fs.sync_folder(DAMAGED).await.map_err(io)?;
            Clean { base, owner: Owner::Us }.run(fs).await.map_err(io)?;
            Ok(Stood::Still)
        })
    }
}

/// Takes every number that somebody who has not seen the damage may need next, and removes what they are about to link: from here on nobody
/// commits and nobody compacts on the old state, so what was looked at is all there is. `false`: somebody was faster, and it must be looked
/// at again.
async fn hold_off<F: Fs>(fs: &F, surveyed: &Surveyed, prev: &str) -> Result<bool, Error> {
    let root = fs.root();
    let io = |e: FsError| refused(&e, &root);
    let store = surveyed.report.store.as_deref().unwrap_or_default();
    for seq in surveyed.stands.iter().map(|seq| seq + 1).filter(|seq| !surveyed.stands.contains(seq)) {
        let barrier = commit_file::write(seq, prev, store, Timestamp::default(), &[])?;
        if !put_new(fs, &commit_path(seq), &barrier).await.map_err(io)? {
            return Ok(false);
        }
    }
    fence(fs).await.map_err(io)?;
    let names = fs.list(SNAPSHOTS).await.map_err(io)?;
    Ok(names.iter().filter_map(|name| snapshot_seq(name)).all(|seq| surveyed.snapshots.contains(&seq)))
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
