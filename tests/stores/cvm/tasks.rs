//! Programs with tasks: each awaited call is closed on its own, and its task continues, whatever the other calls do.

use runstate::client::{Answer, Cvm};
use runstate::domain::cvm::codes;
use runstate::domain::cvm::{AnswerCall, Fail, Settings, Status};
use runstate::error_code::ErrorCode;
use runstate::store::Memory;
use runstate::testing::{SimIds, block_on};
use runstate::time::Millis;
use serde_json::json;

use crate::cvm::scene::{Scene, error_code, is_full_run};
use crate::cvm::scene::{prompts, test_warm_and_cold};

const FAN_OUT: &str = r#"
    const ask = async (name) => { const first = await CC(name + "?"); console.log(name, first); return first + (await CC(name + " again?")); };
    async function main() { const all = await Promise.all(["a", "b", "c"].map(ask)); console.log(all.join()); return all.length; }
"#;

#[test]
fn each_answer_continues_its_own_task() {
    test_warm_and_cold(FAN_OUT, |mut scene| {
        assert_eq!(prompts(&scene), ["a?", "b?", "c?"]);
        assert_eq!((scene.head("ccWaiting.openCalls"), scene.head("ccWaiting.prompt")), (json!(3), json!("a?")));
        assert_eq!(error_code(scene.try_answer("which?")), codes::AMBIGUOUS_CALL);
        let second = scene.show().calls[1].id.clone();
        scene.answer_call(2, "B").expect(Status::WaitingCc).expect_output(["b B"]);
        assert_eq!(prompts(&scene), ["a?", "c?", "b again?"]);
        let twice = block_on(scene.cvm().answer("run", Answer::to_call(&second).value(json!("twice"))));
        assert_eq!(error_code(twice), codes::ALREADY_ANSWERED);
        scene.answer_call(1, "A").answer_call(5, "1");
        assert_eq!(
            (prompts(&scene), scene.head("ccWaiting.prompt")),
            (vec!["c?".to_owned(), "b again?".to_owned()], json!("c?"))
        );
        scene.answer_call(4, "2").answer_call(3, "C").answer(json!("3"));
        scene.expect(Status::Complete).expect_output(["b B", "a A", "c C", "A1,B2,C3"]);
        assert_eq!((scene.show().metrics.cc_calls_count, scene.show().result), (6, json!(3)));
        scene.check();
    });
}

