//! What many clients do to one document at once, while primaries give way, stand still and die, could have happened one after the other. So
//! could insertions and deletions beside reads of all that may be there. Also where nobody was told whether a commit happened.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use runstate::id::CommandId;
use runstate::schema::Key;
use runstate::store::mongodb::Mongo;
use runstate::store::{Batch, Error, Expect, Op, Store, Write};
use tokio::task::JoinSet;

use super::checker::{self, Event, Model};
use super::load::{self, COUNTERS, REST, ROWS, batch, document};
use super::proxy::{Proxy, Then};
use super::register::{self, Done};
use super::server::{Servers, database, program};
use super::{Random, full};

const CLIENTS: u64 = 16;

/// How long a call may take where ends of commits are withheld, in milliseconds: less than the server leaves a transaction.
const PATIENCE: u64 = 1_000;

/// How many documents there may be.
const MEMBERS: u64 = 32;

/// Documents that are inserted and deleted, by bits.
struct Set;

#[derive(Debug)]
enum Found {
    Insert(u32),
    Delete(u32),
    All(u32),
}

impl Model for Set {
    type State = u32;
    type Op = Found;

    fn step(state: &u32, op: &Found) -> Option<u32> {
        match *op {
            Found::Insert(bit) => (state & bit == 0).then_some(state | bit),
            Found::Delete(bit) => (state & bit != 0).then_some(state & !bit),
            Found::All(seen) => (seen == *state).then_some(seen),
        }
    }
}

/// What all clients share: the time, numbers, and whether it goes on.
#[derive(Clone)]
struct Shared {
    begun: Instant,
    next: Arc<AtomicU64>,
    /// How many commits were acknowledged, and how many were not and may have happened.
    acknowledged: Arc<AtomicU64>,
    unknown: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Shared {
    fn new() -> Self {
        let [next, acknowledged, unknown] = Default::default();
        Self { begun: Instant::now(), next, acknowledged, unknown, stop: Arc::default() }
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
            Ok(_) => {
                let returned = Some(self.now());
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
                Some(Event { op, called, returned })
            }
            Err(Error::Unknown { .. }) => {
                self.unknown.fetch_add(1, Ordering::SeqCst);
                Some(Event { op, called, returned: None })
            }
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
        tokio::time::sleep(REST).await;
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
        let (expect, done) = match random.below(4) {
            0 | 1 => continue,
            2 => (Expect::Any, Done::Write(to)),
            _ => (expect, Done::Swap(seen, to)),
        };
        let op = Op::Put { version: 1, document: document(&[("n", to)]) };
        events.extend(shared.commit(&store, done, Write { key: key.clone(), expect, op }).await);
    }
    events
}

/// Reads all that may be there, and inserts or deletes one of them.
async fn sets(store: Arc<Mongo>, shared: Shared, mut random: Random) -> Vec<Event<Found>> {
    let keys: Vec<Key> = (0..MEMBERS).map(|n| Key::new(&ROWS, &format!("set-{n}"))).collect();
    let mut events = Vec::new();
    while shared.goes_on() {
        tokio::time::sleep(REST).await;
        let called = shared.now();
        let found = match store.get(&keys).await {
            Ok(found) => found,
            Err(error) if error.retryable() => continue,
            Err(error) => panic!("{error}"),
        };
        let seen = found.iter().enumerate().filter(|(_, found)| found.is_some()).map(|(n, _)| 1 << n).sum();
        events.push(Event { op: Found::All(seen), called, returned: Some(shared.now()) });
        let n = random.below(MEMBERS);
        let (op, expect, done) = match &found[n as usize] {
            Some(found) => (Op::Delete, Expect::Revision(found.revision.clone()), Found::Delete(1 << n)),
            None => {
                let document = document(&[("by", 0), ("n", n)]);
                (Op::Put { version: 1, document }, Expect::Absent, Found::Insert(1 << n))
            }
        };
        events.extend(shared.commit(&store, done, Write { key: keys[n as usize].clone(), expect, op }).await);
    }
    events
}

/// Clients that work until they are told to stop.
struct Clients<O> {
    shared: Shared,
    tasks: JoinSet<Vec<Event<O>>>,
}

impl<O: Send + 'static> Clients<O> {
    /// On two stores, as if those were two processes: each has connections of its own.
    fn start<F>(stores: &[Arc<Mongo>; 2], random: &mut Random, client: impl Fn(Arc<Mongo>, Shared, Random) -> F) -> Self
    where
        F: Future<Output = Vec<Event<O>>> + Send + 'static,
    {
        let (shared, mut tasks) = (Shared::new(), JoinSet::new());
        for n in 0..CLIENTS {
            let random = Random(random.below(u64::MAX));
            tasks.spawn(client(stores[(n % 2) as usize].clone(), shared.clone(), random));
        }
        Self { shared, tasks }
    }

    /// Waits until so many more commits were acknowledged.
    async fn advance(&self, by: u64) {
        let acknowledged = || self.shared.acknowledged.load(Ordering::SeqCst);
        let until = acknowledged() + by;
        super::server::until("commits are acknowledged", async || (acknowledged() >= until).then_some(())).await;
    }

    /// Waits until a commit ends of which nobody knows whether it happened.
    async fn one_is_unknown(&self, before: u64) {
        super::server::until("a commit is unknown", async || (self.unknown() > before).then_some(())).await;
    }

    fn unknown(&self) -> u64 {
        self.shared.unknown.load(Ordering::SeqCst)
    }

