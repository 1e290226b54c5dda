//! A program that runs while a newer one declares newer versions: it goes on reading, and writes no more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use runstate::code::Code;
use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection, Field, Key, Query};
use runstate::store::mongodb::{Mongo, Options};
use runstate::store::{Batch, Error, Expect, Op, Receipt, Store, Write};
use runstate::time::Timestamp;
use runstate::value::Json;

use super::server::{fresh_url, on_server};

const C: Collection = Collection::new("t.c", 1).fields(&[Field::text("a").optional()]);
const NEWER: Collection = Collection::new("t.c", 2).fields(&[Field::text("a").optional(), Field::text("b").optional()]);
const OTHER: Collection = Collection::new("t.other", 1);

async fn open(url: &str, collections: &[&'static Collection]) -> Mongo {
    let store = Mongo::open(url, Options::default()).await.unwrap();
    store.migrate(&Catalog::new(collections).unwrap()).await.unwrap();
    store
}

async fn commit(store: &Mongo, id: &str) -> Result<Receipt, Error> {
    let document = Arc::new([("a".to_owned(), Json::from("x"))].into_iter().collect());
    let write = Write { key: Key::new(&C, id), expect: Expect::Any, op: Op::Put { version: 1, document } };
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
fn an_older_program_that_was_open_all_the_while_writes_no_more() {
    on_server(async {
        let url = fresh_url();
        let (older, commits) = (open(&url, &[&C]).await, open(&url, &[&C]).await);
        commit(&older, "a").await.unwrap();
        let key = [Key::new(&C, "a")];
        // Somebody who declares something else harms nobody.
        let beside = open(&url, &[&OTHER]).await;
        older.get(&key).await.unwrap();
        commit(&older, "b").await.unwrap();

        let newer = open(&url, &[&NEWER]).await;
        assert!(older.get(&key).await.unwrap()[0].is_some());
        let refused = commit(&older, "c").await.unwrap_err();
        assert_eq!(refused.code(), Code::ReadOnly, "{refused}");
        assert_eq!(older.health().map(|error| error.code()), Some(Code::NewerVersion));
        assert_eq!(older.query(&Query::of(&C)).await.unwrap().rows.len(), 2);
        assert!(older.get(&key).await.unwrap()[0].is_some());
        commit(&newer, "d").await.unwrap();
        beside.get(&key).await.unwrap();
        assert_eq!(beside.health(), None);

        // Who only commits learns of it a little later.
        let latest = Instant::now() + Duration::from_secs(120);
        for n in 0.. {
            match commit(&commits, &format!("n{n}")).await {
                Ok(_) => assert!(Instant::now() < latest, "it goes on writing"),
                Err(refused) => {
                    assert_eq!(refused.code(), Code::ReadOnly, "{refused}");
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}
