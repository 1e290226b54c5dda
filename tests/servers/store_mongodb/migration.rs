//! Indexes that a later declaration replaces, and indexes that the server cannot have as they are declared. When a
//! newer program declares newer versions, a running program continues to read, and no longer writes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mongodb::bson::doc;
use runstate::error_code::ErrorCode;
use runstate::schema::Direction::Ascending;
use runstate::schema::{Catalog, Collection, Field, Index, Key, Predicate, Query, Ttl};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Expectation, Freshness, Receipt, Store, StoreAdmin, StoreError};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use crate::support::batches::{batch, put};
use crate::support::mongodb::{fresh_url, indexes, run_command, run_on_server};

const FIELDS: &[Field] = &[Field::text("a").optional(), Field::text("b").optional()];
const PARTIAL_UNIQUE: Collection =
    Collection::new("t.c", 1)
        .fields(FIELDS)
        .indexes(&[Index::ordered(&[("a", Ascending)]).unique().partial(Predicate::Exists("b"))]);
const FULL_UNIQUE: Collection =
    Collection::new("t.c", 1).fields(FIELDS).indexes(&[Index::ordered(&[("a", Ascending)]).unique()]);
const LISTS: Collection = Collection::new("t.lists", 1)
    .fields(&[
        Field::json("any").optional(),
        Field::list("tags").optional(),
        Field::text("s").optional(),
        Field::text("t").optional(),
    ])
    .indexes(&[
        Index::ordered(&[("any", Ascending), ("tags", Ascending)]),
        Index::text(&[("s", Ascending)]),
        Index::text(&[("t", Ascending)]),
    ]);

const UNIQUE_ID: Collection =
    Collection::new("t.own", 1).fields(&[Field::id("id")]).indexes(&[Index::ordered(&[("id", Ascending)]).unique()]);

async fn put_any(store: &Mongo, collection: &Collection, id: &str, document: Json) -> Result<Receipt, StoreError> {
    let command = format!("put-{}", id.trim_start_matches('0'));
    store.commit(batch(&command, vec![put(collection, id, Expectation::Any, document)])).await
}

async fn index_names(url: &str, collection: &str) -> Vec<String> {
    indexes(url, collection).await.iter().map(|index| index.get_str("name").unwrap().to_owned()).collect()
}

#[test]
fn uniqueness_holds_while_its_index_is_replaced() {
    run_on_server(async {
        let url = fresh_url();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let recorded = sent.clone();
        let on_command = Some(Arc::new(move |name: &str| recorded.lock().unwrap().push(name.to_owned())) as Arc<_>);
        let store = Mongo::open(&url, MongoOptions { on_command, ..MongoOptions::default() }).await.unwrap();
        let declare = async |collection| store.migrate(&Catalog::new(&[collection]).unwrap()).await;
        let take_index_commands = || {
            let mut names = std::mem::take(&mut *sent.lock().unwrap());
            names.retain(|name| name.ends_with("Indexes") && name != "listIndexes");
            names
        };
        declare(&PARTIAL_UNIQUE).await.unwrap();
        for id in ["1", "2"] {
            put_any(&store, &PARTIAL_UNIQUE, id, json!({"a": "same"})).await.unwrap();
        }
        take_index_commands();
        // The older index exists until the new one does.
        assert_eq!(declare(&FULL_UNIQUE).await.unwrap_err().code(), ErrorCode::UNIQUE_VIOLATION);
        assert_eq!(take_index_commands(), ["createIndexes"]);
        assert_eq!(index_names(&url, "t.c").await, ["_id_", "a_1"]);
        run_command(&url, doc! {"update": "t.c", "updates": [{"q": {"_id": "2"}, "u": {"$set": {"a": "other"}}}]})
            .await;
        declare(&FULL_UNIQUE).await.unwrap();
        assert_eq!(take_index_commands(), ["createIndexes", "dropIndexes"]);
        assert_eq!(index_names(&url, "t.c").await, ["_id_", "a_1_2"]);
        declare(&FULL_UNIQUE).await.unwrap();
        assert!(take_index_commands().is_empty());
        let error = put_any(&store, &FULL_UNIQUE, "3", json!({"a": "same"})).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::UNIQUE_VIOLATION);
        declare(&PARTIAL_UNIQUE).await.unwrap();
        assert_eq!(take_index_commands(), ["createIndexes", "dropIndexes"]);
        assert_eq!(index_names(&url, "t.c").await, ["_id_", "a_1"]);
    });
}

