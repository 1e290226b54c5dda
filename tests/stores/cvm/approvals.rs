//! Policies: calls that a person approves before a worker gets them, kinds that are not allowed, limits of calls, of
//! open calls and of time. Whether the queue of calls fits to its policy is checked for all documents (`documents.rs`).

use std::sync::Arc;

use runstate::client::{Answer, Cvm};
use runstate::domain::cvm::{
    Approve, CC_HISTORY, Cancel, ClaimedCall, ListCalls, Policy, Reject, Retry, Start, Status, WaitsFor, Work, codes,
};
use runstate::error_code::ErrorCode;
use runstate::store::Freshness;
use runstate::store::layer::Method;
use runstate::testing::{Fault, FaultStore, block_on};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use crate::cvm::scene::{Scene, error_code};

const LEASE: Millis = Millis::seconds(30);

/// A policy under which `pay` needs an approval.
fn approving() -> Policy {
    Policy { approve: Some(vec!["pay".to_owned()]), ..Policy::default() }
}

fn start(scene: &mut Scene, policy: Policy) {
    let id = scene.next_command_id();
    let start = Start { policy: Some(policy), ..Start::new("program").id("run") };
    block_on(scene.cvm().with_id(&id).start(&start)).unwrap();
}

/// Runs a test of the program under the policy on an engine with a cache, and without one.
fn test_under(policy: &Policy, source: &str, test: impl Fn(Scene)) {
    for mut scene in [Scene::new(), Scene::new().cold()] {
        scene.load(source);
        start(&mut scene, policy.clone());
        test(scene);
    }
}

fn claim(scene: &Scene) -> Option<Work> {
    let kinds = ["pay", "find", "cc"].map(str::to_owned);
    block_on(scene.cvm().claim(&kinds, "worker", LEASE)).unwrap()
}

fn approve(call: &str) -> Approve {
    Approve { execution: "run".to_owned(), call: call.to_owned(), by: "ann".to_owned(), ..Approve::default() }
}

fn reject(call: &str, reason: Option<&str>) -> Reject {
    let reason = reason.map(str::to_owned);
    Reject { execution: "run".to_owned(), call: call.to_owned(), by: "ann".to_owned(), reason }
}

/// The only row that was made of this step.
fn row(scene: &Scene, step: u64) -> Json {
    let rows = scene.dump().into_iter().filter(|(key, _)| key.starts_with("cvm.cc_history/"));
    rows.map(|(_, (_, row))| row).find(|row| row["step"] == json!(step)).unwrap()
}

#[test]
fn a_call_is_released_for_workers_by_its_approval_alone() {
    test_under(&approving(), r#"console.log(call("pay", { amount: 5 }));"#, |mut scene| {
        let shown = scene.show().calls.remove(0);
        assert_eq!((shown.waits_for, shown.available_at), (Some(WaitsFor::Approval), None));
        let call = shown.id;
        scene.check();
        // No worker gets it, whether it names the kind or the call.
        assert_eq!(claim(&scene), None);
        assert_eq!(block_on(scene.cvm().claim_call(&call, "worker", LEASE)).unwrap(), None);
        let before = scene.dump();
        let forged = ClaimedCall {
            call: call.clone(),
            execution: "run".into(),
            token: 0,
            until: shown.requested_at.unwrap(),
            attempts: 1,
            reservation: None,
        };
        assert_eq!(error_code(block_on(scene.cvm().complete(&forged, "paid"))), codes::AWAITING_APPROVAL);
        for answer in [Answer::from("paid"), Answer::to_call(&call).value("paid")] {
            assert_eq!(error_code(block_on(scene.cvm().answer("run", answer))), codes::AWAITING_APPROVAL);
        }
        assert_eq!(before, scene.dump());

        let id = scene.next_command_id();
        let note = Some("checked".to_owned());
        let approval = Approve { note, args: Some(json!({"amount": 4})), ..approve(&call) };
        let approved = block_on(scene.cvm().with_id(&id).approve(&approval)).unwrap();
        assert_eq!(approved.status, Status::WaitingCc);
        scene.check();
        let stored = row(&scene, 1)["approval"].clone();
        let at = scene.host.clock.now().as_millis();
        let expected =
            json!({"approved": true, "by": "ann", "timestamp": at, "note": "checked", "originalArgs": {"amount": 5}});
        assert_eq!(stored, expected);
        let logs = scene.dump().into_iter().filter(|(key, _)| key.contains("_logs/")).map(|(_, (_, row))| row);
        let details: Vec<Json> =
            logs.filter(|row| row["event"] == "approval").map(|row| row["details"].clone()).collect();
        assert_eq!(details, [json!({"callId": call, "approved": true, "by": "ann", "note": "checked"})]);
        // A repeat of the command is replayed, and another one refused.
        let before = scene.dump();
        assert_eq!(block_on(scene.cvm().with_id(&id).approve(&approval)).unwrap(), approved);
        assert_eq!(error_code(block_on(scene.cvm().approve(&approve(&call)))), codes::ALREADY_APPROVED);
        assert_eq!(error_code(block_on(scene.cvm().reject(&reject(&call, None)))), codes::ALREADY_APPROVED);
        assert_eq!(before, scene.dump());

        let work = claim(&scene).unwrap();
        assert_eq!((work.call.args.clone(), work.call.waits_for), (json!({"amount": 4}), Some(WaitsFor::Worker)));
        block_on(scene.cvm().complete(&work.claimed, "paid")).unwrap();
        scene.expect(Status::Complete).expect_output(["paid"]).check();
        assert_eq!(error_code(block_on(scene.cvm().approve(&approve(&call)))), codes::ALREADY_ANSWERED);
    });
}

