//! The cost of a step on PostgreSQL, compared with the same rows written directly with the driver in the same run: the
//! row of the ledger, a document changed under its revision, two inserted documents, and the row of the change feed, in
//! one transaction whose statements are sent at once. Uses the server of RUNSTATE_TEST_POSTGRES, or starts one with
//! RUNSTATE_PGBIN.

#[path = "../figures/mod.rs"]
mod figures;
mod raw;
#[cfg(unix)]
#[path = "../../tests/servers/store_postgres_faults/server.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "the tests use all of it, and may panic")]
mod server;
#[path = "../steps/mod.rs"]
mod steps;
#[cfg(unix)]
#[path = "../../tests/servers/support/wait.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "the tests use all of it, and may panic")]
mod wait;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use figures::{Figure, Figures};
use raw::HandwrittenTarget;
use runstate::store::postgres::{Postgres, PostgresOptions, RoundTripObserver};
use steps::library::LibraryTarget;
use steps::{BenchError, CLIENTS, StepTarget, latency, throughput};

fn main() -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run_on_server())
}

async fn run_on_server() -> Result<(), BenchError> {
    if let Ok(url) = std::env::var("RUNSTATE_TEST_POSTGRES") {
        return bench(&url).await;
    }
    #[cfg(unix)]
    if let Some(node) = server::PostgresNode::start_new().await {
        return bench(&node.url("postgres")).await;
    }
    Ok(())
}

async fn bench(url: &str) -> Result<(), BenchError> {
    let mut figures = Figures::create("postgres")?;
    let url = raw::create_database(url, &format!("bench_{}", std::process::id())).await?;
    let trips = Arc::new(AtomicUsize::new(0));
    let counted = trips.clone();
    // Notifications follow commits, and no caller waits for them.
    let on_round_trip: RoundTripObserver = Arc::new(move |first| {
        counted.fetch_add(usize::from(!first.contains("NOTIFY")), Ordering::Relaxed);
    });
    let options = PostgresOptions { on_round_trip: Some(on_round_trip), ..PostgresOptions::default() };
    let store = Postgres::open(&format!("{url}?maxConnections=64"), options).await?;
    let (library, raw) = (Arc::new(LibraryTarget::new(store).await?), Arc::new(HandwrittenTarget::open(&url).await?));
    latency(&*library, &*raw, &mut figures).await?;
    for clients in CLIENTS {
        throughput(&library, &raw, clients, &mut figures).await?;
    }
    let mut run = library.begin("trips").await?;
    let before = trips.load(Ordering::Relaxed);
    for _ in 0..100 {
        library.step(&mut run).await?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let each = (trips.load(Ordering::Relaxed) - before) as f64 / 100.0;
    Ok(figures.add(Figure::new("round trips of a step", "", each).at_most(2.1))?)
}
