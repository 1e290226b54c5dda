//! The graph of steps: order, inputs, conditions, failures, compensation, skip, retry, cancel.

use std::sync::Arc;

use runstate::decision::transition_table;
use runstate::domain::apps::{AppExecution, Blob, Step};
use runstate::schema::Entity as _;
use runstate::store::Memory;
use runstate::store::layer::Method;
use runstate::testing::{DomainScene, Fault, FaultStore, block_on, yield_now};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use super::scene::{AppScene, claim_of};

#[test]
fn steps_run_in_the_order_of_their_dependencies_with_mapped_inputs() {
    let scene = AppScene::with_steps(json!([
        {"id": 1, "name": "extract", "input": {"url": "$.input.url", "depth": 2, "note": "$$5"}},
        {"id": 2, "name": "test", "depends_on": [1], "input": {"first": "$.steps.1.output.elements.0.id", "all": ["$.steps.1.output"]}},
        {"id": 3, "name": "lint", "depends_on": [1]},
        {"id": 4, "name": "report", "depends_on": [2, 3], "input": {"test": "$.steps.2.output.ok", "none": "$.steps.3.output.none"}}
    ]));
    scene.start(json!({"url": "https://example.com"}));
    assert_eq!(scene.statuses(), "1 pending, 2 pending, 3 pending, 4 pending");
    assert!(scene.claim("test").is_null(), "a step waits for those that it depends on");
    let work = scene.claim("extract");
    assert_eq!(work["input"], json!({"url": "https://example.com", "depth": 2, "note": "$5"}));
    assert_eq!(scene.step(1)["status"], "running");
    let output = json!({"elements": [{"id": "elem_1"}]});
    scene.host.clock.advance(Millis::seconds(5));
    scene.ok("step.complete", claim_of(&work, json!({"output": output, "metadata": {"memory_usage_mb": 256}})));
    let step = scene.step(1);
    assert_eq!((&step["output"], &step["durationMs"]), (&output, &json!(5_000)));
    assert_eq!(step["metadata"]["memory_usage_mb"], 256);
    let test = scene.claim("test");
    assert_eq!(test["input"], json!({"first": "elem_1", "all": [output]}));
    assert_eq!(scene.complete("lint", json!({}))["status"], "running");
    assert_eq!(scene.step(3)["input"], json!({"url": "https://example.com"}), "by default the input of the execution");
    scene.ok("step.complete", claim_of(&test, json!({"output": {"ok": true}})));
    let report = scene.claim("report");
    assert_eq!(report["input"], json!({"test": true, "none": null}));
    let ended = scene.ok("step.complete", claim_of(&report, json!({})));
    assert_eq!(ended["status"], "completed");
    assert_eq!(scene.show()["durationMs"], 5_000);
    scene.check();
}

#[test]
fn fields_by_name_come_from_the_nearest_step_that_produces_them() {
    let scene = AppScene::with_steps(json!([
        {"id": 1, "name": "a"},
        {"id": 2, "name": "b", "depends_on": [1]},
        {"id": 3, "name": "c", "depends_on": [2], "input": [{"name": "url"}, {"name": "page"}, {"name": "user"}, {"name": "x", "optional": true}]}
    ]));
    scene.start(json!({"url": "input", "page": "input", "user": "input"}));
    scene.complete("a", json!({"url": "a", "page": "a"}));
    scene.complete("b", json!({"url": "b"}));
    assert_eq!(scene.claim("c")["input"], json!({"url": "b", "page": "a", "user": "input"}));
}

#[test]
fn conditions_choose_a_branch_and_skipped_steps_skip_what_depends_on_them() {
    let scene = AppScene::with_steps(json!([
        {"id": 1, "name": "check"},
        {"id": 2, "name": "fix", "depends_on": [1], "when": {"value": "$.steps.1.output.valid", "equals": false}},
        {"id": 3, "name": "fixed", "depends_on": [2]},
        {"id": 4, "name": "publish", "depends_on": [1], "when": {"not": {"value": "$.steps.1.output.error", "exists": true}}},
        {"id": 5, "name": "end", "depends_on": [3, 4], "when": true}
    ]));
    scene.start(json!({}));
    scene.complete("check", json!({"valid": true}));
    assert_eq!(scene.statuses(), "1 completed, 2 skipped, 3 skipped, 4 pending, 5 pending");
    scene.complete("publish", json!({}));
    assert_eq!(scene.complete("end", json!({}))["status"], "completed");
    scene.check();
}

