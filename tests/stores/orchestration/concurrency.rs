//! Many callers at once: a slot has one holder, and tasks form no cycle. A process is the test program itself; an
//! environment variable makes it a client instead of a test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::json;

use super::cases::{self, call, open_engine};
use crate::support::child_test::child_test;
use crate::support::handles::{files, memory};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_assigns_in_memory_give_ten_holders() {
    cases::thousand_assigns_give_ten_holders(&memory(), 2).await;
}

const PROCESSES: usize = 4;

/// Names the number of the client and the folder of its store.
const CLIENT: &str = "RUNSTATE_TEST_CLIENT";

/// Starts a client in a process of its own.
fn start_client(client: usize, folder: &Path) -> Child {
    child_test("orchestration::concurrency::a_thousand_assigns_of_four_processes_give_ten_holders")
        .env(CLIENT, format!("{client} {}", folder.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs as a client: prints that it is ready, waits for the end of its standard input, and prints each slot that its
/// sessions hold.
async fn run_as_client(task: &str) {
    let (client, folder) = task.split_once(' ').unwrap();
    let engine = open_engine(&files(folder.into())).await;
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    for slot in cases::assign_sessions(&engine, client.parse().unwrap(), PROCESSES).await {
        println!("holds {slot}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_assigns_of_four_processes_give_ten_holders() {
    if let Ok(task) = std::env::var(CLIENT) {
        return run_as_client(&task).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let engine = open_engine(&files(folder.path().to_owned())).await;
    cases::create_sessions(&engine).await;
    let mut clients: Vec<Child> = (0..PROCESSES).map(|client| start_client(client, folder.path())).collect();
    let mut outputs = Vec::new();
    for client in &mut clients {
        let mut lines = BufReader::new(client.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.ends_with("ready")), "a client ended early");
        outputs.push(lines);
    }
    // All are ready: they begin together.
    clients.iter_mut().for_each(|client| drop(client.stdin.take()));
    let slot = |line: String| line.strip_prefix("holds ")?.parse().ok();
    let held = outputs.into_iter().flatten().filter_map(slot).collect();
    assert!(clients.iter_mut().all(|client| client.wait().unwrap().success()), "a client failed");
    cases::check_holders(&engine, held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tasks_added_at_once_close_no_cycle() {
    let engine = open_engine(&memory()).await;
    call(&engine, "machine.register", json!({"id": "m", "hostname": "h"})).await.unwrap();
    for round in 0..20 {
        let (session, a, b) = (format!("s{round}"), format!("a{round}"), format!("b{round}"));
        call(&engine, "session.create", json!({"id": session, "project": "p", "machine": "m"})).await.unwrap();
        let add = |id: &str, on: &str| {
            let (engine, task) =
                (engine.clone(), json!({"sessionId": session, "id": id, "name": "work", "dependsOn": [on]}));
            tokio::spawn(async move { call(&engine, "task.add", task).await })
        };
        let (one, other) = (add(&a, &b), add(&b, &a));
        let results = [one.await.unwrap(), other.await.unwrap()];
        let rejected: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
        assert_eq!(rejected, [&"dependency_cycle"], "{results:?}");
    }
}
