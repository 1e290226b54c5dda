//! Signals: a program cancels its own open calls. Such a call is closed, and its execution continues.

use runstate::client::Answer;
use runstate::decision::Command as _;
use runstate::domain::cvm::{AnswerCall, Settings, Status, codes};
use runstate::error_code::ErrorCode;
use runstate::store::Memory;
use runstate::testing::block_on;
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use crate::cvm::scene::{Scene, error_code};
use crate::cvm::scene::{prompts, test_warm_and_cold};

const LEASE: Millis = Millis::seconds(30);

/// Two calls have one signal. The answer to the third call aborts it.
const SHARED: &str = r#"
    const c = new AbortController();
    const ask = async (prompt, signal) => { try { return await CC(prompt, { signal }); } catch (e) { return `${e.name}: ${e.message}`; } };
    const asked = [ask("one?", c.signal), ask("two?", c.signal)];
    if ((await CC("abort?")) === "yes") c.abort();
    console.log(await Promise.all(asked));
    console.log(CC("end?"));
"#;

fn outcomes(scene: &Scene) -> Vec<Json> {
    let rows = scene.dump().into_iter().filter(|(key, _)| key.starts_with("cvm.cc_history/"));
    let mut rows: Vec<Json> = rows.map(|(_, (_, row))| row).collect();
    rows.sort_by_key(|row| row["step"].as_u64());
    rows.into_iter().map(|row| row.get("outcome").cloned().unwrap_or_default()).collect()
}

#[test]
fn an_aborted_signal_cancels_its_calls_before_their_answers() {
    test_warm_and_cold(SHARED, |mut scene| {
        let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.id).collect();
        scene.answer_call(3, "yes").expect(Status::WaitingCc);
        scene.expect_output([
            "[\n  'AbortError: This operation was aborted',\n  'AbortError: This operation was aborted'\n]",
        ]);
        assert_eq!(prompts(&scene), ["end?"]);
        assert_eq!(outcomes(&scene), [json!("cancelled"), json!("cancelled"), json!("answered"), Json::Null]);
        let before = scene.dump();
        for call in &calls {
            let late = block_on(scene.cvm().answer("run", Answer::to_call(call).value(json!("late"))));
            assert_eq!(error_code(late), codes::ALREADY_ANSWERED);
        }
        assert_eq!(before, scene.dump());
        scene.check();
        scene.answer("done").expect(Status::Complete).check();
    });
}

#[test]
fn an_answer_that_comes_before_the_abort_is_kept() {
    test_warm_and_cold(SHARED, |mut scene| {
        scene.answer_call(2, "two").answer_call(3, "yes").expect(Status::WaitingCc);
        scene.expect_output(["[ 'AbortError: This operation was aborted', 'two' ]"]).check();
        assert_eq!(outcomes(&scene)[..3], [json!("cancelled"), json!("answered"), json!("answered")]);
    });
}

#[test]
fn a_worker_that_answers_a_cancelled_call_is_refused() {
    test_warm_and_cold(SHARED, |mut scene| {
        let claim = || block_on(scene.cvm().claim(&["cc".to_owned()], "worker", LEASE)).unwrap().unwrap();
        let claims = [claim(), claim(), claim()];
        let work = claims.iter().find(|work| work.call.prompt == "one?").unwrap();
        scene.answer_call(3, "yes").expect(Status::WaitingCc);
        assert_eq!(error_code(block_on(scene.cvm().heartbeat(&work.claimed, LEASE))), ErrorCode::STALE_CLAIM);
        assert_eq!(error_code(block_on(scene.cvm().complete(&work.claimed, "late"))), codes::ALREADY_ANSWERED);
        assert_eq!(prompts(&scene), ["end?"]);
        scene.check();
    });
}

#[test]
fn a_call_that_is_cancelled_in_its_own_turn_is_never_written() {
    let source = r#"
        const c = new AbortController();
        const ask = async (signal) => { try { return await call("tool", {}, { signal }); } catch (e) { return e.name; } };
        const asked = ask(c.signal);
        c.abort();
        console.log(await asked, await ask(c.signal));
        console.log(await CC("q?", { signal: new AbortController().signal }));"#;
    test_warm_and_cold(source, |mut scene| {
        assert_eq!((prompts(&scene), outcomes(&scene)), (vec!["q?".to_owned()], vec![Json::Null]));
        scene.answer("a").expect(Status::Complete).expect_output(["AbortError AbortError", "a"]).check();
    });
}

#[test]
fn the_timeout_of_a_signal_cancels_a_call_and_needs_no_end() {
    let source = r#"
        const ask = async (ms) => { try { return await CC("q?", { signal: AbortSignal.timeout(ms) }); } catch (e) { return `${e.name}: ${e.message}`; } };
        console.log(await ask(5000)); console.log(await ask(60000));"#;
    test_warm_and_cold(source, |mut scene| {
        let start = scene.head("started").as_i64().unwrap();
        assert_eq!((scene.head("wakeAt"), scene.head("ccWaiting.openCalls")), (json!(start + 5_000), json!(2)));
        scene.advance(Millis(5_000));
        scene.expect(Status::WaitingCc).expect_output(["TimeoutError: The operation was aborted due to timeout"]);
        let call = scene.show().calls.iter().find(|call| call.prompt == "q?").unwrap().step.unwrap();
        scene.answer_call(call, "in time").expect(Status::Complete).check();
        assert_eq!(outcomes(&scene), [json!("defaulted"), json!("cancelled"), json!("cancelled"), json!("answered")]);
    });
}

#[test]
fn a_group_is_cancelled_by_the_signal_of_all_its_questions() {
    let source = r#"
        const c = new AbortController();
        setTimeout(() => c.abort("too late"), 1000);
        try { await CC.all(["a?", "b?"].map((prompt) => ({ prompt, signal: c.signal }))); } catch (e) { console.log(e); }"#;
    test_warm_and_cold(source, |mut scene| {
        scene.answer_call(2, "B").expect(Status::WaitingCc);
        scene.advance(Millis(1_000));
        scene.expect(Status::Complete).expect_output(["too late"]).check();
    });
}

#[test]
fn a_call_is_closed_by_the_slice_that_cancels_it() {
    let source = r#"
        const c = new AbortController();
        const asked = (async () => { try { return await CC("q?", { signal: c.signal }); } catch (e) { return e.name; } })();
        await CC("abort?"); c.abort();
        for (let i = 0; i < 5000; i++);
        console.log(await asked);"#;
    let settings = Settings { slice_instructions: 2_000, ..Settings::default() };
    let mut scene = Scene::with_store(std::sync::Arc::new(Memory::new()), settings);
    scene.load(source);
    scene.start(Json::Null).unwrap();
    let calls = scene.show().calls;
    let answer = |at: usize| AnswerCall {
        id: "run".to_owned(),
        call: Some(calls[at].id.clone()),
        answer: json!("x"),
        ..AnswerCall::default()
    };
    assert!(answer(0).check().is_ok());
    scene.execute_part(&answer(1));
    scene.expect(Status::Running);
    assert_eq!(outcomes(&scene), [json!("cancelled"), json!("answered")]);
    let late = block_on(scene.cvm().answer("run", Answer::to_call(&calls[0].id).value(json!("late"))));
    assert!(late.is_err());
    while scene.show().status == Status::Running {
        block_on(scene.cvm().resume("run")).unwrap();
    }
    scene.expect(Status::Complete).expect_output(["AbortError"]).check();
}
