//! Group commit, backoff under contention, and the change feed across processes.

use std::task::Poll;

use runstate_store::{ChangeEvent, Position};

use super::*;
use crate::fault::DiskFault;

/// Polls all futures in guard until each has ended.
fn poll_all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(|f| (Box::pin(f), None)).collect();
    for _ in 0..1_000 {
        for (future, result) in &mut futures {
            if result.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            {
                *result = Some(value);
            }
        }
    }
    futures.into_iter().map(|(_, result)| result.unwrap()).collect()
}

/// Queues the batches while the write lock is held, so that the next leader commits them as one group.
pub(super) fn commit_as_group(store: &Arc<FaultFileStore>, batches: Vec<Batch>) -> Vec<Result<Receipt, StoreError>> {
    let guard = block_on(store.inner.write_lock.lock());
    let mut futures: Vec<_> = batches.into_iter().map(|batch| Box::pin(store.commit(batch))).collect();
    for future in &mut futures {
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    drop(guard);
    poll_all(futures)
}

#[test]
fn waiting_commits_are_written_in_one_file() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, _) = open(&disk);
    let files = disk.names("commits").len();
    let results = commit_as_group(
        &a,
        (0..50).map(|n| batch(&n.to_string(), vec![insert(&n.to_string(), &n.to_string())])).collect(),
    );
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(disk.names("commits").len(), files + 1);
    assert_eq!((ids(&a).len(), ids(&b).len()), (50, 50));
    let mut positions: Vec<_> = results.into_iter().map(|receipt| receipt.unwrap().position.0).collect();
    positions.dedup();
    assert_eq!(positions.len(), 50, "each has a position of its own");
}

#[test]
fn each_commit_of_a_group_is_checked_after_those_before_it() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "0", vec![insert("0", "taken")]).unwrap();
    let results = commit_as_group(
        &a,
        vec![
            batch("first", vec![insert("1", "x")]),
            batch("again", vec![insert("1", "y")]),
            batch("same title", vec![insert("2", "x")]),
            batch("first", vec![insert("1", "x")]),
            batch("taken", vec![insert("3", "taken")]),
            batch("last", vec![insert("4", "z")]),
        ],
    );
    assert!(matches!(&results[0], Ok(receipt) if !receipt.replayed));
    assert!(matches!(&results[1], Err(StoreError::Conflict { .. })));
    assert!(matches!(&results[2], Err(StoreError::UniqueViolation { .. })));
    assert!(matches!(&results[3], Ok(receipt) if receipt.replayed));
    assert!(matches!(&results[4], Err(StoreError::UniqueViolation { .. })));
    assert!(matches!(&results[5], Ok(receipt) if !receipt.replayed));
    assert_eq!(ids(&a), ["0", "1", "4"]);
    let (b, _) = open(&disk);
    assert_eq!(ids(&b), ids(&a));
}

#[test]
fn an_unknown_outcome_of_a_group_is_reported_to_each_commit() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    disk.fail_next(&fs, "sync", DiskFault::ErrorBefore);
    disk.fail_next(&fs, "link", DiskFault::ErrorAfter);
    disk.heal();
    disk.fail_next(&fs, "link", DiskFault::ErrorAfter);
    let results = commit_as_group(&a, vec![batch("1", vec![insert("1", "1")]), batch("2", vec![insert("2", "2")])]);
    for (result, command) in results.iter().zip(["1", "2"]) {
        assert!(
            matches!(result, Err(StoreError::UnknownOutcome { command: id, .. }) if id.as_str() == command),
            "{result:?}"
        );
        assert!(is_committed(&a, command));
    }
}

#[test]
fn a_cancelled_leader_leaves_the_other_commits_to_the_next() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let guard = block_on(a.inner.write_lock.lock());
    let mut first = Box::pin(a.commit(batch("1", vec![insert("1", "1")])));
    let mut second = Box::pin(a.commit(batch("2", vec![insert("2", "2")])));
    for future in [&mut first, &mut second] {
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    drop(guard);
    drop(first);
    assert!(block_on(second).is_ok());
    assert_eq!(ids(&a), ["2"], "a commit whose caller stopped waiting before the write is not written");
}

#[test]
fn a_group_that_does_not_fit_on_the_disk_is_retried_one_by_one() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    // The group does not fit; then each commit is tried alone.
    disk.fail_next(&fs, "write", DiskFault::Full);
    let results = commit_as_group(&a, vec![batch("1", vec![insert("1", "1")]), batch("2", vec![insert("2", "2")])]);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

/// Lets `faster` commit right before each of the next `times` links of `fs`.
pub(super) fn outrun(disk: &Disk, fs: &FaultFs, faster: &Arc<FaultFileStore>, times: usize) {
    let Some(times) = times.checked_sub(1) else { return };
    let (again, slower, b) = (disk.clone(), fs.clone(), faster.clone());
    disk.run_before(fs, "link", "commits/", move || {
        let id = format!("b{times}");
        commit(&b, &id, vec![insert(&id, &id)]).unwrap();
        let (disk, fs) = (again.clone(), slower.clone());
        // Only at the next attempt.
        again.run_before(&slower, "write", "commits/", move || outrun(&disk, &fs, &b, times));
    });
}

