//! A dump that is restored on another server, whose ids of transactions are smaller.

use runstate::store::{Position, Store, StoreError};
use runstate::time::Millis;

use super::load;
use super::server::PostgresNode;

/// More than a new server issues in this test.
const MANY_IDS: u32 = 5_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feed_of_a_dump_on_another_server_begins_anew() {
    let (Some(source), Some(target)) = (PostgresNode::start_new().await, PostgresNode::start_new().await) else {
        return;
    };
    let name = source.create_database("dumped").await;
    let read = async |store: &dyn Store, from: &Position| store.changes(Some(from.clone()), 10, Millis(0)).await;
    let store = load::open(&source.url(&name)).await;
    let begin = store.changes(None, 1, Millis(0)).await.unwrap().next;
    source.use_transaction_ids(MANY_IDS).await;
    load::count(&store, 1, 0, "all").await;
    let last = load::decide_count(&store, 1, 1, "all").await.unwrap();
    let receipt = store.commit(last).await.unwrap().position;
    let end = read(&store, &begin).await.unwrap().next;
    source.restore_dump_on(&target, &name).await;
    let restored = load::open(&target.url(&name)).await;
    assert_eq!(restored.id(), store.id());
    let first = restored.changes(None, 1, Millis(0)).await.unwrap().next;
    load::count(&restored, 1, 2, "all").await;
    for again in [false, true] {
        for expired in [&begin, &receipt, &end] {
            let found = read(&restored, expired).await;
            assert_eq!(found, Err(StoreError::PositionExpired), "{expired:?}, ids were reached: {again}");
        }
        // Another process finds the same epoch.
        let other = load::open(&target.url(&name)).await;
        for reader in [&restored, &other] {
            let commands: Vec<_> = read(reader, &first).await.unwrap().events;
            assert!(commands.iter().all(|event| event.command == load::command_id(1, 2)), "{commands:?}");
            assert_eq!(commands.len(), 2, "a row and its counter");
        }
        target.use_transaction_ids(MANY_IDS).await;
    }
    let batch = load::decide_count(&restored, 1, 3, "all").await.unwrap();
    let receipt = restored.commit(batch).await.unwrap().position;
    assert_eq!(read(&restored, &receipt).await.unwrap().events.len(), 2);
    // The changes of the source are as before.
    assert_eq!(read(&store, &begin).await.unwrap().events.len(), 4);
}
