//! What many clients do to one document at once, while primaries give way, stand still and die, could have happened one after the other. So
//! could inserts beside reads of all that may be there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use runstate::id::CommandId;
use runstate::schema::Key;
use runstate::store::mongodb::Mongo;
use runstate::store::{Batch, Error, Expect, Op, Store, Write};
use tokio::task::JoinSet;

use super::checker::{self, Event, Model};
use super::load::{self, COUNTERS, ROWS, batch, document};
use super::server::{Servers, database, program};
use super::{Random, full};

const CLIENTS: u64 = 16;

/// A document, or none, by the one number in it. Every write brings a number of its own.
struct Register;

#[derive(Debug)]
enum Done {
    Read(Option<u64>),
    /// It was written where this stood.
    Swap(Option<u64>, u64),
    /// It was written whatever stood there.
    Write(u64),
}

impl Model for Register {
    type State = Option<u64>;
    type Op = Done;

    fn step(state: &Option<u64>, op: &Done) -> Option<Option<u64>> {
        match *op {
            Done::Read(seen) => (seen == *state).then_some(seen),
            Done::Swap(from, to) => (from == *state).then_some(Some(to)),
            Done::Write(to) => Some(Some(to)),
        }
    }
}

/// Documents that are inserted, by bits.
struct Set;

#[derive(Debug)]
enum Found {
    Insert(u32),
    All(u128),
}

impl Model for Set {
    type State = u128;
    type Op = Found;

    fn step(state: &u128, op: &Found) -> Option<u128> {
        match *op {
            Found::Insert(n) => (state & (1 << n) == 0).then_some(state | (1 << n)),
            Found::All(seen) => (seen == *state).then_some(seen),
        }
    }
}

