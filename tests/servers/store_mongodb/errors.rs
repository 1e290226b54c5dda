//! Errors of opening, migrating, reading and committing, and their messages.

use mongodb::bson::{Document, doc};
use runstate::schema::Direction::Ascending;
use runstate::schema::{Catalog, Collection, Field, Index, Key};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Batch, Expectation, Freshness, Store, StoreAdmin, StoreError};
use serde_json::json;

use crate::settings::is_full_run;
use crate::support::batches::{batch, insert, put};
use crate::support::domain_layout::{domain_database, seed_layout};
use crate::support::mongodb::{database_name, fresh_url, indexes, run_command, run_on_server};

async fn open_error(url: &str) -> StoreError {
    match Mongo::open(url, MongoOptions::default()).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error,
    }
}

#[test]
fn unreachable_server_is_named_without_its_password() {
    run_on_server(async {
        // No server listens on port 1.
        let url = "mongodb://ann:s%40cret%25@127.0.0.1:1/x?serverSelectionTimeoutMS=300";
        let error = open_error(url).await;
        let message = error.to_string();
        assert_eq!(error.code().as_str(), "unavailable");
        assert!(message.contains("127.0.0.1:1") && !message.contains("cret") && !message.contains("ann"), "{message}");
        let unknown = open_error("mongodb://nowhere.invalid/x?serverSelectionTimeoutMS=300").await;
        assert_eq!(unknown.code().as_str(), "unavailable");
        assert!(unknown.to_string().contains("nowhere.invalid"), "{unknown}");
        let slow = open_error("mongodb://127.0.0.1:1/x?timeoutMS=200").await;
        assert_eq!(slow.code().as_str(), "timeout");
    });
}

#[test]
fn opening_only_existing_creates_no_store() {
    run_on_server(async {
        let url = fresh_url();
        let existing = MongoOptions { must_exist: true, ..MongoOptions::default() };
        let error = Mongo::open(&url, existing.clone()).await.err().unwrap();
        assert!(error.to_string().contains("there is no store in the database"), "{error}");
        let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
        assert_eq!(Mongo::open(&url, existing).await.unwrap().id(), store.id());
    });
}

#[test]
fn store_of_a_newer_format_is_rejected() {
    run_on_server(async {
        let url = fresh_url();
        Mongo::open(&url, MongoOptions::default()).await.unwrap();
        let meta = async |change| {
            run_command(&url, doc! {"update": "runstate.meta", "updates": [{"q": {"_id": "store"}, "u": change}]})
                .await;
        };
        meta(doc! {"$set": {"format": 2}}).await;
        assert_eq!(open_error(&url).await.code().as_str(), "newer_version");
        meta(doc! {"$unset": {"format": ""}}).await;
        assert_eq!(open_error(&url).await.code().as_str(), "corrupt");
    });
}

const C: Collection = Collection::new("t.c", 1)
    .fields(&[Field::text("a").optional(), Field::timestamp("at").optional()])
    .indexes(&[Index::ordered(&[("a", Ascending)]).unique()]);
const LATER: Collection = Collection::new("t.c", 1)
    .fields(&[Field::text("a").optional(), Field::timestamp("at").optional()])
    .indexes(&[Index::ordered(&[("at", Ascending)])]);

#[test]
fn migration_keeps_operator_indexes_and_replaces_its_own() {
    run_on_server(async {
        let url = fresh_url();
        let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        run_command(&url, doc! {"createIndexes": "t.c", "indexes": [{"name": "mine", "key": {"x": 1}}]}).await;
        store.migrate(&Catalog::new(&[&LATER]).unwrap()).await.unwrap();
        assert_eq!(index_names(&url).await, ["_id_", "at_1", "mine"]);
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        assert_eq!(index_names(&url).await, ["_id_", "a_1", "mine"]);
    });
}

