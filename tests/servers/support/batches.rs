//! Batches and writes for tests of the store.

use std::sync::Arc;

use runstate::id::CommandId;
use runstate::schema::{Collection, Key};
use runstate::store::{Batch, Expectation, Write, WriteOp};
use runstate::time::Timestamp;
use runstate::value::Json;

pub fn batch(command: &str, writes: Vec<Write>) -> Batch {
    Batch {
        command: CommandId::new(command).unwrap(),
        fingerprint: "f".to_owned(),
        at: Timestamp::from_millis(1_000_000),
        result: Json::Null,
        writes,
        checks: vec![],
        frees_space: false,
    }
}

pub fn put(collection: &Collection, id: &str, expect: Expectation, document: Json) -> Write {
    let document = Arc::new(document.as_object().unwrap().clone());
    Write { key: Key::new(collection, id), expect, op: WriteOp::Put { version: 1, document } }
}

pub fn insert(collection: &Collection, id: &str, document: Json) -> Write {
    put(collection, id, Expectation::Absent, document)
}
