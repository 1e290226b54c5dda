//! Machines: spawning, heartbeats, triggers of checkpoints, and the choice of a type.

use runstate::time::Millis;
use serde_json::json;

use super::scene::{FleetScene, PROJECT, UNKNOWN, money, spawning, text};

#[test]
fn spawning_reserves_its_budget_in_the_same_commit() {
    let scene = FleetScene::with_checkpoint();
    let daily = scene.budget("daily", "2");
    let machine = scene.spawn("claude_code");
    scene.spawn("aider");
    assert_eq!(scene.amounts(&daily)[2], "2");
    assert_eq!(scene.code("intelligentMachine.spawn", spawning("aider")), "budget_exceeded");
    assert_eq!(scene.items("intelligentMachine.list", json!({})).len(), 2);
    assert_eq!(scene.items("reservation.list", json!({"state": "active"})).len(), 2);
    scene.ok("intelligentMachine.terminate", json!({"id": machine, "actual": "0.75"}));
    assert_eq!(scene.amounts(&daily)[1..], ["0.75", "1", "0"]);
    let machine = scene.machine(&machine);
    assert_eq!(machine["resourceUsage"]["money"], "0.75");
    assert_eq!((&machine["status"], machine["terminatedAt"].is_i64()), (&json!("terminated"), true));
    scene.verify();
}

#[test]
fn machines_are_spawned_from_verified_checkpoints_of_active_projects_only() {
    let scene = FleetScene::new();
    assert_eq!(scene.code("intelligentMachine.spawn", spawning("aider")), "not_found");
    let first = scene.checkpoint(json!({"type": "genesis"}));
    let next = scene.checkpoint(json!({"type": "manual"}));
    let other = text(&scene.ok("project.create", json!({"name": "q", "greediness": "0.5"}))["id"]);
    let foreign = scene.ok("checkpoint.create", json!({"projectUuid": other, "type": "genesis"}))["id"].clone();
    let from = |checkpoint: serde_json::Value| {
        let mut parameters = spawning("aider");
        parameters["checkpointUuid"] = checkpoint;
        parameters
    };
    assert_eq!(scene.code("intelligentMachine.spawn", from(json!(next))), "not_verified");
    assert_eq!(scene.code("intelligentMachine.spawn", from(foreign)), "invalid");
    assert_eq!(scene.code("intelligentMachine.spawn", from(json!(UNKNOWN))), "not_found");
    assert_eq!(scene.code("intelligentMachine.spawn", spawning("gpt")), "invalid");
    scene.ok("intelligentMachine.spawn", from(json!(first)));
    let mut by_hub = spawning("aider");
    by_hub["hubUuid"] = scene.spawn("aider").into();
    assert_eq!(scene.code("intelligentMachine.spawn", by_hub.clone()), "invalid");
    by_hub["hubUuid"] = scene.spawn("hub").into();
    scene.ok("intelligentMachine.spawn", by_hub);
    scene.ok("project.status", json!({"id": PROJECT, "status": "paused"}));
    assert_eq!(scene.code("intelligentMachine.spawn", from(json!(first))), "illegal_transition");
    scene.verify();
}

#[test]
fn machines_without_a_heartbeat_are_terminated_after_30_minutes() {
    let scene = FleetScene::with_checkpoint();
    let total = scene.budget("total", "10");
    let (silent, alive) = (scene.spawn("aider"), scene.spawn("aider"));
    scene.host.clock.advance(Millis::minutes(29));
    scene.ok("intelligentMachine.heartbeat", json!({"id": alive, "progress": "half"}));
    assert_eq!(scene.after(Millis::minutes(1)).resumed, 1);
    let machine = scene.machine(&silent);
    assert_eq!(
        (&machine["status"], &machine["errorMessage"]),
        (&json!("terminated"), &json!("no heartbeat for 30 minutes"))
    );
    assert_eq!(scene.machine(&alive)["status"], "spawning");
    assert_eq!(scene.code("intelligentMachine.heartbeat", json!({"id": silent})), "illegal_transition");
    // The other reservation is an hour old at the time of the other death.
    assert_eq!(scene.amounts(&total)[2], "1");
    assert_eq!(scene.after(Millis::minutes(29)).resumed, 1);
    assert_eq!(scene.amounts(&total)[2], "0");
    scene.verify();
}

/// It ends with the silence of its machine, not by the time for which it was made.
#[test]
fn a_machine_that_sends_heartbeats_keeps_its_reservation() {
    let scene = FleetScene::with_checkpoint();
    let total = scene.budget("total", "1");
    let mut spawn = spawning("aider");
    spawn["reserve"]["ttlMs"] = json!(2_500);
    let machine = text(&scene.ok("intelligentMachine.spawn", spawn)["id"]);
    let statuses = ["active", "working", "checkpointing", "working"];
    for status in statuses.iter().chain(&["checkpointing", "working"].repeat(5)) {
        scene.after(Millis::minutes(5));
        scene.ok("intelligentMachine.status", json!({"id": machine, "status": status}));
        scene.after(Millis::minutes(5));
        scene.ok("intelligentMachine.heartbeat", json!({"id": machine}));
        assert_eq!(scene.amounts(&total)[2], "1");
    }
    assert_eq!(scene.code("usage.record", money("1")), "budget_exceeded");
    scene.after(Millis::minutes(31));
    assert_eq!((&scene.machine(&machine)["status"], &*scene.amounts(&total)[2]), (&json!("terminated"), "0"));
    scene.verify();
}