#[test]
fn a_decision_whose_process_dies_at_its_commit_is_made_once() {
    let source = r#"try { console.log(call("pay", 1)) } catch (e) { console.log(e.name) }"#;
    for (is_committed, approves) in [(false, true), (true, true), (false, false), (true, false)] {
        let mut scene = Scene::new();
        scene.load(source);
        start(&mut scene, approving());
        let (call, id) = (scene.call_id(), scene.next_command_id());
        let store = Arc::new(FaultStore::new(scene.store.clone()));
        store.plan(Method::Commit, 1, if is_committed { Fault::DieAfter } else { Fault::DieBefore });
        let decide = async |cvm: Cvm| match approves {
            true => cvm.with_id(&id).approve(&approve(&call)).await,
            false => cvm.with_id(&id).reject(&reject(&call, None)).await,
        };
        block_on(decide(scene.process_over(store))).unwrap_err();
        assert_eq!(row(&scene, 1).get("approval").is_some(), is_committed);
        block_on(decide(scene.process())).unwrap();
        let decided = scene.dump();
        block_on(decide(scene.process())).unwrap();
        assert_eq!(scene.dump(), decided);
        assert_eq!(row(&scene, 1)["approval"]["approved"], json!(approves));
        scene.expect(if approves { Status::WaitingCc } else { Status::Complete }).check();
    }
}

#[test]
fn a_rejected_call_throws_an_error_that_the_program_can_catch() {
    let source = r#"
        const pay = async () => { try { return await call("pay", 1) } catch (e) { return e.name + " " + e.message } };
        const find = async () => await call("find", 2);
        console.log((await Promise.all([pay(), find()])).join());"#;
    test_under(&approving(), source, |mut scene| {
        let calls = scene.show().calls;
        let waits: Vec<_> = calls.iter().map(|call| call.waits_for.unwrap()).collect();
        assert_eq!(waits, [WaitsFor::Approval, WaitsFor::Worker]);
        block_on(scene.cvm().reject(&reject(&calls[0].id, Some("too much")))).unwrap();
        scene.expect(Status::WaitingCc).check();
        let stored = row(&scene, 1);
        assert_eq!((&stored["outcome"], &stored["approval"]["note"]), (&json!("failed"), &json!("too much")));
        let before = scene.dump();
        for late in [
            block_on(scene.cvm().reject(&reject(&calls[0].id, None))),
            block_on(scene.cvm().approve(&approve(&calls[0].id))),
        ] {
            let error = late.unwrap_err();
            assert_eq!(error.code, codes::ALREADY_ANSWERED);
            assert!(error.message.contains("was rejected"), "{error}");
        }
        assert_eq!(before, scene.dump());
        scene.answer_call(2, "found").expect(Status::Complete);
        scene.expect_output(["RejectedError too much,found"]);
    });
}

#[test]
fn an_uncaught_rejection_fails_the_program_and_a_retry_needs_another_approval() {
    test_under(&approving(), r#"console.log(call("pay", 1));"#, |mut scene| {
        let call = scene.call_id();
        block_on(scene.cvm().reject(&reject(&call, None))).unwrap();
        scene.expect(Status::Error).check();
        let error = scene.show().error.unwrap();
        assert_eq!((error.name.as_str(), error.message.as_str()), ("RejectedError", "the call of pay was rejected"));
        block_on(scene.cvm().retry("run")).unwrap();
        let again = scene.show().calls.remove(0);
        assert_eq!((again.waits_for, again.id == call), (Some(WaitsFor::Approval), false));
        scene.check();
    });
}

/// The first call of a group is closed, and none of the others may be claimed.
#[test]
fn a_group_names_a_call_that_awaits_an_approval() {
    test_under(
        &approving(),
        r#"console.log(CC.all(["a?", { tool: "pay", args: 1 }, { tool: "pay", args: 2 }]).join());"#,
        |mut scene| {
            let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.id).collect();
            scene.answer_call(1, "A").check();
            block_on(scene.cvm().reject(&reject(&calls[1], None))).unwrap();
            scene.expect(Status::WaitingCc).check();
            block_on(scene.cvm().approve(&approve(&calls[2]))).unwrap();
            scene.answer_call(3, "paid").expect(Status::Error).check();
        },
    );
}

#[test]
fn approvals_of_other_ended_or_paused_executions_change_nothing() {
    test_under(&approving(), r#"CC("?"); console.log(call("pay", 1));"#, |mut scene| {
        let question = scene.call_id();
        assert_eq!(error_code(block_on(scene.cvm().approve(&approve(&question)))), codes::ALREADY_APPROVED);
        assert_eq!(error_code(block_on(scene.cvm().approve(&approve("no-such-call")))), ErrorCode::NOT_FOUND);
        scene.answer("go");
        let call = scene.call_id();
        let of_other = Approve { execution: "other".to_owned(), ..approve(&call) };
        let unnamed = Approve { by: String::new(), ..approve(&call) };
        let long = Approve { note: Some("x".repeat(5_000)), ..approve(&call) };
        let large = Approve { args: Some(json!("x".repeat(1 << 20))), ..approve(&call) };
        let before = scene.dump();
        for (approval, expected) in [
            (of_other, ErrorCode::NOT_FOUND),
            (unnamed, ErrorCode::INVALID),
            (long, ErrorCode::INVALID),
            (large, ErrorCode::INVALID),
        ] {
            assert_eq!(error_code(block_on(scene.cvm().approve(&approval))), expected);
        }
        assert_eq!(before, scene.dump());
        block_on(scene.cvm().pause("run")).unwrap();
        assert_eq!(error_code(block_on(scene.cvm().approve(&approve(&call)))), ErrorCode::ILLEGAL_TRANSITION);
        assert_eq!(error_code(block_on(scene.cvm().reject(&reject(&call, None)))), ErrorCode::ILLEGAL_TRANSITION);
        block_on(scene.cvm().unpause("run")).unwrap();
        block_on(scene.cvm().cancel("run")).unwrap();
        assert_eq!(error_code(block_on(scene.cvm().approve(&approve(&call)))), ErrorCode::ILLEGAL_TRANSITION);
        scene.check();
        block_on(scene.cvm().delete("run")).unwrap();
        assert_eq!(error_code(block_on(scene.cvm().approve(&approve(&call)))), ErrorCode::NOT_FOUND);
    });
}

