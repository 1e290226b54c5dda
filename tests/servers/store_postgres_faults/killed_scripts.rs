//! Scripts with thirty calls, approvals and their undoing, in three processes that are killed with -9 again and again.

use std::sync::Arc;

use super::open_store;
use super::server::PostgresNode;
use crate::script_processes::{run_and_kill, script_task, serve};

const TEST: &str = "store_postgres_faults::killed_scripts::killed_processes_of_scripts_lose_and_double_nothing";

#[tokio::test]
async fn killed_processes_of_scripts_lose_and_double_nothing() {
    if let Some(task) = script_task() {
        let store = Arc::new(open_store(&task.store).await);
        return serve(task, store).await;
    }
    let Some(node) = PostgresNode::start_new().await else { return };
    let url = node.url(&node.create_database("scripts").await);
    run_and_kill(TEST, &url, Arc::new(open_store(&url).await)).await;
}