#[test]
fn an_insert_waits_until_a_concurrent_insert_of_its_unique_entry_ends() {
    run_on_server(async {
        let url = fresh_url();
        let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        let client = mongodb::Client::with_uri_str(&url).await.unwrap();
        let collection = client.database(&database_name(&url).unwrap()).collection::<Document>(C.name);
        for (entry, is_committed, expected) in [("1", false, "ok"), ("2", true, "unique_violation")] {
            let mut other = client.start_session().await.unwrap();
            other.start_transaction().await.unwrap();
            collection
                .insert_one(doc! {"_id": format!("other {entry}"), "a": entry})
                .session(&mut other)
                .await
                .unwrap();
            let (store, insertion) = (store.clone(), insertion(entry));
            let mut pending = tokio::spawn(async move { store.commit(insertion).await });
            let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut pending).await;
            assert!(early.is_err(), "completed before the concurrent transaction ended: {early:?}");
            if is_committed { other.commit_transaction().await } else { other.abort_transaction().await }.unwrap();
            let result = pending.await.unwrap();
            assert_eq!(result.as_ref().map_or_else(|error| error.code().as_str(), |_| "ok"), expected, "{result:?}");
        }
    });
}

/// Inserts a document with the unique entry `entry`.
fn insertion(entry: &str) -> Batch {
    batch(&format!("insert {entry}"), vec![insert(&C, entry, json!({"a": entry}))])
}

async fn index_names(url: &str) -> Vec<String> {
    let found = indexes(url, "t.c").await;
    let mut names: Vec<String> = found.iter().map(|index| index.get_str("name").unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn document_corrupted_by_hand_is_named_in_the_error() {
    run_on_server(async {
        let url = fresh_url();
        let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        let invalid = doc! {"_id": "y", "_rev": "1-000000000000", "_v": 1, "at": "soon"};
        run_command(&url, doc! {"insert": "t.c", "documents": [{"_id": "x", "a": "1"}, invalid]}).await;
        let foreign = store.get(&[Key::new(&C, "x")], Freshness::Linearizable).await.unwrap_err();
        assert!(foreign.to_string().contains("t.c/x") && foreign.to_string().contains("`import`"), "{foreign}");
        let invalid = store.get(&[Key::new(&C, "y"), Key::new(&C, "z")], Freshness::Linearizable).await.unwrap_err();
        assert!(invalid.to_string().contains("t.c/y") && invalid.to_string().contains("`at`"), "{invalid}");
    });
}

#[test]
fn seed_layout_stores_bare_names_in_domain_databases() {
    run_on_server(async {
        let url = fresh_url();
        let store = Mongo::open(&seed_layout(&url), MongoOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        assert_eq!(indexes(&domain_database(&url, "t"), "c").await.len(), 2);
    });
}

/// Number of documents in a batch of lists. One command does not hold so many.
fn lists() -> usize {
    if is_full_run() { 8 } else { 5 }
}

/// A batch of documents with long lists of small numbers, which take six times as many bytes on the server as in JSON.
fn list_batch(command: &str, write: impl Fn(usize) -> (Expectation, usize)) -> Batch {
    let writes = (0..lists()).map(|n| {
        let (expect, numbers) = write(n);
        put(&LATER, &format!("l{n}"), expect, json!({"list": vec![n; numbers]}))
    });
    batch(command, writes.collect())
}

#[test]
fn batch_too_large_for_one_command_is_split() {
    run_on_server(async {
        let store = Mongo::open(&fresh_url(), MongoOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&LATER]).unwrap()).await.unwrap();
        store.commit(list_batch("inserts", |_| (Expectation::Absent, 300_000))).await.unwrap();
        let keys: Vec<Key> = (0..lists()).map(|n| Key::new(&LATER, &format!("l{n}"))).collect();
        let found = store.get(&keys, Freshness::Linearizable).await.unwrap();
        let revision = |n: usize| found[n].as_ref().unwrap().revision.clone();
        store.commit(list_batch("updates", |n| (Expectation::Revision(revision(n)), 300_001))).await.unwrap();
        let lengths = store.get(&keys, Freshness::Linearizable).await.unwrap();
        let lengths = lengths.iter().map(|found| found.as_ref().unwrap().document["list"].as_array().unwrap().len());
        assert_eq!(lengths.collect::<Vec<_>>(), vec![300_001; lists()]);
        // One of them alone is larger than a document may be on the server.
        let result =
            store.commit(list_batch("too large", |n| (Expectation::Any, if n == 0 { 1_700_000 } else { 1 }))).await;
        assert_eq!(result.unwrap_err().code().as_str(), "too_large");
        assert_eq!(
            store.get(&keys[1..2], Freshness::Linearizable).await.unwrap()[0].as_ref().unwrap().document["list"]
                .as_array()
                .unwrap()
                .len(),
            300_001
        );
    });
}