#[test]
fn a_call_without_its_approval_expires() {
    let source = r#"const ask = (o) => { try { return call("pay", 1, o) } catch (e) { return e.name } };
        console.log(ask({ timeoutMs: 1000 }), ask({ timeoutMs: 1000, default: 7 }));"#;
    test_under(&approving(), source, |mut scene| {
        let call = scene.call_id();
        scene.host.clock.advance(Millis(1_500));
        assert_eq!(error_code(block_on(scene.cvm().approve(&approve(&call)))), codes::DEADLINE_PASSED);
        scene.advance(Millis(0));
        scene.check();
        scene.advance(Millis(1_500));
        scene.expect(Status::Complete).expect_output(["TimeoutError 7"]).check();
    });
}

/// The early answer was accepted when no process could know that its call needs an approval.
#[test]
fn an_early_answer_waits_for_the_approval() {
    let source = r#"CC("?"); try { console.log(call("pay", 1, { key: "k" })) } catch (e) { console.log(e.name) }"#;
    for approves in [true, false] {
        test_under(&approving(), source, |mut scene| {
            scene.try_answer_key("k", "free").unwrap();
            scene.answer("go").expect(Status::WaitingCc).expect_output([]).check();
            let call = scene.show().calls.remove(0);
            let early = call.early_answer.unwrap().result;
            assert_eq!((call.waits_for, call.response, early), (Some(WaitsFor::Approval), None, json!("free")));
            let first = Answer::to_key("k").occurrence(1).value("free");
            assert_eq!(error_code(block_on(scene.cvm().answer("run", first))), codes::AWAITING_APPROVAL);
            // The next one under the key is for the next call.
            scene.try_answer_key("k", "second").unwrap();
            scene.check();
            let changed = Approve { args: Some(json!(2)), ..approve(&call.id) };
            assert_eq!(error_code(block_on(scene.cvm().approve(&changed))), ErrorCode::INVALID);
            let id = scene.next_command_id();
            let decide = || match approves {
                true => block_on(scene.cvm().with_id(&id).approve(&approve(&call.id))),
                false => block_on(scene.cvm().with_id(&id).reject(&reject(&call.id, None))),
            };
            assert_eq!((decide().unwrap().status, decide().unwrap().status), (Status::Complete, Status::Complete));
            scene.expect_output([if approves { "free" } else { "RejectedError" }]).check();
        });
    }
}

#[test]
fn an_early_answer_that_waits_for_an_approval_outlives_a_failure() {
    let source = r#"CC("?");
        const pay = async (n) => console.log(await call("pay", n, { key: "k" + n }));
        const more = async () => { await CC("more?"); await CC("last?") };
        await Promise.all([pay(1), pay(2), more()]);"#;
    for policy in [approving(), Policy::default()] {
        test_under(&Policy { calls: Some(4), ..approving() }, source, |mut scene| {
            for (key, answer) in [("k1", "a"), ("k2", "b")] {
                scene.try_answer_key(key, answer).unwrap();
            }
            scene.answer("go");
            scene.answer_call(4, "yes").expect(Status::Error).check();
            let retry = Retry { policy: Some(policy.clone()), ..Retry::new("run") };
            block_on(scene.cvm().retry_with(&retry)).unwrap();
            scene.expect(Status::WaitingCc).check();
            for call in scene.show().calls.iter().filter(|call| call.waits_for == Some(WaitsFor::Approval)) {
                block_on(scene.cvm().approve(&approve(&call.id))).unwrap();
                scene.check();
            }
            scene.answer("done").expect(Status::Complete).expect_output(["a", "b"]).check();
        });
    }
}

#[test]
fn an_early_answer_of_a_group_waits_for_the_approval() {
    let source = r#"CC("?"); console.log(CC.all(["a?", { tool: "pay", args: 1, key: "k" }]).join());"#;
    test_under(&approving(), source, |mut scene| {
        scene.try_answer_key("k", "free").unwrap();
        scene.answer("go");
        let call = scene.show().calls.into_iter().find(|call| call.kind == "pay").unwrap().id;
        block_on(scene.cvm().approve(&approve(&call))).unwrap();
        scene.expect(Status::WaitingCc).check();
        scene.answer("A").expect(Status::Complete).expect_output(["A,free"]).check();
    });
}

