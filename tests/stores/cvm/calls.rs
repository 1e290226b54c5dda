//! Groups of calls, keys, schemas, deadlines, timers and tools: the requests of a program, and the values that it gets.

use std::sync::Arc;

use runstate::client::Answer;
use runstate::domain::cvm::codes;
use runstate::domain::cvm::{CC_HISTORY, Settings, Start, Status};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::store::layer::Method;
use runstate::store::{Batch, Memory};
use runstate::testing::{BatchExt as _, Fault, FaultStore, batch, block_on, yield_now};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use crate::cvm::documents::StoreDump;
use crate::cvm::scene::test_warm_and_cold;
use crate::cvm::scene::{Scene, error_code};

const THREE: &str = r#"
    const [a, b, c] = CC.all(["a?", { prompt: "b?", choices: [1, 2] }, { tool: "search", args: { q: "x" } }]);
    console.log(a, b, c);
"#;

#[test]
fn parallel_calls_are_answered_in_any_order_each_once() {
    test_warm_and_cold(THREE, |mut scene| {
        assert_eq!(scene.head("ccWaiting.openCalls"), json!(3));
        assert_eq!(error_code(scene.try_answer("which?")), codes::AMBIGUOUS_CALL);
        let kinds: Vec<String> = scene.show().calls.into_iter().map(|call| call.kind).collect();
        assert_eq!(kinds, ["cc", "cc", "search"]);
        let last = scene.show().calls[2].id.clone();
        scene.answer_call(3, json!({"hits": 1})).expect(Status::WaitingCc).expect_output([]);
        let twice = block_on(scene.cvm().answer("run", Answer::to_call(&last).value(json!(0))));
        assert_eq!(error_code(twice), codes::ALREADY_ANSWERED);
        assert_eq!(error_code(scene.try_answer_call(2, 3)), codes::INVALID_ANSWER);
        scene.answer_call(1, "A");
        // The head names the first of the remaining calls.
        assert_eq!(scene.head("ccWaiting.prompt"), json!("b?"));
        assert_eq!(scene.head("ccWaiting.openCalls"), json!(1));
        scene.answer(2).expect(Status::Complete).expect_output(["A 2 { hits: 1 }"]);
        assert_eq!(scene.show().metrics.cc_calls_count, 3);
    });
}

#[test]
fn state_hash_depends_on_the_answers_to_parallel_calls() {
    let mut one = Scene::program(THREE);
    let before = one.show().state_hash;
    let mut other = Scene::program(THREE);
    one.answer_call(1, "A");
    other.answer_call(1, "B");
    let (one, other) = (one.show().state_hash, other.cold().show().state_hash);
    assert!(before != one && before != other && one != other);
}

#[test]
fn cc_all_of_zero_or_one_call_returns_a_list() {
    let mut scene = Scene::program(r#"console.log(CC.all([])); console.log(CC.all(["x?"]));"#);
    scene.answer("x").expect_output(["[]", "[ 'x' ]"]);
}

/// The last answer of a group is the one that delivers all of them. Only then does the machine see that they are too
/// large for its heap.
#[test]
fn answers_too_large_for_the_heap_are_an_error_in_the_program() {
    let source = r#"
        const lengths = (list) => console.log(list.map((x) => x.length).join());
        try { lengths(CC.all([{ prompt: "a", key: "k" }, "b", "c"])); } catch (e) { console.log(e.name); }
        console.log(CC("again", { key: "k" }));
        try { lengths(await CC.all(["d", "e", "f"])); } catch (e) { console.log(e.name); }"#;
    // A megabyte of JSON, and eight of the heap, which may have eight of garbage.
    let long = || json!(vec![0; 520_000]);
    let settings = Settings { heap_bytes: 1 << 20, ..Settings::default() };
    let mut scene = Scene::with_store(std::sync::Arc::new(Memory::new()), settings);
    scene.load(source);
    scene.start(Json::Null).unwrap();
    scene.answer_call(1, long()).answer_call(3, long()).answer_call(2, "B");
    scene.expect(Status::WaitingCc).expect_output(["RangeError"]).check();
    scene.answer("once more").expect(Status::WaitingCc);
    scene.answer_call(6, long()).answer_call(5, "D");
    scene
        .answer_call(7, long())
        .expect(Status::Complete)
        .expect_output(["RangeError", "once more", "RangeError"])
        .check();
}

/// The program gets the default beside 67 MB of answers. No caller can shorten a default.
#[test]
fn default_at_a_deadline_is_not_limited_by_the_other_answers() {
    let mut scene = Scene::program(
        r#"const all = CC.all(Array.from({ length: 68 }, (_, i) => i < 67 ? "q" + i : { prompt: "l", timeoutMs: 1000, default: "x".repeat(200000) }));
           console.log(all.length);"#,
    );
    let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.id).collect();
    for call in &calls[..67] {
        block_on(scene.cvm().answer("run", Answer::to_call(call).value("x".repeat(1_000_000)))).unwrap();
    }
    scene.advance(Millis(2_000));
    let shown = scene.show();
    // So many answers are more than the heap holds.
    assert_eq!((shown.status, shown.error.map(|error| error.name)), (Status::Error, Some("LimitError".to_owned())));
    scene.check();
}

