//! Tests of the layers around a memory store.

use std::sync::Arc;

use runstate_core::id::CommandId;
use runstate_core::schema::{Catalog, Collection, Key, Query};
use runstate_value::Json;
use runstate_value::time::Timestamp;

use super::{CountingStore, Fault, FaultStore, LimitedStore};
use crate::layer::Method;
use crate::{Batch, BatchLimits, Expectation, Freshness, Memory, Outcome, Store, StoreError, Write, WriteOp};

const C: Collection = Collection::new("t.c", 1);

async fn migrated<S: Store>(store: S) -> S {
    store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
    store
}

fn batch(command: &str) -> Batch {
    let document = Arc::new(serde_json::json!({"n": 1}).as_object().unwrap().clone());
    Batch {
        command: CommandId::new(command).unwrap(),
        fingerprint: String::new(),
        at: Timestamp::from_millis(0),
        result: Json::Null,
        writes: vec![Write {
            key: Key::new(&C, "a"),
            expect: Expectation::Any,
            op: WriteOp::Put { version: 1, document },
        }],
        checks: vec![],
        frees_space: false,
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { what: "the store".into(), why: "the line is cut".into() }
}

#[tokio::test]
async fn calls_rows_and_bytes_are_counted() {
    let store = migrated(CountingStore::new(Memory::new())).await;
    store.commit(batch("1")).await.unwrap();
    store.commit(batch("1")).await.unwrap();
    store.query(&Query::of(&C), Freshness::Linearizable).await.unwrap();
    store.query(&Query::of(&C).after(Some("wrong".into())), Freshness::Linearizable).await.unwrap_err();
    let (commits, queries) = (store.calls(Method::Commit), store.calls(Method::Query));
    assert_eq!(
        (commits.calls, commits.rows, commits.bytes),
        (2, 1, 4 + r#"{"n":1}"#.len() as u64),
        "a repeat writes nothing"
    );
    assert_eq!((queries.calls, queries.errors, queries.rows, queries.bytes), (2, 1, 1, 7));
    store.reset();
    assert_eq!(store.calls(Method::Commit).calls, 0);
}

#[tokio::test]
async fn a_planned_fault_hits_its_call_once() {
    let store = migrated(FaultStore::new(Memory::new())).await;
    store.plan(Method::Get, 2, Fault::FailBefore(unavailable()));
    let keys = [Key::new(&C, "a")];
    assert!(store.get(&keys, Freshness::Linearizable).await.is_ok());
    assert_eq!(store.get(&keys, Freshness::Linearizable).await, Err(unavailable()));
    assert!(store.get(&keys, Freshness::Linearizable).await.is_ok());
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_stored() {
    let store = migrated(FaultStore::new(Memory::new())).await;
    let command = CommandId::new("1").unwrap();
    let unknown = StoreError::UnknownOutcome { command: command.clone(), why: "the line was cut".into() };
    store.plan(Method::Commit, 1, Fault::FailAfter(unknown.clone()));
    assert_eq!(store.commit(batch("1")).await, Err(unknown));
    assert!(matches!(store.outcome(&command).await, Ok(Outcome::Committed { .. })));
    assert!(store.commit(batch("1")).await.unwrap().replayed);
}

#[tokio::test]
async fn a_dead_store_refuses_calls_until_it_is_healed() {
    for (fault, survives) in [(Fault::DieBefore, false), (Fault::DieAfter, true)] {
        let store = migrated(FaultStore::new(Memory::new())).await;
        store.plan(Method::Commit, 1, fault);
        assert_eq!(store.commit(batch("1")).await, Err(StoreError::Closed));
        assert_eq!(store.get(&[], Freshness::Linearizable).await, Err(StoreError::Closed));
        assert!(store.is_dead());
        store.heal();
        let found = store.get(&[Key::new(&C, "a")], Freshness::Linearizable).await.unwrap();
        assert_eq!(found[0].is_some(), survives);
    }
}

#[tokio::test]
async fn other_calls_overtake_a_delayed_call() {
    let store = migrated(FaultStore::new(Memory::new())).await;
    store.plan(Method::Commit, 1, Fault::Delay(3));
    let (slow, fast) = tokio::join!(store.commit(batch("slow")), store.commit(batch("fast")));
    let order = |receipt: Result<crate::Receipt, StoreError>| receipt.unwrap().position.0.parse::<u64>().unwrap();
    assert!(order(fast) < order(slow));
}

#[tokio::test]
async fn a_limited_store_enforces_its_limits() {
    let bytes = batch("1").bytes();
    let exact = BatchLimits { document_bytes: bytes, batch_bytes: bytes, batch_writes: 1 };
    for (limits, fits) in [
        (exact, true),
        (BatchLimits { batch_writes: 0, ..exact }, false),
        (BatchLimits { batch_bytes: bytes - 1, ..exact }, false),
        (BatchLimits { document_bytes: 1, ..exact }, false),
    ] {
        let store = migrated(LimitedStore::new(Memory::new(), limits)).await;
        assert_eq!(store.capabilities().limits(), limits);
        let result = store.commit(batch("1")).await;
        assert_eq!(result.is_ok(), fits, "{limits:?} {result:?}");
        assert!(fits || matches!(result, Err(StoreError::TooLarge { .. })));
    }
}

#[tokio::test]
async fn reads_with_a_freshness_are_counted_and_fail_as_planned() {
    let store = migrated(CountingStore::new(FaultStore::new(Memory::new()))).await;
    store.commit(batch("1")).await.unwrap();
    store.inner().plan(Method::Get, 2, Fault::FailBefore(unavailable()));
    store.inner().plan(Method::Query, 2, Fault::FailBefore(unavailable()));
    let keys = [Key::new(&C, "a")];
    store.get(&keys, Freshness::Linearizable).await.unwrap();
    assert_eq!(store.get(&keys, Freshness::Session).await, Err(unavailable()));
    store.query(&Query::of(&C), Freshness::Linearizable).await.unwrap();
    assert_eq!(store.query(&Query::of(&C), Freshness::Session).await, Err(unavailable()));
    for method in [Method::Get, Method::Query] {
        let counts = store.calls(method);
        assert_eq!((counts.calls, counts.errors, counts.rows), (2, 1, 1), "{method:?}");
    }
}