#[test]
fn a_recorded_answer_needs_a_recorded_approval() {
    let source = r#"console.log(call("pay", 1)); console.log(call("pay", 2));"#;
    let again = |scene: &Scene, id: &str, policy: Option<Policy>, from: &str| {
        let start = Start { policy, answers_from: Some(from.to_owned()), ..Start::new("program").id(id) };
        block_on(scene.cvm().start(&start)).unwrap();
        block_on(scene.cvm().show(id)).unwrap()
    };
    test_under(&approving(), source, |mut scene| {
        let first = Approve { args: Some(json!(3)), ..approve(&scene.call_id()) };
        block_on(scene.cvm().approve(&first)).unwrap();
        scene.answer("one");
        block_on(scene.cvm().approve(&approve(&scene.call_id()))).unwrap();
        scene.answer("two").expect(Status::Complete);
        let repeated = again(&scene, "again", Some(approving()), "run");
        assert_eq!((repeated.status, repeated.output), (Status::Complete, vec!["one".to_owned(), "two".to_owned()]));
        let free = again(&scene, "free", None, "run");
        assert_eq!(free.status, Status::Complete);
        // Answers that no person approved are asked again.
        block_on(scene.cvm().start(Start::new("program").id("unapproved"))).unwrap();
        for answer in ["x", "y"] {
            let call = block_on(scene.cvm().show("unapproved")).unwrap().calls[0].id.clone();
            block_on(scene.cvm().answer("unapproved", Answer::to_call(call).value(answer))).unwrap();
        }
        let asked = again(&scene, "asked", Some(approving()), "unapproved");
        assert_eq!((asked.status, asked.calls[0].waits_for), (Status::WaitingCc, Some(WaitsFor::Approval)));
        scene.check();
    });
}

#[test]
fn calls_open_again_after_a_retry_keep_their_approvals() {
    let source = r#"
        const pay = async (n) => console.log(await call("pay", n));
        const more = async () => { await CC("more?"); console.log(await CC("last?")); };
        await Promise.all([pay(1), pay(2), more()]);"#;
    test_under(&Policy { calls: Some(3), ..approving() }, source, |mut scene| {
        let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.id).collect();
        block_on(scene.cvm().approve(&approve(&calls[0]))).unwrap();
        scene.answer_call(3, "go").expect(Status::Error).check();
        let before = scene.dump();
        assert_eq!(error_code(block_on(scene.cvm().approve(&approve(&calls[1])))), ErrorCode::ILLEGAL_TRANSITION);
        assert_eq!(before, scene.dump());
        block_on(scene.cvm().retry_with(&Retry { policy: Some(approving()), ..Retry::new("run") })).unwrap();
        scene.expect(Status::WaitingCc).check();
        let waits: Vec<_> = scene.show().calls.iter().map(|call| call.waits_for.unwrap()).collect();
        assert_eq!(waits, [WaitsFor::Worker, WaitsFor::Approval, WaitsFor::Person]);
        block_on(scene.cvm().approve(&approve(&calls[1]))).unwrap();
        scene.answer_call(2, "b").answer_call(1, "a").answer_call(4, "c");
        scene.expect(Status::Complete).expect_output(["b", "a", "c"]).check();
    });
}

#[test]
fn what_a_worker_did_before_a_retry_asked_for_an_approval_does_not_count() {
    let source = r#"
        const pay = async () => console.log(await call("pay", 5));
        const more = async () => { await CC("more?"); await CC("last?"); };
        await Promise.all([pay(), more()]);"#;
    test_under(&Policy { calls: Some(2), ..Policy::default() }, source, |mut scene| {
        let kinds = ["pay".to_owned()];
        let early = block_on(scene.cvm().claim(&kinds, "early", LEASE)).unwrap().unwrap();
        scene.answer_call(2, "go").expect(Status::Error).check();
        let forbidding = Policy { kinds: Some(vec!["find".to_owned(), "cc".to_owned()]), ..Policy::default() };
        let before = scene.dump();
        let retry = Retry { policy: Some(forbidding), ..Retry::new("run") };
        assert_eq!(error_code(block_on(scene.cvm().retry_with(&retry))), ErrorCode::INVALID);
        assert_eq!(before, scene.dump());
        block_on(scene.cvm().retry_with(&Retry { policy: Some(approving()), ..Retry::new("run") })).unwrap();
        scene.check();
        let approval = Approve { args: Some(json!(4)), ..approve(&early.call.id) };
        block_on(scene.cvm().approve(&approval)).unwrap();
        let late = error_code(block_on(scene.cvm().complete(&early.claimed, "paid 5")));
        assert_eq!(late, ErrorCode::STALE_CLAIM);
        let work = block_on(scene.cvm().claim(&kinds, "worker", LEASE)).unwrap().unwrap();
        assert_eq!(work.call.args, json!(4));
        block_on(scene.cvm().complete(&work.claimed, "paid 4")).unwrap();
        scene.expect_output(["paid 4"]).check();
    });
}

#[test]
fn a_graceful_cancel_closes_calls_that_await_an_approval() {
    let source = r#"try { call("pay", 1) } catch (e) { console.log(e.name); console.log(call("pay", 2)); }"#;
    test_under(&approving(), source, |mut scene| {
        block_on(scene.cvm().cancel_with(&Cancel::graceful("run"))).unwrap();
        scene.expect(Status::WaitingCc).expect_output(["CancelledError"]).check();
        let call = scene.show().calls.remove(0);
        assert_eq!(call.waits_for, Some(WaitsFor::Approval));
        block_on(scene.cvm().approve(&approve(&call.id))).unwrap();
        scene.answer("undone").expect(Status::Complete).check();
    });
}

