//! Documents of the user's own on PostgreSQL, and how the server keeps them.

use std::sync::Arc;

use runstate::engine::SystemHost;
use runstate::marker::BoxFuture;
use runstate::schema::Direction::Ascending;
use runstate::schema::{Catalog, Collection, Field, Index, Key};
use runstate::store::postgres::{Postgres, PostgresOptions};
use runstate::store::{Expectation, Freshness, Store, StoreAdmin, StoreError, Write, WriteOp};
use runstate::value::difference;
use serde_json::json;

use crate::support::batches::{batch, insert};
use crate::support::document_cases::{self as cases, ask, notes, put};
use crate::support::postgres::{fresh_url, read_text, run_on_server};

/// Opens one fresh database at each call, as another process does.
pub fn reopener() -> impl Fn() -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> {
    let url = Arc::new(async_lock::OnceCell::new());
    move || {
        let url = url.clone();
        Box::pin(async move {
            let url: &String = url.get_or_init(fresh_url).await;
            Ok(Arc::new(Postgres::open(url, PostgresOptions::default()).await?) as Arc<dyn Store>)
        })
    }
}

crate::document_cases!(
    reopener(),
    #[test]
    run_on_server
);

#[test]
fn declared_fields_and_indexes_are_native() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = Arc::new(Postgres::open(&url, PostgresOptions::default()).await.unwrap());
        let engine = runstate::engine::Engine::new(store, Arc::new(SystemHost), &[]).await.unwrap();
        ask(&engine, "documents.declare", notes()).await;
        let now = engine.now().as_millis();
        ask(&engine, "documents.commit", json!({"writes": [put("a", "home", now)]})).await;
        let kind = read_text(&url, "SELECT pg_typeof(created)::text || ' ' || tag FROM documents.notes").await;
        assert_eq!(kind.as_deref(), Some("timestamp with time zone home"));
        let indexes =
            read_text(&url, "SELECT string_agg(indexdef, ';') FROM pg_indexes WHERE schemaname = 'documents'").await;
        assert!(
            indexes.as_ref().is_some_and(|all| all.contains("(tag NULLS FIRST, created DESC NULLS LAST, _id)")),
            "{indexes:?}"
        );
    });
}

const VALUES: Collection = Collection::new("t.values", 1).fields(&[
    Field::text("text").optional(),
    Field::int("xmin").optional(),
    Field::float("x").optional(),
    Field::decimal("cost").optional(),
    Field::timestamp("at").optional(),
    Field::bool("live").optional(),
    Field::json("any").optional(),
]);

#[test]
fn values_without_an_exact_column_are_read_back() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = Postgres::open(&url, PostgresOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&VALUES]).unwrap()).await.unwrap();
        let documents = [
            json!({"text": "a\u{0}b\u{1}c\u{2}", "odd \"name'": "\u{0}", "any": {"k\u{1}": ["\u{0}\u{1}"]}}),
            json!({"at": -9_007_199_254_740_991i64, "xmin": -9_007_199_254_740_991i64}),
            json!({"at": 9_007_199_254_740_991i64, "x": 5e-324, "any": [5e-324, 1.7976931348623157e308, 0.1]}),
            json!({"text": null, "at": null, "x": null, "live": null, "cost": null, "any": null}),
            json!({"cost": "-0.50", "x": 1e300}),
            json!({"cost": "7922816251426433759354395033.5", "live": false, "_rest": 1, "_key:x": {"_v": 2}}),
            json!({}),
        ];
        let writes =
            documents.iter().enumerate().map(|(n, document)| insert(&VALUES, &n.to_string(), document.clone()));
        store.commit(batch("values", writes.collect())).await.unwrap();
        for (n, document) in documents.iter().enumerate() {
            let found =
                store.get(&[Key::new(&VALUES, &n.to_string())], Freshness::Linearizable).await.unwrap().remove(0);
            assert_eq!(serde_json::Value::Object((*found.unwrap().document).clone()), *document);
        }
    });
}

#[test]
fn documents_that_exchange_unique_values_keep_their_versions() {
    const DOORS: Collection = Collection::new("t.doors", 7)
        .fields(&[Field::text("key")])
        .indexes(&[Index::ordered(&[("key", Ascending)]).unique()]);
    run_on_server(async {
        let store = Postgres::open(&fresh_url().await, PostgresOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&DOORS]).unwrap()).await.unwrap();
        // `insert` writes version 1.
        let writes = ["a", "b"].map(|id| insert(&DOORS, id, json!({"key": id})));
        store.commit(batch("fill", writes.to_vec())).await.unwrap();
        let keys = ["a", "b"].map(|id| Key::new(&DOORS, id));
        let found = store.get(&keys, Freshness::Linearizable).await.unwrap();
        let exchanged = keys.iter().zip(&found).zip(["b", "a"]).map(|((key, found), value)| {
            let found = found.as_ref().unwrap();
            let after = Arc::new(json!({"key": value}).as_object().unwrap().clone());
            let difference = Arc::new(difference(&found.document, &after));
            let op = WriteOp::Change { difference, after };
            Write { key: key.clone(), expect: Expectation::Revision(found.revision.clone()), op }
        });
        store.commit(batch("exchange", exchanged.collect())).await.unwrap();
        let after = store.get(&keys, Freshness::Linearizable).await.unwrap();
        for (row, value) in after.iter().map(|row| row.as_ref().unwrap()).zip(["b", "a"]) {
            assert_eq!((row.version, &row.document["key"]), (1, &json!(value)));
        }
    });
}
