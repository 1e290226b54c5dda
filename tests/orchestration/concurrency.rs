//! Many callers at once: a slot has one holder.

use std::sync::Arc;

use runstate::domain::orchestration::DOMAIN;
use runstate::engine::{Engine, SystemHost};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::{Memory, Store};
use runstate::value::Json;
use serde_json::json;

async fn call(engine: &Engine, name: &str, parameters: Json) -> Result<Json, &'static str> {
    let called = engine.call(&format!("orchestration.{name}"), parameters.as_object().unwrap().clone()).await;
    called.map_err(|error| error.code.as_str())
}

/// Assigns 1,000 sessions to 10 slots through these engines at once.
async fn assign_all(engines: Vec<Engine>) {
    let slots: Vec<u32> = (1..=10).collect();
    call(&engines[0], "machine.register", json!({"machineId": "m", "hostname": "h", "slots": slots})).await.unwrap();
    for n in 0..1_000 {
        let session = json!({"id": format!("s{n}"), "project": "p", "machine": "m"});
        call(&engines[0], "session.create", session).await.unwrap();
    }
    let assign = |n: usize| {
        let engine = engines[n % engines.len()].clone();
        tokio::spawn(async move {
            call(&engine, "machine.assign", json!({"machineId": "m", "sessionId": format!("s{n}")})).await
        })
    };
    let tasks: Vec<_> = (0..1_000).map(assign).collect();
    let (mut held, mut refused) = (Vec::new(), 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(session) => held.push(session["docker_slot"].as_u64().unwrap()),
            Err(code) => {
                assert_eq!(code, "no_free_slot");
                refused += 1;
            }
        }
    }
    held.sort_unstable();
    assert_eq!((held, refused), ((1..=10).collect(), 990));
    let machine = call(&engines[0], "machine.show", json!({"machineId": "m"})).await.unwrap();
    assert_eq!(machine["slots"].as_object().unwrap().len(), 10);
}

async fn engine(store: Arc<dyn Store>) -> Engine {
    Engine::new(store, Arc::new(SystemHost), &[&DOMAIN]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_assigns_in_memory_give_ten_holders() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    assign_all(vec![engine(store.clone()).await, engine(store).await]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_assigns_on_files_give_ten_holders() {
    let folder = tempfile::tempdir().unwrap();
    let mut engines = Vec::new();
    // Each store has the files open by itself, as a process has.
    for _ in 0..4 {
        engines
            .push(engine(Arc::new(FileStore::open(folder.path(), FileStoreOptions::default()).await.unwrap())).await);
    }
    assign_all(engines).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tasks_added_at_once_close_no_cycle() {
    let engine = engine(Arc::new(Memory::new())).await;
    call(&engine, "machine.register", json!({"machineId": "m", "hostname": "h"})).await.unwrap();
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
