//! Pause, cancel, retry, delete and limits: the effects of commands on an execution, besides answers.

use runstate::domain::cvm::Settings;
use runstate::domain::cvm::codes;
use runstate::domain::cvm::{Retry, Start, Status};
use runstate::error_code::ErrorCode;
use runstate::store::Memory;
use runstate::testing::block_on;
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use crate::cvm::scene::{Scene, error_code};

const ASKS: &str = r#"console.log(CC("one?")); console.log(CC("two?"));"#;

#[test]
fn answer_to_a_paused_execution_is_kept() {
    for cold in [false, true] {
        let scene = Scene::program(ASKS);
        let mut scene = if cold { scene.cold() } else { scene };
        block_on(scene.cvm().pause("run")).unwrap();
        scene.answer("kept").expect(Status::Paused).expect_output([]);
        assert_eq!(error_code(scene.try_answer("again")), codes::ALREADY_ANSWERED);
        block_on(scene.cvm().unpause("run")).unwrap();
        scene.expect(Status::WaitingCc).expect_output(["kept"]);
    }
}

#[test]
fn second_pause_changes_nothing_and_unpause_waits_again() {
    let mut scene = Scene::program(ASKS);
    for _ in 0..2 {
        assert_eq!(block_on(scene.cvm().pause("run")).unwrap().status, Status::Paused);
    }
    assert_eq!(error_code(block_on(scene.cvm().resume("run"))), ErrorCode::ILLEGAL_TRANSITION);
    assert_eq!(block_on(scene.cvm().unpause("run")).unwrap().status, Status::WaitingCc);
    scene.answer("x").expect_output(["x"]);
}

#[test]
fn cancelled_execution_rejects_answers_and_closes_its_call() {
    let mut scene = Scene::program(ASKS);
    block_on(scene.cvm().cancel("run")).unwrap();
    scene.expect(Status::Cancelled);
    assert_eq!(error_code(scene.try_answer("late")), ErrorCode::ILLEGAL_TRANSITION);
    assert!(scene.show().calls.is_empty());
    assert_eq!(error_code(block_on(scene.cvm().cancel("run"))), ErrorCode::ILLEGAL_TRANSITION);
}

#[test]
fn failed_program_reports_its_line_and_retries_from_there() {
    let mut scene = Scene::program(
        "console.log(\"before\");\nconst wait = CC(\"when?\");\nif (Date.now() < Number(wait)) {\n    throw new TypeError(\"too early\");\n}\nconsole.log(\"after\");",
    );
    let soon = scene.host.clock.now().as_millis() + 60_000;
    scene.answer(soon.to_string()).expect(Status::Error);
    let error = scene.show().error.unwrap();
    assert_eq!((error.name.as_str(), error.message.as_str(), error.line), ("TypeError", "too early", 4));
    // The failing instruction is the throw itself: a retry throws again, and nothing is printed twice.
    for cold in [false, true] {
        if cold {
            scene = scene.cold();
        }
        assert_eq!(block_on(scene.cvm().retry("run")).unwrap().status, Status::Error);
        scene.expect_output(["before"]);
    }
}

#[test]
fn retry_under_a_higher_limit_resumes_a_stopped_execution() {
    let settings = Settings { execution_instructions: 5_000, slice_instructions: 1_000, ..Settings::default() };
    let store = std::sync::Arc::new(Memory::new());
    let mut scene = Scene::with_store(store.clone(), settings);
    scene.load("let n = 0; for (let i = 0; i < 2000; i++) n += i; console.log(n);");
    assert_eq!(scene.start(Json::Null).unwrap().status, Status::Error);
    assert!(scene.show().error.unwrap().message.contains("instructions"), "{:?}", scene.show().error);
    let mut scene = Scene::with_store(store, Settings::default());
    block_on(scene.cvm().retry("run")).unwrap();
    scene.expect(Status::Complete).expect_output(["1999000"]);
}

