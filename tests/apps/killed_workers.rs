//! Worker processes on one store of files, killed with SIGKILL repeatedly: every step is completed once, and every execution ends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use runstate::domain::apps::{DOMAIN, StepWork};
use runstate::engine::{Engine, SystemHost};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::testing::SimIds;
use runstate::time::Millis;
use runstate::value::Json;
use runstate::work::{Task, Worker, WorkerEvent};
use serde_json::json;

/// Names the folder of a worker's store.
const WORKER: &str = "RUNSTATE_TEST_STEP_WORKER";

const TEST: &str = "killed_workers::killed_workers_complete_every_step_once";

/// Two steps follow each step alone, and one step follows both.
const STEPS: i64 = 10;

/// The time without any completed step after which the executions may all have ended.
const QUIET: Duration = Duration::from_secs(1);

/// The time without any completed step after which the test has failed.
const TIMEOUT: Duration = Duration::from_secs(120);

struct Scale {
    executions: usize,
    workers: usize,
    kills: usize,
}

impl Scale {
    fn new() -> Self {
        match std::env::var_os("RUNSTATE_FULL") {
            Some(_) => Self { executions: 1_000, workers: 16, kills: 400 },
            None => Self { executions: 30, workers: 4, kills: 20 },
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
            println!("completed {}", work.claimed.id);
        }
    });
    worker.run(std::future::pending()).await.unwrap();
}

/// A worker in a process of its own. It sends the steps that it has completed, with its number.
struct WorkerProcess(Child);

impl WorkerProcess {
    fn start(number: usize, folder: &Path, completed: &Sender<(usize, String)>) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([TEST, "--exact", "--nocapture"])
            .env(WORKER, folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let completed = completed.clone();
        std::thread::spawn(move || {
            let steps = lines.filter_map(|line| Some(line.split("completed ").nth(1)?.to_owned()));
            steps.take_while(|step| completed.send((number, step.clone())).is_ok()).for_each(drop);
        });
        Self(child)
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Lets workers run all steps, and kills some of them. Returns how often each step was reported as completed, and the number of kills.
fn run_and_kill(engine: &Engine, folder: &Path, scale: &Scale) -> (BTreeMap<String, usize>, usize) {
    let (sender, completed) = channel();
    let mut workers: Vec<_> = (0..scale.workers).map(|number| WorkerProcess::start(number, folder, &sender)).collect();
    let (ids, all) = (SimIds::new(7), scale.executions * STEPS as usize);
    let (mut reports, mut kills, mut idle) = (BTreeMap::new(), 0, Duration::ZERO);
    loop {
        match completed.recv_timeout(QUIET) {
            Ok((number, step)) => {
                *reports.entry(step).or_default() += 1;
                idle = Duration::ZERO;
                if kills < scale.kills && ids.below(all / scale.kills) == 0 {
                    // Kills the process that has just completed a step, and starts another one in its place.
                    workers[number] = WorkerProcess::start(number, folder, &sender);
                    kills += 1;
                }
            }
            Err(_) => {
                idle += QUIET;
                assert!(idle < TIMEOUT, "no step was completed for {TIMEOUT:?}");
                let running = call(engine, "execution.list", json!({"status": "running", "limit": 1}));
                if block_on(running)["items"] == json!([]) {
                    return (reports, kills);
                }
            }
        }
    }
}

#[test]
fn killed_workers_complete_every_step_once() {
    if let Some(folder) = std::env::var_os(WORKER) {
        return block_on(serve(Path::new(&folder)));
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
    let begun = Instant::now();
    let (reports, kills) = run_and_kill(&engine, folder.path(), &scale);
    let (steps, seconds) = (scale.executions * STEPS as usize, begun.elapsed().as_secs_f64());
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
            for step in call(&engine, "execution.steps", json!({"executionId": id})).await.as_array().unwrap() {
                assert_eq!(
                    (&step["status"], &step["output"]["step"]),
                    (&json!("completed"), &step["step_id"]),
                    "{step}"
                );
            }
            // Each commit that completed a step has a row.
            let filter =
                json!({"target": format!("apps.executions/{id}"), "command": "apps.step_complete", "limit": 1_000});
            let rows = call(&engine, "audit.list", filter).await;
            assert_eq!(rows["items"].as_array().unwrap().len(), STEPS as usize, "{id}");
        }
        // Killed processes leave unfinished files.
        assert_eq!(engine.verify(|_| {}).await.unwrap().damage(), None);
    });
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}