#[test]
fn documents_with_parallel_lists_are_stored_despite_indexes() {
    run_on_server(async {
        let url = fresh_url();
        let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&LISTS]).unwrap()).await.unwrap();
        assert_eq!(index_names(&url, "t.lists").await, ["_id_", "any_1"]);
        put_any(&store, &LISTS, "1", json!({"any": [1, 2], "tags": ["x", "y"], "s": "some words"})).await.unwrap();
        assert_eq!(store.query(&Query::of(&LISTS), Freshness::Linearizable).await.unwrap().items.len(), 1);
        // An operator's index stays as it is: the write is refused, and a retry does not help.
        let parallel = doc! {"name": "parallel", "key": {"other": 1, "tags": 1}};
        run_command(&url, doc! {"createIndexes": "t.lists", "indexes": [parallel]}).await;
        let error = put_any(&store, &LISTS, "2", json!({"other": [1], "tags": ["x"]})).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (ErrorCode::INVALID, false), "{error}");
    });
}

const WORDS: Collection = Collection::new("t.words", 1)
    .fields(&[Field::text("a").words().optional(), Field::text("b").words().optional()])
    .indexes(&[Index::text(&[("b", Ascending)])]);
const MORE_WORDS: Collection = Collection { indexes: &[Index::text(&[("b", Ascending), ("a", Ascending)])], ..WORDS };

#[test]
fn a_text_index_of_the_store_is_replaced_and_one_of_an_operator_is_not() {
    run_on_server(async {
        let url = fresh_url();
        let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
        for (declared, index) in [(&WORDS, "b_text"), (&MORE_WORDS, "b_text_a_text"), (&WORDS, "b_text")] {
            // Repeated, it changes nothing.
            for _ in 0..2 {
                store.migrate(&Catalog::new(&[declared]).unwrap()).await.unwrap();
                assert_eq!(index_names(&url, "t.words").await, ["_id_", index]);
            }
        }
        run_command(&url, doc! {"dropIndexes": "t.words", "index": "b_text"}).await;
        let others = doc! {"name": "others", "key": {"c": "text"}};
        run_command(&url, doc! {"createIndexes": "t.words", "indexes": [others]}).await;
        let other = Mongo::open(&url, MongoOptions::default()).await.unwrap();
        let error = other.migrate(&Catalog::new(&[&WORDS]).unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("a different index conflicts with them; drop it"), "{error}");
    });
}

#[test]
fn field_id_is_unique_if_so_declared() {
    run_on_server(async {
        let store = Mongo::open(&fresh_url(), MongoOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&UNIQUE_ID]).unwrap()).await.unwrap();
        put_any(&store, &UNIQUE_ID, "k1", json!({"id": "x"})).await.unwrap();
        put_any(&store, &UNIQUE_ID, "y", json!({"id": "y"})).await.unwrap();
        for (key, id) in [("k2", "x"), ("k3", "y")] {
            let error = put_any(&store, &UNIQUE_ID, key, json!({"id": id})).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::UNIQUE_VIOLATION, "{error}");
        }
    });
}

#[test]
fn ids_too_many_for_one_command_are_split() {
    run_on_server(async {
        let store = Mongo::open(&fresh_url(), MongoOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&LISTS]).unwrap()).await.unwrap();
        let id = |n: usize| format!("{n:0>195}");
        for n in [0, 84_999] {
            put_any(&store, &LISTS, &id(n), json!({"any": n})).await.unwrap();
        }
        let keys: Vec<Key> = (0..85_000).map(|n| Key::new(&LISTS, &id(n))).collect();
        let found = store.get(&keys, Freshness::Linearizable).await.unwrap();
        assert_eq!(found.iter().filter(|found| found.is_some()).count(), 2);
        assert_eq!(found[84_999].as_ref().unwrap().document["any"], 84_999);
    });
}

