//! Clients whose operations on one document, and on many, make a history that must be linearizable. Commits with an
//! unknown outcome are part of it.

#![allow(dead_code, reason = "no test uses all of it")]

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use runstate::id::CommandId;
use runstate::schema::Key;
use runstate::store::{Batch, Expectation, Freshness, Store, StoreError, Write, WriteOp};
use tokio::task::JoinSet;

use super::load::{self, CLIENT_PAUSE, COUNTERS, ROWS, batch, document};
use super::{SeededRandom, TestedStore};
use crate::support::checker::{self, HistoryOperation, Model};
use crate::support::register::{self, RegisterOp};

const CLIENTS: u64 = 16;

/// The number of documents that may exist.
const MEMBERS: u64 = 32;

/// Documents that are inserted and deleted, each as a bit.
struct SetModel;

#[derive(Debug)]
pub enum SetOp {
    Insert(u32),
    Delete(u32),
    ReadAll(u32),
}

impl Model for SetModel {
    type State = u32;
    type Op = SetOp;

    fn step(state: &u32, op: &SetOp) -> Option<u32> {
        match *op {
            SetOp::Insert(bit) => (state & bit == 0).then_some(state | bit),
            SetOp::Delete(bit) => (state & bit != 0).then_some(state & !bit),
            SetOp::ReadAll(read) => (read == *state).then_some(read),
        }
    }
}

