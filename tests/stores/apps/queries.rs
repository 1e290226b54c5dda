//! The questions about executions and steps, each one operation.

use runstate::domain::apps::AppExecution;
use runstate::schema::Entity as _;
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
fn failures_are_found_by_the_time_at_which_they_happened() {
    let scene = AppScene::with_steps(json!([{"id": 1, "name": "a"}]));
    let users = |hours: u32| items(&scene.ok("execution.failed", json!({"hours": hours})), "userId");
    scene.ok("execution.start", json!({"appId": 1, "userId": "slow"}));
    let slow = scene.claim("a");
    scene.host.clock.advance(Millis::days(3));
    scene.ok("execution.start", json!({"appId": 1, "userId": "fast"}));
    scene.fail("a");
    scene.host.clock.advance(Millis::seconds(1));
    // Its lease has ended, and no other worker has claimed it.
    scene.ok("step.fail", claim_of(&slow, json!({"message": "no", "permanent": true})));
    assert_eq!(users(1), ["slow", "fast"]);
    // Another program has not stored the end.
    let document = json!({"execution_id": "x", "app_id": 1, "app_name": "suite", "user_id": "other", "status": "failed", "started_at": scene.host.clock.now().as_millis(), "created_at": 0, "updated_at": 0});
    scene.put(&AppExecution::COLLECTION, "x", document);
    assert_eq!(users(1).len(), 3);
    scene.host.clock.advance(Millis::days(1));
    assert!(users(1).is_empty());
}

#[test]
fn durations_are_those_of_each_app() {
    let scene = scene();
    scene.ok("execution.start", json!({"appId": 2, "userId": "bob"}));
    let work = scene.claim("b");
    scene.host.clock.advance(Millis::seconds(20));
    scene.ok("step.complete", claim_of(&work, json!({})));
    let rows = |parameters: Json| {
        let row = |row: &Json| format!("{} {} {}", row["appId"], row["stepName"], row["p50Ms"]);
        let rows = scene.ok("report.durations", parameters);
        rows.as_array().unwrap().iter().map(row).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(rows(json!({})), "1 \"a\" 10000.0, 2 \"b\" 20000.0");
    assert_eq!(rows(json!({"appId": 2})), "2 \"b\" 20000.0");
    assert_eq!(rows(json!({"appId": 3})), "");
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
