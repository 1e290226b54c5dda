//! A store whose commands are recorded, and short functions to use it.

use std::sync::Arc;

use runstate::id::CommandId;
use runstate::schema::Direction::Ascending;
use runstate::schema::{Catalog, Collection, Field, Index, Key, Ttl};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Batch, Check, Expectation, Store, StoredDocument, Write, WriteOp};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;

use super::recorder::{Exchange, Recorder};
use super::server::fresh_url;

pub const HEADS: Collection = Collection::new("recorded.heads", 1)
    .fields(&[Field::int("n").optional(), Field::timestamp("at").optional()])
    .indexes(&[Index::ordered(&[("n", Ascending)])])
    .ttl(Ttl { field: "at", after: Millis(1_000), partial: None });
pub const LEADS: Collection = Collection::new("recorded.leads", 1).read_mostly();
pub const ROWS: Collection = Collection::new("recorded.rows", 1).insert_only();

/// A store behind a recorder.
pub struct RecordedStore {
    pub store: Mongo,
    pub recorder: Recorder,
}

impl RecordedStore {
    /// `options` are added to the URL.
    pub async fn new(options: &str) -> Self {
        let recorder = Recorder::start(&fresh_url());
        let store = Mongo::open(&format!("{}{options}", recorder.url()), MongoOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&HEADS, &LEADS, &ROWS]).unwrap()).await.unwrap();
        Self { store, recorder }
    }

    pub async fn commit(&self, command: &str, writes: Vec<Write>, checks: Vec<Check>) {
        let (command, at) = (CommandId::new(command).unwrap(), Timestamp::from_millis(0));
        let batch = Batch { command, fingerprint: "f".to_owned(), at, result: Json::Null, writes, checks };
        self.store.commit(batch).await.unwrap();
    }

    pub async fn find(&self, collection: &Collection, id: &str) -> Option<StoredDocument> {
        self.store.get(&[Key::new(collection, id)]).await.unwrap().remove(0)
    }

    /// A check that a document is at its current revision.
    pub async fn check(&self, collection: &Collection, id: &str) -> Check {
        Check { key: Key::new(collection, id), revision: self.find(collection, id).await.unwrap().revision }
    }

    /// The commands with these names that were sent since the last call.
    pub fn sent(&self, names: &[&str]) -> Vec<Exchange> {
        let mut sent = self.recorder.take();
        sent.retain(|exchange| names.contains(&exchange.name()));
        sent
    }
}

pub fn put(collection: &Collection, id: &str, expect: Expectation, value: Json) -> Write {
    let document = Arc::new(value.as_object().unwrap().clone());
    Write { key: Key::new(collection, id), expect, op: WriteOp::Put { version: 1, document } }
}

pub fn insert(collection: &Collection, id: &str, value: Json) -> Write {
    put(collection, id, Expectation::Absent, value)
}
