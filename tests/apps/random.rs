//! Random graphs of steps under random commands: a step is claimed once at a time, after those that it depends on, and completed steps are
//! undone in reverse order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runstate::store::file::fault::Disk;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::{Memory, Store};
use runstate::testing::{SimIds, block_on};
use runstate::time::Millis;
use serde_json::{Value as Json, json};

use super::scene::{AppScene, claim_of};

/// A graph of this number of steps, each of which depends on earlier ones.
fn random_configuration(ids: &SimIds, steps: usize) -> Json {
    let step = |id: usize| {
        let mut depends_on = BTreeSet::new();
        for _ in 0..ids.below(3).min(id - 1) {
            depends_on.insert(1 + ids.below(id - 1));
        }
        let mut step = json!({"id": id, "name": format!("s{}", id % 5), "depends_on": depends_on});
        match ids.below(8) {
            0 => step["when"] = json!(true),
            1 if !depends_on.is_empty() => {
                let path = format!("$.steps.{}.output.odd", depends_on.iter().next().unwrap());
                step["when"] = json!({"value": path, "equals": true});
            }
            2 | 3 => step["compensate"] = json!({"name": "undo"}),
            _ => {}
        }
        if ids.below(2) == 0 {
            step["retry"] = json!({"max_attempts": 1 + ids.below(3), "backoff_ms": 1_000});
        }
        step
    };
    let policy = ["fail_fast", "continue"][ids.below(2)];
    json!({"steps": (1..=steps).map(step).collect::<Vec<_>>(), "settings": {"on_failure": policy}})
}

/// The knowledge of the test about one execution.
#[derive(Default)]
struct Observation {
    /// The claims, by the numbers of their steps.
    claims: BTreeMap<i64, Json>,
    /// The steps in the order in which they were completed.
    completed: Vec<i64>,
    /// The steps whose undoing began, in this order.
    undone: Vec<i64>,
}

impl Observation {
    fn claim(&mut self, scene: &AppScene, configuration: &Json, work: &Json) {
        let step = work["claimed"]["stepId"].as_i64().unwrap();
        let attempts = work["claimed"]["attempts"].as_u64().unwrap();
        if step < 0 {
            if attempts == 1 && !self.undone.contains(&-step) {
                self.undone.push(-step);
            }
        } else {
            let statuses: BTreeMap<i64, Json> = scene
                .steps()
                .into_iter()
                .map(|one| (one["step_id"].as_i64().unwrap(), one["status"].clone()))
                .collect();
            for on in configuration["steps"][step as usize - 1]["depends_on"].as_array().unwrap() {
                let status = statuses[&on.as_i64().unwrap()].as_str().unwrap();
                assert!(["completed", "skipped"].contains(&status), "step {step} began while {on} was {status}");
            }
        }
        self.claims.insert(step, work.clone());
    }
}

/// Runs random commands on a random graph until the execution has ended.
fn run(scene: &AppScene, ids: &SimIds, steps: usize, rate: usize) -> String {
    let configuration = random_configuration(ids, steps);
    scene.save("1.0.0", configuration.clone());
    scene.start(json!({}));
    let names = json!(["s0", "s1", "s2", "s3", "s4", "undo"]);
    let mut observed = Observation::default();
    for round in 0.. {
        assert!(round < 100 * steps, "the execution does not end: {}", scene.statuses());
        if round % 16 == 0 {
            scene.check();
        }
        let work = scene.ok("step.claim", json!({"names": names, "owner": "w"}));
        if !work.is_null() {
            observed.claim(scene, &configuration, &work);
        }
        let held: Vec<i64> = observed.claims.keys().copied().collect();
        if !held.is_empty() && ids.below(4) > 0 {
            let step = held[ids.below(held.len())];
            let claim = observed.claims.remove(&step).unwrap();
            let is_open = |error: &str| error == "stale_step_claim";
            let result = match ids.below(rate) {
                0 => scene.call("step.fail", claim_of(&claim, json!({"message": "broken"}))),
                1 => scene.call("step.release", claim_of(&claim, json!({}))),
                _ => {
                    let result =
                        scene.call("step.complete", claim_of(&claim, json!({"output": {"odd": step % 2 == 1}})));
                    if result.is_ok() && step > 0 {
                        observed.completed.push(step);
                    }
                    result
                }
            };
            // Its lease may have ended, or another step has failed.
            assert!(result.as_ref().err().is_none_or(|error| is_open(error.code.as_str())), "{result:?}");
        }
        if ids.below(10) == 0 {
            scene.after(Millis::seconds(1 << ids.below(6)));
        }
        if work.is_null() && held.is_empty() {
            scene.after(Millis::seconds(5));
        }
        let status = scene.status();
        let failed: Vec<i64> = scene
            .steps()
            .iter()
            .filter(|step| step["status"] == "failed")
            .map(|step| step["step_id"].as_i64().unwrap())
            .collect();
        if status == "failed" && ids.below(3) > 0 && !failed.is_empty() {
            let name = ["step.retry", "step.skip"][ids.below(2)];
            let step = failed[ids.below(failed.len())];
            let result = scene.call(name, json!({"executionId": "e", "stepId": step}));
            assert!(result.as_ref().err().is_none_or(|error| error.code.as_str() == "compensated"), "{result:?}");
        } else if status != "running" {
            break;
        }
    }
    scene.check();
    let undoable = |step: &i64| !configuration["steps"][*step as usize - 1]["compensate"].is_null();
    let mut expected: Vec<i64> = observed.completed.iter().copied().filter(undoable).collect();
    expected.reverse();
    let status = scene.status();
    match status.as_str() {
        "failed" => assert_eq!(observed.undone, expected, "undone in another order"),
        _ => assert!(observed.undone.is_empty(), "{:?} of a {status} execution", observed.undone),
    }
    status
}

#[test]
fn random_graphs_run_in_order_and_are_undone_in_reverse() {
    let mut ends = BTreeMap::<String, u32>::new();
    for seed in 0..30 {
        let ids = SimIds::new(seed);
        let steps = [3, 10, 30][ids.below(3)];
        *ends.entry(run(&AppScene::new(), &ids, steps, 30)).or_default() += 1;
    }
    assert_eq!(ends.len(), 2, "both ends occur: {ends:?}");
}

#[test]
fn a_graph_of_a_hundred_steps_ends_on_files_as_in_memory() {
    let files = || Arc::new(block_on(FileStore::open_on(Disk::new().process(), FileStoreOptions::default())).unwrap());
    for seed in 0..2 {
        let stores: [Arc<dyn Store>; 2] = [Arc::new(Memory::new()), files()];
        let ends = stores.map(|store| {
            let scene = AppScene::with_store(store);
            let end = run(&scene, &SimIds::new(seed), 100, 60);
            (end, scene.statuses(), scene.show()["progress"].clone())
        });
        assert_eq!(ends[0], ends[1], "seed {seed}");
    }
}
