//! Random batches, queries, aggregates and sweeps: a store on a server returns what memory returns.

mod query_generator;

use std::collections::BTreeSet;
use std::sync::Arc;

use runstate::error_code::ErrorCode;
use runstate::schema::{Catalog, Key, Query};
use runstate::store::{
    Batch, Check, Expectation, Freshness, Memory, Store, StoreAdmin, StoreError, StoredDocument, Write, WriteOp,
};
use runstate::time::Timestamp;
use runstate::value::{Document, difference, is_equal};

pub use self::query_generator::ITEMS;
use self::query_generator::QueryGenerator;
use crate::settings::{is_full_run, seed};
use crate::support::batches::batch;

/// Rounds. Each commits a batch, reads some pages of two queries, aggregates, and sometimes reads by key.
const ROUNDS: u64 = 500;

/// Rounds after which the short form ends if all kinds of results have occurred.
const FEWEST_ROUNDS: u64 = 200;

/// The kinds of results that must occur, or the comparison proves little.
const KINDS: [&str; 13] = [
    "aggregate ok",
    "commit command_id_reused",
    "commit conflict",
    "commit invalid",
    "commit ok",
    "commit replayed",
    "commit unique_violation",
    "get ok",
    "query found",
    "query found after a cursor",
    "query ok",
    "sweep ok",
    "sweep swept",
];

/// How many operations were compared, and which kinds of results occurred.
#[derive(Default)]
struct ComparisonStats {
    operations: u32,
    kinds: BTreeSet<String>,
}

impl ComparisonStats {
    fn expect_agreement<T: std::fmt::Debug>(
        &mut self,
        operation: &str,
        input: &dyn std::fmt::Debug,
        found: Result<T, StoreError>,
        expected: Result<T, StoreError>,
        equal: impl Fn(&T, &T) -> bool,
    ) {
        self.operations += 1;
        let code =
            |answer: &Result<T, StoreError>| answer.as_ref().map_or_else(|error| error.code().as_str(), |_| "ok");
        self.kinds.insert(format!("{operation} {}", code(&expected)));
        match (&found, &expected) {
            (Ok(found), Ok(expected)) => {
                assert!(equal(found, expected), "{operation} {input:?}\n   found {found:?}\nexpected {expected:?}");
            }
            // Of several errors that apply, a store may return any.
            (Err(found), Err(expected)) if is_conflict(found) && is_conflict(expected) => {}
            _ => assert_eq!(code(&found), code(&expected), "{operation} {input:?}: {found:?}, not {expected:?}"),
        }
    }
}

fn is_conflict(error: &StoreError) -> bool {
    matches!(error.code(), ErrorCode::CONFLICT | ErrorCode::UNIQUE_VIOLATION)
}

async fn current(store: &dyn Store, id: &str) -> Option<StoredDocument> {
    store.get(&[Key::new(&ITEMS, id)], Freshness::Linearizable).await.unwrap().pop().unwrap()
}

async fn random_write(random: &mut QueryGenerator, memory: &Memory) -> Write {
    let id = random.id();
    let key = Key::new(&ITEMS, &id);
    let after = Arc::new(random.item(&id));
    let op = WriteOp::Put { version: 1, document: after.clone() };
    match (random.below(8), current(memory, &id).await) {
        (0, _) => Write { key, expect: Expectation::Absent, op },
        (1, _) => Write { key, expect: Expectation::Any, op: WriteOp::Delete },
        (2..5, Some(stored)) => {
            let op = WriteOp::Change { difference: Arc::new(difference(&stored.document, &after)), after };
            Write { key, expect: Expectation::Revision(stored.revision), op }
        }
        (5, Some(stored)) => Write { key, expect: Expectation::Revision(stored.revision), op },
        (6, Some(stored)) => Write { key, expect: Expectation::Revision(stored.revision.next()), op },
        _ => Write { key, expect: Expectation::Any, op },
    }
}

async fn random_batch(random: &mut QueryGenerator, memory: &Memory, nth: u64) -> Batch {
    // Some commands are repeated, unchanged or with another fingerprint.
    let is_repeat = random.below(8) == 0;
    let nth = if is_repeat { random.below(nth + 1) } else { nth };
    let mut batch = batch(&format!("c{nth}"), vec![]);
    if is_repeat && random.below(3) == 0 {
        batch.fingerprint.push('!');
    }
    for _ in 0..=random.below(4) {
        let write = random_write(random, memory).await;
        // Some batches write a key twice.
        if random.below(8) == 0 || !batch.writes.iter().any(|other| other.key == write.key) {
            batch.writes.push(write);
        }
    }
    let id = random.id();
    if random.below(4) == 0
        && let Some(stored) = current(memory, &id).await
    {
        batch.checks.push(Check { key: Key::new(&ITEMS, &id), revision: stored.revision });
    }
    batch
}

