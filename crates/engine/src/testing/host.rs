//! Hosts with simulated time and entropy: the same seed gives the same values. The time of a [`SimHost`] advances only
//! when the test advances it or code sleeps, without waiting. The time of a [`TimedHost`] advances only while all
//! tasks wait.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::thread::Thread;

use runstate_core::marker::BoxFuture;
use runstate_store::testing::{SimClock, SimIds};
use runstate_value::time::{Millis, Timestamp};

use crate::Host;

/// A simulated host: time is that of its clock, entropy comes from a counter, and a sleep advances the clock instead of
/// waiting.
///
/// ```
/// use runstate::engine::Host;
/// use runstate::testing::SimHost;
/// let host = SimHost::default();
/// let other = SimHost::default();
/// assert_eq!((host.now(), host.entropy()), (other.now(), other.entropy()));
/// assert_ne!(host.entropy(), host.entropy());
/// ```
#[derive(Clone, Debug, Default)]
pub struct SimHost {
    /// The source of time.
    pub clock: SimClock,
    /// The source of entropy.
    pub ids: SimIds,
}

impl Host for SimHost {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn entropy(&self) -> [u8; 10] {
        self.ids.entropy()
    }

    fn sleep(&self, span: Millis) -> BoxFuture<'_, ()> {
        self.clock.advance(span);
        Box::pin(async {})
    }
}

/// A simulated host on which a sleep does wait: [`TimedHost::block_on`] moves the clock to the next sleeper when all
/// tasks wait. Hours of simulated time take no real time, and always in the same order. Clones share one host.
///
/// ```
/// use runstate::engine::Host;
/// use runstate::testing::TimedHost;
/// use runstate::time::Millis;
/// let host = TimedHost::default();
/// let start = host.now();
/// host.block_on(host.sleep(Millis::minutes(90)));
/// assert_eq!(host.now().since(start), Millis::minutes(90));
/// ```
#[derive(Clone, Debug, Default)]
pub struct TimedHost {
    /// The source of time.
    pub clock: SimClock,
    /// The source of entropy.
    pub ids: SimIds,
    sleepers: Arc<Sleepers>,
}

#[derive(Debug, Default)]
struct Sleepers {
    next: AtomicU64,
    until: Mutex<BTreeMap<(Timestamp, u64), Waker>>,
}

impl Sleepers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Timestamp, u64), Waker>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the sleepers that are due at `now`.
    fn wake(&self, now: Timestamp) {
        let due = {
            let mut until = self.lock();
            let later = until.split_off(&(now + Millis(1), 0));
            std::mem::replace(&mut *until, later)
        };
        due.into_values().for_each(Waker::wake);
    }
}

/// One pending sleep, removed when it is dropped.
struct Sleeper {
    host: TimedHost,
    until: (Timestamp, u64),
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.host.sleepers.lock().remove(&self.until);
    }
}

impl TimedHost {
    /// A host whose clock shows `now`, with the entropy of `seed`.
    pub fn at(now: Timestamp, seed: u64) -> Self {
        Self { clock: SimClock::at(now), ids: SimIds::new(seed), sleepers: Arc::default() }
    }

    /// Sets the clock, and wakes the sleepers that are due.
    pub fn set(&self, time: Timestamp) {
        self.clock.set(time);
        self.sleepers.wake(time);
    }

    /// Runs `future` to completion on this thread, and advances the clock when it waits.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let waker_state = Arc::new(TimedWaker { thread: thread::current(), notified: AtomicBool::new(true) });
        let waker = Waker::from(waker_state.clone());
        let mut future = pin!(future);
        loop {
            if waker_state.notified.swap(false, Ordering::SeqCst) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return output;
                }
                // The clock may have been moved without waking the sleepers.
                self.sleepers.wake(self.clock.now());
                continue;
            }
            let next = self.sleepers.lock().keys().next().map(|(at, _)| *at);
            match next {
                Some(at) => {
                    self.set(at.max(self.clock.now()));
                }
                None => thread::park(),
            }
        }
    }
}

struct TimedWaker {
    thread: Thread,
    notified: AtomicBool,
}

impl Wake for TimedWaker {
    fn wake(self: Arc<Self>) {
        self.notified.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Host for TimedHost {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn entropy(&self) -> [u8; 10] {
        self.ids.entropy()
    }

    fn sleep(&self, span: Millis) -> BoxFuture<'_, ()> {
        let nth = self.sleepers.next.fetch_add(1, Ordering::SeqCst);
        let sleeper = Sleeper { host: self.clone(), until: (self.now() + span, nth) };
        Box::pin(async move {
            poll_fn(|cx| {
                if sleeper.host.now() >= sleeper.until.0 {
                    return Poll::Ready(());
                }
                sleeper.host.sleepers.lock().insert(sleeper.until, cx.waker().clone());
                Poll::Pending
            })
            .await;
        })
    }
}

#[cfg(test)]
mod tests {
    use runstate_store::testing::join_all;

    use super::*;

    #[test]
    fn sleepers_wake_in_order_and_dropped_ones_are_ignored() {
        let host = TimedHost::default();
        let start = host.now();
        drop(host.sleep(Millis::days(1)));
        let order = Mutex::new(Vec::new());
        let sleeper = |ms: i64| -> BoxFuture<'_, ()> {
            let (host, order) = (&host, &order);
            Box::pin(async move {
                host.sleep(Millis(ms)).await;
                order.lock().unwrap().push((ms, host.now().since(start).0));
            })
        };
        host.block_on(join_all(vec![sleeper(30), sleeper(-1), sleeper(10), sleeper(20)]));
        assert_eq!(order.into_inner().unwrap(), [(-1, 0), (10, 10), (20, 20), (30, 30)]);
    }
}
