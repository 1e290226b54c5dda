//! Secrets on MongoDB, as the driver finds them in the database.

use std::sync::Arc;

use mongodb::bson::{Document, doc};
use runstate::store::mongodb::{Mongo, MongoOptions};
use serde_json::json;

#[allow(dead_code, reason = "the tests of other stores use the rest")]
#[path = "../../stores/encryption/scene.rs"]
mod scene;

use self::scene::{SECRET, SecretScene, find, patch, put, read};
use crate::support::mongodb::{database_name, fresh_url, indexes, run_on_server};

/// Everything in a database, as text.
async fn dump(url: &str) -> String {
    let database = mongodb::Client::with_uri_str(url).await.unwrap().database(&database_name(url).unwrap());
    let mut text = String::new();
    for name in database.list_collection_names().await.unwrap() {
        let mut cursor = database.collection::<Document>(&name).find(doc! {}).await.unwrap();
        while cursor.advance().await.unwrap() {
            text += &format!("{name} {}\n", Document::try_from(cursor.current()).unwrap());
        }
    }
    text
}

#[test]
fn no_plain_text_of_a_secret_is_in_the_database() {
    run_on_server(async {
        let url = fresh_url();
        let scene = SecretScene { backend: Arc::new(Mongo::open(&url, MongoOptions::default()).await.unwrap()) };
        let engine = scene.with_keys("k1").await;
        let document = json!({"tag": "seen", "token": SECRET, "note": [SECRET, null, 1.5], "auth": {"pin": 90_210_777, "other": 1}});
        put(&engine, "a", document.clone()).await.unwrap();
        put(&engine, "b", json!({"token": "other"})).await.unwrap();
        patch(&engine, "b", json!({"note": SECRET, "auth": {"pin": 1}})).await.unwrap();
        patch(&engine, "b", json!({"auth": {"pin": 2}, "tag": "x"})).await.unwrap();
        patch(&engine, "b", json!({"note": null})).await.unwrap();
        assert_eq!(put(&engine, "c", json!({"token": SECRET})).await.unwrap_err().code.as_str(), "unique_violation");
        assert_eq!(read(&engine, "a").await.unwrap(), document);
        assert_eq!(read(&engine, "b").await.unwrap(), json!({"token": "other", "tag": "x", "auth": {"pin": 2}}));
        let text = dump(&url).await;
        assert!(text.contains("seen") && text.contains("sealed"), "{text}");
        assert!(!text.contains(SECRET) && !text.contains("90210777"));
        let indexes = indexes(&url, "documents.vault").await;
        let has = |key: Document, option: &str| {
            indexes.iter().any(|index| index.get_document("key").ok() == Some(&key) && index.contains_key(option))
        };
        assert!(
            has(doc! {"token.hash": 1}, "unique") && has(doc! {"note.key": 1}, "partialFilterExpression"),
            "{indexes:?}"
        );
        // Rotation, and equality search on its way.
        let rotated = scene.with_keys("k2,k1").await;
        while rotated.rotate(1).await.unwrap().more {
            assert_eq!(find(&rotated, json!({"eq": ["token", SECRET]})).await.unwrap(), ["a"]);
        }
        let properties = rotated.info().await.unwrap().properties;
        let values = properties.iter().find(|property| property.name == "encryptedValues").unwrap();
        assert_eq!(values.value, json!({"k2": 5}));
        assert_eq!(read(&scene.with_keys("k2").await, "a").await.unwrap(), document);
        assert!(rotated.verify(|_| {}).await.unwrap().findings.is_empty());
        assert!(!dump(&url).await.contains(SECRET));
    });
}
