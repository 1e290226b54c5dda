//! Repair: continues a store from its intact files. Damaged files are preserved in the folder `damaged`, never
//! deleted. A snapshot of all intact documents gets a number above all others, by the same rules as every snapshot.
//!
//! Orphans are intact commits behind a damaged one. Their revisions show which documents they depend on. Those that
//! touch nothing that was lost are applied first; the others are reported as lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::survey::{OrphanPolicy, SurveyResult};
use super::{ProgressObserver, survey};
use crate::id::hex;
use crate::marker::BoxFuture;
use crate::schema::{Catalog, Key};
use crate::store::file::commit_file;
use crate::store::file::commit_file::{CommitEntry, CommitFile};
use crate::store::file::compaction::{Clean, SnapshotOutcome, SnapshotOwner, TakeSnapshot, fence};
use crate::store::file::error_mapping::map_write_error;
use crate::store::file::format::{
    COMMITS, FORMAT, IDENTITY, SNAPSHOTS, StoreIdentity, commit_path, file_hash, identity_bytes, random_store_id,
    snapshot_seq,
};
use crate::store::file::fs::{Fs, FsError, Reason, Sequence, optional};
use crate::store::file::load::replay;
use crate::store::file::protocol::{put_new, sync_all};
use crate::store::file::snapshot::SnapshotHeader;
use crate::store::tables::{LoggedOp, Tables};
use crate::store::{StoreError, VerifyReport};
use crate::time::Timestamp;

/// The folder that preserves damaged files.
const DAMAGED: &str = "damaged";

/// The result of a repair or of its dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RepairReport {
    /// The damage that was found, and the data that is lost.
    pub report: VerifyReport,
    /// The snapshot from which the store continues; `None` if the store is intact.
    pub snapshot: Option<u64>,
    /// Files that are preserved in the folder `damaged`.
    pub kept_aside: Vec<String>,
}

/// Attempts to repair a store that other processes write to meanwhile.
const ATTEMPTS: usize = 20;

/// Reads every file and continues the store from the intact ones. With `dry` it only reports what it would do.
///
/// Of the commits behind a damaged one, those are applied that touch nothing that was lost. Other processes may have
/// the store open and not know of the damage. Their commits are included until the repair takes the sequence number
/// that they need next; from then on they reload.
///
/// Errors: [`StoreError::Unavailable`] if there is no store; [`StoreError::Full`] and [`StoreError::ReadOnly`] if
/// nothing could be written. Nothing is changed then.
pub async fn repair_on<F: Fs>(
    fs: &F,
    catalog: &Catalog,
    dry: bool,
    observer: Option<Arc<dyn ProgressObserver>>,
) -> Result<RepairReport, StoreError> {
    let root = fs.root();
    for _ in 0..ATTEMPTS {
        let mut surveyed = survey(fs, OrphanPolicy::Apply, observer.clone()).await?;
        match surveyed.tables.declare(catalog) {
            // A lost commit may have freed a unique entry that a later one uses. No orphan is applied then.
            Err(StoreError::UniqueViolation { .. }) => {
                surveyed = survey(fs, OrphanPolicy::Discard, observer.clone()).await?;
                surveyed.tables.declare(catalog)?;
            }
            declared => declared?,
        }
        surveyed.report.documents = surveyed.tables.len() as u64;
        if surveyed.report.is_intact() {
            return Ok(RepairReport { report: surveyed.report, snapshot: None, kept_aside: Vec::new() });
        }
        let (report, kept_aside) = (surveyed.report.clone(), surveyed.broken.clone());
        let repaired = RepairReport { report, snapshot: Some(surveyed.highest + 2), kept_aside };
        if dry {
            return Ok(repaired);
        }
        let random = fs.entropy().map_err(|e| map_write_error(&e, &root))?;
        if fs.run(Repair { surveyed, random }).await.map_err(|e| map_write_error(&e, &root))??
            == RepairOutcome::Repaired
        {
            return Ok(repaired);
        }
    }
    Err(store_busy(&root))
}

fn store_busy(root: &str) -> StoreError {
    StoreError::Unavailable {
        what: format!("the store at {root}"),
        why: "other processes kept writing to it during the repair; stop them and repeat the repair".to_owned(),
    }
}

/// Whether the store was still the surveyed one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RepairOutcome {
    Repaired,
    StoreChanged,
}

struct Repair {
    surveyed: SurveyResult,
    random: [u8; 16],
}

