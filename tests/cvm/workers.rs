//! Workers: claims, leases, fencing tokens, failures and retries.

use runstate::code::Code;
use runstate::domain::cvm::{Backoff, Fail, Status};
use runstate::engine::Work;
use runstate::testing::block_on;
use runstate::time::Millis;
use serde_json::json;

use crate::scene::{Scene, code};

const LEASE: Millis = Millis::seconds(30);

fn claim(scene: &Scene, owner: &str) -> Option<Work> {
    block_on(scene.cvm().claim(&["cc".to_owned(), "tool".to_owned()], owner, LEASE)).unwrap()
}

fn fail(work: &Work, retry: Option<Backoff>) -> Fail {
    Fail {
        execution: work.claimed.execution.clone(),
        call: work.claimed.call.clone(),
        token: work.claimed.token,
        message: "no network".into(),
        name: None,
        retry,
        by: Some("worker".into()),
    }
}

#[test]
fn a_claimed_call_is_nobody_elses_until_its_lease_ends() {
    let scene = Scene::of(r#"console.log(CC("?"))"#);
    let first = claim(&scene, "one").unwrap();
    assert_eq!((first.call.prompt.as_str(), first.claimed.attempts), ("?", 1));
    assert_eq!(claim(&scene, "two"), None);
    scene.host.clock.advance(Millis::seconds(29));
    assert_eq!(claim(&scene, "two"), None);
    scene.host.clock.advance(Millis::seconds(1));
    let second = claim(&scene, "two").unwrap();
    assert!(second.claimed.token > first.claimed.token);
    assert_eq!(second.claimed.attempts, 2);
    // Who was too slow: his answer is stale, and so is all else he does.
    let before = scene.dump();
    assert_eq!(code(block_on(scene.cvm().complete(&first.claimed, "late".into(), None, None))), Code::StaleClaim);
    assert_eq!(code(block_on(scene.cvm().heartbeat(&first.claimed, LEASE))), Code::StaleClaim);
    assert_eq!(code(block_on(scene.cvm().fail(&fail(&first, None), None))), Code::StaleClaim);
    assert_eq!(code(block_on(scene.cvm().release(&first.claimed))), Code::StaleClaim);
    assert_eq!(before, scene.dump());
    let reached = block_on(scene.cvm().complete(&second.claimed, "done".into(), Some("two".into()), None)).unwrap();
    assert_eq!(reached.status, Status::Complete);
    assert_eq!(code(block_on(scene.cvm().complete(&first.claimed, "late".into(), None, None))), Code::StaleClaim);
}

#[test]
fn a_heartbeat_keeps_a_claim_and_ends_with_the_call() {
    let mut scene = Scene::of(r#"console.log(CC("?"))"#);
    let work = claim(&scene, "one").unwrap();
    for _ in 0..5 {
        scene.host.clock.advance(Millis::seconds(20));
        block_on(scene.cvm().heartbeat(&work.claimed, LEASE)).unwrap();
        assert_eq!(claim(&scene, "two"), None);
    }
    // A person was faster: whoever works on it can stop.
    scene.answer("mine").expect(Status::Complete);
    assert_eq!(code(block_on(scene.cvm().heartbeat(&work.claimed, LEASE))), Code::StaleClaim);
    assert_eq!(code(block_on(scene.cvm().complete(&work.claimed, "x".into(), None, None))), Code::AlreadyAnswered);
}

#[test]
fn a_lease_that_ended_is_still_the_holders_while_nobody_else_came() {
    let scene = Scene::of(r#"console.log(CC("?"))"#);
    let work = claim(&scene, "one").unwrap();
    scene.host.clock.advance(Millis::minutes(10));
    block_on(scene.cvm().complete(&work.claimed, "slow".into(), None, None)).unwrap();
    assert_eq!(scene.show().output, ["slow"]);
}

#[test]
fn a_call_that_was_given_back_is_taken_at_once_and_was_not_tried() {
    let scene = Scene::of(r#"console.log(CC("?"))"#);
    let first = claim(&scene, "one").unwrap();
    block_on(scene.cvm().release(&first.claimed)).unwrap();
    let second = claim(&scene, "two").unwrap();
    assert_eq!(second.claimed.attempts, 1);
    assert_eq!(code(block_on(scene.cvm().complete(&first.claimed, "x".into(), None, None))), Code::StaleClaim);
}

#[test]
fn a_failed_call_is_tried_again_later_and_then_told_to_the_program() {
    let source = r#"try { call("tool", [1]); } catch (e) { console.log(e.name, e.message, e instanceof Error); }"#;
    for cold in [false, true] {
        let scene = Scene::of(source);
        let mut scene = if cold { scene.cold() } else { scene };
        let retry = Some(Backoff { attempts: 3, initial: Millis(1_000), longest: Millis(1_500) });
        for attempt in 1..=2 {
            let work = claim(&scene, "one").unwrap();
            assert_eq!((work.claimed.attempts, work.call.args.clone()), (attempt, json!([1])));
            let failed = block_on(scene.cvm().fail(&fail(&work, retry), None)).unwrap();
            let wait = failed.retry_at.unwrap().since(scene.host.clock.now()).0;
            assert!((500..=1_500).contains(&wait), "{wait}");
            assert_eq!(code(block_on(scene.cvm().complete(&work.claimed, 1.into(), None, None))), Code::StaleClaim);
            assert_eq!(claim(&scene, "two"), None);
            scene.host.clock.advance(Millis(wait));
        }
        let work = claim(&scene, "one").unwrap();
        let failed = block_on(scene.cvm().fail(&fail(&work, retry), None)).unwrap();
        assert_eq!(failed.reached.unwrap().status, Status::Complete);
        scene.expect_output(["CallError no network true"]);
    }
}

#[test]
fn a_failure_without_retry_throws_under_its_name() {
    let mut scene = Scene::of(r#"call("tool")"#);
    let work = claim(&scene, "one").unwrap();
    let fail = Fail { name: Some("PermissionError".into()), ..fail(&work, None) };
    block_on(scene.cvm().fail(&fail, None)).unwrap();
    scene.expect(Status::Error);
    assert_eq!(scene.show().error.unwrap().name, "PermissionError");
}

#[test]
fn only_what_is_open_is_handed_out() {
    let scene = Scene::of(r#"CC.all(["a", { tool: "other" }, { prompt: "b", timeoutMs: 1000 }]); sleep(5)"#);
    let a = claim(&scene, "one").unwrap();
    let b = claim(&scene, "one").unwrap();
    assert_ne!(a.claimed.call, b.claimed.call);
    assert_eq!(claim(&scene, "one"), None);
    // Its deadline passes: nobody is given what nobody may answer.
    scene.host.clock.advance(Millis::minutes(1));
    assert_eq!(claim(&scene, "two").unwrap().call.prompt, "a");
    assert_eq!(claim(&scene, "two"), None);
    let one = |call: &str| block_on(scene.cvm().claim_call(call, "three", LEASE)).unwrap();
    assert_eq!(one(&a.claimed.call), None, "another has it");
    let other = scene.show().calls.into_iter().find(|call| call.kind == "other").unwrap();
    assert_eq!(one(&other.call_id).unwrap().call.kind, "other");
    let kinds = |kinds: &[&str]| kinds.iter().map(|&kind| kind.to_owned()).collect::<Vec<_>>();
    assert_eq!(code(block_on(scene.cvm().claim(&kinds(&["timer"]), "x", LEASE))), Code::Invalid);
    assert_eq!(code(block_on(scene.cvm().claim(&kinds(&["t"; 17]), "x", LEASE))), Code::Limit);
    assert_eq!(code(block_on(scene.cvm().claim(&kinds(&["t"]), "x", Millis(0)))), Code::Invalid);
}

#[test]
fn a_claim_that_is_repeated_is_the_same_claim() {
    let mut scene = Scene::of(r#"CC.all(["a", "b"])"#);
    let id = scene.command();
    let of = || runstate::domain::cvm::Of::Kinds(vec!["cc".into()]);
    let first = block_on(scene.cvm().claim_as(of(), "one", LEASE, Some(&id))).unwrap();
    scene.host.clock.advance(Millis(5));
    let again = block_on(scene.cvm().claim_as(of(), "one", LEASE, Some(&id))).unwrap();
    assert_eq!(first.unwrap().claimed, again.unwrap().claimed);
}
