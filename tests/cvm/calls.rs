//! Several calls at once, keys, schemas, deadlines, timers, tools: what a program asks and what it gets.

use runstate::code::Code;
use runstate::domain::cvm::Status;
use runstate::testing::block_on;
use runstate::time::Millis;
use serde_json::json;

use crate::scene::{Scene, code};

const THREE: &str = r#"
    const [a, b, c] = CC.all(["a?", { prompt: "b?", choices: [1, 2] }, { tool: "search", args: { q: "x" } }]);
    console.log(a, b, c);
"#;

fn both(source: &str, test: impl Fn(Scene)) {
    test(Scene::of(source));
    test(Scene::of(source).cold());
}

#[test]
fn calls_asked_together_are_answered_in_any_order_and_each_once() {
    both(THREE, |mut scene| {
        assert_eq!(scene.head("ccWaiting.openCalls"), json!(3));
        assert_eq!(code(scene.try_answer("which?")), Code::AmbiguousCall);
        let kinds: Vec<String> = scene.show().calls.into_iter().map(|call| call.kind).collect();
        assert_eq!(kinds, ["cc", "cc", "search"]);
        let last = scene.show().calls[2].call_id.clone();
        scene.answer_call(3, json!({"hits": 1})).expect(Status::WaitingCc).expect_output([]);
        let twice = block_on(scene.cvm().answer("run", Some(&last), json!(0), None, None));
        assert_eq!(code(twice), Code::AlreadyAnswered);
        assert_eq!(code(scene.try_answer_call(2, 3)), Code::InvalidAnswer);
        scene.answer_call(1, "A");
        // Of those left the first stands in the head.
        assert_eq!(scene.head("ccWaiting.prompt"), json!("b?"));
        assert_eq!(scene.head("ccWaiting.openCalls"), json!(1));
        scene.answer(2).expect(Status::Complete).expect_output(["A 2 { hits: 1 }"]);
        assert_eq!(scene.show().metrics.cc_calls_count, 3);
    });
}

#[test]
fn the_state_hash_tells_what_was_answered_of_several() {
    let mut one = Scene::of(THREE);
    let before = one.show().state_hash;
    let mut other = Scene::of(THREE);
    one.answer_call(1, "A");
    other.answer_call(1, "B");
    let (one, other) = (one.show().state_hash, other.cold().show().state_hash);
    assert!(before != one && before != other && one != other);
}

#[test]
fn none_and_one_asked_together_give_lists() {
    let mut scene = Scene::of(r#"console.log(CC.all([])); console.log(CC.all(["x?"]));"#);
    scene.answer("x").expect_output(["[]", "[ 'x' ]"]);
}

#[test]
fn ten_thousand_questions_at_once_are_an_error_the_program_can_catch() {
    let mut scene = Scene::of(
        r#"try { CC.all(Array.from({ length: 10000 }, (_, i) => "q" + i)); } catch (e) { console.log(e.name, e.message); }
           console.log(CC.all(Array.from({ length: 1000 }, (_, i) => "q" + i)).length);"#,
    );
    assert_eq!(scene.head("ccWaiting.openCalls"), json!(1_000));
    assert!(scene.show().output[0].starts_with("RangeError"), "{:?}", scene.show().output);
    let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.call_id).collect();
    for n in 0..1_000 {
        // From both ends, so that the first one changes and does not.
        let call = &calls[if n % 2 == 0 { n / 2 } else { 999 - n / 2 }];
        block_on(scene.cvm().answer("run", Some(call), json!(n), None, None)).unwrap();
    }
    scene.expect(Status::Complete);
    assert_eq!(scene.show().output[1], "1000");
}

#[test]
fn while_it_rests_answers_of_several_are_kept() {
    both(THREE, |mut scene| {
        block_on(scene.cvm().pause("run", None)).unwrap();
        scene.answer_call(1, "A").answer_call(3, "C").expect(Status::Paused);
        block_on(scene.cvm().unpause("run", None)).unwrap();
        scene.expect(Status::WaitingCc);
        block_on(scene.cvm().pause("run", None)).unwrap();
        scene.answer_call(2, 1).expect(Status::Paused).expect_output([]);
        assert_eq!(scene.head("pausedFrom.ccWaiting.openCalls"), json!(0));
        block_on(scene.cvm().unpause("run", None)).unwrap();
        scene.expect(Status::Complete).expect_output(["A 1 C"]);
    });
}

