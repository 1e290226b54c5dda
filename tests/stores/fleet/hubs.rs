//! Hubs, their checkpoints, and experiments with them.

use runstate::time::Millis;
use serde_json::{Value as Json, json};

use super::scene::{FleetScene, UNKNOWN, text};

impl FleetScene {
    fn hub(&self, hub_type: &str) -> String {
        text(&self.ok("hub.register", json!({"type": hub_type, "vmId": "vm"}))["id"])
    }

    fn set_hub(&self, uuid: &str, status: &str) -> Json {
        self.ok("hub.status", json!({"id": uuid, "status": status}))["status"].clone()
    }

    /// The active primary hub, an experimental one, and a running experiment with both.
    fn experiment(&self, metrics: Json) -> [String; 3] {
        let (original, experimental) = (self.hub("primary"), self.hub("experimental"));
        self.set_hub(&original, "active");
        let base = json!({"hubUuid": original, "type": "pre_experiment", "proxmoxSnapshotId": "s"});
        let base = self.ok("hubCheckpoint.create", base)["id"].clone();
        let plan = json!({
            "name": "faster", "baseCheckpointUuid": base, "configurationChanges": {"threads": 8}, "successMetrics": metrics,
        });
        let experiment = text(&self.ok("experiment.plan", plan)["id"]);
        self.ok("experiment.start", json!({"id": experiment, "hubUuid": experimental}));
        [original, experimental, experiment]
    }

    fn observe(&self, experiment: &str, arm: &str, metric: &str, values: &[f64]) {
        for value in values {
            self.ok("experiment.observe", json!({"id": experiment, "arm": arm, "values": {metric: value}}));
        }
    }
}

fn metric(name: &str, better: &str, min_effect: f64, weight: f64) -> Json {
    json!({"name": name, "better": better, "minEffect": min_effect, "weight": weight})
}

#[test]
fn at_most_one_primary_hub_is_active() {
    let scene = FleetScene::new();
    let (a, b, other) = (scene.hub("primary"), scene.hub("primary"), scene.hub("development"));
    scene.set_hub(&a, "active");
    scene.set_hub(&other, "active");
    let activate = json!({"id": b, "status": "active"});
    assert_eq!(scene.code("hub.status", activate.clone()), "primary_exists");
    scene.set_hub(&a, "inactive");
    scene.ok("hub.status", activate);
    assert_eq!(scene.code("hub.status", json!({"id": a, "status": "active"})), "primary_exists");
    scene.set_hub(&b, "retiring");
    scene.set_hub(&a, "active");
    let active = scene.items("hub.list", json!({"type": "primary", "status": "active"}));
    assert_eq!(active.len(), 1);
    scene.verify();
}

#[test]
fn data_that_differ_significantly_decide_an_experiment() {
    let scene = FleetScene::new();
    let [original, experimental, experiment] =
        scene.experiment(json!([metric("latency", "lower", 0.5, 2.0), metric("extra", "higher", 0.0, 1.0)]));
    scene.observe(&experiment, "original", "latency", &[10.0, 11.0, 9.0, 10.5, 9.5]);
    scene.observe(&experiment, "experimental", "latency", &[7.0, 8.0, 7.5, 7.2, 7.8]);
    // The data `sleep` of R, whose p value is 0.079.
    scene.observe(&experiment, "original", "extra", &[1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]);
    scene.observe(&experiment, "experimental", "extra", &[0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]);
    let data = scene.ok("experiment.show", json!({"id": experiment}))["performanceData"].clone();
    let extra = &data["extra"]["experimental"];
    assert_eq!(extra["count"], 10);
    assert!((extra["mean"].as_f64().unwrap() - 0.75).abs() < 1e-12);
    assert!((extra["variance"].as_f64().unwrap() - 3.200_555_555_555_556).abs() < 1e-12);
    assert_eq!(scene.code("experiment.adopt", json!({"id": experiment})), "not_adoptable");
    // It is completed when its 14 days are over.
    scene.after(Millis::days(13));
    assert_eq!(scene.ok("experiment.show", json!({"id": experiment}))["status"], "running");
    scene.after(Millis::days(1));
    let shown = scene.ok("experiment.show", json!({"id": experiment}));
    assert_eq!((&shown["status"], &shown["result"]), (&json!("completed"), &json!("experimental_wins")));
    let adopted = scene.ok("experiment.adopt", json!({"id": experiment}));
    assert_eq!(adopted["primary"], json!({"id": experimental, "type": "primary", "status": "active"}));
    assert_eq!(adopted["retired"], json!({"id": original, "type": "primary", "status": "retiring"}));
    assert_eq!(scene.code("experiment.adopt", json!({"id": experiment})), "not_adoptable");
    assert_eq!(scene.items("hub.list", json!({"type": "primary", "status": "active"})).len(), 1);
    scene.verify();
}

