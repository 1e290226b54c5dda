//! `backup` and `restore`: a store as it was at a time, in another store.

use crate::support::{CliFixture, GREET};

#[test]
fn a_store_is_restored_as_it_was_at_a_time() {
    let scene = CliFixture::with("greet", GREET);
    scene.run(&["start", "greet", "--id", "g1"]).expect_exit(3);
    let backup = |args: &[&str]| scene.run(&[&["backup", "--to", "local:saved"], args].concat());
    let restore = |args: &[&str]| scene.run(&[&["restore", "--from", "local:saved"], args].concat());
    restore(&["--list"]).expect_exit(5).expect_stderr(&["there is no directory saved"]);
    assert!(backup(&["--json"]).expect_exit(0).json()["documents"].as_u64().unwrap() > 3);
    scene.run(&["answer", "g1", "--text", "Ada", "--command-id", "first"]).expect_exit(3);
    assert!(backup(&[]).expect_exit(0).out.starts_with("backed up: "));
    assert_eq!(backup(&[]).expect_exit(0).out, "nothing has changed since the last backup\n");

    let listed = restore(&["--list"]).expect_exit(0).out;
    let times: Vec<&str> = listed.lines().collect();
    assert!(times.len() == 2 && times[0] > times[1], "{times:?}");
    let there = |store: &str, args: &[&str]| scene.run(&[&["--store", store], args].concat());
    let from = ["restore", "--from", "local:saved"];
    there("file:new", &from).expect_exit(0).expect_stderr(&["the store as it was at", times[0]]);
    there("file:new", &["verify"]).expect_exit(0);
    // A command that is repeated there is applied once.
    there("file:new", &["answer", "g1", "--text", "Ada", "--command-id", "first"]).expect_exit(3);
    there("file:new", &["answer", "g1", "--text", "yes"]).expect_exit(0);
    // Before the answer the first call was open.
    there("file:old", &[&from[..], &["--at", times[1]]].concat()).expect_exit(0);
    there("file:old", &["answer", "g1", "--text", "Eve"]).expect_exit(3);
    // Nothing is overwritten, and a store has a folder of its own.
    there("file:new", &from)
        .expect_exit(5)
        .expect_stderr(&["exist in this store and differ", "Restore into an empty store"]);
    there("file:new", &["backup", "--to", "local:saved"]).expect_exit(5).expect_stderr(&["backup of another store"]);
    let early = ["--at", "2020-01-01T00:00:00Z"];
    restore(&early).expect_exit(5).expect_stderr(&["has no complete backup at 2020-01-01T00:00:00Z or before"]);
    scene.run(&["backup", "--to", "ftp://host/x"]).expect_exit(2).expect_stderr(&["`local:DIRECTORY`"]);
    scene.run(&["backup", "--to", "local:saved", "--every", "1s"]).expect_exit(2);
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let scene = CliFixture::with("greet", GREET);
    scene.run(&["start", "greet", "--id", "g1"]).expect_exit(3);
    scene.run(&["backup", "--to", "local:saved"]).expect_exit(0);
    let file = scene.path().join("saved/000000000002.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("greet", "grett", 1)).unwrap();
    let restored = scene.run(&["--store", "file:new", "restore", "--from", "local:saved"]);
    restored.expect_exit(4).expect_stderr(&["segment 000000000002.jsonl", "its hash differs"]);
    assert!(!scene.path().join("new").exists());
}
