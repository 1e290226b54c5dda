//! The runtime of tests that need a server.

use std::future::Future;

/// Runs a test on a tokio runtime. If the variable names no server, prints that the test is skipped.
pub fn run_if_named<T: TestResult>(variable: &str, test: impl Future<Output = T>) -> T {
    if std::env::var_os(variable).is_none() {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        println!("skipped: {name}: {variable} names no server");
        return T::success();
    }
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

/// The result of a test function.
pub trait TestResult {
    /// The result of a test that found no error.
    fn success() -> Self;
}

impl TestResult for () {
    fn success() -> Self {}
}

impl<E> TestResult for Result<(), E> {
    fn success() -> Self {
        Ok(())
    }
}
