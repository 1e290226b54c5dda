//! `verify` of documents: its output, its exit code, and that it changes nothing.

use std::collections::BTreeMap;
use std::fs;

use runstate::domain::cvm::CC_HISTORY;
use runstate::id::CommandId;
use runstate::schema::{Key, Query};
use runstate::store::{Batch, Expectation, Write, WriteOp};
use runstate::time::Timestamp;
use serde_json::Value as Json;

use super::support::{CliFixture, block_on};
#[cfg(target_os = "linux")]
use super::terminal::run_at_terminal;

/// Deletes the call that execution `id` waits for, by a commit that is valid by itself.
fn delete_call(scene: &CliFixture, id: &str) {
    block_on(async {
        let engine = scene.engine().await;
        let calls = engine.store().query(&Query::of(&CC_HISTORY).eq("executionId", id)).await.unwrap().items;
        let delete = |id: &str| Write { key: Key::new(&CC_HISTORY, id), expect: Expectation::Any, op: WriteOp::Delete };
        let batch = Batch {
            command: CommandId::new("delete the call").unwrap(),
            fingerprint: "f".to_owned(),
            at: Timestamp::from_millis(0),
            result: Json::Null,
            writes: calls.iter().map(|call| delete(&call.id)).collect(),
            checks: vec![],
        };
        engine.store().commit(batch).await.unwrap();
        engine.store().close().await.unwrap();
    });
}

/// Returns all files of the store with their bytes.
fn files(scene: &CliFixture) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![scene.path().join("store")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false => drop(found.insert(path.display().to_string(), fs::read(&path).unwrap())),
            }
        }
    }
    found
}

#[test]
fn an_execution_that_contradicts_its_calls_is_damage() {
    let scene = CliFixture::greeting("g1");
    delete_call(&scene, "g1");
    let before = files(&scene);
    let output = scene.run(&["verify"]).expect_exit(4).expect_stderr(&["cvm.executions/g1", "is damaged", "backup"]);
    assert!(output.out.contains("damaged: cvm.executions/g1: it waits for call "), "{}", output.out);
    let found = scene.run(&["verify", "--json"]).expect_exit(4).json();
    assert_eq!((&found["ok"], &found["error"]["code"]), (&false.into(), &"corrupt".into()), "{found}");
    let [first, ..] = found["report"]["findings"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!((&first["at"], &first["severity"]), (&"cvm.executions/g1".into(), &"damage".into()), "{found}");
    assert_eq!(files(&scene), before);
}

#[test]
#[cfg(target_os = "linux")]
fn verify_shows_its_progress_on_a_terminal() {
    let scene = CliFixture::greeting("g1");
    let Some(output) = run_at_terminal("verify", &scene, "verify", "") else { return };
    let output = output.expect_exit(0);
    assert!(
        output.out.contains("verifying [") && output.out.contains("the store at store is intact"),
        "{}",
        output.out
    );
}
