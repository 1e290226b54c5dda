//! The operating system as host.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use runstate_core::decision::Stopwatch;
use runstate_core::marker::BoxFuture;
use runstate_value::time::{Millis, Timestamp};

use super::Host;

/// The clock and entropy of the operating system, and the timers of tokio (which require a tokio runtime with time
/// enabled).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemHost;

impl Host for SystemHost {
    fn now(&self) -> Timestamp {
        // A clock before 1970 counts as 1970.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn entropy(&self) -> [u8; 10] {
        let mut bytes = [0u8; 10];
        if getrandom::fill(&mut bytes).is_err() {
            // Without an entropy source, process id, time and thread still distinguish two processes, and ids need no
            // secrecy.
            let process = (std::process::id(), SystemTime::now(), std::thread::current().id());
            bytes.copy_from_slice(&runstate_core::id::sha256(&[format!("{process:?}").as_bytes()])[..10]);
        }
        bytes
    }

    fn stopwatch(&self) -> Option<Stopwatch> {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        Some(|| u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn sleep(&self, span: Millis) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(u64::try_from(span.0).unwrap_or(0))))
    }
}