#[test]
fn conditions_compare_numbers_and_texts_in_their_order() {
    let when = |condition: Json| {
        let mut condition = condition;
        condition["value"] = json!("$.input.n");
        let scene = AppScene::with_steps(json!([{"id": 1, "name": "a", "when": condition}]));
        move |n: Json| {
            let started = scene.ok("execution.start", json!({"appId": 1, "userId": "u", "input": {"n": n}}));
            started["status"] == "running"
        }
    };
    let (less, greater) = (when(json!({"lt": 5})), when(json!({"gt": 5})));
    for (n, is_less, is_greater) in [
        (json!(4), true, false),
        (json!(5), false, false),
        (json!(5.0), false, false),
        (json!(5.5), false, true),
        (json!(9_007_199_254_740_991_i64), false, true),
        (json!("4"), false, false),
        (json!(null), false, false),
        (json!([]), false, false),
    ] {
        assert_eq!((less(n.clone()), greater(n.clone())), (is_less, is_greater), "{n}");
    }
    let (early, late) = (when(json!({"lt": "m"})), when(json!({"gt": "m"})));
    for (n, is_less, is_greater) in [(json!("a"), true, false), (json!("z"), false, true), (json!(1), false, false)] {
        assert_eq!((early(n.clone()), late(n.clone())), (is_less, is_greater), "{n}");
    }
    let one_of = when(json!({"in": ["a", 1, null]}));
    for (n, is_in) in [(json!("a"), true), (json!(1.0), true), (json!(null), true), (json!("b"), false)] {
        assert_eq!(one_of(n.clone()), is_in, "{n}");
    }
}

#[test]
fn an_execution_of_which_no_step_runs_is_completed_at_once() {
    let scene = AppScene::with_steps(json!([
        {"id": 1, "name": "a", "when": {"value": "$.input.run", "equals": true}}, {"id": 2, "name": "b", "depends_on": [1]}
    ]));
    scene.start(json!({}));
    assert_eq!((scene.status(), scene.statuses()), ("completed".to_owned(), "1 skipped, 2 skipped".to_owned()));
    scene.check();
}

/// What a worker does may have effects, so it may report them.
#[test]
fn a_final_failure_lets_no_step_begin_and_waits_for_those_that_run() {
    let scene = AppScene::with_steps(json!([
        {"id": 1, "name": "a"}, {"id": 2, "name": "b", "compensate": {"name": "undo"}}, {"id": 3, "name": "c"},
        {"id": 4, "name": "d", "depends_on": [2]}
    ]));
    scene.start(json!({}));
    let other = scene.claim("b");
    scene.fail("a");
    assert_eq!(
        (scene.status(), scene.statuses()),
        ("running".to_owned(), "1 failed, 2 running, 3 pending, 4 pending".to_owned())
    );
    assert_eq!(scene.show()["error"], json!({"message": "a broke", "stepId": 1, "stepName": "a"}));
    assert!(scene.claim("c").is_null());
    scene.check();
    // It succeeds late, and is undone.
    assert_eq!(scene.ok("step.complete", claim_of(&other, json!({"output": 1})))["status"], "running");
    assert!(scene.claim("d").is_null());
    assert_eq!(scene.complete("undo", json!({}))["status"], "failed");
    assert_eq!(scene.statuses(), "1 failed, 2 completed, 3 pending, 4 pending, -2 completed");
    scene.check();
}

/// However the attempt ends, no other one begins.
#[test]
fn a_step_that_runs_when_another_one_fails_has_no_further_attempt() {
    let steps = json!([{"id": 1, "name": "a"}, {"id": 2, "name": "b", "retry": {"max_attempts": 5}}]);
    for end in ["fail", "release", "expire"] {
        let scene = AppScene::with_steps(steps.clone());
        scene.start(json!({}));
        let other = scene.claim("b");
        scene.fail("a");
        match end {
            "fail" => assert!(scene.ok("step.fail", claim_of(&other, json!({"message": "no"})))["retryAt"].is_null()),
            "release" => drop(scene.ok("step.release", claim_of(&other, json!({})))),
            _ => drop(scene.after(Millis::minutes(1))),
        }
        assert_eq!(
            (scene.status(), scene.statuses()),
            ("failed".to_owned(), "1 failed, 2 pending".to_owned()),
            "{end}"
        );
        assert!(scene.claim("b").is_null());
        scene.check();
        // After a retry everything that is ready may be claimed again.
        assert_eq!(scene.ok("step.retry", json!({"executionId": "e", "stepId": 1}))["status"], "running");
        assert!(scene.show()["error"].is_null());
        for name in ["b", "a"] {
            scene.complete(name, json!({}));
        }
        assert_eq!((scene.status(), &scene.step(1)["retryCount"]), ("completed".to_owned(), &json!(1)));
        scene.check();
    }
}

