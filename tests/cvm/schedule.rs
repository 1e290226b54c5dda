//! Every order in which processes can reach one store. A process is a future that waits before each of its calls to the store until it is
//! its turn; whose turn it is is chosen, so an order is a list of choices, and all of them can be gone through.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
pub struct Yielding(pub Arc<dyn Store>);

impl Store for Yielding {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    /// Whoever made the store has made it ready.
    fn migrate<'a>(&'a self, _: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        Box::pin(async move {
            yield_now().await;
            self.0.get(keys).await
        })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move {
            yield_now().await;
            self.0.query(query).await
        })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        Box::pin(async move {
            yield_now().await;
            self.0.aggregate(aggregate).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        Box::pin(async move {
            yield_now().await;
            self.0.commit(batch).await
        })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        Box::pin(async move {
            yield_now().await;
            self.0.outcome(command).await
        })
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        self.0.changes(from, limit, wait)
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        Box::pin(async move {
            yield_now().await;
            self.0.sweep(collection, now, limit).await
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.0.close()
    }
}

/// The choices of one round.
pub struct Choices {
    race: &'static str,
    /// How to begin.
    prefix: Vec<usize>,
    /// How to go on; `None`: always with the first.
    random: Option<SimIds>,
    /// What was chosen, of how many.
    taken: Vec<(usize, usize)>,
}

impl Choices {
    /// All of them random.
    pub fn random(race: &'static str, seed: u64) -> Self {
        Self { race, prefix: Vec::new(), random: Some(SimIds::new(seed)), taken: Vec::new() }
    }

    /// One of so many.
    pub fn choose(&mut self, of: usize) -> usize {
        let chosen = match (self.prefix.get(self.taken.len()), &self.random) {
            (Some(chosen), _) => (*chosen).min(of.saturating_sub(1)),
            (None, Some(random)) => random.below(of),
            (None, None) => 0,
        };
        self.taken.push((chosen, of));
        chosen
    }

    /// Runs all tasks to their end, each time the chosen one of those that can go on.
    pub fn run<T>(&mut self, tasks: Vec<BoxFuture<'_, T>>) -> Vec<T> {
        let mut tasks: Vec<Task<'_, T>> = tasks.into_iter().map(Task::new).collect();
        loop {
            let ready: Vec<usize> = (0..tasks.len()).filter(|n| tasks[*n].can_go_on()).collect();
            match ready.as_slice() {
                [] => break,
                [one] => tasks[*one].go_on(),
                many => {
                    let chosen = many[self.choose(many.len())];
                    tasks[chosen].go_on();
                }
            }
        }
        tasks.into_iter().map(|task| task.output.expect("somebody waits for ever")).collect()
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

/// Goes through the orders of a race: every second round takes the next of all of them, from the last choice backwards, the others are
/// random, until all were gone through or there were `rounds` (many more in the long form).
pub fn explore(race: &'static str, rounds: usize, mut round: impl FnMut(&mut Choices)) {
    let rounds = if full() { rounds * 20 } else { rounds };
    let seed = seed();
    let mut next = Some(Vec::new());
    for n in 0..rounds {
        let Some(prefix) = next.clone() else {
            println!("{race}: all of its orders, in {n} rounds");
            return;
        };
        let in_order = n % 2 == 0;
        let (prefix, random) =
            if in_order { (prefix, None) } else { (Vec::new(), Some(SimIds::new(seed.wrapping_add(n as u64)))) };
        let mut choices = Choices { race, prefix, random, taken: Vec::new() };
        round(&mut choices);
        if in_order {
            next = following(&choices.taken);
        }
    }
    println!("{race}: {rounds} rounds");
}

/// The choices that come after these: the last one that can be another is.
fn following(taken: &[(usize, usize)]) -> Option<Vec<usize>> {
    let last = taken.iter().rposition(|(chosen, of)| chosen + 1 < *of)?;
    let mut prefix: Vec<usize> = taken[..=last].iter().map(|(chosen, _)| *chosen).collect();
    prefix[last] += 1;
    Some(prefix)
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
