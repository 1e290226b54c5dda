//! A graceful cancel: the program gets a `CancelledError` from its open calls, and cleans up until the deadline.

use std::sync::Arc;

use runstate::client::Answer;
use runstate::domain::cvm::{Cancel, EXECUTIONS, Settings, Start, Status, codes};
use runstate::engine::RunLimit;
use runstate::error_code::ErrorCode;
use runstate::store::Memory;
use runstate::testing::block_on;
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use crate::cvm::scene::{Scene, error_code, prompts, test_warm_and_cold};

const MINUTE: Millis = Millis::minutes(1);

/// Asks, and undoes its work whatever becomes of it.
const UNDOES: &str = r#"try { CC("work?"); console.log("worked") } finally { console.log(CC("undo?")) }"#;

fn cancel(scene: &mut Scene, cancel: &Cancel) -> Status {
    let id = scene.next_command_id();
    block_on(scene.cvm().with_id(&id).cancel_with(cancel)).unwrap().status
}

fn cancel_gracefully(scene: &mut Scene) -> Status {
    cancel(scene, &Cancel::graceful("run"))
}

/// Whether a cancel is noted in the head: its deadline, and that the program has not received it.
fn noted(scene: &Scene) -> (bool, bool) {
    (scene.head("cancelAt") != Json::Null, scene.head("cancelPending") == json!(true))
}

fn outcomes(scene: &Scene) -> Vec<Json> {
    let rows = scene.dump().into_iter().filter(|(key, _)| key.starts_with("cvm.cc_history/"));
    let mut rows: Vec<Json> = rows.map(|(_, (_, row))| row).collect();
    rows.sort_by_key(|row| row["step"].as_u64());
    rows.into_iter().map(|row| row.get("outcome").cloned().unwrap_or_default()).collect()
}

#[test]
fn finally_makes_a_further_call_and_the_execution_is_cancelled() {
    test_warm_and_cold(UNDOES, |mut scene| {
        let call = scene.call_id();
        assert_eq!(cancel_gracefully(&mut scene), Status::WaitingCc);
        assert_eq!((prompts(&scene), noted(&scene)), (vec!["undo?".to_owned()], (true, false)));
        assert_eq!(outcomes(&scene), [json!("cancelled"), Json::Null]);
        let late = block_on(scene.cvm().answer("run", Answer::to_call(&call).value("late")));
        assert_eq!(error_code(late), codes::ALREADY_ANSWERED);
        scene.check();
        scene.answer("undone").expect(Status::Cancelled).expect_output(["undone"]).check();
        assert_eq!((noted(&scene), scene.head("error")), ((false, false), Json::Null));
        assert_eq!(scene.advance(MINUTE).resumed, 0);
        assert_eq!(
            error_code(block_on(scene.cvm().cancel_with(&Cancel::graceful("run")))),
            ErrorCode::ILLEGAL_TRANSITION
        );
        assert_eq!(error_code(block_on(scene.cvm().retry("run"))), ErrorCode::ILLEGAL_TRANSITION);
    });
}

#[test]
fn a_program_decides_how_it_ends_after_the_error() {
    for (handler, status, lines) in [
        (
            "console.log(e.name, e instanceof CancelledError, e instanceof Error, /may run until 2/.test(e.message)); return 1",
            Status::Complete,
            vec!["CancelledError true true true"],
        ),
        ("throw e", Status::Cancelled, vec![]),
        ("throw new CancelledError('mine')", Status::Cancelled, vec![]),
        ("throw new Error('other')", Status::Error, vec![]),
        ("for (;;) { try { CC('more?') } catch (e) { console.log(e.name) } }", Status::WaitingCc, vec![]),
    ] {
        for question in ["CC('q?')", "await CC('q?')", "CC.all(['q?', 'r?'])", "sleep(1e6)", "await sleep('1h')"] {
            let source = format!("async function main() {{ try {{ {question} }} catch (e) {{ {handler} }} }}");
            test_warm_and_cold(&source, |mut scene| {
                assert_eq!(cancel_gracefully(&mut scene), status, "{source}");
                assert_eq!(scene.show().output, lines, "{source}");
                assert_eq!(noted(&scene), (status == Status::WaitingCc, false), "{source}");
                // The deadline ends a program that makes call after call.
                scene.advance(MINUTE);
                let end = if status == Status::WaitingCc { Status::Cancelled } else { status };
                scene.expect(end).check();
                assert!(outcomes(&scene).iter().all(|outcome| outcome == "cancelled"), "{source}");
                assert_eq!(
                    block_on(scene.cvm().engine().next_due(runstate::store::Freshness::Linearizable)).unwrap(),
                    None
                );
            });
        }
    }
}