/// One of the two is decided before the other is committed.
#[test]
fn a_step_whose_attempt_ends_during_the_failure_of_another_one_is_closed() {
    let steps = json!([{"id": 1, "name": "a"}, {"id": 2, "name": "b", "retry": {"max_attempts": 5}}]);
    let call = async |scene: &DomainScene, work: &Json, end: &str| {
        let parameters = match end {
            "release" => claim_of(work, json!({})),
            _ => claim_of(work, json!({"message": "no", "permanent": end == "fail for good"})),
        };
        let name = if end == "release" { "apps.step.release" } else { "apps.step.fail" };
        scene.engine.call(name, parameters.as_object().cloned().unwrap()).await.unwrap()
    };
    for (end, fails_first) in [("release", false), ("release", true), ("fail", false), ("fail", true)] {
        let store = Arc::new(FaultStore::new(Memory::new()));
        let scene = AppScene::with_store(store.clone());
        scene.save("1.0.0", json!({"steps": steps}));
        scene.start(json!({}));
        let (a, b) = (scene.claim("a"), scene.claim("b"));
        let (slow, fast) = match fails_first {
            true => ((&b, end), (&a, "fail for good")),
            false => ((&a, "fail for good"), (&b, end)),
        };
        let other = scene.open_beside(store.clone());
        store.plan(Method::Commit, 1, Fault::Pause);
        let fast = async {
            while !store.is_paused() {
                yield_now().await;
            }
            call(&other, fast.0, fast.1).await;
            store.resume();
        };
        block_on(async { tokio::join!(call(&scene, slow.0, slow.1), fast) });
        let end = format!("{end} {fails_first}");
        assert_eq!(
            (scene.status(), scene.statuses()),
            ("failed".to_owned(), "1 failed, 2 pending".to_owned()),
            "{end}"
        );
        scene.check();
    }
}

/// Another program has started it, so its steps are not run here.
#[test]
fn a_running_execution_without_a_configuration_is_cancelled() {
    let scene = AppScene::new();
    let document = json!({"execution_id": "e", "app_id": 1, "app_name": "suite", "user_id": "u", "status": "running", "started_at": 0, "created_at": 0, "updated_at": 0});
    scene.put(&AppExecution::COLLECTION, "e", document);
    assert_eq!(scene.ok("execution.cancel", json!({"id": "e"}))["status"], "cancelled");
    assert_eq!(scene.code("execution.cancel", json!({"id": "e"})), "illegal_transition");
    scene.verify();
}

