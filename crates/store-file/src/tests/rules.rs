//! The rules of the file store, each with the race that it prevents.

use super::super::fault::{DiskFault, Survivors};
use super::super::fs::Reason;
use super::*;

#[test]
fn rule_1_every_process_syncs_all_folders_before_its_first_link() {
    let disk = Disk::new();
    open(&disk);
    let trace = disk.trace();
    let first_link = trace.iter().position(|call| call.starts_with("link")).unwrap();
    for folder in ["sync ..", "sync ", "sync commits", "sync snapshots"] {
        assert!(trace[..first_link].iter().any(|call| call == folder), "{folder} before {:?}", trace[first_link]);
    }
    // The identity must be durable before a snapshot refers to it.
    let second_link = trace.iter().rposition(|call| call.starts_with("link snapshots/")).unwrap();
    assert!(trace[first_link..second_link].iter().any(|call| call == "sync "));
}

#[test]
fn rule_1_a_process_syncs_folders_of_another_before_it_replies() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    let before = disk.calls();
    let (b, _) = open(&disk);
    assert!(read(&b, "1").unwrap().is_some());
    let trace = disk.trace();
    for folder in ["sync ..", "sync ", "sync commits", "sync snapshots"] {
        assert!(trace[before..].iter().any(|call| call == folder), "{folder}");
    }
}

#[test]
fn rule_2_opening_reads_the_highest_snapshot_and_the_commits_after_it() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    let seq = take_snapshot(&disk, &a);
    clean_below(&disk, seq);
    let (b, _) = open(&disk);
    commit(&b, "b", vec![insert("2", "y")]).unwrap();
    assert_eq!(ids(&b), ["1", "2"]);
    // The ledger is part of the snapshot.
    assert!(commit(&b, "a", vec![insert("1", "x")]).unwrap().replayed);
    assert_eq!(ids(&open(&disk).0), ["1", "2"]);
}

#[test]
fn rule_2_opening_restarts_if_the_snapshot_vanishes_while_it_is_read() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    let fs = disk.process();
    let (d, seq) = (disk.clone(), a.log().head.seq);
    disk.run_before(&fs, "read", "snapshots/", move || {
        take_snapshot(&d, &a);
        clean_below(&d, seq);
    });
    let b = block_on(FileStore::open_on(fs, quiet_options())).unwrap();
    block_on(b.migrate(&catalog())).unwrap();
    assert_eq!(ids(&b), ["1"]);
    assert_eq!(b.log().head.base, Some(seq));
}

#[test]
fn rule_3_opening_restarts_if_a_snapshot_is_taken_while_it_reads() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    for i in 0..5 {
        commit(&a, &format!("c{i}"), vec![insert(&format!("{i}"), &format!("t{i}"))]).unwrap();
    }
    let fs = disk.process();
    let (d, seq) = (disk.clone(), a.log().head.seq);
    // Commits vanish during the read, so the chain seems to end early.
    disk.run_before(&fs, "read", &commit_path(3), move || {
        take_snapshot(&d, &a);
        clean_below(&d, seq);
    });
    let b = block_on(FileStore::open_on(fs, quiet_options())).unwrap();
    block_on(b.migrate(&catalog())).unwrap();
    assert_eq!(b.read_only_reason(), None);
    assert_eq!(ids(&b).len(), 5);
}

#[test]
fn rule_3_commits_removed_before_the_snapshot_do_not_end_the_chain() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    let fs = disk.process();
    let (d, seq) = (disk.clone(), a.log().head.seq);
    disk.run_before(&fs, "read", &commit_path(1), move || {
        take_snapshot(&d, &a);
        // The clean-up is between the removal of commits and the removal of snapshot 0.
        (1..=seq).for_each(|old| d.edit(&commit_path(old), None));
    });
    let b = block_on(FileStore::open_on(fs, quiet_options())).unwrap();
    assert_eq!(b.log().head.base, Some(seq));
}

#[test]
fn rule_4_paused_process_below_a_snapshot_reloads_before_it_commits() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, _) = open(&disk);
    commit(&b, "b0", vec![insert("0", "z")]).unwrap();
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    let seq = take_snapshot(&disk, &a);
    clean_below(&disk, seq);
    // b's next number is free again, but readers would never read a commit there.
    commit(&b, "b", vec![insert("2", "y")]).unwrap();
    assert_eq!(disk.names("commits"), [format!("{:016}.json", seq + 1)]);
    assert_eq!(ids(&open(&disk).0), ["0", "1", "2"]);
}

