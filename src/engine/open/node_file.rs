//! Opens a store on files in WebAssembly, over `node:fs` if the host provides it.

use std::sync::Arc;

use super::{MissingStore, OpenedStore};
use crate::engine::Error;
use crate::error_code::ErrorCode;
use crate::store::file::{FileStore, FileStoreOptions, NodeFs};

/// The form of its URLs, if the host has files.
pub(super) fn url_forms() -> &'static [&'static str] {
    if NodeFs::new("", true).is_some() { &["file:DIRECTORY"] } else { &[] }
}

pub(super) async fn open(directory: &str, single_process: bool, missing: MissingStore) -> Result<OpenedStore, Error> {
    let Some(fs) = NodeFs::new(directory, single_process) else {
        let message = format!(
            "cannot open `file:{directory}`: this host has no files. In a page use `indexeddb:NAME`; in Node use the \
             package's entry for Node"
        );
        return Err(Error::new(ErrorCode::Unsupported, message));
    };
    let options =
        FileStoreOptions { single_process, must_exist: missing == MissingStore::Refuse, ..FileStoreOptions::default() };
    let store = FileStore::open_on(fs, options).await?;
    let id = Some(store.id().to_owned());
    #[allow(clippy::arc_with_non_send_sync, reason = "the engine shares stores by Arc; here they stay on one thread")]
    Ok(OpenedStore { store: Arc::new(store), id })
}