#[test]
fn cancelling_closes_all_open_calls_and_late_answers_change_nothing() {
    both(THREE, |mut scene| {
        let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.call_id).collect();
        scene.answer_call(1, "A");
        block_on(scene.cvm().cancel("run", None)).unwrap();
        let before = scene.dump();
        for (call, expected) in
            calls.iter().zip([Code::AlreadyAnswered, Code::IllegalTransition, Code::IllegalTransition])
        {
            assert_eq!(code(block_on(scene.cvm().answer("run", Some(call), json!(1), None, None))), expected);
        }
        assert_eq!(before, scene.dump());
        let cancelled = before.values().filter(|(_, row)| row.get("outcome") == Some(&json!("cancelled"))).count();
        assert_eq!(cancelled, 2);
        block_on(scene.cvm().delete("run", None)).unwrap();
        assert_eq!(scene.count("cc_history") + scene.count("executions"), 0);
    });
}

const KEYED: &str = r#"
    CC("first?");
    console.log(CC("size?", { key: "size", choices: ["small", "large"] }));
    console.log(CC("size again?", { key: "size" }));
"#;

#[test]
fn an_answer_before_its_question_is_taken_when_it_is_asked() {
    both(KEYED, |mut scene| {
        assert_eq!(scene.try_answer_key("size", "large").unwrap().status, Status::WaitingCc);
        assert_eq!(code(scene.try_answer_key("size", "small")), Code::AlreadyAnswered);
        scene.answer("go").expect(Status::WaitingCc).expect_output(["large"]);
        // The second question under the key is another one; the first stays answered.
        assert_eq!(code(scene.try_answer_key("size", "small")), Code::AlreadyAnswered);
        let id = scene.command();
        block_on(scene.cvm().answer_key("run", "size", 2, "huge".into(), None, Some(&id))).unwrap();
        scene.expect(Status::Complete).expect_output(["large", "huge"]);
    });
}

#[test]
fn an_early_answer_that_does_not_fit_is_dropped_with_a_row_in_the_log() {
    both(KEYED, |mut scene| {
        scene.try_answer_key("size", "enormous").unwrap();
        scene.answer("go").expect(Status::WaitingCc).expect_output([]);
        let dropped = scene.dump().into_values().filter(|(_, row)| row["event"] == json!("error"));
        let messages: Vec<String> = dropped.map(|(_, row)| row["details"]["message"].to_string()).collect();
        assert!(messages.len() == 1 && messages[0].contains("small"), "{messages:?}");
        let calls =
            scene.dump().into_values().filter(|(_, row)| row["error"]["message"].to_string().contains("was dropped"));
        assert_eq!(calls.count(), 1, "whoever looks at the call sees it");
        scene.try_answer_key("size", "small").unwrap();
        scene.expect_output(["small"]);
    });
}

#[test]
fn many_answers_that_came_early_are_taken_one_after_the_other() {
    let source = r#"CC("go?"); for (let i = 0; i < 100; i++) console.log(CC("q", { key: "k" + i }));"#;
    both(source, |mut scene| {
        for i in 0..100 {
            scene.try_answer_key(&format!("k{i}"), format!("a{i}")).unwrap();
        }
        scene.answer("go").expect(Status::Complete);
        assert_eq!(scene.show().output, (0..100).map(|i| format!("a{i}")).collect::<Vec<_>>());
    });
}