#[test]
fn execution_with_a_missing_row_of_a_call_can_be_cancelled() {
    let scene = Scene::program(
        r#"const ask = async (q) => await CC(q); console.log(await Promise.all(["a?", "b?", "c?"].map(ask)));"#,
    );
    let call = scene.show().calls[1].id.clone();
    let batch = Batch { at: scene.host.clock.now(), ..batch(CommandId::new("loss").unwrap()) };
    block_on(scene.store.commit(batch.delete(&CC_HISTORY, &call))).unwrap();
    assert_eq!(block_on(scene.cvm().cancel("run")).unwrap().status, Status::Cancelled);
    let rows = StoreDump::load(&scene.store);
    let outcomes: Vec<&str> = rows.calls("run").into_iter().map(|(_, row)| row.text("outcome")).collect();
    assert_eq!(outcomes, ["cancelled", "cancelled"]);
}

#[test]
fn ten_thousand_parallel_calls_are_a_catchable_error() {
    let mut scene = Scene::program(
        r#"try { CC.all(Array.from({ length: 10000 }, (_, i) => "q" + i)); } catch (e) { console.log(e.name, e.message); }
           console.log(CC.all(Array.from({ length: 1000 }, (_, i) => "q" + i)).length);"#,
    );
    assert_eq!(scene.head("ccWaiting.openCalls"), json!(1_000));
    assert!(scene.show().output[0].starts_with("RangeError"), "{:?}", scene.show().output);
    let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.id).collect();
    for n in 0..1_000 {
        // Answers come from both ends, so that only every other one changes the first open call.
        let call = &calls[if n % 2 == 0 { n / 2 } else { 999 - n / 2 }];
        block_on(scene.cvm().answer("run", Answer::to_call(call).value(json!(n)))).unwrap();
    }
    scene.expect(Status::Complete);
    assert_eq!(scene.show().output[1], "1000");
}

#[test]
fn answers_to_parallel_calls_are_kept_while_paused() {
    test_warm_and_cold(THREE, |mut scene| {
        block_on(scene.cvm().pause("run")).unwrap();
        scene.answer_call(1, "A").answer_call(3, "C").expect(Status::Paused);
        block_on(scene.cvm().unpause("run")).unwrap();
        scene.expect(Status::WaitingCc);
        block_on(scene.cvm().pause("run")).unwrap();
        scene.answer_call(2, 1).expect(Status::Paused).expect_output([]);
        assert_eq!(scene.head("pausedFrom.ccWaiting.openCalls"), json!(0));
        block_on(scene.cvm().unpause("run")).unwrap();
        scene.expect(Status::Complete).expect_output(["A 1 C"]);
    });
}

