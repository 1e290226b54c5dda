//! The load under which servers and clients are broken: each command inserts a row and counts a counter up; in the end every row that was
//! acknowledged is there once, and counters say as many as there are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection, Field, Key, Query};
use runstate::store::mongodb::{Mongo, Options};
use runstate::store::{Batch, Error, Expect, Op, Outcome, Store, Write};
use runstate::time::Timestamp;
use runstate::value::{Document, Json, difference};
use tokio::task::JoinSet;

pub const ROWS: Collection = Collection::new("test.rows", 1).fields(&[Field::int("by"), Field::int("n")]).insert_only();
pub const COUNTERS: Collection = Collection::new("test.counters", 1).fields(&[Field::int("n")]);
/// Many of which are inserted at once.
pub const PARTS: Collection =
    Collection::new("test.parts", 1).fields(&[Field::int("by"), Field::int("n")]).insert_only();

/// Pause of a client between two commands. It leaves processor time to the servers for elections and replication.
pub const REST: Duration = Duration::from_millis(5);

/// Until a command must have been committed, whatever breaks meanwhile.
const PATIENCE: Duration = Duration::from_secs(180);

pub async fn open(url: &str) -> Mongo {
    let store = Mongo::open(url, Options::default()).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    store
}

pub fn catalog() -> Catalog {
    Catalog::new(&[&ROWS, &COUNTERS, &PARTS]).unwrap()
}

pub fn document(fields: &[(&str, u64)]) -> Arc<Document> {
    Arc::new(fields.iter().map(|(name, n)| ((*name).to_owned(), Json::from(*n))).collect())
}

pub fn command(by: u64, n: u64) -> CommandId {
    CommandId::new(&format!("{by}-{n}")).unwrap()
}

pub fn batch(command: CommandId, writes: Vec<Write>) -> Batch {
    let at = Timestamp::from_millis(1_705_744_800_000);
    Batch { command, fingerprint: "load".into(), at, result: Json::Null, writes, checks: Vec::new() }
}

/// The command that inserts row `n` of `by` and counts `counter` up, decided on what stands there.
pub async fn decided(store: &dyn Store, by: u64, n: u64, counter: &str) -> Result<Batch, Error> {
    let counter = Key::new(&COUNTERS, counter);
    let row = Op::Put { version: 1, document: document(&[("by", by), ("n", n)]) };
    let row = Write { key: Key::new(&ROWS, &format!("{by}-{n}")), expect: Expect::Absent, op: row };
    let found = store.get(std::slice::from_ref(&counter)).await?.remove(0);
    let (expect, op) = match found {
        None => (Expect::Absent, Op::Put { version: 1, document: document(&[("n", 1)]) }),
        Some(found) => {
            let after = document(&[("n", found.document["n"].as_u64().unwrap() + 1)]);
            let difference = difference(&found.document, &after);
            (Expect::Revision(found.revision), Op::Change { difference: Arc::new(difference), after })
        }
    };
    Ok(batch(command(by, n), vec![row, Write { key: counter, expect, op }]))
}

/// Commits it, decides again when somebody was faster, and goes on after whatever may be repeated.
pub async fn count(store: &dyn Store, by: u64, n: u64, counter: &str) {
    count_through(store, by, n, counter, |_| ()).await;
}

/// As [`count`]; `failed` is called with each error.
async fn count_through(store: &dyn Store, by: u64, n: u64, counter: &str, mut failed: impl FnMut(&Error)) {
    let latest = Instant::now() + PATIENCE;
    loop {
        let came = match decided(store, by, n, counter).await {
            Ok(batch) => store.commit(batch).await.map(drop),
            Err(error) => Err(error),
        };
        let Err(error) = came else { return };
        assert!(error.retryable(), "{by}-{n}: {error}");
        assert!(Instant::now() < latest, "{by}-{n} is not committed after {PATIENCE:?}: {error}");
        failed(&error);
    }
}

/// Tasks that count, each a counter of its own, until they are told to stop.
pub struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<(u64, Told)>,
}

#[derive(Default)]
struct Shared {
    acknowledged: AtomicU64,
    /// Commands that failed and were repeated.
    failed: AtomicU64,
    stop: AtomicBool,
}

/// What one task has to tell.
#[derive(Default, Debug)]
pub struct Told {
    /// How many rows were acknowledged.
    pub rows: u64,
    /// The longest that one command took.
    pub longest: Duration,
    pub troubles: BTreeMap<String, u64>,
}

impl Load {
    pub fn start(store: &Arc<Mongo>, tasks: u64) -> Self {
        let shared = Arc::new(Shared::default());
        let mut set = JoinSet::new();
        for by in 0..tasks {
            let (store, shared) = (store.clone(), shared.clone());
            set.spawn(async move { (by, work(&*store, by, &shared).await) });
        }
        Self { shared, tasks: set }
    }

    /// Waits until so many more were acknowledged; how long that took.
    pub async fn advance(&self, by: u64) -> Duration {
        let (begun, from) = (Instant::now(), self.acknowledged());
        while self.acknowledged() < from + by {
            assert!(
                begun.elapsed() < PATIENCE,
                "nothing goes on: {} of {by} in {PATIENCE:?}",
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

    /// Ends all tasks when they have done what they are at.
    pub async fn stop(self) -> Ended {
        self.shared.stop.store(true, Ordering::Relaxed);
        let told: BTreeMap<u64, Told> = self.tasks.join_all().await.into_iter().collect();
        let mut troubles = BTreeMap::new();
        for (code, n) in told.values().flat_map(|told| &told.troubles) {
            *troubles.entry(code.clone()).or_default() += n;
        }
        let longest = told.values().map(|told| told.longest).max().unwrap_or_default();
        Ended { rows: told.into_iter().map(|(by, told)| (by, told.rows)).collect(), longest, troubles }
    }
}

/// What a load came to.
#[derive(Debug)]
pub struct Ended {
    /// How many rows of each task were acknowledged.
    pub rows: BTreeMap<u64, u64>,
    /// The longest that one command took.
    pub longest: Duration,
    pub troubles: BTreeMap<String, u64>,
}

async fn work(store: &dyn Store, by: u64, shared: &Shared) -> Told {
    let mut told = Told::default();
    while !shared.stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let failed = |error: &Error| {
            *told.troubles.entry(error.code().to_string()).or_default() += 1;
            shared.failed.fetch_add(1, Ordering::Relaxed);
        };
        count_through(store, by, told.rows, &format!("of-{by}"), failed).await;
        told.longest = told.longest.max(begun.elapsed());
        told.rows += 1;
        shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(REST).await;
    }
    told
}

/// Of each `by` all rows that were acknowledged are there, and at most `more` that were not; counters count what is there.
pub async fn check(store: &dyn Store, acknowledged: &BTreeMap<u64, u64>, more: u64) {
    let rows = store.query(&Query::of(&ROWS)).await.unwrap().rows;
    let counters = store.query(&Query::of(&COUNTERS)).await.unwrap().rows;
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
            assert!(matches!(store.outcome(&command(*by, n)).await.unwrap(), Outcome::Committed { .. }), "{by}-{n}");
        }
    }
}