#[test]
fn checkpoints_are_due_after_events_five_minutes_and_tenths_of_a_budget() {
    let scene = FleetScene::with_checkpoint();
    scene.budget("total", "10");
    let machine = scene.spawn("aider");
    let beat = |activity: Option<&str>| {
        scene.ok("intelligentMachine.heartbeat", json!({"id": machine, "activity": activity}))["checkpointDue"].clone()
    };
    let create = || {
        let uuid = scene.checkpoint(json!({"type": "automatic", "machineUuid": machine}));
        scene.ok("checkpoint.show", json!({"id": uuid}))["context"].clone()
    };
    let spend = |amount: &str| {
        let mut parameters = money(amount);
        parameters["machineUuid"] = json!(machine);
        scene.ok("usage.record", parameters)["checkpointDue"].clone()
    };
    assert!(beat(None).is_null());
    assert_eq!(beat(Some("api_response")), "api_response");
    assert_eq!(beat(Some("file_operation")), "api_response");
    assert_eq!(create(), "api_response");
    assert!(beat(None).is_null());
    scene.host.clock.advance(Millis::minutes(5));
    assert_eq!(beat(None), "interval");
    assert_eq!(create(), "interval");
    assert!(spend("0.999999").is_null());
    assert_eq!(spend("0.000001"), "budget");
    assert_eq!(create(), "budget");
    assert!(spend("0.5").is_null());
    assert_eq!(create(), "manual");
    let row = scene.machine(&machine);
    assert_eq!(row["checkpointsCreated"], 4);
    assert_eq!(row["resourceUsage"]["money"], "1.5");
    scene.verify();
}

#[test]
fn types_are_ranked_by_capabilities_success_and_cost() {
    let scene = FleetScene::with_checkpoint();
    for (name, capabilities, cost) in [
        ("aider", json!(["edit", "test"]), "2"),
        ("claude_code", json!(["edit", "test", "plan"]), "4"),
        ("tiny", json!([]), "0"),
    ] {
        scene.ok("machineType.register", json!({"name": name, "capabilities": capabilities, "costCad": cost}));
    }
    for error in [None, None, None, Some("broke")] {
        let machine = scene.spawn("aider");
        scene.ok("intelligentMachine.terminate", json!({"id": machine, "error": error}));
    }
    scene.spawn("tiny");
    let ranked = scene.ok("machineType.choose", json!({"capabilities": ["edit", "plan"]}));
    let row =
        |index: usize| ["capability", "success", "economy", "score"].map(|name| ranked[index][name].as_f64().unwrap());
    assert_eq!(ranked[0]["name"], "claude_code");
    assert_eq!(row(0), [1.0, 0.5, 0.0, 0.4 * 1.0 + 0.4 * 0.5 + 0.2 * 0.0]);
    assert_eq!(ranked[1]["name"], "aider");
    assert_eq!(row(1), [0.5, 0.75, 0.5, 0.4 * 0.5 + 0.4 * 0.75 + 0.2 * 0.5]);
    assert_eq!((&ranked[2]["name"], row(2)[..3].to_vec()), (&json!("tiny"), vec![0.0, 0.5, 1.0]));
    // Machines that were spawned more than 30 days ago do not count.
    scene.host.clock.advance(Millis::days(31));
    assert_eq!(scene.ok("machineType.choose", json!({"capabilities": ["edit"]}))[0]["success"], 0.5);
}

#[test]
fn the_amount_of_a_machine_is_recorded_once_and_failures_count() {
    let scene = FleetScene::with_checkpoint();
    let total = scene.budget("total", "100");
    let machine = scene.spawn("aider");
    let reservation = scene.machine(&machine)["reservationUuid"].clone();
    scene.ok("reservation.commit", json!({"id": reservation, "actual": "1.5"}));
    assert_eq!(scene.code("intelligentMachine.terminate", json!({"id": machine, "actual": "2"})), "invalid");
    scene.ok("intelligentMachine.terminate", json!({"id": machine}));
    assert_eq!(scene.amounts(&total), ["100", "1.5", "0", "0"]);
    for _ in 0..3 {
        let machine = scene.spawn("aider");
        scene.ok("intelligentMachine.terminate", json!({"id": machine, "actual": "0.00004", "error": "broke"}));
        assert_eq!(scene.machine(&machine)["resourceUsage"]["money"], "0.00004");
    }
    assert_eq!(scene.code("budget.reserve", money("1")), "circuit_open");
    scene.verify();
}
