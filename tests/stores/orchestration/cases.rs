//! Clients that assign sessions to the slots of one machine at once, on any store. Each client has an engine of its
//! own. Rows that expire, on any store.

use std::sync::Arc;

use runstate::domain::orchestration::{DOMAIN, Session};
use runstate::engine::{Engine, Host as _, RunLimit, SystemHost};
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::{Entity as _, Query};
use runstate::store::{Batch, COMMANDS, Freshness, Store, StoreError};
use runstate::testing::{BatchExt as _, SimHost, batch, join_all};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use crate::settings::is_full_run;

/// Opens a store again, as another process does.
pub type Reopen<'a> = dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> + 'a;

/// Number of sessions that all clients together assign at once: a thousand in the long form of the tests.
fn assigned_sessions() -> usize {
    if is_full_run() { 1_000 } else { 250 }
}

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
    call(engine, "machine.register", json!({"id": "m", "hostname": "h", "slots": slots})).await.unwrap();
    for n in 0..assigned_sessions() {
        let session = json!({"id": format!("s{n}"), "project": "p", "machine": "m"});
        call(engine, "session.create", session).await.unwrap();
    }
}

/// Assigns all sessions of one of `clients` clients at once. Returns the slots that they hold.
pub async fn assign_sessions(engine: &Engine, client: usize, clients: usize) -> Vec<u64> {
    let assign = |n: usize| {
        let (engine, session) = (engine.clone(), json!({"id": "m", "sessionId": format!("s{n}")}));
        tokio::spawn(async move { call(&engine, "machine.assign", session).await })
    };
    let tasks: Vec<_> = (client..assigned_sessions()).step_by(clients).map(assign).collect();
    let mut held = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(session) => held.push(session["dockerSlot"].as_u64().unwrap()),
            Err(code) => assert_eq!(code, "no_free_slot"),
        }
    }
    held
}

/// Checks that each of the ten slots has one holder, in the results of the clients and in the documents.
pub async fn check_holders(engine: &Engine, mut held: Vec<u64>) {
    held.sort_unstable();
    assert_eq!(held, (1..=10).collect::<Vec<_>>());
    let machine = call(engine, "machine.show", json!({"id": "m"})).await.unwrap();
    let slots = machine["slots"].as_object().unwrap();
    assert_eq!(slots.len(), 10);
    for (slot, session) in slots {
        let session = call(engine, "session.show", json!({"id": session})).await.unwrap();
        assert_eq!(session["dockerSlot"].to_string(), *slot);
    }
}

/// Hundreds of concurrent assigns of `clients` clients to ten slots end with ten holders; the others are refused.
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

/// Ended sessions that expire, in the short and in the long form of the tests. There are ten times as many rows of the
/// ledger, which are more than one sweep removes.
const ENDED_SESSIONS: [usize; 2] = [300, 2_000];

/// Number of commits that are sent at once.
const COMMITS_AT_ONCE: usize = 50;

/// One pass of due work removes all ended sessions and all rows of the ledger that have expired. Before it the first
/// `damaged` of the sessions to expire are damaged; they stay, and keep no other from removal, not even in a small step.
/// `age` makes the rows of the ledger old for a store with a clock of its own.
pub async fn one_pass_removes_all_that_expired(
    store: Arc<dyn Store>,
    damaged: usize,
    damage: impl AsyncFn(&str),
    age: impl AsyncFn(),
) {
    let host = SimHost::default();
    host.clock.set(SystemHost.now());
    let engine = Engine::new(store.clone(), Arc::new(host.clone()), &[&DOMAIN]).await.unwrap();
    let sessions = ENDED_SESSIONS[usize::from(is_full_run())];
    let now = host.clock.now();
    let insert = |n: usize| {
        let empty = Batch { at: now, ..batch(CommandId::new(&format!("row-{n}")).unwrap()) };
        let (id, at) = (format!("s{:05}", n / 10), now.as_millis());
        let session = json!({
            "session_id": id, "project_id": "p", "machine_id": "m", "status": "completed",
            "completed_at": at + (n / 10) as i64, "expires": true, "last_heartbeat": at, "started_at": at, "created_at": at, "updated_at": at,
        });
        let batch = match n % 10 {
            0 => empty.insert(&Session::COLLECTION, &id, session),
            // No such session exists: the row of the ledger remains.
            _ => empty.delete(&Session::COLLECTION, &format!("none-{n}")),
        };
        store.commit(batch)
    };
    for from in (0..sessions * 10).step_by(COMMITS_AT_ONCE) {
        for committed in join_all((from..from + COMMITS_AT_ONCE).map(insert).collect()).await {
            committed.unwrap();
        }
    }
    for n in 0..damaged {
        damage(&format!("s{n:05}")).await;
    }
    age().await;
    host.clock.advance(Millis::days(31));
    let expired = engine.measure_expired(host.clock.now()).await.unwrap();
    let measured = expired.iter().find(|one| one.collection == Session::COLLECTION.name).unwrap();
    assert_eq!(measured.rows, (sessions - damaged) as u64);
    let step = engine.run_due(16, RunLimit::Slice).await.unwrap();
    assert!(step.swept >= 32 && step.more, "{step:?}");
    let pass = engine.run_due(16, RunLimit::Stop).await.unwrap();
    assert!(!pass.more && pass.failed.is_empty(), "{pass:?}");
    let left = Query::of(&Session::COLLECTION).with_unreadable();
    let left = store.query(&left, Freshness::Linearizable).await.unwrap();
    assert_eq!((left.items.len(), left.damaged.len()), (0, damaged));
    assert!(engine.count(&COMMANDS).await.unwrap().unwrap() < 16);
}