#[test]
fn weights_and_least_effects_decide_between_metrics() {
    let result = |metrics: Json| {
        let scene = FleetScene::new();
        let [.., experiment] = scene.experiment(metrics);
        for (name, original, experimental) in [("a", 10.0, 12.0), ("b", 5.0, 4.0)] {
            let around = |mean: f64| [-0.2, -0.1, 0.0, 0.1, 0.2].map(|distance| mean + distance);
            for (arm, mean) in [("original", original), ("experimental", experimental)] {
                scene.observe(&experiment, arm, name, &around(mean));
            }
        }
        scene.ok("experiment.complete", json!({"id": experiment}))["result"].clone()
    };
    let both = |a: f64, b: f64| json!([metric("a", "higher", 0.0, a), metric("b", "higher", 0.0, b)]);
    assert_eq!(result(both(2.0, 1.0)), "experimental_wins");
    assert_eq!(result(both(1.0, 2.0)), "original_wins");
    assert_eq!(result(both(1.0, 1.0)), "inconclusive");
    assert_eq!(result(json!([metric("a", "higher", 2.5, 9.0), metric("b", "lower", 0.0, 1.0)])), "experimental_wins");
    assert_eq!(result(json!([metric("a", "lower", 0.0, 1.0), metric("b", "lower", 1.5, 9.0)])), "original_wins");
}

#[test]
fn adoption_fails_if_another_hub_is_primary_by_then() {
    let scene = FleetScene::new();
    let [original, _, experiment] = scene.experiment(json!([metric("a", "higher", 0.0, 1.0)]));
    scene.observe(&experiment, "original", "a", &[1.0, 1.1, 0.9]);
    scene.observe(&experiment, "experimental", "a", &[9.0, 9.1, 8.9]);
    scene.ok("experiment.complete", json!({"id": experiment}));
    scene.set_hub(&original, "inactive");
    let other = scene.hub("primary");
    scene.set_hub(&other, "active");
    assert_eq!(scene.code("experiment.adopt", json!({"id": experiment})), "primary_exists");
    scene.set_hub(&other, "inactive");
    scene.ok("experiment.adopt", json!({"id": experiment}));
    scene.verify();
}

#[test]
fn hubs_and_experiments_reject_bad_input_with_a_code() {
    let scene = FleetScene::new();
    let [original, experimental, experiment] = scene.experiment(json!([metric("a", "higher", 0.0, 1.0)]));
    let plan = |metrics: Json| json!({"name": "x", "baseCheckpointUuid": UNKNOWN, "configurationChanges": {}, "successMetrics": metrics});
    let observe = |values: Json| json!({"id": experiment, "arm": "original", "values": values});
    for (name, parameters, code) in [
        ("hub.register", json!({"type": "main", "vmId": "v"}), "usage"),
        ("hub.register", json!({"type": "primary", "vmId": "v".repeat(101)}), "invalid"),
        ("hub.register", json!({"type": "primary", "vmId": "v", "parentHubUuid": UNKNOWN}), "not_found"),
        ("hub.status", json!({"id": original, "status": "active"}), "illegal_transition"),
        ("hubCheckpoint.create", json!({"hubUuid": UNKNOWN, "type": "daily", "proxmoxSnapshotId": "s"}), "not_found"),
        ("experiment.plan", plan(json!([])), "not_found"),
        ("experiment.plan", plan(json!([metric("a", "higher", -1.0, 1.0)])), "invalid"),
        ("experiment.plan", plan(json!([metric("a", "higher", 0.0, 1.0), metric("a", "lower", 0.0, 1.0)])), "invalid"),
        ("experiment.plan", plan(json!([metric("a", "more", 0.0, 1.0)])), "usage"),
        ("experiment.start", json!({"id": experiment, "hubUuid": experimental}), "illegal_transition"),
        ("experiment.start", json!({"id": experiment, "hubUuid": original}), "invalid"),
        ("experiment.observe", observe(json!({"b": 1.0})), "invalid"),
        ("experiment.observe", json!({"id": experiment, "arm": "both", "values": {}}), "usage"),
    ] {
        assert_eq!(scene.code(name, parameters.clone()), code, "{name} {parameters}");
    }
    let started = scene.ok("experiment.show", json!({"id": experiment}))["startedAt"].clone();
    scene.ok("experiment.fail", json!({"id": experiment, "reason": "broke"}));
    assert!(started.is_number());
    assert_eq!(scene.ok("experiment.show", json!({"id": experiment}))["startedAt"], started);
    assert_eq!(scene.code("experiment.observe", observe(json!({"a": 1.0}))), "illegal_transition");
    assert_eq!(scene.code("experiment.adopt", json!({"id": experiment})), "not_adoptable");
}

#[test]
fn a_hub_that_takes_part_in_another_experiment_is_not_adopted() {
    let scene = FleetScene::new();
    let [original, experimental, experiment] = scene.experiment(json!([metric("a", "higher", 0.0, 1.0)]));
    scene.observe(&experiment, "original", "a", &[1.0, 1.0, 1.0]);
    scene.observe(&experiment, "experimental", "a", &[9.0, 9.0, 9.0]);
    assert_eq!(scene.ok("experiment.complete", json!({"id": experiment}))["result"], "experimental_wins");
    scene.set_hub(&experimental, "inactive");
    let base = json!({"hubUuid": original, "type": "pre_experiment", "proxmoxSnapshotId": "s"});
    let base = scene.ok("hubCheckpoint.create", base)["id"].clone();
    let plan = json!({"name": "next", "baseCheckpointUuid": base, "configurationChanges": {}, "successMetrics": []});
    let next = scene.ok("experiment.plan", plan)["id"].clone();
    scene.ok("experiment.start", json!({"id": next, "hubUuid": experimental}));
    assert_eq!(scene.code("experiment.adopt", json!({"id": experiment})), "not_adoptable");
    scene.verify();
}