#[test]
fn retry_raises_the_limits_of_one_execution() {
    let settings = Settings { execution_instructions: 5_000, slice_instructions: 1_000, ..Settings::default() };
    let store = std::sync::Arc::new(Memory::new());
    let mut scene = Scene::with_store(store.clone(), settings.clone());
    scene.load(
        "CC('go?'); let n = 0; for (let i = 0; i < 2000; i++) n += i; CC(n); for (let i = 0; i < 2000; i++) n++;",
    );
    scene.start(Json::Null).unwrap();
    scene.answer("").expect(Status::Error);
    assert_eq!(block_on(scene.cvm().retry("run")).unwrap().status, Status::Error);
    let retry = |limit| Retry { instructions: Some(limit), ..Retry::new("run") };
    let before = scene.dump();
    for refused in [0, 1_000_000_000_001] {
        assert_eq!(error_code(block_on(scene.cvm().retry_with(&retry(refused)))), ErrorCode::INVALID);
    }
    let heap = Retry { heap_bytes: Some(1), ..Retry::new("run") };
    assert_eq!(error_code(block_on(scene.cvm().retry_with(&heap))), ErrorCode::INVALID);
    assert_eq!(before, scene.dump());
    assert_eq!(block_on(scene.cvm().retry_with(&retry(200_000))).unwrap().status, Status::WaitingCc);
    // The limit stays with the execution, in a process with a lower one too.
    let mut scene = Scene::with_store(store, settings);
    block_on(scene.cvm().answer("run", "")).unwrap();
    scene.expect(Status::Complete);
}

#[test]
fn limits_count_from_one_answer_to_the_next() {
    for cold in [false, true] {
        let settings = Settings { execution_instructions: 20_000, slice_instructions: 3_000, ..Settings::default() };
        let mut scene = Scene::with_store(std::sync::Arc::new(Memory::new()), settings);
        let line = "x".repeat(1_000);
        scene.load(&format!("for (;;) {{ for (let i = 0; i < 1000; i++) {{}} console.log('{line}'); if (CC('?') === 'end') break; }} while (true) {{}}"));
        let start = Start { output_bytes: Some(2_000), ..Start::new("program").id("run") };
        block_on(scene.cvm().start(&start)).unwrap();
        for _ in 0..20 {
            assert_eq!(scene.show().error, None);
            scene.answer("");
            if cold {
                scene = scene.cold();
            }
        }
        // More than one turn may run, in total. One turn alone may not.
        let spent = scene.expect(Status::WaitingCc).show().metrics.instructions_executed;
        assert!(spent > 60_000, "{spent}");
        scene.answer("end").expect(Status::Error);
        let error = scene.show().error.unwrap();
        assert!(error.message.contains("retry ID --instructions"), "{error:?}");
    }
}

#[test]
fn a_failed_execution_continues_in_a_mended_version() {
    const BROKEN: &str = r#"
        function total(orders) { return orders.map((order) => order.prise.cents).reduce((a, b) => a + b); }
        const names = [CC("first?")];
        const sum = total([{ price: { cents: 2 } }, { price: { cents: 3 } }]);
        names.push(CC("second?"));
        console.log(names.join(), sum);"#;
    let mended = |text: &str, by: &str| BROKEN.replace("prise", "price").replace(text, by);
    for cold in [false, true] {
        let mut scene = Scene::new();
        scene.load(BROKEN);
        scene.start(Json::Null).unwrap();
        scene.answer("Ada").expect(Status::Error);
        // A variable of the running program has another name in version 2. Version 3 is right.
        scene.load(&mended("names", "people"));
        scene.load(&format!("function added() {{ return 1; }}{}", mended("second?", "Who is second?")));
        let scene = if cold { scene.cold() } else { scene };
        let retry = |version| Retry { program_version: Some(version), ..Retry::new("run") };
        let before = scene.dump();
        assert_eq!(error_code(block_on(scene.cvm().retry_with(&retry(2)))), codes::VERSION_MISMATCH);
        assert_eq!(error_code(block_on(scene.cvm().retry_with(&retry(9)))), ErrorCode::NOT_FOUND);
        assert_eq!(before, scene.dump());
        assert_eq!(block_on(scene.cvm().retry_with(&retry(3))).unwrap().status, Status::WaitingCc);
        let mut scene = if cold { scene.cold() } else { scene };
        scene.answer("Bob").expect(Status::Complete).expect_output(["Ada,Bob 5"]);
        assert_eq!(scene.head("programVersion"), json!(3));
    }
}

#[test]
fn an_async_function_that_threw_continues_in_a_mended_version() {
    let source =
        |body: &str| format!("async function main() {{ const r = {{ receipt: await CC('which?') }}; {body} }}");
    let retry = |version| Retry { program_version: Some(version), ..Retry::new("run") };
    for cold in [false, true] {
        let mut scene = Scene::new();
        scene.load(&source("console.log(r.recept.toUpperCase());"));
        scene.start(Json::Null).unwrap();
        scene.answer("abc").expect(Status::Error);
        // Its own version fails again, at the same instruction.
        assert_eq!(block_on(scene.cvm().retry_with(&retry(1))).unwrap().status, Status::Error);
        scene.load(&source("console.log(r.receipt.toUpperCase());"));
        let scene = if cold { scene.cold() } else { scene };
        assert_eq!(block_on(scene.cvm().retry_with(&retry(2))).unwrap().status, Status::Complete);
        assert_eq!(block_on(scene.cvm().show("run")).unwrap().output, ["ABC"]);
    }
}