#[test]
fn an_aggregate_of_nothing_but_the_error_ends_as_the_error_does() {
    for (source, status) in [
        ("await Promise.any([CC('a?'), CC('b?')])", Status::Cancelled),
        ("await Promise.any([Promise.any([CC('a?'), CC('b?')]), CC('c?')])", Status::Cancelled),
        ("const any = Promise.any([CC('a?')]); await CC('b?').catch(() => {})", Status::Cancelled),
        ("await (async () => { await Promise.any([CC('a?')]) })()", Status::Cancelled),
        (
            "await CC('a?').catch((e) => { const a = new AggregateError([e]); a.errors.push(a); throw a })",
            Status::Cancelled,
        ),
        ("await CC('a?').catch((e) => { e.name = 'Stopped'; throw e })", Status::Cancelled),
        ("await Promise.any([CC('a?'), Promise.reject(new Error('b'))])", Status::Error),
        ("await Promise.any([CC('a?'), Promise.any([])])", Status::Error),
        ("await CC('a?').catch((e) => { throw new AggregateError([e, 'b']) })", Status::Error),
        ("await CC('a?').catch(() => { const a = new AggregateError([]); a.errors.push(a); throw a })", Status::Error),
        ("await CC('a?').catch((e) => { throw new AggregateError([e], 'a').errors })", Status::Error),
        ("await CC('a?').catch((e) => { throw new Error('b', { cause: e }) })", Status::Error),
    ] {
        test_warm_and_cold(source, |mut scene| {
            assert_eq!(cancel_gracefully(&mut scene), status, "{source}");
            scene.check();
        });
    }
    // The program may catch it, and others may clean up first.
    test_warm_and_cold("try { await Promise.any([CC('a?')]) } catch (e) { console.log(e.name) }", |mut scene| {
        assert_eq!(cancel_gracefully(&mut scene), Status::Complete);
        scene.expect_output(["AggregateError"]);
    });
    let source = "Promise.any([CC('a?'), CC('b?')]); try { await CC('c?') } catch { console.log(await CC('undo?')) }";
    test_warm_and_cold(source, |mut scene| {
        assert_eq!(cancel_gracefully(&mut scene), Status::WaitingCc);
        scene.answer("undone").expect(Status::Cancelled).expect_output(["undone"]).check();
    });
}

/// The look for other errors is linear in the heap, whatever the errors share.
#[test]
fn many_aggregates_of_the_same_errors_end_as_the_error_does() {
    let errors = "const errors = (await Promise.allSettled(Array.from({ length: 1_000 }, (_, i) => CC(`${i}?`)))).map((e) => e.reason);
        const all = Array.from({ length: 10_000 }, () => { const a = new AggregateError([]); a.errors = errors; return a });";
    for (end, status) in [
        ("throw new AggregateError(all)", Status::Cancelled),
        ("all.forEach((a) => Promise.reject(a))", Status::Cancelled),
        ("all.forEach((a, i) => { if (i) a.errors = [all[i - 1]] }); throw all.at(-1)", Status::Cancelled),
        ("errors.push(...all); throw new AggregateError(all)", Status::Cancelled),
        ("errors.unshift(new Error('other')); throw new AggregateError(all)", Status::Error),
        ("errors.push(new Error('other')); all.forEach((a) => Promise.reject(a))", Status::Error),
    ] {
        let mut scene = Scene::program(&format!("{errors} {end}"));
        assert_eq!(cancel_gracefully(&mut scene), status, "{end}");
        scene.check();
    }
}

