//! Clients in processes of their own that are killed with -9, in the middle of whatever they do. The test's own program is the process: asked
//! by an environment variable it works instead of testing.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use mongodb::bson::doc;
use runstate::store::Store as _;

use super::load::{self, check};
use super::server::{PATIENCE, Servers, database, program};
use super::{Random, full};

const WORKER: &str = "RUNSTATE_TEST_WORKER";
const TEST: &str = "crash::clients_killed_in_turn_lose_and_double_nothing";

/// Works where this program was started to work: counts from a number on, and says each one that was acknowledged.
async fn worked() -> bool {
    let Ok(task) = std::env::var(WORKER) else { return false };
    let task: Vec<&str> = task.splitn(3, ' ').collect();
    let [by, from] = [0, 1].map(|at| task[at].parse::<u64>().unwrap());
    let store = load::open(task[2]).await;
    let mut out = std::io::stdout();
    for n in from.. {
        load::count(&store, by, n, &format!("of-{}", by % 2)).await;
        writeln!(out, "counted {n}").unwrap();
        out.flush().unwrap();
    }
    store.close().await.unwrap();
    true
}

/// A client in a process of its own.
struct Worker {
    by: u64,
    child: Child,
    counted: Receiver<u64>,
    /// The next number that is not known to be acknowledged.
    next: u64,
    /// When it was last heard of, and the longest that it was not.
    heard: (Instant, Duration),
}

impl Worker {
    fn start(url: &str, by: u64, from: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([TEST, "--exact", "--nocapture"])
            .env(WORKER, format!("{by} {from} {url}"))
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
        Self { by, child, counted, next: from, heard: (Instant::now(), Duration::ZERO) }
    }

    /// Takes in what was acknowledged so far.
    fn hear(&mut self) {
        while let Ok(n) = self.counted.try_recv() {
            self.next = n + 1;
            self.heard = (Instant::now(), self.heard.1.max(self.heard.0.elapsed()));
        }
    }

    /// Kills it, and takes in what was acknowledged until it was gone.
    fn kill(mut self) -> (u64, u64, Duration) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while let Ok(n) = self.counted.recv() {
            self.next = n + 1;
        }
        (self.by, self.next, self.heard.1)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_killed_in_turn_lose_and_double_nothing() {
    if worked().await {
        return;
    }
    let Some(program) = program("store_mongodb_faults::crash::clients_killed_in_turn") else { return };
    let kills = if full() { 200 } else { 20 };
    let servers = Servers::set(program, 1).await;
    // What a dead client has begun is in everybody's way until the server gives it up, by default after a minute.
    let soon = doc! { "setParameter": 1, "transactionLifetimeLimitSeconds": 1 };
    servers.command(0, "admin", soon).await.unwrap();
    let url = servers.direct(0, &database("crash"));
    let store = load::open(&url).await;
    let mut random = Random::seeded();
    // Two share a counter.
    let mut workers: Vec<Worker> = (0..4).map(|by| Worker::start(&url, by, 0)).collect();
    let mut longest = Duration::ZERO;
    for _ in 0..kills {
        // The one that is killed works by then.
        let latest = Instant::now() + PATIENCE;
        let from = workers[0].next;
        while workers[0].next == from {
            assert!(Instant::now() < latest, "client {} does not get on", workers[0].by);
            workers.iter_mut().for_each(Worker::hear);
            std::thread::sleep(Duration::from_micros(500));
        }
        std::thread::sleep(Duration::from_micros(random.below(50_000)));
        let (by, next, silent) = workers.remove(0).kill();
        longest = longest.max(silent);
        workers.push(Worker::start(&url, by, next));
    }
    let ended: Vec<(u64, u64, Duration)> = workers.into_iter().map(Worker::kill).collect();
    let acknowledged: BTreeMap<u64, u64> = ended.iter().map(|(by, next, _)| (*by, *next)).collect();
    println!("{kills} clients killed; acknowledged {acknowledged:?}; a client waited at most {longest:.1?}");
    assert!(acknowledged.values().all(|next| *next > 0), "everybody got on: {acknowledged:?}");
    // What the last ones have begun is given up, so that what is there stays as it is.
    servers.no_transaction_is_open(0).await;
    check(&store, &acknowledged, 1).await;
}
