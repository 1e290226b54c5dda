//! Every order in which processes can reach one store. A process is a future that waits before each of its calls to the store until it is
//! its turn; whose turn it is is chosen, so an order is a list of choices, and all of them can be gone through. Or the one order of which a test
//! is about is given: all have decided before the first of them commits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::{Aggregate, Catalog, Key, Query};
use runstate::store::{Batch, Capabilities, Changes, Error, Outcome, Page, Position, Receipt, Store, Stored};
use runstate::testing::{SimIds, yield_now};
use runstate::time::{Millis, Timestamp};
use runstate::value::Document;

use crate::world::{full, seed};

/// A store that lets others go first before each call.
pub struct Yielding {
    store: Arc<dyn Store>,
    ready: bool,
    gate: Option<Gate>,
}

impl Yielding {
    pub fn over(store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Self { store, ready: false, gate: None })
    }

    /// Over a store that knows its collections: to declare them once more takes longer than a race.
    pub fn over_ready(store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Self { store, ready: true, gate: None })
    }

    /// As [`Yielding::over_ready`], and the first commit waits at the gate.
    pub fn gated(store: Arc<dyn Store>, gate: Gate) -> Arc<dyn Store> {
        Arc::new(Self { store, ready: true, gate: Some(gate) })
    }
}

/// Where the first commit of a process waits until the other processes have one too; then they pass in a given order.
pub struct Gate {
    /// Which of them passes as how-manyth.
    place: usize,
    processes: usize,
    has_passed: AtomicBool,
    shared: Arc<Passing>,
}

/// What the gates of one race share.
#[derive(Default)]
struct Passing {
    arrived: AtomicUsize,
    passed: AtomicUsize,
}

impl Gate {
    /// The gates of processes that pass in the order of these places.
    pub fn in_order<const N: usize>(places: [usize; N]) -> [Self; N] {
        let shared = Arc::new(Passing::default());
        places.map(|place| Self { place, processes: N, has_passed: AtomicBool::new(false), shared: shared.clone() })
    }

    async fn pass<T>(&self, commit: impl Future<Output = T>) -> T {
        if self.has_passed.swap(true, Ordering::SeqCst) {
            return commit.await;
        }
        let Passing { arrived, passed } = &*self.shared;
        arrived.fetch_add(1, Ordering::SeqCst);
        while arrived.load(Ordering::SeqCst) < self.processes || passed.load(Ordering::SeqCst) != self.place {
            yield_now().await;
        }
        let committed = commit.await;
        passed.fetch_add(1, Ordering::SeqCst);
        committed
    }
}

impl Store for Yielding {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        if self.ready { Box::pin(async { Ok(()) }) } else { self.store.migrate(catalog) }
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        Box::pin(async move {
            yield_now().await;
            self.store.get(keys).await
        })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move {
            yield_now().await;
            self.store.query(query).await
        })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        Box::pin(async move {
            yield_now().await;
            self.store.aggregate(aggregate).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        Box::pin(async move {
            yield_now().await;
            match &self.gate {
                Some(gate) => gate.pass(self.store.commit(batch)).await,
                None => self.store.commit(batch).await,
            }
        })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        Box::pin(async move {
            yield_now().await;
            self.store.outcome(command).await
        })
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        self.store.changes(from, limit, wait)
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        Box::pin(async move {
            yield_now().await;
            self.store.sweep(collection, now, limit).await
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.store.close()
    }
}

/// The choices of one round.
pub struct Choices {
    race: &'static str,
    /// How to begin.
    prefix: Vec<usize>,
    /// How to go on; `None`: always with the first.
    random: Option<SimIds>,
    /// In how many of eight random choices whoever went on last goes on.
    steady: usize,
    /// What was chosen, of how many.
    taken: Vec<(usize, usize)>,
    /// Tasks in the order of their ends.
    ended: Vec<usize>,
}

impl Choices {
    /// All of them random.
    pub fn random(race: &'static str, seed: u64) -> Self {
        // Some are interrupted all the time, some now and then.
        let steady = (seed % 8) as usize;
        Self { race, prefix: Vec::new(), random: Some(SimIds::new(seed)), steady, taken: Vec::new(), ended: Vec::new() }
    }

    /// One of so many.
    pub fn choose(&mut self, of: usize) -> usize {
        let chosen = match (self.prefix.get(self.taken.len()), &self.random) {
            (Some(chosen), _) => (*chosen).min(of.saturating_sub(1)),
            (None, Some(random)) if random.below(8) < self.steady => 0,
            (None, Some(random)) => random.below(of),
            (None, None) => 0,
        };
        self.taken.push((chosen, of));
        chosen
    }

    /// Runs all tasks to their end, each time the chosen one of those that can go on; the first choice is the one that went on last.
    pub fn run<T>(&mut self, tasks: Vec<BoxFuture<'_, T>>) -> Vec<T> {
        let mut tasks: Vec<Task<'_, T>> = tasks.into_iter().map(Task::new).collect();
        let mut last = 0;
        loop {
            let around = (last..tasks.len()).chain(0..last);
            let ready: Vec<usize> = around.filter(|n| tasks[*n].can_go_on()).collect();
            last = match ready.as_slice() {
                [] => break,
                [one] => *one,
                many => many[self.choose(many.len())],
            };
            tasks[last].go_on();
            if tasks[last].output.is_some() {
                self.ended.push(last);
            }
        }
        tasks.into_iter().map(|task| task.output.expect("somebody waits for ever")).collect()
    }

    /// The task that ended first.
    pub fn first_to_end(&self) -> usize {
        self.ended[0]
    }
}

impl Drop for Choices {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let taken: Vec<usize> = self.taken.iter().map(|(chosen, _)| *chosen).collect();
            eprintln!("race `{}`: choices {taken:?}", self.race);
        }
    }
}

