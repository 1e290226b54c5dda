//! Documents of the user's own on MongoDB, and how the server keeps them.

use std::sync::Arc;

use mongodb::bson::doc;
use runstate::engine::SystemHost;
use runstate::marker::BoxFuture;
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Store, StoreError};
use serde_json::json;

use crate::support::document_cases::{self as cases, ask, notes, put};
use crate::support::mongodb::{fresh_url, indexes, run_command, run_on_server};

/// Opens one fresh database at each call, as another process does.
pub fn reopener() -> impl Fn() -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> {
    let url = fresh_url();
    move || {
        let url = url.clone();
        Box::pin(async move { Ok(Arc::new(Mongo::open(&url, MongoOptions::default()).await?) as Arc<dyn Store>) })
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
        let url = fresh_url();
        let store = Arc::new(Mongo::open(&url, MongoOptions::default()).await.unwrap());
        let engine = runstate::engine::Engine::new(store, Arc::new(SystemHost), &[]).await.unwrap();
        let mut declaration = notes();
        declaration["ttl"] = json!({"field": "created", "afterMs": 60_000});
        ask(&engine, "documents.declare", declaration).await;
        let now = engine.now().as_millis();
        ask(&engine, "documents.commit", json!({"writes": [put("a", "home", now)]})).await;
        let dates = doc! {"count": "documents.notes", "query": {"created": {"$type": "date"}}};
        assert_eq!(run_command(&url, dates).await.get_i32("n").unwrap(), 1);
        let indexes = indexes(&url, "documents.notes").await;
        let has_key =
            |key: mongodb::bson::Document| indexes.iter().any(|index| index.get_document("key").ok() == Some(&key));
        assert!(has_key(doc! {"tag": 1, "created": -1}), "{indexes:?}");
        assert!(indexes.iter().any(|index| index.contains_key("expireAfterSeconds")), "{indexes:?}");
    });
}
