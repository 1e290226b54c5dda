//! Sagas: steps that always run, compensations with attempts of their own, cancels meanwhile, deadlines. On memory and
//! on files.

use std::sync::Arc;

use runstate::engine::{Error, RunLimit};
use runstate::store::Memory;
use runstate::store::layer::Method;
use runstate::testing::{Fault, FaultStore, block_on};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use super::scene::{AppScene, claim_of};
use crate::support::handles::simulated_files;

/// Runs a test on a scene of each store, in which the execution `e` of this configuration runs.
fn on_each_store(configuration: Json, test: impl Fn(AppScene)) {
    for store in [Arc::new(Memory::new()), simulated_files()] {
        let scene = AppScene::with_store(store);
        scene.save("1.0.0", configuration.clone());
        scene.start(json!({}));
        test(scene);
    }
}

fn cancel(scene: &AppScene) -> Json {
    let cancelled = scene.ok("execution.cancel", json!({"id": "e"}));
    scene.check();
    cancelled["status"].clone()
}

/// Two steps that are undone, one that fails, one that never begins, and one that always runs after it.
fn saga() -> Json {
    json!({"steps": [
        {"id": 1, "name": "book", "compensate": {"name": "unbook", "retry": {"max_attempts": 2, "backoff_ms": 0}, "timeout_ms": 5000}},
        {"id": 2, "name": "pay", "depends_on": [1], "compensate": {"name": "refund"}},
        {"id": 3, "name": "ship", "depends_on": [2]},
        {"id": 4, "name": "mail", "depends_on": [3]},
        {"id": 5, "name": "clean", "depends_on": [4], "always": true, "input": {"booked": "$.steps.1.output", "mailed": "$.steps.4.output"}}
    ]})
}

#[test]
fn a_step_with_always_runs_last_after_a_failure() {
    on_each_store(saga(), |scene| {
        scene.complete("book", json!("b1"));
        scene.complete("pay", json!({}));
        scene.fail("ship");
        assert!(scene.claim("clean").is_null(), "what is completed is undone first");
        scene.complete("refund", json!({}));
        scene.complete("unbook", json!({}));
        assert_eq!(
            (scene.status(), scene.statuses()),
            (
                "running".to_owned(),
                "1 completed, 2 completed, 3 failed, 4 pending, 5 pending, -1 completed, -2 completed".to_owned()
            )
        );
        scene.check();
        let work = scene.claim("clean");
        assert_eq!(work["input"], json!({"booked": "b1", "mailed": null}));
        let ended = scene.ok("step.complete", claim_of(&work, json!({})));
        assert_eq!((&ended["status"], &scene.show()["error"]["stepName"]), (&json!("failed"), &json!("ship")));
        scene.check();
    });
}

#[test]
fn the_failure_of_a_step_with_always_changes_no_earlier_end() {
    let steps = json!({"steps": [
        {"id": 1, "name": "a"}, {"id": 2, "name": "clean", "depends_on": [1], "always": true},
        {"id": 3, "name": "last", "depends_on": [2], "always": true}
    ]});
    for first in ["fail", "cancel"] {
        on_each_store(steps.clone(), |scene| {
            match first {
                "fail" => drop(scene.fail("a")),
                _ => assert_eq!(cancel(&scene), "running"),
            }
            assert!(scene.claim("last").is_null());
            assert_eq!(scene.code("step.retry", json!({"executionId": "e", "stepId": 1})), "illegal_transition");
            assert_eq!(scene.fail("clean")["execution"]["status"], "running");
            let status = if first == "fail" { "failed" } else { "cancelled" };
            assert_eq!(scene.complete("last", json!({}))["status"], status);
            assert_eq!(scene.step(2)["error"]["message"], "clean broke");
            scene.check();
            if first == "fail" {
                assert_eq!(scene.show()["error"]["stepName"], "a");
                // The one that failed to clean up is retried alone.
                let retry = |step| scene.ok("step.retry", json!({"executionId": "e", "stepId": step}));
                assert_eq!(retry(2)["status"], "running");
                assert!(scene.claim("a").is_null());
                assert_eq!(scene.complete("clean", json!({}))["status"], "failed");
                // Nothing was undone, so the execution continues.
                assert_eq!(retry(1)["status"], "running");
                assert_eq!(scene.complete("a", json!({}))["status"], "completed");
                scene.check();
            }
        });
    }
}

