//! The load under which servers and clients fail. Each command inserts a row and increments a counter. In the end every acknowledged row exists
//! once, and the counters equal the number of rows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection, Field, Key, Query};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Batch, Expectation, Outcome, Store, StoreError, Write, WriteOp};
use runstate::time::Timestamp;
use runstate::value::{Document, Json, difference};
use tokio::task::JoinSet;

pub const ROWS: Collection = Collection::new("test.rows", 1).fields(&[Field::int("by"), Field::int("n")]).insert_only();
pub const COUNTERS: Collection = Collection::new("test.counters", 1).fields(&[Field::int("n")]);
/// Documents that are inserted many at once.
pub const PARTS: Collection =
    Collection::new("test.parts", 1).fields(&[Field::int("by"), Field::int("n")]).insert_only();

/// The pause of a client between two commands. It leaves processor time to the servers for elections and replication.
pub const REST: Duration = Duration::from_millis(5);

/// The time within which a command must be committed, whatever fails meanwhile.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(180);

pub async fn open(url: &str) -> Mongo {
    let store = Mongo::open(url, MongoOptions::default()).await.unwrap();
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
    Batch { command, fingerprint: "load".into(), at, result: Json::Null, writes, checks: Vec::new() }
}

/// The command that inserts row `n` of `by` and increments `counter`, decided on the stored counter.
pub async fn decide_count(store: &dyn Store, by: u64, n: u64, counter: &str) -> Result<Batch, StoreError> {
    let counter = Key::new(&COUNTERS, counter);
    let row = WriteOp::Put { version: 1, document: document(&[("by", by), ("n", n)]) };
    let row = Write { key: Key::new(&ROWS, &format!("{by}-{n}")), expect: Expectation::Absent, op: row };
    let found = store.get(std::slice::from_ref(&counter)).await?.remove(0);
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
    pub fn start(store: &Arc<Mongo>, tasks: u64) -> Self {
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
        let mut troubles = BTreeMap::new();
        for (code, n) in reports.values().flat_map(|report| &report.error_counts) {
            *troubles.entry(code.clone()).or_default() += n;
        }
        let longest = reports.values().map(|report| report.longest).max().unwrap_or_default();
        LoadReport {
            rows: reports.into_iter().map(|(by, report)| (by, report.rows)).collect(),
            longest,
            error_counts: troubles,
        }
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
        tokio::time::sleep(REST).await;
    }
    report
}

/// Checks that every acknowledged row of each `by` exists, with at most `more` others, and that counters equal the number of rows.
pub async fn check(store: &dyn Store, acknowledged: &BTreeMap<u64, u64>, more: u64) {
    let rows = store.query(&Query::of(&ROWS)).await.unwrap().items;
    let counters = store.query(&Query::of(&COUNTERS)).await.unwrap().items;
    let counted: u64 = counters.iter().map(|row| row.stored.document["n"].as_u64().unwrap()).sum();
    assert_eq!(counted, rows.len() as u64, "each row was counted once");
    for (by, next) in acknowledged {
        let mut of: Vec<u64> = rows
            .iter()
            .filter(|row| row.stored.document["by"] == *by)
            .map(|row| row.stored.document["n"].as_u64().unwrap())
            .collect();
        of.sort_unstable();
        let there = of.len() as u64;
        assert!((*next..=next + more).contains(&there), "{by}: {there} rows, {next} acknowledged");
        assert_eq!(of, (0..there).collect::<Vec<_>>(), "{by}");
        for n in 0..*next {
            assert!(matches!(store.outcome(&command_id(*by, n)).await.unwrap(), Outcome::Committed { .. }), "{by}-{n}");
        }
    }
}
