//! The load under which servers and clients fail. Each command inserts a row and increments a counter. In the end
//! every acknowledged row exists once, and the counters equal the number of rows.
//!
//! Readers run queries by page and without a limit, aggregates computed by the server and here, and feeds. Each result
//! is of one snapshot, and no read fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use runstate::id::CommandId;
use runstate::schema::{Accumulator, Aggregate, Catalog, Collection, Direction, Field, Filter, Group, Key, Query};
use runstate::store::{
    Batch, Expectation, Freshness, Outcome, Position, Store, StoreAdmin, StoreError, Write, WriteOp,
};
use runstate::time::{Millis, Timestamp};
use runstate::value::{Document, Json, difference};
use tokio::task::{JoinHandle, JoinSet};

use super::{TestedStore, open_store};

pub const ROWS: Collection = Collection::new("test.rows", 1).fields(&[Field::int("by"), Field::int("n")]).insert_only();
pub const COUNTERS: Collection = Collection::new("test.counters", 1).fields(&[Field::int("n")]);
/// Documents that are inserted many at once.
pub const PARTS: Collection =
    Collection::new("test.parts", 1).fields(&[Field::int("by"), Field::int("n")]).insert_only();

/// The pause of a client between two commands. It leaves processor time to the servers for elections and replication.
pub const CLIENT_PAUSE: Duration = Duration::from_millis(5);

/// The time within which a command must be committed, whatever fails meanwhile.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(180);

pub async fn open(url: &str) -> TestedStore {
    let store = open_store(url).await;
    store.migrate(&catalog()).await.unwrap();
    store
}

pub fn catalog() -> Catalog {
    Catalog::new(&[&ROWS, &COUNTERS, &PARTS]).unwrap()
}

pub fn document(fields: &[(&str, u64)]) -> Arc<Document> {
    Arc::new(fields.iter().map(|(name, n)| ((*name).to_owned(), Json::from(*n))).collect())
}

pub fn command_id(by: u64, n: u64) -> CommandId {
    CommandId::new(&format!("{by}-{n}")).unwrap()
}

pub fn batch(command: CommandId, writes: Vec<Write>) -> Batch {
    let at = Timestamp::from_millis(1_705_744_800_000);
    Batch {
        command,
        fingerprint: "load".into(),
        at,
        result: Json::Null,
        writes,
        checks: Vec::new(),
        frees_space: false,
    }
}

/// The command that inserts row `n` of `by` and increments `counter`, decided on the stored counter.
pub async fn decide_count(store: &dyn Store, by: u64, n: u64, counter: &str) -> Result<Batch, StoreError> {
    let counter = Key::new(&COUNTERS, counter);
    let row = WriteOp::Put { version: 1, document: document(&[("by", by), ("n", n)]) };
    let row = Write { key: Key::new(&ROWS, &format!("{by}-{n}")), expect: Expectation::Absent, op: row };
    let found = store.get(std::slice::from_ref(&counter), Freshness::Linearizable).await?.remove(0);
    let (expect, op) = match found {
        None => (Expectation::Absent, WriteOp::Put { version: 1, document: document(&[("n", 1)]) }),
        Some(found) => {
            let after = document(&[("n", found.document["n"].as_u64().unwrap() + 1)]);
            let difference = difference(&found.document, &after);
            (Expectation::Revision(found.revision), WriteOp::Change { difference: Arc::new(difference), after })
        }
    };
    Ok(batch(command_id(by, n), vec![row, Write { key: counter, expect, op }]))
}

/// Commits that command. Decides again after a conflict, and repeats it after other errors that allow it.
pub async fn count(store: &dyn Store, by: u64, n: u64, counter: &str) {
    count_with_retries(store, by, n, counter, |_| ()).await;
}

/// As [`count`]; `failed` is called with each error.
async fn count_with_retries(store: &dyn Store, by: u64, n: u64, counter: &str, mut failed: impl FnMut(&StoreError)) {
    let latest = Instant::now() + COMMIT_TIMEOUT;
    loop {
        let result = match decide_count(store, by, n, counter).await {
            Ok(batch) => store.commit(batch).await.map(drop),
            Err(error) => Err(error),
        };
        let Err(error) = result else { return };
        assert!(error.is_retryable(), "{by}-{n}: {error}");
        assert!(Instant::now() < latest, "{by}-{n} is not committed after {COMMIT_TIMEOUT:?}: {error}");
        failed(&error);
    }
}

/// Tasks that count, each with a counter of its own, until they are stopped.
pub struct CountingLoad {
    shared: Arc<LoadCounters>,
    tasks: JoinSet<(u64, LoadTaskReport)>,
}

#[derive(Default)]
struct LoadCounters {
    acknowledged: AtomicU64,
    /// Commands that failed and were repeated.
    failed: AtomicU64,
    stop: AtomicBool,
}