#[test]
fn lists_show_what_each_call_waits_for() {
    let source = r#"CC.all(["a?", { tool: "pay", args: 1 }, { tool: "find", args: 2 }, { tool: "pay", args: 3 }]);"#;
    test_under(&approving(), source, |scene| {
        let list = |listing: ListCalls| -> Vec<(u64, WaitsFor)> {
            let page = block_on(scene.cvm().calls(&listing)).unwrap();
            page.items.into_iter().map(|call| (call.step.unwrap(), call.waits_for.unwrap())).collect()
        };
        use WaitsFor::{Approval, Person, Worker};
        let of_run = ListCalls { execution: Some("run".to_owned()), open: true, ..ListCalls::default() };
        assert_eq!(list(of_run.clone()), [(1, Person), (2, Approval), (3, Worker), (4, Approval)]);
        for execution in [None, Some("run".to_owned())] {
            for kind in [None, Some("pay".to_owned())] {
                let awaiting =
                    ListCalls { execution: execution.clone(), kind, awaits_approval: true, ..ListCalls::default() };
                assert_eq!(list(awaiting), [(2, Approval), (4, Approval)]);
            }
        }
        let other = ListCalls { execution: Some("other".to_owned()), awaits_approval: true, ..ListCalls::default() };
        assert!(list(other).is_empty());
        let first = ListCalls { awaits_approval: true, limit: Some(1), ..ListCalls::default() };
        let page = block_on(scene.cvm().calls(&first)).unwrap();
        assert_eq!(list(ListCalls { cursor: page.next, ..first }), [(4, Approval)]);
    });
}

#[test]
fn a_kind_that_is_not_allowed_is_a_catchable_error_with_the_near_one() {
    let policy = Policy { kinds: Some(vec!["crm.find".to_owned(), "cc".to_owned()]), ..Policy::default() };
    let source = r#"
        try { call("crm.fnd", 1) } catch (e) { console.log(e.name, e.message); }
        try { CC.all(["?", { tool: "crm.fnd", args: 1 }]) } catch (e) { console.log(e.name); }
        sleep(1);
        console.log(CC("done?"));"#;
    test_under(&policy, source, |mut scene| {
        scene.advance(Millis(10));
        scene.expect(Status::WaitingCc);
        scene.check();
        scene.answer("yes").expect(Status::Complete);
        let near = "call of crm.fnd: the policy of the execution does not allow calls of the kind `crm.fnd`; did you mean `crm.find`?";
        scene.expect_output([&format!("NotAllowedError {near}"), "NotAllowedError", "yes"]);
        assert_eq!(scene.show().metrics.cc_calls_count, 2);
    });
}

/// A call that is refused was never made: an early answer is for the next call with its key.
#[test]
fn a_refused_call_leaves_the_early_answer_to_the_call_that_is_made() {
    let policy = Policy { kinds: Some(vec!["cc".to_owned(), "find".to_owned()]), ..Policy::default() };
    let source = r#"CC("?"); const pay = async () => await call("pay", 1, { key: "k" }); console.log(await pay());"#;
    test_under(&policy, source, |mut scene| {
        scene.try_answer_key("k", "early").unwrap();
        scene.answer("go").expect(Status::Error).check();
        let policy = Some(Policy::default());
        block_on(scene.cvm().retry_with(&Retry { policy, ..Retry::new("run") })).unwrap();
        scene.expect(Status::Complete).expect_output(["early"]).check();
    });
    let source = r#"CC("?");
        const ask = async (kind) => { try { return await call(kind, 1, { key: "k" }) } catch (e) { return e.name } };
        console.log((await Promise.all(["pay", "find"].map(ask))).join());"#;
    test_under(&policy, source, |mut scene| {
        scene.try_answer_key("k", "early").unwrap();
        scene.answer("go").expect(Status::Complete).expect_output(["NotAllowedError,early"]).check();
    });
}

#[test]
fn one_call_more_than_the_policy_allows_ends_the_program() {
    let policy = Policy { calls: Some(2), ..Policy::default() };
    let source =
        r#"CC("one?"); try { console.log(CC.all(["two?", "three?"]).join()) } catch (e) { console.log("caught") }"#;
    test_under(&policy, source, |mut scene| {
        scene.answer("1").expect(Status::Error).expect_output([]).check();
        let error = scene.show().error.unwrap();
        assert_eq!(error.name, "LimitError");
        assert!(error.message.contains("call limit reached: 2 calls"), "{error:?}");
        // A retry under the same policy reaches it again.
        block_on(scene.cvm().retry("run")).unwrap();
        scene.expect(Status::Error).check();
        let policy = Some(Policy { calls: Some(3), ..Policy::default() });
        block_on(scene.cvm().retry_with(&Retry { policy, ..Retry::new("run") })).unwrap();
        scene.answer_call(2, "2").answer_call(3, "3").expect(Status::Complete).expect_output(["2,3"]).check();
    });
}

#[test]
fn the_time_of_a_policy_ends_a_program_that_waits() {
    let policy = Policy { ms: Some(Millis(10_000)), ..Policy::default() };
    let source = r#"try { console.log(CC.all(["one?", "two?"]).join()) } catch (e) { console.log("caught") }"#;
    test_under(&policy, source, |mut scene| {
        scene.answer_call(1, "1");
        scene.advance(Millis(5_000));
        scene.expect(Status::WaitingCc).check();
        // While it is paused, no time passes. Then it begins again.
        block_on(scene.cvm().pause("run")).unwrap();
        scene.advance(Millis(20_000));
        scene.expect(Status::Paused).check();
        block_on(scene.cvm().unpause("run")).unwrap();
        scene.advance(Millis(9_000));
        scene.expect(Status::WaitingCc).check();
        assert_eq!(scene.advance(Millis(1_000)).resumed, 1);
        scene.expect(Status::Error).expect_output([]).check();
        let error = scene.show().error.unwrap();
        assert_eq!((error.name.as_str(), error.message.contains("time limit reached: 10000 ms")), ("LimitError", true));
        assert_eq!(scene.advance(Millis(20_000)).resumed, 0);
        // A retry begins the time again, and the program has the answer that it got before.
        block_on(scene.cvm().retry("run")).unwrap();
        scene.expect(Status::WaitingCc).check();
        scene.answer("2").expect(Status::Complete).expect_output(["1,2"]).check();
    });
}

