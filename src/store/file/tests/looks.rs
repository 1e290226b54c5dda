//! Reading together: who asks while somebody looks shares the next look, and never that one.

use super::*;
use crate::store::file::fault::Fault;

type Reading<'a> = crate::marker::BoxFuture<'a, Result<Vec<Option<Stored>>, Error>>;

/// Polls once; whether it waits.
fn waits(reading: &mut Reading<'_>) -> bool {
    reading.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

fn found(reading: Reading<'_>) -> bool {
    done(reading).unwrap().remove(0).is_some()
}

#[test]
fn who_asks_while_one_looks_sees_what_was_committed_before() {
    let disk = Disk::new();
    let ((a, _), (b, _)) = (open(&disk), open(&disk));
    read(&a, "x").unwrap();
    let key = [note("x")];
    // Of a look the first call finds no later commit, the second is still to come.
    disk.fail_at(disk.calls() + 1, Fault::Hold);
    let mut first = a.get(&key);
    assert!(waits(&mut first));
    commit(&b, "x", vec![insert("x", "x")]).unwrap();
    let mut second = a.get(&key);
    assert!(waits(&mut second));
    assert_eq!(disk.release(), 1);
    assert!(!found(first), "it had looked already");
    assert!(found(second));
}

#[test]
fn all_who_ask_while_one_looks_share_the_next_look() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    commit(&a, "x", vec![insert("x", "x")]).unwrap();
    read(&a, "x").unwrap();
    let calls = disk.calls();
    read(&a, "x").unwrap();
    let one_look = disk.calls() - calls;
    disk.fail_next(&fs, "read", Fault::Hold);
    let key = [note("x")];
    let mut readings: Vec<_> = (0..50).map(|_| a.get(&key)).collect();
    assert!(readings.iter_mut().all(waits));
    let calls = disk.calls();
    disk.release();
    assert!(readings.into_iter().all(found));
    assert!(disk.calls() - calls <= 2 * one_look, "{:?}", &disk.trace()[calls..]);
}

#[test]
fn a_look_that_fails_or_is_given_up_is_nobody_elses() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    commit(&a, "x", vec![insert("x", "x")]).unwrap();
    let key = [note("x")];
    for fault in [Fault::Hold, Fault::ErrorBefore] {
        disk.fail_next(&fs, "read", fault);
        let (mut first, mut second) = (a.get(&key), a.get(&key));
        let failed = !waits(&mut first);
        assert_eq!(failed, fault == Fault::ErrorBefore);
        assert_eq!(waits(&mut second), !failed);
        drop(first);
        disk.release();
        assert!(failed || found(second));
        assert!(found(a.get(&key)));
    }
}