#[test]
fn a_step_with_always_runs_after_skipped_and_completed_ones() {
    for on_failure in ["fail_fast", "continue"] {
        let configuration = json!({
            "settings": {"on_failure": on_failure},
            "steps": [
                {"id": 1, "name": "a"},
                {"id": 2, "name": "b", "depends_on": [1], "when": {"value": "$.steps.1.output", "equals": 1}},
                {"id": 3, "name": "clean", "depends_on": [2], "always": true},
                {"id": 4, "name": "never", "always": true, "when": false}
            ]
        });
        on_each_store(configuration, |scene| {
            scene.complete("a", json!(2));
            assert_eq!(scene.statuses(), "1 completed, 2 skipped, 3 pending, 4 skipped");
            // Nothing failed before it, so its failure is that of the execution.
            assert_eq!(scene.fail("clean")["execution"]["status"], "failed");
            assert_eq!(scene.ok("step.skip", json!({"executionId": "e", "stepId": 3}))["status"], "completed");
            scene.check();
        });
    }
}

#[test]
fn a_compensation_has_attempts_and_a_timeout_of_its_own() {
    on_each_store(saga(), |scene| {
        scene.complete("book", json!({}));
        scene.fail("pay");
        let lease = json!({"names": ["unbook"], "owner": "w", "leaseMs": 3_600_000});
        let work = scene.ok("step.claim", lease.clone());
        assert_eq!(work["claimed"]["until"], scene.host.clock.now().as_millis() + 5_000);
        scene.after(Millis::seconds(5));
        assert_eq!(scene.step(-1)["error"]["name"], "Timeout");
        let work = scene.ok("step.claim", lease.clone());
        assert_eq!(work["claimed"]["attempts"], 2);
        let failed = scene.ok("step.fail", claim_of(&work, json!({"message": "no"})));
        assert!(failed["retryAt"].is_null());
        assert_eq!(scene.complete("clean", json!({}))["status"], "failed");
        assert_eq!(scene.ok("step.retry", json!({"executionId": "e", "stepId": -1}))["status"], "running");
        assert_eq!(scene.complete("unbook", json!({}))["status"], "failed");
        scene.check();
    });
}

#[test]
fn a_cancel_leaves_nothing_half_undone() {
    for claimed in [false, true] {
        on_each_store(saga(), |scene| {
            scene.complete("book", json!({}));
            scene.complete("pay", json!({}));
            scene.fail("ship");
            let work = if claimed { scene.claim("refund") } else { Json::Null };
            for _ in 0..2 {
                assert_eq!(cancel(&scene), "running");
            }
            match claimed {
                true => drop(scene.ok("step.complete", claim_of(&work, json!({})))),
                false => drop(scene.complete("refund", json!({}))),
            }
            let unbook = scene.claim("unbook");
            scene.ok("step.fail", claim_of(&unbook, json!({"message": "no", "permanent": true})));
            // What is not undone may be retried.
            assert_eq!(scene.complete("clean", json!({}))["status"], "failed");
            assert_eq!(scene.ok("step.retry", json!({"executionId": "e", "stepId": -1}))["status"], "running");
            assert_eq!(scene.complete("unbook", json!({}))["status"], "cancelled");
            assert_eq!(scene.code("execution.cancel", json!({"id": "e"})), "illegal_transition");
            scene.check();
        });
    }
}

/// Its worker may still report what it did.
#[test]
fn a_cancel_after_a_failure_waits_for_what_runs() {
    let steps = json!({"steps": [{"id": 1, "name": "a"}, {"id": 2, "name": "b", "compensate": {"name": "undo"}}]});
    on_each_store(steps, |scene| {
        let other = scene.claim("b");
        scene.fail("a");
        assert_eq!(cancel(&scene), "running");
        scene.ok("step.complete", claim_of(&other, json!({})));
        assert_eq!(scene.complete("undo", json!({}))["status"], "cancelled");
        scene.check();
    });
}

