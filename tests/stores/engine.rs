//! The engine's contract, on a domain with one counter: compare-and-set, repeated commands, fresh reads for replies
//! without a commit, unknown outcomes, cached values.

use std::sync::Arc;

use runstate::decision::{CachedValue, Change, Command, Ctx, Decision, OperationName, ReadSet, Rejection, View};
use runstate::engine::{Engine, Error, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::limits::LEDGER_DAYS;
use runstate::operation::{AuditedCommand, Domain};
use runstate::schema::{Collection, Field, Key};
use runstate::store::layer::Method;
use runstate::store::{self, COMMANDS, Freshness, Memory, Store};
use runstate::testing::{CountingStore, Fault, FaultStore, SimHost};
use runstate::time::Millis;
use runstate::value::Document;
use serde::Serialize;

static COUNTERS: Collection = Collection::new("test.counters", 1).fields(&[Field::id("id"), Field::int("n")]);
static TEST: Domain = Domain::new("test").collections(&[&COUNTERS]);

static AUDIT_LOG: Collection = Collection::new("test.audit_log", 1).fields(&[Field::id("id"), Field::text("target")]);
static AUDITED: Domain = Domain::new("test").collections(&[&COUNTERS, &AUDIT_LOG]).audit(audit);

fn audit(command: AuditedCommand<'_>) -> Result<Change, Rejection> {
    let key = Key::new(&AUDIT_LOG, command.ctx.command().as_str());
    let target = format!("{} {}", command.name, command.target);
    let document = [("id".into(), key.id.as_ref().into()), ("target".into(), target.into())].into_iter().collect();
    Ok(Change::Append { key, document })
}

/// Adds to a counter, up to a limit.
#[derive(Serialize, OperationName)]
#[operation(name = "test.row.add")]
struct Add {
    id: &'static str,
    by: i64,
    most: i64,
}

const ADD: Add = Add { id: "c", by: 1, most: i64::MAX };

impl Command for Add {
    type Output = i64;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&COUNTERS, self.id))
    }

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&COUNTERS, self.id))
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<i64>, Rejection> {
        let key = Key::new(&COUNTERS, self.id);
        let found = view.get(&key);
        // The cached value is the number itself. Without it, the document is decoded.
        let cached = view.cached::<i64>(&key).copied();
        let n = cached.or_else(|| found.and_then(|f| f.document["n"].as_i64())).unwrap_or(0) + self.by;
        if n > self.most {
            return Err(Rejection::Limit { what: format!("{n}"), limit: format!("{}", self.most), remedy: "subtract" });
        }
        let document: Document = [("id".into(), self.id.into()), ("n".into(), n.into())].into_iter().collect();
        let change = match found {
            Some(before) => Change::Update { key: key.clone(), before: before.clone(), after: document },
            None => Change::Insert { key: key.clone(), document },
        };
        let mut decision = Decision::new(n).change(change);
        decision.cached.push((key, CachedValue::new(n, 8)));
        Ok(decision)
    }
}

async fn engine(store: Arc<dyn Store>) -> Engine {
    Engine::new(store, Arc::new(SystemHost), &[&TEST]).await.unwrap()
}

fn id(text: &str) -> CommandId {
    CommandId::new(text).unwrap()
}

async fn count(store: &dyn Store) -> i64 {
    let found = store.get(&[Key::new(&COUNTERS, "c")], Freshness::Linearizable).await.unwrap();
    found[0].as_ref().map_or(0, |found| found.document["n"].as_i64().unwrap())
}

#[tokio::test]
async fn the_same_command_id_gives_the_first_result() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let engine = engine(store.clone()).await;
    let first = engine.execute_as(&ADD, Some(&id("a"))).await.unwrap();
    engine.execute(&ADD).await.unwrap();
    let repeated = engine.execute_as(&ADD, Some(&id("a"))).await.unwrap();
    assert_eq!((first.output, first.replayed), (1, false));
    assert_eq!((repeated.output, repeated.replayed), (1, true));
    assert_eq!(count(&*store).await, 2);
}

#[tokio::test]
async fn a_command_that_is_older_than_the_ledger_is_refused() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let host = Arc::new(SimHost::default());
    let engine = Engine::new(store.clone(), host.clone(), &[&TEST]).await.unwrap();
    let id = CommandId::generate(host.clock.now(), [7; 10]);
    assert_eq!(engine.execute_as(&ADD, Some(&id)).await.unwrap().output, 1);
    host.clock.advance(Millis::days(LEDGER_DAYS));
    assert!(engine.execute_as(&ADD, Some(&id)).await.unwrap().replayed);
    host.clock.advance(Millis(1));
    // Its row has not been swept yet.
    assert!(engine.execute_as(&ADD, Some(&id)).await.unwrap().replayed);
    store.sweep(COMMANDS.name, host.clock.now(), 100).await.unwrap();
    let error = engine.execute_as(&ADD, Some(&id)).await.unwrap_err();
    assert_eq!((error.code, count(&*store).await), (ErrorCode::STALE, 1), "{error}");
    let fresh = CommandId::generate(host.clock.now(), [7; 10]);
    assert_eq!(engine.execute_as(&ADD, Some(&fresh)).await.unwrap().output, 2);
}

#[tokio::test]
async fn another_command_under_a_used_id_is_rejected() {
    let engine = engine(Arc::new(Memory::new())).await;
    engine.execute_as(&ADD, Some(&id("a"))).await.unwrap();
    let error = engine.execute_as(&Add { by: 2, ..ADD }, Some(&id("a"))).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::COMMAND_ID_REUSED);
}

