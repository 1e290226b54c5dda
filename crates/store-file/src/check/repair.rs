//! Repair: continues a store from its intact files. Damaged files are preserved in the folder `damaged`, never
//! deleted. A snapshot of all intact documents gets a number above all others, by the same rules as every snapshot.

use std::sync::Arc;

use runstate_core::id::hex;
use runstate_core::marker::BoxFuture;
use runstate_core::schema::Catalog;
use runstate_store::{Memory, StoreError, VerifyReport};
use runstate_value::time::Timestamp;
use serde::Serialize;

use super::survey::SurveyResult;
use super::{ProgressObserver, survey};
use crate::commit_file;
use crate::compaction::{Clean, SnapshotOutcome, TakeSnapshot, fence};
use crate::error_mapping::map_write_error;
use crate::format::{
    COMMITS, FORMAT, IDENTITY, SNAPSHOTS, StoreIdentity, commit_path, file_hash, identity_bytes, random_store_id,
    snapshot_seq,
};
use crate::fs::{Fs, FsError, Reason, Sequence, optional};
use crate::protocol::{put_new, sync_all};
use crate::snapshot::SnapshotHeader;

/// The folder that preserves damaged files.
const DAMAGED: &str = "damaged";

/// The result of a repair, planned or done.
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

/// Reads every file, and returns what a repair would do and the store as it would be then. It changes nothing.
///
/// Errors: as [`repair_on`].
pub async fn plan_repair_on<F: Fs>(
    fs: &F,
    catalog: &Catalog,
    observer: Option<Arc<dyn ProgressObserver>>,
) -> Result<(RepairReport, Memory), StoreError> {
    let mut surveyed = survey(fs, catalog, observer).await?;
    surveyed.tables.declare(catalog)?;
    Ok((RepairReport::new(&surveyed), Memory::from(surveyed.tables)))
}

impl RepairReport {
    fn new(surveyed: &SurveyResult) -> Self {
        let is_intact = surveyed.report.is_intact();
        let snapshot = (!is_intact).then_some(surveyed.highest + 2);
        let kept_aside = if is_intact { Vec::new() } else { surveyed.broken.clone() };
        Self { report: surveyed.report.clone(), snapshot, kept_aside }
    }
}

/// Reads every file and continues the store from the intact ones.
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
    observer: Option<Arc<dyn ProgressObserver>>,
) -> Result<RepairReport, StoreError> {
    let root = fs.root();
    for _ in 0..ATTEMPTS {
        let mut surveyed = survey(fs, catalog, observer.clone()).await?;
        let repaired = RepairReport::new(&surveyed);
        if repaired.snapshot.is_none() {
            return Ok(repaired);
        }
        surveyed.tables.declare(catalog)?;
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
            Clean { base }.run(fs).await.map_err(io)?;
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

/// Names that one damaged file can get in the folder `damaged`. Only repairs of different damage to one file need
/// several.
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
