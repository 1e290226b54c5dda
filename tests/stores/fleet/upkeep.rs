//! Upkeep: what is older than a year is removed, and budgets keep their sum.

use runstate::id::CommandId;
use runstate::schema::Collection;
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
    let budget = scene.ok("budget.show", json!({"uuid": total}));
    assert_eq!((&budget["used_amount"], &budget["archived_amount"]), (&json!("377"), &json!("375")));
    let log = scene.items("maintenance.list", json!({"sort": "performed_at"}));
    let removed: Vec<&Json> = log.iter().filter(|row| row["affected_rows"] != 0).collect();
    assert_eq!(removed.len(), 1, "{log:?}");
    assert_eq!(
        (&removed[0]["operation"], &removed[0]["affected_rows"]),
        (&json!("cleanup_resource_usage"), &json!(250))
    );
    scene.verify();
    assert!(scene.after(Millis::days(27)).woken == 0);
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
