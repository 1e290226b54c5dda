//! The server of the tests, and fresh databases on it.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use mongodb::bson::{Document, doc};

use super::runtime::{TestResult, run_if_named};

/// Runs a test on a tokio runtime, which a store on MongoDB needs. If no server is named, prints that the test is
/// skipped.
pub fn run_on_server<T: TestResult>(test: impl Future<Output = T>) -> T {
    run_if_named("RUNSTATE_TEST_MONGODB", test)
}

/// The URL of a database that no other test uses.
pub fn fresh_url() -> String {
    static USED: AtomicU32 = AtomicU32::new(0);
    let server =
        std::env::var("RUNSTATE_TEST_MONGODB").unwrap_or_else(|_| panic!("RUNSTATE_TEST_MONGODB names no server"));
    let (base, query) = server.split_once('?').unwrap_or((&server, ""));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let name = format!("t{}_{now:x}_{}", std::process::id(), USED.fetch_add(1, Ordering::Relaxed));
    format!("{}/{name}?{query}", base.trim_end_matches('/'))
}

/// The database that a URL names.
pub fn database_name(url: &str) -> Option<String> {
    let base = url.split_once('?').map_or(url, |(base, _)| base);
    let (_, rest) = base.split_once("://")?;
    rest.split_once('/').map(|(_, name)| name.to_owned()).filter(|name| !name.is_empty())
}

/// Runs a command on the database that the URL names, as an operator would.
pub async fn run_command(url: &str, command: Document) -> Document {
    let client = mongodb::Client::with_uri_str(url).await.unwrap();
    client.database(&database_name(url).unwrap()).run_command(command).await.unwrap()
}

/// The indexes of a collection.
pub async fn indexes(url: &str, collection: &str) -> Vec<Document> {
    let reply = run_command(url, doc! {"listIndexes": collection}).await;
    let batch = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    batch.iter().map(|index| index.as_document().unwrap().clone()).collect()
}