/// The result of one task.
#[derive(Default, Debug)]
pub struct LoadTaskReport {
    /// How many rows were acknowledged.
    pub rows: u64,
    /// The longest that one command took.
    pub longest: Duration,
    pub error_counts: BTreeMap<String, u64>,
}

impl CountingLoad {
    pub fn start(store: &Arc<TestedStore>, tasks: u64) -> Self {
        let shared = Arc::new(LoadCounters::default());
        let mut set = JoinSet::new();
        for by in 0..tasks {
            let (store, shared) = (store.clone(), shared.clone());
            set.spawn(async move { (by, run_task(&*store, by, &shared).await) });
        }
        Self { shared, tasks: set }
    }

    /// Waits until that many more commands were acknowledged. Returns how long that took.
    pub async fn advance(&self, by: u64) -> Duration {
        let (begun, from) = (Instant::now(), self.acknowledged());
        while self.acknowledged() < from + by {
            assert!(
                begun.elapsed() < COMMIT_TIMEOUT,
                "no progress: {} of {by} acknowledged in {COMMIT_TIMEOUT:?}",
                self.acknowledged() - from
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        begun.elapsed()
    }

    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// How many commands have failed and were repeated.
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Stops all tasks after their current commands.
    pub async fn stop(self) -> LoadReport {
        self.shared.stop.store(true, Ordering::Relaxed);
        let reports: BTreeMap<u64, LoadTaskReport> = self.tasks.join_all().await.into_iter().collect();
        let mut error_counts = BTreeMap::new();
        for (code, n) in reports.values().flat_map(|report| &report.error_counts) {
            *error_counts.entry(code.clone()).or_default() += n;
        }
        let longest = reports.values().map(|report| report.longest).max().unwrap_or_default();
        LoadReport { rows: reports.into_iter().map(|(by, report)| (by, report.rows)).collect(), longest, error_counts }
    }
}

/// The result of a load.
#[derive(Debug)]
pub struct LoadReport {
    /// How many rows of each task were acknowledged.
    pub rows: BTreeMap<u64, u64>,
    /// The longest that one command took.
    pub longest: Duration,
    pub error_counts: BTreeMap<String, u64>,
}

async fn run_task(store: &dyn Store, by: u64, shared: &LoadCounters) -> LoadTaskReport {
    let mut report = LoadTaskReport::default();
    while !shared.stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let failed = |error: &StoreError| {
            *report.error_counts.entry(error.code().to_string()).or_default() += 1;
            shared.failed.fetch_add(1, Ordering::Relaxed);
        };
        count_with_retries(store, by, report.rows, &format!("of-{by}"), failed).await;
        report.longest = report.longest.max(begun.elapsed());
        report.rows += 1;
        shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(CLIENT_PAUSE).await;
    }
    report
}

/// Checks that every acknowledged row of each `by` exists, with at most `more` others, and that counters equal the
/// number of rows.
pub async fn check(store: &dyn Store, acknowledged: &BTreeMap<u64, u64>, more: u64) {
    let rows = store.query(&Query::of(&ROWS), Freshness::Linearizable).await.unwrap().items;
    let counters = store.query(&Query::of(&COUNTERS), Freshness::Linearizable).await.unwrap().items;
    let counted: u64 = counters.iter().map(|row| row.stored.document["n"].as_u64().unwrap()).sum();
    assert_eq!(counted, rows.len() as u64, "each row was counted once");
    for (by, next) in acknowledged {
        let mut numbers: Vec<u64> = rows
            .iter()
            .filter(|row| row.stored.document["by"] == *by)
            .map(|row| row.stored.document["n"].as_u64().unwrap())
            .collect();
        numbers.sort_unstable();
        let count = numbers.len() as u64;
        assert!((*next..=next + more).contains(&count), "{by}: {count} rows, {next} acknowledged");
        assert_eq!(numbers, (0..count).collect::<Vec<_>>(), "{by}");
        for n in 0..*next {
            assert!(matches!(store.outcome(&command_id(*by, n)).await.unwrap(), Outcome::Committed { .. }), "{by}-{n}");
        }
    }
}

/// Documents that one command inserts.
const ROWS_PER_COMMAND: u64 = 40;

/// Readers, and a task that commits many documents at once.
pub struct Readers {
    stop: Arc<AtomicBool>,
    committing: JoinHandle<u64>,
    reading: JoinSet<ReaderStats>,
    /// Whether the last commit has ended.
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
    pub async fn start(stores: &[Arc<TestedStore>; 2]) -> Self {
        let (stop, last): (Arc<AtomicBool>, Arc<AtomicBool>) = Default::default();
        let [one, other] = stores.clone();
        let from = one.changes(None, 1, Millis(0)).await.unwrap().next;
        let committing = tokio::spawn(commit_many(one.clone(), stop.clone()));
        let mut reading = JoinSet::new();
        reading.spawn(read_repeatedly("pages", one.clone(), stop.clone(), async |store| read_pages(store).await));
        reading.spawn(read_repeatedly("queries", other.clone(), stop.clone(), async |store| read_at_once(store).await));
        reading.spawn(read_repeatedly("counted on the server", one.clone(), stop.clone(), async |store| {
            read_counts(store, &[]).await
        }));
        let local = [("half".to_owned(), Accumulator::Percentile("n".to_owned(), 50.0))];
        reading.spawn(read_repeatedly("counted locally", other.clone(), stop.clone(), async move |store| {
            read_counts(store, &local).await
        }));
        let mut following = JoinSet::new();
        for (limit, stores) in [(500, vec![one.clone()]), (7, vec![other.clone()]), (90, vec![one, other])] {
            following.spawn(follow(stores, from.clone(), limit, last.clone()));
        }
        Self { stop, committing, reading, last, following }
    }

