//! What is asynchronous and needs no runtime: the only types that differ between native and wasm builds. Futures and
//! stores are `Send` in native builds. In a page everything runs on one thread, so they need not be `Send` there.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// A future of a store or a host: `Send` in native builds, not in wasm.
#[cfg(not(target_family = "wasm"))]
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A future of a store or a host: `Send` in native builds, not in wasm.
#[cfg(target_family = "wasm")]
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// `Send` in native builds, no bound in wasm.
#[cfg(not(target_family = "wasm"))]
pub trait MaybeSend: Send {}
#[cfg(not(target_family = "wasm"))]
impl<T: Send + ?Sized> MaybeSend for T {}

/// `Send` in native builds, no bound in wasm.
#[cfg(target_family = "wasm")]
pub trait MaybeSend {}
#[cfg(target_family = "wasm")]
impl<T: ?Sized> MaybeSend for T {}

/// `Send + Sync` in native builds, no bound in wasm.
#[cfg(not(target_family = "wasm"))]
pub trait MaybeSync: Send + Sync {}
#[cfg(not(target_family = "wasm"))]
impl<T: Send + Sync + ?Sized> MaybeSync for T {}

/// `Send + Sync` in native builds, no bound in wasm.
#[cfg(target_family = "wasm")]
pub trait MaybeSync {}
#[cfg(target_family = "wasm")]
impl<T: ?Sized> MaybeSync for T {}

/// Yields once, so that other tasks and other futures of this task can run.
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