/// What all clients share: the time, numbers, and whether it goes on.
#[derive(Clone)]
struct Shared {
    begun: Instant,
    next: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Shared {
    fn new() -> Self {
        Self { begun: Instant::now(), next: Arc::default(), stop: Arc::default() }
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }

    fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    /// Commits, as an event where it may have taken effect.
    async fn commit<O>(&self, store: &Mongo, op: O, write: Write) -> Option<Event<O>> {
        let command = CommandId::new(&format!("c-{}", self.next())).unwrap();
        let batch: Batch = batch(command, vec![write]);
        let called = self.now();
        match store.commit(batch).await {
            Ok(_) => Some(Event { op, called, returned: Some(self.now()) }),
            Err(Error::Unknown { .. }) => Some(Event { op, called, returned: None }),
            // These promise that nothing was written, and the history does not stand if it was.
            Err(error) if error.retryable() => None,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads the document and, mostly, writes it: on what was read, or whatever is there.
async fn registers(store: Arc<Mongo>, shared: Shared, mut random: Random) -> Vec<Event<Done>> {
    let key = Key::new(&COUNTERS, "register");
    let mut events = Vec::new();
    while shared.goes_on() {
        let called = shared.now();
        let found = match store.get(std::slice::from_ref(&key)).await {
            Ok(mut found) => found.remove(0),
            Err(error) if error.retryable() => continue,
            Err(error) => panic!("{error}"),
        };
        let seen = found.as_ref().map(|found| found.document["n"].as_u64().unwrap());
        events.push(Event { op: Done::Read(seen), called, returned: Some(shared.now()) });
        let to = shared.next();
        let expect = found.map_or(Expect::Absent, |found| Expect::Revision(found.revision));
        // Few write whatever is there: what fits everywhere is what the search takes long over, where many wait at once.
        let (expect, done) = match random.below(64) {
            0..32 => continue,
            32 => (Expect::Any, Done::Write(to)),
            _ => (expect, Done::Swap(seen, to)),
        };
        let op = Op::Put { version: 1, document: document(&[("n", to)]) };
        events.extend(shared.commit(&store, done, Write { key: key.clone(), expect, op }).await);
    }
    events
}

/// Inserts a document, and reads all that may be there.
async fn sets(store: Arc<Mongo>, shared: Shared, mut random: Random) -> Vec<Event<Found>> {
    let keys: Vec<Key> = (0..128).map(|n| Key::new(&ROWS, &format!("set-{n}"))).collect();
    let mut events = Vec::new();
    while shared.goes_on() {
        let n = random.below(128);
        let op = Op::Put { version: 1, document: document(&[("by", 0), ("n", n)]) };
        let write = Write { key: keys[n as usize].clone(), expect: Expect::Absent, op };
        events.extend(shared.commit(&store, Found::Insert(n as u32), write).await);
        let called = shared.now();
        let found = match store.get(&keys).await {
            Ok(found) => found,
            Err(error) if error.retryable() => continue,
            Err(error) => panic!("{error}"),
        };
        let seen = found.iter().enumerate().filter(|(_, found)| found.is_some()).map(|(n, _)| 1 << n).sum();
        events.push(Event { op: Found::All(seen), called, returned: Some(shared.now()) });
    }
    events
}

/// Runs clients while `faults` things happen to the set; their history.
async fn history<O, F>(
    servers: &mut Servers,
    random: &mut Random,
    faults: usize,
    client: impl Fn(Arc<Mongo>, Shared, Random) -> F,
) -> Vec<Event<O>>
where
    O: Send + 'static,
    F: Future<Output = Vec<Event<O>>> + Send + 'static,
{
    let url = format!("{}&timeoutMS=15000", servers.url(&database("linear")));
    // As two processes, each with connections of its own.
    let stores = [Arc::new(load::open(&url).await), Arc::new(load::open(&url).await)];
    let shared = Shared::new();
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let random = Random(random.below(u64::MAX));
        clients.spawn(client(stores[(n % 2) as usize].clone(), shared.clone(), random));
    }
    for _ in 0..faults {
        tokio::time::sleep(Duration::from_millis(500 + random.below(1_000))).await;
        trouble(servers, random.below(3)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    shared.stop.store(true, Ordering::SeqCst);
    clients.join_all().await.into_iter().flatten().collect()
}

/// Something happens to the primary.
async fn trouble(servers: &mut Servers, which: u64) {
    let primary = servers.primary().await;
    match which {
        0 => servers.step_down().await,
        1 => {
            servers.kill(primary);
            servers.primary().await;
            servers.start(primary);
        }
        _ => {
            // Longer than an election takes: when it goes on it does not know yet that it is primary no more.
            servers.pause(primary);
            tokio::time::sleep(Duration::from_millis(4_500)).await;
            servers.resume(primary);
        }
    }
    servers.caught_up(primary).await;
}

fn judge<M: Model>(history: &[Event<M::Op>]) {
    let unknown = history.iter().filter(|event| event.returned.is_none()).count();
    println!("{} operations of {CLIENTS} clients at once, {unknown} of them with unknown end", history.len());
    assert!(history.len() > 200, "{}", history.len());
    if let Err(why) = checker::check::<M>(history) {
        let mut history: Vec<_> = history.iter().collect();
        history.sort_by_key(|event| event.called);
        history.iter().for_each(|event| println!("{event:?}"));
        panic!("{why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_document_under_sixteen_clients_is_linearizable() {
    let Some(program) = program("store_mongodb_faults::linear::one_document") else { return };
    let mut servers = Servers::set(program, 3).await;
    let mut random = Random::seeded();
    for _ in 0..if full() { 5 } else { 1 } {
        judge::<Register>(&history(&mut servers, &mut random, if full() { 8 } else { 4 }, registers).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inserts_and_reads_of_all_are_linearizable() {
    let Some(program) = program("store_mongodb_faults::linear::inserts") else { return };
    let mut servers = Servers::set(program, 3).await;
    let mut random = Random::seeded();
    for _ in 0..if full() { 5 } else { 1 } {
        judge::<Set>(&history(&mut servers, &mut random, if full() { 4 } else { 2 }, sets).await);
    }
}
