//! Commands over several executions: each is judged by itself.

use insta::assert_snapshot;
use serde_json::json;

use super::support::{FAILS, Said, Scene};
#[cfg(target_os = "linux")]
use super::terminal::typed;

/// Fails where it may not run so many instructions, else ends.
const COUNTS: &str = "function main() { let n = 0; while (n < 2000) n += 1; console.log('counted'); return n }";

/// With executions of a program that asks, each waiting.
fn asking(ids: &[&str]) -> Scene {
    let scene = Scene::with("ask", "function main() { const said = CC('Well?'); console.log(said); return said }");
    for id in ids {
        scene.run(&["start", "ask", "--id", id]).ended(3);
    }
    scene
}

#[test]
fn what_rests_keeps_its_answer_and_goes_on_with_it() {
    let scene = asking(&["a"]);
    let paused = scene.run(&["pause", "a"]).ended(0);
    assert_eq!((paused.out.as_str(), paused.err.as_str()), ("a is paused\n", ""));
    let call = scene.run(&["show", "a", "--json"]).json()["calls"][0]["callId"].as_str().unwrap().to_owned();
    scene.run(&["answer", "a", "--call", &call, "--text", "yes"]).ended(3);
    assert_eq!(scene.status("a"), "paused");
    assert_snapshot!(scene.run(&["unpause", "a"]).ended(0).text(), @"
    yes
    = yes
    --- stderr
    a is complete
    ");
    scene.run(&["unpause", "a"]).ended(5).explains(&["`a`", "unpause"]);
}

#[test]
fn of_several_each_is_judged_by_itself() {
    let scene = asking(&["a", "b", "c"]);
    scene.run(&["cancel", "b"]).ended(0);
    assert_snapshot!(scene.run(&["pause", "a", "b", "nobody", "c", "a"]).ended(5).text(), @"
    a is paused
    c is paused
    --- stderr
    error: `b` is cancelled: `pause` is not possible now; nothing was changed
    error: execution `nobody` does not exist; list shows what is there
    ");
    assert_snapshot!(scene.run(&["unpause", "c", "a"]).ended(3).text(), @"
    c is waiting_cc: Well?
    a is waiting_cc: Well?
    ");
    scene.run(&["cancel", "a", "c"]).ended(0);
    let said = scene.run(&["cancel", "a", "nobody", "--json"]).ended(5);
    let told: Vec<_> =
        said.values().iter().map(|v| (v["error"]["code"].clone(), v["error"]["execution"].clone())).collect();
    assert_eq!(told, [(json!("illegal_transition"), json!("a")), (json!("not_found"), json!("nobody"))]);
    assert_eq!(said.err, "");
}

#[test]
fn programs_read_a_value_for_each() {
    let scene = asking(&["a", "b"]);
    let pause = scene.run(&["pause", "a", "b", "--json"]).ended(0).values();
    assert_eq!(pause, [json!({"id": "a", "status": "paused"}), json!({"id": "b", "status": "paused"})]);
    let unpause = scene.run(&["unpause", "a", "b", "--json"]).ended(3).values();
    let mut shown = scene.show("b");
    shown.as_object_mut().unwrap().remove("machine");
    assert_eq!(unpause[1], shown);
    scene.run(&["cancel", "a", "b"]).ended(0);
    let deleted = scene.run(&["delete", "a", "b", "--json"]).ended(0).values();
    assert_eq!(deleted, [json!({"id": "a", "deleted": true}), json!({"id": "b", "deleted": true})]);
}

#[test]
fn what_failed_is_tried_again_at_the_instruction_that_failed() {
    let scene = Scene::with("counts", COUNTS);
    scene.file("fails.ts", FAILS);
    for id in ["a", "b", "c"] {
        scene.run(&["start", "counts", "--id", id, "--max-instructions", "1000"]).ended(1);
    }
    assert_snapshot!(scene.run(&["retry", "a"]).ended(0).text(), @"
    counted
    = 2000
    --- stderr
    a is complete
    ");
    scene.run(&["run", "fails.ts", "--id", "f"]).ended(1);
    assert_snapshot!(scene.run(&["retry", "b", "f", "c"]).ended(1).text(), @"
    b is complete = 2000
    f is error at line 3, column 21: TypeError: Cannot read properties of null (reading 'name')
    c is complete = 2000
    ");
    scene.run(&["retry", "a"]).ended(5).explains(&["`a` is complete", "retry"]);
}

#[test]
fn what_has_ended_is_deleted_with_all_its_rows_and_its_id_is_free() {
    let scene = asking(&["a", "b"]);
    scene.run(&["delete", "a"]).ended(5).explains(&[
        "`a` is waiting_cc",
        "cancel it first",
        "Cancel it with: runstate cancel a",
    ]);
    scene.run(&["cancel", "a"]).ended(0);
    let said = scene.run(&["delete", "a", "b"]).ended(5);
    assert_eq!(said.out, "a is deleted\n");
    said.explains(&["`b` is waiting_cc", "runstate cancel b"]);
    scene.run(&["show", "a"]).ended(5);
    let ids: Vec<_> = scene.run(&["list", "--json"]).values().iter().map(|v| v["id"].clone()).collect();
    assert_eq!(ids, ["b"]);
    scene.run(&["start", "ask", "--id", "a"]).ended(3);
}

#[test]
fn a_command_that_is_named_is_done_once_to_each_whatever_the_order() {
    let scene = asking(&["a", "b", "c/1"]);
    let pause = |ids: &[&str]| scene.run(&[&["pause", "--command-id", "p", "--json"], ids].concat()).ended(0).values();
    let first = pause(&["a", "b", "c/1"]);
    scene.run(&["unpause", "a", "b", "c/1", "--command-id", "u"]).ended(3);
    let again = pause(&["c/1", "a", "b"]);
    assert_eq!(again, [first[2].clone(), first[0].clone(), first[1].clone()]);
    assert_eq!(scene.status("a"), "waiting_cc", "the first result was told, and nothing done");
    scene.run(&["pause", "a", "b", "--command-id", &"x".repeat(180)]).ended(5).explains(&["at most 200 bytes"]);
    assert_eq!(scene.status("a"), "waiting_cc");
}

#[test]
fn a_store_moves_after_named_commands_over_several() {
    let scene = asking(&["a", "b", "c"]);
    scene.run(&["cancel", "a", "b", "--command-id", "end"]).ended(0);
    scene.run(&["delete", "a", "b", "--command-id", "gone"]).ended(0);
    scene.run(&["pause", "c", "--command-id", "p"]).ended(0);
    scene.run(&["export", "all.jsonl"]).ended(0);
    let moved = |args: &[&str]| -> Said { scene.run(&[&["--store", "file:new"], args].concat()) };
    moved(&["import", "all.jsonl"]).ended(0);
    moved(&["delete", "a", "b", "--command-id", "gone"]).ended(0);
    moved(&["delete", "a"]).ended(5);
}

#[test]
#[cfg(target_os = "linux")]
fn a_person_is_asked_before_anything_is_deleted() {
    let scene = asking(&["a", "b"]);
    scene.run(&["cancel", "a", "b"]).ended(0);
    for no in ["n\n", "\n", "", "yesterday\n"] {
        let Some(said) = typed("terminal", &scene, "delete a b", no) else { return };
        let said = said.ended(5);
        assert!(said.out.contains("Delete a, b for ever") && said.out.contains("nothing was deleted"), "{}", said.out);
    }
    assert_eq!(scene.status("a"), "cancelled");
    let said = typed("terminal", &scene, "delete a", "y\n").unwrap().ended(0);
    assert!(said.out.contains("a is deleted"), "{}", said.out);
    let said = typed("terminal", &scene, "delete b --yes", "").unwrap().ended(0);
    assert!(!said.out.contains('?'), "{}", said.out);
}
