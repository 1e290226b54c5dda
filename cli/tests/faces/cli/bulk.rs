//! Commands with several executions: each is handled on its own.

use insta::assert_snapshot;
use serde_json::json;

#[cfg(target_os = "linux")]
use super::terminal::run_at_terminal;
use crate::support::{CliFixture, CliOutput, FAILS};

/// Fails under a low instruction limit, else ends.
const COUNTS: &str = "function main() { let n = 0; while (n < 2000) n += 1; console.log('counted'); return n }";

/// Creates a fixture with executions of a program that asks, each waiting.
fn waiting_executions(ids: &[&str]) -> CliFixture {
    let scene = CliFixture::with("ask", "function main() { const said = CC('Well?'); console.log(said); return said }");
    for id in ids {
        scene.run(&["start", "ask", "--id", id]).expect_exit(3);
    }
    scene
}

#[test]
fn a_paused_execution_uses_its_stored_answer_after_unpause() {
    let scene = waiting_executions(&["a"]);
    let paused = scene.run(&["pause", "a"]).expect_exit(0);
    assert_eq!((paused.out.as_str(), paused.err.as_str()), ("a is paused\n", ""));
    let call = scene.run(&["show", "a", "--json"]).json()["calls"][0]["id"].as_str().unwrap().to_owned();
    scene.run(&["answer", "a", "--call", &call, "--text", "yes"]).expect_exit(3);
    assert_eq!(scene.status("a"), "paused");
    assert_snapshot!(scene.run(&["unpause", "a"]).expect_exit(0).text(), @"
    yes
    = yes
    --- stderr
    a is complete
    ");
    scene.run(&["unpause", "a"]).expect_exit(5).expect_stderr(&["`a`", "unpause"]);
}

#[test]
fn a_graceful_cancel_runs_finally_until_its_deadline() {
    let source = "try { CC('work?') } finally { console.log(CC('undo?')) }";
    let scene = CliFixture::with("undoes", source);
    for id in ["a", "b"] {
        scene.run(&["start", "undoes", "--id", id]).expect_exit(3);
    }
    let cancelled = scene.run(&["cancel", "a", "b", "--graceful", "--deadline", "1h"]).expect_exit(0);
    assert_eq!((cancelled.out.as_str(), cancelled.err.as_str()), ("a is waiting_cc\nb is waiting_cc\n", ""));
    assert!(scene.run(&["show", "a"]).out.contains("cancels by"));
    assert!(scene.run(&["list", "--json"]).values().iter().all(|row| row["cancelAt"].is_string()));
    scene.run(&["answer", "a", "--text", "undone"]);
    assert_eq!(scene.status("a"), "cancelled");
    assert_eq!(scene.run(&["output", "a"]).expect_exit(0).out, "undone\n");
    scene.run(&["cancel", "b"]).expect_exit(0);
    assert_eq!(scene.status("b"), "cancelled");
    for wrong in [&["--deadline", "1m"][..], &["--graceful", "--deadline", "25h"]] {
        let command = [&["cancel", "b"], wrong].concat();
        scene.run(&command).expect_exit(5).expect_stderr(&["deadline"]);
    }
}

#[test]
fn each_target_of_a_bulk_command_succeeds_or_fails_alone() {
    let scene = waiting_executions(&["a", "b", "c"]);
    scene.run(&["cancel", "b"]).expect_exit(0);
    assert_snapshot!(scene.run(&["pause", "a", "b", "missing", "c", "a"]).expect_exit(5).text(), @"
    a is paused
    c is paused
    --- stderr
    error: `b` is cancelled: `pause` is not possible now; nothing was changed
    error: execution `missing` does not exist; `list` lists them
    ");
    assert_snapshot!(scene.run(&["unpause", "c", "a"]).expect_exit(3).text(), @"
    c is waiting_cc: Well?
    a is waiting_cc: Well?
    ");
    scene.run(&["cancel", "a", "c"]).expect_exit(0);
    let output = scene.run(&["cancel", "a", "missing", "--json"]).expect_exit(5);
    let errors: Vec<_> =
        output.values().iter().map(|v| (v["error"]["code"].clone(), v["error"]["execution"].clone())).collect();
    assert_eq!(errors, [(json!("illegal_transition"), json!("a")), (json!("not_found"), json!("missing"))]);
    assert_eq!(output.err, "");
}

#[test]
fn json_output_has_one_value_per_target() {
    let scene = waiting_executions(&["a", "b"]);
    let pause = scene.run(&["pause", "a", "b", "--json"]).expect_exit(0).values();
    assert_eq!(pause, [json!({"id": "a", "status": "paused"}), json!({"id": "b", "status": "paused"})]);
    let unpause = scene.run(&["unpause", "a", "b", "--json"]).expect_exit(3).values();
    let mut shown = scene.show("b");
    shown["machine"].take();
    assert_eq!(unpause[1], shown);
    scene.run(&["cancel", "a", "b"]).expect_exit(0);
    let deleted = scene.run(&["delete", "a", "b", "--json"]).expect_exit(0).values();
    assert_eq!(deleted, [json!({"id": "a", "deleted": true}), json!({"id": "b", "deleted": true})]);
}

#[test]
fn retry_continues_at_the_failed_instruction() {
    let scene = CliFixture::with("counts", COUNTS);
    scene.file("fails.ts", FAILS);
    for id in ["a", "b", "c"] {
        scene.run(&["start", "counts", "--id", id, "--max-instructions", "1000"]).expect_exit(1);
    }
    assert_snapshot!(scene.run(&["retry", "a"]).expect_exit(0).text(), @"
    counted
    = 2000
    --- stderr
    a is complete
    ");
    scene.run(&["run", "fails.ts", "--id", "f"]).expect_exit(1);
    assert_snapshot!(scene.run(&["retry", "b", "f", "c"]).expect_exit(1).text(), @"
    b is complete = 2000
    f is error at line 3, column 21: TypeError: Cannot read properties of null (reading 'name')
    c is complete = 2000
    ");
    scene.run(&["retry", "a"]).expect_exit(5).expect_stderr(&["`a` is complete", "retry"]);
}

#[test]
fn a_failed_execution_continues_in_the_version_that_its_hint_names() {
    let scene = CliFixture::new();
    let source = |last: &str| format!("function main() {{\n  const name = CC(\"name?\");\n  return {last};\n}}\n");
    let path = scene.file("greet.ts", source("name.letters.length"));
    scene.run(&["load", "greet.ts"]).expect_exit(0);
    scene.run(&["start", "greet", "--id", "g"]).expect_exit(3);
    scene.run(&["answer", "g", "--text", "Ada"]).expect_exit(1);
    std::fs::write(path, source("name.length")).unwrap();
    scene.run(&["load", "greet.ts"]).expect_exit(0);
    let hint = &["version 2 of its program is loaded", "retry g --program-version 2"];
    scene.run(&["retry", "g"]).expect_exit(1).expect_stderr(hint);
    scene.run(&["resume", "g"]).expect_exit(1).expect_stderr(hint);
    let output = scene.run(&["retry", "g", "--program-version", "2"]).expect_exit(0);
    assert_eq!((output.out.as_str(), output.err.as_str()), ("= 3\n", "g is complete\n"));
    scene.run(&["retry", "g", "--program-version", "3"]).expect_exit(5);
}

#[test]
fn delete_removes_all_rows_and_frees_the_id() {
    let scene = waiting_executions(&["a", "b"]);
    scene.run(&["delete", "a"]).expect_exit(5).expect_stderr(&[
        "`a` is waiting_cc",
        "cancel it first",
        "Next: runstate cancel a",
    ]);
    scene.run(&["cancel", "a"]).expect_exit(0);
    let output = scene.run(&["delete", "a", "b"]).expect_exit(5);
    assert_eq!(output.out, "a is deleted\n");
    output.expect_stderr(&["`b` is waiting_cc", "runstate cancel b"]);
    scene.run(&["show", "a"]).expect_exit(5);
    let ids: Vec<_> = scene.run(&["list", "--json"]).values().iter().map(|v| v["id"].clone()).collect();
    assert_eq!(ids, ["b"]);
    scene.run(&["start", "ask", "--id", "a"]).expect_exit(3);
}

#[test]
fn a_bulk_command_id_applies_once_per_target_in_any_order() {
    let scene = waiting_executions(&["a", "b", "c/1"]);
    let pause =
        |ids: &[&str]| scene.run(&[&["pause", "--command-id", "p", "--json"], ids].concat()).expect_exit(0).values();
    let first = pause(&["a", "b", "c/1"]);
    scene.run(&["unpause", "a", "b", "c/1", "--command-id", "u"]).expect_exit(3);
    let again = pause(&["c/1", "a", "b"]);
    assert_eq!(again, [first[2].clone(), first[0].clone(), first[1].clone()]);
    assert_eq!(scene.status("a"), "waiting_cc", "only the first result was printed");
    scene
        .run(&["pause", "a", "b", "--command-id", &"x".repeat(180)])
        .expect_exit(5)
        .expect_stderr(&["at most 200 bytes"]);
    assert_eq!(scene.status("a"), "waiting_cc");
}

#[test]
fn a_store_with_bulk_command_ids_can_be_moved() {
    let scene = waiting_executions(&["a", "b", "c"]);
    scene.run(&["cancel", "a", "b", "--command-id", "end"]).expect_exit(0);
    scene.run(&["delete", "a", "b", "--command-id", "gone"]).expect_exit(0);
    scene.run(&["pause", "c", "--command-id", "p"]).expect_exit(0);
    scene.run(&["export", "all.jsonl"]).expect_exit(0);
    let moved = |args: &[&str]| -> CliOutput { scene.run(&[&["--store", "file:new"], args].concat()) };
    moved(&["import", "all.jsonl"]).expect_exit(0);
    moved(&["delete", "a", "b", "--command-id", "gone"]).expect_exit(0);
    moved(&["delete", "a"]).expect_exit(5);
}

#[test]
fn ids_that_are_numbers_are_numbers_of_several_targets_too() {
    let scene = CliFixture::new();
    let configuration = r#"{"steps": [{"id": 1, "name": "fetch"}]}"#;
    for id in ["1", "2"] {
        let save = ["apps", "configuration", "save", id, "--app-name", "suite", "--version", "1", "--activate"];
        scene.run(&[&save[..], &["--configuration", configuration]].concat()).expect_exit(0);
    }
    let deleted = scene.run(&["apps", "delete", "1", "2", "--json"]).expect_exit(0).values();
    assert_eq!(deleted, [json!({"id": "1", "done": true}), json!({"id": "2", "done": true})]);
    let refused = scene.run(&["apps", "delete", "x"]).expect_exit(2);
    refused.expect_stderr(&["apps.app.remove: `id` must be a whole number, not \"x\""]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_person_is_asked_before_anything_is_deleted() {
    let scene = waiting_executions(&["a", "b"]);
    scene.run(&["cancel", "a", "b"]).expect_exit(0);
    for no in ["n\n", "\n", "", "yesterday\n"] {
        let Some(output) = run_at_terminal("terminal", &scene, "delete a b", no) else { return };
        let output = output.expect_exit(5);
        assert!(
            output.out.contains("Delete a, b permanently") && output.out.contains("nothing was deleted"),
            "{}",
            output.out
        );
    }
    assert_eq!(scene.status("a"), "cancelled");
    let output = run_at_terminal("terminal", &scene, "delete a", "y\n").unwrap().expect_exit(0);
    assert!(output.out.contains("a is deleted"), "{}", output.out);
    let output = run_at_terminal("terminal", &scene, "delete b --yes", "").unwrap().expect_exit(0);
    assert!(!output.out.contains('?'), "{}", output.out);
}
