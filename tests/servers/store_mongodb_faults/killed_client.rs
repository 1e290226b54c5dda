//! A client in a process of its own, to be killed with -9 at any moment. The process is the test's own program: an
//! environment variable makes it a client.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use runstate::store::Store as _;

use super::load;

const WORKER: &str = "RUNSTATE_TEST_WORKER";

/// Works as a client if this program was started as one: counts from a number on, and prints each number that was
/// acknowledged.
pub async fn run_as_worker() -> bool {
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
pub struct KilledClient {
    pub by: u64,
    child: Child,
    counted: Receiver<u64>,
    /// The next number that is not known to be acknowledged.
    pub next: u64,
    /// When a number was last acknowledged, and the longest time without one.
    last_acknowledged: (Instant, Duration),
}

impl KilledClient {
    /// `test`: the test that runs as a client.
    pub fn start(test: &str, url: &str, by: u64, from: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(WORKER, format!("{by} {from} {url}"))
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
        Self { by, child, counted, next: from, last_acknowledged: (Instant::now(), Duration::ZERO) }
    }

    /// Receives the numbers that were acknowledged so far.
    pub fn receive_acknowledged(&mut self) {
        while let Ok(n) = self.counted.try_recv() {
            self.next = n + 1;
            self.last_acknowledged = (Instant::now(), self.last_acknowledged.1.max(self.last_acknowledged.0.elapsed()));
        }
    }

    /// Kills the client, and receives the numbers that were acknowledged until then.
    pub fn kill(mut self) -> (u64, u64, Duration) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while let Ok(n) = self.counted.recv() {
            self.next = n + 1;
        }
        (self.by, self.next, self.last_acknowledged.1)
    }
}
