//! Several real processes on one folder, and `kill -9`. The test's own program is the process: asked by an environment variable it works
//! instead of testing.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection, Field, Key, Query};
use runstate::store::file::{FileStore, NativeFs, Options, SnapshotPolicy};
use runstate::store::{Batch, Error, Expect, Op, Outcome, Store, Write};
use runstate::time::Timestamp;
use runstate::value::{Document, Json, difference};

const ROWS: Collection = Collection::new("test.rows", 1).fields(&[Field::int("by"), Field::int("n")]).insert_only();
const COUNTERS: Collection = Collection::new("test.counters", 1).fields(&[Field::int("n")]);

const WORKER: &str = "RUNSTATE_TEST_WORKER";

/// Commands of each of several processes that nobody kills.
const EACH: u64 = 200;

/// How long a process may take on a busy machine to get on.
const PATIENCE: Duration = Duration::from_secs(120);

/// Snapshots are taken often, so that cleaning is what is hit.
fn options() -> Options {
    Options { snapshots: SnapshotPolicy { files: 16, bytes: 64 * 1024 }, ..Options::default() }
}

async fn open(folder: &Path) -> FileStore<NativeFs> {
    let store = FileStore::open(folder, options()).await.unwrap();
    store.migrate(&Catalog::new(&[&ROWS, &COUNTERS]).unwrap()).await.unwrap();
    store
}

fn document(fields: &[(&str, u64)]) -> Arc<Document> {
    Arc::new(fields.iter().map(|(name, n)| ((*name).to_owned(), Json::from(*n))).collect())
}

/// Inserts a row and counts a counter up that all processes share, as one command; decides again when somebody was faster.
async fn count(store: &FileStore<NativeFs>, by: u64, n: u64) {
    let command = CommandId::new(&format!("{by}-{n}")).unwrap();
    let counter = Key::new(&COUNTERS, "all");
    loop {
        let found = store.get(std::slice::from_ref(&counter)).await.unwrap().remove(0);
        let row = Op::Put { version: 1, document: document(&[("by", by), ("n", n)]) };
        let row = Write { key: Key::new(&ROWS, &format!("{by}-{n}")), expect: Expect::Absent, op: row };
        let (expect, op) = match found {
            None => (Expect::Absent, Op::Put { version: 1, document: document(&[("n", 1)]) }),
            Some(found) => {
                let after = document(&[("n", found.document["n"].as_u64().unwrap() + 1)]);
                (
                    Expect::Revision(found.revision),
                    Op::Change { difference: Arc::new(difference(&found.document, &after)), after },
                )
            }
        };
        let writes = vec![row, Write { key: counter.clone(), expect, op }];
        let (at, fingerprint) = (Timestamp::from_millis(1), String::from("count"));
        let batch = Batch { command: command.clone(), fingerprint, at, result: n.into(), writes, checks: vec![] };
        match store.commit(batch).await {
            Ok(_) => return,
            Err(Error::Conflict { .. }) => {
                if matches!(store.outcome(&command).await.unwrap(), Outcome::Committed { .. }) {
                    return;
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Works where this program was started to work: counts from a number on, and says each one that was acknowledged.
fn worked() -> bool {
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
struct Worker {
    by: u64,
    child: Child,
    counted: Receiver<u64>,
    /// The next number that is not known to be acknowledged.
    next: u64,
}

impl Worker {
    fn start(test: &str, folder: &Path, by: u64, from: u64, to: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(WORKER, format!("{by} {from} {to} {}", folder.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (told, counted) = channel();
        std::thread::spawn(move || {
            let numbers = lines.map_while(Result::ok);
            let numbers = numbers.filter_map(|line| line.split("counted ").nth(1)?.trim().parse().ok());
            numbers.take_while(|n| told.send(*n).is_ok()).for_each(drop);
        });
        Self { by, child, counted, next: from }
    }

    /// Waits until more numbers were acknowledged.
    fn advance(&mut self, by: u64) {
        let next = self.next + by;
        while self.next < next {
            self.next = self.counted.recv_timeout(PATIENCE).unwrap() + 1;
        }
    }

    /// Takes in what was acknowledged until the process is gone.
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

/// Everything that was acknowledged is there once, in a store that is whole; the counter counts what is there.
fn check(folder: &Path, acknowledged: &BTreeMap<u64, u64>) {
    super::on_tokio(async {
        let store = open(folder).await;
        assert_eq!(store.health(), None);
        let rows = store.query(&Query::of(&ROWS)).await.unwrap().rows;
        let counter = store.get(&[Key::new(&COUNTERS, "all")]).await.unwrap().remove(0).unwrap();
        assert_eq!(counter.document["n"].as_u64().unwrap(), rows.len() as u64, "each row was counted once");
        for (by, next) in acknowledged {
            let of = rows.iter().filter(|row| row.stored.document["by"] == *by).count() as u64;
            // The one that was under way when the process died may be there.
            assert!((*next..=next + 1).contains(&of), "process {by}: {of} rows, {next} acknowledged");
            for n in 0..*next {
                let command = CommandId::new(&format!("{by}-{n}")).unwrap();
                assert!(matches!(store.outcome(&command).await.unwrap(), Outcome::Committed { .. }), "{command}");
            }
        }
    });
}

#[test]
fn four_processes_killed_in_turn_lose_nothing() {
    if worked() {
        return;
    }
    let kills = if std::env::var_os("RUNSTATE_FULL").is_some() { 2_000 } else { 120 };
    let test = "processes::four_processes_killed_in_turn_lose_nothing";
    let folder = tempfile::tempdir().unwrap();
    let mut random: u64 = std::env::var("RUNSTATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261);
    println!("seed {random} (RUNSTATE_SEED=… runs others)");
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    let mut workers: Vec<Worker> = (0..4).map(|by| Worker::start(test, folder.path(), by, 0, u64::MAX)).collect();
    for kill in 0..kills {
        // Three of four are killed around one of their commits, the others while they start and open the store.
        let (worker, most) = if kill % 4 < 3 {
            let mut oldest = workers.remove(0);
            oldest.advance(1 + below(3));
            (oldest, 2_000)
        } else {
            (workers.remove(3), 20_000)
        };
        std::thread::sleep(Duration::from_micros(below(most)));
        let (by, next) = worker.kill();
        workers.push(Worker::start(test, folder.path(), by, next, u64::MAX));
    }
    let acknowledged: BTreeMap<u64, u64> = workers.into_iter().map(Worker::kill).collect();
    println!("acknowledged: {acknowledged:?}");
    assert!(acknowledged.values().all(|next| *next > 0), "everybody got on: {acknowledged:?}");
    check(folder.path(), &acknowledged);
}

#[test]
fn four_processes_at_once_lose_nothing() {
    if worked() {
        return;
    }
    let test = "processes::four_processes_at_once_lose_nothing";
    let folder = tempfile::tempdir().unwrap();
    let workers: Vec<Worker> = (0..4).map(|by| Worker::start(test, folder.path(), by, 0, EACH)).collect();
    let acknowledged: BTreeMap<u64, u64> = workers.into_iter().map(Worker::end).collect();
    assert_eq!(acknowledged.values().copied().collect::<Vec<_>>(), [EACH; 4]);
    check(folder.path(), &acknowledged);
}
