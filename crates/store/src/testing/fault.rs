//! A store layer for fault injection. It tests callers of the port with lost answers, failed calls, slow calls, and a
//! process that dies between two calls.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use runstate_core::marker::{MaybeSend, yield_now};

use crate::layer::{Method, StoreLayer};
use crate::{Store, StoreError, StoreFuture};

/// The fault of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails with this error and does not reach the store.
    FailBefore(StoreError),
    /// The store executes the call, but its answer is lost. The caller gets this error: for a commit,
    /// [`StoreError::UnknownOutcome`].
    FailAfter(StoreError),
    /// The call proceeds after it has yielded this many times.
    Delay(u32),
    /// The call waits for [`FaultStore::resume`], while other tasks run.
    Pause,
    /// The process dies before the call reaches the store. This call and every later one return [`StoreError::Closed`].
    DieBefore,
    /// The process dies after the store has executed the call. The caller gets no result.
    DieAfter,
}

/// A store that injects planned faults.
///
/// ```
/// use runstate::store::layer::Method;
/// use runstate::store::{Memory, StoreError};
/// use runstate::testing::{Fault, FaultStore};
/// let store = FaultStore::new(Memory::new());
/// store.plan(Method::Get, 2, Fault::FailBefore(StoreError::Unavailable { what: "get".into(), why: "the line is cut".into() }));
/// ```
#[derive(Debug, Default)]
pub struct FaultStore<S> {
    inner: S,
    plan: Mutex<FaultPlan>,
}

#[derive(Debug, Default)]
struct FaultPlan {
    faults: BTreeMap<(Method, u64), Fault>,
    calls: BTreeMap<Method, u64>,
    paused: bool,
    dead: bool,
}

impl<S> FaultStore<S> {
    /// Wraps `inner`. All calls pass until a fault is planned.
    pub fn new(inner: S) -> Self {
        Self { inner, plan: Mutex::new(FaultPlan::default()) }
    }

    /// Returns the wrapped store, which represents the disk: its contents survive a death.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Plans a fault for the `nth` call of `method`, counted from 1 and from now.
    pub fn plan(&self, method: Method, nth: u64, fault: Fault) {
        let mut plan = self.lock_plan();
        let so_far = plan.calls.get(&method).copied().unwrap_or(0);
        plan.faults.insert((method, so_far + nth), fault);
    }

    /// Returns the number of calls of `method`.
    pub fn calls(&self, method: Method) -> u64 {
        self.lock_plan().calls.get(&method).copied().unwrap_or(0)
    }

    /// Returns whether a planned death has happened.
    pub fn is_dead(&self) -> bool {
        self.lock_plan().dead
    }

    /// Returns whether a planned pause has begun and not ended.
    pub fn is_paused(&self) -> bool {
        self.lock_plan().paused
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.lock_plan().paused = false;
    }

    /// Removes all planned faults and the death, as a restart of the process does.
    pub fn heal(&self) {
        let mut plan = self.lock_plan();
        plan.faults.clear();
        plan.dead = false;
    }

    fn lock_plan(&self) -> MutexGuard<'_, FaultPlan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and returns its fault.
    fn next_fault(&self, method: Method) -> Result<Option<Fault>, StoreError> {
        let mut plan = self.lock_plan();
        if plan.dead {
            return Err(StoreError::Closed);
        }
        let calls = plan.calls.entry(method).or_insert(0);
        *calls += 1;
        let nth = *calls;
        Ok(plan.faults.remove(&(method, nth)))
    }

    /// The caller creates `inner`, but it runs only here, after the fault is known.
    async fn call_with_fault<T>(&self, method: Method, inner: StoreFuture<'_, T>) -> Result<T, StoreError> {
        let fault = self.next_fault(method)?;
        match fault {
            Some(Fault::FailBefore(error)) => return Err(error),
            Some(Fault::DieBefore) => {
                self.lock_plan().dead = true;
                return Err(StoreError::Closed);
            }
            Some(Fault::Delay(times)) => {
                for _ in 0..times {
                    yield_now().await;
                }
            }
            Some(Fault::Pause) => {
                self.lock_plan().paused = true;
                while self.is_paused() {
                    yield_now().await;
                }
            }
            None | Some(Fault::FailAfter(_) | Fault::DieAfter) => {}
        }
        let result = inner.await;
        // The answer is lost, whether it is a success or an error.
        match fault {
            Some(Fault::FailAfter(error)) => return Err(error),
            Some(Fault::DieAfter) => self.lock_plan().dead = true,
            _ => {}
        }
        // Calls in flight at the death of the process get no result either.
        if self.is_dead() { Err(StoreError::Closed) } else { result }
    }
}

impl<S: Store> StoreLayer for FaultStore<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.inner
    }

    fn call<'a, T: MaybeSend + 'a>(&'a self, method: Method, inner: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        Box::pin(self.call_with_fault(method, inner))
    }
}
