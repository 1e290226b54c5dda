//! Opening a store on files in WebAssembly: over `node:fs`, where the host has provided it.

use std::sync::Arc;

use super::{Missing, Opened};
use crate::code::Code;
use crate::engine::Error;
use crate::store::file::{FileStore, NodeFs, Options};

/// The form of its URLs, where the host has files.
pub(super) fn offered() -> &'static [&'static str] {
    if NodeFs::new("", true).is_some() { &["file:DIRECTORY"] } else { &[] }
}

pub(super) async fn open(directory: &str, single_process: bool, missing: Missing) -> Result<Opened, Error> {
    let Some(fs) = NodeFs::new(directory, single_process) else {
        let message = format!(
            "cannot open `file:{directory}`: this host has no files; a page keeps a store with `indexeddb:NAME`, Node opens \
             one with the package's entry for Node"
        );
        return Err(Error::new(Code::Unsupported, message));
    };
    let options = Options { single_process, existing: missing == Missing::Refuse, ..Options::default() };
    let store = FileStore::open_on(fs, options).await?;
    let id = Some(store.id().to_owned());
    #[allow(clippy::arc_with_non_send_sync, reason = "the engine shares stores by Arc; here they stay on one thread")]
    Ok(Opened { store: Arc::new(store), id })
}
