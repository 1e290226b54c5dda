//! Group commit, and backoff under contention.

use std::task::Poll;

use super::*;
use crate::store::file::fault::DiskFault;

/// Polls all futures in turn until each has ended.
fn poll_all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(|f| (Box::pin(f), None)).collect();
    for _ in 0..1_000 {
        for (future, ended) in &mut futures {
            if ended.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            {
                *ended = Some(value);
            }
        }
    }
    futures.into_iter().map(|(_, ended)| ended.unwrap()).collect()
}

/// Queues the batches while the write lock is held, so that the next leader commits them as one group.
pub(super) fn commit_as_group(store: &Arc<FaultFileStore>, batches: Vec<Batch>) -> Vec<Result<Receipt, StoreError>> {
    let turn = block_on(store.inner.write_lock.lock());
    let mut futures: Vec<_> = batches.into_iter().map(|batch| Box::pin(store.commit(batch))).collect();
    for future in &mut futures {
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    drop(turn);
    poll_all(futures)
}

#[test]
fn waiting_commits_are_written_in_one_file() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, _) = open(&disk);
    let files = disk.names("commits").len();
    let ended = commit_as_group(
        &a,
        (0..50).map(|n| batch(&n.to_string(), vec![insert(&n.to_string(), &n.to_string())])).collect(),
    );
    assert!(ended.iter().all(Result::is_ok));
    assert_eq!(disk.names("commits").len(), files + 1);
    assert_eq!((ids(&a).len(), ids(&b).len()), (50, 50));
    let mut positions: Vec<_> = ended.into_iter().map(|receipt| receipt.unwrap().position.0).collect();
    positions.dedup();
    assert_eq!(positions.len(), 50, "each has a position of its own");
}

#[test]
fn each_commit_of_a_group_is_checked_after_those_before_it() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "0", vec![insert("0", "taken")]).unwrap();
    let ended = commit_as_group(
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
    assert!(matches!(&ended[0], Ok(receipt) if !receipt.replayed));
    assert!(matches!(&ended[1], Err(StoreError::Conflict { .. })));
    assert!(matches!(&ended[2], Err(StoreError::UniqueViolation { .. })));
    assert!(matches!(&ended[3], Ok(receipt) if receipt.replayed));
    assert!(matches!(&ended[4], Err(StoreError::UniqueViolation { .. })));
    assert!(matches!(&ended[5], Ok(receipt) if !receipt.replayed));
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
    let ended = commit_as_group(&a, vec![batch("1", vec![insert("1", "1")]), batch("2", vec![insert("2", "2")])]);
    for (ended, command) in ended.iter().zip(["1", "2"]) {
        assert!(
            matches!(ended, Err(StoreError::UnknownOutcome { command: of, .. }) if of.as_str() == command),
            "{ended:?}"
        );
        assert!(is_committed(&a, command));
    }
}

#[test]
fn a_cancelled_leader_leaves_the_other_commits_to_the_next() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let turn = block_on(a.inner.write_lock.lock());
    let mut first = Box::pin(a.commit(batch("1", vec![insert("1", "1")])));
    let mut second = Box::pin(a.commit(batch("2", vec![insert("2", "2")])));
    for future in [&mut first, &mut second] {
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    drop(turn);
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
    let ended = commit_as_group(&a, vec![batch("1", vec![insert("1", "1")]), batch("2", vec![insert("2", "2")])]);
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
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
