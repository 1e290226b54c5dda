//! Every order in which processes can access one store. A process is a future that waits for its turn before each call
//! to the store. Each turn is a choice, so an order is a list of choices, and all of them can be explored. A gate
//! enforces one order instead: all processes decide before the first of them commits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use runstate::marker::BoxFuture;
use runstate::schema::Catalog;
use runstate::store::layer::{self, Method};
use runstate::store::{Store, StoreError};
use runstate::testing::{SimIds, yield_now};

use crate::cvm::scene::{is_full_run, seed};

/// A store that yields to other processes before each call.
pub struct YieldingStore {
    store: Arc<dyn Store>,
    is_migrated: bool,
    gate: Option<Gate>,
}

impl YieldingStore {
    pub fn wrap(store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Self { store, is_migrated: false, gate: None })
    }

    /// Over a store that has its collections: declaring them again takes longer than a race.
    pub fn wrap_migrated(store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Self { store, is_migrated: true, gate: None })
    }

    /// As [`YieldingStore::wrap_migrated`], but the first commit waits at the gate.
    pub fn wrap_gated(store: Arc<dyn Store>, gate: Gate) -> Arc<dyn Store> {
        Arc::new(Self { store, is_migrated: true, gate: Some(gate) })
    }
}

/// A gate where the first commit of a process waits until the other processes have one too. Then the commits pass in a
/// given order.
pub struct Gate {
    /// The position of this process in that order.
    rank: usize,
    processes: usize,
    has_passed: AtomicBool,
    shared: Arc<GateState>,
}

/// The state that the gates of one race share.
#[derive(Default)]
struct GateState {
    arrived: AtomicUsize,
    passed: AtomicUsize,
}

impl Gate {
    /// Creates the gates of processes that pass in the order of these ranks.
    pub fn in_order<const N: usize>(ranks: [usize; N]) -> [Self; N] {
        let shared = Arc::new(GateState::default());
        ranks.map(|rank| Self { rank, processes: N, has_passed: AtomicBool::new(false), shared: shared.clone() })
    }

    async fn pass<T>(&self, commit: impl Future<Output = T>) -> T {
        if self.has_passed.swap(true, Ordering::SeqCst) {
            return commit.await;
        }
        let GateState { arrived, passed } = &*self.shared;
        arrived.fetch_add(1, Ordering::SeqCst);
        while arrived.load(Ordering::SeqCst) < self.processes || passed.load(Ordering::SeqCst) != self.rank {
            yield_now().await;
        }
        let committed = commit.await;
        passed.fetch_add(1, Ordering::SeqCst);
        committed
    }
}

impl layer::StoreLayer for YieldingStore {
    type Inner = dyn Store;

    fn inner(&self) -> &Self::Inner {
        &*self.store
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        method: Method,
        inner: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            if !matches!(method, Method::Migrate | Method::Changes | Method::Collections | Method::Close) {
                yield_now().await;
            }
            match &self.gate {
                Some(gate) if method == Method::Commit => gate.pass(inner).await,
                _ => inner.await,
            }
        })
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        if self.is_migrated { Box::pin(async { Ok(()) }) } else { self.inner().migrate(catalog) }
    }
}

/// The choices of one round.
pub struct ScheduleChoices {
    race: &'static str,
    /// The first choices.
    prefix: Vec<usize>,
    /// The source of the other choices; `None`: always the first option.
    random: Option<SimIds>,
    /// In how many of eight random choices the task that ran last continues.
    persistence: usize,
    /// The choices that were made, each with its number of options.
    choices: Vec<(usize, usize)>,
    /// Tasks in the order of their ends.
    finished: Vec<usize>,
}

impl ScheduleChoices {
    /// Makes all choices at random.
    pub fn random(race: &'static str, seed: u64) -> Self {
        // Some rounds interrupt all the time, some now and then.
        let persistence = (seed % 8) as usize;
        Self {
            race,
            prefix: Vec::new(),
            random: Some(SimIds::new(seed)),
            persistence,
            choices: Vec::new(),
            finished: Vec::new(),
        }
    }

    /// Chooses one of `of` options.
    pub fn choose(&mut self, of: usize) -> usize {
        let chosen = match (self.prefix.get(self.choices.len()), &self.random) {
            (Some(chosen), _) => (*chosen).min(of.saturating_sub(1)),
            (None, Some(random)) if random.below(8) < self.persistence => 0,
            (None, Some(random)) => random.below(of),
            (None, None) => 0,
        };
        self.choices.push((chosen, of));
        chosen
    }

