//! The change feed across processes.

use super::*;
use crate::store::{ChangeEvent, Position};

fn after(store: &FaultFileStore, from: &Position, limit: usize) -> Result<(Vec<ChangeEvent>, Position), StoreError> {
    block_on(store.changes(Some(from.clone()), limit, Millis(0))).map(|changes| (changes.events, changes.next))
}

fn now(store: &FaultFileStore) -> Position {
    block_on(store.changes(None, 10, Millis(0))).unwrap().next
}

#[test]
fn changes_of_another_process_are_delivered_once_and_in_order() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, _) = open(&disk);
    let start = now(&b);
    let receipt = commit(&a, "a", vec![insert("1", "x"), insert("2", "y")]).unwrap();
    let delete = Write { key: note("1"), expect: Expectation::Any, op: WriteOp::Delete };
    commit(&b, "b", vec![delete, count_up(&b, "2").unwrap()]).unwrap();
    let (events, next) = after(&b, &start, 10).unwrap();
    let seen: Vec<_> = events
        .iter()
        .map(|e| (e.command.as_str(), &*e.key.id, e.revision.as_ref().map(crate::id::Revision::writes)))
        .collect();
    assert_eq!(seen, [("a", "1", Some(1)), ("a", "2", Some(1)), ("b", "1", None), ("b", "2", Some(2))]);
    assert_eq!(events[0].position, receipt.position);
    assert_eq!(after(&b, &next, 10).unwrap().0, []);
    // A position is valid in every process.
    assert_eq!(after(&a, &receipt.position, 10).unwrap().0, events[2..]);
}

#[test]
fn a_limit_may_end_within_a_commit() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let mut from = now(&a);
    commit(&a, "a", vec![insert("1", "x"), insert("2", "y"), insert("3", "z")]).unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (events, next) = after(&a, &from, 1).unwrap();
        seen.extend(events.into_iter().map(|e| e.key.id.to_string()));
        from = next;
    }
    assert_eq!(seen, ["1", "2", "3"]);
}

#[test]
fn positions_older_than_what_is_kept_or_of_another_store_are_expired() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let start = now(&a);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    // A process that opens later knows the changes since the snapshot.
    let (late, _) = open(&disk);
    assert_eq!(after(&late, &start, 10).unwrap().0.len(), 1);
    block_on(late.compact()).unwrap();
    let (later, _) = open(&disk);
    assert_eq!(after(&later, &start, 10), Err(StoreError::PositionExpired));
    assert!(after(&later, &now(&a), 10).is_ok());
    // The handle that compacted, and one that was overtaken by it, know the changes before.
    assert_eq!(after(&late, &start, 10).unwrap().0.len(), 1);
    assert_eq!(after(&a, &start, 10).unwrap().0.len(), 1);
    assert_eq!(after(&a, &Position("999999".into()), 10), Err(StoreError::PositionExpired));
    for junk in ["", "x", "1:", "1:2:3:4", "-1"] {
        let refused = after(&a, &Position(junk.into()), 10);
        assert!(matches!(refused, Err(StoreError::InvalidPosition { .. })), "{junk}: {refused:?}");
    }
}

#[test]
fn waiting_ends_when_the_time_is_up_or_a_commit_of_another_is_found() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, fs) = open(&disk);
    let start = now(&b);
    assert_eq!(block_on(b.changes(Some(start.clone()), 10, Millis(10_000))).unwrap().events, []);
    // The second poll finds it.
    let head = b.log().head.seq;
    disk.run_before(&fs, "read", &commit_path(head + 1), || ());
    disk.run_before(&fs, "read", &commit_path(head), move || {
        commit(&a, "a", vec![insert("1", "x")]).unwrap();
    });
    assert_eq!(block_on(b.changes(Some(start), 10, Millis(10_000))).unwrap().events.len(), 1);
}