#[test]
fn open_calls_name_the_functions_that_await_them() {
    test_warm_and_cold(FAN_OUT, |mut scene| {
        let shown = |scene: &Scene| scene.show().calls.into_iter().map(|call| call.stack).collect::<Vec<_>>();
        let outer = |index| {
            [
                format!("at async Promise.all (index {index})"),
                "at async main (3:41)".to_owned(),
                "at async <program> (3:5)".to_owned(),
            ]
        };
        let awaited = |column: u32, index| [vec![format!("at async ask (2:{column})")], outer(index).to_vec()].concat();
        assert_eq!(shown(&scene), [awaited(49, 0), awaited(49, 1), awaited(49, 2)]);
        scene.answer_call(2, "B");
        assert_eq!(shown(&scene), [awaited(49, 0), awaited(49, 2), awaited(113, 1)]);
    });
    let scene = Scene::program(r#"console.log(CC("blocks?"))"#);
    assert_eq!(scene.show().calls[0].stack, Vec::<String>::new());
}

#[test]
fn answers_during_a_pause_are_used_after_it() {
    test_warm_and_cold(FAN_OUT, |mut scene| {
        block_on(scene.cvm().pause("run")).unwrap();
        scene.answer_call(3, "C").expect(Status::Paused).expect_output([]);
        assert_eq!(prompts(&scene), ["a?", "b?"]);
        assert_eq!(error_code(scene.try_answer("which?")), codes::AMBIGUOUS_CALL);
        // The only one that is open needs no name.
        scene.answer_call(1, "A").answer("B").expect(Status::Paused);
        scene.check();
        block_on(scene.cvm().unpause("run")).unwrap();
        scene.expect(Status::WaitingCc).expect_output(["c C", "a A", "b B"]);
        assert_eq!(prompts(&scene), ["c again?", "a again?", "b again?"]);
        block_on(scene.cvm().pause("run")).unwrap();
        block_on(scene.cvm().unpause("run")).unwrap();
        scene.answer_call(5, "1").answer_call(4, "3").answer_call(6, "2").expect(Status::Complete);
    });
}

#[test]
fn answers_to_a_group_are_taken_while_the_program_runs_and_during_a_pause() {
    let source = r#"
        const group = async () => console.log(await CC.all(["a?", "b?", "c?"]));
        const task = group();
        await CC("go?");
        for (let i = 0; i < 20000; i++);
        console.log("counted");
        await task;"#;
    let settings = Settings { slice_instructions: 10_000, ..Settings::default() };
    let answer = |scene: &Scene, at: usize| {
        let call = Some(scene.show().calls[at].id.clone());
        AnswerCall { id: "run".to_owned(), call, answer: json!(at), ..AnswerCall::default() }
    };
    for is_cold in [false, true] {
        let mut scene = Scene::with_store(std::sync::Arc::new(Memory::new()), settings.clone());
        scene.load(source);
        scene.start(json!(null)).unwrap();
        scene = if is_cold { scene.cold() } else { scene };
        let go = answer(&scene, 3);
        scene.execute_part(&go);
        scene.expect(Status::Running).check();
        assert_eq!((prompts(&scene).len(), scene.head("state.open.ccWaiting.openCalls")), (3, json!(3)));
        let second = answer(&scene, 1);
        scene.execute_part(&second);
        scene.expect(Status::Running).check();
        block_on(scene.cvm().pause("run")).unwrap();
        let first = answer(&scene, 0);
        scene.execute_part(&first);
        scene.expect(Status::Paused).check();
        assert_eq!(prompts(&scene), ["c?"]);
        // The only one that is open needs no name.
        block_on(scene.cvm().unpause("run")).unwrap();
        scene.answer("C").expect(Status::Complete).expect_output(["counted", "[ 0, 1, 'C' ]"]).check();
    }
}

#[test]
fn deadlines_and_timers_of_tasks_pass_on_their_own() {
    let source = r#"
        const late = async () => { try { return await CC("late?", { timeoutMs: 5000 }); } catch (e) { return e.name; } };
        const rest = async () => { await sleep(3000); console.log("rested"); return await CC("default?", { timeoutMs: 4000, default: "none" }); };
        const asked = async () => { const answer = await CC("asked?"); console.log("asked", answer); return answer; };
        console.log(await Promise.all([late(), rest(), asked()]));"#;
    test_warm_and_cold(source, |mut scene| {
        let start = scene.head("started").as_i64().unwrap();
        assert_eq!((scene.head("wakeAt"), scene.head("ccWaiting.openCalls")), (json!(start + 3_000), json!(3)));
        scene.advance(Millis(3_000));
        scene.expect_output(["rested"]);
        assert_eq!((scene.head("wakeAt"), scene.head("ccWaiting.openCalls")), (json!(start + 5_000), json!(3)));
        scene.advance(Millis(2_500));
        assert_eq!(
            (scene.head("wakeAt"), prompts(&scene)),
            (json!(start + 7_000), vec!["asked?".to_owned(), "default?".to_owned()])
        );
        scene.advance(Millis(10_000));
        assert_eq!((scene.head("wakeAt"), prompts(&scene)), (json!(null), vec!["asked?".to_owned()]));
        scene.answer("yes").expect(Status::Complete).expect_output([
            "rested",
            "asked yes",
            "[ 'TimeoutError', 'none', 'yes' ]",
        ]);
        scene.check();
    });
}

#[test]
fn an_answer_without_a_name_is_never_for_a_timer() {
    let source = r#"
        const wait = async (ms) => { await sleep(ms); return "nothing"; };
        console.log(await Promise.race([wait(9000), CC("quick?")]));
        console.log(await Promise.race([wait(1000), wait(2000)]));"#;
    test_warm_and_cold(source, |mut scene| {
        assert_eq!((scene.head("ccWaiting.openCalls"), scene.head("ccWaiting.prompt")), (json!(2), json!("quick?")));
        scene.answer("yes").expect_output(["yes"]);
        assert_eq!(error_code(scene.try_answer("which?")), codes::INVALID_ANSWER);
        scene.advance(Millis(1_000));
        // Nothing waits for the timers that have lost.
        scene.expect(Status::Complete).expect_output(["yes", "nothing"]).check();
    });
}

#[test]
fn an_answer_without_a_name_is_never_for_a_tool() {
    let source = r#"
        const a = CC("ok?", { choices: ["yes", "no"] });
        const r = call("charge", { a });
        console.log(a, r);"#;
    test_warm_and_cold(source, |mut scene| {
        scene.answer("yes").expect(Status::WaitingCc);
        let before = scene.dump();
        let again = block_on(scene.cvm().answer("run", "yes")).unwrap_err();
        let charge = scene.show().calls[0].id.clone();
        assert_eq!((again.code, &again.details["call"]), (ErrorCode::ILLEGAL_TRANSITION, &json!(charge)));
        assert!(again.message.contains("the call of charge") && again.message.contains("--call"), "{again}");
        assert_eq!(before, scene.dump());
        let receipt = Answer::to_call(&charge).value("receipt");
        assert_eq!(block_on(scene.cvm().answer("run", receipt)).unwrap().status, Status::Complete);
        scene.expect_output(["yes receipt"]).check();
    });
}

#[test]
fn a_late_answer_to_a_defaulted_question_is_not_for_the_tool_after_it() {
    let source = r#"console.log(CC("ok?", { timeoutMs: 1000, default: "no" }), call("charge"));"#;
    test_warm_and_cold(source, |mut scene| {
        scene.advance(Millis(1_000));
        let late = block_on(scene.cvm().answer("run", "yes"));
        assert_eq!(error_code(late), ErrorCode::ILLEGAL_TRANSITION);
        scene.answer("receipt").expect(Status::Complete).expect_output(["no receipt"]).check();
    });
}

#[test]
fn an_answer_without_a_name_is_for_the_only_question_among_tools() {
    let source = r#"
        const tool = async (name) => await call(name);
        const asked = async () => [await CC("a?"), await CC("b?")].join();
        console.log(await Promise.all([tool("x"), asked(), tool("y")]));"#;
    test_warm_and_cold(source, |mut scene| {
        scene.answer("A").expect(Status::WaitingCc);
        // The process has seen the next question when it wrote the first answer.
        scene.answer("B").expect(Status::WaitingCc);
        assert_eq!(scene.show().calls.iter().map(|call| call.kind.as_str()).collect::<Vec<_>>(), ["x", "y"]);
        let none = block_on(scene.cvm().answer("run", "C"));
        assert_eq!(error_code(none), ErrorCode::ILLEGAL_TRANSITION);
        scene.answer_call(1, "X").answer_call(3, "Y");
        scene.expect(Status::Complete).expect_output(["[ 'X', 'A,B', 'Y' ]"]).check();
    });
}

#[test]
fn an_answer_without_a_name_is_not_for_a_question_that_its_process_has_not_seen() {
    let source = r#"
        const tool = async () => await call("x");
        const asked = async () => [await CC("a?"), await CC("b?")].join();
        console.log(await Promise.all([tool(), asked()]));"#;
    let mut scene = Scene::program(source);
    let other = Cvm::new(&scene.cold_engine());
    block_on(other.pause("run")).unwrap();
    block_on(other.unpause("run")).unwrap();
    scene.answer("A").expect(Status::WaitingCc);
    assert_eq!(error_code(block_on(other.answer("run", "A"))), ErrorCode::STALE);
    // It has read the execution again.
    block_on(other.answer("run", "B")).unwrap();
    scene.answer("X").expect(Status::Complete).expect_output(["[ 'X', 'A,B' ]"]).check();
}

#[test]
fn call_that_lost_a_race_is_cancelled_when_the_program_ends() {
    let source = r#"
        const ask = async () => await CC("q"), slow = async () => await call("slow");
        const timer = (ms) => new Promise((resolve) => setTimeout(resolve, ms, "late"));
        async function main() { return await Promise.race([ask(), timer(3600000), slow()]); }"#;
    test_warm_and_cold(source, |mut scene| {
        scene.answer_call(1, "yes").expect(Status::Complete);
        assert_eq!((scene.show().result, scene.show().calls.len()), (json!("yes"), 0));
        scene.check();
    });
    test_warm_and_cold(source, |mut scene| {
        scene.advance(Millis(3_600_000));
        scene.expect(Status::Complete).check();
    });
}

#[test]
fn overdue_timers_pass_in_the_order_of_their_times() {
    let source = r#"
        const after = async (ms) => { await sleep(ms); return ms; };
        const asked = async (ms) => { try { await CC("q", { timeoutMs: ms }); } catch { console.log("late", ms); } };
        async function main() {
            await Promise.all([asked(800), asked(200)]);
            for (const ms of [900, 300, 600, 301]) setTimeout(() => console.log("timer", ms), ms);
            console.log("first", await Promise.race([after(700), after(400)]));
        }"#;
    test_warm_and_cold(source, |mut scene| {
        scene.advance(Millis(2_000));
        scene.expect_output(["late 200", "late 800"]);
        scene.advance(Millis(2_000));
        scene.expect(Status::Complete);
        let mut lines = scene.show().output;
        assert!(lines.contains(&"first 400".to_owned()), "{lines:?}");
        lines.retain(|line| line.starts_with("timer"));
        assert_eq!(lines, ["timer 300", "timer 301", "timer 600", "timer 900"]);
        scene.check();
    });
}

#[test]
fn a_failed_program_closes_its_open_calls_and_a_retry_opens_them() {
    let source = r#"
        const other = async () => console.log("other", await CC("other?"));
        async function main() { const task = other(); if ((await CC("fail?")) === "yes") throw new RangeError("failed"); await task; }"#;
    test_warm_and_cold(source, |mut scene| {
        let other = scene.show().calls[0].id.clone();
        scene.answer_call(2, "yes").expect(Status::Error);
        scene.check();
        let refused = block_on(scene.cvm().answer("run", Answer::to_call(&other).value(json!("late"))));
        assert_eq!(error_code(refused), ErrorCode::ILLEGAL_TRANSITION);
        block_on(scene.cvm().retry("run")).unwrap();
        scene.expect(Status::Error).check();
    });
}

#[test]
fn retry_makes_the_call_again_that_failed_in_a_task() {
    let fail_first = |scene: &Scene| {
        let work = block_on(scene.cvm().claim(&["cc".to_owned()], "worker", Millis::seconds(30))).unwrap().unwrap();
        let (execution, call, token) = (work.claimed.execution, work.claimed.call, work.claimed.token);
        let failed = Fail { execution, call, token, message: "no".to_owned(), ..Fail::default() };
        block_on(scene.cvm().fail(&failed)).unwrap();
    };
    let single = "async function main() { console.log(await CC(\"a?\")); }";
    test_warm_and_cold(single, |mut scene| {
        fail_first(&scene);
        scene.expect(Status::Error).check();
        block_on(scene.cvm().retry("run")).unwrap();
        scene.expect(Status::WaitingCc).check();
        scene.answer_call(2, "A").expect(Status::Complete).expect_output(["A"]).check();
    });
    test_warm_and_cold(FAN_OUT, |mut scene| {
        scene.answer_call(2, "B");
        fail_first(&scene);
        scene.expect(Status::Error).check();
        block_on(scene.cvm().retry("run")).unwrap();
        scene.expect(Status::WaitingCc).check();
        assert_eq!(prompts(&scene), ["c?", "b again?", "a?"]);
        for (step, answer) in [(5, "A"), (3, "C"), (4, "2"), (6, "1"), (7, "3")] {
            scene.answer_call(step, answer);
        }
        scene.expect(Status::Complete).expect_output(["b B", "a A", "c C", "A1,B2,C3"]).check();
    });
}

#[test]
fn cancelling_closes_all_calls_of_tasks() {
    test_warm_and_cold(FAN_OUT, |mut scene| {
        let first = scene.show().calls[0].id.clone();
        scene.answer_call(2, "B");
        block_on(scene.cvm().cancel("run")).unwrap();
        scene.expect(Status::Cancelled).check();
        assert!(scene.show().calls.is_empty());
        let late = block_on(scene.cvm().answer("run", Answer::to_call(&first).value(json!("late"))));
        assert_eq!(error_code(late), ErrorCode::ILLEGAL_TRANSITION);
    });
}

#[test]
fn early_answers_and_refused_requests_continue_their_tasks_at_once() {
    let source = r#"
        const keyed = async (n) => { try { return await CC("k" + n, { key: "k", choices: ["x", "y"] }); } catch (e) { return e.name; } };
        const refused = async () => { try { return await CC("?", { choices: Array.of() }); } catch (e) { return e.name + ": " + e.message; } };
        console.log(await CC("begin?")); console.log(await Promise.all([keyed(1), refused(), keyed(2)]));"#;
    test_warm_and_cold(source, |mut scene| {
        scene.try_answer_key("k", "x").unwrap();
        scene.answer("go").expect(Status::WaitingCc);
        assert_eq!(prompts(&scene), ["k2"]);
        scene.answer("y").expect(Status::Complete);
        scene.expect_output(["go", "[ 'x', 'TypeError: CC: choices may not be empty', 'y' ]"]).check();
    });
}

#[test]
fn calls_of_the_slice_in_which_the_program_fails_are_closed() {
    let source = r#"
        const ask = async (options) => await CC("asked?", options);
        await Promise.all([ask(), ask({ key: "k", choices: ["x"] }), ask({ choices: Array.of() })]);"#;
    let mut scene = Scene::program(source);
    scene.expect(Status::Error).check();
    let source = format!(r#"console.log(CC("begin?")); {source}"#);
    test_warm_and_cold(&source, |mut scene| {
        // It does not fit the question, which therefore stays open.
        scene.try_answer_key("k", "not a choice").unwrap();
        scene.answer("go").expect(Status::Error).check();
        block_on(scene.cvm().retry("run")).unwrap();
        scene.expect(Status::Error).check();
    });
}

#[test]
fn cleared_timers_are_closed_whatever_the_program_does_next() {
    let source = r#"
        const timer = setTimeout(() => console.log("never"), 60000);
        const answer = await CC("answer?");
        clearTimeout(timer);
        if (answer === "fail") throw new RangeError("failed");
        if (answer === "ask") console.log(CC("more?"));
        const quick = setTimeout(() => console.log("never"), 60000);
        try { await CC("refused", { choices: Array.of() }); } catch { clearTimeout(quick); }"#;
    test_warm_and_cold(source, |mut scene| {
        scene.answer_call(2, "end").expect(Status::Complete).expect_output([]).check();
    });
    test_warm_and_cold(source, |mut scene| {
        scene.answer_call(2, "fail").expect(Status::Error).check();
    });
    test_warm_and_cold(source, |mut scene| {
        scene.answer_call(2, "ask").expect(Status::WaitingCc).check();
        assert_eq!(prompts(&scene), ["more?"]);
        scene.answer("m").expect(Status::Complete).expect_output(["m"]).check();
    });
}

#[test]
fn a_blocking_call_waits_while_tasks_are_answered() {
    let source = r#"
        const task = (async () => { const answer = await CC("task?"); console.log("task", answer); return answer; })();
        console.log("blocked", CC("blocking?")); console.log(await task);"#;
    test_warm_and_cold(source, |mut scene| {
        assert_eq!(prompts(&scene), ["task?", "blocking?"]);
        scene.answer_call(1, "T").expect_output([]);
        scene.answer("B").expect(Status::Complete).expect_output(["blocked B", "task T", "T"]).check();
    });
}

#[test]
fn a_hundred_tasks_are_answered_in_random_orders_with_the_same_result() {
    let calls = if is_full_run() { 10 } else { 2 };
    let source = r#"
        const work = async (n) => { let sum = 0; for (let i = 0; i < CALLS; i++) { sum += Number(await CC(`${n} ${i}`)); if (i % 3 === 0) await null; } return sum; };
        async function main() { const sums = await Promise.all(Array.from({ length: 100 }, (_, n) => work(n))); return sums.join(); }"#
        .replace("CALLS", &calls.to_string());
    let expected: Vec<String> = (0..100).map(|n| (0..calls).map(|i| n * 100 + i).sum::<u64>().to_string()).collect();
    for seed in 0..2 {
        let ids = SimIds::new(seed);
        let mut scene = Scene::program(&source);
        if seed == 1 {
            scene = scene.cold();
        }
        for _ in 0..100 * calls {
            let open = scene.show().calls;
            let call = &open[ids.below(open.len())];
            let (n, i) = call.prompt.split_once(' ').unwrap();
            let value = n.parse::<u64>().unwrap() * 100 + i.parse::<u64>().unwrap();
            block_on(scene.cvm().answer("run", Answer::to_call(&call.id).value(json!(value.to_string())))).unwrap();
        }
        scene.expect(Status::Complete).check();
        assert_eq!(scene.show().result, json!(expected.join(",")));
    }
}
