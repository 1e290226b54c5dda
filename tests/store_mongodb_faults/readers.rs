//! Those who read while servers are killed: queries by page and at once, numbers counted by the server and here, feeds. Each finds what one
//! moment showed, and goes on without being told of any of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use runstate::id::CommandId;
use runstate::schema::{Accumulator, Aggregate, Direction, Filter, Group, Key, Query};
use runstate::store::mongodb::Mongo;
use runstate::store::{Batch, Error, Expect, Op, Position, Store, Write};
use runstate::time::Millis;
use tokio::task::{JoinHandle, JoinSet};

use super::load::{PARTS, ROWS, batch, document};

/// Documents that one command inserts at once.
const MANY: u64 = 40;

/// Readers, and one who commits many documents at once.
pub struct Readers {
    stop: Arc<AtomicBool>,
    committing: JoinHandle<u64>,
    reading: JoinSet<Seen>,
    /// Nothing is committed any more.
    last: Arc<AtomicBool>,
    following: JoinSet<Told>,
}

/// So many questions of a kind were answered, the slowest after that time.
struct Seen {
    what: &'static str,
    times: u64,
    longest: Duration,
}

/// What a feed told, asked for so many events at once: which command changed which document.
struct Told {
    limit: usize,
    events: Vec<(String, String)>,
}

impl Readers {
    /// Of all kinds, on two stores as if those were two processes. Feeds begin now.
    pub async fn start(stores: &[Arc<Mongo>; 2]) -> Self {
        let (stop, last): (Arc<AtomicBool>, Arc<AtomicBool>) = Default::default();
        let [one, other] = stores.clone();
        let from = one.changes(None, 1, Millis(0)).await.unwrap().next;
        let committing = tokio::spawn(commit_many(one.clone(), stop.clone()));
        let mut reading = JoinSet::new();
        reading.spawn(read("pages", one.clone(), stop.clone(), async |store| pages(store).await));
        reading.spawn(read("queries", other.clone(), stop.clone(), async |store| at_once(store).await));
        reading.spawn(read("counted there", one.clone(), stop.clone(), async |store| counted(store, &[]).await));
        let here = [("half".to_owned(), Accumulator::Percentile("n".to_owned(), 50.0))];
        reading
            .spawn(read("counted here", other.clone(), stop.clone(), async move |store| counted(store, &here).await));
        let mut following = JoinSet::new();
        for (limit, stores) in [(500, vec![one.clone()]), (7, vec![other.clone()]), (90, vec![one, other])] {
            following.spawn(follow(stores, from.clone(), limit, last.clone()));
        }
        Self { stop, committing, reading, last, following }
    }

    /// Ends all, when those who follow have seen the last. `rows`: how many commands each task of the load committed.
    pub async fn stop(self, rows: &BTreeMap<u64, u64>) {
        self.stop.store(true, Ordering::SeqCst);
        let many = self.committing.await.unwrap();
        for Seen { what, times, longest } in self.reading.join_all().await {
            println!("{what}: {times} times, at most {longest:.1?}");
            assert!(times > 0, "{what}");
        }
        self.last.store(true, Ordering::SeqCst);
        for Told { limit, events } in self.following.join_all().await {
            all_is_told(limit, &events, rows, many);
        }
    }
}

