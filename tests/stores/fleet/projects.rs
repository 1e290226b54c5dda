//! Projects and their greediness.

use serde_json::json;

use super::scene::{FleetScene, PROJECT, UNKNOWN};

#[test]
fn share_is_the_part_of_the_greediness_of_active_projects() {
    let scene = FleetScene::new();
    let other = scene.ok("project.create", json!({"name": "q", "greediness": "0.3"}))["id"].clone();
    let share = |uuid: &serde_json::Value| scene.ok("project.share", json!({"id": uuid}));
    assert_eq!(share(&json!(PROJECT)), json!({"id": PROJECT, "greediness": "0.5", "total": "0.8", "share": 0.625}));
    assert_eq!(share(&other)["share"], 0.375);
    scene.ok("project.status", json!({"id": other, "status": "paused"}));
    assert_eq!(share(&json!(PROJECT))["share"], 1.0);
    assert_eq!(share(&other)["share"], 0.0);
}

#[test]
fn rebalancing_mixes_efficiency_and_greediness_and_is_recorded() {
    let scene = FleetScene::new();
    let rebalance = |efficiency: &str| {
        let parameters = json!({"id": PROJECT, "efficiency": efficiency, "reasons": ["measured"]});
        scene.ok("project.rebalance", parameters)["greediness"].clone()
    };
    assert_eq!(rebalance("1"), "0.9");
    assert_eq!(rebalance("0.5"), "0.58");
    for _ in 0..5 {
        rebalance("0");
    }
    assert_eq!(rebalance("0"), "0.01");
    let changes = scene.items("greedinessChange.list", json!({"projectUuid": PROJECT, "sort": "changedAt"}));
    assert_eq!(changes.len(), 8);
    let first = changes.iter().find(|change| change["after"] == "0.9").unwrap();
    assert_eq!((&first["before"], &first["efficiency"]), (&json!("0.5"), &json!("1")));
    assert_eq!(first["reasons"], json!(["measured", "0.8 × 1 + 0.2 × 0.5, at least 0.01 and at most 1"]));
    scene.verify();
}

#[test]
fn projects_reject_what_their_declaration_does_not_allow() {
    let scene = FleetScene::new();
    for (name, parameters, code) in [
        ("project.create", json!({"name": "x", "greediness": "1.5"}), "usage"),
        ("project.create", json!({"name": "x", "greediness": "0.12345"}), "usage"),
        ("project.create", json!({"name": "x", "greediness": "-0.1"}), "usage"),
        ("project.create", json!({"name": "x", "greediness": "1", "id": "p1"}), "invalid"),
        ("project.create", json!({"name": "x", "greediness": "1", "id": PROJECT}), "already_exists"),
        ("project.create", json!({"name": "x"}), "usage"),
        ("project.rebalance", json!({"id": PROJECT, "efficiency": "2"}), "usage"),
        ("project.status", json!({"id": PROJECT, "status": "active"}), "illegal_transition"),
        ("project.share", json!({"id": UNKNOWN}), "not_found"),
    ] {
        assert_eq!(scene.code(name, parameters.clone()), code, "{name} {parameters}");
    }
    scene.ok("project.change", json!({"id": PROJECT, "greediness": "0.6", "metadata": {"team": {"id": 7}}}));
    scene.ok("project.status", json!({"id": PROJECT, "status": "archived"}));
    assert_eq!(scene.code("project.change", json!({"id": PROJECT, "name": "y"})), "illegal_transition");
    assert_eq!(scene.items("greedinessChange.list", json!({})).len(), 1);
}
