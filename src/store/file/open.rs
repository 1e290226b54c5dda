//! Finding or making a store's folder: rule 1, and everything that a folder can be besides a store. What it holds is read in
//! `load.rs`.

use super::faults::{refused, unavailable};
use super::format::{
    COMMITS, FORMAT, IDENTITY, Identity, RESERVE, SNAPSHOTS, commit_seq, new_identity, read_identity, snapshot_path,
    snapshot_seq,
};
use super::fs::{Fs, FsError, Kind, Reason, Sequence, optional};
use super::snapshot::{self, Header};
use super::steps::{highest_snapshot, put_new, sync_all};
use super::{Options, reserve};
use crate::marker::BoxFuture;
use crate::store::Error;
use crate::store::tables::Tables;

/// What systems and file managers leave in a folder; a folder with nothing else counts as empty.
const LITTER: &[&str] = &[".DS_Store", "Thumbs.db", "desktop.ini", "lost+found"];

/// How often a store may appear and vanish while it is opened.
const ATTEMPTS: usize = 100;

/// Makes the store where there is none, and says which one it is.
pub struct Prepare {
    /// What the user said of the store.
    pub options: Options,
}

impl Sequence for Prepare {
    type Output = Result<Identity, Error>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let root = fs.root();
            let kind = fs.kind().await.map_err(|e| unavailable(&e, &root))?;
            if let (Kind::Network(name), false) = (kind, self.options.single_process) {
                return Err(Error::Unsupported {
                    what: format!("the network file system {name} (of {root})"),
                    by: "the file store: other machines see changes late. Put the store on a local disk, or, if one \
                         process alone uses it, add ?single_process to its URL"
                        .to_owned(),
                });
            }
            for _ in 0..ATTEMPTS {
                let found = optional(fs.read(IDENTITY, None).await).map_err(|e| unavailable(&e, &root))?;
                match found {
                    Some(bytes) => {
                        let identity = read_identity(&bytes, &format!("{root}/{IDENTITY}"))?;
                        first_snapshot(fs, &identity).await?;
                        if identity.format <= FORMAT {
                            reserve::keep(fs, self.options.reserve_bytes).await;
                        }
                        return Ok(identity);
                    }
                    None => create(fs, &root, self.options.existing).await?,
                }
            }
            Err(Error::Corrupt {
                at: format!("{root}/{IDENTITY}"),
                why: "its name is taken, and leads nowhere".to_owned(),
            })
        })
    }
}

pub fn no_store(root: &str) -> Error {
    Error::Unavailable {
        what: format!("there is no store at {root}"),
        why: "nothing was made; name the folder of a store, or load or run a program to make one".to_owned(),
    }
}

/// Makes the folders and runstate.json, unless the folder is something else or only an existing store will do.
async fn create<F: Fs>(fs: &F, root: &str, existing: bool) -> Result<(), Error> {
    let names = optional(fs.list("").await).map_err(|e| unavailable(&e, root))?.unwrap_or_default();
    if names.iter().any(|name| name == IDENTITY) {
        // Another process made it a moment ago.
        return Ok(());
    }
    let mut others: Vec<&str> = names.iter().map(String::as_str).filter(|name| !ours_or_litter(name)).collect();
    others.sort_unstable();
    if !others.is_empty() {
        return Err(not_a_store(root, &others));
    }
    // A creation that was cut off leaves folders and temps, and snapshot 0 only after runstate.json was safe.
    for (folder, numbered) in [(COMMITS, commit_seq as fn(&str) -> Option<u64>), (SNAPSHOTS, snapshot_seq)] {
        let inside = optional(fs.list(folder).await).map_err(|e| unavailable(&e, root))?.unwrap_or_default();
        if let Some(file) = inside.iter().find(|name| numbered(name).is_some()) {
            // Since the folder was listed another process may have made the store and written to it.
            if optional(fs.size(IDENTITY).await).map_err(|e| unavailable(&e, root))?.is_some() {
                return Ok(());
            }
            return Err(Error::Corrupt {
                at: format!("{root}/{IDENTITY}"),
                why: format!("it is missing beside {folder}/{file}; put it back from a copy of the store"),
            });
        }
    }
    if existing {
        return Err(no_store(root));
    }
    let made: Result<(), FsError> = async {
        for folder in ["", COMMITS, SNAPSHOTS] {
            fs.make_folder(folder).await?;
        }
        // Rule 1: before the first link, so that a store never stands in a folder that can still vanish.
        sync_all(fs).await?;
        put_new(fs, IDENTITY, &new_identity(fs.entropy()?)).await.map(|_| ())
    }
    .await;
    made.map_err(|e| match e.reason {
        Reason::Missing if e.call == "make folder" => Error::Unavailable {
            what: format!("the store at {root}"),
            why: format!("its folder cannot be made there ({e}); choose another place"),
        },
        _ => refused(&e, root),
    })
}

fn ours_or_litter(name: &str) -> bool {
    name == COMMITS || name == SNAPSHOTS || name == RESERVE || name == "damaged" || LITTER.contains(&name)
}

fn not_a_store(root: &str, others: &[&str]) -> Error {
    let seen = match others {
        few if few.len() <= 3 => few.join(", "),
        [first, second, third, rest @ ..] => format!("{first}, {second}, {third} and {} more", rest.len()),
        _ => String::new(),
    };
    let has = |name| others.contains(&name);
    let hint = if has("programs") && (has("executions") || has("metadata.json")) {
        format!(
            "it looks like the data of the older CVM; import it into a new store: runstate --store file:NEW import '{root}'"
        )
    } else {
        "choose an empty folder or a new name".to_owned()
    };
    Error::Unavailable {
        what: format!("{root} is no store"),
        why: format!("it has no {IDENTITY} but holds {seen}; nothing was touched: {hint}"),
    }
}

/// Snapshot 0, from which every chain starts; written by whoever finds none. It is the same whoever writes it.
async fn first_snapshot<F: Fs>(fs: &F, identity: &Identity) -> Result<(), Error> {
    let root = fs.root();
    if identity.format > FORMAT {
        return Ok(());
    }
    let done: Result<(), FsError> = async {
        if optional(highest_snapshot(fs).await)?.flatten().is_some() {
            return Ok(());
        }
        // In a copied store empty folders may be missing.
        for folder in [COMMITS, SNAPSHOTS] {
            fs.make_folder(folder).await?;
        }
        let bytes = snapshot::write(&Header::first(identity), &Tables::default()).map_err(|e| FsError {
            reason: Reason::Other,
            call: "write",
            path: snapshot_path(0),
            why: e.to_string(),
        })?;
        sync_all(fs).await?;
        put_new(fs, &snapshot_path(0), &bytes).await.map(|_| ())
    }
    .await;
    match done {
        // Reading needs no file for what is known to be empty; the first commit will say what is wrong with writing.
        Err(e) if matches!(e.reason, Reason::Denied | Reason::ReadOnly | Reason::Full) && e.call != "list" => Ok(()),
        done => done.map_err(|e| unavailable(&e, &root)),
    }
}
