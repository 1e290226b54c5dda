//! The store on PostgreSQL under the conformance suite, on a real server: the one that `RUNSTATE_TEST_POSTGRES` names.

mod altered;
mod constraints;
mod cost;
mod differential;
mod divided;
mod documents;
mod errors;
mod explain;
mod feed;
mod fleet;
mod formats;
mod microseconds;
mod migration;
mod orchestration;
mod partitions;
mod repeated_import;
mod seed;
mod views;

use std::sync::Arc;

use runstate::marker::BoxFuture;
use runstate::store::postgres::{Postgres, PostgresOptions};
use runstate::store::{Store, StoreError};
use runstate::testing::conformance::Subject;

use crate::support::postgres::{fresh_url, run_on_server};

async fn open(url: &str) -> Postgres {
    Postgres::open(url, PostgresOptions::default()).await.unwrap()
}

async fn fresh() -> Subject {
    let url = fresh_url().await;
    let store = open(&url).await;
    Subject::durable(store, move || -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> {
        let url = url.clone();
        Box::pin(async move { Ok(Arc::new(Postgres::open(&url, PostgresOptions::default()).await?) as Arc<dyn Store>) })
    })
}

runstate::conformance!(fresh, block_on = run_on_server);
