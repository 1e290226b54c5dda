//! Futures of a store in memory.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The output of a future of a store in memory, which is ready at once.
pub fn poll_ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is not ready"),
    }
}
