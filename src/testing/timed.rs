//! A host on which time passes only while nothing else can be done.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::{SimClock, SimIds};
use crate::engine::Host;
use crate::marker::BoxFuture;
use crate::time::{Millis, Timestamp};

/// A simulated host whose sleepers do wait: [`TimedHost::block_on`] moves the clock to the next of them when all others wait too. Hours pass
/// in no time, in the same order each time. Clones are the same host.
///
/// ```
/// use runstate::engine::Host;
/// use runstate::testing::TimedHost;
/// use runstate::time::Millis;
/// let host = TimedHost::default();
/// let begun = host.now();
/// host.block_on(host.sleep(Millis::minutes(90)));
/// assert_eq!(host.now().since(begun), Millis::minutes(90));
/// ```
#[derive(Clone, Debug, Default)]
pub struct TimedHost {
    /// What it takes for the time.
    pub clock: SimClock,
    /// What it takes for entropy.
    pub ids: SimIds,
    sleepers: Arc<Sleepers>,
}

#[derive(Debug, Default)]
struct Sleepers {
    next: AtomicU64,
    until: Mutex<BTreeMap<(Timestamp, u64), Waker>>,
}

impl Sleepers {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<(Timestamp, u64), Waker>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those whose time has come.
    fn wake(&self, now: Timestamp) {
        let due = {
            let mut until = self.locked();
            let later = until.split_off(&(now + Millis(1), 0));
            std::mem::replace(&mut *until, later)
        };
        due.into_values().for_each(Waker::wake);
    }
}

/// One who sleeps; forgotten when it is dropped.
struct Sleeper {
    host: TimedHost,
    until: (Timestamp, u64),
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.host.sleepers.locked().remove(&self.until);
    }
}

impl TimedHost {
    /// A host whose clock shows `now`, with the entropy of `seed`.
    pub fn at(now: Timestamp, seed: u64) -> Self {
        Self { clock: SimClock::at(now), ids: SimIds::new(seed), sleepers: Arc::default() }
    }

    /// Sets the clock, and wakes those whose time has come.
    pub fn set(&self, time: Timestamp) {
        self.clock.set(time);
        self.sleepers.wake(time);
    }

    /// Runs `future` to its end on this thread, and time as far as it waits for it.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let woken = Arc::new(Woken { thread: thread::current(), woken: AtomicBool::new(true) });
        let waker = Waker::from(woken.clone());
        let mut future = pin!(future);
        loop {
            if woken.woken.swap(false, Ordering::SeqCst) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return output;
                }
                // Somebody else may have moved the clock.
                self.sleepers.wake(self.clock.now());
                continue;
            }
            let next = self.sleepers.locked().keys().next().map(|(at, _)| *at);
            match next {
                Some(at) => {
                    self.set(at.max(self.clock.now()));
                }
                None => thread::park(),
            }
        }
    }
}

struct Woken {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
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
                sleeper.host.sleepers.locked().insert(sleeper.until, cx.waker().clone());
                Poll::Pending
            })
            .await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::join_all;

    #[test]
    fn sleepers_wake_in_order_and_those_that_are_dropped_hold_up_nobody() {
        let host = TimedHost::default();
        let begun = host.now();
        drop(host.sleep(Millis::days(1)));
        let order = Mutex::new(Vec::new());
        let sleeper = |ms: i64| -> BoxFuture<'_, ()> {
            let (host, order) = (&host, &order);
            Box::pin(async move {
                host.sleep(Millis(ms)).await;
                order.lock().unwrap().push((ms, host.now().since(begun).0));
            })
        };
        host.block_on(join_all(vec![sleeper(30), sleeper(-1), sleeper(10), sleeper(20)]));
        assert_eq!(order.into_inner().unwrap(), [(-1, 0), (10, 10), (20, 20), (30, 30)]);
    }
}
