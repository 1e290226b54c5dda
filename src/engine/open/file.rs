//! Opening a store on files, where this build has it.

use std::sync::Arc;

use super::Missing;
use crate::engine::Error;
use crate::store::Store;
use crate::store::file::{FileStore, Options};

pub(super) async fn open(directory: &str, single_process: bool, missing: Missing) -> Result<Arc<dyn Store>, Error> {
    Ok(Arc::new(
        FileStore::open(
            directory,
            Options { single_process, existing: missing == Missing::Refuse, ..Options::default() },
        )
        .await?,
    ))
}
