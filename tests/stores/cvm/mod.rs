//! The domain `cvm` from the outside: programs that make calls, answers, lifecycles, written documents. Cached, loaded,
//! sliced and interrupted executions all have the same result.

mod abandoned_turns;
mod approvals;
mod calls;
mod changes;
mod code;
mod code_deaths;
mod determinism;
mod documents;
mod due;
mod graceful_cancel;
mod inspection;
mod interleaving;
mod killed_scripts;
mod killed_workers;
mod lifecycle;
mod listing;
mod offered_places;
pub mod queries;
mod race;
mod random;
mod regressions;
mod scale;
mod scene;
mod signals;
mod slow_commits;
mod small_batches;
mod staged_turns;
mod tasks;
mod worker_loop;
mod workers;
mod year_simulation;

use runstate::client::Answer;
use runstate::domain::cvm::codes;
use runstate::domain::cvm::{ListLogs, Status};
use runstate::error_code::ErrorCode;
use runstate::testing::block_on;
use runstate::value::Json;
use serde_json::json;

use scene::{Scene, error_code};

#[test]
fn program_resumes_after_its_call_with_the_answer() {
    let mut scene = Scene::program(
        r#"const a = CC("first?"); console.log("got", a); const b = CC(`second, after ${a}?`); console.log(a + b);"#,
    );
    assert_eq!(scene.show().calls[0].prompt, "first?");
    scene.answer("one");
    assert_eq!(scene.show().calls[0].prompt, "second, after one?");
    scene.answer("two").expect(Status::Complete).expect_output(["got one", "onetwo"]);
}

