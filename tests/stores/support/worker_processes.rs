//! Worker processes of one test on one store of files. Some of them are killed with SIGKILL while they work.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use runstate::testing::SimIds;

use super::child_test::child_test;

/// Names the folder of a worker's store.
const FOLDER: &str = "RUNSTATE_TEST_WORKER_FOLDER";

/// The time without any completed work after which all of it may have ended.
const QUIET: Duration = Duration::from_secs(1);

/// The time without any completed work after which the test has failed.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The folder of the store, in a process that shall work.
pub fn worker_folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Reports completed work, in a process that works.
pub fn report_completed(id: &str) {
    println!("completed {id}");
}

/// Runs the work of a process.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

/// Processes that work, and how many of them are killed.
pub struct WorkerFleet<'a> {
    /// The test that works in a process with [`worker_folder`].
    pub test: &'a str,
    pub folder: &'a Path,
    pub workers: usize,
    pub kills: usize,
    /// The number of pieces of work.
    pub work: usize,
}

impl WorkerFleet<'_> {
    /// Lets the processes work until all is done, and kills some of them. Returns how often each piece of work was
    /// reported, and the number of kills.
    pub fn run_and_kill(&self, is_done: impl Fn() -> bool) -> (BTreeMap<String, usize>, usize) {
        let (sender, completed) = channel();
        let start = |number| WorkerProcess::start(self, number, &sender);
        let mut workers: Vec<_> = (0..self.workers).map(start).collect();
        let ids = SimIds::new(7);
        let (mut reports, mut kills, mut idle) = (BTreeMap::new(), 0, Duration::ZERO);
        loop {
            match completed.recv_timeout(QUIET) {
                Ok((number, id)) => {
                    *reports.entry(id).or_default() += 1;
                    idle = Duration::ZERO;
                    if kills < self.kills && ids.below(self.work / self.kills) == 0 {
                        // Kills the process that has just reported, and starts another one in its place.
                        workers[number] = start(number);
                        kills += 1;
                    }
                }
                Err(_) => {
                    idle += QUIET;
                    assert!(idle < TIMEOUT, "nothing was completed for {TIMEOUT:?}");
                    if is_done() {
                        return (reports, kills);
                    }
                }
            }
        }
    }
}

/// A worker in a process of its own. It sends what it has completed, with its number.
struct WorkerProcess(Child);

impl WorkerProcess {
    fn start(fleet: &WorkerFleet<'_>, number: usize, completed: &Sender<(usize, String)>) -> Self {
        let mut child = child_test(fleet.test)
            .env(FOLDER, fleet.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let completed = completed.clone();
        std::thread::spawn(move || {
            let ids = lines.filter_map(|line| Some(line.split("completed ").nth(1)?.to_owned()));
            ids.take_while(|id| completed.send((number, id.clone())).is_ok()).for_each(drop);
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