impl Sequence for Repair {
    type Output = Result<RepairOutcome, StoreError>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let root = fs.root();
            let io = |e: FsError| map_write_error(&e, &root);
            let Self { surveyed, random } = self;
            for folder in [COMMITS, SNAPSHOTS, DAMAGED] {
                fs.make_folder(folder).await.map_err(io)?;
            }
            // No commit has this hash, so no history can continue after it.
            let prev = file_hash(hex(&random).as_bytes());
            if !block_stale_writers(fs, &surveyed, &prev).await? {
                return Ok(RepairOutcome::StoreChanged);
            }
            let identity = ensure_identity(fs, &surveyed, random).await.map_err(io)?;
            sync_all(fs).await.map_err(io)?;
            // This precedes every replacement, so that damaged files survive a crash of the repair.
            let preservation = preserve_damaged_files(fs, &surveyed.broken).await.map_err(io)?;
            // A snapshot with such a number would be the highest for ever.
            for path in &surveyed.out_of_range {
                optional(fs.remove(path).await).map_err(io)?;
            }
            let base = surveyed.highest + 2;
            let header = SnapshotHeader { snapshot: base, format: FORMAT, store: identity.store, prev };
            match (TakeSnapshot { header, tables: surveyed.tables, random }).run(fs).await {
                SnapshotOutcome::Linked => {}
                SnapshotOutcome::Overtaken => return Err(store_busy(&root)),
                SnapshotOutcome::Refused(e) => return Err(io(e)),
                SnapshotOutcome::Unreadable(error) => return Err(error),
            }
            // From here on the store is intact again.
            for path in surveyed.broken.iter().filter(|_| preservation == Preservation::Deferred) {
                preserve_damaged_file(fs, path).await.map_err(io)?;
            }
            fs.sync_folder(DAMAGED).await.map_err(io)?;
            Clean { base, owner: SnapshotOwner::ThisProcess }.run(fs).await.map_err(io)?;
            Ok(RepairOutcome::Repaired)
        })
    }
}

/// Takes every sequence number that a process unaware of the damage may need next, and removes all temps. From then on
/// no process commits or compacts on the old state, so the survey is complete. Returns `false` if another process was
/// faster and the survey must be repeated.
///
/// Known as: fencing of stale writers.
async fn block_stale_writers<F: Fs>(fs: &F, surveyed: &SurveyResult, prev: &str) -> Result<bool, StoreError> {
    let root = fs.root();
    let io = |e: FsError| map_write_error(&e, &root);
    let store = surveyed.report.store.as_deref().unwrap_or_default();
    for seq in surveyed.possible_heads.iter().map(|seq| seq + 1).filter(|seq| !surveyed.possible_heads.contains(seq)) {
        let blocker = commit_file::write(seq, prev, store, Timestamp::default(), &[])?;
        if !put_new(fs, &commit_path(seq), &blocker).await.map_err(io)? {
            return Ok(false);
        }
    }
    fence(fs).await.map_err(io)?;
    let names = fs.list(SNAPSHOTS).await.map_err(io)?;
    Ok(names.iter().filter_map(|name| snapshot_seq(name)).all(|seq| surveyed.snapshots.contains(&seq)))
}

/// Whether damaged files are preserved already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Preservation {
    Complete,
    /// Without hard links a preserved file loses its first name. The names are needed until the store is intact again.
    Deferred,
}

async fn preserve_damaged_files<F: Fs>(fs: &F, broken: &[String]) -> Result<Preservation, FsError> {
    for path in broken {
        let Some(aside) = preserve_damaged_file(fs, path).await? else { continue };
        if optional(fs.size(path).await)?.is_none() && optional(fs.link_new(&aside, path).await)?.is_some() {
            return Ok(Preservation::Deferred);
        }
    }
    fs.sync_folder(DAMAGED).await?;
    Ok(Preservation::Complete)
}

/// Names that one damaged file can get in the folder `damaged`. Only repairs of different damage to one file need several.
const PRESERVED_NAMES: usize = 1_000;

/// Links a file into the folder `damaged` and returns its name there. Without hard links the file loses its first name.
async fn preserve_damaged_file<F: Fs>(fs: &F, path: &str) -> Result<Option<String>, FsError> {
    let name = path.replace('/', "-");
    for number in 1..=PRESERVED_NAMES {
        let aside = if number == 1 { format!("{DAMAGED}/{name}") } else { format!("{DAMAGED}/{number}-{name}") };
        match fs.link_new(path, &aside).await {
            Err(e) if e.reason == Reason::Exists => {
                // An interrupted repair created it. A file that cannot be read may be another one.
                if let (Ok(damaged), Ok(preserved)) =
                    (optional(fs.read(path, None).await), optional(fs.read(&aside, None).await))
                    && damaged == preserved
                {
                    return Ok(None);
                }
            }
            // It was removed, or an interrupted repair moved it.
            Err(e) if e.is_missing() => return Ok(None),
            linked => return linked.map(|()| Some(aside)),
        }
    }
    let why = format!("the folder `{DAMAGED}` has {PRESERVED_NAMES} other files of this name; move them elsewhere");
    Err(FsError { reason: Reason::Other, call: "preserve", path: path.to_owned(), why })
}