#[test]
fn rule_4_snapshots_are_listed_after_the_temp_is_written() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, fs) = open(&disk);
    commit(&b, "b0", vec![insert("0", "z")]).unwrap();
    // Between b's list and its link, a snapshot is taken and all files below it are removed.
    let (d, paused) = (disk.clone(), b.clone());
    disk.run_before(&fs, "link", "commits/", move || {
        commit(&a, "a", vec![insert("1", "x")]).unwrap();
        let seq = take_snapshot(&d, &a);
        clean_below(&d, seq);
    });
    commit(&paused, "b", vec![insert("2", "y")]).unwrap();
    assert_eq!(ids(&open(&disk).0), ["0", "1", "2"]);
    assert!(disk.names("commits").iter().all(|name| !name.starts_with(".tmp-")));
}

#[test]
fn rule_5_predecessors_of_a_commit_are_synced_before_its_link() {
    let disk = Disk::new();
    let (a, a_fs) = open(&disk);
    let (b, fs) = open(&disk);
    commit(&b, "b0", vec![insert("0", "z")]).unwrap();
    assert_eq!(ids(&a), ["0"]);
    // a's commit exists but is not synced when b depends on it.
    let d = disk.clone();
    disk.run_before(&fs, "link", "commits/", move || {
        d.fail_next(&a_fs, "sync", DiskFault::ErrorBefore);
        assert!(matches!(commit(&a, "a", vec![insert("1", "x")]), Err(StoreError::UnknownOutcome { .. })));
    });
    commit(&b, "b", vec![insert("2", "y")]).unwrap();
    disk.lose_power(Survivors::None);
    assert_eq!(ids(&open(&disk).0), ["0", "1", "2"]);
}

#[test]
fn rule_5_a_power_failure_keeps_no_commit_without_its_predecessor() {
    for seed in 0..16 {
        let disk = Disk::new();
        let (a, a_fs) = open(&disk);
        let (b, fs) = open(&disk);
        commit(&b, "b0", vec![insert("0", "z")]).unwrap();
        assert_eq!(ids(&a), ["0"]);
        // b loses its number to a commit that is not synced, and the power fails right after b's second link.
        let (d, b_fs) = (disk.clone(), fs.clone());
        disk.run_before(&fs, "link", "commits/", move || {
            d.fail_next(&a_fs, "sync", DiskFault::ErrorBefore);
            assert!(matches!(commit(&a, "a", vec![insert("1", "x")]), Err(StoreError::UnknownOutcome { .. })));
            let (inner, inner_fs) = (d.clone(), b_fs.clone());
            d.run_before(&b_fs, "create", "commits/", move || {
                let power = inner.clone();
                inner.run_before(&inner_fs, "remove", "commits/", move || power.lose_power(Survivors::Random(seed)));
            });
        });
        assert!(commit(&b, "b", vec![insert("2", "y")]).is_err());
        let (reopened, _) = open(&disk);
        assert_eq!(reopened.read_only_reason(), None, "seed {seed}");
        assert!(ids(&reopened).starts_with(&["0".to_owned(), "1".to_owned()]), "seed {seed}");
    }
}

#[test]
fn rule_6_loser_of_a_number_applies_the_winner_and_retries() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    let (b, _) = open(&disk);
    let winner = b.clone();
    disk.run_before(&fs, "link", "commits/", move || {
        commit(&winner, "b", vec![insert("2", "y")]).unwrap();
    });
    let receipt = commit(&a, "a", vec![insert("1", "x")]).unwrap();
    assert!(!receipt.replayed);
    assert_eq!(ids(&a), ["1", "2"]);
    assert_eq!(ids(&b), ["1", "2"]);
    // The loser's file was written again: its hash chain contains the winner.
    assert_eq!(open(&disk).0.read_only_reason(), None);
}

#[test]
fn rule_6_loser_of_a_number_checks_its_expectations_again() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    let (b, _) = open(&disk);
    commit(&a, "a0", vec![insert("1", "x")]).unwrap();
    let (mine, theirs) = (count_up(&a, "1").unwrap(), count_up(&b, "1").unwrap());
    let winner = b.clone();
    disk.run_before(&fs, "link", "commits/", move || {
        commit(&winner, "b", vec![theirs]).unwrap();
    });
    assert_eq!(commit(&a, "a", vec![mine]), Err(StoreError::Conflict { key: note("1") }));
    assert_eq!(read(&a, "1").unwrap().unwrap().document["n"], 1);
    assert!(!is_committed(&b, "a"));
}

#[test]
fn rule_6_loser_of_a_number_finds_a_unique_violation_by_the_winner() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    let (b, _) = open(&disk);
    disk.run_before(&fs, "link", "commits/", move || {
        commit(&b, "b", vec![insert("2", "same")]).unwrap();
    });
    assert!(matches!(commit(&a, "a", vec![insert("1", "same")]), Err(StoreError::UniqueViolation { .. })));
    assert_eq!(ids(&a), ["2"]);
}