#[test]
fn cancelling_closes_all_open_calls_and_late_answers_change_nothing() {
    test_warm_and_cold(THREE, |mut scene| {
        let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.id).collect();
        scene.answer_call(1, "A");
        block_on(scene.cvm().cancel("run")).unwrap();
        let before = scene.dump();
        for (call, expected) in
            calls.iter().zip([codes::ALREADY_ANSWERED, ErrorCode::ILLEGAL_TRANSITION, ErrorCode::ILLEGAL_TRANSITION])
        {
            assert_eq!(
                error_code(block_on(scene.cvm().answer("run", Answer::to_call(call).value(json!(1))))),
                expected
            );
        }
        assert_eq!(before, scene.dump());
        let cancelled = before.values().filter(|(_, row)| row.get("outcome") == Some(&json!("cancelled"))).count();
        assert_eq!(cancelled, 2);
        block_on(scene.cvm().delete("run")).unwrap();
        assert_eq!(scene.row_count("cc_history") + scene.row_count("executions"), 0);
    });
}

const KEYED: &str = r#"
    CC("first?");
    console.log(CC("size?", { key: "size", choices: ["small", "large"] }));
    console.log(CC("size again?", { key: "size" }));
"#;

#[test]
fn early_answer_is_taken_when_its_call_is_made() {
    test_warm_and_cold(KEYED, |mut scene| {
        assert_eq!(scene.try_answer_key("size", "large").unwrap().status, Status::WaitingCc);
        let first = || Answer::to_key("size").occurrence(1).value("small");
        assert_eq!(error_code(block_on(scene.cvm().answer("run", first()))), codes::ALREADY_ANSWERED);
        scene.answer("go").expect(Status::WaitingCc).expect_output(["large"]);
        // The second call under the key is another one; the first stays answered.
        assert_eq!(error_code(block_on(scene.cvm().answer("run", first()))), codes::ALREADY_ANSWERED);
        let id = scene.next_command_id();
        block_on(scene.cvm().with_id(&id).answer("run", Answer::to_key("size").occurrence(2).value("huge"))).unwrap();
        scene.expect(Status::Complete).expect_output(["large", "huge"]);
    });
}

/// Messages of a webhook: some come while the program waits, others before it does.
#[test]
fn answers_to_a_key_are_taken_in_their_order() {
    let source = r#"
        for (let i = 0; i < 3; i++) console.log(CC("event?", { key: "event" }));
        CC("go on?");
        const [a, b] = [CC("event?", { key: "event" }), CC("event?", { key: "event" })];
        console.log(a, b, CC("event?", { key: "event" }));
    "#;
    test_warm_and_cold(source, |mut scene| {
        // The first call is open.
        for answer in ["1", "2", "3"] {
            scene.try_answer_key("event", answer).unwrap();
        }
        scene.expect_output(["1", "2", "3"]);
        for answer in ["4", "5"] {
            scene.try_answer_key("event", answer).unwrap();
        }
        scene.answer("go").expect(Status::WaitingCc);
        scene.try_answer_key("event", "6").unwrap();
        scene.expect(Status::Complete).expect_output(["1", "2", "3", "4 5 6"]);
    });
}

/// More calls under one key than the newest rows that an answer reads first.
#[test]
fn a_large_group_under_one_key_is_answered_in_its_order() {
    let source = r#"console.log(CC.all(Array.from({ length: 40 }, () => ({ prompt: "?", key: "k" }))).join())"#;
    let mut scene = Scene::program(source);
    let calls = scene.show().calls;
    for call in [39, 40] {
        let id = calls[call - 1].id.clone();
        block_on(scene.cvm().answer("run", Answer::to_call(id).value(call.to_string()))).unwrap();
    }
    for number in 1..=38 {
        scene.try_answer_key("k", number.to_string()).unwrap();
    }
    let expected = (1..=40).map(|number: i32| number.to_string()).collect::<Vec<_>>().join(",");
    scene.expect(Status::Complete).expect_output([&*expected]);
}

/// Two messages arrive at once: both find the same open call.
#[test]
fn two_answers_to_one_key_at_once_are_both_taken() {
    let source = r#"console.log(CC("event?", { key: "event" }), CC("event?", { key: "event" }))"#;
    let scene = Scene::program(source);
    let store = Arc::new(FaultStore::new(scene.store.clone()));
    store.plan(Method::Commit, 1, Fault::Pause);
    let (slow, fast) = (scene.process_over(store.clone()), scene.process());
    let first = slow.answer("run", Answer::to_key("event").value("slow"));
    let second = async {
        while !store.is_paused() {
            yield_now().await;
        }
        fast.answer("run", Answer::to_key("event").value("fast")).await.unwrap();
        store.resume();
    };
    let (first, ()) = block_on(async { tokio::join!(first, second) });
    assert_eq!(first.unwrap().status, Status::Complete);
    assert_eq!(scene.show().output, ["fast slow"]);
}

