//! Readers while servers are killed: queries by page and without a limit, aggregates computed by the server and here, feeds. Each result is of
//! one snapshot, and no read fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use runstate::id::CommandId;
use runstate::schema::{Accumulator, Aggregate, Direction, Filter, Group, Key, Query};
use runstate::store::mongodb::Mongo;
use runstate::store::{Batch, Expectation, Position, Store, StoreError, Write, WriteOp};
use runstate::time::Millis;
use tokio::task::{JoinHandle, JoinSet};

use super::load::{PARTS, ROWS, batch, document};

/// Documents that one command inserts.
const ROWS_PER_COMMAND: u64 = 40;

/// Readers, and a task that commits many documents at once.
pub struct Readers {
    stop: Arc<AtomicBool>,
    committing: JoinHandle<u64>,
    reading: JoinSet<ReaderStats>,
    /// Whether nothing is committed any more.
    last: Arc<AtomicBool>,
    following: JoinSet<FeedReport>,
}

/// How many reads of a kind succeeded, and how long the slowest took.
struct ReaderStats {
    query_name: &'static str,
    times: u64,
    longest: Duration,
}

/// The events of a feed that was read with this limit: which command changed which document.
struct FeedReport {
    limit: usize,
    events: Vec<(String, String)>,
}

impl Readers {
    /// Starts readers of all kinds, on two stores as in two processes. Feeds begin now.
    pub async fn start(stores: &[Arc<Mongo>; 2]) -> Self {
        let (stop, last): (Arc<AtomicBool>, Arc<AtomicBool>) = Default::default();
        let [one, other] = stores.clone();
        let from = one.changes(None, 1, Millis(0)).await.unwrap().next;
        let committing = tokio::spawn(commit_many(one.clone(), stop.clone()));
        let mut reading = JoinSet::new();
        reading.spawn(read_repeatedly("pages", one.clone(), stop.clone(), async |store| read_pages(store).await));
        reading.spawn(read_repeatedly("queries", other.clone(), stop.clone(), async |store| read_at_once(store).await));
        reading.spawn(read_repeatedly("counted there", one.clone(), stop.clone(), async |store| {
            read_counts(store, &[]).await
        }));
        let here = [("half".to_owned(), Accumulator::Percentile("n".to_owned(), 50.0))];
        reading.spawn(read_repeatedly("counted here", other.clone(), stop.clone(), async move |store| {
            read_counts(store, &here).await
        }));
        let mut following = JoinSet::new();
        for (limit, stores) in [(500, vec![one.clone()]), (7, vec![other.clone()]), (90, vec![one, other])] {
            following.spawn(follow(stores, from.clone(), limit, last.clone()));
        }
        Self { stop, committing, reading, last, following }
    }

    /// Stops everything, once the feeds contain the last commit. `rows`: how many commands each task of the load committed.
    pub async fn stop(self, rows: &BTreeMap<u64, u64>) {
        self.stop.store(true, Ordering::SeqCst);
        let many = self.committing.await.unwrap();
        for ReaderStats { query_name: what, times, longest } in self.reading.join_all().await {
            println!("{what}: {times} times, at most {longest:.1?}");
            assert!(times > 0, "{what}");
        }
        self.last.store(true, Ordering::SeqCst);
        for FeedReport { limit, events } in self.following.join_all().await {
            expect_complete_feed(limit, &events, rows, many);
        }
    }
}

/// Expects each command in the feed once, complete, and in the order in which its task committed it.
fn expect_complete_feed(limit: usize, events: &[(String, String)], rows: &BTreeMap<u64, u64>, many: u64) {
    let commands: Vec<&[(String, String)]> = events.chunk_by(|(a, _), (b, _)| a == b).collect();
    println!("a feed by {limit}: {} events of {} commands", events.len(), commands.len());
    let mut next: BTreeMap<&str, u64> = BTreeMap::new();
    for command in commands {
        let id = &command[0].0;
        let (by, n) = id.split_once('-').unwrap();
        let expected = next.entry(by).or_default();
        assert_eq!(
            n.parse::<u64>().unwrap(),
            *expected,
            "by {limit}: {by} is in order, each command once and complete"
        );
        *expected += 1;
        let mut keys: Vec<&str> = command.iter().map(|(_, key)| &**key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), command.len(), "by {limit}: {id} contains a document twice");
        let whole = if by == "many" { ROWS_PER_COMMAND } else { 2 };
        assert_eq!(keys.len() as u64, whole, "by {limit}: {id} is complete");
    }
    let expected = rows.iter().map(|(by, rows)| (by.to_string(), *rows)).chain([("many".to_owned(), many)]);
    let next: BTreeMap<String, u64> = next.into_iter().map(|(by, n)| (by.to_owned(), n)).collect();
    assert_eq!(
        next,
        expected.collect(),
        "by {limit}: the feed contains everything that was acknowledged, and nothing else"
    );
}

