//! Store layers over a file store, whose session reads do not see the commits of other processes.

use std::sync::Arc;

use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection, Key, Query};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::{BatchLimits, Freshness, Store};
use runstate::testing::fault::Disk;
use runstate::testing::{BatchExt as _, batch};
use runstate::testing::{CountingStore, FaultStore, LimitedStore};
use serde_json::json;

const C: Collection = Collection::new("t.c", 1);

async fn migrated<S: Store>(store: S) -> S {
    store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
    store
}

#[tokio::test]
async fn session_reads_through_a_layer_stay_session_reads() {
    async fn check<S: Store>(layer: impl Fn(Arc<dyn Store>) -> S) {
        let disk = Disk::new();
        let open = async || FileStore::open_on(disk.process(), FileStoreOptions::default()).await.unwrap();
        let store = migrated(layer(Arc::new(open().await))).await;
        migrated(open().await)
            .await
            .commit(batch(CommandId::new("1").unwrap()).insert(&C, "a", json!({"n": 1})))
            .await
            .unwrap();
        let keys = [Key::new(&C, "a")];
        let rows = async |freshness| {
            let found = store.get(&keys, freshness).await.unwrap();
            let page = store.query(&Query::of(&C), freshness).await.unwrap();
            (found.iter().flatten().count(), page.items.len())
        };
        assert_eq!(rows(Freshness::Session).await, (0, 0));
        assert_eq!(rows(Freshness::Linearizable).await, (1, 1));
        assert_eq!(rows(Freshness::Session).await, (1, 1));
    }
    check(CountingStore::new).await;
    check(FaultStore::new).await;
    check(|store| LimitedStore::new(store, BatchLimits::default())).await;
}
