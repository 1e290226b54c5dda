//! Finds or creates the folder of a store (rule 1), and refuses folders that are something else. `load.rs` reads its
//! contents.

use runstate_core::marker::BoxFuture;
use runstate_store::StoreError;
use runstate_store::tables::Tables;
use runstate_value::sort_by;

use super::error_mapping::{map_fs_error, map_write_error};
use super::format::{
    COMMITS, FORMAT, IDENTITY, RESERVE, SNAPSHOTS, StoreIdentity, commit_seq, new_identity_bytes, read_identity,
    snapshot_path, snapshot_seq,
};
use super::fs::{Fs, FsError, FsKind, Reason, Sequence, optional};
use super::protocol::{highest_snapshot, put_new, sync_all};
use super::snapshot::{self, SnapshotHeader};
use super::{FileStoreOptions, compaction};

/// Names that operating systems and file managers create. A folder with nothing else counts as empty.
const IGNORED_NAMES: &[&str] = &[".DS_Store", "Thumbs.db", "desktop.ini", "lost+found"];

/// Attempts to open a store that appears and vanishes meanwhile.
const ATTEMPTS: usize = 100;

/// Reads the identity of the store, and creates the store if there is none (rule 1).
pub struct OpenOrCreate {
    /// Options of the store.
    pub options: FileStoreOptions,
}

impl Sequence for OpenOrCreate {
    type Output = Result<StoreIdentity, StoreError>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let root = fs.root();
            let kind = fs.kind().await.map_err(|e| map_fs_error(&e, &root))?;
            if let (FsKind::Network(name), false) = (kind, self.options.single_process) {
                return Err(StoreError::Unsupported {
                    what: format!("the network file system {name} (of {root})"),
                    by: "the file store: other machines see changes late. Put the store on a local disk, or, if only \
                         one process uses it, add ?single_process to its URL"
                        .to_owned(),
                });
            }
            for _ in 0..ATTEMPTS {
                let bytes = optional(fs.read(IDENTITY, None).await).map_err(|e| map_fs_error(&e, &root))?;
                match bytes {
                    Some(bytes) => {
                        let identity = read_identity(&bytes, &format!("{root}/{IDENTITY}"))?;
                        ensure_first_snapshot(fs, &identity).await?;
                        if identity.format <= FORMAT {
                            compaction::ensure_reserve(fs, self.options.reserve_bytes).await;
                        }
                        return Ok(identity);
                    }
                    None => create(fs, &root, self.options.must_exist).await?,
                }
            }
            Err(StoreError::Corrupt {
                at: format!("{root}/{IDENTITY}"),
                why: "the name exists, but there is no file; remove the broken symbolic link".to_owned(),
            })
        })
    }
}

pub fn no_store(root: &str) -> StoreError {
    StoreError::Unavailable {
        what: format!("there is no store at {root}"),
        why: "nothing was created. Name the folder of a store, or load or run a program to create one".to_owned(),
    }
}

/// Creates the folders and runstate.json. Refuses a folder with other contents, and any folder if the store must exist.
async fn create<F: Fs>(fs: &F, root: &str, must_exist: bool) -> Result<(), StoreError> {
    let names = optional(fs.list("").await).map_err(|e| map_fs_error(&e, root))?.unwrap_or_default();
    if names.iter().any(|name| name == IDENTITY) {
        // Another process has just created it.
        return Ok(());
    }
    let mut others: Vec<&str> = names.iter().map(String::as_str).filter(|name| !is_own_or_ignored(name)).collect();
    sort_by(&mut others, Ord::cmp);
    if !others.is_empty() {
        return Err(not_a_store(root, &others));
    }
    // An interrupted creation leaves folders and temps. It puts snapshot 0 only after runstate.json is durable.
    for (folder, numbered) in [(COMMITS, commit_seq as fn(&str) -> Option<u64>), (SNAPSHOTS, snapshot_seq)] {
        let names = optional(fs.list(folder).await).map_err(|e| map_fs_error(&e, root))?.unwrap_or_default();
        if let Some(file) = names.iter().find(|name| numbered(name).is_some()) {
            // Since the list of the folder, another process may have created the store and committed to it.
            if optional(fs.size(IDENTITY).await).map_err(|e| map_fs_error(&e, root))?.is_some() {
                return Ok(());
            }
            return Err(StoreError::Corrupt {
                at: format!("{root}/{IDENTITY}"),
                why: format!(
                    "it is missing, although {folder}/{file} exists; restore it from a copy of the store, or run `runstate repair`"
                ),
            });
        }
    }
    if must_exist {
        return Err(no_store(root));
    }
    let created: Result<(), FsError> = async {
        for folder in ["", COMMITS, SNAPSHOTS] {
            fs.make_folder(folder).await?;
        }
        // Rule 1: before the first link, so that a store is never in a folder that can still vanish.
        sync_all(fs).await?;
        put_new(fs, IDENTITY, &new_identity_bytes(fs.entropy()?)).await.map(|_| ())
    }
    .await;
    created.map_err(|e| match e.reason {
        Reason::Missing if e.call == "mkdir" => StoreError::Unavailable {
            what: format!("the store at {root}"),
            why: format!("its folder cannot be created there ({e}); choose another path"),
        },
        _ => map_write_error(&e, root),
    })
}

fn is_own_or_ignored(name: &str) -> bool {
    name == COMMITS || name == SNAPSHOTS || name == RESERVE || name == "damaged" || IGNORED_NAMES.contains(&name)
}

fn not_a_store(root: &str, others: &[&str]) -> StoreError {
    let listed = match others {
        few if few.len() <= 3 => few.join(", "),
        [first, second, third, rest @ ..] => format!("{first}, {second}, {third} and {} more", rest.len()),
        _ => String::new(),
    };
    let has = |name| others.contains(&name);
    let hint = if has("programs") && (has("executions") || has("metadata.json")) {
        format!(
            "it looks like the data of the older CVM. Import it into a new store: runstate --store file:NEW import '{root}'"
        )
    } else {
        "choose an empty folder or a new name".to_owned()
    };
    StoreError::Unavailable {
        what: format!("{root} is not a store"),
        why: format!("it has no {IDENTITY} but contains {listed}. Nothing was changed; {hint}"),
    }
}

/// Writes snapshot 0, from which every hash chain starts, if there is no snapshot. Its bytes follow from the identity
/// alone, so it does not matter which process writes it.
async fn ensure_first_snapshot<F: Fs>(fs: &F, identity: &StoreIdentity) -> Result<(), StoreError> {
    let root = fs.root();
    if identity.format > FORMAT {
        return Ok(());
    }
    let written: Result<(), FsError> = async {
        if optional(highest_snapshot(fs).await)?.flatten().is_some() {
            return Ok(());
        }
        // A copy of a store may lack folders that were empty.
        for folder in [COMMITS, SNAPSHOTS] {
            fs.make_folder(folder).await?;
        }
        let bytes = snapshot::write(&SnapshotHeader::first(identity), &Tables::default()).map_err(|e| FsError {
            reason: Reason::Other,
            call: "write",
            path: snapshot_path(0),
            why: e.to_string(),
        })?;
        sync_all(fs).await?;
        put_new(fs, &snapshot_path(0), &bytes).await.map(|_| ())
    }
    .await;
    match written {
        // Reading needs no file for an empty state. The first commit reports why the store cannot be written.
        Err(e) if matches!(e.reason, Reason::Denied | Reason::ReadOnly | Reason::Full) && e.call != "list" => Ok(()),
        result => result.map_err(|e| map_fs_error(&e, &root)),
    }
}