#[test]
fn the_deadline_cancels_a_program_that_still_cleans_up() {
    test_warm_and_cold(UNDOES, |mut scene| {
        let deadline = Millis::seconds(5);
        cancel(&mut scene, &Cancel::graceful("run").deadline(deadline));
        scene.advance(Millis(4_999));
        scene.expect(Status::WaitingCc);
        assert_eq!(scene.advance(Millis(1)).resumed, 1);
        scene.expect(Status::Cancelled).expect_output([]).check();
        assert_eq!((outcomes(&scene), noted(&scene)), (vec![json!("cancelled"); 2], (false, false)));
        assert_eq!(error_code(scene.try_answer("late")), ErrorCode::ILLEGAL_TRANSITION);
    });
}

#[test]
fn every_open_call_of_all_tasks_is_closed() {
    let source = r#"
        const ask = async (name) => { try { return await CC(name) } catch (e) { return e.name } finally { console.log(await call("undo", name)) } };
        const nap = async () => { try { await sleep("1h") } catch (e) { return e.name } };
        const asked = [ask("a"), ask("b"), nap()], lost = (async () => await CC("lost"))();
        console.log(await Promise.all(asked));"#;
    test_warm_and_cold(source, |mut scene| {
        assert_eq!(cancel_gracefully(&mut scene), Status::WaitingCc);
        let kinds: Vec<String> = scene.show().calls.into_iter().map(|call| call.kind).collect();
        assert_eq!(kinds, ["undo", "undo"]);
        assert_eq!(outcomes(&scene)[..4], vec![json!("cancelled"); 4]);
        // The error of a call that no function awaits ends the program when all others have cleaned up.
        scene.answer_call(6, "B").expect(Status::WaitingCc);
        scene.answer_call(5, "A").expect(Status::Cancelled);
        scene.expect_output(["B", "A", "[ 'CancelledError', 'CancelledError', 'CancelledError' ]"]).check();
    });
}

#[test]
fn a_group_keeps_the_outcomes_that_its_calls_have() {
    // The program gets the first error in the order of the calls.
    for (first, second, name) in [(1000, 9000, "TimeoutError"), (9000, 1000, "CancelledError")] {
        let source = format!(
            r#"try {{ CC.all([{{ prompt: "a", timeoutMs: {first} }}, {{ prompt: "b", timeoutMs: {second} }}, "c"]) }}
               catch (e) {{ console.log(e.name) }}"#
        );
        test_warm_and_cold(&source, |mut scene| {
            scene.advance(Millis(1000));
            scene.expect(Status::WaitingCc).expect_output([]);
            assert_eq!(cancel_gracefully(&mut scene), Status::Complete);
            scene.expect_output([name]).check();
            assert_eq!(outcomes(&scene).iter().filter(|outcome| *outcome == "cancelled").count(), 2);
        });
    }
}

#[test]
fn a_program_without_an_open_call_gets_the_error_at_its_next_calls() {
    let source = r#"
        await new Promise((resolve) => setTimeout(resolve, 5000));
        try { console.log(CC("q?", { key: "k" })) } catch (e) { console.log(e.name) }
        console.log(CC("again?", { key: "k" }));"#;
    test_warm_and_cold(source, |mut scene| {
        assert_eq!((cancel_gracefully(&mut scene), noted(&scene)), (Status::WaitingCc, (true, true)));
        scene.advance(Millis::seconds(5));
        scene.expect(Status::WaitingCc).expect_output(["CancelledError"]);
        assert_eq!((prompts(&scene), noted(&scene)), (vec!["again?".to_owned()], (true, false)));
        scene.try_answer_key("k", "yes").unwrap();
        scene.expect(Status::Complete).expect_output(["CancelledError", "yes"]).check();
    });
}

