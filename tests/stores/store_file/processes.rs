//! Several real processes on one folder, and `kill -9`. Each process is the test program itself; an environment
//! variable makes it a worker instead of a test.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection, Field, Key, Query};
use runstate::store::file::{FileStore, FileStoreOptions, NativeFs, SnapshotPolicy};
use runstate::store::{Batch, Expectation, Freshness, Outcome, Store, StoreAdmin, StoreError, Write, WriteOp};
use runstate::time::Timestamp;
use runstate::value::{Document, Json, difference};

use crate::settings::{is_full_run, seed};
use crate::support::child_test::child_test;

const ROWS: Collection = Collection::new("test.rows", 1).fields(&[Field::int("by"), Field::int("n")]).insert_only();
const COUNTERS: Collection = Collection::new("test.counters", 1).fields(&[Field::int("n")]);

const WORKER: &str = "RUNSTATE_TEST_WORKER";

/// Commands of each process in the test without kills.
const COMMANDS_PER_PROCESS: u64 = 200;

/// Maximum time without progress of a process on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Options with frequent snapshots, so that kills affect the clean-up.
fn options() -> FileStoreOptions {
    FileStoreOptions { snapshots: SnapshotPolicy { files: 16, bytes: 64 * 1024 }, ..FileStoreOptions::default() }
}

async fn open(folder: &Path) -> FileStore<NativeFs> {
    let store = FileStore::open(folder, options()).await.unwrap();
    store.migrate(&Catalog::new(&[&ROWS, &COUNTERS]).unwrap()).await.unwrap();
    store
}

fn document(fields: &[(&str, u64)]) -> Arc<Document> {
    Arc::new(fields.iter().map(|(name, n)| ((*name).to_owned(), Json::from(*n))).collect())
}

