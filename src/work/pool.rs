//! Futures that run at once within one task, on any executor: what is ready is polled, what is not costs nothing.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::marker::BoxFuture;

/// Futures of which one after the other comes to its end.
pub(super) struct Pool<'a, T> {
    slots: Vec<Option<Slot<'a, T>>>,
    queue: Arc<Queue>,
}

struct Slot<'a, T> {
    future: BoxFuture<'a, T>,
    call: Arc<Call>,
}

/// Which futures want to be polled, and who polls them.
#[derive(Default)]
struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    ready: VecDeque<usize>,
    poller: Option<Waker>,
}

/// Calls one future of a pool: it is polled once for all calls that came before.
struct Call {
    slot: usize,
    called: AtomicBool,
    queue: Arc<Queue>,
}

impl Queue {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        if self.called.swap(true, Ordering::AcqRel) {
            return;
        }
        let poller = {
            let mut state = self.queue.locked();
            state.ready.push_back(self.slot);
            state.poller.take()
        };
        if let Some(poller) = poller {
            poller.wake();
        }
    }
}

impl<'a, T> Pool<'a, T> {
    pub fn new() -> Self {
        Self { slots: Vec::new(), queue: Arc::default() }
    }

    /// Adds a future; its place, until it has ended.
    pub fn push(&mut self, future: BoxFuture<'a, T>) -> usize {
        let slot = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let call = Arc::new(Call { slot, called: AtomicBool::new(false), queue: self.queue.clone() });
        call.clone().wake();
        let filled = Some(Slot { future, call });
        match self.slots.get_mut(slot) {
            Some(free) => *free = filled,
            None => self.slots.push(filled),
        }
        slot
    }

    /// Ends the future at that place where it stands.
    pub fn remove(&mut self, slot: usize) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = None;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }

    /// What the next one to end comes to. Where there are none, nobody ever comes.
    pub async fn next(&mut self) -> T {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let ready = {
            let mut state = self.queue.locked();
            state.poller = Some(cx.waker().clone());
            state.ready.len()
        };
        // Those that call themselves again wait until others outside of the pool had their turn.
        for _ in 0..ready {
            let Some(at) = self.queue.locked().ready.pop_front() else { break };
            // A call may be left of a future that stood here before.
            let Some(Some(slot)) = self.slots.get_mut(at) else { continue };
            slot.call.called.store(false, Ordering::Release);
            let waker = Waker::from(slot.call.clone());
            if let Poll::Ready(output) = slot.future.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.remove(at);
                return Poll::Ready(output);
            }
        }
        if !self.queue.locked().ready.is_empty() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// Which of two came first.
pub(super) enum First<A, B> {
    One(A),
    Other(B),
}

/// Whichever ends first, the first one of two that are both ready; the other ends where it stands.
pub(super) async fn race<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> First<A, B> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(First::One(output)),
        Poll::Pending => other.as_mut().poll(cx).map(First::Other),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::layer::yield_now;
    use crate::store::{Memory, Store};

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn after(yields: usize) -> BoxFuture<'static, usize> {
        Box::pin(async move {
            for _ in 0..yields {
                yield_now().await;
            }
            yields
        })
    }

    #[test]
    fn those_that_end_first_come_first_and_places_are_taken_again() {
        run(async {
            let mut pool = Pool::new();
            for yields in [5, 0, 3] {
                pool.push(after(yields));
            }
            assert_eq!(pool.next().await, 0);
            assert_eq!(pool.push(after(1)), 1);
            let rest = [pool.next().await, pool.next().await, pool.next().await];
            assert_eq!(rest, [1, 3, 5]);
            assert!(pool.is_empty());
        });
    }

    #[test]
    fn one_that_was_removed_does_not_come() {
        run(async {
            let mut pool = Pool::new();
            let gone = pool.push(after(0));
            pool.push(after(2));
            pool.remove(gone);
            assert_eq!(pool.next().await, 2);
            assert!(pool.is_empty());
        });
    }

    #[test]
    fn one_that_is_never_ready_holds_up_nobody() {
        run(async {
            let store = Memory::new();
            let mut pool = Pool::new();
            pool.push(Box::pin(std::future::pending()));
            pool.push(Box::pin(async {
                let _ = store.close().await;
                1
            }));
            let First::One(1) = race(pool.next(), std::future::pending::<()>()).await else { panic!("it came") };
            assert!(!pool.is_empty());
        });
    }
}