/// Compares numbers by value.
fn rows_equal(found: &[Document], expected: &[Document]) -> bool {
    let row = |found: &Document, expected: &Document| {
        found.len() == expected.len() && found.iter().zip(expected).all(|((a, x), (b, y))| a == b && is_equal(x, y))
    };
    found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| row(found, expected))
}

async fn compare_reads(random: &mut QueryGenerator, stats: &mut ComparisonStats, store: &dyn Store, memory: &Memory) {
    for _ in 0..2 {
        let mut query = random.query();
        for _ in 0..6 {
            let expected = memory.query(&query, Freshness::Linearizable).await;
            let cursor = expected.as_ref().ok().and_then(|page| page.next.clone());
            let has_rows = expected.as_ref().is_ok_and(|page| !page.items.is_empty());
            if has_rows {
                stats
                    .kinds
                    .insert(format!("query found{}", if query.cursor.is_some() { " after a cursor" } else { "" }));
            }
            stats.expect_agreement(
                "query",
                &query,
                store.query(&query, Freshness::Linearizable).await,
                expected,
                PartialEq::eq,
            );
            match cursor {
                Some(_) => query.cursor = cursor,
                None => break,
            }
        }
    }
    let aggregate = random.aggregate();
    let expected = memory.aggregate(&aggregate).await;
    stats.expect_agreement("aggregate", &aggregate, store.aggregate(&aggregate).await, expected, |a, b| {
        rows_equal(a, b)
    });
    // A read by key waits for the majority, so it is done less often.
    if random.below(8) == 0 {
        let keys: Vec<Key> = (0..3).map(|_| Key::new(&ITEMS, &random.id())).collect();
        stats.expect_agreement(
            "get",
            &keys,
            store.get(&keys, Freshness::Linearizable).await,
            memory.get(&keys, Freshness::Linearizable).await,
            PartialEq::eq,
        );
    }
}

/// Compares a store, which has the declarations of [`ITEMS`] and no document, with memory.
pub async fn compare_with_memory(store: &dyn Store) {
    let seed = seed();
    let memory = Memory::new();
    memory.migrate(&Catalog::new(&[&ITEMS]).unwrap()).await.unwrap();
    let (mut random, mut stats) =
        (QueryGenerator(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1), ComparisonStats::default());
    for nth in 0..ROUNDS {
        let batch = random_batch(&mut random, &memory, nth).await;
        let outcome = |receipt: runstate::store::Receipt| (receipt.result, receipt.replayed);
        let (found, expected) = (store.commit(batch.clone()).await, memory.commit(batch.clone()).await);
        if expected.as_ref().is_ok_and(|receipt| receipt.replayed) {
            stats.kinds.insert("commit replayed".to_owned());
        }
        stats.expect_agreement("commit", &batch, found.map(outcome), expected.map(outcome), PartialEq::eq);
        compare_reads(&mut random, &mut stats, store, &memory).await;
        let has_all = KINDS.iter().all(|kind| stats.kinds.contains(*kind) || *kind == "sweep swept");
        let is_last = nth + 1 == ROUNDS || (!is_full_run() && nth + 1 >= FEWEST_ROUNDS && has_all);
        if nth % 16 == 15 || is_last {
            let now = Timestamp::from_millis(i64::try_from(random.below(3_000)).unwrap() - 500);
            // Of documents that expire at the same time, any may be the first.
            let limit = random.pick(&[0, 1_000]);
            // The last sweep removes all that can expire, so every run has one that removes documents.
            let (now, limit) = if is_last { (Timestamp::from_millis(100_000), 1_000) } else { (now, limit) };
            let expected = memory.sweep(ITEMS.name, now, limit).await;
            if expected.as_ref().is_ok_and(|swept| *swept > 0) {
                stats.kinds.insert("sweep swept".to_owned());
            }
            stats.expect_agreement("sweep", &now, store.sweep(ITEMS.name, now, limit).await, expected, PartialEq::eq);
        }
        if is_last {
            break;
        }
    }
    let all = Query::of(&ITEMS);
    let (found, expected) =
        (store.query(&all, Freshness::Linearizable).await, memory.query(&all, Freshness::Linearizable).await);
    stats.expect_agreement("query", &"all", found, expected, PartialEq::eq);
    println!("{} operations agreed", stats.operations);
    assert!(stats.operations >= if is_full_run() { 2_000 } else { 800 }, "{} operations", stats.operations);
    for kind in KINDS {
        assert!(stats.kinds.contains(kind), "no {kind} among {:?}", stats.kinds);
    }
}