#[test]
fn a_cancel_lets_a_step_with_always_go_on() {
    let steps = json!({"steps": [
        {"id": 1, "name": "a", "compensate": {"name": "undo"}}, {"id": 2, "name": "b", "depends_on": [1]},
        {"id": 3, "name": "open", "always": true}, {"id": 4, "name": "close", "depends_on": [2, 3], "always": true}
    ]});
    on_each_store(steps, |scene| {
        scene.complete("a", json!({}));
        let (b, open) = (scene.claim("b"), scene.claim("open"));
        assert_eq!(cancel(&scene), "running");
        assert_eq!(scene.code("step.complete", claim_of(&b, json!({}))), "stale_claim");
        assert_eq!(scene.statuses(), "1 completed, 2 failed, 3 running, 4 pending");
        // It is released, and claimed again.
        scene.ok("step.release", claim_of(&open, json!({})));
        scene.complete("open", json!({}));
        assert_eq!(scene.complete("close", json!({}))["status"], "cancelled");
        assert_eq!(scene.statuses(), "1 completed, 2 failed, 3 completed, 4 completed");
        scene.check();
    });
}

/// A step has failed, but the execution runs on, so it is cancelled as any that runs: nothing is undone.
#[test]
fn with_continue_a_failed_step_is_retried_or_its_execution_is_cancelled() {
    let configuration = json!({
        "settings": {"on_failure": "continue"},
        "steps": [
            {"id": 1, "name": "a", "compensate": {"name": "undo"}}, {"id": 2, "name": "b"},
            {"id": 3, "name": "c", "depends_on": [1]}, {"id": 4, "name": "clean", "depends_on": [2, 3], "always": true}
        ]
    });
    for end in ["retry", "fail", "cancel"] {
        on_each_store(configuration.clone(), |scene| {
            scene.complete("a", json!({}));
            let c = scene.claim("c");
            for _ in 0..2 {
                assert_eq!(scene.fail("b")["execution"]["status"], "running");
                assert!(scene.claim("clean").is_null() && scene.claim("undo").is_null());
                scene.check();
                assert_eq!(scene.ok("step.retry", json!({"executionId": "e", "stepId": 2}))["status"], "running");
                assert!(scene.show()["error"].is_null());
            }
            if end != "retry" {
                scene.fail("b");
            }
            let (status, statuses) = match end {
                "retry" => {
                    scene.complete("b", json!({}));
                    scene.ok("step.complete", claim_of(&c, json!({})));
                    ("completed", "1 completed, 2 completed, 3 completed, 4 completed")
                }
                "fail" => {
                    scene.ok("step.complete", claim_of(&c, json!({})));
                    assert!(scene.claim("clean").is_null());
                    scene.complete("undo", json!({}));
                    ("failed", "1 completed, 2 failed, 3 completed, 4 completed, -1 completed")
                }
                _ => {
                    assert_eq!(cancel(&scene), "running");
                    assert_eq!(scene.code("step.complete", claim_of(&c, json!({}))), "stale_claim");
                    assert_eq!(
                        scene.code("step.retry", json!({"executionId": "e", "stepId": 2})),
                        "illegal_transition"
                    );
                    ("cancelled", "1 completed, 2 failed, 3 failed, 4 completed")
                }
            };
            assert_eq!(scene.complete("clean", json!({}))["status"], status);
            assert_eq!(scene.statuses(), statuses);
            scene.check();
        });
    }
}

/// Nobody serves it, and a person ends the execution without it.
#[test]
fn a_step_with_always_that_waits_after_a_cancel_may_be_skipped() {
    let steps =
        json!({"steps": [{"id": 1, "name": "a"}, {"id": 2, "name": "clean", "depends_on": [1], "always": true}]});
    on_each_store(steps, |scene| {
        assert_eq!(cancel(&scene), "running");
        assert_eq!(scene.ok("step.skip", json!({"executionId": "e", "stepId": 2}))["status"], "cancelled");
        scene.check();
    });
}

