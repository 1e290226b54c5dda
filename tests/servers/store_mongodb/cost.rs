//! The cost of a commit in round trips: one for the ledger, one for each collection, one for the end. Nothing is read.

use std::sync::{Arc, Mutex};

use runstate::schema::Direction::Ascending;
use runstate::schema::{Catalog, Collection, Field, Index, Key};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Check, Expectation, Freshness, Store, StoreAdmin, Write, WriteOp};
use runstate::value::{Document, Json, difference};
use serde_json::json;

use crate::support::batches::{batch, insert};
use crate::support::mongodb::{fresh_url, run_on_server};

const HEADS: Collection = Collection::new("cost.heads", 1)
    .fields(&[Field::int("n").optional()])
    .indexes(&[Index::ordered(&[("n", Ascending)])]);
const ROWS: Collection = Collection::new("cost.rows", 1).insert_only();

#[derive(Clone, Default)]
struct SentCommands(Arc<Mutex<Vec<String>>>);

impl SentCommands {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    async fn open(&self) -> Mongo {
        let sent = self.0.clone();
        let on_command = Some(Arc::new(move |name: &str| sent.lock().unwrap().push(name.to_owned())) as Arc<_>);
        let store = Mongo::open(&fresh_url(), MongoOptions { on_command, ..MongoOptions::default() }).await.unwrap();
        store.migrate(&Catalog::new(&[&HEADS, &ROWS]).unwrap()).await.unwrap();
        store
    }
}

fn document(value: Json) -> Arc<Document> {
    Arc::new(value.as_object().unwrap().clone())
}

#[test]
fn commit_sends_one_command_per_collection_and_two_more() {
    run_on_server(async {
        let sent = SentCommands::default();
        let store = sent.open().await;
        sent.take();
        let first = vec![insert(&HEADS, "a", json!({"n": 1})), insert(&HEADS, "b", json!({"n": 1}))];
        store.commit(batch("1", first)).await.unwrap();
        assert_eq!(sent.take(), ["insert", "insert", "commitTransaction"]);

        let keys = [Key::new(&HEADS, "a"), Key::new(&HEADS, "b")];
        let found = store.get(&keys, Freshness::Linearizable).await.unwrap();
        assert_eq!(sent.take(), ["findAndModify", "find"]);
        let (a, b) = (found[0].clone().unwrap(), found[1].clone().unwrap());
        let after = document(json!({"n": 2}));
        let change = WriteOp::Change { difference: Arc::new(difference(&a.document, &after)), after };
        let mut step = batch(
            "2",
            vec![
                Write { key: keys[0].clone(), expect: Expectation::Revision(a.revision), op: change },
                insert(&HEADS, "c", json!({"n": 3})),
                insert(&ROWS, "r1", json!({"line": "x"})),
                insert(&ROWS, "r2", json!({"line": "y"})),
            ],
        );
        step.checks.push(Check { key: keys[1].clone(), revision: b.revision });
        store.commit(step).await.unwrap();
        assert_eq!(sent.take(), ["insert", "update", "insert", "commitTransaction"]);

        store.get(&keys[..1], Freshness::Linearizable).await.unwrap();
        assert_eq!(sent.take(), ["findAndModify", "find"]);
    });
}

#[test]
fn unconditional_deletes_are_one_command_after_the_checks() {
    run_on_server(async {
        let sent = SentCommands::default();
        let store = sent.open().await;
        let rows = (0..300).map(|n| insert(&ROWS, &format!("r{n}"), json!({"line": "x"}))).collect();
        store.commit(batch("1", rows)).await.unwrap();
        store.commit(batch("2", vec![insert(&HEADS, "a", json!({"n": 1}))])).await.unwrap();
        let head = Key::new(&HEADS, "a");
        let revision =
            store.get(std::slice::from_ref(&head), Freshness::Linearizable).await.unwrap()[0].clone().unwrap().revision;
        sent.take();
        let delete =
            |n: u32| Write { key: Key::new(&ROWS, &format!("r{n}")), expect: Expectation::Any, op: WriteOp::Delete };
        // Some of them do not exist.
        let mut deletion = batch("3", (100..400).map(delete).collect());
        deletion.checks.push(Check { key: head.clone(), revision: revision.clone() });
        store.commit(deletion).await.unwrap();
        assert_eq!(sent.take(), ["update", "insert", "delete", "commitTransaction"]);
        let remaining = store.query(&runstate::schema::Query::of(&ROWS), Freshness::Linearizable).await.unwrap().items;
        assert_eq!(remaining.len(), 100);

        let op = |n: u32| WriteOp::Put { version: 1, document: document(json!({"n": n})) };
        let put = |n: u32| Write { key: Key::new(&HEADS, &format!("h{n}")), expect: Expectation::Any, op: op(n) };
        store.commit(batch("first", (50..100).map(put).collect())).await.unwrap();
        sent.take();
        store.commit(batch("4", (50..150).map(put).collect())).await.unwrap();
        assert_eq!(sent.take(), ["insert", "find", "update", "commitTransaction"]);
        let writes = async |id: &str| {
            let found = store.get(&[Key::new(&HEADS, id)], Freshness::Linearizable).await.unwrap().remove(0).unwrap();
            (found.document["n"].clone(), found.revision.writes())
        };
        assert_eq!(writes("h50").await, (json!(50), 2));
        assert_eq!(writes("h149").await, (json!(149), 1));

        // A repeat returns its first result, although the document that it checks has changed since.
        store
            .commit(batch("5", vec![Write { key: head.clone(), expect: Expectation::Any, op: WriteOp::Delete }]))
            .await
            .unwrap();
        let mut repeat = batch("3", (100..400).map(delete).collect());
        repeat.checks.push(Check { key: head.clone(), revision: revision.clone() });
        assert!(store.commit(repeat).await.unwrap().replayed);
        let mut late = batch("6", vec![insert(&ROWS, "late", json!({"line": "x"}))]);
        late.checks.push(Check { key: head, revision });
        assert_eq!(store.commit(late).await.unwrap_err().code().as_str(), "conflict");
    });
}

#[test]
fn opening_a_prepared_store_creates_nothing() {
    run_on_server(async {
        let sent = SentCommands::default();
        let store = sent.open().await;
        assert!(sent.take().iter().any(|name| name == "createIndexes"));
        store.migrate(&Catalog::new(&[&HEADS, &ROWS]).unwrap()).await.unwrap();
        let names = sent.take();
        assert!(names.iter().all(|name| name == "find" || name == "listIndexes"), "{names:?}");
    });
}
