//! Tasks of one program whose calls are answered by worker processes that are killed with SIGKILL repeatedly: every
//! call is answered once, and the program ends as without any kill.

use std::path::Path;
use std::sync::Arc;

use runstate::client::Cvm;
use runstate::domain::cvm::{CallOutcome, ListCalls, Start, Status, Work};
use runstate::engine::{Engine, SystemHost};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::{Memory, Store};
use runstate::time::Millis;
use runstate::value::Json;
use runstate::work::{Backoff, Failure, Task, WorkerEvent};
use serde_json::json;

use crate::cvm::scene::program;
use crate::settings::is_full_run;
use crate::support::worker_processes::{WorkerFleet, block_on, report_completed, worker_folder};

const TEST: &str = "cvm::killed_workers::killed_workers_answer_every_call_of_all_tasks_once";

/// Each task makes its calls one after another; each answer is part of the next prompt.
const TASKS: &str = r#"
    async function task(number, calls) {
        let text = `task ${number}`;
        for (let i = 0; i < calls; i++) text = await CC(`${text}, ${i}`);
        return text.length;
    }
    async function main(input) {
        const lengths = await Promise.all(Array.from({ length: input.tasks }, (_, number) => task(number, input.calls)));
        console.log(lengths.join());
        return lengths.reduce((a, b) => a + b);
    }"#;

struct TaskLoad {
    tasks: usize,
    calls: usize,
    workers: usize,
    kills: usize,
}

impl TaskLoad {
    fn new() -> Self {
        match is_full_run() {
            true => Self { tasks: 50, calls: 10, workers: 8, kills: 50 },
            false => Self { tasks: 20, calls: 5, workers: 4, kills: 10 },
        }
    }

    async fn start(&self, cvm: &Cvm) {
        cvm.load(&program("tasks", TASKS)).await.unwrap();
        let input = json!({"tasks": self.tasks, "calls": self.calls});
        cvm.start(&Start::new("tasks").id("run").input(input)).await.unwrap();
    }
}

async fn open(store: Arc<dyn Store>) -> Cvm {
    Cvm::new(&Engine::new(store, Arc::new(SystemHost), runstate::domain::ALL).await.unwrap())
}

async fn open_files(folder: &Path) -> Cvm {
    open(Arc::new(FileStore::open(folder, FileStoreOptions::default()).await.unwrap())).await
}

async fn answer(task: Task<Work>) -> Result<Json, Failure> {
    Ok(format!("{}!", task.work.call.prompt).into())
}

/// Answers calls until it is killed, and reports each call that it has answered.
async fn serve(folder: &Path) {
    let worker = open_files(folder).await.worker(std::process::id().to_string()).handle("cc", 4, answer);
    // A call whose workers were killed repeatedly counts as one that kills them, and fails.
    let worker = worker.backoff(Backoff { attempts: u32::MAX, ..Backoff::default() });
    let worker = worker.lease(Millis::seconds(1)).on_event(|event| {
        if let WorkerEvent::Answered { work, .. } = event {
            report_completed(&work.claimed.call);
        }
    });
    worker.run(std::future::pending()).await.unwrap();
}

/// The status, output and result of the execution.
async fn end(cvm: &Cvm) -> (Status, Vec<String>, Json) {
    let shown = cvm.show("run").await.unwrap();
    (shown.status, shown.output, shown.result)
}

#[test]
fn killed_workers_answer_every_call_of_all_tasks_once() {
    if let Some(folder) = worker_folder() {
        return block_on(serve(&folder));
    }
    let (folder, scale) = (tempfile::tempdir().unwrap(), TaskLoad::new());
    let cvm = block_on(open_files(folder.path()));
    block_on(scale.start(&cvm));
    let calls = scale.tasks * scale.calls;
    let (workers, kills) = (scale.workers, scale.kills);
    let fleet = WorkerFleet { test: TEST, folder: folder.path(), workers, kills, work: calls };
    let (reports, kills) = fleet.run_and_kill(|| matches!(block_on(end(&cvm)).0, Status::Complete | Status::Error));
    println!("{calls} calls of {} tasks, {workers} workers, {kills} killed", scale.tasks);
    assert!(kills > scale.kills / 2, "only {kills} processes were killed");
    let repeated: Vec<_> = reports.iter().filter(|(_, times)| **times > 1).collect();
    assert!(repeated.is_empty(), "answered more than once: {repeated:?}");
    block_on(async {
        let mut of_run = ListCalls { execution: Some("run".to_owned()), ..ListCalls::default() };
        let mut rows = Vec::new();
        loop {
            let page = cvm.calls(&of_run).await.unwrap();
            rows.extend(page.items);
            of_run.cursor = page.next;
            if of_run.cursor.is_none() {
                break;
            }
        }
        assert_eq!(rows.len(), calls);
        assert!(rows.iter().all(|row| row.outcome == Some(CallOutcome::Answered)), "{rows:?}");
        let calm = open(Arc::new(Memory::new())).await;
        scale.start(&calm).await;
        calm.worker("calm").handle("cc", 1, answer).drain().await.unwrap();
        assert_eq!(end(&cvm).await, end(&calm).await);
        assert_eq!(end(&calm).await.0, Status::Complete);
        // Killed processes leave unfinished files.
        assert_eq!(cvm.engine().verify(|_| {}).await.unwrap().damage(), None);
    });
}