    /// Runs all tasks to their end, in each step the chosen one of those that can continue. The first option is the one
    /// that ran last.
    pub fn run<T>(&mut self, tasks: Vec<BoxFuture<'_, T>>) -> Vec<T> {
        let mut tasks: Vec<InterleavedTask<'_, T>> = tasks.into_iter().map(InterleavedTask::new).collect();
        let mut last = 0;
        loop {
            let order = (last..tasks.len()).chain(0..last);
            let runnable: Vec<usize> = order.filter(|n| tasks[*n].is_runnable()).collect();
            last = match runnable.as_slice() {
                [] => break,
                [one] => *one,
                many => many[self.choose(many.len())],
            };
            tasks[last].poll();
            if tasks[last].output.is_some() {
                self.finished.push(last);
            }
        }
        tasks.into_iter().map(|task| task.output.expect("a task waits forever")).collect()
    }

    /// The task that ended first.
    pub fn first_finished(&self) -> usize {
        self.finished[0]
    }
}

impl Drop for ScheduleChoices {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let taken: Vec<usize> = self.choices.iter().map(|(chosen, _)| *chosen).collect();
            eprintln!("race `{}`: choices {taken:?}", self.race);
        }
    }
}

struct InterleavedTask<'a, T> {
    future: BoxFuture<'a, T>,
    wake_flag: Arc<TaskWakeFlag>,
    output: Option<T>,
}

struct TaskWakeFlag(AtomicBool);

impl Wake for TaskWakeFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl<'a, T> InterleavedTask<'a, T> {
    fn new(future: BoxFuture<'a, T>) -> Self {
        Self { future, wake_flag: Arc::new(TaskWakeFlag(AtomicBool::new(true))), output: None }
    }

    fn is_runnable(&self) -> bool {
        self.output.is_none() && self.wake_flag.0.load(Ordering::SeqCst)
    }

    fn poll(&mut self) {
        self.wake_flag.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(self.wake_flag.clone());
        if let Poll::Ready(output) = self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            self.output = Some(output);
        }
    }
}

/// Explores the orders of a race. Orders in which the processes interrupt each other least often come first (Musuvathi
/// and Qadeer, "Iterative context bounding for systematic testing of multithreaded programs", 2007), with random ones
/// in between. It ends when all were explored, or after `rounds` rounds (many more in the full run). Returns how often
/// each outcome occurred.
pub fn explore<T: Ord + std::fmt::Debug>(
    race: &'static str,
    rounds: usize,
    mut round: impl FnMut(&mut ScheduleChoices) -> T,
) -> BTreeMap<T, usize> {
    let mut outcomes = BTreeMap::new();
    let mut round = |choices: &mut ScheduleChoices| *outcomes.entry(round(choices)).or_default() += 1;
    let explored = explore_rounds(race, rounds, &mut round);
    println!("{race}: {explored} {outcomes:?}");
    outcomes
}

/// Explores the orders, and returns their number in words.
fn explore_rounds(race: &'static str, rounds: usize, round: &mut impl FnMut(&mut ScheduleChoices)) -> String {
    let rounds = if is_full_run() { rounds * 5 } else { rounds };
    let seed = seed();
    let mut orders = VecDeque::from([Vec::new()]);
    for n in 0..rounds {
        if n % 4 == 3 {
            round(&mut ScheduleChoices::random(race, seed.wrapping_add(n as u64 / 4)));
            continue;
        }
        let Some(prefix) = orders.pop_front() else {
            return format!("all of its orders, in {n} rounds");
        };
        let prefix_length = prefix.len();
        let mut choices =
            ScheduleChoices { race, prefix, random: None, persistence: 0, choices: Vec::new(), finished: Vec::new() };
        round(&mut choices);
        // More orders than that are never reached.
        if orders.len() < rounds {
            orders.extend(next_orders(&choices.choices, prefix_length));
        }
    }
    format!("{rounds} rounds")
}

/// The orders that equal this one up to some choice after the first `prefix_length`, and make another choice there.
fn next_orders(taken: &[(usize, usize)], prefix_length: usize) -> impl Iterator<Item = Vec<usize>> {
    (prefix_length..taken.len()).flat_map(move |at| {
        let before = taken[..at].iter().map(|(chosen, _)| *chosen);
        (1..taken[at].1).map(move |other| before.clone().chain([other]).collect())
    })
}

#[test]
fn explore_visits_every_interleaving_once() {
    let mut seen = std::collections::BTreeSet::new();
    let mut in_order = 0;
    explore("letters", 1_000, |choices| {
        let log = std::sync::Mutex::new(String::new());
        let task_of = |letter: char| -> BoxFuture<'_, ()> {
            let log = &log;
            Box::pin(async move {
                for _ in 0..3 {
                    log.lock().unwrap().push(letter);
                    yield_now().await;
                }
            })
        };
        let in_turn = choices.random.is_none();
        choices.run(vec![task_of('a'), task_of('b')]);
        in_order += usize::from(in_turn);
        seen.insert(log.into_inner().unwrap());
    });
    assert_eq!(seen.len(), 20, "six places, three of them a's: {seen:?}");
    assert!(in_order >= 20);
}