#[test]
fn a_running_execution_sees_it_at_its_next_turn_in_any_process() {
    let source = r#"
        let n = 0; try { for (let i = 0; i < 3000; i++) n += 1; CC("work?") } finally { console.log(n, CC("undo?")) }"#;
    let settings = Settings { slice_instructions: 1_000, ..Settings::default() };
    let mut scene = Scene::with_store(Arc::new(Memory::new()), settings).cold();
    scene.load(source);
    scene.execute_part(&Start::new("program").id("run"));
    // The process dies after the commit of the cancel.
    scene.execute_part(&Cancel::graceful("run"));
    assert_eq!((scene.show().status, noted(&scene)), (Status::Running, (true, true)));
    scene.advance(Millis::seconds(30));
    assert_eq!((prompts(&scene), noted(&scene)), (vec!["undo?".to_owned()], (true, false)));
    // The call that was open to no one has no row.
    assert_eq!(outcomes(&scene), [Json::Null]);
    scene.answer("u").expect(Status::Cancelled).expect_output(["3000 u"]).check();
}

#[test]
fn a_program_that_never_waits_is_cancelled_at_the_deadline() {
    let settings = Settings { slice_instructions: 1_000, ..Settings::default() };
    for limit in [RunLimit::Slice, RunLimit::Stop] {
        let mut scene = Scene::with_store(Arc::new(Memory::new()), settings.clone()).cold();
        scene.load("for (;;) {}");
        scene.execute_part(&Start::new("program").id("run"));
        scene.execute_part(&Cancel::graceful("run").deadline(Millis(10)));
        scene.expect(Status::Running);
        scene.host.clock.advance(Millis(10));
        block_on(scene.cvm().engine().run_due(10, limit)).unwrap();
        scene.expect(Status::Cancelled).check();
    }
    // A process that runs it ends it too.
    let mut scene = Scene::with_store(Arc::new(Memory::new()), settings);
    scene.load("for (;;) {}");
    scene.execute_part(&Start::new("program").id("run"));
    scene.execute_part(&Cancel::graceful("run").deadline(Millis(10)));
    scene.host.clock.advance(Millis(10));
    assert_eq!(block_on(scene.cvm().resume("run")).unwrap().status, Status::Cancelled);
}

#[test]
fn a_repeat_keeps_the_first_deadline_and_a_hard_cancel_ends_it_at_once() {
    test_warm_and_cold(UNDOES, |mut scene| {
        cancel_gracefully(&mut scene);
        let before = scene.dump();
        assert_eq!(cancel(&mut scene, &Cancel::graceful("run").deadline(Millis::days(1))), Status::WaitingCc);
        assert_eq!(before, scene.dump());
        assert_eq!(cancel(&mut scene, &Cancel::new("run")), Status::Cancelled);
        assert_eq!((outcomes(&scene), noted(&scene)), (vec![json!("cancelled"); 2], (false, false)));
        scene.expect_output([]).check();
    });
}

#[test]
fn a_paused_execution_is_unpaused_first_and_a_deadline_passes_over_a_pause() {
    test_warm_and_cold(UNDOES, |mut scene| {
        block_on(scene.cvm().pause("run")).unwrap();
        let error = block_on(scene.cvm().cancel_with(&Cancel::graceful("run"))).unwrap_err();
        assert_eq!(error.code, ErrorCode::ILLEGAL_TRANSITION);
        assert!(error.message.contains("unpause"), "{error}");
        block_on(scene.cvm().unpause("run")).unwrap();
        cancel_gracefully(&mut scene);
        block_on(scene.cvm().pause("run")).unwrap();
        scene.advance(MINUTE);
        scene.expect(Status::Cancelled).expect_output([]).check();
    });
}

#[test]
fn the_deadline_is_checked_and_belongs_to_a_graceful_cancel() {
    let scene = Scene::program(UNDOES);
    let graceful = Cancel::graceful("run");
    for wrong in [
        graceful.clone().deadline(Millis(0)),
        graceful.clone().deadline(Millis(-1)),
        graceful.deadline(Millis(86_400_001)),
        Cancel::new("run").deadline(MINUTE),
    ] {
        let error = block_on(scene.cvm().cancel_with(&wrong)).unwrap_err();
        assert_eq!(error.code, ErrorCode::INVALID);
        assert!(error.message.contains("deadlineMs"), "{error}");
    }
    // A hard cancel is the command that it was before.
    assert_eq!(serde_json::to_value(Cancel::new("run")).unwrap(), json!({"id": "run"}));
}

