//! Random batches, queries, aggregates and sweeps: IndexedDB and memory give the same results.

use std::collections::BTreeSet;
use std::sync::Arc;

use runstate::schema::{Accumulator, Aggregate, Direction, Filter, Group, Key, Query, Sort};
use runstate::store::{Batch, Check, Expectation, Freshness, Memory, Store, StoreAdmin, StoreError, Write, WriteOp};
use runstate::time::Timestamp;
use runstate::value::{Document, Json, difference};
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::fixture::{ITEMS, batch, catalog, code, document, find};
use super::{fresh_name, open_store};

/// A generator of reproducible random numbers.
struct BatchGenerator(u64);

impl BatchGenerator {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }

    fn id(&mut self) -> String {
        self.pick(&["a", "b", "B", "é", "\u{ffff}", "\u{10000}", "x/y", "__proto__", "c", "d"]).to_owned()
    }

    fn item(&mut self) -> Document {
        let mut item = Document::new();
        if self.below(4) > 0 {
            item.insert("n".into(), self.below(4).into());
        }
        if self.below(4) == 0 {
            item.insert("name".into(), self.pick(&["p", "q", "pq"]).into());
        }
        if self.below(2) == 0 {
            item.insert("tags".into(), (0..self.below(3)).map(|_| Json::from(self.below(3))).collect());
        }
        if self.below(2) == 0 {
            item.insert("at".into(), self.below(50).into());
        }
        item.insert(
            "odd".into(),
            self.pick(&[json!({"__proto__": [1.5, null]}), json!("\u{0}\u{2028}\"\\"), json!(-0.5)]),
        );
        item
    }

    fn filter(&mut self) -> Filter {
        let n = Json::from(self.below(4));
        match self.below(7) {
            0 => Filter::All,
            1 => Filter::Eq("n".into(), n),
            2 => Filter::Gte("n".into(), n),
            3 => Filter::In("n".into(), vec![n, Json::Null]),
            4 => Filter::Contains("tags".into(), n),
            5 => Filter::Eq("name".into(), self.pick(&["p", "q"]).into()),
            _ => Filter::Not(Box::new(Filter::Lt("at".into(), 25.into()))),
        }
    }

    fn query(&mut self) -> Query {
        let mut query = Query::of(&ITEMS);
        query.filter = self.filter();
        for field in ["n", "name", "at"] {
            if self.below(3) == 0 {
                let direction = self.pick(&[Direction::Ascending, Direction::Descending]);
                query.sort.push(Sort { field: field.to_owned(), direction });
            }
        }
        query.limit = self.pick(&[None, Some(1), Some(2), Some(5)]);
        query
    }
}

/// The kinds of results that occurred.
type ReplyKinds = BTreeSet<String>;

async fn random_write(random: &mut BatchGenerator, memory: &Memory) -> Write {
    let id = random.id();
    let key = Key::new(&ITEMS, &id);
    let current = find(memory, &ITEMS, &id).await.unwrap();
    let op = WriteOp::Put { version: 1, document: document(Json::Object(random.item())) };
    match (random.below(6), current) {
        (0, _) => Write { key, expect: Expectation::Absent, op },
        (1, _) => Write { key, expect: Expectation::Any, op: WriteOp::Delete },
        (2 | 3, Some(stored)) => {
            let after = random.item();
            let op = WriteOp::Change {
                difference: Arc::new(difference(&stored.document, &after)),
                after: document(Json::Object(after)),
            };
            Write { key, expect: Expectation::Revision(stored.revision), op }
        }
        (4, Some(stored)) => Write { key, expect: Expectation::Revision(stored.revision.next()), op },
        _ => Write { key, expect: Expectation::Any, op },
    }
}

