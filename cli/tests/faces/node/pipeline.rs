//! The example in `examples/apps`: its Rust worker and its Node worker run executions together, while the one in Node
//! is killed repeatedly.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runstate::blob::{Artifacts, Chunks};
use runstate::domain::apps::DOMAIN;
use runstate::engine::{Engine, SystemHost};
use runstate::store::file::{FileStore, FileStoreOptions};
use serde_json::{Value as Json, json};

use super::{block_on_tokio, url};

#[path = "../../../../examples/apps/steps.rs"]
mod steps;

const TEST: &str = "workers_in_rust_and_node_run_the_pipeline_through_kills";
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/apps");

/// Executions of each topic.
const EXECUTIONS: usize = 4;

/// The lines that a worker prints before it is killed: it has claimed or ended some steps.
const LINES: usize = 5;

/// A folder with the script of the example, in which it finds the package.
fn install(folder: &Path, package: &Path) {
    fs::create_dir_all(folder.join("node_modules")).unwrap();
    std::os::unix::fs::symlink(fs::canonicalize(package).unwrap(), folder.join("node_modules/runstate")).unwrap();
    fs::copy(Path::new(EXAMPLE).join("worker.mjs"), folder.join("worker.mjs")).unwrap();
}

/// Workers in Node, one after the other: each is killed after it has printed some lines.
#[derive(Default)]
struct NodeWorkers {
    running: Mutex<Option<Child>>,
    has_ended: AtomicBool,
}

impl NodeWorkers {
    /// Starts and kills workers until [`NodeWorkers::end`]. Returns what each of them printed.
    fn run(&self, folder: &Path, store: &Path) -> Vec<Vec<String>> {
        let mut printed = Vec::new();
        while !self.has_ended.load(Ordering::SeqCst) {
            let mut command = Command::new("node");
            command.arg(folder.join("worker.mjs")).arg(url(store)).stdin(Stdio::null()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let output = BufReader::new(child.stdout.take().unwrap()).lines();
            *self.running.lock().unwrap() = Some(child);
            if self.has_ended.load(Ordering::SeqCst) {
                self.kill();
            }
            printed.push(output.take(LINES).map_while(Result::ok).collect());
            self.kill();
        }
        printed
    }

    fn kill(&self) {
        if let Some(mut child) = self.running.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
        self.kill();
    }
}

async fn call(engine: &Engine, name: &str, parameters: Json) -> Json {
    engine.call(&format!("apps.{name}"), parameters.as_object().unwrap().clone()).await.unwrap()
}

/// Starts executions with two topics; the announcement of `secrets` is refused.
async fn start(engine: &Engine) {
    let configuration: Json =
        serde_json::from_str(&fs::read_to_string(Path::new(EXAMPLE).join("pipeline.json")).unwrap()).unwrap();
    let version =
        json!({"appId": 1, "appName": "content", "version": "1", "configuration": configuration, "activate": true});
    call(engine, "configuration.save", version).await;
    for n in 0..EXECUTIONS {
        for topic in ["otters", "secrets"] {
            let input = json!({"topic": topic, "illustrated": n.is_multiple_of(2)});
            let start = json!({"appId": 1, "userId": "u", "id": format!("{topic}-{n}"), "input": input});
            call(engine, "execution.start", start).await;
        }
    }
}

/// Checks one execution.
async fn check(engine: &Engine, published: &Path, topic: &str, n: usize) {
    let id = format!("{topic}-{n}");
    let steps = call(engine, "execution.steps", json!({"id": id})).await;
    let step = |name: &str| steps.as_array().unwrap().iter().find(|step| step["stepName"] == name).unwrap();
    let execution = call(engine, "execution.show", json!({"id": id})).await;
    let article = fs::read_to_string(published.join(format!("{id}.md")));
    assert_eq!(step("research")["retryCount"], 1, "{steps}");
    if topic == "secrets" {
        assert_eq!(
            (&execution["status"], &step("unpublish")["status"]),
            (&json!("failed"), &json!("completed")),
            "{steps}"
        );
        assert!(article.is_err(), "the article is still published");
        return;
    }
    assert_eq!(execution["status"], "completed", "{execution} {steps}");
    assert_eq!(article.unwrap(), step("draft")["output"]["text"]);
    let illustrated = if n.is_multiple_of(2) { "completed" } else { "skipped" };
    assert_eq!(step("illustrate")["status"], illustrated);
    if let Some(artifact) = step("illustrate")["output"]["artifact"].as_str() {
        let mut reader = Artifacts::new(engine, Chunks::new(engine)).read(artifact, ..).await.unwrap();
        assert!(String::from_utf8(reader.next().await.unwrap().unwrap()).unwrap().contains(topic));
    }
}

#[test]
fn workers_in_rust_and_node_run_the_pipeline_through_kills() {
    if super::node_script(TEST, "worker.mjs").is_none() {
        return;
    }
    let package = std::env::var_os("RUNSTATE_NODE_PACKAGE").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (store, published, script) =
        (folder.path().join("store"), folder.path().join("published"), folder.path().join("script"));
    install(&script, Path::new(&package));
    block_on_tokio(async {
        let files = FileStore::open(&store, FileStoreOptions::default()).await.unwrap();
        let engine = Engine::new(Arc::new(files), Arc::new(SystemHost), &[&DOMAIN]).await.unwrap();
        start(&engine).await;
        let workers = Arc::new(NodeWorkers::default());
        let (running, at) = (workers.clone(), store.clone());
        let killing = std::thread::spawn(move || running.run(&script, &at));
        let until_ended = async {
            let running = json!({"status": "running", "limit": 1});
            while call(&engine, "execution.list", running.clone()).await["items"] != json!([]) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        steps::worker(&engine, published.clone()).run(until_ended).await.unwrap();
        workers.end();
        let printed = killing.join().unwrap();
        println!("the worker in Node was killed {} times", printed.len());
        assert!(printed.len() > 3 && printed.iter().flatten().any(|line| line.starts_with("answered")), "{printed:?}");
        for n in 0..EXECUTIONS {
            for topic in ["otters", "secrets"] {
                check(&engine, &published, topic, n).await;
            }
        }
    });
}
