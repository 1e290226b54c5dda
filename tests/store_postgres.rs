//! The store on PostgreSQL under the conformance suite, on a real server: the one that `RUNSTATE_TEST_POSTGRES` names.
#![cfg(all(feature = "testing", feature = "postgres"))]
// Test helpers may panic.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "differential/mod.rs"]
mod comparison;
#[path = "store_postgres/constraints.rs"]
mod constraints;
#[path = "store_postgres/cost.rs"]
mod cost;
#[path = "store_postgres/differential.rs"]
mod differential;
#[path = "store_postgres/divided.rs"]
mod divided;
#[path = "store_postgres/documents.rs"]
mod documents;
#[path = "servers/domain_plans.rs"]
mod domain_plans;
#[path = "store_postgres/errors.rs"]
mod errors;
#[path = "store_postgres/explain.rs"]
mod explain;
#[path = "store_postgres/feed.rs"]
mod feed;
#[path = "store_postgres/fleet.rs"]
mod fleet;
#[path = "store_postgres/formats.rs"]
mod formats;
#[path = "servers/ledger.rs"]
mod ledger;
#[path = "store_postgres/migration.rs"]
mod migration;
#[path = "store_postgres/partitions.rs"]
mod partitions;
#[path = "store_mongodb/scene.rs"]
mod scene;
#[path = "store_postgres/seed.rs"]
mod seed;
#[path = "store_postgres/server.rs"]
mod server;
#[path = "store_postgres/views.rs"]
mod views;
#[path = "servers/wait.rs"]
mod wait;

use std::sync::Arc;

use runstate::marker::BoxFuture;
use runstate::store::postgres::{Postgres, PostgresOptions};
use runstate::store::{Store, StoreError};
use runstate::testing::conformance::Subject;

use self::server::{fresh_url, run_on_server};

async fn fresh() -> Subject {
    let url = fresh_url().await;
    let store = Postgres::open(&url, PostgresOptions::default()).await.unwrap();
    Subject::durable(store, move || -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> {
        let url = url.clone();
        Box::pin(async move { Ok(Arc::new(Postgres::open(&url, PostgresOptions::default()).await?) as Arc<dyn Store>) })
    })
}

runstate::conformance!(fresh, block_on = run_on_server);