/// The state that all clients share: the time, numbers, and whether to continue.
#[derive(Clone)]
pub struct ClientState {
    begun: Instant,
    next: Arc<AtomicU64>,
    /// How many commits were acknowledged, and how many have an unknown outcome.
    acknowledged: Arc<AtomicU64>,
    unknown: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl ClientState {
    fn new() -> Self {
        let [next, acknowledged, unknown] = Default::default();
        Self { begun: Instant::now(), next, acknowledged, unknown, stop: Arc::default() }
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }

    fn next_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn is_running(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    /// Commits. Returns an operation of the history if it may have taken effect.
    async fn commit<O>(&self, store: &TestedStore, op: O, write: Write) -> Option<HistoryOperation<O>> {
        let command = CommandId::new(&format!("c-{}", self.next_number())).unwrap();
        let batch: Batch = batch(command, vec![write]);
        let called = self.now();
        match store.commit(batch).await {
            Ok(_) => {
                let returned = Some(self.now());
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
                Some(HistoryOperation { op, called, returned })
            }
            Err(StoreError::UnknownOutcome { .. }) => {
                self.unknown.fetch_add(1, Ordering::SeqCst);
                Some(HistoryOperation { op, called, returned: None })
            }
            // These errors promise that nothing was written. If something was, the history is not linearizable.
            Err(error) if error.is_retryable() => None,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads the document, and half of the time writes it: at the revision that was read, or at any.
pub async fn run_register_client(
    store: Arc<TestedStore>,
    shared: ClientState,
    mut random: SeededRandom,
) -> Vec<HistoryOperation<RegisterOp>> {
    let key = Key::new(&COUNTERS, "register");
    let mut events = Vec::new();
    while shared.is_running() {
        tokio::time::sleep(CLIENT_PAUSE).await;
        let called = shared.now();
        let found = match store.get(std::slice::from_ref(&key), Freshness::Linearizable).await {
            Ok(mut found) => found.remove(0),
            Err(error) if error.is_retryable() => continue,
            Err(error) => panic!("{error}"),
        };
        let read = found.as_ref().map(|found| found.document["n"].as_u64().unwrap());
        events.push(HistoryOperation { op: RegisterOp::Read(read), called, returned: Some(shared.now()) });
        let number = shared.next_number();
        let expect = found.map_or(Expectation::Absent, |found| Expectation::Revision(found.revision));
        let (expect, register_op) = match random.below(4) {
            0 | 1 => continue,
            2 => (Expectation::Any, RegisterOp::Write(number)),
            _ => (expect, RegisterOp::Swap(read, number)),
        };
        let op = WriteOp::Put { version: 1, document: document(&[("n", number)]) };
        events.extend(shared.commit(&store, register_op, Write { key: key.clone(), expect, op }).await);
    }
    events
}

/// Reads all documents that may exist, and inserts or deletes one of them.
pub async fn run_set_client(
    store: Arc<TestedStore>,
    shared: ClientState,
    mut random: SeededRandom,
) -> Vec<HistoryOperation<SetOp>> {
    let keys: Vec<Key> = (0..MEMBERS).map(|n| Key::new(&ROWS, &format!("set-{n}"))).collect();
    let mut events = Vec::new();
    while shared.is_running() {
        tokio::time::sleep(CLIENT_PAUSE).await;
        let called = shared.now();
        let found = match store.get(&keys, Freshness::Linearizable).await {
            Ok(found) => found,
            Err(error) if error.is_retryable() => continue,
            Err(error) => panic!("{error}"),
        };
        let read = found.iter().enumerate().filter(|(_, found)| found.is_some()).map(|(n, _)| 1 << n).sum();
        events.push(HistoryOperation { op: SetOp::ReadAll(read), called, returned: Some(shared.now()) });
        let n = random.below(MEMBERS);
        let (op, expect, set_op) = match &found[n as usize] {
            Some(found) => (WriteOp::Delete, Expectation::Revision(found.revision.clone()), SetOp::Delete(1 << n)),
            None => {
                let document = document(&[("by", 0), ("n", n)]);
                (WriteOp::Put { version: 1, document }, Expectation::Absent, SetOp::Insert(1 << n))
            }
        };
        events.extend(shared.commit(&store, set_op, Write { key: keys[n as usize].clone(), expect, op }).await);
    }
    events
}

/// Clients that work until they are stopped.
pub struct Clients<O> {
    shared: ClientState,
    tasks: JoinSet<Vec<HistoryOperation<O>>>,
}

impl<O: Send + 'static> Clients<O> {
    /// Starts clients on two stores, as in two processes: each has its own connections.
    pub fn start<F>(
        stores: &[Arc<TestedStore>; 2],
        random: &mut SeededRandom,
        client: impl Fn(Arc<TestedStore>, ClientState, SeededRandom) -> F,
    ) -> Self
    where
        F: Future<Output = Vec<HistoryOperation<O>>> + Send + 'static,
    {
        let (shared, mut tasks) = (ClientState::new(), JoinSet::new());
        for n in 0..CLIENTS {
            let random = SeededRandom(random.below(u64::MAX));
            tasks.spawn(client(stores[(n % 2) as usize].clone(), shared.clone(), random));
        }
        Self { shared, tasks }
    }

    /// Waits until that many more commits were acknowledged.
    pub async fn advance(&self, by: u64) {
        let acknowledged = || self.shared.acknowledged.load(Ordering::SeqCst);
        let until = acknowledged() + by;
        crate::support::wait::wait_until("commits are acknowledged", async || (acknowledged() >= until).then_some(()))
            .await;
    }

    /// Waits until a commit ends with an unknown outcome.
    pub async fn wait_for_unknown(&self, before: u64) {
        crate::support::wait::wait_until("a commit is unknown", async || (self.unknown() > before).then_some(())).await;
    }

    pub fn unknown(&self) -> u64 {
        self.shared.unknown.load(Ordering::SeqCst)
    }

    /// Stops the clients after some more commits, and returns their history.
    pub async fn stop(self) -> Vec<HistoryOperation<O>> {
        self.advance(50).await;
        self.shared.stop.store(true, Ordering::SeqCst);
        self.tasks.join_all().await.into_iter().flatten().collect()
    }
}

/// Two stores on the same servers.
pub async fn open_two(urls: [String; 2]) -> [Arc<TestedStore>; 2] {
    let [one, other] = urls;
    [Arc::new(load::open(&one).await), Arc::new(load::open(&other).await)]
}

/// Fails if no order explains the history, and prints it.
fn expect_linearizable<O: Debug>(
    history: &[HistoryOperation<O>],
    check: impl FnOnce(&[HistoryOperation<O>]) -> Result<(), String>,
) {
    assert!(history.len() > 200, "{}", history.len());
    if let Err(why) = check(history) {
        let mut history: Vec<_> = history.iter().collect();
        history.sort_by_key(|event| event.called);
        history.iter().for_each(|event| println!("{event:?}"));
        panic!("{why}");
    }
}

pub fn expect_register_linearizable(history: &[HistoryOperation<RegisterOp>]) -> usize {
    let unknown = history.iter().filter(|event| event.returned.is_none()).count();
    let effective = register::effective_operations(history).iter().filter(|event| event.returned.is_none()).count();
    let unconditional = history.iter().filter(|event| matches!(event.op, RegisterOp::Write(_))).count();
    println!(
        "{} operations of {CLIENTS} clients at once, {unconditional} unconditional writes; {unknown} with unknown outcome, {effective} of which took effect",
        history.len()
    );
    expect_linearizable(history, register::check);
    unknown
}

pub fn expect_set_linearizable(history: &[HistoryOperation<SetOp>]) -> usize {
    let unknown = history.iter().filter(|event| event.returned.is_none()).count();
    println!("{} operations of {CLIENTS} clients at once, {unknown} with unknown outcome", history.len());
    expect_linearizable(history, checker::check::<SetModel>);
    unknown
}
