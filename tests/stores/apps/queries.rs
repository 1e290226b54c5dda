//! The questions about executions and steps, each one operation.

use runstate::time::Millis;
use serde_json::{Value as Json, json};

use super::scene::{AppScene, claim_of};

/// Two apps with three executions on two days: one is completed, one failed, one cancelled.
fn scene() -> AppScene {
    let scene = AppScene::with_steps(json!([{"id": 1, "name": "a"}]));
    let other = json!({"appId": 2, "appName": "other", "version": "1", "activate": true, "configuration": {"steps": [{"id": 1, "name": "b"}]}});
    scene.ok("configuration.save", other);
    let start = |app: i64, user: &str| scene.ok("execution.start", json!({"appId": app, "userId": user}));
    start(1, "ada");
    let work = scene.claim("a");
    scene.host.clock.advance(Millis::seconds(10));
    scene.ok("step.complete", claim_of(&work, json!({})));
    scene.host.clock.advance(Millis::days(1));
    start(1, "ada");
    scene.fail("a");
    let last = start(2, "bob");
    scene.ok("execution.cancel", json!({"id": last["id"]}));
    scene
}

fn items(page: &Json, field: &str) -> Vec<Json> {
    page["items"].as_array().unwrap().iter().map(|one| one[field].clone()).collect()
}

#[test]
fn lists_find_executions_by_user_status_and_time() {
    let scene = scene();
    let latest = json!({"user": "ada", "sort": "startedAt", "descending": true, "limit": 10});
    assert_eq!(items(&scene.ok("execution.list", latest), "status"), ["failed", "completed"]);
    assert_eq!(items(&scene.ok("execution.failed", json!({})), "userId"), ["ada"]);
    scene.host.clock.advance(Millis::days(1));
    assert_eq!(items(&scene.ok("execution.failed", json!({"hours": 23})), "userId"), Vec::<Json>::new());
}

#[test]
fn rates_durations_and_reports_are_numbers_of_one_call() {
    let scene = scene();
    let success = scene.ok("report.success", json!({}));
    let suite = json!({"appName": "suite", "total": 2, "successful": 1, "successRate": 0.5});
    let other = json!({"appName": "other", "total": 1, "successful": 0, "successRate": 0.0});
    assert_eq!(success, json!([other, suite]));
    assert_eq!(scene.ok("report.success", json!({"days": 1}))[1]["total"], 1);
    let durations = scene.ok("report.durations", json!({}));
    assert_eq!(
        (&durations[0]["p50Ms"], &durations[0]["p95Ms"], &durations[0]["count"]),
        (&json!(10_000.0), &json!(10_000.0), &json!(1))
    );
    assert_eq!(scene.ok("report.durations", json!({"stepName": "none"})), json!([]));
    let report = scene.ok("report.executions", json!({}));
    assert_eq!(report.as_array().unwrap().len(), 3);
    assert_eq!((&report[0]["completed"], &report[0]["durationMs"]), (&json!(1), &json!(10_000)));
    let month = scene.ok("report.executions", json!({"period": "month", "userId": "ada"}));
    assert_eq!(month.as_array().unwrap().len(), 1);
    assert_eq!((&month[0]["total"], &month[0]["failed"]), (&json!(2), &json!(1)));
}
