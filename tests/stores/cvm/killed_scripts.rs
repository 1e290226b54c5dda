//! Scripts with thirty calls, approvals and their undoing, on a store of files, in three processes that are killed with
//! SIGKILL again and again.

use std::sync::Arc;

use runstate::store::Store;
use runstate::store::file::{FileStore, FileStoreOptions};

use crate::script_processes::{run_and_kill, script_task, serve};

const TEST: &str = "cvm::killed_scripts::killed_processes_of_scripts_on_files_lose_and_double_nothing";

async fn open(folder: &str) -> Arc<dyn Store> {
    Arc::new(FileStore::open(folder, FileStoreOptions::default()).await.unwrap())
}

#[tokio::test]
async fn killed_processes_of_scripts_on_files_lose_and_double_nothing() {
    if let Some(task) = script_task() {
        let store = open(&task.store).await;
        return serve(task, store).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    run_and_kill(TEST, folder, open(folder).await).await;
}
