//! Tools for tests of stores and programs: the conformance suite for any store, a simulated clock, repeatable ids, an
//! in-memory disk with injected faults, and an executor for programs without a runtime. They need the feature
//! `testing`; simulated time and entropy need only the feature `simulation`.

#[cfg(feature = "testing")]
mod batch;
#[cfg(feature = "testing")]
pub mod conformance;
#[cfg(feature = "testing")]
mod domain_scene;
mod host;
#[cfg(all(feature = "testing", feature = "file", feature = "wasm", target_family = "wasm"))]
pub mod node;
#[cfg(feature = "testing")]
mod notes;
#[cfg(feature = "testing")]
mod script;
#[cfg(all(feature = "testing", feature = "wasm", target_family = "wasm"))]
pub mod wasm_exports;
#[cfg(all(feature = "wasm", target_family = "wasm"))]
pub mod world;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::thread::Thread;

#[cfg(feature = "testing")]
pub use batch::{BatchExt, batch};
#[cfg(feature = "testing")]
pub use domain_scene::DomainScene;
pub use host::{SimClock, SimHost, SimIds, TimedHost};
#[cfg(feature = "testing")]
pub use notes::Notes;
#[cfg(feature = "testing")]
pub use script::Script;
#[cfg(feature = "testing")]
pub use script::ScriptAction;
#[cfg(feature = "testing")]
pub use script::ScriptOutcome;
#[cfg(feature = "testing")]
pub use script::ScriptStep;
#[cfg(feature = "testing")]
pub use script::StepOutcome;

use crate::marker::BoxFuture;
#[cfg(all(feature = "testing", feature = "file"))]
pub use crate::store::file::fault;
pub use crate::store::layer::yield_now;

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
