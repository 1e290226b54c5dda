//! Workers: claims, leases, fencing tokens, failures and retries.

use runstate::client::Answer;
use runstate::domain::cvm::Work;
use runstate::domain::cvm::codes;
use runstate::domain::cvm::{CC_HISTORY, ClaimedCall, Fail, Status};
use runstate::error_code::ErrorCode;
use runstate::testing::block_on;
use runstate::time::Millis;
use runstate::value::Json;
use runstate::work::Backoff;
use serde_json::json;

use crate::cvm::scene::{Scene, error_code};

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
        retry,
        by: Some("worker".into()),
        ..Fail::default()
    }
}

#[test]
fn claimed_call_is_exclusive_until_its_lease_ends() {
    let scene = Scene::program(r#"console.log(CC("?"))"#);
    let first = claim(&scene, "one").unwrap();
    assert_eq!((first.call.prompt.as_str(), first.claimed.attempts), ("?", 1));
    assert_eq!(claim(&scene, "two"), None);
    scene.host.clock.advance(Millis::seconds(29));
    assert_eq!(claim(&scene, "two"), None);
    scene.host.clock.advance(Millis::seconds(1));
    let second = claim(&scene, "two").unwrap();
    assert!(second.claimed.token > first.claimed.token);
    assert_eq!(second.claimed.attempts, 2);
    // The answer of the late worker is stale, and so are all its other commands.
    let before = scene.dump();
    assert_eq!(error_code(block_on(scene.cvm().complete(&first.claimed, "late"))), ErrorCode::STALE_CLAIM);
    assert_eq!(error_code(block_on(scene.cvm().heartbeat(&first.claimed, LEASE))), ErrorCode::STALE_CLAIM);
    assert_eq!(error_code(block_on(scene.cvm().fail(&fail(&first, None)))), ErrorCode::STALE_CLAIM);
    assert_eq!(error_code(block_on(scene.cvm().release(&first.claimed))), ErrorCode::STALE_CLAIM);
    assert_eq!(before, scene.dump());
    let reached = block_on(scene.cvm().complete(&second.claimed, Answer::from("done").by("two"))).unwrap();
    assert_eq!(reached.status, Status::Complete);
    assert_eq!(error_code(block_on(scene.cvm().complete(&first.claimed, "late"))), ErrorCode::STALE_CLAIM);
}

#[test]
fn a_heartbeat_keeps_a_claim_and_ends_with_the_call() {
    let mut scene = Scene::program(r#"console.log(CC("?"))"#);
    let work = claim(&scene, "one").unwrap();
    for _ in 0..5 {
        scene.host.clock.advance(Millis::seconds(20));
        block_on(scene.cvm().heartbeat(&work.claimed, LEASE)).unwrap();
        assert_eq!(claim(&scene, "two"), None);
    }
    // A person was faster: the worker can stop.
    scene.answer("mine").expect(Status::Complete);
    assert_eq!(error_code(block_on(scene.cvm().heartbeat(&work.claimed, LEASE))), ErrorCode::STALE_CLAIM);
    assert_eq!(error_code(block_on(scene.cvm().complete(&work.claimed, "x"))), codes::ALREADY_ANSWERED);
}

#[test]
fn the_token_of_another_call_is_stale() {
    let scene = Scene::program(r#"CC.all(["a", "b"])"#);
    let first = claim(&scene, "one").unwrap();
    scene.host.clock.advance(Millis(1));
    let second = claim(&scene, "one").unwrap();
    let before = scene.dump();
    for call in [&first.claimed.call, "no-such-call"] {
        let mixed = ClaimedCall { call: call.to_owned(), ..second.claimed.clone() };
        assert_eq!(error_code(block_on(scene.cvm().heartbeat(&mixed, LEASE))), ErrorCode::STALE_CLAIM, "{call}");
        assert_eq!(error_code(block_on(scene.cvm().release(&mixed))), ErrorCode::STALE_CLAIM, "{call}");
        let fail = Fail { call: call.to_owned(), ..fail(&second, None) };
        assert_eq!(error_code(block_on(scene.cvm().fail(&fail))), ErrorCode::STALE_CLAIM, "{call}");
    }
    assert_eq!(before, scene.dump());
}

#[test]
fn expired_lease_may_complete_while_not_claimed_again() {
    let scene = Scene::program(r#"console.log(CC("?"))"#);
    let work = claim(&scene, "one").unwrap();
    scene.host.clock.advance(Millis::minutes(10));
    block_on(scene.cvm().complete(&work.claimed, "slow")).unwrap();
    assert_eq!(scene.show().output, ["slow"]);
}

#[test]
fn released_call_is_claimable_at_once_and_counts_no_attempt() {
    let scene = Scene::program(r#"console.log(CC("?"))"#);
    let first = claim(&scene, "one").unwrap();
    block_on(scene.cvm().release(&first.claimed)).unwrap();
    let second = claim(&scene, "two").unwrap();
    assert_eq!(second.claimed.attempts, 1);
    assert_eq!(error_code(block_on(scene.cvm().complete(&first.claimed, "x"))), ErrorCode::STALE_CLAIM);
}

#[test]
fn failed_call_is_retried_later_and_then_throws() {
    let source = r#"try { call("tool", [1]); } catch (e) { console.log(e.name, e.message, e instanceof Error); }"#;
    for cold in [false, true] {
        let scene = Scene::program(source);
        let mut scene = if cold { scene.cold() } else { scene };
        let retry = Some(Backoff { attempts: 3, initial: Millis(1_000), longest: Millis(1_500) });
        for attempt in 1..=2 {
            let work = claim(&scene, "one").unwrap();
            assert_eq!((work.claimed.attempts, work.call.args.clone()), (attempt, json!([1])));
            let failed = block_on(scene.cvm().fail(&fail(&work, retry))).unwrap();
            let wait = failed.retry_at.unwrap().since(scene.host.clock.now()).0;
            assert!((500..=1_500).contains(&wait), "{wait}");
            assert_eq!(error_code(block_on(scene.cvm().complete(&work.claimed, 1))), ErrorCode::STALE_CLAIM);
            assert_eq!(claim(&scene, "two"), None);
            scene.host.clock.advance(Millis(wait));
        }
        let work = claim(&scene, "one").unwrap();
        let failed = block_on(scene.cvm().fail(&fail(&work, retry))).unwrap();
        assert_eq!(failed.execution.unwrap().status, Status::Complete);
        scene.expect_output(["CallError no network true"]);
    }
}

#[test]
fn a_failure_without_retry_throws_under_its_name() {
    let mut scene = Scene::program(r#"call("tool")"#);
    let work = claim(&scene, "one").unwrap();
    let fail = Fail { name: Some("PermissionError".into()), ..fail(&work, None) };
    block_on(scene.cvm().fail(&fail)).unwrap();
    scene.expect(Status::Error);
    assert_eq!(scene.show().error.unwrap().name, "PermissionError");
}

#[test]
fn a_failure_has_its_code_in_the_program() {
    let source = r#"
        const use = () => { try { call("tool") } catch (e) { console.log(e.name, e.code) } };
        use(); use();"#;
    let mut scene = Scene::program(source);
    for code in [Some("ENOENT"), None] {
        let work = claim(&scene, "one").unwrap();
        let fail = |code: Option<&str>| {
            let fail = Fail { code: code.map(str::to_owned), ..fail(&work, None) };
            block_on(scene.cvm().fail(&fail))
        };
        for refused in ["".to_owned(), "x".repeat(201)] {
            assert_eq!(error_code(fail(Some(&refused))), ErrorCode::INVALID);
        }
        fail(code).unwrap();
        let stored = scene.dump()[&format!("cvm.cc_history/{}", work.claimed.call)].1.clone();
        assert_eq!(stored["error"]["code"], json!(code));
    }
    scene.expect(Status::Complete).expect_output(["CallError ENOENT", "CallError undefined"]).check();
}

/// Claims the call of this id.
fn claim_call(scene: &Scene, call: &str, owner: &str) -> Option<Work> {
    block_on(scene.cvm().claim_call(call, owner, LEASE)).unwrap()
}

#[test]
fn a_claim_takes_only_an_open_call_that_no_worker_holds() {
    let mut scene = Scene::program(
        r#"CC.all(["a", { prompt: "b", timeoutMs: 60000, default: "late" }, { tool: "other" }]); sleep(60000)"#,
    );
    let calls = scene.show().calls;
    let [a, b, other] = [0, 1, 2].map(|n| calls[n].id.as_str());
    assert_eq!(claim_call(&scene, "no-such-call", "one"), None);

    // Another worker holds the call until its lease expires.
    let first = claim_call(&scene, a, "one").unwrap();
    assert_eq!(claim_call(&scene, a, "two"), None);
    scene.host.clock.advance(Millis(LEASE.0 - 1));
    assert_eq!(claim_call(&scene, a, "two"), None);
    scene.host.clock.advance(Millis(1));
    let second = claim_call(&scene, a, "two").unwrap();
    assert!(second.claimed.token > first.claimed.token);

    // Of the kinds asked for only `b` is left.
    assert_eq!(claim(&scene, "three").unwrap().claimed.call, b);
    assert_eq!(claim(&scene, "four"), None);
    assert_eq!(claim_call(&scene, other, "four").unwrap().call.kind, "other");

    // All leases have expired, and so has the deadline of `b`.
    scene.host.clock.advance(LEASE);
    assert_eq!(claim_call(&scene, b, "five"), None);
    let third = claim(&scene, "five").unwrap();
    assert_eq!(third.claimed.call, a);
    assert_eq!(claim(&scene, "six"), None);

    // An answered call and a timer are never claimed, whatever the time.
    block_on(scene.cvm().complete(&third.claimed, "done")).unwrap();
    let other = claim_call(&scene, other, "six").unwrap();
    block_on(scene.cvm().complete(&other.claimed, "done")).unwrap();
    scene.advance(Millis(0));
    let timer = scene.show().calls.remove(0);
    assert_eq!(timer.kind, "timer");
    scene.host.clock.advance(Millis::seconds(59));
    for call in [a, b, &timer.id] {
        assert_eq!(claim_call(&scene, call, "seven"), None, "{call}");
    }
}

/// Each row differs in one point from a call that is claimed.
#[test]
fn each_reason_alone_keeps_a_call_from_being_claimed() {
    let scene = Scene::program(r#"CC("?")"#);
    let original = scene.dump()[&format!("cvm.cc_history/{}", scene.call_id())].1.clone();
    // Writing the row takes a second of the scene's time.
    let now = scene.host.clock.now().as_millis() + 1_000;
    let at = |millis: i64| json!({"availableAt": millis});
    let claim = |token: u64| json!({"claim": {"token": token, "until": 1, "attempts": 1}});
    let deadline = |millis: i64| {
        let mut request = original["request"].clone();
        request["deadline"] = json!(millis);
        json!({"request": request})
    };
    let early = json!({"key": "k", "outcome": "answered", "request": null, "availableAt": now,
        "response": {"result": "yes", "timestamp": 1}});
    let last_token = (1 << 53) - 1;
    for (case, differs, claimed) in [
        ("an open call", json!({}), true),
        ("a call that was answered", json!({"outcome": "answered"}), false),
        ("a call that was cancelled", json!({"outcome": "cancelled"}), false),
        ("a call that is available now", at(now), true),
        ("a call that is available later", at(now + 1), false),
        ("a call that is never available", json!({"availableAt": null}), false),
        ("a call before its deadline", deadline(now + 1), true),
        ("a call at its deadline", deadline(now), false),
        ("a call under the last token but one", claim(last_token - 1), true),
        ("a call under the last token", claim(last_token), false),
        ("an early answer", early, false),
    ] {
        let mut row = original.clone();
        row["id"] = json!("one");
        for (field, value) in differs.as_object().unwrap() {
            match value {
                Json::Null => drop(row.as_object_mut().unwrap().shift_remove(field)),
                value => row[field] = value.clone(),
            }
        }
        let mut scene = Scene::program(r#"CC("?")"#);
        scene.put(&CC_HISTORY, "one", &row);
        assert_eq!(scene.host.clock.now().as_millis(), now);
        assert_eq!(claim_call(&scene, "one", "worker").is_some(), claimed, "{case}");
    }
    let mut scene = Scene::program(r#"CC("?")"#);
    let mut damaged = original;
    damaged["request"] = json!({});
    scene.put(&CC_HISTORY, "one", &damaged);
    assert_eq!(block_on(scene.cvm().claim_call("one", "worker", LEASE)).unwrap_err().code, ErrorCode::CORRUPT);
}

#[test]
fn a_claim_with_bad_kinds_owner_or_lease_is_rejected() {
    let scene = Scene::program(r#"CC("?")"#);
    let before = scene.dump();
    let claim = |kinds: &[&str], owner: &str, lease: Millis| {
        let kinds: Vec<String> = kinds.iter().map(|&kind| kind.to_owned()).collect();
        block_on(scene.cvm().claim(&kinds, owner, lease)).map_err(|error| (error.code, error.message))
    };
    let (day, long) = (Millis::days(30), "x".repeat(201));
    for (kinds, owner, lease, code, words) in [
        (&["t"][..], "w", Millis(0), ErrorCode::INVALID, "lease"),
        (&["t"], "w", Millis(999), ErrorCode::INVALID, "lease"),
        (&["t"], "w", Millis(-1), ErrorCode::INVALID, "lease"),
        (&["t"], "w", Millis(day.0 + 1), ErrorCode::INVALID, "lease"),
        (&["t"], "", LEASE, ErrorCode::INVALID, "owner"),
        (&["t"], &long, LEASE, ErrorCode::INVALID, "owner"),
        (&["t", "timer"], "w", LEASE, ErrorCode::INVALID, "timers"),
        (&["t"; 17], "w", LEASE, ErrorCode::LIMIT, "17 kinds"),
    ] {
        let (found, message) = claim(kinds, owner, lease).unwrap_err();
        assert!(found == code && message.contains(words), "{kinds:?}, {owner:?}, {lease:?}: {found} {message}");
    }
    for (kinds, owner, lease) in [(&["t"; 16][..], "w", Millis(1_000)), (&["t"], &long[1..], day)] {
        assert_eq!(claim(kinds, owner, lease), Ok(None), "{kinds:?}, {owner:?}, {lease:?}");
    }
    assert_eq!(before, scene.dump());
}

#[test]
fn claim_repeated_by_command_id_returns_the_same_claim() {
    let mut scene = Scene::program(r#"CC.all(["a", "b"])"#);
    let id = scene.next_command_id();
    let of = || runstate::lease::ClaimTarget::Kinds(vec!["cc".into()]);
    let first = block_on(scene.cvm().with_id(&id).claim_target(of(), "one", LEASE)).unwrap();
    scene.host.clock.advance(Millis(5));
    let repeated = block_on(scene.cvm().with_id(&id).claim_target(of(), "one", LEASE)).unwrap();
    assert_eq!(first.unwrap().claimed, repeated.unwrap().claimed);
}
