//! Conformance tests of the file store, and tests that need real files.
#![cfg(feature = "testing")]
// Helpers of tests count as tests.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "store_file/durability.rs"]
mod durability;
#[cfg(feature = "compiler")]
#[path = "store_file/executions.rs"]
mod executions;
#[cfg(unix)]
#[path = "store_file/folders.rs"]
mod folders;
#[path = "store_file/processes.rs"]
mod processes;
#[cfg(target_os = "linux")]
mod syscalls;
#[path = "store_file/tasks.rs"]
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