/// Commits many documents at once, each time different ones.
async fn commit_many(store: Arc<Mongo>, stop: Arc<AtomicBool>) -> u64 {
    let mut n = 0;
    while !stop.load(Ordering::SeqCst) {
        let part = |part| {
            let op = WriteOp::Put { version: 1, document: document(&[("by", n), ("n", part)]) };
            Write { key: Key::new(&PARTS, &format!("{n}-{part}")), expect: Expectation::Absent, op }
        };
        let whole: Batch =
            batch(CommandId::new(&format!("many-{n}")).unwrap(), (0..ROWS_PER_COMMAND).map(part).collect());
        match store.commit(whole).await {
            Ok(_) => n += 1,
            // The same command is repeated.
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    n
}

/// Repeats a read until it is stopped.
async fn read_repeatedly(
    what: &'static str,
    store: Arc<Mongo>,
    stop: Arc<AtomicBool>,
    ask: impl AsyncFn(&Mongo) -> Result<(), StoreError>,
) -> ReaderStats {
    let (mut times, mut longest) = (0, Duration::ZERO);
    while !stop.load(Ordering::SeqCst) {
        let begun = Instant::now();
        if let Err(error) = ask(&store).await {
            panic!("{what}: {error}");
        }
        (times, longest) = (times + 1, longest.max(begun.elapsed()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ReaderStats { query_name: what, times, longest }
}

/// Expects the rows that one task inserts one after the other without a gap, page by page, each page of its own snapshot.
async fn read_pages(store: &Mongo) -> Result<(), StoreError> {
    let (mut cursor, mut found) = (None, Vec::new());
    loop {
        let query = Query::of(&ROWS).eq("by", 3).sort("n", Direction::Ascending).limit(50).after(cursor);
        let page = store.query(&query).await?;
        found.extend(page.items.iter().map(|row| row.stored.document["n"].as_u64().unwrap()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, (0..found.len() as u64).collect::<Vec<_>>());
    Ok(())
}

/// Expects the documents of a command all or not at all.
async fn read_at_once(store: &Mongo) -> Result<(), StoreError> {
    let rows = store.query(&Query::of(&PARTS)).await?.items;
    assert_eq!(rows.len() as u64 % ROWS_PER_COMMAND, 0);
    Ok(())
}

/// Expects in each group as many documents as its greatest number plus one.
async fn read_counts(store: &Mongo, more: &[(String, Accumulator)]) -> Result<(), StoreError> {
    let accumulators =
        [("count".to_owned(), Accumulator::Count), ("most".to_owned(), Accumulator::Max("n".to_owned()))];
    let question = Aggregate {
        collection: PARTS.name.to_owned(),
        filter: Filter::All,
        group_by: vec![Group::Field("by".to_owned())],
        accumulators: accumulators.into_iter().chain(more.iter().cloned()).collect(),
    };
    for row in store.aggregate(&question).await? {
        assert_eq!(
            (row["count"].as_u64(), row["most"].as_u64()),
            (Some(ROWS_PER_COMMAND), Some(ROWS_PER_COMMAND - 1)),
            "{row:?}"
        );
    }
    Ok(())
}

/// Follows the changes until no more arrive, with each of these stores in turn.
async fn follow(stores: Vec<Arc<Mongo>>, mut from: Position, limit: usize, last: Arc<AtomicBool>) -> FeedReport {
    let mut events = Vec::new();
    for store in stores.iter().cycle() {
        let last = last.load(Ordering::SeqCst);
        let changes = store.changes(Some(from), limit, Millis(500)).await;
        let changes = changes.unwrap_or_else(|error| panic!("a feed: {error}"));
        if last && changes.events.is_empty() {
            break;
        }
        events.extend(changes.events.iter().map(|event| (event.command.to_string(), event.key.to_string())));
        from = changes.next;
    }
    FeedReport { limit, events }
}