/// Inserts a row and increments a counter that all processes share, as one command. After a conflict it decides again.
async fn count(store: &FileStore<NativeFs>, by: u64, n: u64) {
    let command = CommandId::new(&format!("{by}-{n}")).unwrap();
    let counter = Key::new(&COUNTERS, "all");
    loop {
        let found = store.get(std::slice::from_ref(&counter), Freshness::Linearizable).await.unwrap().remove(0);
        let row = WriteOp::Put { version: 1, document: document(&[("by", by), ("n", n)]) };
        let row = Write { key: Key::new(&ROWS, &format!("{by}-{n}")), expect: Expectation::Absent, op: row };
        let (expect, op) = match found {
            None => (Expectation::Absent, WriteOp::Put { version: 1, document: document(&[("n", 1)]) }),
            Some(found) => {
                let after = document(&[("n", found.document["n"].as_u64().unwrap() + 1)]);
                (
                    Expectation::Revision(found.revision),
                    WriteOp::Change { difference: Arc::new(difference(&found.document, &after)), after },
                )
            }
        };
        let writes = vec![row, Write { key: counter.clone(), expect, op }];
        let (at, fingerprint) = (Timestamp::from_millis(1), String::from("count"));
        let batch = Batch {
            command: command.clone(),
            fingerprint,
            at,
            result: n.into(),
            writes,
            checks: vec![],
            frees_space: false,
        };
        match store.commit(batch).await {
            Ok(_) => return,
            Err(StoreError::Conflict { .. }) => {
                if matches!(store.outcome(&command).await.unwrap(), Outcome::Committed { .. }) {
                    return;
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Runs as a worker if the environment asks for it: counts from a number on, and prints each acknowledged number.
fn run_as_worker() -> bool {
    let Ok(task) = std::env::var(WORKER) else { return false };
    let task: Vec<&str> = task.splitn(4, ' ').collect();
    let [by, from, to] = [0, 1, 2].map(|at| task[at].parse::<u64>().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let store = open(Path::new(task[3])).await;
        let mut out = std::io::stdout();
        for n in from..to {
            count(&store, by, n).await;
            writeln!(out, "counted {n}").unwrap();
            out.flush().unwrap();
        }
        store.close().await.unwrap();
    });
    true
}

/// A worker in a process of its own.
struct CountingProcess {
    by: u64,
    child: Child,
    counted: Receiver<u64>,
    /// The first number that is not known to be acknowledged.
    next: u64,
}

impl CountingProcess {
    fn start(test: &str, folder: &Path, by: u64, from: u64, to: u64) -> Self {
        let mut child = child_test(test)
            .env(WORKER, format!("{by} {from} {to} {}", folder.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, counted) = channel();
        std::thread::spawn(move || {
            let numbers = lines.map_while(Result::ok);
            let numbers = numbers.filter_map(|line| line.split("counted ").nth(1)?.trim().parse().ok());
            numbers.take_while(|n| sender.send(*n).is_ok()).for_each(drop);
        });
        Self { by, child, counted, next: from }
    }

    /// Waits until `by` more numbers are acknowledged.
    fn advance(&mut self, by: u64) {
        let next = self.next + by;
        while self.next < next {
            self.next = self.counted.recv_timeout(TIMEOUT).unwrap() + 1;
        }
    }

    /// Waits for the end of the process, and returns its id and the first number that was not acknowledged.
    fn end(mut self) -> (u64, u64) {
        self.child.wait().unwrap();
        while let Ok(n) = self.counted.recv() {
            self.next = n + 1;
        }
        (self.by, self.next)
    }

    fn kill(mut self) -> (u64, u64) {
        self.child.kill().unwrap();
        self.end()
    }
}

/// Checks that the store is intact and contains each acknowledged command once, and that the counter equals the number
/// of rows.
fn check(folder: &Path, acknowledged: &BTreeMap<u64, u64>) {
    super::block_on_tokio(async {
        let store = open(folder).await;
        assert_eq!(store.read_only_reason(), None);
        let rows = store.query(&Query::of(&ROWS), Freshness::Linearizable).await.unwrap().items;
        let counter =
            store.get(&[Key::new(&COUNTERS, "all")], Freshness::Linearizable).await.unwrap().remove(0).unwrap();
        assert_eq!(counter.document["n"].as_u64().unwrap(), rows.len() as u64, "each row was counted once");
        for (by, next) in acknowledged {
            let rows_of_process = rows.iter().filter(|row| row.stored.document["by"] == *by).count() as u64;
            // The command in progress when the process died may be committed.
            assert!(
                (*next..=next + 1).contains(&rows_of_process),
                "process {by}: {rows_of_process} rows, {next} acknowledged"
            );
            for n in 0..*next {
                let command = CommandId::new(&format!("{by}-{n}")).unwrap();
                assert!(matches!(store.outcome(&command).await.unwrap(), Outcome::Committed { .. }), "{command}");
            }
        }
    });
}

#[test]
fn four_processes_killed_in_turn_lose_nothing() {
    if run_as_worker() {
        return;
    }
    let kills = if is_full_run() { 600 } else { 120 };
    let test = "store_file::processes::four_processes_killed_in_turn_lose_nothing";
    let folder = tempfile::tempdir().unwrap();
    let mut random = seed();
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    let mut workers: Vec<CountingProcess> =
        (0..4).map(|by| CountingProcess::start(test, folder.path(), by, 0, u64::MAX)).collect();
    for kill in 0..kills {
        // Three of four kills happen around a commit, the others while the process starts and opens the store.
        let (worker, max_micros) = if kill % 4 < 3 {
            let mut oldest = workers.remove(0);
            oldest.advance(1 + below(3));
            (oldest, 2_000)
        } else {
            (workers.remove(3), 20_000)
        };
        std::thread::sleep(Duration::from_micros(below(max_micros)));
        let (by, next) = worker.kill();
        workers.push(CountingProcess::start(test, folder.path(), by, next, u64::MAX));
    }
    let acknowledged: BTreeMap<u64, u64> = workers.into_iter().map(CountingProcess::kill).collect();
    println!("acknowledged: {acknowledged:?}");
    assert!(acknowledged.values().all(|next| *next > 0), "each process made progress: {acknowledged:?}");
    check(folder.path(), &acknowledged);
}

#[test]
fn four_processes_at_once_lose_nothing() {
    if run_as_worker() {
        return;
    }
    let test = "store_file::processes::four_processes_at_once_lose_nothing";
    let folder = tempfile::tempdir().unwrap();
    let workers: Vec<CountingProcess> =
        (0..4).map(|by| CountingProcess::start(test, folder.path(), by, 0, COMMANDS_PER_PROCESS)).collect();
    let acknowledged: BTreeMap<u64, u64> = workers.into_iter().map(CountingProcess::end).collect();
    assert_eq!(acknowledged.values().copied().collect::<Vec<_>>(), [COMMANDS_PER_PROCESS; 4]);
    check(folder.path(), &acknowledged);
}