#[test]
fn an_execution_whose_deadline_passes_fails_and_is_undone() {
    let mut configuration = saga();
    configuration["settings"] = json!({"deadline_ms": 60_000});
    on_each_store(configuration, |scene| {
        scene.complete("book", json!({}));
        let pay = scene.ok("step.claim", json!({"names": ["pay"], "owner": "w", "leaseMs": 3_600_000}));
        assert_eq!(scene.after(Millis::seconds(59)).resumed, 0);
        scene.after(Millis::seconds(1));
        let shown = scene.show();
        let error = json!({"message": "the deadline of the execution has passed", "name": "deadline_passed"});
        assert_eq!((&shown["status"], &shown["error"], &shown["deadlineAt"]), (&json!("running"), &error, &Json::Null));
        scene.check();
        // Its worker reports what it did, and that is undone too.
        scene.ok("step.complete", claim_of(&pay, json!({})));
        assert!(scene.claim("ship").is_null());
        for name in ["refund", "unbook"] {
            assert_eq!(scene.complete(name, json!({}))["status"], "running");
        }
        assert_eq!(scene.complete("clean", json!({}))["status"], "failed");
        assert_eq!(scene.show()["error"], error);
        assert_eq!(scene.code("step.skip", json!({"executionId": "e", "stepId": 3})), "compensated");
        scene.check();
    });
}

#[test]
fn the_deadline_of_a_start_replaces_that_of_the_configuration() {
    let configuration = json!({"steps": [{"id": 1, "name": "a"}], "settings": {"deadline_ms": 30_000}});
    on_each_store(configuration, |scene| {
        let start = |id: &str, deadline: Json| json!({"appId": 1, "userId": "u", "id": id, "deadlineMs": deadline});
        for deadline in [0_i64, 29_999, 1 << 50] {
            assert_eq!(scene.code("execution.start", start("none", json!(deadline))), "invalid", "{deadline}");
        }
        scene.ok("execution.start", start("later", json!(60_000)));
        scene.after(Millis::seconds(30));
        let status = |id: &str| scene.ok("execution.show", json!({"id": id}))["status"].clone();
        assert_eq!((status("e"), status("later")), (json!("failed"), json!("running")));
        // Nothing was undone, so a person continues it, without a deadline.
        assert_eq!(scene.ok("step.skip", json!({"executionId": "e", "stepId": 1}))["status"], "completed");
        assert!(scene.show()["error"].is_null());
        scene.check();
        // One that has ended has no deadline.
        scene.complete("a", json!({}));
        assert!(scene.ok("execution.show", json!({"id": "later"}))["deadlineAt"].is_null());
        scene.after(Millis::minutes(1));
        assert_eq!(status("later"), "completed");
        scene.check();
    });
}

/// Every commit of the end of an execution is whole: the process dies at each, and another one continues.
#[test]
fn a_process_that_dies_while_an_execution_ends_loses_nothing() {
    for first in ["fail", "cancel", "deadline"] {
        for (nth, fault) in (1..=8).flat_map(|nth| [(nth, Fault::DieBefore), (nth, Fault::DieAfter)]) {
            let store = Arc::new(FaultStore::new(Memory::new()));
            let mut scene = AppScene::with_store(store.clone());
            let mut configuration = saga();
            configuration["settings"] = json!({"deadline_ms": 60_000, "max_retries": 5});
            scene.save("1.0.0", configuration);
            scene.start(json!({}));
            scene.complete("book", json!({}));
            store.plan(Method::Commit, nth, fault.clone());
            for round in 0.. {
                assert!(round < 40, "it does not end: {}", scene.statuses());
                let all = json!(["pay", "refund", "unbook", "clean"]);
                let act = || {
                    match first {
                        "fail" => {}
                        "cancel" => drop(scene.call("execution.cancel", json!({"id": "e"}))),
                        _ => drop(scene.host.clock.advance(Millis::minutes(1))),
                    }
                    block_on(scene.engine.run_due(100, RunLimit::Stop))?;
                    let work = scene.call("step.claim", json!({"names": all, "owner": "w"}))?;
                    if work.is_null() {
                        scene.host.clock.advance(Millis::minutes(1));
                    } else if first == "fail" && work["claimed"]["stepName"] == "pay" {
                        scene.call("step.fail", claim_of(&work, json!({"message": "no", "permanent": true})))?;
                    } else {
                        scene.call("step.complete", claim_of(&work, json!({})))?;
                    }
                    Ok::<(), Error>(())
                };
                let result = act();
                if store.is_dead() {
                    store.heal();
                    scene = scene.reopen(store.clone());
                    continue;
                }
                result.unwrap();
                if scene.status() != "running" {
                    break;
                }
            }
            scene.check();
            let shown = scene.statuses();
            println!("{first} {nth} {fault:?}: {} {shown}", scene.status());
            assert!(shown.contains("5 completed"), "{shown}");
        }
    }
}