    /// Stops everything, once the feeds contain the last commit. `rows`: how many commands each task of the load
    /// committed.
    pub async fn stop(self, rows: &BTreeMap<u64, u64>) {
        self.stop.store(true, Ordering::SeqCst);
        let many = self.committing.await.unwrap();
        for ReaderStats { query_name, times, longest } in self.reading.join_all().await {
            println!("{query_name}: {times} times, at most {longest:.1?}");
            assert!(times > 0, "{query_name}");
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
        let expected_keys = if by == "many" { ROWS_PER_COMMAND } else { 2 };
        assert_eq!(keys.len() as u64, expected_keys, "by {limit}: {id} is complete");
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
async fn commit_many(store: Arc<TestedStore>, stop: Arc<AtomicBool>) -> u64 {
    let mut n = 0;
    while !stop.load(Ordering::SeqCst) {
        let part = |part| {
            let op = WriteOp::Put { version: 1, document: document(&[("by", n), ("n", part)]) };
            Write { key: Key::new(&PARTS, &format!("{n}-{part}")), expect: Expectation::Absent, op }
        };
        let large_batch: Batch =
            batch(CommandId::new(&format!("many-{n}")).unwrap(), (0..ROWS_PER_COMMAND).map(part).collect());
        match store.commit(large_batch).await {
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
    query_name: &'static str,
    store: Arc<TestedStore>,
    stop: Arc<AtomicBool>,
    read: impl AsyncFn(&TestedStore) -> Result<(), StoreError>,
) -> ReaderStats {
    let (mut times, mut longest) = (0, Duration::ZERO);
    while !stop.load(Ordering::SeqCst) {
        let begun = Instant::now();
        if let Err(error) = read(&store).await {
            panic!("{query_name}: {error}");
        }
        (times, longest) = (times + 1, longest.max(begun.elapsed()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ReaderStats { query_name, times, longest }
}

/// Expects the rows that one task inserts one after the other without a gap, page by page, each page of its own
/// snapshot.
async fn read_pages(store: &TestedStore) -> Result<(), StoreError> {
    let (mut cursor, mut found) = (None, Vec::new());
    loop {
        let query = Query::of(&ROWS).eq("by", 3).sort("n", Direction::Ascending).limit(16).after(cursor);
        let page = store.query(&query, Freshness::Linearizable).await?;
        found.extend(page.items.iter().map(|row| row.stored.document["n"].as_u64().unwrap()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, (0..found.len() as u64).collect::<Vec<_>>());
    Ok(())
}

/// Expects that each command has all of its documents or none.
async fn read_at_once(store: &TestedStore) -> Result<(), StoreError> {
    let rows = store.query(&Query::of(&PARTS), Freshness::Linearizable).await?.items;
    assert_eq!(rows.len() as u64 % ROWS_PER_COMMAND, 0);
    Ok(())
}

/// Expects in each group as many documents as its greatest number plus one.
async fn read_counts(store: &TestedStore, more: &[(String, Accumulator)]) -> Result<(), StoreError> {
    let accumulators =
        [("count".to_owned(), Accumulator::Count), ("most".to_owned(), Accumulator::Max("n".to_owned()))];
    let aggregate = Aggregate {
        collection: PARTS.name.to_owned(),
        filter: Filter::All,
        group_by: vec![Group::Field("by".to_owned())],
        accumulators: accumulators.into_iter().chain(more.iter().cloned()).collect(),
    };
    for row in store.aggregate(&aggregate).await? {
        assert_eq!(
            (row["count"].as_u64(), row["most"].as_u64()),
            (Some(ROWS_PER_COMMAND), Some(ROWS_PER_COMMAND - 1)),
            "{row:?}"
        );
    }
    Ok(())
}

/// Follows the changes until no more arrive, with each of these stores in turn.
async fn follow(stores: Vec<Arc<TestedStore>>, mut from: Position, limit: usize, last: Arc<AtomicBool>) -> FeedReport {
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