/// A call that cannot be read keeps a program neither from its end nor from going on without it.
#[test]
fn a_damaged_call_does_not_outlive_its_program() {
    let both = r#"await Promise.all([call("find", 1), call("find", 2)])"#;
    let race = r#"console.log(await Promise.race([call("find", 1), call("find", 2)])); CC("?")"#;
    for (source, damaged, open) in [(both, 1, Some(1)), (both, 2, Some(1)), (race, 2, None)] {
        let policy = Policy { ms: Some(Millis(10_000)), open, ..Policy::default() };
        test_under(&policy, source, |mut scene| {
            let mut call = row(&scene, damaged);
            let id = call["id"].as_str().unwrap().to_owned();
            call["context"] = json!({});
            scene.put(&CC_HISTORY, &id, &call);
            if source == race {
                for (step, answer) in [(1, "one"), (3, "go")] {
                    let call = row(&scene, step)["id"].as_str().unwrap().to_owned();
                    block_on(scene.cvm().answer("run", Answer::to_call(call).value(answer))).unwrap();
                    assert_eq!(block_on(scene.cvm().output("run")).unwrap(), ["one"]);
                }
                scene.expect(Status::Complete);
            } else {
                scene.advance(Millis(10_000));
                scene.expect(Status::Error);
                assert_eq!(scene.show().error.unwrap().name, "LimitError");
            }
            assert_eq!(claim(&scene), None);
        });
    }
}

/// A process that waits for the execution wakes at that time.
#[test]
fn an_execution_is_due_at_the_deadline_of_a_call_or_of_its_own() {
    let policy = Policy { ms: Some(Millis(10_000)), ..Policy::default() };
    let group = r#"
        const ask = (timeoutMs) => ({ prompt: "?", timeoutMs, default: timeoutMs });
        try { CC.all(["?", ask(5000), ask(60000)]) } catch { CC("undo?") }"#;
    let tasks = r#"
        const ask = async (timeoutMs) => { await CC("?", { timeoutMs, default: timeoutMs }) };
        try { await Promise.all([CC("?"), ask(5000), ask(60000)]) } catch { await CC("undo?") }"#;
    for source in [group, tasks] {
        test_under(&policy, source, |mut scene| {
            let due = |scene: &Scene, ms: i64| {
                let wake_at = block_on(scene.cvm().progress("run", 0)).unwrap().wake_at;
                let next = block_on(scene.cvm().engine().next_due(Freshness::Linearizable)).unwrap();
                assert_eq!((wake_at, next), (Some(scene.host.clock.now() + Millis(ms)), wake_at));
                scene.check();
            };
            due(&scene, 5_000);
            scene.advance(Millis(5_000));
            due(&scene, 5_000);
            block_on(scene.cvm().pause("run")).unwrap();
            scene.check();
            assert_eq!(block_on(scene.cvm().progress("run", 0)).unwrap().wake_at, None);
            scene.advance(Millis(52_000));
            block_on(scene.cvm().unpause("run")).unwrap();
            due(&scene, 3_000);
            block_on(scene.cvm().cancel_with(&Cancel::graceful("run").deadline(Millis(2_000)))).unwrap();
            due(&scene, 2_000);
            block_on(scene.cvm().pause("run")).unwrap();
            scene.check();
            block_on(scene.cvm().unpause("run")).unwrap();
            due(&scene, 2_000);
            scene.advance(Millis(2_000));
            scene.expect(Status::Cancelled).check();
        });
    }
}

#[test]
fn a_graceful_cancel_has_its_own_time() {
    let policy = Policy { ms: Some(Millis(10_000)), ..Policy::default() };
    let source = r#"try { CC("work?") } catch (e) { console.log(e.name, CC("undo?")) }"#;
    test_under(&policy, source, |mut scene| {
        block_on(scene.cvm().cancel_with(&Cancel::graceful("run"))).unwrap();
        scene.check();
        block_on(scene.cvm().pause("run")).unwrap();
        block_on(scene.cvm().unpause("run")).unwrap();
        scene.check();
        scene.advance(Millis(20_000));
        scene.answer("undone").expect(Status::Complete).expect_output(["CancelledError undone"]).check();
    });
}

#[test]
fn an_answer_after_the_time_of_the_policy_ends_the_program() {
    let policy = Policy { ms: Some(Millis(10_000)), ..Policy::default() };
    test_under(&policy, r#"console.log(CC("?"));"#, |mut scene| {
        scene.host.clock.advance(Millis(20_000));
        scene.answer("late").expect(Status::Error).expect_output([]).check();
        block_on(scene.cvm().retry("run")).unwrap();
        scene.expect(Status::Complete).expect_output(["late"]).check();
    });
}