async fn random_batch(random: &mut BatchGenerator, memory: &Memory, nth: u64) -> Batch {
    // Some commands are repeated, with the same or with another fingerprint.
    let is_repeat = random.below(8) == 0;
    let nth = if is_repeat { random.below(nth + 1) } else { nth };
    let mut batch = batch(&format!("c{nth}"), vec![]);
    if is_repeat && random.below(3) == 0 {
        batch.fingerprint.push('!');
    }
    for _ in 0..random.below(4) {
        let write = random_write(random, memory).await;
        batch.writes.push(write);
    }
    if random.below(4) == 0
        && let id = random.id()
        && let Some(stored) = find(memory, &ITEMS, &id).await.unwrap()
    {
        batch.checks.push(Check { key: Key::new(&ITEMS, &id), revision: stored.revision });
    }
    batch
}

fn expect_agreement<T: PartialEq + std::fmt::Debug>(
    kinds: &mut ReplyKinds,
    operation: &str,
    found: Result<T, StoreError>,
    expected: Result<T, StoreError>,
) {
    kinds.insert(format!("{operation} {}", code(&expected)));
    match (&found, &expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{operation}"),
        _ => assert_eq!(code(&found), code(&expected), "{operation}: {found:?}"),
    }
}

async fn compare(random: &mut BatchGenerator, kinds: &mut ReplyKinds, store: &dyn Store, memory: &Memory) {
    let mut query = random.query();
    loop {
        let expected = memory.query(&query, Freshness::Linearizable).await;
        let cursor = expected.as_ref().ok().and_then(|page| page.next.clone());
        expect_agreement(kinds, "query", store.query(&query, Freshness::Linearizable).await, expected);
        match cursor {
            Some(_) => query.cursor = cursor,
            None => break,
        }
    }
    let aggregate = Aggregate {
        collection: ITEMS.name.to_owned(),
        filter: random.filter(),
        group_by: if random.below(2) == 0 { vec![] } else { vec![Group::Field("n".to_owned())] },
        accumulators: vec![
            ("count".to_owned(), Accumulator::Count),
            ("sum".to_owned(), Accumulator::Sum("at".to_owned())),
            ("most".to_owned(), Accumulator::Max("at".to_owned())),
        ],
    };
    expect_agreement(kinds, "aggregate", store.aggregate(&aggregate).await, memory.aggregate(&aggregate).await);
    let keys: Vec<Key> = (0..3).map(|_| Key::new(&ITEMS, &random.id())).collect();
    expect_agreement(
        kinds,
        "get",
        store.get(&keys, Freshness::Linearizable).await,
        memory.get(&keys, Freshness::Linearizable).await,
    );
}

#[wasm_bindgen_test]
async fn memory_and_the_browser_agree() {
    let (store, memory) = (open_store(&fresh_name()).await.unwrap(), Memory::new());
    store.migrate(&catalog()).await.unwrap();
    memory.migrate(&catalog()).await.unwrap();
    let (mut random, mut kinds) = (BatchGenerator(0x5eed), ReplyKinds::new());
    for nth in 0..250 {
        let batch = random_batch(&mut random, &memory, nth).await;
        let outcome = |receipt: runstate::store::Receipt| (receipt.result, receipt.replayed);
        let (found, expected) = (store.commit(batch.clone()).await, memory.commit(batch).await);
        if expected.as_ref().is_ok_and(|receipt| receipt.replayed) {
            kinds.insert("commit replayed".to_owned());
        }
        expect_agreement(&mut kinds, "commit", found.map(outcome), expected.map(outcome));
        if nth % 3 == 0 {
            compare(&mut random, &mut kinds, &store, &memory).await;
        }
        if nth % 20 == 0 {
            let (now, limit) = (Timestamp::from_millis(1_000 + random.below(30) as i64), random.below(3) as usize);
            let swept = memory.sweep(ITEMS.name, now, limit).await;
            if swept.as_ref().is_ok_and(|swept| *swept > 0) {
                kinds.insert("sweep swept".to_owned());
            }
            expect_agreement(&mut kinds, "sweep", store.sweep(ITEMS.name, now, limit).await, swept);
        }
    }
    // Every kind must occur, or the comparison proves little.
    let expected = [
        "aggregate ok",
        "commit command_id_reused",
        "commit conflict",
        "commit invalid",
        "commit ok",
        "commit replayed",
        "commit unique_violation",
        "get ok",
        "query ok",
        "sweep ok",
        "sweep swept",
    ];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}
