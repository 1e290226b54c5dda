//! Futures that run concurrently within one task, on any executor. Only futures that were woken are polled; the others cost nothing.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use runstate_core::marker::BoxFuture;

/// Futures that complete one after the other.
pub(super) struct Pool<'a, T> {
    slots: Vec<Option<PoolSlot<'a, T>>>,
    queue: Arc<ReadyQueue>,
}

struct PoolSlot<'a, T> {
    future: BoxFuture<'a, T>,
    waker: Arc<SlotWaker>,
}

/// The futures that were woken, and the waker of the task that polls the pool.
#[derive(Default)]
struct ReadyQueue(Mutex<ReadyState>);

#[derive(Default)]
struct ReadyState {
    ready: VecDeque<usize>,
    poller: Option<Waker>,
}

/// Wakes one future of a pool. It is polled once for all wake-ups before that.
struct SlotWaker {
    slot: usize,
    is_queued: AtomicBool,
    queue: Arc<ReadyQueue>,
}

impl ReadyQueue {
    fn lock(&self) -> MutexGuard<'_, ReadyState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        if self.is_queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let poller = {
            let mut state = self.queue.lock();
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

    /// Adds a future. Returns its slot, which is reused after the future has ended.
    pub fn push(&mut self, future: BoxFuture<'a, T>) -> usize {
        let slot = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let waker = Arc::new(SlotWaker { slot, is_queued: AtomicBool::new(false), queue: self.queue.clone() });
        waker.clone().wake();
        let filled = Some(PoolSlot { future, waker });
        match self.slots.get_mut(slot) {
            Some(free) => *free = filled,
            None => self.slots.push(filled),
        }
        slot
    }

    /// Drops the future in a slot.
    pub fn remove(&mut self, slot: usize) {
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = None;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }

    /// The output of the next future that completes. Without futures it never completes.
    pub async fn next(&mut self) -> T {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let ready = {
            let mut state = self.queue.lock();
            state.poller = Some(cx.waker().clone());
            state.ready.len()
        };
        // Futures that wake themselves wait until tasks outside of the pool had their turn.
        for _ in 0..ready {
            let Some(at) = self.queue.lock().ready.pop_front() else { break };
            // A wake-up may remain from an earlier future in this slot.
            let Some(Some(slot)) = self.slots.get_mut(at) else { continue };
            slot.waker.is_queued.store(false, Ordering::Release);
            let waker = Waker::from(slot.waker.clone());
            if let Poll::Ready(output) = slot.future.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.remove(at);
                return Poll::Ready(output);
            }
        }
        if !self.queue.lock().ready.is_empty() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// The output of the future that completed first.
pub(super) enum Either<A, B> {
    Left(A),
    Right(B),
}

/// Awaits the future that completes first, the first one if both are ready, and drops the other.
pub(super) async fn race<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> Either<A, B> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Either::Left(output)),
        Poll::Pending => other.as_mut().poll(cx).map(Either::Right),
    })
    .await
}

#[cfg(test)]
mod tests {
    use runstate_store::layer::yield_now;
    use runstate_store::{Memory, Store};

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn yield_times(yields: usize) -> BoxFuture<'static, usize> {
        Box::pin(async move {
            for _ in 0..yields {
                yield_now().await;
            }
            yields
        })
    }

    #[test]
    fn futures_complete_in_order_and_slots_are_reused() {
        run(async {
            let mut pool = Pool::new();
            for yields in [5, 0, 3] {
                pool.push(yield_times(yields));
            }
            assert_eq!(pool.next().await, 0);
            assert_eq!(pool.push(yield_times(1)), 1);
            let outputs = [pool.next().await, pool.next().await, pool.next().await];
            assert_eq!(outputs, [1, 3, 5]);
            assert!(pool.is_empty());
        });
    }

    #[test]
    fn a_removed_future_never_completes() {
        run(async {
            let mut pool = Pool::new();
            let removed = pool.push(yield_times(0));
            pool.push(yield_times(2));
            pool.remove(removed);
            assert_eq!(pool.next().await, 2);
            assert!(pool.is_empty());
        });
    }

    #[test]
    fn a_pending_future_does_not_block_others() {
        run(async {
            let store = Memory::new();
            let mut pool = Pool::new();
            pool.push(Box::pin(std::future::pending()));
            pool.push(Box::pin(async {
                let _ = store.close().await;
                1
            }));
            let Either::Left(1) = race(pool.next(), std::future::pending::<()>()).await else {
                panic!("the pending future completed")
            };
            assert!(!pool.is_empty());
        });
    }
}
