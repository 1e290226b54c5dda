//! Documents of the user's own: declarations at run time, generic reads and writes, and commits together with a command.

mod cases;
mod commits;
mod declarations;
mod races;
mod transfers;

use std::path::PathBuf;
use std::sync::Arc;

use runstate::marker::BoxFuture;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::{Memory, Store, StoreError};

type OpenEngine = BoxFuture<'static, Result<Arc<dyn Store>, StoreError>>;

/// Handles to one store in memory.
fn memory() -> impl Fn() -> OpenEngine {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    move || {
        let store = store.clone();
        Box::pin(async move { Ok(store) })
    }
}

/// Opens a store on files, as another process does.
fn files(folder: PathBuf) -> impl Fn() -> OpenEngine {
    move || {
        let folder = folder.clone();
        Box::pin(
            async move { Ok(Arc::new(FileStore::open(folder, FileStoreOptions::default()).await?) as Arc<dyn Store>) },
        )
    }
}

mod on_memory {
    use super::{cases, memory};

    crate::document_cases!(memory(), #[tokio::test]);
}

mod on_files {
    use super::{cases, files};

    crate::document_cases!(files(tempfile::tempdir().unwrap().keep()), #[tokio::test]);
}
