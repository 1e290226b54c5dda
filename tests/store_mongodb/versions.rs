//! A running program while a newer one declares newer versions: it continues to read, and no longer writes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection, Field, Key, Query};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Batch, Expectation, Receipt, Store, StoreError, Write, WriteOp};
use runstate::time::Timestamp;
use runstate::value::Json;

use super::server::{fresh_url, run_on_server};

const C: Collection = Collection::new("t.c", 1).fields(&[Field::text("a").optional()]);
const NEWER: Collection = Collection::new("t.c", 2).fields(&[Field::text("a").optional(), Field::text("b").optional()]);
const OTHER: Collection = Collection::new("t.other", 1);

async fn open(url: &str, collections: &[&'static Collection]) -> Mongo {
    let store = Mongo::open(url, MongoOptions::default()).await.unwrap();
    store.migrate(&Catalog::new(collections).unwrap()).await.unwrap();
    store
}

async fn commit(store: &Mongo, id: &str) -> Result<Receipt, StoreError> {
    let document = Arc::new([("a".to_owned(), Json::from("x"))].into_iter().collect());
    let write = Write { key: Key::new(&C, id), expect: Expectation::Any, op: WriteOp::Put { version: 1, document } };
    let batch = Batch {
        command: CommandId::new(id).unwrap(),
        fingerprint: "f".to_owned(),
        at: Timestamp::from_millis(0),
        result: Json::Null,
        writes: vec![write],
        checks: Vec::new(),
    };
    store.commit(batch).await
}

#[test]
fn open_older_program_becomes_read_only_after_an_upgrade() {
    run_on_server(async {
        let url = fresh_url();
        let (older, commits) = (open(&url, &[&C]).await, open(&url, &[&C]).await);
        commit(&older, "a").await.unwrap();
        let key = [Key::new(&C, "a")];
        // A program that declares another collection has no effect on this one.
        let beside = open(&url, &[&OTHER]).await;
        older.get(&key).await.unwrap();
        commit(&older, "b").await.unwrap();

        let newer = open(&url, &[&NEWER]).await;
        assert!(older.get(&key).await.unwrap()[0].is_some());
        let refused = commit(&older, "c").await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::ReadOnly, "{refused}");
        assert_eq!(older.read_only_reason().map(|error| error.code()), Some(ErrorCode::NewerVersion));
        assert_eq!(older.query(&Query::of(&C)).await.unwrap().items.len(), 2);
        assert!(older.get(&key).await.unwrap()[0].is_some());
        commit(&newer, "d").await.unwrap();
        beside.get(&key).await.unwrap();
        assert_eq!(beside.read_only_reason(), None);

        // A process that only commits notices it a little later.
        let latest = Instant::now() + Duration::from_secs(120);
        for n in 0.. {
            match commit(&commits, &format!("n{n}")).await {
                Ok(_) => assert!(Instant::now() < latest, "it still writes"),
                Err(refused) => {
                    assert_eq!(refused.code(), ErrorCode::ReadOnly, "{refused}");
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}
