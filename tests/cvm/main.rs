//! The domain `cvm` from the outside: programs that ask, answers, lifecycles, what is written, and that warm, cold, sliced and
//! interrupted all come to the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agree;
mod calls;
mod changes;
mod documents;
mod due;
mod edges;
mod large;
mod large_left;
mod lifecycle;
mod look;
mod looks;
mod process;
mod queries;
mod queries_odd;
mod race;
mod random;
mod same;
mod scale;
mod scene;
mod schedule;
mod serve;
mod size;
mod workers;
mod world;
mod year;

use runstate::code::Code;
use runstate::domain::cvm::Status;
use runstate::testing::block_on;
use runstate::value::Json;
use scene::{Scene, code};
use serde_json::json;

#[test]
fn a_program_asks_and_goes_on_where_it_asked() {
    let mut scene = Scene::of(
        r#"const a = CC("first?"); console.log("got", a); const b = CC(`second, after ${a}?`); console.log(a + b);"#,
    );
    assert_eq!(scene.show().calls[0].prompt, "first?");
    scene.answer("one");
    assert_eq!(scene.show().calls[0].prompt, "second, after one?");
    scene.answer("two").expect(Status::Complete).expect_output(["got one", "onetwo"]);
}

#[test]
fn an_answer_that_comes_twice_is_taken_once() {
    let mut scene = Scene::of(r#"console.log(CC("ok?")); CC("more?")"#);
    let call = scene.call_id();
    scene.answer("yes").expect_output(["yes"]);
    let second = block_on(scene.cvm().answer("run", Some(&call), "no".into(), None, None));
    assert_eq!(code(second), Code::AlreadyAnswered);
    scene.expect_output(["yes"]);
}

#[test]
fn an_answered_call_is_answered_whatever_the_execution_does_by_now() {
    let mut scene = Scene::of(r#"CC("ok?")"#);
    let call = scene.call_id();
    scene.answer("yes").expect(Status::Complete);
    let late = block_on(scene.cvm().answer("run", Some(&call), "no".into(), None, None));
    assert_eq!(code(late), Code::AlreadyAnswered);
}

#[test]
fn the_same_command_id_gives_the_first_result_and_does_nothing() {
    let mut scene = Scene::of(r#"CC("one?"); CC("two?")"#);
    let id = scene.command();
    let first = block_on(scene.cvm().answer("run", None, "a".into(), None, Some(&id))).unwrap();
    let before = scene.dump();
    let again = block_on(scene.cvm().answer("run", None, "a".into(), None, Some(&id))).unwrap();
    assert_eq!(first, again);
    assert_eq!(before, scene.dump());
    let other = block_on(scene.cvm().answer("run", None, "b".into(), None, Some(&id)));
    assert_eq!(code(other), Code::CommandIdReused);
}

#[test]
fn an_answer_outside_the_choices_changes_nothing_and_says_what_fits() {
    let mut scene = Scene::of(r#"console.log(CC("ok?", { choices: ["yes", "no"] }))"#);
    let before = scene.dump();
    let error = scene.try_answer("perhaps").unwrap_err();
    assert_eq!((error.code, &error.details), (Code::InvalidAnswer, &json!({"choices": ["yes", "no"]})));
    assert_eq!(before, scene.dump());
    scene.answer("no").expect_output(["no"]);
}

#[test]
fn choices_that_are_none_are_an_error_the_program_can_catch() {
    let mut scene =
        Scene::of(r#"try { CC("ok?", { choices: [] }); } catch (e) { console.log(e.name + ": " + e.message); }"#);
    scene.expect(Status::Complete).expect_output(["TypeError: CC: choices may not be empty"]);
}

#[test]
fn a_call_of_another_execution_is_not_found() {
    let mut scene = Scene::of(r#"CC("ok?")"#);
    let other = block_on(scene.cvm().answer("other", Some(&scene.call_id()), "yes".into(), None, None));
    assert_eq!(code(other), Code::NotFound);
    let nothing = block_on(scene.cvm().answer("run", Some("no-such-call"), "yes".into(), None, None));
    assert_eq!(code(nothing), Code::NotFound);
    scene.expect(Status::WaitingCc);
}

#[test]
fn starting_an_id_that_exists_overwrites_nothing() {
    let mut scene = Scene::of(r#"console.log("once"); CC("?")"#);
    assert_eq!(code(scene.start(Json::Null)), Code::AlreadyExists);
    scene.expect_output(["once"]);
}

#[test]
fn an_execution_keeps_the_version_it_started_with() {
    let mut scene = Scene::of(r#"CC("?"); console.log("first")"#);
    assert_eq!(scene.load(r#"CC("?"); console.log("first")"#).program_version, 1);
    assert_eq!(scene.load(r#"CC("?"); console.log("second")"#).program_version, 2);
    let mut scene = scene.cold();
    scene.answer("").expect_output(["first"]);
    assert_eq!(scene.count("program_versions"), 2);
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
fn a_program_that_nobody_loaded_is_not_found() {
    assert_eq!(code(Scene::new().start(Json::Null)), Code::NotFound);
}

#[test]
fn what_no_store_could_keep_is_refused_at_the_door() {
    let mut scene = Scene::of(r#"const a = CC("ok?"); console.log(JSON.stringify(a))"#);
    for refused in [json!({"a\u{0}": 1}), json!([9_007_199_254_740_992i64]), json!(u64::MAX)] {
        assert_eq!(code(scene.try_answer(refused)), Code::InvalidAnswer);
    }
    scene.answer(json!({"$a.b": 1e300})).expect(Status::Complete).expect_output([r#"{"$a.b":1e+300}"#]);
    let mut scene = Scene::new();
    scene.load(r#"CC("ok?")"#);
    assert_eq!(code(scene.start(json!({"n": u64::MAX}))), Code::Invalid);
}

#[test]
fn a_machine_is_kept_whatever_its_numbers_and_keys() {
    let mut scene = Scene::of(
        r#"const far = [2 ** 53, -(2 ** 60), 1e21, 1e300, 2 ** 53 - 1]; const odd = { "a\0b": far, "$set": { "": -0 } };
        CC("ok?"); console.log(far.length, odd["a\0b"] === far)"#,
    );
    scene.answer("yes").expect_output(["5 true"]);
    scene.expect(Status::Complete);
}

#[test]
fn options_that_no_store_could_keep_are_an_error_of_the_program() {
    let mut scene = Scene::of(r#"const odd = { "a\0b": 1 }; CC("ok?"); CC("which?", { choices: [odd] })"#);
    scene.answer("yes").expect(Status::Error);
    let error = scene.show().error.unwrap();
    assert!(error.message.contains("NUL"), "{error:?}");
}

#[test]
fn bad_ids_are_told_and_odd_ones_are_ids() {
    use runstate::domain::cvm::Start;
    let mut scene = Scene::new();
    scene.load(r#"CC("?")"#);
    let start = |id: &str| {
        let start = Start::of("program").id(id);
        block_on(scene.cvm().start(&start, None)).map(|reached| reached.id).map_err(|e| e.code)
    };
    for odd in ["../x", "CON", "🦀", "Twin", "twin", &"x".repeat(200)] {
        assert_eq!(start(odd), Ok(odd.to_owned()));
    }
    for bad in ["", "a\nb", &"x".repeat(300)] {
        assert_eq!(start(bad), Err(Code::Invalid), "{bad}");
    }
}

#[test]
fn a_program_written_by_hand_in_the_first_instructions_runs() {
    use runstate::domain::cvm::Load;
    let mut scene = Scene::new();
    let bytecode = serde_json::from_value(json!([
        {"op": 1, "arg": "urgent?", "line": 1}, {"op": 6, "line": 1}, {"op": 4, "arg": "answer", "line": 1},
        {"op": 1, "arg": "it is ", "line": 2}, {"op": 3, "arg": "answer", "line": 2}, {"op": 5, "line": 2},
        {"op": 7, "line": 2}, {"op": 255, "line": 3}
    ]));
    let load = Load::new("program", "-", bytecode.unwrap());
    block_on(scene.cvm().load(&load, None)).unwrap();
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
        assert_eq!(code(block_on(scene.cvm().load(&load, None))), Code::InvalidBytecode);
    }
}

#[test]
fn what_was_asked_and_answered_is_the_history() {
    let mut scene = Scene::of(r#"const x = 7; CC("one?"); CC("two?", { choices: [1, 2] })"#);
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

/// All rows of a turn have one time: each instruction finds the stack as the one before it left it.
fn expect_in_order(scene: &Scene) {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = block_on(scene.cvm().logs("run", after.as_deref(), None)).unwrap();
        rows.extend(page.rows);
        if !page.more {
            break;
        }
        after = page.next;
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
fn at_the_level_of_instructions_each_has_its_row() {
    for cold in [false, true] {
        let mut scene = Scene::new();
        scene.load("let n = 0; for (let i = 0; i < 100; i++) n += i; console.log(n, CC(\"?\"));");
        let start = runstate::domain::cvm::Start {
            log_level: Some(runstate::limits::LogLevel::Instructions),
            ..runstate::domain::cvm::Start::of("program").id("run")
        };
        let mut scene = if cold { scene.cold() } else { scene };
        block_on(scene.cvm().start(&start, None)).unwrap();
        scene.answer("x").expect(Status::Complete).expect_output(["4950 x"]);
        let logs: Vec<Json> =
            scene.dump().into_iter().filter(|(key, _)| key.contains("logs/")).map(|(_, row)| row.1).collect();
        let rows: Vec<&Json> = logs.iter().filter(|row| row["event"] == "instruction").collect();
        // One a counted instruction, and those that waited at its question or ended the run.
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
        log_level: Some(runstate::limits::LogLevel::Off),
        ..runstate::domain::cvm::Start::of("program").id("run")
    };
    block_on(scene.cvm().start(&off, None)).unwrap();
    assert_eq!(scene.count("execution_logs"), 0);
}