const C: Collection = Collection::new("t.c", 1).fields(&[Field::text("a").optional()]);
const NEWER: Collection = Collection::new("t.c", 2).fields(&[Field::text("a").optional(), Field::text("b").optional()]);
const OTHER: Collection = Collection::new("t.other", 1);

async fn open(url: &str, collections: &[&'static Collection]) -> Mongo {
    let store = Mongo::open(url, MongoOptions::default()).await.unwrap();
    store.migrate(&Catalog::new(collections).unwrap()).await.unwrap();
    store
}

async fn commit(store: &Mongo, id: &str) -> Result<Receipt, StoreError> {
    store.commit(batch(id, vec![put(&C, id, Expectation::Any, json!({"a": "x"}))])).await
}

#[test]
fn open_older_program_becomes_read_only_after_an_upgrade() {
    run_on_server(async {
        let url = fresh_url();
        let (older, only_commits) = (open(&url, &[&C]).await, open(&url, &[&C]).await);
        commit(&older, "a").await.unwrap();
        let key = [Key::new(&C, "a")];
        // A program that declares another collection has no effect on this one.
        let other = open(&url, &[&OTHER]).await;
        older.get(&key, Freshness::Linearizable).await.unwrap();
        commit(&older, "b").await.unwrap();

        let newer = open(&url, &[&NEWER]).await;
        assert!(older.get(&key, Freshness::Linearizable).await.unwrap()[0].is_some());
        let error = commit(&older, "c").await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::READ_ONLY, "{error}");
        assert_eq!(older.read_only_reason().map(|error| error.code()), Some(ErrorCode::NEWER_VERSION));
        assert_eq!(older.query(&Query::of(&C), Freshness::Linearizable).await.unwrap().items.len(), 2);
        assert!(older.get(&key, Freshness::Linearizable).await.unwrap()[0].is_some());
        commit(&newer, "d").await.unwrap();
        other.get(&key, Freshness::Linearizable).await.unwrap();
        assert_eq!(other.read_only_reason(), None);

        // A process that only commits notices it a little later.
        let latest = Instant::now() + Duration::from_secs(120);
        for n in 0.. {
            match commit(&only_commits, &format!("n{n}")).await {
                Ok(_) => assert!(Instant::now() < latest, "it still writes"),
                Err(error) => {
                    assert_eq!(error.code(), ErrorCode::READ_ONLY, "{error}");
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}

/// Its documents would be deleted by an index with a time to live.
#[test]
fn nothing_is_created_beside_documents_of_another_program() {
    run_on_server(async {
        const EXPIRING: Collection = Collection::new("t.c", 1).fields(&[Field::timestamp("at")]).ttl(Ttl {
            field: "at",
            after: Millis::days(1),
            partial: None,
        });
        let url = fresh_url();
        let at = mongodb::bson::DateTime::from_millis(0);
        run_command(&url, doc! {"insert": "t.c", "documents": [{"_id": "theirs", "at": at}]}).await;
        let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
        let catalog = Catalog::new(&[&EXPIRING, &LISTS]).unwrap();
        let refused = store.migrate(&catalog).await.unwrap_err();
        assert!(matches!(refused, StoreError::UnsuitableCollection { .. }), "{refused:?}");
        assert!(refused.to_string().contains("theirs"), "{refused}");
        assert_eq!(index_names(&url, "t.c").await, ["_id_"]);
        let collections = run_command(&url, doc! {"listCollections": 1, "nameOnly": true}).await;
        let names = collections.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
        let has_lists =
            names.iter().any(|one| one.as_document().unwrap().get_str("name").is_ok_and(|name| name == "t.lists"));
        assert!(!has_lists, "{names:?}");
        // A store that was made before is opened whatever others write to it.
        run_command(&url, doc! {"delete": "t.c", "deletes": [{"q": {}, "limit": 0}]}).await;
        store.migrate(&catalog).await.unwrap();
        run_command(&url, doc! {"insert": "t.c", "documents": [{"_id": "theirs", "note": "n"}]}).await;
        store.migrate(&catalog).await.unwrap();
    });
}
