//! Upkeep: what is older than a year is removed, and budgets keep their sum.

use std::sync::Arc;

use runstate::domain::fleet::UpkeepJob;
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::{Collection, Entity as _, Key};
use runstate::store::{Freshness, Memory, StoreError, layer};
use runstate::testing::{BatchExt as _, batch, block_on};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use serde_json::json;

use super::scene::{FleetScene, money};

/// Replaces a document without a command of the domain.
pub fn replace(scene: &FleetScene, collection: &'static Collection, id: &str, document: Json) {
    let command = batch(CommandId::new(&format!("replace {id}")).unwrap());
    block_on(scene.engine.store().commit(command.put(collection, id, document))).unwrap();
}

#[test]
fn uses_older_than_a_year_are_removed_on_the_first_of_the_month() {
    let scene = FleetScene::new();
    let total = scene.budget("total", "1000");
    for _ in 0..250 {
        scene.ok("usage.record", money("1.5"));
    }
    scene.host.clock.advance(Millis::days(40));
    scene.ok("usage.record", money("2"));
    let at = |text: &str| scene.host.clock.set(Timestamp::from_rfc3339(text).unwrap());
    // Exactly a year later nothing is older than a year.
    at("2025-01-20T12:00:00Z");
    scene.after(Millis(0));
    assert_eq!(scene.items("usage.list", json!({})).len(), 251);
    at("2025-02-01T01:59:59.999Z");
    scene.after(Millis(0));
    assert_eq!(scene.items("usage.list", json!({})).len(), 251);
    scene.after(Millis(1));
    assert_eq!(scene.items("usage.list", json!({})).len(), 1);
    let budget = scene.ok("budget.show", json!({"id": total}));
    assert_eq!((&budget["usedAmount"], &budget["archivedAmount"]), (&json!("377"), &json!("375")));
    let log = scene.items("maintenance.list", json!({"sort": "performedAt"}));
    let removed: Vec<&Json> = log.iter().filter(|row| row["affectedRows"] != 0).collect();
    assert_eq!(removed.len(), 1, "{log:?}");
    assert_eq!(
        (&removed[0]["operation"], &removed[0]["affectedRows"]),
        (&json!("cleanup_resource_usage"), &json!(250))
    );
    scene.verify();
    assert!(scene.after(Millis::days(27)).resumed == 0);
}

#[test]
fn a_clock_that_jumps_months_runs_a_job_once() {
    let scene = FleetScene::new();
    let jump = |text: &str| {
        scene.host.clock.set(Timestamp::from_rfc3339(text).unwrap());
        scene.after(Millis(0));
        scene.items("maintenance.list", json!({})).len()
    };
    assert_eq!(jump("2024-02-01T01:59:59Z"), 0);
    assert_eq!(jump("2024-06-15T12:00:00Z"), 1);
    assert_eq!(jump("2024-07-01T01:59:59Z"), 1);
    assert_eq!(jump("2024-07-01T02:00:00Z"), 2);
    // A clock that is set back runs nothing.
    assert_eq!(jump("2024-05-01T02:00:00Z"), 2);
}

/// A store that keeps views.
struct StoreWithViews(Memory);

impl layer::StoreLayer for StoreWithViews {
    type Inner = Memory;

    fn inner(&self) -> &Memory {
        &self.0
    }

    fn maintain(&self) -> BoxFuture<'_, Result<Option<u64>, StoreError>> {
        Box::pin(async { Ok(Some(3)) })
    }
}

/// The clock is ahead when a job runs, and right again before the time at which it was due.
#[test]
fn a_job_that_a_clock_ahead_has_run_runs_again_at_its_time() {
    let scene = FleetScene::with_store(Arc::new(StoreWithViews(Memory::new())));
    scene.create_project();
    let at = |text: &str| Timestamp::from_rfc3339(text).unwrap();
    let refreshed = || scene.items("maintenance.list", json!({"operation": "refresh_views"}));
    for (now, rows) in [("2036-03-01T12:00:00Z", 1), ("2024-01-20T12:00:01Z", 1), ("2024-01-21T01:00:00Z", 1)] {
        scene.host.clock.set(at(now));
        scene.after(Millis(0));
        assert_eq!(refreshed().len(), rows, "{now}");
    }
    assert_eq!(refreshed()[0]["performedAt"], json!(at("2024-01-21T01:00:00Z").as_millis()));
    scene.host.clock.set(at("2024-01-22T01:00:00Z"));
    scene.after(Millis(0));
    assert_eq!(refreshed().len(), 2);
}

#[test]
fn a_clock_that_was_in_2036_once_postpones_no_job() {
    let scene = FleetScene::new();
    let at = |text: &str| Timestamp::from_rfc3339(text).unwrap();
    let due_at = |id: &str| {
        let key = Key::new(&UpkeepJob::COLLECTION, id);
        let job = block_on(scene.engine.store().get(&[key], Freshness::Linearizable)).unwrap().remove(0).unwrap();
        Timestamp::from_millis(job.document["due_at"].as_i64().unwrap())
    };
    scene.host.clock.set(at("2036-03-01T12:00:00Z"));
    scene.after(Millis(0));
    assert_eq!(due_at("refresh_views"), at("2036-03-02T01:00:00Z"));
    scene.host.clock.set(at("2024-05-01T12:00:00Z"));
    // A process that asks when work is due looks at once.
    assert_eq!(block_on(scene.engine.next_due(Freshness::Session)).unwrap(), Some(at("2024-05-01T12:00:00Z")));
    let performed = scene.items("maintenance.list", json!({})).len();
    scene.after(Millis(0));
    assert_eq!(due_at("refresh_views"), at("2024-05-02T01:00:00Z"));
    assert_eq!(due_at("cleanup_resource_usage"), at("2024-06-01T02:00:00Z"));
    scene.host.clock.set(at("2024-06-01T02:00:00Z"));
    scene.after(Millis(0));
    assert_eq!(due_at("refresh_views"), at("2024-06-02T01:00:00Z"));
    assert_eq!(scene.items("maintenance.list", json!({})).len(), performed + 1);
}