/// Each command is told once, whole, and in the order in which its task committed it.
fn all_is_told(limit: usize, told: &[(String, String)], rows: &BTreeMap<u64, u64>, many: u64) {
    let commands: Vec<&[(String, String)]> = told.chunk_by(|(a, _), (b, _)| a == b).collect();
    println!("a feed by {limit}: {} events of {} commands", told.len(), commands.len());
    let mut next: BTreeMap<&str, u64> = BTreeMap::new();
    for command in commands {
        let id = &command[0].0;
        let (by, n) = id.split_once('-').unwrap();
        let expected = next.entry(by).or_default();
        assert_eq!(
            n.parse::<u64>().unwrap(),
            *expected,
            "by {limit}: {by} is told in order, each command once and whole"
        );
        *expected += 1;
        let mut keys: Vec<&str> = command.iter().map(|(_, key)| &**key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), command.len(), "by {limit}: {id} tells a document twice");
        let whole = if by == "many" { MANY } else { 2 };
        assert_eq!(keys.len() as u64, whole, "by {limit}: {id} is told whole");
    }
    let expected = rows.iter().map(|(by, rows)| (by.to_string(), *rows)).chain([("many".to_owned(), many)]);
    let next: BTreeMap<String, u64> = next.into_iter().map(|(by, n)| (by.to_owned(), n)).collect();
    assert_eq!(next, expected.collect(), "by {limit}: everything that was acknowledged is told, and nothing else");
}

/// Commits many documents at once, each time others.
async fn commit_many(store: Arc<Mongo>, stop: Arc<AtomicBool>) -> u64 {
    let mut n = 0;
    while !stop.load(Ordering::SeqCst) {
        let part = |part| {
            let op = Op::Put { version: 1, document: document(&[("by", n), ("n", part)]) };
            Write { key: Key::new(&PARTS, &format!("{n}-{part}")), expect: Expect::Absent, op }
        };
        let whole: Batch = batch(CommandId::new(&format!("many-{n}")).unwrap(), (0..MANY).map(part).collect());
        match store.commit(whole).await {
            Ok(_) => n += 1,
            // The same command again.
            Err(error) => assert!(error.retryable(), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    n
}

/// Asks again and again.
async fn read(
    what: &'static str,
    store: Arc<Mongo>,
    stop: Arc<AtomicBool>,
    ask: impl AsyncFn(&Mongo) -> Result<(), Error>,
) -> Seen {
    let (mut times, mut longest) = (0, Duration::ZERO);
    while !stop.load(Ordering::SeqCst) {
        let begun = Instant::now();
        if let Err(error) = ask(&store).await {
            panic!("{what}: {error}");
        }
        (times, longest) = (times + 1, longest.max(begun.elapsed()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Seen { what, times, longest }
}

/// What one task inserts one after the other is found without a gap, page by page, each page at its own time.
async fn pages(store: &Mongo) -> Result<(), Error> {
    let (mut cursor, mut found) = (None, Vec::new());
    loop {
        let query = Query::of(&ROWS).eq("by", 3).sort("n", Direction::Ascending).limit(50).after(cursor);
        let page = store.query(&query).await?;
        found.extend(page.rows.iter().map(|row| row.stored.document["n"].as_u64().unwrap()));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, (0..found.len() as u64).collect::<Vec<_>>());
    Ok(())
}

/// Commands are found whole or not at all.
async fn at_once(store: &Mongo) -> Result<(), Error> {
    let rows = store.query(&Query::of(&PARTS)).await?.rows;
    assert_eq!(rows.len() as u64 % MANY, 0);
    Ok(())
}

/// In each group as many as the greatest number says, and one.
async fn counted(store: &Mongo, more: &[(String, Accumulator)]) -> Result<(), Error> {
    let accumulators =
        [("count".to_owned(), Accumulator::Count), ("most".to_owned(), Accumulator::Max("n".to_owned()))];
    let question = Aggregate {
        collection: PARTS.name.to_owned(),
        filter: Filter::All,
        group_by: vec![Group::Field("by".to_owned())],
        accumulators: accumulators.into_iter().chain(more.iter().cloned()).collect(),
    };
    for row in store.aggregate(&question).await? {
        assert_eq!((row["count"].as_u64(), row["most"].as_u64()), (Some(MANY), Some(MANY - 1)), "{row:?}");
    }
    Ok(())
}

/// Follows the changes until nothing comes any more, each time at the next of these stores.
async fn follow(stores: Vec<Arc<Mongo>>, mut from: Position, limit: usize, last: Arc<AtomicBool>) -> Told {
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
    Told { limit, events }
}
