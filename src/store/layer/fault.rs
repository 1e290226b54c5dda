//! A store that fails by plan, for tests of what stands above the port: lost answers, refused calls, slow calls, a process
//! that dies between two calls.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use super::Method;
use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::{Aggregate, Catalog, Key, Query};
use crate::store::{
    Batch, Capabilities, Changes, Error, Fact, Outcome, Page, Position, Receipt, Report, Store, Stored,
};
use crate::time::{Millis, Timestamp};
use crate::value::Document;

/// What happens to one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails so and never reaches the store.
    Before(Error),
    /// The store carries it out, but its answer is lost and the caller gets this error: for a commit [`Error::Unknown`].
    After(Error),
    /// It goes through after having yielded so many times.
    Delay(u32),
    /// The process dies before the store is reached: this call and every later one is [`Error::Closed`].
    DieBefore,
    /// The process dies when the store has carried it out: the caller never hears of it.
    DieAfter,
}

/// A store that fails by plan.
///
/// ```
/// use runstate::store::layer::{Fault, FaultStore, Method};
/// use runstate::store::{Error, Memory};
/// let store = FaultStore::new(Memory::new());
/// store.plan(Method::Get, 2, Fault::Before(Error::Unavailable { what: "get".into(), why: "the line is cut".into() }));
/// ```
#[derive(Debug, Default)]
pub struct FaultStore<S> {
    inner: S,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    faults: BTreeMap<(Method, u64), Fault>,
    calls: BTreeMap<Method, u64>,
    dead: bool,
}

impl<S> FaultStore<S> {
    /// Passes everything on to `inner` until a fault is planned.
    pub fn new(inner: S) -> Self {
        Self { inner, plan: Mutex::new(Plan::default()) }
    }

    /// The store below: what it holds is what "the disk" holds after a death.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Plans a fault for the `nth` call of `method`, counted from 1 and from now.
    pub fn plan(&self, method: Method, nth: u64, fault: Fault) {
        let mut plan = self.locked();
        let so_far = plan.calls.get(&method).copied().unwrap_or(0);
        plan.faults.insert((method, so_far + nth), fault);
    }

    /// How often `method` was called.
    pub fn calls(&self, method: Method) -> u64 {
        self.locked().calls.get(&method).copied().unwrap_or(0)
    }

    /// Whether a planned death has come.
    pub fn is_dead(&self) -> bool {
        self.locked().dead
    }

    /// Drops all faults that have not come, and death itself: the process was started again.
    pub fn heal(&self) {
        let mut plan = self.locked();
        plan.faults.clear();
        plan.dead = false;
    }

    fn locked(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call; what is to happen to it.
    fn next(&self, method: Method) -> Result<Option<Fault>, Error> {
        let mut plan = self.locked();
        if plan.dead {
            return Err(Error::Closed);
        }
        let calls = plan.calls.entry(method).or_insert(0);
        *calls += 1;
        let nth = *calls;
        Ok(plan.faults.remove(&(method, nth)))
    }

    /// `inner` is made by the caller but runs only here, after the plan was asked.
    async fn call<T>(&self, method: Method, inner: BoxFuture<'_, Result<T, Error>>) -> Result<T, Error> {
        let fault = self.next(method)?;
        match fault {
            Some(Fault::Before(error)) => return Err(error),
            Some(Fault::DieBefore) => {
                self.locked().dead = true;
                return Err(Error::Closed);
            }
            Some(Fault::Delay(times)) => {
                for _ in 0..times {
                    yield_now().await;
                }
            }
            None | Some(Fault::After(_) | Fault::DieAfter) => {}
        }
        let answer = inner.await;
        // A lost answer is lost whatever it was.
        match fault {
            Some(Fault::After(error)) => return Err(error),
            Some(Fault::DieAfter) => self.locked().dead = true,
            _ => {}
        }
        // Whoever was under way when the process died hears nothing either.
        if self.is_dead() { Err(Error::Closed) } else { answer }
    }
}

/// Lets other tasks, and other futures of this one, run once.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl<S: Store> Store for FaultStore<S> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn health(&self) -> Option<Error> {
        self.inner.health()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.call(Method::Migrate, self.inner.migrate(catalog)))
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        self.inner.declare(catalog)
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        Box::pin(self.call(Method::Get, self.inner.get(keys)))
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(self.call(Method::Query, self.inner.query(query)))
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        Box::pin(self.call(Method::Aggregate, self.inner.aggregate(aggregate)))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        Box::pin(self.call(Method::Commit, self.inner.commit(batch)))
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        Box::pin(self.call(Method::Outcome, self.inner.outcome(command)))
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        Box::pin(self.call(Method::Changes, self.inner.changes(from, limit, wait)))
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        Box::pin(self.call(Method::Sweep, self.inner.sweep(collection, now, limit)))
    }

    fn facts(&self) -> BoxFuture<'_, Result<Vec<Fact>, Error>> {
        self.inner.facts()
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<Report, Error>> {
        self.inner.inspect(catalog)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.call(Method::Close, self.inner.close()))
    }
}
