//! Worker processes on one store of files, killed with SIGKILL repeatedly: every step is completed once, and every
//! execution ends.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use runstate::domain::apps::{DOMAIN, StepWork};
use runstate::engine::{Engine, SystemHost};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::time::Millis;
use runstate::value::Json;
use runstate::work::{Task, Worker, WorkerEvent};
use serde_json::json;

use crate::settings::is_full_run;
use crate::support::worker_processes::{WorkerFleet, block_on, report_completed, worker_folder};

const TEST: &str = "apps::killed_workers::killed_workers_complete_every_step_once";

/// Two steps follow each step alone, and one step follows both.
const STEPS: i64 = 10;

struct Scale {
    executions: usize,
    workers: usize,
    kills: usize,
}

impl Scale {
    fn new() -> Self {
        match is_full_run() {
            true => Self { executions: 100, workers: 8, kills: 80 },
            false => Self { executions: 30, workers: 4, kills: 20 },
        }
    }
}

async fn open(folder: &Path) -> Engine {
    let store = FileStore::open(folder, FileStoreOptions::default()).await.unwrap();
    Engine::new(Arc::new(store), Arc::new(SystemHost), &[&DOMAIN]).await.unwrap()
}

async fn call(engine: &Engine, name: &str, parameters: Json) -> Json {
    engine.call(&format!("apps.{name}"), parameters.as_object().unwrap().clone()).await.unwrap()
}

fn configuration() -> Json {
    let step = |id: i64| {
        let depends_on: Vec<i64> = match id % 3 {
            _ if id == 1 => vec![],
            2 => vec![id - 1],
            0 => vec![id - 2],
            _ => vec![id - 2, id - 1],
        };
        json!({"id": id, "name": "work", "depends_on": depends_on})
    };
    // An attempt whose process was killed has failed.
    let retry = json!({"max_retries": 1_000});
    json!({"steps": (1..=STEPS).map(step).collect::<Vec<_>>(), "settings": retry})
}

/// Serves steps until it is killed, and prints each step that it has completed.
async fn serve(folder: &Path) {
    let engine = open(folder).await;
    let handler = async |task: Task<StepWork>| Ok(json!({"step": task.work.claimed.step_id}));
    let worker = Worker::new(&engine, std::process::id().to_string()).handle("work", 4, handler);
    let worker = worker.lease(Millis::seconds(1)).on_event(|event| {
        if let WorkerEvent::Answered { work, .. } = event {
            report_completed(&work.claimed.id);
        }
    });
    worker.run(std::future::pending()).await.unwrap();
}

#[test]
fn killed_workers_complete_every_step_once() {
    if let Some(folder) = worker_folder() {
        return block_on(serve(&folder));
    }
    let (folder, scale) = (tempfile::tempdir().unwrap(), Scale::new());
    let engine = block_on(async {
        let engine = open(folder.path()).await;
        let version =
            json!({"appId": 1, "appName": "a", "version": "1", "configuration": configuration(), "activate": true});
        call(&engine, "configuration.save", version).await;
        for n in 0..scale.executions {
            call(&engine, "execution.start", json!({"appId": 1, "userId": "u", "id": format!("e{n}")})).await;
        }
        engine
    });
    let (begun, steps) = (Instant::now(), scale.executions * STEPS as usize);
    let (workers, kills) = (scale.workers, scale.kills);
    let fleet = WorkerFleet { test: TEST, folder: folder.path(), workers, kills, work: steps };
    let (reports, kills) = fleet.run_and_kill(|| {
        let running = call(&engine, "execution.list", json!({"status": "running", "limit": 1}));
        block_on(running)["items"] == json!([])
    });
    let seconds = begun.elapsed().as_secs_f64();
    println!("{steps} steps, {} workers, {kills} killed: {:.0} steps/s", scale.workers, steps as f64 / seconds);
    assert!(kills > scale.kills / 2, "only {kills} processes were killed");
    let repeated: Vec<_> = reports.iter().filter(|(_, times)| **times > 1).collect();
    assert!(repeated.is_empty(), "completed more than once: {repeated:?}");
    block_on(async {
        let success = call(&engine, "report.success", json!({})).await;
        assert_eq!(
            (&success[0]["total"], &success[0]["successful"]),
            (&json!(scale.executions), &json!(scale.executions))
        );
        for n in 0..scale.executions {
            let id = format!("e{n}");
            for step in call(&engine, "execution.steps", json!({"id": id})).await.as_array().unwrap() {
                assert_eq!(
                    (&step["status"], &step["output"]["step"]),
                    (&json!("completed"), &step["stepId"]),
                    "{step}"
                );
            }
            // Each commit that completed a step has a row.
            let filter =
                json!({"target": format!("apps.executions/{id}"), "command": "apps.step.complete", "limit": 1_000});
            let rows = call(&engine, "audit.list", filter).await;
            assert_eq!(rows["items"].as_array().unwrap().len(), STEPS as usize, "{id}");
        }
        // Killed processes leave unfinished files.
        assert_eq!(engine.verify(|_| {}).await.unwrap().damage(), None);
    });
}