#[test]
fn rule_6_the_same_command_in_two_processes_is_committed_once() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    let (b, _) = open(&disk);
    disk.run_before(&fs, "link", "commits/", move || {
        commit(&b, "same", vec![insert("1", "x")]).unwrap();
    });
    let receipt = commit(&a, "same", vec![insert("1", "x")]).unwrap();
    assert!(receipt.replayed);
    assert_eq!(receipt.result, "result of same");
    assert_eq!(read(&a, "1").unwrap().unwrap().revision.writes(), 1);
}

#[test]
fn rule_6_loser_of_a_number_reloads_if_the_winner_was_removed() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    let (b, _) = open(&disk);
    let (winner, next) = (b.clone(), commit_path(b.log().head.seq + 1));
    disk.run_before(&fs, "link", "commits/", move || {
        commit(&winner, "b", vec![insert("2", "y")]).unwrap();
    });
    let (d, cleaner) = (disk.clone(), b.clone());
    disk.run_before(&fs, "read", &next, move || {
        let seq = take_snapshot(&d, &cleaner);
        clean_below(&d, seq);
    });
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    assert_eq!(ids(&open(&disk).0), ["1", "2"]);
}

#[test]
fn rule_6_a_vanished_temp_is_written_again() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    let d = disk.clone();
    disk.run_before(&fs, "link", "commits/", move || {
        for name in d.names("commits").iter().filter(|name| name.starts_with(".tmp-")) {
            d.edit(&format!("commits/{name}"), None);
        }
    });
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    assert_eq!(ids(&open(&disk).0), ["1"]);
}

#[test]
fn rule_7_a_read_sees_earlier_commits_of_other_processes() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, _) = open(&disk);
    assert!(read(&b, "1").unwrap().is_none());
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    assert!(read(&b, "1").unwrap().is_some());
    assert!(is_committed(&b, "a"));
}

#[test]
fn rule_7_process_whose_head_was_removed_reloads_before_it_replies() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, _) = open(&disk);
    assert!(ids(&b).is_empty());
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    let seq = take_snapshot(&disk, &a);
    clean_below(&disk, seq);
    // For b the next commit is missing, as if nothing had happened.
    assert_eq!(ids(&b), ["1"]);
}

#[test]
fn rule_7_a_head_that_is_a_snapshot_counts_as_intact() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    let seq = take_snapshot(&disk, &a);
    clean_below(&disk, seq);
    let (b, _) = open(&disk);
    let before = disk.calls();
    assert_eq!(ids(&b), ["1"]);
    assert_eq!(ids(&b), ["1"]);
    assert!(!disk.trace()[before..].iter().any(|call| call == "read runstate.json"), "no reopening");
}

#[test]
fn rule_7_a_higher_snapshot_reveals_removed_commits() {
    for base in [false, true] {
        let disk = Disk::new();
        let (a, _) = open(&disk);
        if base {
            commit(&a, "0", vec![insert("0", "z")]).unwrap();
            block_on(a.compact()).unwrap();
        }
        let (b, _) = open(&disk);
        assert_eq!(b.log().head.base.map(|seq| seq == b.log().head.seq), Some(base));
        let next = b.log().head.seq + 1;
        commit(&a, "1", vec![insert("1", "x")]).unwrap();
        commit(&a, "2", vec![insert("2", "y")]).unwrap();
        let (cleaner, fs) = open(&disk);
        // The clean-up stops after the removal of commits, before it removes the snapshot that is b's base.
        let (d, process) = (disk.clone(), fs.clone());
        disk.run_before(&fs, "remove", "snapshots/", move || d.fail_next(&process, "remove", DiskFault::StopBefore));
        assert!(block_on(cleaner.compact()).is_err());
        assert_eq!(disk.file(&commit_path(next)), None);
        assert!(read(&b, "1").unwrap().is_some() && is_committed(&b, "2"), "base {base}");
    }
}

#[test]
fn rule_7_commits_in_a_reply_are_synced_before_it() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    let (b, _) = open(&disk);
    disk.fail_next(&fs, "sync", DiskFault::ErrorBefore);
    assert!(matches!(commit(&a, "a", vec![insert("1", "x")]), Err(StoreError::UnknownOutcome { .. })));
    // The commit is linked and visible, but a power failure would lose it. After a reply that includes it, it must be
    // durable.
    assert!(is_committed(&b, "a"));
    disk.lose_power(Survivors::None);
    assert_eq!(ids(&open(&disk).0), ["1"]);
}

