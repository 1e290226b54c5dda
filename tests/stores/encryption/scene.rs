//! One store in memory or on files, opened with different keys, and a collection with secrets.

use std::path::Path;
use std::sync::Arc;

use runstate::encryption::{EncryptedStore, KeyProvider, Keys, SecretKey};
use runstate::engine::{Engine, Error, SystemHost};
use runstate::schema::{Collection, Key};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::{Freshness, Memory, Store, StoredDocument};
use serde_json::{Value as Json, json};

/// A text that occurs nowhere else.
pub const SECRET: &str = "hunter2-correct-horse";

/// The keys of these names, the current one first, and the key of hashes.
pub fn keys(names: &str) -> Arc<dyn KeyProvider> {
    Arc::new(without_hash_key(names).with_hash_key(SecretKey::new([255; 32])))
}

pub fn without_hash_key(names: &str) -> Keys {
    let key = |name: &str| SecretKey::new([*name.as_bytes().last().unwrap(); 32]);
    let mut names = names.split(',');
    let first = names.next().unwrap();
    names.fold(Keys::new(first, key(first)), |keys, name| keys.with_older(name, key(name)))
}

/// The declaration of the collection.
pub fn vault() -> Json {
    json!({
        "collection": "vault",
        "fields": [
            {"name": "tag", "kind": "text"},
            {"name": "token", "kind": "text", "maxBytes": 100, "secret": true, "searchable": true},
            {"name": "note", "kind": "json", "secret": true},
            {"name": "auth", "kind": "object"},
            {"name": "auth.pin", "kind": "int", "secret": true},
        ],
        "indexes": [{"fields": ["tag"]}, {"fields": ["token"], "unique": true, "where": {"exists": ["token", true]}}],
    })
}

/// The backend of a store. Each engine over it is another process.
#[derive(Clone)]
pub struct SecretScene {
    pub backend: Arc<dyn Store>,
}

impl SecretScene {
    pub fn on_memory() -> Self {
        Self { backend: Arc::new(Memory::new()) }
    }

    pub async fn on_files(folder: &Path) -> Self {
        Self { backend: Arc::new(FileStore::open(folder, FileStoreOptions::default()).await.unwrap()) }
    }

    pub async fn engine(&self, keys: Option<Arc<dyn KeyProvider>>) -> Engine {
        let store = Arc::new(EncryptedStore::new(self.backend.clone(), keys));
        Engine::new(store, Arc::new(SystemHost), &[]).await.unwrap()
    }

    /// An engine with these keys, and the collection.
    pub async fn with_keys(&self, names: &str) -> Engine {
        let engine = self.engine(Some(keys(names))).await;
        ask(&engine, "documents.declare", vault()).await.unwrap();
        engine
    }

    /// A document as the backend has it.
    pub async fn raw(&self, id: &str) -> StoredDocument {
        let key = Key::new(&RAW, id);
        self.backend.get(&[key], Freshness::Linearizable).await.unwrap().remove(0).unwrap()
    }

    /// Everything that the backend has, as text.
    pub async fn dump(&self) -> String {
        let mut text = String::new();
        for collection in [&RAW, &runstate::store::COMMANDS] {
            let query = runstate::schema::Query::of(collection);
            let page = self.backend.query(&query, Freshness::Linearizable).await.unwrap();
            text.extend(
                page.items.iter().map(|row| format!("{} {}\n", row.id, Json::Object((*row.stored.document).clone()))),
            );
        }
        text
    }
}

/// The name under which the backend has the collection.
pub const RAW: Collection = Collection::new("documents.vault", 1);

/// Calls an operation.
pub async fn ask(engine: &Engine, name: &str, parameters: Json) -> Result<Json, Error> {
    let Json::Object(parameters) = parameters else { panic!("no object") };
    let reply = engine.call(name, parameters).await?;
    Ok(serde_json::to_value(reply).unwrap())
}

pub async fn put(engine: &Engine, id: &str, document: Json) -> Result<Json, Error> {
    ask(engine, "documents.commit", json!({"writes": [{"collection": "vault", "id": id, "put": document}]})).await
}

pub async fn patch(engine: &Engine, id: &str, patch: Json) -> Result<Json, Error> {
    ask(engine, "documents.commit", json!({"writes": [{"collection": "vault", "id": id, "patch": patch}]})).await
}

/// The fields of a document, without its revision.
pub async fn read(engine: &Engine, id: &str) -> Result<Json, Error> {
    let mut found = ask(engine, "documents.get", json!({"collection": "vault", "ids": [id]})).await?[0].take();
    found.as_object_mut().unwrap().retain(|name, _| !name.starts_with('_'));
    Ok(found)
}

/// The ids of the documents that match.
pub async fn find(engine: &Engine, filter: Json) -> Result<Vec<String>, Error> {
    let found = ask(engine, "documents.query", json!({"collection": "vault", "where": filter})).await?;
    Ok(found["items"].as_array().unwrap().iter().map(|item| item["_id"].as_str().unwrap().to_owned()).collect())
}