#[test]
fn a_policy_that_cannot_be_meant_starts_nothing() {
    let mut scene = Scene::new();
    scene.load(r#"CC("?")"#);
    for policy in [
        Policy { calls: Some(0), ..Policy::default() },
        Policy { approve: Some(vec!["timer".to_owned()]), ..Policy::default() },
        Policy { approve: Some(vec!["tools.pay".to_owned()]), ..Policy::default() },
        Policy { approve: Some(vec!["pay.*".to_owned()]), ..Policy::default() },
        Policy { kinds: Some(vec!["pay".to_owned()]), approve: Some(vec!["pai".to_owned()]), ..Policy::default() },
    ] {
        let start = Start { policy: Some(policy), ..Start::new("program").id("run") };
        assert_eq!(error_code(block_on(scene.cvm().start(&start))), ErrorCode::INVALID);
    }
    assert_eq!(scene.row_count("executions"), 0);
}

/// A policy under which so many calls are open at once.
fn open(open: u32) -> Policy {
    Policy { open: Some(open), ..Policy::default() }
}

/// The steps of the calls that are queued.
fn queued(scene: &Scene) -> Vec<u64> {
    let calls = scene.show().calls.into_iter();
    calls.filter(|call| call.waits_for == Some(WaitsFor::Queue)).filter_map(|call| call.step).collect()
}

const FIVE: &str = r#"console.log(CC.all([1, 2, 3, 4, 5].map((n) => ({ tool: "find", args: n }))).join());"#;

const FIVE_TASKS: &str = r#"
    const find = async (n) => { const found = await call("find", n); console.log(found); return found };
    await Promise.all([1, 2, 3, 4, 5].map(find));"#;

#[test]
fn a_queued_call_is_claimed_only_after_an_earlier_one_is_closed() {
    for source in [FIVE, FIVE_TASKS] {
        test_under(&open(2), source, |mut scene| {
            scene.check();
            assert_eq!(queued(&scene), [3, 4, 5]);
            let id = scene.show().calls[2].id.clone();
            assert_eq!(block_on(scene.cvm().claim_call(&id, "worker", LEASE)).unwrap(), None);
            let (first, second) = (claim(&scene).unwrap(), claim(&scene).unwrap());
            assert_eq!(claim(&scene), None);
            block_on(scene.cvm().complete(&first.claimed, "x")).unwrap();
            scene.check();
            assert_eq!(queued(&scene), [4, 5]);
            let third = claim(&scene).unwrap();
            assert_eq!((third.call.step, claim(&scene)), (Some(3), None));
            // A person may answer a queued call. Nothing leaves the queue then but this one.
            scene.answer_call(4, "x").check();
            assert_eq!((queued(&scene), claim(&scene)), (vec![5], None));
            for work in [second, third] {
                block_on(scene.cvm().complete(&work.claimed, "x")).unwrap();
                scene.check();
            }
            scene.answer_call(5, "x").expect(Status::Complete).check();
        });
    }
}

#[test]
fn the_queue_advances_while_the_execution_is_paused() {
    for source in [FIVE, FIVE_TASKS] {
        test_under(&open(2), source, |mut scene| {
            block_on(scene.cvm().pause("run")).unwrap();
            for step in [2, 4, 1] {
                scene.answer_call(step, "x").check();
            }
            assert!(queued(&scene).is_empty());
            block_on(scene.cvm().unpause("run")).unwrap();
            scene.expect(Status::WaitingCc).check();
            scene.answer_call(3, "x").answer_call(5, "x").expect(Status::Complete).check();
        });
    }
}

#[test]
fn passed_deadlines_and_aborted_calls_leave_the_queue() {
    let expiring = r#"
        const options = (n) => ({ tool: "find", args: n, timeoutMs: n * 10000, default: n });
        console.log(CC.all([1, 2, 5, 3, 5].map(options)).join());"#;
    test_under(&open(2), expiring, |mut scene| {
        for left in [2, 1, 0] {
            scene.advance(Millis(10_000));
            scene.check();
            assert_eq!(queued(&scene).len(), left);
        }
        scene.advance(Millis(20_000));
        scene.expect(Status::Complete).expect_output(["1,2,5,3,5"]).check();
    });
    let aborting = r#"
        const controller = new AbortController();
        const find = async (n, options = {}) => { try { return await call("find", n, options) } catch (e) { return e.name } };
        const stop = async () => { await CC("stop?"); controller.abort(); };
        const signal = controller.signal;
        const all = [find(1), stop(), find(3, { signal }), find(4), find(5, { signal }), find(6), find(7)];
        console.log((await Promise.all(all)).length);"#;
    test_under(&open(3), aborting, |mut scene| {
        scene.answer_call(2, "yes").check();
        assert_eq!(queued(&scene), [7]);
        for step in [7, 1, 4, 6] {
            scene.answer_call(step, "x").check();
        }
        scene.expect(Status::Complete);
    });
}

#[test]
fn a_call_that_awaits_an_approval_keeps_no_other_in_the_queue() {
    let policy = Policy { open: Some(1), ..approving() };
    let source = r#"
        const use = async (tool, n) => console.log(await call(tool, n));
        await Promise.all([use("pay", 1), use("find", 2), use("find", 3), use("pay", 4)]);"#;
    test_under(&policy, source, |mut scene| {
        let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.id).collect();
        scene.check();
        assert_eq!(queued(&scene), [3]);
        // A call that is approved while another one has its place queues with the others, in the order of all.
        block_on(scene.cvm().approve(&approve(&calls[0]))).unwrap();
        scene.check();
        assert_eq!(queued(&scene), [1, 3]);
        for (step, left) in [(2, vec![3]), (1, vec![]), (3, vec![])] {
            let work = claim(&scene).unwrap();
            assert_eq!((work.call.step, claim(&scene)), (Some(step), None));
            block_on(scene.cvm().complete(&work.claimed, json!(step))).unwrap();
            scene.check();
            assert_eq!(queued(&scene), left);
        }
        // A place is free.
        block_on(scene.cvm().approve(&approve(&calls[3]))).unwrap();
        scene.check();
        let work = claim(&scene).unwrap();
        block_on(scene.cvm().complete(&work.claimed, json!(4))).unwrap();
        scene.expect(Status::Complete).expect_output(["2", "1", "3", "4"]).check();
    });
}

