//! The store on files under the conformance suite, and what only real files can show.
#![cfg(feature = "testing")]
// Helpers of tests are tests.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "store_file/durability.rs"]
mod durability;
#[cfg(unix)]
#[path = "store_file/folders.rs"]
mod folders;
#[path = "store_file/formats.rs"]
mod formats;
#[path = "store_file/full.rs"]
mod full;
#[path = "store_file/processes.rs"]
mod processes;
#[cfg(target_os = "linux")]
mod syscalls;
#[path = "store_file/tasks.rs"]
mod tasks;

use std::future::Future;
use std::sync::Arc;

use runstate::marker::BoxFuture;
use runstate::store::file::{FileStore, NativeFs, Options};
use runstate::store::{Error, Store};
use runstate::testing::conformance::Subject;

/// A store on files needs a tokio runtime.
fn on_tokio<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap().block_on(future)
}

async fn open(folder: &tempfile::TempDir) -> Result<FileStore<NativeFs>, Error> {
    FileStore::open(folder.path(), Options::default()).await
}

async fn fresh() -> Subject {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let store = open(&folder).await.unwrap();
    Subject::durable(store, move || -> BoxFuture<'static, Result<Arc<dyn Store>, Error>> {
        let folder = folder.clone();
        Box::pin(async move { Ok(Arc::new(open(&folder).await?) as Arc<dyn Store>) })
    })
}

runstate::conformance!(fresh, block_on = on_tokio);
