//! Many callers at once: a budget is never overspent. A process is the test program itself; an environment variable
//! makes it a client instead of a test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use super::cases::{self, StoreOpener};
use crate::support::child_test::child_test;
use crate::support::handles::{files, memory};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_at_once_in_memory_never_overspend() {
    cases::records_at_once_never_overspend(&memory(), 2, cases::records([250, 10_000])).await;
}

const PROCESSES: usize = 4;

/// Names the number of the client, the number of records of all clients, and the folder of its store.
const CLIENT: &str = "RUNSTATE_TEST_CLIENT";

/// Starts a client in a process of its own.
fn start_client(client: usize, records: usize, folder: &Path) -> Child {
    child_test("fleet::contention::records_of_four_processes_on_files_never_overspend")
        .env(CLIENT, format!("{client} {records} {}", folder.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs as a client: prints that it is ready, waits for the end of its standard input, and prints how many records it
/// made.
async fn run_as_client(task: &str) {
    let mut words = task.splitn(3, ' ');
    let mut next = || words.next().unwrap();
    let (client, records, folder): (usize, usize, PathBuf) =
        (next().parse().unwrap(), next().parse().unwrap(), next().into());
    let open = files(folder);
    let engine = cases::open_engine(&open as &StoreOpener<'_>).await;
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    println!("made {}", cases::record_all(&engine, client, PROCESSES, records).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_four_processes_on_files_never_overspend() {
    if let Ok(task) = std::env::var(CLIENT) {
        return run_as_client(&task).await;
    }
    let records = cases::records([200, 2_000]);
    let folder = tempfile::tempdir().unwrap();
    let open = files(folder.path().to_owned());
    let engine = cases::open_engine(&open as &StoreOpener<'_>).await;
    let budgets = cases::create_budgets(&engine, records).await;
    let mut clients: Vec<Child> = (0..PROCESSES).map(|client| start_client(client, records, folder.path())).collect();
    let mut outputs = Vec::new();
    for client in &mut clients {
        let mut lines = BufReader::new(client.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.ends_with("ready")), "a client ended early");
        outputs.push(lines);
    }
    // All are ready: they begin together.
    clients.iter_mut().for_each(|client| drop(client.stdin.take()));
    let made = |line: String| line.strip_prefix("made ")?.parse::<usize>().ok();
    let made = outputs.into_iter().flatten().filter_map(made).sum();
    assert!(clients.iter_mut().all(|client| client.wait().unwrap().success()), "a client failed");
    cases::check_budgets(&engine, &budgets, made, records).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_once_never_overspend_on_any_local_store() {
    cases::calls_at_once_never_overspend(&memory(), 40).await;
    let folder = tempfile::tempdir().unwrap();
    cases::calls_at_once_never_overspend(&files(folder.path().to_owned()), 40).await;
}
