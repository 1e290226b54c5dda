//! Random batches, queries, aggregates and sweeps: everything as memory answers it.

use std::collections::BTreeSet;
use std::sync::Arc;

use runstate::code::Code;
use runstate::schema::{Catalog, Key, Query};
use runstate::store::{Batch, Check, Error, Expect, Memory, Op, Store, Stored, Write};
use runstate::time::Timestamp;
use runstate::value::{Document, difference, same};

use super::random::{ITEMS, Random};
use super::{batch, ground, on_tokio};

/// Rounds; each commits, asks some pages of two queries, counts, and gets.
const ROUNDS: u64 = 500;

/// What was compared: how often, and which answers came.
#[derive(Default)]
struct Seen {
    operations: u32,
    kinds: BTreeSet<String>,
}

impl Seen {
    fn agree<T: std::fmt::Debug>(
        &mut self,
        what: &str,
        asked: &dyn std::fmt::Debug,
        found: Result<T, Error>,
        expected: Result<T, Error>,
        equal: impl Fn(&T, &T) -> bool,
    ) {
        self.operations += 1;
        let code = |answer: &Result<T, Error>| answer.as_ref().map_or_else(|error| error.code().as_str(), |_| "ok");
        self.kinds.insert(format!("{what} {}", code(&expected)));
        match (&found, &expected) {
            (Ok(found), Ok(expected)) => {
                assert!(equal(found, expected), "{what} {asked:?}\n   found {found:?}\nexpected {expected:?}");
            }
            // Of several things that are wrong any may be told.
            (Err(found), Err(expected)) if lost(found) && lost(expected) => {}
            _ => assert_eq!(code(&found), code(&expected), "{what} {asked:?}: {found:?}, not {expected:?}"),
        }
    }
}

fn lost(error: &Error) -> bool {
    matches!(error.code(), Code::Conflict | Code::UniqueViolation)
}

async fn stands(store: &dyn Store, id: &str) -> Option<Stored> {
    store.get(&[Key::new(&ITEMS, id)]).await.unwrap().pop().unwrap()
}

async fn write(random: &mut Random, memory: &Memory) -> Write {
    let id = random.id();
    let key = Key::new(&ITEMS, &id);
    let after = Arc::new(random.item(&id));
    let op = Op::Put { version: 1, document: after.clone() };
    match (random.below(8), stands(memory, &id).await) {
        (0, _) => Write { key, expect: Expect::Absent, op },
        (1, _) => Write { key, expect: Expect::Any, op: Op::Delete },
        (2..5, Some(stored)) => {
            let op = Op::Change { difference: Arc::new(difference(&stored.document, &after)), after };
            Write { key, expect: Expect::Revision(stored.revision), op }
        }
        (5, Some(stored)) => Write { key, expect: Expect::Revision(stored.revision), op },
        (6, Some(stored)) => Write { key, expect: Expect::Revision(stored.revision.next()), op },
        _ => Write { key, expect: Expect::Any, op },
    }
}

async fn some_batch(random: &mut Random, memory: &Memory, nth: u64) -> Batch {
    // Now and then a command comes again, as it was or as another one.
    let repeated = random.below(8) == 0;
    let nth = if repeated { random.below(nth + 1) } else { nth };
    let mut batch = batch(&format!("c{nth}"), vec![]);
    if repeated && random.below(3) == 0 {
        batch.fingerprint.push('!');
    }
    for _ in 0..=random.below(4) {
        let write = write(random, memory).await;
        // Twice is tried now and then.
        if random.below(8) == 0 || !batch.writes.iter().any(|other| other.key == write.key) {
            batch.writes.push(write);
        }
    }
    let id = random.id();
    if random.below(4) == 0
        && let Some(stored) = stands(memory, &id).await
    {
        batch.checks.push(Check { key: Key::new(&ITEMS, &id), revision: stored.revision });
    }
    batch
}