#[test]
fn with_continue_independent_branches_run_to_their_end() {
    let scene = AppScene::with_configuration(json!({
        "settings": {"on_failure": "continue"},
        "steps": [
            {"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "c", "depends_on": [1]},
            {"id": 4, "name": "d", "depends_on": [2]}
        ]
    }));
    scene.start(json!({}));
    scene.fail("a");
    assert_eq!(scene.status(), "running");
    scene.complete("b", json!({}));
    scene.complete("d", json!({}));
    assert_eq!(
        (scene.status(), scene.statuses()),
        ("failed".to_owned(), "1 failed, 2 completed, 3 pending, 4 completed".to_owned())
    );
    // The failed step is skipped, and with it the one that depends on it.
    assert_eq!(scene.ok("step.skip", json!({"executionId": "e", "stepId": 1}))["status"], "completed");
    assert_eq!(scene.statuses(), "1 skipped, 2 completed, 3 skipped, 4 completed");
    scene.check();
}

#[test]
fn completed_steps_are_undone_in_reverse_order() {
    let scene = AppScene::with_steps(json!([
        {"id": 1, "name": "book", "compensate": {"name": "cancel"}},
        {"id": 2, "name": "pay", "depends_on": [1], "compensate": {"name": "refund", "input": {"amount": "$.steps.2.output.amount"}}},
        {"id": 3, "name": "mail", "depends_on": [2]}, {"id": 4, "name": "ship", "depends_on": [3]}
    ]));
    scene.start(json!({"trip": 1}));
    scene.complete("book", json!({"ref": "b1"}));
    scene.complete("pay", json!({"amount": 5}));
    scene.complete("mail", json!({}));
    assert_eq!(scene.fail("ship")["execution"]["status"], "running");
    assert!(scene.claim("cancel").is_null(), "the last one is undone first");
    let refund = scene.claim("refund");
    assert_eq!(refund["input"], json!({"amount": 5}));
    assert_eq!(scene.ok("step.complete", claim_of(&refund, json!({})))["status"], "running");
    let cancel = scene.claim("cancel");
    assert_eq!(cancel["input"], json!({"input": {"trip": 1}, "output": {"ref": "b1"}}));
    // A step that undoes another one fails: the execution has failed, and it may be retried.
    scene.ok("step.fail", claim_of(&cancel, json!({"message": "no network", "permanent": true})));
    assert_eq!(scene.status(), "failed");
    assert_eq!(scene.show()["error"]["stepName"], "ship");
    assert_eq!(scene.statuses(), "1 completed, 2 completed, 3 completed, 4 failed, -1 failed, -2 completed");
    assert_eq!(scene.code("step.retry", json!({"executionId": "e", "stepId": 4})), "compensated");
    scene.check();
    assert_eq!(scene.ok("step.retry", json!({"executionId": "e", "stepId": -1}))["status"], "running");
    assert_eq!(scene.complete("cancel", json!({}))["status"], "failed");
    scene.check();
}

#[test]
fn a_cancelled_execution_ends_its_steps_and_its_claims() {
    let scene = AppScene::with_steps(json!([
        {"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "c"}, {"id": 4, "name": "d", "depends_on": [1]}
    ]));
    scene.start(json!({}));
    scene.complete("a", json!({}));
    let work = scene.claim("b");
    assert_eq!(scene.ok("execution.cancel", json!({"id": "e"}))["status"], "cancelled");
    assert_eq!(scene.statuses(), "1 completed, 2 failed, 3 skipped, 4 skipped");
    assert_eq!(scene.code("step.heartbeat", claim_of(&work, json!({}))), "stale_claim");
    for (name, step) in [("step.retry", 2), ("step.skip", 2)] {
        assert_eq!(scene.code(name, json!({"executionId": "e", "stepId": step})), "illegal_transition");
    }
    assert_eq!(scene.code("execution.cancel", json!({"id": "e"})), "illegal_transition");
    scene.check();
}

#[test]
fn a_step_is_skipped_by_hand_only_before_it_runs_or_after_it_failed() {
    let scene =
        AppScene::with_steps(json!([{"id": 1, "name": "a"}, {"id": 2, "name": "b", "depends_on": [1], "when": true}]));
    scene.start(json!({}));
    let work = scene.claim("a");
    assert_eq!(scene.code("step.skip", json!({"executionId": "e", "stepId": 1})), "illegal_transition");
    scene.ok("step.release", claim_of(&work, json!({})));
    assert_eq!(scene.ok("step.skip", json!({"executionId": "e", "stepId": 1}))["status"], "running");
    assert!(scene.claim("a").is_null());
    assert_eq!(scene.code("step.retry", json!({"executionId": "e", "stepId": 1})), "illegal_transition");
    assert_eq!(scene.code("step.skip", json!({"executionId": "e", "stepId": 9})), "not_found");
    assert_eq!(scene.complete("b", json!({}))["status"], "completed");
    assert_eq!(scene.code("step.skip", json!({"executionId": "none", "stepId": 1})), "not_found");
}

#[test]
fn values_that_do_not_fit_are_refused() {
    let scene = AppScene::with_configuration(json!({
        "input": [{"name": "url", "type": "string"}],
        "steps": [{"id": 1, "name": "a", "output": [{"name": "n", "type": "integer"}, {"name": "note", "type": "string", "optional": true}]}]
    }));
    let start = |input| json!({"appId": 1, "userId": "u", "input": input});
    insta::assert_snapshot!(scene.message("execution.start", start(json!({}))), @"input.url: is missing");
    insta::assert_snapshot!(scene.message("execution.start", start(json!({"url": 1}))), @"input.url: must be a text");
    assert_eq!(scene.code("execution.start", start(json!({"url": "x".repeat(2 << 20)}))), "limit");
    scene.start(json!({"url": "u"}));
    let work = scene.claim("a");
    let complete = |output| claim_of(&work, json!({"output": output}));
    insta::assert_snapshot!(scene.message("step.complete", complete(json!({"n": 1.5}))), @"output.n of step `e:1` must be a whole number; nothing was changed");
    assert_eq!(scene.code("step.complete", complete(json!("text"))), "invalid_output");
    assert_eq!(scene.code("step.complete", complete(json!({"n": 1, "note": 1}))), "invalid_output");
    assert_eq!(scene.code("step.complete", complete(json!({"n": 1, "note": "x".repeat(2 << 20)}))), "limit");
    assert_eq!(scene.ok("step.complete", complete(json!({"n": 1, "note": null})))["status"], "completed");
}

#[test]
fn an_input_that_grows_too_large_fails_its_step() {
    let scene = AppScene::with_steps(json!([
        {"id": 1, "name": "a"},
        {"id": 2, "name": "b", "depends_on": [1], "input": {"x": "$.steps.1.output", "y": "$.steps.1.output"}}
    ]));
    scene.start(json!({}));
    scene.complete("a", json!("x".repeat(700_000)));
    assert!(scene.claim("b").is_null());
    assert_eq!((scene.status(), &scene.step(2)["error"]["name"]), ("failed".to_owned(), &json!("InputTooLarge")));
    scene.check();
}

#[test]
fn the_page_has_the_tables_of_the_lifecycles() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/apps.md")).unwrap();
    for table in [transition_table::<Step>(), transition_table::<AppExecution>(), transition_table::<Blob>()] {
        assert!(page.contains(&table), "docs/apps.md lacks\n{table}");
    }
}
