//! The server that tests use, and databases of their own on it.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

/// A store on MongoDB needs a tokio runtime.
pub fn on_tokio<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// The URL of a database that nobody else has used.
pub fn fresh_url() -> String {
    static USED: AtomicU32 = AtomicU32::new(0);
    let server =
        std::env::var("RUNSTATE_TEST_MONGODB").unwrap_or_else(|_| panic!("RUNSTATE_TEST_MONGODB names no server"));
    let (base, query) = server.split_once('?').unwrap_or((&server, ""));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let name = format!("t{}_{now:x}_{}", std::process::id(), USED.fetch_add(1, Ordering::Relaxed));
    format!("{}/{name}?{query}", base.trim_end_matches('/'))
}
