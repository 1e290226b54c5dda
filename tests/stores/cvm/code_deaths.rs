//! A script with thirty calls, approvals and its undoing, in three processes on one store. One of them dies at a write:
//! at each write that it makes, before and after. Or all of them die again and again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use runstate::client::Cvm;
use runstate::domain::cvm::{DOMAIN, Settings};
use runstate::engine::{Engine, Error, Host as _};
use runstate::marker::BoxFuture;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::layer::{self, Method};
use runstate::store::{Changes, Memory, Position, Store, StoreError};
use runstate::testing::fault::{Disk, DiskFault, FaultFs};
use runstate::testing::{Fault, FaultStore, SimIds, TimedHost, block_on, join_all};
use runstate::time::{Millis, Timestamp};

use crate::cvm::documents::StoreDump;
use crate::script_run::{Deed, Entry, Process, check};
use crate::settings::{is_full_run, seed};

const PROCESSES: usize = 3;

/// A store whose process dies at a commit.
type CommitStore = FaultStore<Arc<dyn Store>>;

/// The store of one life of a process, and whether that life has ended.
type Life = (Arc<dyn Store>, Box<dyn Fn() -> bool + Send>);

/// Begins the n-th life of a process. `None`: it died before the store was open.
type Begin<'a> = dyn Fn(usize, usize) -> BoxFuture<'a, Option<Life>> + Sync + 'a;

/// The time between two looks at a feed.
const POLL: Millis = Millis(500);

/// A store whose feed waits on a simulated clock.
struct TimedFeed {
    store: Arc<dyn Store>,
    host: TimedHost,
}

impl layer::StoreLayer for TimedFeed {
    type Inner = dyn Store;

    fn inner(&self) -> &Self::Inner {
        &*self.store
    }

    fn changes<'a>(
        &'a self,
        mut from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> BoxFuture<'a, Result<Changes, StoreError>> {
        Box::pin(async move {
            let until = self.host.now() + wait;
            loop {
                let changes = self.inner().changes(from, limit, Millis(0)).await?;
                if !changes.events.is_empty() || self.host.now() >= until {
                    return Ok(changes);
                }
                from = Some(changes.next);
                self.host.sleep(POLL).await;
            }
        })
    }
}

/// What processes share: the clock and the world outside of the store.
struct World {
    host: TimedHost,
    journal: Arc<Mutex<Vec<Entry>>>,
    killed: Mutex<BTreeSet<String>>,
    deaths: AtomicUsize,
}

impl World {
    fn new(seed: u64) -> Self {
        let host = TimedHost::at(Timestamp::from_millis(1_705_744_800_000), seed);
        Self { host, journal: Arc::default(), killed: Mutex::default(), deaths: AtomicUsize::new(0) }
    }

    async fn engine(&self, store: Arc<dyn Store>) -> Result<Engine, Error> {
        let store = Arc::new(TimedFeed { store, host: self.host.clone() });
        Engine::with_settings(store, Arc::new(self.host.clone()), &[&DOMAIN], Settings::default()).await
    }

