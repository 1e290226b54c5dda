//! Number of file reads in a turn before it commits, and in a query.

use std::sync::Arc;

use runstate::domain::cvm::PollExecution;
use runstate::engine::Engine;
use runstate::error_code::ErrorCode;
use runstate::limits::Settings;
use runstate::store::file::fault::Disk;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::testing::block_on;

use crate::scene::Scene;

/// The calls to the file system that `act` makes.
fn file_calls(disk: &Disk, act: impl FnOnce()) -> Vec<String> {
    let before = disk.trace().len();
    act();
    disk.trace().split_off(before)
}

fn scene(disk: &Disk) -> Scene {
    let store = block_on(FileStore::open_on(disk.process(), FileStoreOptions::default())).unwrap();
    let mut scene = Scene::with_store(Arc::new(store), Settings::default());
    scene.load("while (true) console.log(CC('next?'));");
    scene.start(serde_json::Value::Null).unwrap();
    scene
}

fn answer(engine: Engine, with: &str) -> Result<(), ErrorCode> {
    block_on(engine.cvm().answer("run", None, with.into(), None, None)).map(drop).map_err(|error| error.code)
}

fn poll(engine: Engine) -> runstate::domain::cvm::ExecutionProgress {
    block_on(engine.query(&PollExecution { id: "run".to_owned(), from: 0 })).unwrap()
}

#[test]
fn cached_answer_reads_no_commit_first_and_poll_reads_once() {
    let disk = Disk::new();
    let scene = scene(&disk);
    answer(scene.engine(), "first").unwrap();
    let answered = file_calls(&disk, || answer(scene.engine(), "second").unwrap());
    assert!(answered[0].starts_with("create commits/.tmp-"), "{answered:#?}");
    // The predecessor is read once, after the new commit is written and before it gets its name.
    assert_eq!(answered.iter().filter(|call| call.starts_with("read commits/")).count(), 1, "{answered:#?}");
    let glanced = file_calls(&disk, || drop(poll(scene.engine())));
    // The next commit, which does not exist, and the last one, which still exists.
    assert_eq!(glanced, ["read commits/0000000000000006.json", "read commits/0000000000000005.json"]);
}

#[test]
fn answer_without_call_id_targets_the_call_last_read_here() {
    let disk = Disk::new();
    let here = scene(&disk);
    let store = block_on(FileStore::open_on(disk.process(), FileStoreOptions::default())).unwrap();
    let there = Scene::with_store(Arc::new(store), Settings::default());
    answer(here.engine(), "from here").unwrap();
    answer(there.engine(), "from there").unwrap();
    // The call that this process has read is answered; it has not read the next one.
    assert_eq!(answer(here.engine(), "late"), Err(ErrorCode::AlreadyAnswered));
    assert_eq!(poll(here.engine()).lines, ["from here", "from there"]);
    answer(here.engine(), "after a look").unwrap();
    assert_eq!(poll(there.engine()).lines, ["from here", "from there", "after a look"]);
}