#[tokio::test]
async fn repeat_returns_the_first_result_even_if_now_rejected() {
    let engine = engine(Arc::new(Memory::new())).await;
    let add_once = Add { most: 1, ..ADD };
    engine.execute_as(&add_once, Some(&id("a"))).await.unwrap();
    assert_eq!(engine.execute(&add_once).await.unwrap_err().code, ErrorCode::LIMIT);
    assert_eq!(engine.execute_as(&add_once, Some(&id("a"))).await.unwrap().output, 1);
}

#[tokio::test]
async fn two_engines_on_one_store_lose_no_update() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let (one, two) = (engine(store.clone()).await, engine(store.clone()).await);
    let tasks: Vec<_> = (0..100)
        .map(|i| {
            let engine = if i % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(async move { engine.execute(&ADD).await })
        })
        .collect();
    let mut outputs = Vec::new();
    for task in tasks {
        outputs.push(task.await.unwrap().unwrap());
    }
    outputs.sort_unstable();
    assert_eq!(outputs, (1..=100).collect::<Vec<_>>());
    assert_eq!(count(&*store).await, 100);
}

#[tokio::test]
async fn rejection_is_never_based_on_cached_documents() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let (one, two) = (engine(store.clone()).await, engine(store.clone()).await);
    one.execute(&Add { by: 10, ..ADD }).await.unwrap();
    // The other engine subtracts 10. The first one still has 10 in its cache.
    two.execute(&Add { by: -10, ..ADD }).await.unwrap();
    assert_eq!(one.execute(&Add { most: 5, ..ADD }).await.unwrap(), 1);
}

#[tokio::test]
async fn command_on_cached_documents_reads_nothing() {
    let store = Arc::new(CountingStore::new(Memory::new()));
    let engine = engine(store.clone()).await;
    engine.execute(&ADD).await.unwrap();
    store.reset();
    engine.execute(&ADD).await.unwrap();
    let calls = store.reset();
    assert_eq!(calls.keys().copied().collect::<Vec<_>>(), [Method::Commit]);
}

#[tokio::test]
async fn unknown_outcome_is_resolved_and_nothing_is_applied_twice() {
    for fault in [Fault::FailAfter(unknown()), Fault::FailBefore(unknown())] {
        let store = Arc::new(FaultStore::new(Memory::new()));
        let engine = engine(store.clone()).await;
        engine.execute(&ADD).await.unwrap();
        store.plan(Method::Commit, 1, fault.clone());
        assert_eq!(engine.execute(&ADD).await.unwrap(), 2, "{fault:?}");
        assert_eq!(count(store.inner()).await, 2, "{fault:?}");
    }
}

#[tokio::test]
async fn unresolved_outcome_is_a_retryable_unknown_error() {
    let store = Arc::new(FaultStore::new(Memory::new()));
    let engine = engine(store.clone()).await;
    store.plan(Method::Commit, 1, Fault::FailAfter(unknown()));
    let unavailable = store::StoreError::Unavailable { what: "ledger".into(), why: "the line is cut".into() };
    store.plan(Method::Outcome, 1, Fault::FailBefore(unavailable));
    let error: Error = engine.execute_as(&ADD, Some(&id("a"))).await.unwrap_err();
    assert_eq!((error.code, error.retryable), (ErrorCode::UNKNOWN_OUTCOME, true));
    assert_eq!(engine.execute_as(&ADD, Some(&id("a"))).await.unwrap().output, 1);
    assert_eq!(count(store.inner()).await, 1);
}

#[tokio::test]
async fn a_process_that_dies_at_any_call_leaves_all_or_nothing() {
    for method in [Method::Get, Method::Commit, Method::Outcome] {
        for fault in [Fault::DieBefore, Fault::DieAfter] {
            let store = Arc::new(FaultStore::new(Memory::new()));
            let first = engine(store.clone()).await;
            store.plan(method, 1, fault.clone());
            let acknowledged = first.execute_as(&ADD, Some(&id("a"))).await.is_ok();
            store.heal();
            let before = count(store.inner()).await;
            assert!(!acknowledged || before == 1);
            let second = engine(store.clone()).await;
            assert_eq!(second.execute_as(&ADD, Some(&id("a"))).await.unwrap().output, 1);
            assert_eq!(count(store.inner()).await, 1, "{method:?} {fault:?}");
        }
    }
}

fn unknown() -> store::StoreError {
    store::StoreError::UnknownOutcome { command: id("a"), why: "the line is cut".into() }
}

#[tokio::test]
async fn each_command_that_takes_effect_has_one_row_in_the_audit_log() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let engine = Engine::new(store.clone(), Arc::new(SystemHost), &[&AUDITED]).await.unwrap();
    for command in ["a", "a", "b"] {
        engine.execute_as(&ADD, Some(&id(command))).await.unwrap();
    }
    let refused = engine.execute_as(&Add { most: 0, ..ADD }, Some(&id("refused"))).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::LIMIT);
    let mut targets = Vec::new();
    for command in ["a", "b", "refused"] {
        let found = store.get(&[Key::new(&AUDIT_LOG, command)], Freshness::Linearizable).await.unwrap();
        targets.push(found[0].as_ref().map(|row| row.document["target"].clone()));
    }
    assert_eq!(
        targets,
        [Some("test.row.add test.counters/c".into()), Some("test.row.add test.counters/c".into()), None]
    );
}