#[test]
fn an_error_that_was_thrown_before_is_refused_with_what_to_do() {
    let source = |member: &str| {
        format!("const r = {{ receipt: CC('which?') }}; try {{ r.{member}.x.y; }} finally {{ console.log('end'); }}")
    };
    let mut scene = Scene::new();
    scene.load(&source("recept"));
    scene.start(Json::Null).unwrap();
    scene.answer("abc").expect(Status::Error);
    scene.load(&source("receipt"));
    let retry = Retry { program_version: Some(2), ..Retry::new("run") };
    let before = scene.dump();
    let error = block_on(scene.cvm().retry_with(&retry)).unwrap_err();
    assert_eq!(error.code, codes::VERSION_MISMATCH);
    assert!(error.message.contains("answersFrom"), "{}", error.message);
    assert_eq!(before, scene.dump());
}

#[test]
fn only_a_failed_execution_continues_in_another_version() {
    let retry = |version| Retry { program_version: Some(version), ..Retry::new("run") };
    let mut scene = Scene::new();
    scene.load(r#"const name = CC("name?"); console.log(name.first.last);"#);
    scene.start(Json::Null).unwrap();
    scene.load(r#"const name = CC("name?"); console.log(name);"#);
    let before = scene.dump();
    assert_eq!(error_code(block_on(scene.cvm().retry_with(&retry(2)))), ErrorCode::ILLEGAL_TRANSITION);
    assert_eq!(before, scene.dump());
    scene.answer("Ada").expect(Status::Error);
    // Its own version is the same as none.
    assert_eq!(block_on(scene.cvm().retry_with(&retry(1))).unwrap().status, Status::Error);
    assert_eq!(block_on(scene.cvm().retry_with(&retry(2))).unwrap().status, Status::Complete);
    scene.expect_output(["Ada"]);
}

#[test]
fn recorded_answers_are_given_to_the_next_version() {
    for cold in [false, true] {
        let mut scene = Scene::new();
        let asks = r#"const a = CC("one?"), b = CC("two?", { key: "k" }); sleep(1000); const c = CC("three?");"#;
        scene.load(&format!("{asks} null.x;"));
        scene.start(Json::Null).unwrap();
        scene.answer("1").answer(json!({"n": 2}));
        scene.advance(Millis::seconds(1));
        scene.answer("3").expect(Status::Error);
        // A call is added, one is asked in other words, and all but it get their answers, the timer too.
        scene.load(&format!(
            r#"const added = CC("added?"); {} const d = CC("four?"); console.log(a, JSON.stringify(b), c, d, added);"#,
            asks.replace("two?", "What is two?")
        ));
        let other = Start { answers_from: Some("run".to_owned()), ..Start::new("program").id("again") };
        let scene = if cold { scene.cold() } else { scene };
        block_on(scene.cvm().start(&other)).unwrap();
        let open = |scene: &Scene| block_on(scene.cvm().show("again")).unwrap().calls;
        assert_eq!(open(&scene)[0].prompt, "added?");
        let mut scene = if cold { scene.cold() } else { scene };
        block_on(scene.cvm().answer("again", "5")).unwrap();
        assert_eq!(open(&scene)[0].prompt, "four?");
        block_on(scene.cvm().answer("again", "4")).unwrap();
        let output = block_on(scene.cvm().show("again")).unwrap().output;
        assert_eq!(output, [r#"1 {"n":2} 3 4 5"#]);
        scene.load("CC('?')");
    }
}

#[test]
fn many_recorded_answers_are_read_in_bounded_parts() {
    let sources = ["CC(`${i % 7}?`)", "CC(`${i % 7}?`, { key: `k${i}` })"];
    for source in sources.map(|ask| format!("for (let i = 0; i < 300; i++) console.log({ask});")) {
        let mut scene = Scene::program(&source);
        for number in 0..300 {
            scene.answer(number.to_string());
        }
        scene.expect(Status::Complete);
        let other = Start { answers_from: Some("run".to_owned()), ..Start::new("program").id("again") };
        assert_eq!(block_on(scene.cvm().start(&other)).unwrap().status, Status::Complete);
        let digest = |id: &str| scene.dump()[&format!("cvm.executions/{id}")].1["outputDigest"].clone();
        assert_eq!(digest("run"), digest("again"));
    }
}

#[test]
fn answers_of_another_program_are_refused() {
    let scene = Scene::program("CC('?')");
    let load = |scene: &Scene| {
        block_on(
            scene.cvm().load(&runstate::domain::cvm::compile_source("other", "CC('?')", Default::default()).unwrap()),
        )
    };
    load(&scene).unwrap();
    let start = |from: &str| Start { answers_from: Some(from.to_owned()), ..Start::new("other").id("again") };
    assert_eq!(error_code(block_on(scene.cvm().start(&start("run")))), ErrorCode::INVALID);
    assert_eq!(error_code(block_on(scene.cvm().start(&start("missing")))), ErrorCode::NOT_FOUND);
}

#[test]
fn deleting_removes_every_row_and_frees_the_id() {
    let mut scene = Scene::program(ASKS);
    assert_eq!(error_code(block_on(scene.cvm().delete("run"))), ErrorCode::ILLEGAL_TRANSITION);
    scene.answer("1").answer("2").expect(Status::Complete);
    block_on(scene.cvm().delete("run")).unwrap();
    for collection in ["executions", "outputs", "heap_pages", "cc_history", "execution_logs", "history"] {
        assert_eq!(scene.row_count(collection), 0, "{collection}");
    }
    assert_eq!(error_code(block_on(scene.cvm().show("run"))), ErrorCode::NOT_FOUND);
    scene.start(Json::Null).unwrap();
    scene.expect(Status::WaitingCc).expect_output([]);
}

#[test]
fn an_execution_with_many_rows_is_deleted_in_bounded_batches() {
    let mut scene = Scene::program("for (let i = 0; i < 700; i++) CC(`${i}?`);");
    for _ in 0..700 {
        scene.answer("x");
    }
    scene.expect(Status::Complete);
    block_on(scene.cvm().delete("run")).unwrap();
    assert_eq!(
        (scene.row_count("cc_history"), scene.row_count("execution_logs"), scene.row_count("executions")),
        (0, 0, 0)
    );
}

#[test]
fn endless_program_fails_with_an_error_that_names_the_limit() {
    let settings = Settings { execution_instructions: 300_000, ..Settings::default() };
    let cases = [
        ("while (true) {}", "instructions"),
        ("function f() { return f() + 1; } f();", "call depth"),
        ("let s = \"x\"; while (true) s = s.repeat(1000);", "string"),
        ("try { while (true) {} } catch (e) { console.log(\"caught\"); }", "instructions"),
    ];
    for (source, named) in cases {
        let mut scene = Scene::with_store(std::sync::Arc::new(Memory::new()), settings.clone());
        scene.load(source);
        scene.start(Json::Null).unwrap();
        scene.expect(Status::Error).expect_output([]);
        let error = scene.show().error.unwrap();
        assert!(error.message.contains(named), "{source}: {error:?}");
    }
}

#[test]
fn late_row_deletion_does_not_touch_a_new_execution_of_the_id() {
    use runstate::domain::cvm::{Delete, DeleteRows};

    let mut scene = Scene::program(ASKS);
    scene.answer("1").answer("2");
    let deletion = scene.execute_part(&Delete::new("run"));
    // Another process finishes the deletion, and the id is used again.
    block_on(scene.cvm().delete("run")).unwrap();
    scene.start(Json::Null).unwrap();
    scene.answer("1").answer("2").expect(Status::Complete);
    let rows = DeleteRows::new(&deletion.id, deletion.incarnation);
    assert!(scene.execute_part(&rows).done);
    scene.expect(Status::Complete).expect_output(["1", "2"]);
}

#[test]
fn repeats_after_deletion_still_get_the_first_result() {
    let mut scene = Scene::program(ASKS);
    let id = scene.next_command_id();
    let first = block_on(scene.cvm().with_id(&id).answer("run", "a")).unwrap();
    scene.answer("b");
    let deletion = scene.next_command_id();
    block_on(scene.cvm().with_id(&deletion).delete("run")).unwrap();
    block_on(scene.cvm().with_id(&deletion).delete("run")).unwrap();
    assert_eq!(block_on(scene.cvm().with_id(&id).answer("run", "a")).unwrap(), first);
}

#[test]
fn command_without_effect_is_recorded_in_the_ledger() {
    let mut scene = Scene::program(ASKS);
    let second = scene.next_command_id();
    block_on(scene.cvm().pause("run")).unwrap();
    block_on(scene.cvm().with_id(&second).pause("run")).unwrap();
    block_on(scene.cvm().unpause("run")).unwrap();
    // The repeat is recognized, and does not pause again.
    assert_eq!(block_on(scene.cvm().with_id(&second).pause("run")).unwrap().status, Status::Paused);
    scene.expect(Status::WaitingCc);
}
