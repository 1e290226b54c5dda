//! Handles to one store. Each call opens another one, as another process does.

use std::path::PathBuf;
use std::sync::Arc;

use runstate::marker::BoxFuture;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::{Memory, Store, StoreError};
use runstate::testing::block_on;
use runstate::testing::fault::Disk;

pub type OpenStore = BoxFuture<'static, Result<Arc<dyn Store>, StoreError>>;

/// Handles to one store in memory.
pub fn memory() -> impl Fn() -> OpenStore {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    move || {
        let store = store.clone();
        Box::pin(async move { Ok(store) })
    }
}

/// Opens a store on files, as another process does.
pub fn files(folder: PathBuf) -> impl Fn() -> OpenStore {
    move || {
        let folder = folder.clone();
        Box::pin(
            async move { Ok(Arc::new(FileStore::open(folder, FileStoreOptions::default()).await?) as Arc<dyn Store>) },
        )
    }
}

/// A store on the files of a simulated disk.
pub fn simulated_files() -> Arc<dyn Store> {
    Arc::new(block_on(FileStore::open_on(Disk::new().process(), FileStoreOptions::default())).unwrap())
}
