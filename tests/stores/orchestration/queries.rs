//! The queries that must be one call.

use std::sync::Arc;

use runstate::decision::EngineSettings;
use runstate::domain::orchestration::{OrchestrationSettings, Session};
use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection, Entity as _};
use runstate::store::{Memory, Store as _, StoreAdmin as _};
use runstate::testing::{BatchExt as _, batch, block_on};
use runstate::time::Millis;
use serde_json::{Value as Json, json};

use super::scene::{SessionScene, with};

fn ids(page: &Json) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[test]
fn sessions_are_found_by_project_machine_and_status() {
    let scene = SessionScene::session();
    scene.create("other", json!({"project": "q"}));
    scene.create("paused", json!({}));
    scene.ok("session.pause", json!({"id": "paused"}));
    assert_eq!(ids(&scene.ok("session.list", json!({"project": "p", "status": "active"}))), ["s"]);
    assert_eq!(ids(&scene.ok("session.list", json!({"machine": "m", "status": "active"}))), ["other", "s"]);
    let first = scene.ok("session.list", json!({"limit": 2}));
    let rest = scene.ok("session.list", json!({"limit": 2, "cursor": first["next"]}));
    assert_eq!((ids(&first).len(), ids(&rest).len(), rest.get("next")), (2, 1, None));
    let sorted =
        |parameters| ids(&scene.ok("session.list", parameters)).iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(sorted(json!({"sort": "status"})), ["other", "s", "paused"]);
    assert_eq!(sorted(json!({"sort": "status", "descending": true}))[0], "paused");
    assert_eq!(scene.code("session.list", json!({"descending": true})), "usage");
    let counts = scene.ok("project.counts", json!({}));
    assert_eq!(counts[0], json!({"projectId": "p", "sessions": {"active": 1, "paused": 1}, "tasks": {}}));
}

#[test]
fn a_session_with_an_unknown_status_hides_no_other_one() {
    let store = Arc::new(Memory::new());
    let scene = SessionScene::with_store(store.clone(), EngineSettings::default());
    for id in ["a", "b", "c"] {
        scene.create(id, json!({}));
    }
    // As a newer version would write it.
    static UNDECLARED: Collection = Collection::new("orchestration.sessions", 1);
    block_on(store.migrate(&Catalog::new(&[&UNDECLARED]).unwrap())).unwrap();
    let sleeping = with(scene.stored(&Session::COLLECTION, "b"), json!({"status": "hibernating"}));
    block_on(store.commit(batch(CommandId::new("newer").unwrap()).put(&UNDECLARED, "b", sleeping))).unwrap();

    let scene = SessionScene::open_beside(&scene, store);
    let page = scene.ok("session.list", json!({"limit": 2}));
    assert_eq!((ids(&page), page["damaged"][0]["id"].as_str()), (vec!["a"], Some("b")));
    assert!(page["damaged"][0]["reason"].as_str().unwrap().starts_with("status: is not one of"), "{page}");
    let rest = scene.ok("session.list", json!({"limit": 2, "cursor": page["next"]}));
    assert_eq!((ids(&rest), rest.get("damaged")), (vec!["c"], None));
    assert_eq!(scene.code("session.show", json!({"id": "b"})), "corrupt");
}

#[test]
fn stale_failed_and_recoverable_sessions_are_found() {
    let scene = SessionScene::session();
    scene.create("failed", json!({}));
    scene.ok("session.fail", json!({"id": "failed", "reason": "test"}));
    scene.host.clock.advance(Millis::minutes(90));
    scene.create("fresh", json!({}));
    assert_eq!(ids(&scene.ok("session.stale", json!({}))), ["s"]);
    assert_eq!(ids(&scene.ok("session.recoverable", json!({}))), ["failed"]);
    assert_eq!(ids(&scene.ok("session.failed", json!({"hours": 2}))), ["failed"]);
    assert_eq!(ids(&scene.ok("session.failed", json!({"hours": 1}))), [""; 0]);
}

#[test]
fn a_session_is_listed_as_stale_when_its_health_is() {
    let settings =
        OrchestrationSettings { unresponsive_within: Millis::minutes(20), ..OrchestrationSettings::default() };
    let scene = SessionScene::with_store(Arc::new(Memory::new()), settings.into());
    for n in 0..6 {
        scene.create(&format!("s{n}"), json!({}));
        scene.host.clock.advance(Millis::minutes(5));
    }
    let health = |id: &str| scene.ok("session.health", json!({"id": id}))["health"].clone();
    assert_eq!((health("s2"), health("s3")), (json!("stale"), json!("unresponsive")));
    let stale = |parameters: Json| scene.ok("session.stale", parameters);
    assert_eq!(ids(&stale(json!({}))), ["s0", "s1", "s2"]);
    let first = stale(json!({"limit": 2}));
    let second = stale(json!({"limit": 2, "cursor": first["next"]}));
    assert_eq!((ids(&first), ids(&second), second.get("next")), (vec!["s0", "s1"], vec!["s2"], None));
    assert_eq!(ids(&stale(json!({"silentForMs": 1_500_000}))), ["s0", "s1"]);
}

#[test]
fn health_follows_the_heartbeat() {
    let scene = SessionScene::session();
    ["a", "b"].iter().for_each(|id| _ = scene.ok("task.add", json!({"sessionId": "s", "id": id, "name": "work"})));
    scene.ok("task.complete", json!({"id": "a"}));
    scene.ok("task.start", json!({"id": "b"}));
    let health = || scene.ok("session.health", json!({"id": "s"}));
    let mut seen = Vec::new();
    for seconds in [59, 1, 59, 1, 179, 1] {
        scene.host.clock.advance(Millis::seconds(seconds));
        seen.push(health()["health"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["healthy", "degraded", "degraded", "unresponsive", "unresponsive", "stale"]);
    let health = health();
    assert_eq!((&health["secondsSinceHeartbeat"], &health["attemptsLeft"]), (&json!(300), &json!(3)));
    let tasks = ["currentTask", "lastCompletedTask"].map(|name| &health[name]["id"]);
    assert_eq!((tasks, &health["durationMs"]), ([&json!("b"), &json!("a")], &json!(300_000)));
}

#[test]
fn the_machine_with_the_most_free_slots_is_picked() {
    let scene = SessionScene::new();
    let register = |id: &str, slots: Json, metadata: Json| {
        scene.ok("machine.register", json!({"id": id, "hostname": id, "slots": slots, "metadata": metadata}));
    };
    register("large", json!([1, 2, 3, 4]), json!({"os": "linux"}));
    register("any", json!([]), json!({"os": "mac", "gpu": true}));
    let pick = |requirements: Json| scene.ok("machine.pick", json!({"requirements": requirements}))["id"].clone();
    assert_eq!(scene.ok("machine.pick", json!({}))["id"], "large");
    assert_eq!(pick(json!({"os": "mac"})), "any");
    assert_eq!(scene.code("machine.pick", json!({"requirements": {"os": "plan9"}})), "no_free_slot");
    scene.ok("machine.maintenance", json!({"id": "large"}));
    assert_eq!(scene.ok("machine.pick", json!({}))["id"], "m");
    let free = scene.ok("machine.free", json!({}));
    assert_eq!(free["items"].as_array().unwrap().iter().map(|row| &row["id"]).collect::<Vec<_>>(), ["m"]);
}
