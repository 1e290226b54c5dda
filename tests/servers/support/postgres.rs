//! The server of the tests, and fresh databases on it.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls};

use super::runtime::{TestResult, run_if_named};

/// Runs a test on a tokio runtime, which a store on PostgreSQL needs. If no server is named, prints that the test is
/// skipped.
pub fn run_on_server<T: TestResult>(test: impl Future<Output = T>) -> T {
    run_if_named("RUNSTATE_TEST_POSTGRES", test)
}

/// The URL of the server, without a database.
pub fn server_url() -> String {
    let url =
        std::env::var("RUNSTATE_TEST_POSTGRES").unwrap_or_else(|_| panic!("RUNSTATE_TEST_POSTGRES names no server"));
    url.rsplit_once('/').map_or(url.clone(), |(server, _)| server.to_owned())
}

/// The URL of a new database.
pub async fn fresh_url() -> String {
    static USED: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let name = format!("t{}_{now:x}_{}", std::process::id(), USED.fetch_add(1, Ordering::Relaxed));
    let postgres = connect(&format!("{}/postgres", server_url())).await;
    postgres.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await.unwrap();
    format!("{}/{name}", server_url())
}

/// A connection as an operator has it.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The first value of a query's first row, as text.
pub async fn read_text(url: &str, query: &str) -> Option<String> {
    let rows = connect(url).await.simple_query(query).await.unwrap();
    rows.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}
