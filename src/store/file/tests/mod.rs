//! Tests of the commit rules on a disk that fails on request. Two handles on one disk stand for two processes.

mod check;
mod cleaning;
mod crash;
mod faults;
mod feed;
mod groups;
mod hostile;
mod model;
mod opening;
mod review;
mod rules;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::fault::{Disk, FaultFs};
use super::format::{commit_path, snapshot_path};
use super::fs::Fs;
use super::snapshot::{self, Header};
use super::{FileStore, Options, SnapshotPolicy};
use crate::id::CommandId;
use crate::schema::Direction::Ascending;
use crate::schema::{Catalog, Collection, Field, Index, Key, Query, Ttl};
use crate::store::{Batch, Error, Expect, Freshness, Op, Outcome, Receipt, Store, Stored, Write};
use crate::time::{Millis, Timestamp};
use crate::value::{Document, Json, difference};

const NOTES: Collection = Collection::new("demo.notes", 1)
    .fields(&[Field::text("title"), Field::int("n").optional()])
    .indexes(&[Index::by(&[("title", Ascending)]).unique()]);

const TRACES: Collection = Collection::new("demo.traces", 1)
    .fields(&[Field::timestamp("at")])
    .ttl(Ttl { field: "at", after: Millis(1_000), partial: None })
    .insert_only();

type Handle = FileStore<FaultFs>;

/// Ends a future that waits for nothing but the disk in memory.
fn done<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..1_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("it waits for something that never comes");
}

fn catalog() -> Catalog {
    Catalog::new(&[&NOTES, &TRACES]).unwrap()
}

/// Nothing happens by itself, and there is no reserve.
fn quiet() -> Options {
    Options { reserve_bytes: 0, snapshots: SnapshotPolicy::NEVER, ..Options::default() }
}

/// A process that has the store open.
fn try_open(disk: &Disk) -> Result<(Arc<Handle>, FaultFs), Error> {
    let fs = disk.process();
    let store = done(FileStore::open_on(fs.clone(), quiet()))?;
    done(store.migrate(&catalog()))?;
    Ok((Arc::new(store), fs))
}

fn open(disk: &Disk) -> (Arc<Handle>, FaultFs) {
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
    Batch { command, fingerprint, at: Timestamp::from_millis(1_000), result, writes, checks: Vec::new() }
}

fn insert(id: &str, title: &str) -> Write {
    let document = Arc::new(fields(serde_json::json!({"title": title, "n": 0})));
    Write { key: note(id), expect: Expect::Absent, op: Op::Put { version: 1, document } }
}

/// Counts a note up, from what this handle reads.
fn count_up(store: &Handle, id: &str) -> Result<Write, Error> {
    let Some(Stored { revision, document, .. }) = read(store, id)? else { panic!("no note {id}") };
    let mut after = Document::clone(&document);
    after.insert("n".into(), (document["n"].as_i64().unwrap() + 1).into());
    let op = Op::Change { difference: Arc::new(difference(&document, &after)), after: Arc::new(after) };
    Ok(Write { key: note(id), expect: Expect::Revision(revision), op })
}

fn read(store: &Handle, id: &str) -> Result<Option<Stored>, Error> {
    done(store.get(&[note(id)])).map(|mut found| found.remove(0))
}

fn commit(store: &Handle, command: &str, writes: Vec<Write>) -> Result<Receipt, Error> {
    done(store.commit(batch(command, writes)))
}

fn is_committed(store: &Handle, command: &str) -> bool {
    matches!(done(store.outcome(&CommandId::new(command).unwrap())), Ok(Outcome::Committed { .. }))
}

/// Ids of all notes.
fn ids(store: &Handle) -> Vec<String> {
    done(store.query(&Query::of(&NOTES))).unwrap().rows.iter().map(|row| row.id.to_string()).collect()
}

/// What a later version does: a snapshot of what `store` knows, put under its name.
fn take_snapshot(disk: &Disk, store: &Handle) -> u64 {
    let log = store.log();
    let header =
        Header { snapshot: log.head.seq, format: 1, store: store.id().to_owned(), prev: log.head.hash.clone() };
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
