//! How often a turn looks at the files of its store before it commits, and how often a query does.

use std::sync::Arc;

use runstate::code::Code;
use runstate::domain::cvm::Glance;
use runstate::engine::Engine;
use runstate::limits::Settings;
use runstate::store::file::fault::Disk;
use runstate::store::file::{FileStore, Options};
use runstate::testing::block_on;

use crate::scene::Scene;

/// The calls that `act` makes to the file system.
fn calls(disk: &Disk, act: impl FnOnce()) -> Vec<String> {
    let before = disk.trace().len();
    act();
    disk.trace().split_off(before)
}

fn scene(disk: &Disk) -> Scene {
    let store = block_on(FileStore::open_on(disk.process(), Options::default())).unwrap();
    let mut scene = Scene::on(Arc::new(store), Settings::default());
    scene.load("while (true) console.log(CC('next?'));");
    scene.start(serde_json::Value::Null).unwrap();
    scene
}

fn answer(engine: Engine, with: &str) -> Result<(), Code> {
    block_on(engine.cvm().answer("run", None, with.into(), None, None)).map(drop).map_err(|error| error.code)
}

fn glance(engine: Engine) -> runstate::domain::cvm::Seen {
    block_on(engine.ask(&Glance { id: "run".to_owned(), from: 0 })).unwrap()
}

#[test]
fn warm_answer_reads_no_commit_before_its_own_and_glance_reads_once() {
    let disk = Disk::new();
    let scene = scene(&disk);
    answer(scene.engine(), "first").unwrap();
    let answered = calls(&disk, || answer(scene.engine(), "second").unwrap());
    assert!(answered[0].starts_with("create commits/.tmp-"), "{answered:#?}");
    // The predecessor is read once, after the new commit is written and before it has its name.
    assert_eq!(answered.iter().filter(|call| call.starts_with("read commits/")).count(), 1, "{answered:#?}");
    let glanced = calls(&disk, || drop(glance(scene.engine())));
    // The next commit, which is missing, and the last one, which is still there.
    assert_eq!(glanced, ["read commits/0000000000000006.json", "read commits/0000000000000005.json"]);
}

#[test]
fn answer_without_a_call_is_for_the_question_that_this_process_saw_last() {
    let disk = Disk::new();
    let here = scene(&disk);
    let store = block_on(FileStore::open_on(disk.process(), Options::default())).unwrap();
    let there = Scene::on(Arc::new(store), Settings::default());
    answer(here.engine(), "from here").unwrap();
    answer(there.engine(), "from there").unwrap();
    // The question that was seen here has its answer; the one behind it was never seen here.
    assert_eq!(answer(here.engine(), "late"), Err(Code::AlreadyAnswered));
    assert_eq!(glance(here.engine()).lines, ["from here", "from there"]);
    answer(here.engine(), "after a look").unwrap();
    assert_eq!(glance(there.engine()).lines, ["from here", "from there", "after a look"]);
}