#[test]
fn rule_7_a_rejection_is_based_on_refreshed_state() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    assert_eq!(ids(&b), ["1"]);
    let delete = Write { key: note("1"), expect: Expectation::Any, op: WriteOp::Delete };
    commit(&a, "a2", vec![delete]).unwrap();
    // In b's state the note exists; in the current state it does not.
    commit(&b, "b", vec![insert("1", "y")]).unwrap();
    assert_eq!(read(&a, "1").unwrap().unwrap().document["title"], "y");
}

#[test]
fn rule_11_a_name_is_never_replaced_nor_written_in_place() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    let written = disk.trace();
    assert!(written.iter().filter(|call| call.starts_with("create")).all(|call| call.contains("/.tmp-")));
    let fs = disk.process();
    let result = block_on(fs.link_new("runstate.json", &commit_path(1)));
    assert_eq!(result.unwrap_err().reason, Reason::Exists);
}

#[test]
fn rule_12_a_gap_is_distinguished_from_a_race_and_opens_read_only() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    for i in 0..5 {
        commit(&a, &format!("c{i}"), vec![insert(&format!("{i}"), &format!("t{i}"))]).unwrap();
    }
    disk.edit(&commit_path(4), None);
    let (b, _) = open(&disk);
    let Some(StoreError::Corrupt { at, why }) = b.read_only_reason() else { panic!("{:?}", b.read_only_reason()) };
    assert_eq!(
        (at.as_str(), why.contains("is missing, but commit 5 exists")),
        ("store/commits/0000000000000004.json", true)
    );
    assert_eq!(ids(&b), ["0", "1"]);
    assert!(matches!(commit(&b, "b", vec![insert("9", "z")]), Err(StoreError::Corrupt { .. })));
    assert_eq!(disk.file(&commit_path(4)), None, "nothing may be put into the gap");
}

#[test]
fn rule_12_a_commit_between_reading_and_listing_is_not_a_gap() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let fs = disk.process();
    disk.run_before(&fs, "list", "commits", move || {
        commit(&a, "a", vec![insert("1", "x")]).unwrap();
        commit(&a, "b", vec![insert("2", "y")]).unwrap();
    });
    let b = block_on(FileStore::open_on(fs, quiet_options())).unwrap();
    block_on(b.migrate(&catalog())).unwrap();
    assert_eq!(b.read_only_reason(), None);
    assert_eq!(ids(&b), ["1", "2"]);
}

#[test]
fn rule_4_a_process_of_the_old_store_never_writes_to_a_recreated_one() {
    for commits in [0, 1, 2, 3] {
        let disk = Disk::new();
        let (old, _) = open(&disk);
        for i in 0..2 {
            commit(&old, &format!("old{i}"), vec![insert(&format!("o{i}"), &format!("o{i}"))]).unwrap();
        }
        disk.delete_store();
        let (new, _) = open(&disk);
        for i in 0..commits {
            commit(&new, &format!("new{i}"), vec![insert(&format!("n{i}"), &format!("n{i}"))]).unwrap();
        }
        let error = commit(&old, "late", vec![insert("late", "late")]).unwrap_err();
        assert!(error.to_string().contains("replaced"), "{commits}: {error}");
        assert!(read(&old, "o0").unwrap_err().to_string().contains("replaced"), "{commits}");
        let (reopened, _) = open(&disk);
        assert_eq!((reopened.read_only_reason(), ids(&reopened).len()), (None, commits));
    }
}

#[test]
fn rule_4_a_store_restored_from_a_copy_is_reloaded_before_a_commit() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    for i in 0..4 {
        commit(&a, &format!("c{i}"), vec![insert(&format!("{i}"), &format!("t{i}"))]).unwrap();
    }
    let last = a.log().head.seq;
    for removed in [last - 1, last] {
        disk.edit(&commit_path(removed), None);
    }
    commit(&a, "late", vec![insert("late", "late")]).unwrap();
    let (b, _) = open(&disk);
    assert_eq!((b.read_only_reason(), ids(&b)), (None, vec!["0".to_owned(), "1".to_owned(), "late".to_owned()]));
    assert_eq!(ids(&a), ids(&b));
}

#[test]
fn session_read_makes_no_call_and_is_no_older_than_the_last_read() {
    let disk = Disk::new();
    let ((a, _), (b, _)) = (open(&disk), open(&disk));
    let has = |freshness| block_on(a.get(&[note("1")], freshness)).unwrap()[0].is_some();
    assert!(!has(Freshness::Linearizable));
    commit(&b, "b", vec![insert("1", "x")]).unwrap();
    let calls = disk.calls();
    assert!(!has(Freshness::Session));
    assert_eq!(disk.calls(), calls);
    assert!(has(Freshness::Linearizable));
    let calls = disk.calls();
    assert!(has(Freshness::Session));
    assert_eq!(disk.calls(), calls);
}
