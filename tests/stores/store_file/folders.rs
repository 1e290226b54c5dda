//! Real folders: their permissions, contents and locations.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use runstate::store::{Freshness, Store, StoreAdmin, StoreError};

use super::tasks::{CATALOG, insert};
use super::{FileStore, FileStoreOptions, block_on_tokio};
use crate::support::child_test::{child_test, expect_passed};

/// Opens the store in `dir` and writes a document; returns the results of the migration and of the commit.
async fn use_store(dir: &Path) -> (Result<(), StoreError>, Result<(), StoreError>) {
    let store = match FileStore::open(dir, FileStoreOptions::default()).await {
        Ok(store) => store,
        Err(e) => return (Err(e.clone()), Err(e)),
    };
    let migrated = store.migrate(&CATALOG()).await;
    let written = store.commit(insert("k", "k")).await.map(|_| ());
    (migrated, written)
}

#[test]
fn a_missing_folder_is_created_with_all_folders_above_it() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("a/b/c d/é");
    assert_eq!(block_on_tokio(use_store(&dir)), (Ok(()), Ok(())));
    assert!(dir.join("runstate.json").exists());
}

#[test]
fn file_in_place_of_the_folder_is_named_in_the_error() {
    let above = tempfile::tempdir().unwrap();
    let file = above.path().join("store");
    fs::write(&file, "mine").unwrap();
    for dir in [file.clone(), file.join("below")] {
        let message = block_on_tokio(use_store(&dir)).0.unwrap_err().to_string();
        assert!(message.contains("a store is a folder, but a file is in its path"), "{message}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn stored_files_are_readable_text() {
    let above = tempfile::tempdir().unwrap();
    block_on_tokio(use_store(above.path())).1.unwrap();
    let mut names: Vec<_> =
        fs::read_dir(above.path().join("commits")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["0000000000000001.json", "0000000000000002.json"], "no temp stays behind");
    let text = fs::read_to_string(above.path().join("commits/0000000000000002.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["seq"], 2);
    assert_eq!(value["commits"][0]["ops"][0]["doc"]["title"], "k");
    assert_eq!(text.lines().count(), 5, "{text}");
}

/// Names the folder that a parent prepared.
const CHILD_FOLDER: &str = "RUNSTATE_TEST_DIR";

/// Runs this test again as a user without own files. Root ignores file permissions.
fn run_unprivileged(test: &str, dir: &Path) {
    let path = format!("store_file::folders::{test}");
    let skipped = |why: &str| {
        assert!(std::env::var_os("CI").is_none(), "{test} cannot run: {why}");
        eprintln!("skipped {test}: {why}");
    };
    let is_root = fs::read_to_string("/proc/self/status").is_ok_and(|s| s.contains("\nUid:\t0\t"));
    if !is_root {
        return expect_passed(child_test(&path).env(CHILD_FOLDER, dir));
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        return skipped("setpriv is not installed");
    }
    // The program may be in a folder that this user cannot read.
    let program = dir.parent().unwrap().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&program);
    expect_passed(command.args(child_test(&path).get_args()).env(CHILD_FOLDER, dir));
}

/// Returns the folder that the parent prepared, or `None` in the parent.
fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD_FOLDER).map(PathBuf::from)
}

/// Creates a folder that all users can read, and returns the path of a folder in it.
fn shared_folder() -> (tempfile::TempDir, PathBuf) {
    let above = tempfile::tempdir().unwrap();
    fs::set_permissions(above.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let dir = above.path().join("store");
    (above, dir)
}

#[test]
fn store_without_write_permission_is_read() {
    if let Some(dir) = child_folder() {
        let (migrated, written) = block_on_tokio(use_store(&dir));
        assert_eq!(migrated, Ok(()), "nothing new must be written");
        assert_eq!(written, Ok(()), "a repeat is answered from the ledger");
        block_on_tokio(async {
            let store = FileStore::open(&dir, FileStoreOptions::default()).await.unwrap();
            store.migrate(&CATALOG()).await.unwrap();
            let key = insert("k", "k").writes[0].key.clone();
            assert!(store.get(&[key], Freshness::Linearizable).await.unwrap()[0].is_some());
            let Err(StoreError::ReadOnly { why }) = store.commit(insert("other", "o")).await else { panic!() };
            assert!(why.contains("cannot be written") && why.contains("ask for write access"), "{why}");
        });
        return;
    }
    let (_above, dir) = shared_folder();
    block_on_tokio(use_store(&dir)).1.unwrap();
    run_unprivileged("store_without_write_permission_is_read", &dir);
}

#[test]
fn unreadable_folder_is_a_permission_error() {
    if let Some(dir) = child_folder() {
        let message = block_on_tokio(use_store(&dir)).0.unwrap_err().to_string();
        assert!(message.contains("this user has no permission") && message.contains("ask for access"), "{message}");
        return;
    }
    let (_above, dir) = shared_folder();
    block_on_tokio(use_store(&dir)).1.unwrap();
    let mode = |mode| fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o000);
    run_unprivileged("unreadable_folder_is_a_permission_error", &dir);
    mode(0o755);
}

#[test]
fn store_in_an_unwritable_folder_is_not_created() {
    if let Some(dir) = child_folder() {
        let Err(StoreError::ReadOnly { why }) = block_on_tokio(use_store(&dir)).0 else { panic!() };
        assert!(why.contains("cannot be written"), "{why}");
        return;
    }
    let (_above, dir) = shared_folder();
    run_unprivileged("store_in_an_unwritable_folder_is_not_created", &dir);
    assert!(!dir.exists());
}

#[test]
fn a_store_reached_by_a_symbolic_link_is_the_same_store() {
    let above = tempfile::tempdir().unwrap();
    let (dir, linked) = (above.path().join("store"), above.path().join("linked"));
    std::os::unix::fs::symlink(&dir, &linked).unwrap();
    let opened =
        block_on_tokio(FileStore::open(&linked, FileStoreOptions { must_exist: true, ..FileStoreOptions::default() }))
            .map(|_| ());
    assert!(opened.is_err(), "the link has no target yet");
    assert!(!dir.exists(), "opening with must_exist creates nothing");
    block_on_tokio(use_store(&dir)).1.unwrap();
    block_on_tokio(async {
        let direct = FileStore::open(&dir, FileStoreOptions::default()).await.unwrap();
        let through_link = FileStore::open(&linked, FileStoreOptions::default()).await.unwrap();
        assert_eq!(direct.id(), through_link.id());
        through_link.migrate(&CATALOG()).await.unwrap();
        direct.migrate(&CATALOG()).await.unwrap();
        through_link.commit(insert("other", "o")).await.unwrap();
        let key = insert("other", "o").writes[0].key.clone();
        assert!(direct.get(&[key], Freshness::Linearizable).await.unwrap()[0].is_some());
    });
}

#[test]
fn commits_folder_and_commit_files_may_be_symbolic_links() {
    let above = tempfile::tempdir().unwrap();
    let (dir, away) = (above.path().join("store"), above.path().join("away"));
    block_on_tokio(use_store(&dir)).1.unwrap();
    fs::rename(dir.join("commits"), &away).unwrap();
    std::os::unix::fs::symlink(&away, dir.join("commits")).unwrap();
    let last = away.join("0000000000000002.json");
    fs::rename(&last, above.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(above.path().join("elsewhere"), &last).unwrap();
    block_on_tokio(async {
        let store = FileStore::open(&dir, FileStoreOptions::default()).await.unwrap();
        store.migrate(&CATALOG()).await.unwrap();
        assert_eq!(store.read_only_reason(), None);
        store.commit(insert("other", "o")).await.unwrap();
    });
    assert!(away.join("0000000000000003.json").exists());
}