/// Returns the identity of the store, and rewrites runstate.json if it is damaged.
async fn ensure_identity<F: Fs>(fs: &F, surveyed: &SurveyResult, random: [u8; 16]) -> Result<StoreIdentity, FsError> {
    let identity = match &surveyed.identity {
        Some(identity) => identity.clone(),
        // No file of the store contains its id any more.
        None => StoreIdentity::from_store_id(&random_store_id(random)),
    };
    if surveyed.identity_damaged {
        preserve_damaged_file(fs, IDENTITY).await?;
        optional(fs.remove(IDENTITY).await)?;
        put_new(fs, IDENTITY, &identity_bytes(&identity.store)).await?;
    }
    Ok(identity)
}

/// The commit files from the first damaged one on.
#[derive(Default)]
pub struct DamagedTail {
    files: BTreeMap<u64, (Vec<u8>, Result<CommitFile, String>)>,
}

impl DamagedTail {
    pub fn has_begun(&self) -> bool {
        !self.files.is_empty()
    }

    pub fn push(&mut self, seq: u64, bytes: Vec<u8>) {
        let file = commit_file::read_unchained(&bytes, seq);
        self.files.insert(seq, (bytes, file));
    }

    /// Returns the files that are not valid commits by themselves, and why.
    pub fn damaged(&self) -> impl Iterator<Item = (u64, &String)> {
        self.files.iter().filter_map(|(seq, (_, file))| Some((*seq, file.as_ref().err()?)))
    }

    /// Returns the command ids in all files, as far as they can be read.
    pub fn commands(&self) -> impl Iterator<Item = String> {
        self.files.values().flat_map(|(bytes, file)| match file {
            Ok(file) => file.commits.iter().map(|entry| entry.logged.command.to_string()).collect(),
            Err(_) => command_ids_in(&String::from_utf8_lossy(bytes)),
        })
    }

    /// Returns the hash chains of intact files.
    fn chains(&self) -> Vec<Vec<&CommitFile>> {
        let mut chains: Vec<Vec<&CommitFile>> = Vec::new();
        let mut last: Option<(u64, String)> = None;
        for (seq, (bytes, file)) in &self.files {
            let Ok(file) = file else {
                last = None;
                continue;
            };
            let follows = last.as_ref().is_some_and(|(before, hash)| before + 1 == *seq && *hash == file.prev);
            match chains.last_mut() {
                Some(chain) if follows => chain.push(file),
                _ => chains.push(vec![file]),
            }
            last = Some((*seq, file_hash(bytes)));
        }
        chains
    }
}

fn command_ids_in(text: &str) -> Vec<String> {
    let ids = text.split("{\"cmd\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    ids.map(str::to_owned).collect()
}

/// Applies the commits of the tail that fit, and returns their command ids.
pub fn apply_orphans(tail: &DamagedTail, store: &str, tables: &mut Tables) -> Result<Vec<String>, StoreError> {
    let mut applied = Vec::new();
    for chain in tail.chains() {
        if !belongs_to_store(&chain, store, tables)? {
            continue;
        }
        for entry in chain.iter().flat_map(|file| &file.commits) {
            if first_conflict(tables, entry)?.is_none() && replay(tables, entry)?.is_ok() {
                applied.push(entry.logged.command.to_string());
            }
        }
    }
    Ok(applied)
}

/// Whether the commits belong to this store. Commits of older programs lack the store tag. One of them must then change
/// a document of this store, with an incarnation that no other store has.
fn belongs_to_store(chain: &[&CommitFile], store: &str, tables: &Tables) -> Result<bool, StoreError> {
    if chain.iter().all(|file| file.store.is_some()) {
        return Ok(chain.iter().all(|file| file.store.as_deref() == Some(commit_file::store_tag(store))));
    }
    for entry in chain.iter().flat_map(|file| &file.commits) {
        for ((key, op), outcome) in entry.logged.ops.iter().zip(&entry.outcomes) {
            let (LoggedOp::Change(_), Some((revision, _))) = (op, outcome) else { continue };
            if tables.get(key)?.is_some_and(|current| current.revision.incarnation() == revision.incarnation()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Returns the first document that a commit does not fit, or `None` if the whole commit can be applied.
pub fn first_conflict(tables: &Tables, entry: &CommitEntry) -> Result<Option<Key>, StoreError> {
    for check in &entry.checks {
        if check.verify(tables.get(&check.key)?.as_ref()).is_err() {
            return Ok(Some(check.key.clone()));
        }
    }
    for ((key, op), outcome) in entry.logged.ops.iter().zip(&entry.outcomes) {
        let before = tables.get(key)?;
        // A commit only deletes documents that exist.
        let deletes_nothing = before.is_none() && matches!(op, LoggedOp::Delete);
        let after = op.apply_to(key, before.as_ref(), &entry.logged.command);
        let result = after.map(|after| after.map(|stored| (stored.revision, stored.version)));
        if deletes_nothing || result.as_ref() != Some(outcome) {
            return Ok(Some(key.clone()));
        }
    }
    Ok(None)
}