/// Numbers are the same by what they are worth.
fn same_rows(found: &[Document], expected: &[Document]) -> bool {
    let row = |found: &Document, expected: &Document| {
        found.len() == expected.len() && found.iter().zip(expected).all(|((a, x), (b, y))| a == b && same(x, y))
    };
    found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| row(found, expected))
}

async fn ask(random: &mut Random, seen: &mut Seen, store: &dyn Store, memory: &Memory) {
    for _ in 0..2 {
        let mut query = random.query();
        for _ in 0..6 {
            let expected = memory.query(&query).await;
            let cursor = expected.as_ref().ok().and_then(|page| page.cursor.clone());
            let some = expected.as_ref().is_ok_and(|page| !page.rows.is_empty());
            if some {
                seen.kinds
                    .insert(format!("query found{}", if query.cursor.is_some() { " behind a cursor" } else { "" }));
            }
            seen.agree("query", &query, store.query(&query).await, expected, PartialEq::eq);
            match cursor {
                Some(_) => query.cursor = cursor,
                None => break,
            }
        }
    }
    let aggregate = random.aggregate();
    let expected = memory.aggregate(&aggregate).await;
    seen.agree("aggregate", &aggregate, store.aggregate(&aggregate).await, expected, |a, b| same_rows(a, b));
    // Reading by key waits for what the server does now and then only.
    if random.below(8) == 0 {
        let keys: Vec<Key> = (0..3).map(|_| Key::new(&ITEMS, &random.id())).collect();
        seen.agree("get", &keys, store.get(&keys).await, memory.get(&keys).await, PartialEq::eq);
    }
}

#[test]
fn memory_and_mongodb_agree() {
    let seed: u64 = std::env::var("RUNSTATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261);
    println!("seed {seed} (RUNSTATE_SEED=… runs others)");
    on_tokio(async {
        let catalog = Catalog::new(&[&ITEMS]).unwrap();
        let Some(ground) = ground("memory_and_mongodb_agree", &catalog).await else { return };
        let (store, memory) = (&ground.store, Memory::new());
        memory.migrate(&catalog).await.unwrap();
        let (mut random, mut seen) = (Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1), Seen::default());
        for nth in 0..ROUNDS {
            let batch = some_batch(&mut random, &memory, nth).await;
            let shown = |receipt: runstate::store::Receipt| (receipt.result, receipt.replayed);
            let (found, expected) = (store.commit(batch.clone()).await, memory.commit(batch.clone()).await);
            if expected.as_ref().is_ok_and(|receipt| receipt.replayed) {
                seen.kinds.insert("commit replayed".to_owned());
            }
            seen.agree("commit", &batch, found.map(shown), expected.map(shown), PartialEq::eq);
            ask(&mut random, &mut seen, store, &memory).await;
            if nth % 16 == 15 {
                let now = Timestamp::from_millis(i64::try_from(random.below(3_000)).unwrap() - 500);
                // Of those that expire at one moment any may be the first.
                let limit = random.one(&[0, 1_000]);
                let expected = memory.sweep(ITEMS.name, now, limit).await;
                if expected.as_ref().is_ok_and(|swept| *swept > 0) {
                    seen.kinds.insert("sweep swept".to_owned());
                }
                seen.agree("sweep", &now, store.sweep(ITEMS.name, now, limit).await, expected, PartialEq::eq);
            }
        }
        let whole = Query::of(&ITEMS);
        let (found, expected) = (store.query(&whole).await, memory.query(&whole).await);
        seen.agree("query", &"all", found, expected, PartialEq::eq);
        println!("{} operations agreed", seen.operations);
        assert!(seen.operations >= 2_000, "{} operations", seen.operations);
        // Otherwise it says little.
        for kind in [
            "aggregate ok",
            "commit command_id_reused",
            "commit conflict",
            "commit invalid",
            "commit ok",
            "commit replayed",
            "commit unique_violation",
            "get ok",
            "query found",
            "query found behind a cursor",
            "query ok",
            "sweep ok",
            "sweep swept",
        ] {
            assert!(seen.kinds.contains(kind), "no {kind} among {:?}", seen.kinds);
        }
    });
}
