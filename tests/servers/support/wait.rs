//! Waiting, and names, ports and folders that no other test uses.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long an operation may take on a busy machine.
pub const MAX_WAIT: Duration = Duration::from_secs(120);

/// Repeats `check` until it returns a value, for at most [`MAX_WAIT`].
pub async fn wait_until<T>(condition: &str, check: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + MAX_WAIT;
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited too long until {condition}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The name of a database that no other test uses.
pub fn fresh_database(test: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    format!("{test}_{now}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A free port outside the range of outgoing connections: it is still free when its server is killed and started again.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_240;
    const MANY: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut ports = (0..MANY).map(|_| std::process::id() * 37 + NEXT.fetch_add(1, Ordering::Relaxed));
    let free = ports.find_map(|port| {
        let port = u16::try_from(FIRST + port % MANY).unwrap();
        TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
    });
    free.unwrap()
}

/// A folder for a server that a test starts, in the folder that `RUNSTATE_SERVER_DATA` names. `cargo xtask test` names
/// one in memory, because servers wait for the disk at each commit, and removes it at the end of the run.
pub fn data_folder(server: &str) -> tempfile::TempDir {
    let parent = std::env::var_os("RUNSTATE_SERVER_DATA").map_or_else(std::env::temp_dir, Into::into);
    tempfile::Builder::new().prefix(&format!("runstate-{server}-")).tempdir_in(parent).unwrap()
}