#[test]
fn answer_sent_twice_is_applied_once() {
    let mut scene = Scene::program(r#"console.log(CC("ok?")); CC("more?")"#);
    let call = scene.call_id();
    scene.answer("yes").expect_output(["yes"]);
    let second = block_on(scene.cvm().answer("run", Answer::to_call(&call).value("no")));
    assert_eq!(error_code(second), codes::ALREADY_ANSWERED);
    scene.expect_output(["yes"]);
}

#[test]
fn late_answer_to_an_ended_execution_is_already_answered() {
    let mut scene = Scene::program(r#"CC("ok?")"#);
    let call = scene.call_id();
    scene.answer("yes").expect(Status::Complete);
    let late = block_on(scene.cvm().answer("run", Answer::to_call(&call).value("no")));
    assert_eq!(error_code(late), codes::ALREADY_ANSWERED);
}

#[test]
fn the_same_command_id_gives_the_first_result_and_does_nothing() {
    let mut scene = Scene::program(r#"CC("one?"); CC("two?")"#);
    let id = scene.next_command_id();
    let first = block_on(scene.cvm().with_id(&id).answer("run", "a")).unwrap();
    let before = scene.dump();
    let again = block_on(scene.cvm().with_id(&id).answer("run", "a")).unwrap();
    assert_eq!(first, again);
    assert_eq!(before, scene.dump());
    let other = block_on(scene.cvm().with_id(&id).answer("run", "b"));
    assert_eq!(error_code(other), ErrorCode::COMMAND_ID_REUSED);
}

#[test]
fn an_answer_outside_the_choices_changes_nothing_and_says_what_fits() {
    let mut scene = Scene::program(r#"console.log(CC("ok?", { choices: ["yes", "no"] }))"#);
    let before = scene.dump();
    let error = scene.try_answer("perhaps").unwrap_err();
    assert_eq!((error.code, &*error.details), (codes::INVALID_ANSWER, &json!({"choices": ["yes", "no"]})));
    assert_eq!(before, scene.dump());
    scene.answer("no").expect_output(["no"]);
}

#[test]
fn empty_choices_are_a_catchable_error() {
    let mut scene = Scene::program(
        r#"try { CC("ok?", { choices: Array.of() }); } catch (e) { console.log(e.name + ": " + e.message); }"#,
    );
    scene.expect(Status::Complete).expect_output(["TypeError: CC: choices may not be empty"]);
}

#[test]
fn a_call_of_another_execution_is_not_found() {
    let mut scene = Scene::program(r#"CC("ok?")"#);
    let other = block_on(scene.cvm().answer("other", Answer::to_call(scene.call_id()).value("yes")));
    assert_eq!(error_code(other), ErrorCode::NOT_FOUND);
    let nothing = block_on(scene.cvm().answer("run", Answer::to_call("no-such-call").value("yes")));
    assert_eq!(error_code(nothing), ErrorCode::NOT_FOUND);
    scene.expect(Status::WaitingCc);
}

#[test]
fn starting_an_id_that_exists_overwrites_nothing() {
    let mut scene = Scene::program(r#"console.log("once"); CC("?")"#);
    assert_eq!(error_code(scene.start(Json::Null)), ErrorCode::ALREADY_EXISTS);
    scene.expect_output(["once"]);
}

#[test]
fn an_execution_keeps_the_version_it_started_with() {
    let mut scene = Scene::program(r#"CC("?"); console.log("first")"#);
    assert_eq!(scene.load(r#"CC("?"); console.log("first")"#).program_version, 1);
    assert_eq!(scene.load(r#"CC("?"); console.log("second")"#).program_version, 2);
    let mut scene = scene.cold();
    scene.answer("").expect_output(["first"]);
    assert_eq!(scene.row_count("program_versions"), 2);
}

#[test]
fn main_is_called_with_the_input_and_its_value_is_the_result() {
    let mut scene = Scene::new();
    scene.load(r#"function main(input) { return { sum: input.a + input.b, name: CC("name?") }; }"#);
    scene.start(json!({"a": 1, "b": 2})).unwrap();
    scene.answer("x");
    assert_eq!(scene.show().result, json!({"sum": 3, "name": "x"}));
}

#[test]
fn starting_a_program_that_is_not_loaded_is_not_found() {
    assert_eq!(error_code(Scene::new().start(Json::Null)), ErrorCode::NOT_FOUND);
}

#[test]
fn values_that_no_store_can_keep_are_rejected_on_input() {
    let mut scene = Scene::program(r#"const a = CC("ok?"); console.log(JSON.stringify(a))"#);
    for refused in [json!({"a\u{0}": 1}), json!([9_007_199_254_740_992i64]), json!(u64::MAX)] {
        assert_eq!(error_code(scene.try_answer(refused)), codes::INVALID_ANSWER);
    }
    scene.answer(json!({"$a.b": 1e300})).expect(Status::Complete).expect_output([r#"{"$a.b":1e+300}"#]);
    let mut scene = Scene::new();
    scene.load(r#"CC("ok?")"#);
    assert_eq!(error_code(scene.start(json!({"n": u64::MAX}))), ErrorCode::INVALID);
}

#[test]
fn machine_with_unusual_numbers_and_keys_is_restored() {
    let mut scene = Scene::program(
        r#"const far = [2 ** 53, -(2 ** 60), 1e21, 1e300, 2 ** 53 - 1]; const odd = { "a\0b": far, "$set": { "": -0 } };
        CC("ok?"); console.log(far.length, odd["a\0b"] === far)"#,
    );
    scene.answer("yes").expect_output(["5 true"]);
    scene.expect(Status::Complete);
}

#[test]
fn call_options_that_no_store_can_keep_fail_the_program() {
    let mut scene = Scene::program(r#"const odd = { "a\0b": 1 }; CC("ok?"); CC("which?", { choices: [odd].slice() })"#);
    scene.answer("yes").expect(Status::Error);
    let error = scene.show().error.unwrap();
    assert!(error.message.contains("NUL"), "{error:?}");
}

#[test]
fn invalid_ids_are_rejected_and_unusual_ones_accepted() {
    use runstate::domain::cvm::Start;
    let mut scene = Scene::new();
    scene.load(r#"CC("?")"#);
    let start = |id: &str| {
        let start = Start::new("program").id(id);
        block_on(scene.cvm().start(&start)).map(|reached| reached.id).map_err(|e| e.code)
    };
    for odd in ["../x", "CON", "🦀", "Twin", "twin", &"x".repeat(200)] {
        assert_eq!(start(odd), Ok(odd.to_owned()));
    }
    for bad in ["", "a\nb", &"x".repeat(300)] {
        assert_eq!(start(bad), Err(ErrorCode::INVALID), "{bad}");
    }
}

#[test]
fn hand_written_bytecode_of_the_first_version_runs() {
    use runstate::domain::cvm::Load;
    let mut scene = Scene::new();
    let bytecode = serde_json::from_value(json!([
        {"op": 1, "arg": "urgent?", "line": 1}, {"op": 6, "line": 1}, {"op": 4, "arg": "answer", "line": 1},
        {"op": 1, "arg": "it is ", "line": 2}, {"op": 3, "arg": "answer", "line": 2}, {"op": 5, "line": 2},
        {"op": 7, "line": 2}, {"op": 255, "line": 3}
    ]));
    let load = Load::new("program", "-", bytecode.unwrap());
    block_on(scene.cvm().load(&load)).unwrap();
    scene.start(Json::Null).unwrap();
    let (_, head) = &scene.dump()["cvm.executions/run"];
    assert_eq!((&head["state"]["pc"], &head["state"]["stack"]), (&json!(1), &json!([])));
    let mut scene = scene.cold();
    scene.answer("urgent").expect(Status::Complete).expect_output(["it is urgent"]);
}

#[test]
fn bad_bytecode_is_refused_when_it_is_loaded() {
    use runstate::domain::cvm::Load;
    let scene = Scene::new();
    for bad in [json!([{"op": 99, "line": 1}]), json!([{"op": 16, "arg": 7, "line": 1}]), json!([{"op": 2, "line": 1}])]
    {
        let load = Load::new("program", "-", serde_json::from_value(bad).unwrap());
        assert_eq!(error_code(block_on(scene.cvm().load(&load))), codes::INVALID_BYTECODE);
    }
}

#[test]
fn call_history_matches_its_snapshot() {
    let mut scene = Scene::program(r#"const x = 7; CC("one?"); CC("two?", { choices: [1, 2] })"#);
    scene.answer("a").answer(2);
    let mut calls: Vec<Json> = scene
        .dump()
        .into_iter()
        .filter(|(key, _)| key.starts_with("cvm.cc_history/"))
        .map(|(_, (_, row))| row)
        .collect();
    calls.sort_by_key(|call| call["step"].as_u64());
    for call in &mut calls {
        for volatile in ["id", "context", "request"] {
            let part = call[volatile].take();
            if volatile == "context" {
                assert_eq!(part["variables"]["x"], json!(7));
            }
        }
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&calls).unwrap());
}

/// All rows of a turn have one time, so the stack shows their order: each instruction finds it as the one before left
/// it.
fn expect_in_order(scene: &Scene) {
    let (mut rows, mut listing) = (Vec::new(), ListLogs::of_execution("run"));
    loop {
        let page = block_on(scene.cvm().logs(&listing)).unwrap();
        rows.extend(page.items);
        listing.cursor = page.next;
        if listing.cursor.is_none() {
            break;
        }
    }
    let steps: Vec<&Json> = rows.iter().filter(|row| row.event == "instruction").map(|row| &row.details).collect();
    assert_eq!(steps[0]["stackBefore"], json!([]));
    let breaks: Vec<&Json> = steps
        .windows(2)
        .filter(|pair| pair[0]["stackAfter"] != pair[1]["stackBefore"])
        .map(|pair| &pair[1]["pc"])
        .collect();
    assert!(breaks.len() <= 1, "only the answer comes from outside: {breaks:?}");
    assert_eq!(rows.last().unwrap().event, "complete");
}

#[test]
fn instructions_log_level_writes_a_row_per_instruction() {
    for cold in [false, true] {
        let mut scene = Scene::new();
        scene.load("let n = 0; for (let i = 0; i < 100; i++) n += i; console.log(n, CC(\"?\"));");
        let start = runstate::domain::cvm::Start {
            log_level: Some(runstate::domain::cvm::LogLevel::Instructions),
            ..runstate::domain::cvm::Start::new("program").id("run")
        };
        let mut scene = if cold { scene.cold() } else { scene };
        block_on(scene.cvm().start(&start)).unwrap();
        scene.answer("x").expect(Status::Complete).expect_output(["4950 x"]);
        let logs: Vec<Json> =
            scene.dump().into_iter().filter(|(key, _)| key.contains("logs/")).map(|(_, row)| row.1).collect();
        let rows: Vec<&Json> = logs.iter().filter(|row| row["event"] == "instruction").collect();
        // One row per counted instruction, and those that waited at a call or ended the execution.
        let counted = usize::try_from(scene.show().metrics.instructions_executed).unwrap();
        assert!((counted..=counted + 3).contains(&rows.len()), "{} rows, {counted} instructions", rows.len());
        let details = &rows[0]["details"];
        for field in ["pc", "instruction", "stackBefore", "stackAfter"] {
            assert!(details.get(field).is_some(), "{field} of {details}");
        }
        assert_eq!(details.get("executionTimeUs"), None, "this host does not measure");
        assert!(details["instruction"]["op"].is_u64());
        expect_in_order(&scene);
    }
    let mut scene = Scene::new();
    scene.load("CC(\"?\")");
    let off = runstate::domain::cvm::Start {
        log_level: Some(runstate::domain::cvm::LogLevel::Off),
        ..runstate::domain::cvm::Start::new("program").id("run")
    };
    block_on(scene.cvm().start(&off)).unwrap();
    assert_eq!(scene.row_count("execution_logs"), 0);
}
