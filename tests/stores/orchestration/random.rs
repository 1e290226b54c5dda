//! Random sequences of commands keep every invariant of the documents.

use runstate::testing::SimIds;
use runstate::time::Millis;
use serde_json::{Value as Json, json};

use super::scene::SessionScene;

const SESSIONS: [&str; 4] = ["s0", "s1", "s2", "s3"];
const MACHINES: [&str; 3] = ["m", "small", "free"];
const TASKS: [&str; 12] = ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "t10", "t11"];

fn random_command(ids: &SimIds) -> (&'static str, Json) {
    let (session, machine) = (SESSIONS[ids.below(4)], MACHINES[ids.below(3)]);
    let (task, other) = (TASKS[ids.below(12)], TASKS[ids.below(12)]);
    let slot = [json!("auto"), json!(1), json!(2), Json::Null][ids.below(4)].clone();
    let (flag, epoch) = (ids.below(2) == 0, [Json::Null, Json::Null, json!(1), json!(2)][ids.below(4)].clone());
    let owner = json!({"id": session, "epoch": epoch});
    let worker = json!({"id": task, "epoch": epoch});
    match ids.below(26) {
        0..=2 => ("session.create", json!({"id": session, "project": "p", "machine": machine, "slot": slot})),
        3 => ("session.heartbeat", owner),
        4 => ("session.pause", owner),
        5 => ("session.resume", owner),
        6 => ("session.stall", json!({"id": session, "reason": "test"})),
        7 if ids.below(3) == 0 => ("session.complete", json!({"id": session, "force": flag})),
        8 if ids.below(4) == 0 => ("session.fail", json!({"id": session, "reason": "test"})),
        9..=10 => ("session.recover", json!({"id": session, "machine": machine, "slot": slot})),
        11 => ("session.recover", json!({"id": session, "task": task})),
        12 if ids.below(4) == 0 => ("session.delete", json!({"id": session, "force": flag})),
        13..=14 => (
            "task.add",
            json!({"sessionId": session, "id": task, "name": "work", "dependsOn": if flag { vec![other] } else { vec![] }}),
        ),
        12 | 15..=16 => ("task.start", worker),
        17 => ("task.complete", worker),
        8 | 18 => ("task.fail", worker),
        19 => ("task.block", worker),
        20 => ("task.release", worker),
        7 | 21 => ("task.retry", worker),
        22 => ("machine.assign", json!({"id": machine, "sessionId": session, "slot": slot})),
        23 => ("machine.release", json!({"id": machine, "sessionId": session})),
        24 => ("machine.heartbeat", json!({"id": machine})),
        _ => ("machine.maintenance", json!({"id": machine, "off": ids.below(3) > 0})),
    }
}

#[test]
fn random_commands_keep_slots_sessions_and_tasks_in_agreement() {
    let mut accepted = std::collections::BTreeMap::<&str, u32>::new();
    for seed in 0..20 {
        let (scene, ids) = (SessionScene::new(), SimIds::new(seed));
        scene.ok("machine.register", json!({"id": "small", "hostname": "h", "slots": [1]}));
        scene.ok("machine.register", json!({"id": "free", "hostname": "h"}));
        for _ in 0..300 {
            let (name, parameters) = random_command(&ids);
            match scene.call(name, parameters.clone()) {
                Ok(_) => *accepted.entry(name).or_default() += 1,
                Err(error) => {
                    assert!(!["internal", "corrupt"].contains(&error.code.as_str()), "{name} {parameters}: {error}")
                }
            }
            if ids.below(60) == 0 {
                scene.after(Millis::minutes(1 << ids.below(12)));
            }
            scene.check_agreement();
        }
        scene.check();
    }
    assert_eq!(accepted.len(), 20, "some command was never accepted: {accepted:?}");
}
