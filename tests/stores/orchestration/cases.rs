//! Clients that assign sessions to the slots of one machine at once, on any store. Each client has an engine of its
//! own.

use std::sync::Arc;

use runstate::domain::orchestration::DOMAIN;
use runstate::engine::{Engine, SystemHost};
use runstate::marker::BoxFuture;
use runstate::store::{Store, StoreError};
use runstate::value::Json;
use serde_json::json;

/// Opens a store again, as another process does.
pub type Reopen<'a> = dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> + 'a;

/// Number of sessions that all clients together assign at once.
const SESSIONS: usize = 1_000;

pub async fn open_engine(open: &Reopen<'_>) -> Engine {
    Engine::new(open().await.unwrap(), Arc::new(SystemHost), &[&DOMAIN]).await.unwrap()
}

pub async fn call(engine: &Engine, name: &str, parameters: Json) -> Result<Json, &'static str> {
    let called = engine.call(&format!("orchestration.{name}"), parameters.as_object().unwrap().clone()).await;
    called.map_err(|error| error.code.as_str())
}

/// Registers a machine of ten slots, and creates the sessions on it.
pub async fn create_sessions(engine: &Engine) {
    let slots: Vec<u32> = (1..=10).collect();
    call(engine, "machine.register", json!({"machineId": "m", "hostname": "h", "slots": slots})).await.unwrap();
    for n in 0..SESSIONS {
        let session = json!({"id": format!("s{n}"), "project": "p", "machine": "m"});
        call(engine, "session.create", session).await.unwrap();
    }
}

/// Assigns all sessions of one of `clients` clients at once. Returns the slots that they hold.
pub async fn assign_sessions(engine: &Engine, client: usize, clients: usize) -> Vec<u64> {
    let assign = |n: usize| {
        let (engine, session) = (engine.clone(), json!({"machineId": "m", "sessionId": format!("s{n}")}));
        tokio::spawn(async move { call(&engine, "machine.assign", session).await })
    };
    let tasks: Vec<_> = (client..SESSIONS).step_by(clients).map(assign).collect();
    let mut held = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(session) => held.push(session["docker_slot"].as_u64().unwrap()),
            Err(code) => assert_eq!(code, "no_free_slot"),
        }
    }
    held
}

/// Checks that each of the ten slots has one holder, in the results of the clients and in the documents.
pub async fn check_holders(engine: &Engine, mut held: Vec<u64>) {
    held.sort_unstable();
    assert_eq!(held, (1..=10).collect::<Vec<_>>());
    let machine = call(engine, "machine.show", json!({"machineId": "m"})).await.unwrap();
    let slots = machine["slots"].as_object().unwrap();
    assert_eq!(slots.len(), 10);
    for (slot, session) in slots {
        let session = call(engine, "session.show", json!({"sessionId": session})).await.unwrap();
        assert_eq!(session["docker_slot"].to_string(), *slot);
    }
}

/// A thousand concurrent assigns of `clients` clients to ten slots end with ten holders; the other assigns are refused.
pub async fn thousand_assigns_give_ten_holders(open: &Reopen<'_>, clients: usize) {
    let mut engines = Vec::new();
    for _ in 0..clients {
        engines.push(open_engine(open).await);
    }
    create_sessions(&engines[0]).await;
    let assign = |(client, engine): (usize, &Engine)| {
        let engine = engine.clone();
        tokio::spawn(async move { assign_sessions(&engine, client, clients).await })
    };
    let tasks: Vec<_> = engines.iter().enumerate().map(assign).collect();
    let mut held = Vec::new();
    for task in tasks {
        held.extend(task.await.unwrap());
    }
    check_holders(&engines[0], held).await;
}