#[test]
fn an_answer_by_key_for_who_cannot_ask_any_more_is_refused() {
    let mut scene = Scene::of(r#"CC("one?")"#);
    scene.answer("x").expect(Status::Complete);
    let before = scene.dump();
    assert_eq!(code(scene.try_answer_key("later", "x")), Code::IllegalTransition);
    assert_eq!(code(block_on(scene.cvm().answer_key("nobody", "k", 1, "x".into(), None, None))), Code::NotFound);
    assert_eq!(code(block_on(scene.cvm().answer_key("run", "a\u{7}", 1, "x".into(), None, None))), Code::Invalid);
    assert_eq!(before, scene.dump());
}

#[test]
fn a_schema_turns_text_into_what_it_asks_for() {
    let schema = r#"{ type: "object", required: ["score"], properties: { score: { type: "integer", minimum: 0 } } }"#;
    let mut scene = Scene::of(&format!(r#"console.log(CC("score?", {{ schema: {schema} }}).score + 1)"#));
    let before = scene.dump();
    let error = scene.try_answer(r#"{"score": -1}"#).unwrap_err();
    assert_eq!(error.code, Code::InvalidAnswer);
    assert!(error.message.contains("/score") && error.message.contains("at least 0"), "{}", error.message);
    assert_eq!(before, scene.dump());
    scene.answer("```json\n{\"score\": 41}\n```").expect_output(["42"]);
}

#[test]
fn a_schema_or_a_default_that_is_none_is_an_error_at_its_line() {
    let mut scene = Scene::of(
        r#"for (const options of [{ schema: { type: "objekt" } }, { choices: ["a"], default: "b", timeoutMs: 5 }, { timeoutMs: -1 }]) {
             try { CC("?", options); } catch (e) { console.log(e.name + ": " + e.message); }
           }"#,
    );
    scene.expect(Status::Complete);
    let output = scene.show().output;
    assert!(output[0].starts_with("TypeError: CC: schema.type"), "{output:?}");
    assert!(output[1].starts_with("TypeError: CC: the default is no answer that is taken"), "{output:?}");
    assert!(output[2].contains("timeoutMs"), "{output:?}");
}

#[test]
fn a_passed_deadline_takes_the_default_or_throws() {
    both(
        r#"console.log(CC("a?", { timeoutMs: 5000, default: "none" }));
           try { CC("b?", { timeoutMs: 5000 }); } catch (e) { console.log(e.name, e instanceof Error, e.message); }
           CC("c?", { timeoutMs: 5000 });"#,
        |mut scene| {
            scene.host.clock.advance(Millis(4_999));
            assert_eq!(block_on(scene.cvm().run_due(10, runstate::engine::Pace::Stop)).unwrap().woken, 0);
            assert_eq!(scene.after(Millis(1)).woken, 1);
            scene.expect(Status::WaitingCc).expect_output(["none"]);
            scene.after(Millis(5_000));
            scene.expect_output(["none", "TimeoutError true `b?` was not answered within 5000 ms"]);
            scene.after(Millis(5_000));
            scene.expect(Status::Error);
            assert_eq!(scene.show().error.unwrap().name, "TimeoutError");
            assert_eq!(scene.head("wakeAt"), json!(null));
        },
    );
}

#[test]
fn an_answer_at_its_deadline_is_too_late_whether_or_not_anybody_looked() {
    both(r#"console.log(CC("a?", { timeoutMs: 10000, default: "none" }))"#, |mut scene| {
        scene.host.clock.advance(Millis(9_000));
        let before = scene.dump();
        // The command itself takes a second.
        assert_eq!(code(scene.try_answer("late")), Code::DeadlinePassed);
        assert_eq!(before, scene.dump());
        scene.after(Millis(0));
        scene.expect_output(["none"]);
        assert_eq!(code(scene.try_answer("later")), Code::IllegalTransition);
    });
}

#[test]
fn of_several_only_those_whose_deadline_passed_are_over() {
    let source = r#"
        try { CC.all([{ prompt: "a?", timeoutMs: 10000, default: "A" }, "b?", { prompt: "c?", timeoutMs: 60000 }, { prompt: "d?", timeoutMs: 30000, default: "D" }]); }
        catch (e) { console.log(e.name); }"#;
    both(source, |mut scene| {
        let start = scene.head("started").as_i64().unwrap();
        assert_eq!(scene.head("wakeAt"), json!(start + 10_000));
        scene.after(Millis(10_000));
        assert_eq!((scene.head("wakeAt"), scene.head("ccWaiting.openCalls")), (json!(start + 30_000), json!(3)));
        assert_eq!(scene.head("ccWaiting.prompt"), json!("b?"));
        scene.answer_call(4, "d");
        assert_eq!(scene.head("wakeAt"), json!(start + 60_000));
        scene.answer_call(2, "b");
        assert_eq!((scene.head("wakeAt"), scene.head("ccWaiting.prompt")), (json!(start + 60_000), json!("c?")));
        scene.after(Millis(60_000));
        scene.expect(Status::Complete).expect_output(["TimeoutError"]);
    });
}

#[test]
fn a_deadline_that_passes_while_it_rests_is_carried_out_when_it_goes_on() {
    both(r#"console.log(CC("a?", { timeoutMs: 10000, default: "none" }))"#, |mut scene| {
        block_on(scene.cvm().pause("run", None)).unwrap();
        assert_eq!(scene.head("wakeAt"), json!(null));
        scene.after(Millis(20_000));
        scene.expect(Status::Paused);
        assert_eq!(code(scene.try_answer("late")), Code::DeadlinePassed);
        block_on(scene.cvm().unpause("run", None)).unwrap();
        scene.expect(Status::WaitingCc).after(Millis(0));
        scene.expect(Status::Complete).expect_output(["none"]);
    });
}

#[test]
fn timers_go_on_by_themselves_and_take_no_answer() {
    both(
        r#"const before = Date.now(); console.log(sleep(60000)); console.log(Date.now() - before >= 60000);
           sleepUntil(before - 1); sleepUntil(before + 3600000); console.log("an hour later"); sleep(0); sleep(-5);"#,
        |mut scene| {
            let start = scene.head("started").as_i64().unwrap();
            assert_eq!(scene.head("wakeAt"), json!(start + 60_000));
            assert_eq!(block_on(scene.cvm().next_due()).unwrap().unwrap().as_millis(), start + 60_000);
            assert_eq!(code(scene.try_answer("wake up")), Code::InvalidAnswer);
            scene.after(Millis(60_000));
            scene.expect(Status::WaitingCc).expect_output(["undefined", "true"]);
            assert_eq!(scene.head("wakeAt"), json!(start + 3_600_000));
            scene.after(Millis(3_600_000));
            scene.expect(Status::Complete);
            assert_eq!(scene.show().output[2], "an hour later");
            assert_eq!(block_on(scene.cvm().next_due()).unwrap(), None);
        },
    );
}

#[test]
fn whoever_answers_sees_the_variables_there() {
    let scene = Scene::of(r#"const seen = []; for (const file of ["a.ts", "b.ts"]) { seen.push(file); CC("ok?"); }"#);
    let variables = scene.show().calls[0].variables.clone();
    assert_eq!((&variables["file"], &variables["seen"]), (&json!("a.ts"), &json!(["a.ts"])));
}

#[test]
fn tools_and_files_are_calls_of_their_kind() {
    let mut scene = Scene::of(
        r#"console.log(call("add", { a: 1, b: 2 }) + 1); console.log(fs.readFile("x.txt")); console.log(fs.writeFile("y", "z"));"#,
    );
    let asked = |scene: &Scene| (scene.show().calls[0].kind.clone(), scene.show().calls[0].args.clone());
    assert_eq!(asked(&scene), ("add".to_owned(), json!({"a": 1, "b": 2})));
    scene.answer(3);
    assert_eq!(asked(&scene), ("fs.readFile".to_owned(), json!({"path": "x.txt"})));
    scene.answer("text");
    assert_eq!(asked(&scene), ("fs.writeFile".to_owned(), json!({"path": "y", "text": "z"})));
    scene.answer(json!(null)).expect(Status::Complete).expect_output(["4", "text", "undefined"]);
}

#[test]
fn arguments_that_are_no_plain_values_are_errors_of_the_program() {
    let mut scene = Scene::of(
        r#"const a = {}; a.a = a;
           for (const ask of [() => call("t", a), () => call("t", () => 1), () => CC("?", { default: a, timeoutMs: 1 }), () => CC.all([{ tool: "t", args: a }])]) {
             try { ask(); console.log("asked"); } catch (e) { console.log(e.name); }
           }"#,
    );
    scene.expect(Status::Complete);
    let output = scene.show().output;
    assert!(output.len() == 4 && output.iter().all(|name| name.ends_with("Error")), "{output:?}");
}

#[test]
fn a_program_that_failed_for_want_of_an_answer_asks_again_when_it_is_retried() {
    both(r#"console.log(CC("a?", { timeoutMs: 10000 }))"#, |mut scene| {
        scene.after(Millis(10_000));
        scene.expect(Status::Error);
        block_on(scene.cvm().retry("run", None)).unwrap();
        scene.expect(Status::WaitingCc).answer("at last").expect_output(["at last"]);
    });
}