#[test]
fn invalid_early_answer_is_dropped_and_logged() {
    test_warm_and_cold(KEYED, |mut scene| {
        scene.try_answer_key("size", "enormous").unwrap();
        scene.answer("go").expect(Status::WaitingCc).expect_output([]);
        let dropped = scene.dump().into_values().filter(|(_, row)| row["event"] == json!("error"));
        let messages: Vec<String> = dropped.map(|(_, row)| row["details"]["message"].to_string()).collect();
        assert!(messages.len() == 1 && messages[0].contains("small"), "{messages:?}");
        let calls =
            scene.dump().into_values().filter(|(_, row)| row["error"]["message"].to_string().contains("was dropped"));
        assert_eq!(calls.count(), 1, "the call records it");
        scene.try_answer_key("size", "small").unwrap();
        scene.expect_output(["small"]);
    });
}

#[test]
fn many_early_answers_are_taken_in_call_order() {
    let source = r#"CC("go?"); for (let i = 0; i < 100; i++) console.log(CC("q", { key: "k" + i }));"#;
    test_warm_and_cold(source, |mut scene| {
        for i in 0..100 {
            scene.try_answer_key(&format!("k{i}"), format!("a{i}")).unwrap();
        }
        scene.answer("go").expect(Status::Complete);
        assert_eq!(scene.show().output, (0..100).map(|i| format!("a{i}")).collect::<Vec<_>>());
    });
}