struct Task<'a, T> {
    future: BoxFuture<'a, T>,
    woken: Arc<Woken>,
    output: Option<T>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl<'a, T> Task<'a, T> {
    fn new(future: BoxFuture<'a, T>) -> Self {
        Self { future, woken: Arc::new(Woken(AtomicBool::new(true))), output: None }
    }

    fn can_go_on(&self) -> bool {
        self.output.is_none() && self.woken.0.load(Ordering::SeqCst)
    }

    fn go_on(&mut self) {
        self.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(self.woken.clone());
        if let Poll::Ready(output) = self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            self.output = Some(output);
        }
    }
}

/// Goes through the orders of a race, those first in which the processes interrupt each other least often (Musuvathi and Qadeer, "Iterative
/// context bounding for systematic testing of multithreaded programs", 2007), and random ones in between, until all were gone through or
/// there were `rounds` (many more in the long form). How often each outcome occurred.
pub fn explore<T: Ord + std::fmt::Debug>(
    race: &'static str,
    rounds: usize,
    mut round: impl FnMut(&mut Choices) -> T,
) -> BTreeMap<T, usize> {
    let mut outcomes = BTreeMap::new();
    let mut round = |choices: &mut Choices| *outcomes.entry(round(choices)).or_default() += 1;
    let gone_through = explore_rounds(race, rounds, &mut round);
    println!("{race}: {gone_through} {outcomes:?}");
    outcomes
}

/// Goes through the orders; says how many.
fn explore_rounds(race: &'static str, rounds: usize, round: &mut impl FnMut(&mut Choices)) -> String {
    let rounds = if full() { rounds * 20 } else { rounds };
    let seed = seed();
    let mut orders = VecDeque::from([Vec::new()]);
    for n in 0..rounds {
        if n % 4 == 3 {
            round(&mut Choices::random(race, seed.wrapping_add(n as u64 / 4)));
            continue;
        }
        let Some(prefix) = orders.pop_front() else {
            return format!("all of its orders, in {n} rounds");
        };
        let begun = prefix.len();
        let mut choices = Choices { race, prefix, random: None, steady: 0, taken: Vec::new(), ended: Vec::new() };
        round(&mut choices);
        // More than that are never come to.
        if orders.len() < rounds {
            orders.extend(following(&choices.taken, begun));
        }
    }
    format!("{rounds} rounds")
}

/// The orders that are this one up to somewhere behind its `begun` choices, and there take another choice.
fn following(taken: &[(usize, usize)], begun: usize) -> impl Iterator<Item = Vec<usize>> {
    (begun..taken.len()).flat_map(move |at| {
        let before = taken[..at].iter().map(|(chosen, _)| *chosen);
        (1..taken[at].1).map(move |other| before.clone().chain([other]).collect())
    })
}

#[test]
fn all_orders_are_gone_through_once() {
    let mut seen = std::collections::BTreeSet::new();
    let mut in_order = 0;
    explore("letters", 1_000, |choices| {
        let log = std::sync::Mutex::new(String::new());
        let say = |letter: char| -> BoxFuture<'_, ()> {
            let log = &log;
            Box::pin(async move {
                for _ in 0..3 {
                    log.lock().unwrap().push(letter);
                    yield_now().await;
                }
            })
        };
        let in_turn = choices.random.is_none();
        choices.run(vec![say('a'), say('b')]);
        in_order += usize::from(in_turn);
        seen.insert(log.into_inner().unwrap());
    });
    assert_eq!(seen.len(), 20, "six places, three of them a's: {seen:?}");
    assert!(in_order >= 20);
}
