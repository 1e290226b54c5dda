//! Commits that go out together, and making way for others.

use std::task::Poll;

use super::*;
use crate::store::file::fault::Fault;

/// Polls all in turn until each has ended.
fn all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
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

/// What waits while somebody has the turn is committed by whoever comes next.
pub(super) fn together(store: &Arc<Handle>, batches: Vec<Batch>) -> Vec<Result<Receipt, Error>> {
    let turn = done(store.inner.turn.lock());
    let mut futures: Vec<_> = batches.into_iter().map(|batch| Box::pin(store.commit(batch))).collect();
    for future in &mut futures {
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    drop(turn);
    all(futures)
}

#[test]
fn what_waits_goes_out_in_one_file() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, _) = open(&disk);
    let files = disk.names("commits").len();
    let ended =
        together(&a, (0..50).map(|n| batch(&n.to_string(), vec![insert(&n.to_string(), &n.to_string())])).collect());
    assert!(ended.iter().all(Result::is_ok));
    assert_eq!(disk.names("commits").len(), files + 1);
    assert_eq!((ids(&a).len(), ids(&b).len()), (50, 50));
    let mut positions: Vec<_> = ended.into_iter().map(|receipt| receipt.unwrap().position.0).collect();
    positions.dedup();
    assert_eq!(positions.len(), 50, "each has a position of its own");
}

#[test]
fn each_of_a_group_is_judged_after_those_before_it() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "0", vec![insert("0", "taken")]).unwrap();
    let ended = together(
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
    assert!(matches!(&ended[1], Err(Error::Conflict { .. })));
    assert!(matches!(&ended[2], Err(Error::UniqueViolation { .. })));
    assert!(matches!(&ended[3], Ok(receipt) if receipt.replayed));
    assert!(matches!(&ended[4], Err(Error::UniqueViolation { .. })));
    assert!(matches!(&ended[5], Ok(receipt) if !receipt.replayed));
    assert_eq!(ids(&a), ["0", "1", "4"]);
    let (b, _) = open(&disk);
    assert_eq!(ids(&b), ids(&a));
}

#[test]
fn a_group_whose_end_is_unknown_is_unknown_to_each() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    disk.fail_next(&fs, "sync", Fault::ErrorBefore);
    disk.fail_next(&fs, "link", Fault::ErrorAfter);
    disk.heal();
    disk.fail_next(&fs, "link", Fault::ErrorAfter);
    let ended = together(&a, vec![batch("1", vec![insert("1", "1")]), batch("2", vec![insert("2", "2")])]);
    for (ended, command) in ended.iter().zip(["1", "2"]) {
        assert!(matches!(ended, Err(Error::Unknown { command: of, .. }) if of.as_str() == command), "{ended:?}");
        assert!(is_committed(&a, command));
    }
}

#[test]
fn a_leader_who_goes_away_leaves_nothing_undone() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let turn = done(a.inner.turn.lock());
    let mut first = Box::pin(a.commit(batch("1", vec![insert("1", "1")])));
    let mut second = Box::pin(a.commit(batch("2", vec![insert("2", "2")])));
    for future in [&mut first, &mut second] {
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    drop(turn);
    drop(first);
    assert!(done(second).is_ok());
    assert_eq!(ids(&a), ["2"], "who stopped waiting before anything was written has written nothing");
}

#[test]
fn one_that_does_not_fit_on_the_disk_does_not_hold_up_the_others() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    // The group does not fit; then each is tried by itself.
    disk.fail_next(&fs, "write", Fault::Full);
    let ended = together(&a, vec![batch("1", vec![insert("1", "1")]), batch("2", vec![insert("2", "2")])]);
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
}

/// Lets `faster` commit right before each of the next `times` links of `fs`.
pub(super) fn outrun(disk: &Disk, fs: &FaultFs, faster: &Arc<Handle>, times: usize) {
    let Some(times) = times.checked_sub(1) else { return };
    let (again, slower, b) = (disk.clone(), fs.clone(), faster.clone());
    disk.before(fs, "link", "commits/", move || {
        let id = format!("b{times}");
        commit(&b, &id, vec![insert(&id, &id)]).unwrap();
        let (disk, fs) = (again.clone(), slower.clone());
        // Not before the next attempt.
        again.before(&slower, "write", "commits/", move || outrun(&disk, &fs, &b, times));
    });
}

#[test]
fn who_loses_again_and_again_asks_the_others_to_wait() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    let (b, _) = open(&disk);
    outrun(&disk, &fs, &b, 5);
    commit(&a, "a", vec![insert("a", "a")]).unwrap();
    assert_eq!(ids(&a).len(), 6);
    let trace = disk.trace();
    assert!(trace.iter().any(|call| call.starts_with("create snapshots/.waiting-")), "a sign was put up");
    assert!(disk.names("snapshots").iter().all(|name| !name.starts_with(".waiting-")), "it was taken down");
    // b saw it at the last of its commits, so it waits before the next; and then no more.
    let pauses = || disk.pauses().len();
    let paused = pauses();
    commit(&b, "next", vec![insert("next", "next")]).unwrap();
    assert_eq!(pauses(), paused + 1);
    commit(&b, "after", vec![insert("after", "after")]).unwrap();
    assert_eq!(pauses(), paused + 1);
}

#[test]
fn a_sign_of_a_dead_process_is_waited_for_a_bounded_time() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    disk.edit("snapshots/.waiting-dead", Some(b""));
    for n in 0..20 {
        let id = n.to_string();
        commit(&a, &id, vec![insert(&id, &id)]).unwrap();
    }
    let waited: i64 = disk.pauses().iter().map(|span| span.0).sum();
    assert_eq!((disk.pauses().len(), waited), (7, 1_270));
    done(a.compact()).unwrap();
    assert_eq!(disk.names("snapshots").len(), 1);
}