    /// Their history, after some more commits.
    async fn stop(self) -> Vec<Event<O>> {
        self.advance(50).await;
        self.shared.stop.store(true, Ordering::SeqCst);
        self.tasks.join_all().await.into_iter().flatten().collect()
    }
}

/// Two stores on the same servers.
async fn two(urls: [String; 2]) -> [Arc<Mongo>; 2] {
    let [one, other] = urls;
    [Arc::new(load::open(&one).await), Arc::new(load::open(&other).await)]
}

/// Runs clients while each of the troubles comes to the set, so many in all; their history.
async fn in_trouble<O, F>(
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
    let clients = Clients::start(&two([url.clone(), url]).await, random, client);
    for n in 0..faults {
        clients.advance(20 + random.below(100)).await;
        trouble(servers, n).await;
    }
    clients.stop().await
}

/// Something happens to the primary.
async fn trouble(servers: &mut Servers, which: usize) {
    let primary = servers.primary().await;
    match which % 3 {
        0 => servers.step_down().await,
        1 => {
            servers.kill(primary);
            servers.primary().await;
            servers.start(primary);
        }
        _ => {
            // When it goes on it does not know yet that it is primary no more.
            servers.pause(primary);
            servers.primary_besides(primary).await;
            servers.resume(primary);
        }
    }
    servers.caught_up(primary).await;
}

/// Runs clients, each half of them behind a line of its own, which breaks `faults` times as a commit ends; their history.
async fn in_doubt<O, F>(
    servers: &Servers,
    random: &mut Random,
    faults: usize,
    client: impl Fn(Arc<Mongo>, Shared, Random) -> F,
) -> Vec<Event<O>>
where
    O: Send + 'static,
    F: Future<Output = Vec<Event<O>>> + Send + 'static,
{
    let name = database("doubt");
    // Who opens it later finds it prepared, which takes less than a call may take.
    load::open(&servers.direct(0, &name)).await;
    let lines = [Proxy::to(servers.port(0)), Proxy::to(servers.port(0))];
    let url = |line: &Proxy| format!("{}&timeoutMS={PATIENCE}", servers.direct_by(line.port, "", &name));
    let clients = Clients::start(&two([url(&lines[0]), url(&lines[1])]).await, random, client);
    for n in 0..faults {
        clients.advance(random.below(100)).await;
        let (line, unknown) = (&lines[n % 2], clients.unknown());
        line.watch(b"commitTransaction", [Then::HoldReply, Then::HoldRequest, Then::Cut][n % 3]);
        line.seen().await;
        // Its client gives up; what still arrives then arrives late.
        clients.one_is_unknown(unknown).await;
        line.release();
    }
    clients.stop().await
}

/// Fails where no order explains the history, and shows it.
fn judge<O: Debug>(history: &[Event<O>], check: impl FnOnce(&[Event<O>]) -> Result<(), String>) {
    assert!(history.len() > 200, "{}", history.len());
    if let Err(why) = check(history) {
        let mut history: Vec<_> = history.iter().collect();
        history.sort_by_key(|event| event.called);
        history.iter().for_each(|event| println!("{event:?}"));
        panic!("{why}");
    }
}

fn judge_register(history: &[Event<Done>]) -> usize {
    let unknown = history.iter().filter(|event| event.returned.is_none()).count();
    let happened = register::happened(history).iter().filter(|event| event.returned.is_none()).count();
    let blind = history.iter().filter(|event| matches!(event.op, Done::Write(_))).count();
    println!(
        "{} operations of {CLIENTS} clients at once, {blind} blind writes; {unknown} with unknown end, {happened} of which happened",
        history.len()
    );
    judge(history, register::check);
    unknown
}

fn judge_set(history: &[Event<Found>]) -> usize {
    let unknown = history.iter().filter(|event| event.returned.is_none()).count();
    println!("{} operations of {CLIENTS} clients at once, {unknown} with unknown end", history.len());
    judge(history, checker::check::<Set>);
    unknown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_document_under_sixteen_clients_is_linearizable() {
    let Some(program) = program("store_mongodb_faults::linear::one_document") else { return };
    let mut servers = Servers::set(program, 3).await;
    let mut random = Random::seeded();
    for _ in 0..if full() { 5 } else { 1 } {
        judge_register(&in_trouble(&mut servers, &mut random, if full() { 9 } else { 3 }, registers).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inserts_deletions_and_reads_of_all_are_linearizable() {
    let Some(program) = program("store_mongodb_faults::linear::inserts") else { return };
    let mut servers = Servers::set(program, 3).await;
    let mut random = Random::seeded();
    for _ in 0..if full() { 5 } else { 1 } {
        judge_set(&in_trouble(&mut servers, &mut random, if full() { 6 } else { 2 }, sets).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_with_unknown_end_happen_once_late_or_never() {
    let Some(program) = program("store_mongodb_faults::linear::commits_with_unknown_end") else { return };
    let servers = Servers::set(program, 1).await;
    let mut random = Random::seeded();
    for _ in 0..if full() { 10 } else { 1 } {
        let registers = in_doubt(&servers, &mut random, if full() { 12 } else { 3 }, registers).await;
        let sets = in_doubt(&servers, &mut random, 3, sets).await;
        for unknown in [judge_register(&registers), judge_set(&sets)] {
            assert!(unknown > 0, "the end of a commit was withheld for longer than a call may take");
        }
    }
}
