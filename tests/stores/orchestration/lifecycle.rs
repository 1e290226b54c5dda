//! Every command in every status: the tables of the specification, by the operations themselves.

use insta::assert_snapshot;
use runstate::decision::transition_table;
use runstate::domain::orchestration::{Machine, Session, Task};
use runstate::engine::Error;
use runstate::time::Millis;
use serde_json::{Value as Json, json};

use super::scene::SessionScene;

/// Calls a command of the subject. `sweep` is the work that is due for a machine without a heartbeat.
fn call(scene: &SessionScene, subject: &str, name: &str, parameters: &Json) -> Result<Json, Error> {
    match name {
        "sweep" => {
            scene.after(Millis::minutes(10));
            Ok(Json::Null)
        }
        "off" => scene.call("machine.maintenance", parameters.clone()),
        name => scene.call(&format!("{subject}.{name}"), parameters.clone()),
    }
}

/// The status or the code after each command, for each preparation. A preparation is a list of commands.
fn table(
    subject: &str,
    rows: &[(&str, &[&str])],
    commands: &[(&str, Json)],
    status: fn(&SessionScene) -> Json,
) -> String {
    let names: Vec<&str> = commands.iter().map(|(name, _)| *name).collect();
    let mut text = format!("| {subject} | {} |\n", names.join(" | "));
    for (row, preparation) in rows {
        text += &format!("| {row} |");
        for (name, parameters) in commands {
            let scene = SessionScene::session();
            scene.ok("task.add", json!({"sessionId": "s", "id": "t", "name": "work"}));
            for name in *preparation {
                let (_, parameters) = commands.iter().find(|(known, _)| known == name).unwrap();
                call(&scene, subject, name, parameters).unwrap();
            }
            assert_eq!(status(&scene), **row, "{preparation:?}");
            match call(&scene, subject, name, parameters) {
                Ok(_) if *name == "delete" => text += " deleted |",
                Ok(_) => text += &format!(" {} |", status(&scene).as_str().unwrap()),
                Err(error) => {
                    assert_eq!(error.code.as_str(), "illegal_transition", "{error}");
                    assert_eq!(status(&scene), **row, "a rejected command changes nothing");
                    text += " – |";
                }
            }
            if *name != "delete" {
                scene.check();
            }
        }
        text += "\n";
    }
    text
}

#[test]
fn commands_of_a_machine_lead_where_the_specification_says() {
    let commands = [
        ("heartbeat", json!({"id": "m"})),
        ("maintenance", json!({"id": "m"})),
        ("off", json!({"id": "m", "off": true})),
        ("sweep", json!({})),
    ];
    let rows: [(&str, &[&str]); 3] = [("online", &[]), ("offline", &["sweep"]), ("maintenance", &["maintenance"])];
    assert_snapshot!(table("machine", &rows, &commands, |scene| scene.machine("m")["status"].clone()), @"
    | machine | heartbeat | maintenance | off | sweep |
    | online | online | maintenance | – | offline |
    | offline | online | maintenance | – | offline |
    | maintenance | maintenance | maintenance | online | maintenance |
    ");
}

#[test]
fn commands_of_a_session_lead_where_the_specification_says() {
    let one = || json!({"id": "s"});
    let commands = [
        ("heartbeat", one()),
        ("pause", one()),
        ("resume", one()),
        ("stall", json!({"id": "s", "reason": "test"})),
        ("complete", json!({"id": "s", "force": true})),
        ("fail", json!({"id": "s", "reason": "test"})),
        ("recover", one()),
        ("metadata", json!({"id": "s", "set": {"a": 1}})),
        ("delete", one()),
    ];
    let rows: [(&str, &[&str]); 5] = [
        ("active", &[]),
        ("paused", &["pause"]),
        ("stalled", &["stall"]),
        ("completed", &["complete"]),
        ("failed", &["fail"]),
    ];
    assert_snapshot!(table("session", &rows, &commands, |scene| scene.status("s")), @"
    | session | heartbeat | pause | resume | stall | complete | fail | recover | metadata | delete |
    | active | active | paused | – | stalled | completed | failed | – | active | – |
    | paused | paused | – | active | stalled | completed | failed | – | paused | – |
    | stalled | active | – | – | – | – | failed | active | stalled | – |
    | completed | – | – | – | – | – | – | – | completed | deleted |
    | failed | – | – | – | – | – | – | active | failed | deleted |
    ");
}

#[test]
fn commands_of_a_task_lead_where_the_specification_says() {
    let one = || json!({"id": "t"});
    let commands = ["start", "complete", "fail", "block", "release", "retry"].map(|name| (name, one()));
    let rows: [(&str, &[&str]); 5] = [
        ("pending", &[]),
        ("in_progress", &["start"]),
        ("blocked", &["block"]),
        ("completed", &["complete"]),
        ("failed", &["start", "fail"]),
    ];
    assert_snapshot!(table("task", &rows, &commands, |scene| scene.task("t")["status"].clone()), @"
    | task | start | complete | fail | block | release | retry |
    | pending | in_progress | completed | – | blocked | – | – |
    | in_progress | – | completed | failed | blocked | pending | – |
    | blocked | in_progress | – | – | – | pending | – |
    | completed | – | – | – | – | – | – |
    | failed | – | – | – | – | – | pending |
    ");
}

#[test]
fn the_documentation_shows_the_derived_tables() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/orchestration.md")).unwrap();
    for table in [transition_table::<Session>(), transition_table::<Task>(), transition_table::<Machine>()] {
        assert!(page.contains(&table), "docs/orchestration.md lacks\n{table}");
    }
}