#[test]
fn a_rejection_and_a_retry_keep_the_queue() {
    let policy = Policy { open: Some(1), ..approving() };
    let source = r#"
        const pay = async (n) => console.log(await call("pay", n));
        await Promise.all([pay(1), pay(2), pay(3)]);"#;
    test_under(&policy, source, |mut scene| {
        let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.id).collect();
        for (call, left) in [(1, vec![]), (2, vec![3])] {
            block_on(scene.cvm().approve(&approve(&calls[call]))).unwrap();
            scene.check();
            assert_eq!(queued(&scene), left);
        }
        block_on(scene.cvm().reject(&reject(&calls[0], None))).unwrap();
        scene.expect(Status::Error).check();
        // Both are open again, and the rejected one is made again, behind them.
        block_on(scene.cvm().retry("run")).unwrap();
        scene.expect(Status::WaitingCc).check();
        assert_eq!(queued(&scene), [3]);
        let again = scene.show().calls.into_iter().find(|call| call.step == Some(4)).unwrap().id;
        block_on(scene.cvm().approve(&approve(&again))).unwrap();
        scene.check();
        for step in 2..5 {
            let work = claim(&scene).unwrap();
            assert_eq!((work.call.step, claim(&scene)), (Some(step), None));
            block_on(scene.cvm().complete(&work.claimed, "x")).unwrap();
            scene.check();
        }
        scene.expect(Status::Complete);
    });
}

#[test]
fn a_graceful_cancel_and_a_retry_keep_the_queue() {
    let source = r#"
        const find = async (n) => { try { await call("find", n) } catch (e) { await call("undo", n) } };
        await Promise.all([1, 2, 3, 4].map(find));"#;
    test_under(&open(2), source, |mut scene| {
        scene.answer_call(3, "x").check();
        block_on(scene.cvm().cancel_with(&Cancel::graceful("run"))).unwrap();
        scene.expect(Status::WaitingCc).check();
        assert_eq!(queued(&scene), [7]);
    });
    let source = r#"
        const find = async (n) => console.log(await call("find", n));
        const more = async () => { await CC("more?"); await CC("last?") };
        await Promise.all([more(), ...[2, 3, 4, 5].map(find)]);"#;
    test_under(&Policy { calls: Some(5), ..open(2) }, source, |mut scene| {
        scene.answer_call(1, "yes").expect(Status::Error).check();
        block_on(scene.cvm().retry_with(&Retry { policy: Some(open(3)), ..Retry::new("run") })).unwrap();
        scene.expect(Status::WaitingCc).check();
        assert_eq!(queued(&scene), [5, 6]);
    });
}

/// Calls are approved and closed in many orders, and the queue fits to the policy after each.
#[test]
fn the_queue_fits_to_its_policy_in_every_order_of_answers() {
    let tasks = r#"
        const use = async (n) => {
            await call(n % 4 === 1 ? "pay" : "find", n);
            if (n % 3 === 0) { await call(n % 2 ? "pay" : "find", n + 1) }
        };
        await Promise.all(Array.from({ length: 12 }, (_, n) => use(n)));"#;
    let group = r#"CC.all(Array.from({ length: 12 }, (_, n) => ({ tool: n % 4 === 1 ? "pay" : "find", args: n })));"#;
    for (most, factor) in [(1, 7), (2, 5), (3, 11), (5, 3)] {
        for (source, policy) in
            [tasks, group].into_iter().flat_map(|one| [(one, Policy::default()), (one, approving())])
        {
            test_under(&Policy { open: Some(most), ..policy }, source, |mut scene| {
                for n in 0.. {
                    let calls = scene.show().calls;
                    let Some(call) = (!calls.is_empty()).then(|| &calls[n * factor % calls.len()]) else { break };
                    match call.waits_for {
                        Some(WaitsFor::Approval) => {
                            block_on(scene.cvm().approve(&approve(&call.id))).unwrap();
                        }
                        _ => {
                            scene.answer_call(call.step.unwrap(), "x");
                        }
                    }
                    scene.check();
                }
                scene.expect(Status::Complete);
            });
        }
    }
}

/// A program that no longer waits for many calls at once lets as many leave the queue.
#[test]
fn calls_that_are_aborted_together_let_as_many_leave_the_queue() {
    let source = r#"
        const controller = new AbortController();
        const find = async (n, options = {}) => { try { return await call("find", n, options) } catch (e) { return e.name } };
        const stop = async () => { await CC("stop?"); controller.abort(); };
        const signal = controller.signal;
        await Promise.all([stop(), find(2, { signal }), find(3, { signal }), find(4), find(5), find(6), find(7)]);"#;
    test_under(&open(3), source, |mut scene| {
        scene.answer_call(1, "yes").check();
        assert_eq!(queued(&scene), [7]);
        for step in [4, 5, 6, 7] {
            scene.answer_call(step, "x").check();
        }
        scene.expect(Status::Complete);
    });
}