/// As a webhook does whose message overtakes the start: it sends the message again, under the same id.
#[test]
fn answer_by_key_before_the_start_may_be_retried() {
    let scene = Scene::program(r#"CC("one?")"#);
    block_on(scene.cvm().load_source("keyed", r#"console.log(CC("q", { key: "k" }))"#)).unwrap();
    let id = CommandId::new("delivery").unwrap();
    let cvm = scene.cvm().with_id(&id);
    let answer = || block_on(cvm.answer("later", Answer::to_key("k").value("x")));
    let early = answer().unwrap_err();
    assert_eq!((early.code, early.retryable, early.key.as_deref()), (ErrorCode::NOT_FOUND, true, Some("later")));
    let numbered = block_on(scene.cvm().answer("later", Answer::to_key("k").occurrence(2).value("x"))).unwrap_err();
    assert!(numbered.retryable, "{numbered}");
    for unnamed in [Answer::from("x"), Answer::to_call("c").value("x")] {
        let error = block_on(scene.cvm().answer("later", unnamed)).unwrap_err();
        assert_eq!((error.code, error.retryable), (ErrorCode::NOT_FOUND, false));
    }
    block_on(scene.cvm().start(Start::new("keyed").id("later"))).unwrap();
    answer().unwrap();
    assert_eq!(block_on(scene.cvm().show("later")).unwrap().output, ["x"]);
}

#[test]
fn answer_by_key_to_an_ended_or_unknown_execution_is_rejected() {
    let mut scene = Scene::program(r#"CC("one?")"#);
    scene.answer("x").expect(Status::Complete);
    let before = scene.dump();
    assert_eq!(error_code(scene.try_answer_key("later", "x")), ErrorCode::ILLEGAL_TRANSITION);
    assert_eq!(
        error_code(block_on(scene.cvm().answer("missing", Answer::to_key("k").value("x")))),
        ErrorCode::NOT_FOUND
    );
    assert_eq!(
        error_code(block_on(scene.cvm().answer("run", Answer::to_key("a\u{7}").value("x")))),
        ErrorCode::INVALID
    );
    assert_eq!(before, scene.dump());
}

#[test]
fn schema_converts_an_answer_text_to_its_type() {
    let schema = r#"{ type: "object", required: ["score"], properties: { score: { type: "integer", minimum: 0 } } }"#;
    let mut scene = Scene::program(&format!(r#"console.log(CC("score?", {{ schema: {schema} }}).score + 1)"#));
    let before = scene.dump();
    let error = scene.try_answer(r#"{"score": -1}"#).unwrap_err();
    assert_eq!(error.code, codes::INVALID_ANSWER);
    assert!(error.message.contains("/score") && error.message.contains("at least 0"), "{}", error.message);
    assert_eq!(before, scene.dump());
    scene.answer("```json\n{\"score\": 41}\n```").expect_output(["42"]);
}

#[test]
fn invalid_schema_or_default_is_an_error_at_its_line() {
    let mut scene = Scene::program(
        r#"for (const options of [{ schema: { type: "objekt" } }, { choices: ["a"], default: "b", timeoutMs: 5 }, { timeoutMs: -1 }]) {
             try { CC("?", options); } catch (e) { console.log(e.name + ": " + e.message); }
           }"#,
    );
    scene.expect(Status::Complete);
    let output = scene.show().output;
    assert!(output[0].starts_with("TypeError: CC: schema.type"), "{output:?}");
    assert!(output[1].starts_with("TypeError: CC: the default is not a valid answer"), "{output:?}");
    assert!(output[2].contains("timeoutMs"), "{output:?}");
}

#[test]
fn a_passed_deadline_takes_the_default_or_throws() {
    test_warm_and_cold(
        r#"console.log(CC("a?", { timeoutMs: 5000, default: "none" }));
           try { CC("b?", { timeoutMs: 5000 }); } catch (e) { console.log(e.name, e instanceof Error, e.message); }
           CC("c?", { timeoutMs: 5000 });"#,
        |mut scene| {
            scene.host.clock.advance(Millis(4_999));
            assert_eq!(
                block_on(scene.cvm().engine().run_due(10, runstate::engine::RunLimit::Stop)).unwrap().resumed,
                0
            );
            assert_eq!(scene.advance(Millis(1)).resumed, 1);
            scene.expect(Status::WaitingCc).expect_output(["none"]);
            scene.advance(Millis(5_000));
            scene.expect_output(["none", "TimeoutError true `b?` was not answered within 5000 ms"]);
            scene.advance(Millis(5_000));
            scene.expect(Status::Error);
            assert_eq!(scene.show().error.unwrap().name, "TimeoutError");
            assert_eq!(scene.head("wakeAt"), json!(null));
        },
    );
}

#[test]
fn answer_at_its_deadline_is_late_even_before_due_work_runs() {
    test_warm_and_cold(r#"console.log(CC("a?", { timeoutMs: 10000, default: "none" }))"#, |mut scene| {
        scene.host.clock.advance(Millis(9_000));
        let before = scene.dump();
        // The command itself takes a second.
        assert_eq!(error_code(scene.try_answer("late")), codes::DEADLINE_PASSED);
        assert_eq!(before, scene.dump());
        scene.advance(Millis(0));
        scene.expect_output(["none"]);
        assert_eq!(error_code(scene.try_answer("later")), ErrorCode::ILLEGAL_TRANSITION);
    });
}

#[test]
fn only_parallel_calls_past_their_deadline_are_closed() {
    let source = r#"
        try { CC.all([{ prompt: "a?", timeoutMs: 10000, default: "A" }, "b?", { prompt: "c?", timeoutMs: 60000 }, { prompt: "d?", timeoutMs: 30000, default: "D" }]); }
        catch (e) { console.log(e.name); }"#;
    test_warm_and_cold(source, |mut scene| {
        let start = scene.head("started").as_i64().unwrap();
        assert_eq!(scene.head("wakeAt"), json!(start + 10_000));
        scene.advance(Millis(10_000));
        assert_eq!((scene.head("wakeAt"), scene.head("ccWaiting.openCalls")), (json!(start + 30_000), json!(3)));
        assert_eq!(scene.head("ccWaiting.prompt"), json!("b?"));
        scene.answer_call(4, "d");
        assert_eq!(scene.head("wakeAt"), json!(start + 60_000));
        scene.answer_call(2, "b");
        assert_eq!((scene.head("wakeAt"), scene.head("ccWaiting.prompt")), (json!(start + 60_000), json!("c?")));
        scene.advance(Millis(60_000));
        scene.expect(Status::Complete).expect_output(["TimeoutError"]);
    });
}

#[test]
fn deadline_that_passes_while_paused_applies_on_unpause() {
    test_warm_and_cold(r#"console.log(CC("a?", { timeoutMs: 10000, default: "none" }))"#, |mut scene| {
        block_on(scene.cvm().pause("run")).unwrap();
        assert_eq!(scene.head("wakeAt"), json!(null));
        scene.advance(Millis(20_000));
        scene.expect(Status::Paused);
        assert_eq!(error_code(scene.try_answer("late")), codes::DEADLINE_PASSED);
        block_on(scene.cvm().unpause("run")).unwrap();
        scene.expect(Status::WaitingCc).advance(Millis(0));
        scene.expect(Status::Complete).expect_output(["none"]);
    });
}

#[test]
fn timers_complete_by_themselves_and_reject_answers() {
    test_warm_and_cold(
        r#"const before = Date.now(); console.log(sleep(60000)); console.log(Date.now() - before >= 60000);
           sleepUntil(before - 1); sleepUntil(before + 3600000); console.log("an hour later"); sleep(0); sleep(-5);"#,
        |mut scene| {
            let start = scene.head("started").as_i64().unwrap();
            assert_eq!(scene.head("wakeAt"), json!(start + 60_000));
            assert_eq!(
                block_on(scene.cvm().engine().next_due(runstate::store::Freshness::Linearizable))
                    .unwrap()
                    .unwrap()
                    .as_millis(),
                start + 60_000
            );
            assert_eq!(error_code(scene.try_answer("wake up")), codes::INVALID_ANSWER);
            scene.advance(Millis(60_000));
            scene.expect(Status::WaitingCc).expect_output(["undefined", "true"]);
            assert_eq!(scene.head("wakeAt"), json!(start + 3_600_000));
            scene.advance(Millis(3_600_000));
            scene.expect(Status::Complete);
            assert_eq!(scene.show().output[2], "an hour later");
            assert_eq!(
                block_on(scene.cvm().engine().next_due(runstate::store::Freshness::Linearizable)).unwrap(),
                None
            );
        },
    );
}

#[test]
fn open_call_shows_the_variables_in_scope() {
    let scene =
        Scene::program(r#"const seen = []; for (const file of ["a.ts", "b.ts"]) { seen.push(file); CC("ok?"); }"#);
    let variables = scene.show().calls[0].variables.clone();
    assert_eq!((&variables["file"], &variables["seen"]), (&json!("a.ts"), &json!(["a.ts"])));
}

#[test]
fn tool_and_file_calls_carry_their_kind() {
    let mut scene = Scene::program(
        r#"console.log(call("add", { a: 1, b: 2 }) + 1); console.log(fs.readFile("x.txt")); console.log(fs.writeFile("y", "z"));"#,
    );
    let request = |scene: &Scene| (scene.show().calls[0].kind.clone(), scene.show().calls[0].args.clone());
    assert_eq!(request(&scene), ("add".to_owned(), json!({"a": 1, "b": 2})));
    scene.answer(3);
    assert_eq!(request(&scene), ("fs.readFile".to_owned(), json!({"path": "x.txt"})));
    scene.answer("text");
    assert_eq!(request(&scene), ("fs.writeFile".to_owned(), json!({"path": "y", "text": "z"})));
    scene.answer(json!(null)).expect(Status::Complete).expect_output(["4", "text", "undefined"]);
}

#[test]
fn arguments_that_are_not_json_are_catchable_errors() {
    let mut scene = Scene::program(
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
fn retry_after_a_timed_out_call_makes_the_call_again() {
    test_warm_and_cold(r#"console.log(CC("a?", { timeoutMs: 10000 }))"#, |mut scene| {
        scene.advance(Millis(10_000));
        scene.expect(Status::Error);
        block_on(scene.cvm().retry("run")).unwrap();
        scene.expect(Status::WaitingCc).answer("at last").expect_output(["at last"]);
    });
}
