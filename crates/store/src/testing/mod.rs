//! Tools for tests of stores: the conformance suite for any store, layers that count, limit and fail, batches in one
//! line, and an executor for programs without a runtime.

mod batch;
pub mod conformance;
mod counting;
mod fault;
#[cfg(test)]
mod layer_tests;
mod limited;
mod notes;
mod simulation;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::thread::Thread;

use runstate_core::marker::BoxFuture;
pub use runstate_core::marker::yield_now;

pub use batch::{BatchExt, batch};
pub use counting::{CallCounts, CountingStore};
pub use fault::{Fault, FaultStore};
pub use limited::LimitedStore;
pub use notes::Notes;
pub use simulation::{SimClock, SimIds};

/// Runs `future` to completion on this thread.
///
/// ```
/// assert_eq!(runstate::testing::block_on(async { 1 + 1 }), 2);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct ThreadWaker(Thread);
    impl Wake for ThreadWaker {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(ThreadWaker(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Runs all futures concurrently in one task; returns their outputs in order.
pub async fn join_all<T>(futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    enum JoinSlot<'a, T> {
        Running(BoxFuture<'a, T>),
        Done(T),
    }
    let mut slots: Vec<JoinSlot<'_, T>> = futures.into_iter().map(JoinSlot::Running).collect();
    poll_fn(|cx| {
        let mut running = false;
        for slot in &mut slots {
            if let JoinSlot::Running(future) = slot {
                match future.as_mut().poll(cx) {
                    Poll::Ready(output) => *slot = JoinSlot::Done(output),
                    Poll::Pending => running = true,
                }
            }
        }
        if running { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    let outputs = slots.into_iter().filter_map(|slot| match slot {
        JoinSlot::Done(output) => Some(output),
        JoinSlot::Running(_) => None,
    });
    outputs.collect()
}
