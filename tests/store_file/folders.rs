//! Real folders: whose they are, what stands in them, where they are.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tasks::{CATALOG, insert};
use super::{FileStore, Options, on_tokio};
use runstate::store::{Error, Store};

/// Opens the store in `dir`, writes a document and says how each went.
async fn use_store(dir: &Path) -> (Result<(), Error>, Result<(), Error>) {
    let store = match FileStore::open(dir, Options::default()).await {
        Ok(store) => store,
        Err(e) => return (Err(e.clone()), Err(e)),
    };
    let migrated = store.migrate(&CATALOG()).await;
    let written = store.commit(insert("k", "k")).await.map(|_| ());
    (migrated, written)
}

#[test]
fn a_missing_folder_is_made_with_all_above_it() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("a/b/c d/é");
    assert_eq!(on_tokio(use_store(&dir)), (Ok(()), Ok(())));
    assert!(dir.join("runstate.json").exists());
}

#[test]
fn a_file_in_the_place_of_the_folder_is_named() {
    let above = tempfile::tempdir().unwrap();
    let file = above.path().join("store");
    fs::write(&file, "mine").unwrap();
    for dir in [file.clone(), file.join("below")] {
        let said = on_tokio(use_store(&dir)).0.unwrap_err().to_string();
        assert!(said.contains("a store is a folder, and a file stands there"), "{said}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn what_is_written_can_be_read_with_any_editor() {
    let above = tempfile::tempdir().unwrap();
    on_tokio(use_store(above.path())).1.unwrap();
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

/// Runs this test again as a user who owns nothing. Root ignores the modes of files.
fn as_nobody(test: &str, dir: &Path) {
    let skipped = |why: &str| {
        assert!(std::env::var_os("CI").is_none(), "{test} cannot run: {why}");
        eprintln!("skipped {test}: {why}");
    };
    let am_root = fs::read_to_string("/proc/self/status").is_ok_and(|s| s.contains("\nUid:\t0\t"));
    if !am_root {
        return run_child(Command::new(std::env::current_exe().unwrap()), test, dir);
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        return skipped("setpriv is not installed");
    }
    // The program may lie where nobody may look.
    let program = dir.parent().unwrap().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&program);
    run_child(command, test, dir);
}

fn run_child(mut command: Command, test: &str, dir: &Path) {
    let command = command.args(["--exact", &format!("folders::{test}"), "--nocapture"]).env("RUNSTATE_TEST_DIR", dir);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
}

/// The folder that the parent prepared; none: this is the parent.
fn prepared() -> Option<PathBuf> {
    std::env::var_os("RUNSTATE_TEST_DIR").map(PathBuf::from)
}

/// A folder for everybody, with one inside it.
fn world() -> (tempfile::TempDir, PathBuf) {
    let above = tempfile::tempdir().unwrap();
    fs::set_permissions(above.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let dir = above.path().join("store");
    (above, dir)
}

#[test]
fn a_store_that_may_only_be_read_is_read() {
    if let Some(dir) = prepared() {
        let (migrated, written) = on_tokio(use_store(&dir));
        assert_eq!(migrated, Ok(()), "nothing is new, so nothing has to be written");
        assert_eq!(written, Ok(()), "a repeat is answered from the ledger");
        on_tokio(async {
            let store = FileStore::open(&dir, Options::default()).await.unwrap();
            store.migrate(&CATALOG()).await.unwrap();
            let key = insert("k", "k").writes[0].key.clone();
            assert!(store.get(&[key]).await.unwrap()[0].is_some());
            let Err(Error::ReadOnly { why }) = store.commit(insert("other", "o")).await else { panic!() };
            assert!(why.contains("cannot be written") && why.contains("ask for write access"), "{why}");
        });
        return;
    }
    let (_above, dir) = world();
    on_tokio(use_store(&dir)).1.unwrap();
    as_nobody("a_store_that_may_only_be_read_is_read", &dir);
}

#[test]
fn a_folder_that_may_not_be_read_is_an_error_that_says_so() {
    if let Some(dir) = prepared() {
        let said = on_tokio(use_store(&dir)).0.unwrap_err().to_string();
        assert!(said.contains("this user may not do that") && said.contains("ask for access"), "{said}");
        return;
    }
    let (_above, dir) = world();
    on_tokio(use_store(&dir)).1.unwrap();
    let mode = |mode| fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o000);
    as_nobody("a_folder_that_may_not_be_read_is_an_error_that_says_so", &dir);
    mode(0o755);
}

#[test]
fn a_store_cannot_be_made_where_nothing_may_be_made() {
    if let Some(dir) = prepared() {
        let Err(Error::ReadOnly { why }) = on_tokio(use_store(&dir)).0 else { panic!() };
        assert!(why.contains("cannot be written"), "{why}");
        return;
    }
    let (_above, dir) = world();
    as_nobody("a_store_cannot_be_made_where_nothing_may_be_made", &dir);
    assert!(!dir.exists());
}

#[test]
fn a_store_reached_by_a_symbolic_link_is_the_same_store() {
    let above = tempfile::tempdir().unwrap();
    let (dir, linked) = (above.path().join("store"), above.path().join("linked"));
    std::os::unix::fs::symlink(&dir, &linked).unwrap();
    let said = on_tokio(FileStore::open(&linked, Options { existing: true, ..Options::default() })).map(|_| ());
    assert!(said.is_err(), "it leads nowhere yet");
    assert!(!dir.exists(), "and nothing is made by asking");
    on_tokio(use_store(&dir)).1.unwrap();
    on_tokio(async {
        let straight = FileStore::open(&dir, Options::default()).await.unwrap();
        let around = FileStore::open(&linked, Options::default()).await.unwrap();
        assert_eq!(straight.id(), around.id());
        around.migrate(&CATALOG()).await.unwrap();
        straight.migrate(&CATALOG()).await.unwrap();
        around.commit(insert("other", "o")).await.unwrap();
        let key = insert("other", "o").writes[0].key.clone();
        assert!(straight.get(&[key]).await.unwrap()[0].is_some());
    });
}

#[test]
fn a_folder_of_commits_may_be_a_link_and_a_commit_that_is_one_is_read() {
    let above = tempfile::tempdir().unwrap();
    let (dir, away) = (above.path().join("store"), above.path().join("away"));
    on_tokio(use_store(&dir)).1.unwrap();
    fs::rename(dir.join("commits"), &away).unwrap();
    std::os::unix::fs::symlink(&away, dir.join("commits")).unwrap();
    let last = away.join("0000000000000002.json");
    fs::rename(&last, above.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(above.path().join("elsewhere"), &last).unwrap();
    on_tokio(async {
        let store = FileStore::open(&dir, Options::default()).await.unwrap();
        store.migrate(&CATALOG()).await.unwrap();
        assert_eq!(store.health(), None);
        store.commit(insert("other", "o")).await.unwrap();
    });
    assert!(away.join("0000000000000003.json").exists());
}
