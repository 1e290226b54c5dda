//! Tests of the commit rules on a disk that injects faults. Two handles on one disk act as two processes.

mod check;
mod compaction;
mod crash;
mod faults;
mod group_commit;
mod hostile;
mod model;
mod opening;
mod regressions;
mod rules;

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};

use runstate_core::id::CommandId;
use runstate_core::schema::Direction::Ascending;
use runstate_core::schema::{Catalog, Collection, Field, Index, Key, Query, Ttl};
use runstate_store::{
    Batch, Expectation, Freshness, Outcome, Receipt, Store, StoreAdmin, StoreError, StoredDocument, Write, WriteOp,
};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, Json, difference};

use super::fault::{Disk, FaultFs};
use super::format::{commit_path, snapshot_path};
use super::fs::Fs;
use super::snapshot::{self, SnapshotHeader};
use super::{FileStore, FileStoreOptions, SnapshotPolicy};

const NOTES: Collection = Collection::new("demo.notes", 1)
    .fields(&[Field::text("title"), Field::int("n").optional()])
    .indexes(&[Index::ordered(&[("title", Ascending)]).unique()]);

const TRACES: Collection = Collection::new("demo.traces", 1)
    .fields(&[Field::timestamp("at")])
    .ttl(Ttl { field: "at", after: Millis(1_000), partial: None })
    .insert_only();

type FaultFileStore = FileStore<FaultFs>;

/// Runs a future that waits for nothing but the disk in memory.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..1_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("the future never completes");
}

fn catalog() -> Catalog {
    Catalog::new(&[&NOTES, &TRACES]).unwrap()
}

/// Options without automatic snapshots and without a reserve.
fn quiet_options() -> FileStoreOptions {
    FileStoreOptions { reserve_bytes: 0, snapshots: SnapshotPolicy::NEVER, ..FileStoreOptions::default() }
}

/// Starts a process and opens the store in it.
fn try_open(disk: &Disk) -> Result<(Arc<FaultFileStore>, FaultFs), StoreError> {
    let fs = disk.process();
    let store = block_on(FileStore::open_on(fs.clone(), quiet_options()))?;
    block_on(store.migrate(&catalog()))?;
    Ok((Arc::new(store), fs))
}

fn open(disk: &Disk) -> (Arc<FaultFileStore>, FaultFs) {
    try_open(disk).unwrap()
}

fn note(id: &str) -> Key {
    Key::new(&NOTES, id)
}

fn fields(json: Json) -> Document {
    json.as_object().unwrap().clone()
}

fn batch(command: &str, writes: Vec<Write>) -> Batch {
    let command = CommandId::new(command).unwrap();
    let fingerprint = format!("print of {command}");
    let result = Json::from(format!("result of {command}"));
    Batch {
        command,
        fingerprint,
        at: Timestamp::from_millis(1_000),
        result,
        writes,
        checks: Vec::new(),
        frees_space: false,
    }
}

fn insert(id: &str, title: &str) -> Write {
    let document = Arc::new(fields(serde_json::json!({"title": title, "n": 0})));
    Write { key: note(id), expect: Expectation::Absent, op: WriteOp::Put { version: 1, document } }
}

/// Increments a note, based on the state that this handle reads.
fn count_up(store: &FaultFileStore, id: &str) -> Result<Write, StoreError> {
    let Some(StoredDocument { revision, document, .. }) = read(store, id)? else { panic!("no note {id}") };
    let mut after = Document::clone(&document);
    after.insert("n".into(), (document["n"].as_i64().unwrap() + 1).into());
    let op = WriteOp::Change { difference: Arc::new(difference(&document, &after)), after: Arc::new(after) };
    Ok(Write { key: note(id), expect: Expectation::Revision(revision), op })
}

fn read(store: &FaultFileStore, id: &str) -> Result<Option<StoredDocument>, StoreError> {
    block_on(store.get(&[note(id)], Freshness::Linearizable)).map(|mut found| found.remove(0))
}

fn commit(store: &FaultFileStore, command: &str, writes: Vec<Write>) -> Result<Receipt, StoreError> {
    block_on(store.commit(batch(command, writes)))
}

fn is_committed(store: &FaultFileStore, command: &str) -> bool {
    matches!(block_on(store.outcome(&CommandId::new(command).unwrap())), Ok(Outcome::Committed { .. }))
}

/// Returns the ids of all notes.
fn ids(store: &FaultFileStore) -> Vec<String> {
    block_on(store.query(&Query::of(&NOTES), Freshness::Linearizable))
        .unwrap()
        .items
        .iter()
        .map(|row| row.id.to_string())
        .collect()
}

/// Puts a snapshot of the state of `store` under its name, without the rules, and returns its number.
fn take_snapshot(disk: &Disk, store: &FaultFileStore) -> u64 {
    let log = store.log();
    let header =
        SnapshotHeader { snapshot: log.head.seq, format: 1, store: store.id().to_owned(), prev: log.head.hash.clone() };
    let bytes = snapshot::write(&header, &log.tables).unwrap();
    disk.edit(&snapshot_path(header.snapshot), Some(&bytes));
    header.snapshot
}

/// Rules 8 and 9: removes temps, then commits up to `seq`, then older snapshots.
fn clean_below(disk: &Disk, seq: u64) {
    for name in disk.names("commits").iter().filter(|name| name.starts_with(".tmp-")) {
        disk.edit(&format!("commits/{name}"), None);
    }
    for old in 1..=seq {
        disk.edit(&commit_path(old), None);
    }
    for old in 0..seq {
        disk.edit(&snapshot_path(old), None);
    }
}