    /// Lives until the run is undone. After each death another process takes its place.
    async fn live(&self, number: usize, begin: &Begin<'_>) {
        for life in 0.. {
            let Some((store, is_dead)) = begin(number, life).await else {
                self.deaths.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let name = format!("{number}.{life}");
            let lived = async {
                let engine = self.engine(store).await?;
                let journal = self.journal.clone();
                let process = Process {
                    name: name.clone(),
                    engine,
                    journal: Arc::new(move |entry| journal.lock().unwrap().push(entry)),
                    ids: SimIds::new(self.host.ids.number()),
                    lease: Millis::seconds(30),
                    // Some send heartbeats, which are writes too.
                    tool_time: Millis::seconds(15),
                    pause: Millis::seconds(3),
                    wait: Millis(0),
                };
                let code = process.code();
                process.serve(&code, process.act(&code, "r")).await
            };
            match lived.await {
                Ok(()) => return,
                Err(error) => assert!(is_dead(), "{name}: {error}"),
            }
            self.killed.lock().unwrap().insert(name);
            self.deaths.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets three processes live, and checks what they leave in the store. Returns how often a tool ran again, and how
    /// many have died.
    fn run(&self, store: impl FnOnce() -> Arc<dyn Store>, begin: &Begin<'_>) -> (usize, usize) {
        let lives = (0..PROCESSES).map(|number| Box::pin(self.live(number, begin)) as BoxFuture<'_, ()>);
        self.host.block_on(join_all(lives.collect()));
        let store = store();
        let (journal, killed) = (self.journal.lock().unwrap(), self.killed.lock().unwrap());
        let again = self.host.block_on(async {
            let engine = self.engine(store.clone()).await.unwrap();
            let again = check(&Cvm::new(&engine), "r", &journal, &killed).await;
            assert_eq!(engine.verify(|_| {}).await.unwrap().damage(), None);
            again
        });
        let wrong = StoreDump::load(&store).violations(&Settings::default());
        assert!(wrong.is_empty(), "{wrong:#?}");
        // Time passes only while all wait, so here the order of the journal is that of the commits, too.
        for (at, answered) in journal.iter().enumerate().filter(|(_, entry)| entry.deed == Deed::Answered) {
            let ran = journal[at..].iter().find(|entry| entry.deed == Deed::Ran && entry.call == answered.call);
            assert!(ran.is_none(), "{ran:?} after {answered:?}");
        }
        (again, self.deaths.load(Ordering::Relaxed))
    }
}

/// Processes on a store in memory. `plan` gets the store of each life of each process. Returns as [`World::run`] does.
fn run_in_memory(seed: u64, plan: impl Fn(usize, usize, &Arc<CommitStore>) + Sync) -> (usize, usize) {
    let memory: Arc<dyn Store> = Arc::new(Memory::new());
    let begin = |number: usize, life: usize| -> BoxFuture<'_, Option<Life>> {
        let store = Arc::new(FaultStore::new(memory.clone()));
        plan(number, life, &store);
        let dead = store.clone();
        let life: Life = (store, Box::new(move || dead.is_dead()));
        Box::pin(std::future::ready(Some(life)))
    };
    World::new(seed).run(|| memory.clone(), &begin)
}

/// Processes on the files of a simulated disk. Returns as [`World::run`] does, and the number of calls of the disk.
fn run_on_files(seed: u64, disk: &Disk) -> (usize, usize, usize) {
    let open = |fs: FaultFs| FileStore::open_on(fs, FileStoreOptions::default());
    let begin = |_: usize, _: usize| -> BoxFuture<'_, Option<Life>> {
        let fs = disk.process();
        Box::pin(async move {
            match open(fs.clone()).await {
                Ok(store) => {
                    let life: Life = (Arc::new(store), Box::new(move || !fs.is_alive()));
                    Some(life)
                }
                Err(error) => {
                    assert!(!fs.is_alive(), "{error}");
                    None
                }
            }
        })
    };
    let mut calls = 0;
    let store = || {
        calls = disk.calls();
        Arc::new(block_on(open(disk.process())).unwrap()) as Arc<dyn Store>
    };
    let (again, deaths) = World::new(seed).run(store, &begin);
    (again, deaths, calls)
}

/// So many of all, at equal distances from a random one on.
fn sample<T>(seed: u64, all: Vec<T>, count: usize) -> impl Iterator<Item = T> {
    let step = all.len().div_ceil(count.max(1)).max(1);
    all.into_iter().skip(SimIds::new(seed).below(step)).step_by(step)
}

#[test]
fn a_death_at_any_commit_of_a_script_loses_and_doubles_nothing() {
    let seed = seed();
    for seed in (seed..).take(if is_full_run() { 3 } else { 1 }) {
        // Up to its death, a run equals the one without deaths.
        let calm = Mutex::new(Vec::new());
        assert_eq!(
            run_in_memory(seed, |process, _, store| calm.lock().unwrap().push((process, store.clone()))),
            (0, 0)
        );
        let mut boundaries = Vec::new();
        for (process, store) in calm.into_inner().unwrap() {
            for nth in 1..=store.calls(Method::Commit) {
                boundaries.extend([Fault::DieBefore, Fault::DieAfter].map(|fault| (process, nth, fault)));
            }
        }
        let (commits, mut died, mut repeated) = (boundaries.len() / 2, 0, 0);
        for (dying, nth, fault) in sample(seed, boundaries, if is_full_run() { usize::MAX } else { 60 }) {
            let (again, deaths) = run_in_memory(seed, |process, life, store| {
                if (process, life) == (dying, 0) {
                    store.plan(Method::Commit, nth, fault.clone());
                }
            });
            assert_eq!(deaths, 1, "process {dying}, commit {nth}");
            (died, repeated) = (died + deaths, repeated + again);
        }
        println!("seed {seed}: {commits} commits, {died} deaths, {repeated} tools ran again before their answer");
        assert!(repeated > 0);
    }
}

#[test]
fn processes_of_a_script_that_die_repeatedly_lose_and_double_nothing() {
    let seed = seed();
    for seed in (seed..).take(if is_full_run() { 200 } else { 8 }) {
        let chance = SimIds::new(seed);
        let (repeated, deaths) = run_in_memory(seed, |_, life, store| {
            if life < 6 {
                let fault = [Fault::DieBefore, Fault::DieAfter][chance.below(2)].clone();
                store.plan(Method::Commit, 1 + chance.below(30) as u64, fault);
            }
        });
        println!("seed {seed}: {deaths} deaths, {repeated} tools ran again before their answer");
        assert!(deaths > 3 && repeated > 0, "{deaths} {repeated}");
    }
}

#[test]
fn a_death_at_any_write_to_files_of_a_script_loses_and_doubles_nothing() {
    let seed = seed();
    let disk = Disk::new();
    let (again, deaths, calls) = run_on_files(seed, &disk);
    assert_eq!((again, deaths), (0, 0));
    let writes = ["mkdir", "create", "write", "fsync", "close", "link", "remove", "sync"];
    let is_write = |call: &str| writes.contains(&call.split(' ').next().unwrap_or_default());
    let trace = disk.trace().into_iter().take(calls).enumerate().filter(|(_, call)| is_write(call));
    let faults = [DiskFault::StopBefore, DiskFault::Torn, DiskFault::StopAfter];
    let boundaries = trace.flat_map(|(nth, call)| faults.map(|fault| (nth, call.clone(), fault)));
    // Only bytes are torn.
    let boundaries = boundaries.filter(|(_, call, fault)| *fault != DiskFault::Torn || call.starts_with("write"));
    let boundaries: Vec<_> = boundaries.collect();
    let (all, mut died, mut repeated) = (boundaries.len(), 0, 0);
    let every = std::env::var_os("RUNSTATE_EVERY_WRITE").is_some();
    // Each takes a second: `RUNSTATE_EVERY_WRITE` is set to try all of them.
    let count = match (every, is_full_run()) {
        (true, _) => usize::MAX,
        (false, true) => 200,
        (false, false) => 20,
    };
    for (nth, call, fault) in sample(seed, boundaries, count) {
        let disk = Disk::new();
        disk.fail_at(nth, fault);
        let (again, deaths, _) = run_on_files(seed, &disk);
        assert_eq!(deaths, 1, "{fault:?} of call {nth}, {call}");
        (died, repeated) = (died + deaths, repeated + again);
    }
    println!("seed {seed}: {all} boundaries, {died} deaths, {repeated} tools ran again before their answer");
    assert!(repeated > 0);
}
