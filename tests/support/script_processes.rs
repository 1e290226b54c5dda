//! Three processes on one store that run scripts ([`crate::script_run`]), and are killed with SIGKILL again and again.
//! Each process is this program itself; an environment variable makes it one.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use runstate::client::Cvm;
use runstate::domain::cvm::DOMAIN;
use runstate::engine::{Engine, Error, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::marker::BoxFuture;
use runstate::store::Store;
use runstate::testing::{SimIds, join_all};
use runstate::time::Millis;

use crate::script_run::{Deed, Entry, Process, check};
use crate::settings::{is_full_run, seed};

const TASK: &str = "RUNSTATE_TEST_SCRIPT_PROCESS";

const PROCESSES: usize = 3;

/// Runs that a process serves at once.
const LANES: usize = 4;

/// The time without a change after which the test has failed.
const TIMEOUT: Duration = Duration::from_secs(120);

/// What a process was started for.
pub struct ScriptTask {
    name: String,
    folder: PathBuf,
    /// Names the store.
    pub store: String,
}

/// The task of this process, if it was started by [`run_and_kill`].
pub fn script_task() -> Option<ScriptTask> {
    let task = std::env::var(TASK).ok()?;
    let mut words = task.splitn(3, '\n').map(str::to_owned);
    let (name, folder) = (words.next()?, words.next()?.into());
    Some(ScriptTask { name, folder, store: words.next()? })
}

async fn open_engine(store: Arc<dyn Store>) -> Engine {
    Engine::new(store, Arc::new(SystemHost), &[&DOMAIN]).await.unwrap()
}

/// Starts runs and serves them, until no more shall begin and all have ended.
pub async fn serve(task: ScriptTask, store: Arc<dyn Store>) {
    let journal = std::fs::OpenOptions::new().create(true).append(true).open(journal_path(&task.folder)).unwrap();
    // What was written stays when the process is killed. A kill may cut a line, so each begins with the end of another.
    let journal = move |entry: Entry| {
        let line = format!("\n{}\n", serde_json::to_string(&entry).unwrap());
        (&journal).write_all(line.as_bytes()).unwrap();
    };
    let process = Process {
        ids: SimIds::new(seed() + u64::from(std::process::id())),
        engine: open_engine(store).await,
        journal: Arc::new(journal),
        name: task.name,
        lease: Millis::seconds(1),
        tool_time: Millis(30),
        pause: Millis(20),
        wait: Millis(50),
    };
    (process.journal)(Entry { by: process.name.clone(), deed: Deed::Opened, call: String::new(), token: 0 });
    let code = process.code();
    let (begins_more, acts, tools) = (|| !stop_path(&task.folder).exists(), &process, &code);
    let lanes = (0..LANES).map(|lane| -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            for round in 0.. {
                let run = run_id(lane, round);
                // All who know a run may have been killed, so each goes on with all that have begun.
                if !begins_more() && !acts.has_begun(&run).await? {
                    break;
                }
                acts.act(tools, &run).await?;
            }
            Ok(())
        })
    });
    let lanes = join_all(lanes.collect());
    process.serve(&code, async { lanes.await.into_iter().collect() }).await.unwrap();
}

fn run_id(lane: usize, round: usize) -> String {
    format!("run-{lane}-{round}")
}

fn journal_path(folder: &Path) -> PathBuf {
    folder.join("journal")
}

/// No run begins when this file exists.
fn stop_path(folder: &Path) -> PathBuf {
    folder.join("stop")
}

fn read_journal(folder: &Path) -> Vec<Entry> {
    let text = std::fs::read_to_string(journal_path(folder)).unwrap_or_default();
    // The last line may be on its way, and a kill may have cut one.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

struct ScriptProcess {
    name: String,
    child: Child,
}

impl ScriptProcess {
    fn start(test: &str, name: String, folder: &Path, store: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture"]).env(TASK, format!("{name}\n{}\n{store}", folder.display()));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        Self { name, child }
    }
}

impl Drop for ScriptProcess {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Kills processes at random moments, and checks all runs when the last ones have ended. `test`: the test that calls
/// [`serve`] in a process with a [`script_task`]. `store`: names the store for it. `observed`: the same store.
pub async fn run_and_kill(test: &str, store: &str, observed: Arc<dyn Store>) {
    let (folder, kills) = (tempfile::tempdir().unwrap(), if is_full_run() { 300 } else { 20 });
    let (ids, mut killed) = (SimIds::new(seed()), BTreeSet::new());
    let engine = open_engine(observed.clone()).await;
    let start = |name: usize| ScriptProcess::start(test, name.to_string(), folder.path(), store);
    let mut processes: Vec<ScriptProcess> = (0..PROCESSES).map(start).collect();
    let mut position = observed.changes(None, 1, Millis(0)).await.unwrap().next;
    for name in PROCESSES..PROCESSES + kills {
        // After a random number of changes, and a little later, ends a process that has opened the store.
        let (mut left, mut changed) = (ids.below(150), Instant::now());
        let victim = loop {
            assert!(changed.elapsed() < TIMEOUT, "nothing has changed for {TIMEOUT:?}");
            let changes = observed.changes(Some(position), 1_000, Millis(100)).await.unwrap();
            position = changes.next;
            if !changes.events.is_empty() {
                changed = Instant::now();
                left = left.saturating_sub(changes.events.len());
            }
            if left == 0 {
                let opened: BTreeSet<String> = read_journal(folder.path()).into_iter().map(|entry| entry.by).collect();
                let candidates: Vec<usize> = (0..PROCESSES).filter(|n| opened.contains(&processes[*n].name)).collect();
                if let Some(victim) = candidates.get(ids.below(candidates.len())) {
                    break *victim;
                }
            }
        };
        tokio::time::sleep(Duration::from_micros(ids.below(10_000) as u64)).await;
        let mut process = std::mem::replace(&mut processes[victim], start(name));
        assert_eq!(process.child.try_wait().unwrap(), None, "process {} has ended by itself", process.name);
        killed.insert(process.name.clone());
    }
    std::fs::write(stop_path(folder.path()), "").unwrap();
    let latest = Instant::now() + TIMEOUT;
    for process in &mut processes {
        let ended = loop {
            assert!(Instant::now() < latest, "process {} does not end", process.name);
            match process.child.try_wait().unwrap() {
                Some(ended) => break ended,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        assert!(ended.success(), "process {} has failed", process.name);
    }
    let (cvm, journal) = (Cvm::new(&engine), read_journal(folder.path()));
    let (mut runs, mut again) = (0, 0);
    for lane in 0..LANES {
        for round in 0.. {
            let run = run_id(lane, round);
            match cvm.status(&run).await {
                Err(error) if error.code == ErrorCode::NOT_FOUND => break,
                status => assert!(status.is_ok(), "{status:?}"),
            }
            again += check(&cvm, &run, &journal, &killed).await;
            runs += 1;
        }
    }
    println!("{kills} processes killed in {runs} runs: {again} tools ran again before their answer");
    assert!(again > 0);
    assert_eq!(engine.verify(|_| {}).await.unwrap().damage(), None);
}