#[test]
fn a_writer_that_keeps_losing_requests_backoff() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    let (b, _) = open(&disk);
    outrun(&disk, &fs, &b, 5);
    commit(&a, "a", vec![insert("a", "a")]).unwrap();
    assert_eq!(ids(&a).len(), 6);
    let trace = disk.trace();
    assert!(trace.iter().any(|call| call.starts_with("create snapshots/.waiting-")), "a backoff request was created");
    assert!(disk.names("snapshots").iter().all(|name| !name.starts_with(".waiting-")), "it was removed");
    // b listed the request at its last commit, so it pauses before the next one, and no more after that.
    let pauses = || disk.pauses().len();
    let paused = pauses();
    commit(&b, "next", vec![insert("next", "next")]).unwrap();
    assert_eq!(pauses(), paused + 1);
    commit(&b, "after", vec![insert("after", "after")]).unwrap();
    assert_eq!(pauses(), paused + 1);
}

#[test]
fn a_stale_backoff_request_delays_others_for_a_bounded_time() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    disk.edit("snapshots/.waiting-dead", Some(b""));
    for n in 0..20 {
        let id = n.to_string();
        commit(&a, &id, vec![insert(&id, &id)]).unwrap();
    }
    let waited: i64 = disk.pauses().iter().map(|span| span.0).sum();
    assert_eq!((disk.pauses().len(), waited), (7, 1_270));
    block_on(a.compact()).unwrap();
    assert_eq!(disk.names("snapshots").len(), 1);
}

fn changes_after(
    store: &FaultFileStore,
    from: &Position,
    limit: usize,
) -> Result<(Vec<ChangeEvent>, Position), StoreError> {
    block_on(store.changes(Some(from.clone()), limit, Millis(0))).map(|changes| (changes.events, changes.next))
}

fn current_position(store: &FaultFileStore) -> Position {
    block_on(store.changes(None, 10, Millis(0))).unwrap().next
}

#[test]
fn changes_of_another_process_are_delivered_once_and_in_order() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, _) = open(&disk);
    let start = current_position(&b);
    let receipt = commit(&a, "a", vec![insert("1", "x"), insert("2", "y")]).unwrap();
    let delete = Write { key: note("1"), expect: Expectation::Any, op: WriteOp::Delete };
    commit(&b, "b", vec![delete, count_up(&b, "2").unwrap()]).unwrap();
    let (events, next) = changes_after(&b, &start, 10).unwrap();
    let received: Vec<_> = events
        .iter()
        .map(|e| (e.command.as_str(), &*e.key.id, e.revision.as_ref().map(runstate_core::id::Revision::writes)))
        .collect();
    assert_eq!(received, [("a", "1", Some(1)), ("a", "2", Some(1)), ("b", "1", None), ("b", "2", Some(2))]);
    assert_eq!(events[0].position, receipt.position);
    assert_eq!(changes_after(&b, &next, 10).unwrap().0, []);
    // A position is valid in every process.
    assert_eq!(changes_after(&a, &receipt.position, 10).unwrap().0, events[2..]);
}

#[test]
fn a_page_may_end_within_a_commit() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let mut from = current_position(&a);
    commit(&a, "a", vec![insert("1", "x"), insert("2", "y"), insert("3", "z")]).unwrap();
    let mut received = Vec::new();
    for _ in 0..4 {
        let (events, next) = changes_after(&a, &from, 1).unwrap();
        received.extend(events.into_iter().map(|e| e.key.id.to_string()));
        from = next;
    }
    assert_eq!(received, ["1", "2", "3"]);
}

#[test]
fn positions_before_the_retained_changes_are_expired() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let start = current_position(&a);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    // A process that opens later knows the changes since the snapshot.
    let (late, _) = open(&disk);
    assert_eq!(changes_after(&late, &start, 10).unwrap().0.len(), 1);
    block_on(late.compact()).unwrap();
    let (later, _) = open(&disk);
    assert_eq!(changes_after(&later, &start, 10), Err(StoreError::PositionExpired));
    assert!(changes_after(&later, &current_position(&a), 10).is_ok());
    // The handle that compacted, and one that was overtaken by it, know the changes before.
    assert_eq!(changes_after(&late, &start, 10).unwrap().0.len(), 1);
    assert_eq!(changes_after(&a, &start, 10).unwrap().0.len(), 1);
    assert_eq!(changes_after(&a, &Position("999999".into()), 10), Err(StoreError::PositionExpired));
    for junk in ["", "x", "1:", "1:2:3:4", "-1"] {
        let refused = changes_after(&a, &Position(junk.into()), 10);
        assert!(matches!(refused, Err(StoreError::InvalidPosition { .. })), "{junk}: {refused:?}");
    }
}

#[test]
fn waiting_ends_at_the_timeout_or_at_a_commit_of_another_process() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, fs) = open(&disk);
    let start = current_position(&b);
    assert_eq!(block_on(b.changes(Some(start.clone()), 10, Millis(10_000))).unwrap().events, []);
    // The second poll finds it.
    let head = b.log().head.seq;
    disk.run_before(&fs, "read", &commit_path(head + 1), || ());
    disk.run_before(&fs, "read", &commit_path(head), move || {
        commit(&a, "a", vec![insert("1", "x")]).unwrap();
    });
    assert_eq!(block_on(b.changes(Some(start), 10, Millis(10_000))).unwrap().events.len(), 1);
}