#[test]
fn a_worker_cannot_complete_a_call_that_was_cancelled_gracefully() {
    test_warm_and_cold(UNDOES, |mut scene| {
        let lease = Millis::seconds(30);
        let work = block_on(scene.cvm().claim(&["cc".to_owned()], "worker", lease)).unwrap().unwrap();
        cancel_gracefully(&mut scene);
        assert_eq!(error_code(block_on(scene.cvm().heartbeat(&work.claimed, lease))), ErrorCode::STALE_CLAIM);
        assert_eq!(error_code(block_on(scene.cvm().complete(&work.claimed, "late"))), codes::ALREADY_ANSWERED);
        let undo = block_on(scene.cvm().claim(&["cc".to_owned()], "worker", lease)).unwrap().unwrap();
        assert_eq!(undo.call.prompt, "undo?");
        block_on(scene.cvm().complete(&undo.claimed, "undone")).unwrap();
        scene.expect(Status::Cancelled).expect_output(["undone"]).check();
    });
}

#[test]
fn a_failed_clean_up_may_be_retried_and_is_not_cancelled_any_more() {
    let source =
        r#"try { CC("work?") } catch { if (CC("fail?") === "yes") throw new Error("no"); console.log(CC("end?")) }"#;
    test_warm_and_cold(source, |mut scene| {
        cancel_gracefully(&mut scene);
        scene.answer("yes").expect(Status::Error);
        assert_eq!(noted(&scene), (false, false));
        assert_eq!(block_on(scene.cvm().retry("run")).unwrap().status, Status::Error);
        scene.advance(MINUTE);
        scene.expect(Status::Error).check();
    });
}

/// A version of this program that does not know the deadline keeps it in the head that it ends.
#[test]
fn a_deadline_that_an_ended_execution_kept_is_removed() {
    let mut scene = Scene::program(UNDOES);
    block_on(scene.cvm().cancel("run")).unwrap();
    let mut head = scene.dump()["cvm.executions/run"].1.clone();
    head["cancelAt"] = json!(5);
    scene.put(&EXECUTIONS, "run", &head);
    let mut scene = scene.cold();
    scene.advance(Millis(0));
    assert_eq!(noted(&scene), (false, false));
    scene.expect(Status::Cancelled).check();
}

/// A call that was closed before the host has made it uses up no occurrence of its key.
#[test]
fn a_key_counts_only_calls_that_were_made() {
    let source = r#"
        await new Promise((resolve) => setTimeout(resolve, 5000));
        try { CC("q?", { key: "k" }) } catch (e) { console.log(e.name) }
        console.log(CC("undo?"), CC("again?", { key: "k" }));"#;
    test_warm_and_cold(source, |mut scene| {
        cancel_gracefully(&mut scene);
        scene.advance(Millis::seconds(5));
        assert_eq!(prompts(&scene), ["undo?"]);
        let undo = scene.call_id();
        // It is kept for the call that the program makes with this key.
        scene.try_answer_key("k", "early").unwrap();
        block_on(scene.cvm().answer("run", Answer::to_call(&undo).value("undone"))).unwrap();
        scene.expect(Status::Complete).expect_output(["CancelledError", "undone early"]).check();
    });
}

/// The error reaches all open calls when the program waits, not one in the background while another function runs.
#[test]
fn a_call_in_the_background_does_not_take_the_error_alone() {
    let source = r#"
        const watch = (async () => { try { await CC("watch?") } catch (e) { console.log("watch", e.name) } })();
        for (let i = 0; i < 4000; i++);
        try { await CC("work?") } finally { console.log(await CC("undo?")) }"#;
    let settings = Settings { slice_instructions: 1_000, ..Settings::default() };
    let mut scene = Scene::with_store(Arc::new(Memory::new()), settings);
    scene.load(source);
    scene.execute_part(&Start::new("program").id("run"));
    scene.execute_part(&Cancel::graceful("run"));
    scene.expect(Status::Running);
    scene.advance(Millis::seconds(30));
    assert_eq!(prompts(&scene), ["undo?"]);
    scene.answer("undone").expect(Status::Cancelled).expect_output(["watch CancelledError", "undone"]).check();
}
