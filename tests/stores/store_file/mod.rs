//! Conformance tests of the file store, and tests that need real files.

mod durability;
mod executions;
#[cfg(unix)]
mod folders;
mod growth;
mod layers;
mod processes;
mod tasks;

use std::future::Future;
use std::sync::Arc;

use runstate::marker::BoxFuture;
use runstate::store::file::{FileStore, FileStoreOptions, NativeFs};
use runstate::store::{Store, StoreError};
use runstate::testing::conformance::Subject;

/// Runs a future on a tokio runtime, which the file store needs.
fn block_on_tokio<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap().block_on(future)
}

async fn open(folder: &tempfile::TempDir) -> Result<FileStore<NativeFs>, StoreError> {
    FileStore::open(folder.path(), FileStoreOptions::default()).await
}

async fn fresh() -> Subject {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let store = open(&folder).await.unwrap();
    Subject::durable(store, move || -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> {
        let folder = folder.clone();
        Box::pin(async move { Ok(Arc::new(open(&folder).await?) as Arc<dyn Store>) })
    })
}

runstate::conformance!(fresh, block_on = block_on_tokio);
