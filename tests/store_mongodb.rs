//! The store on MongoDB under the conformance suite, on a real replica set: the one that `RUNSTATE_TEST_MONGODB` names.
#![cfg(all(feature = "testing", feature = "mongodb"))]
// Test helpers may panic.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "store_mongodb/apps.rs"]
mod apps;
#[path = "store_mongodb/artifacts.rs"]
mod artifacts;
#[path = "store_mongodb/checks.rs"]
mod checks;
#[path = "store_mongodb/concerns.rs"]
mod concerns;
#[path = "store_mongodb/cost.rs"]
mod cost;
#[path = "store_mongodb/documents.rs"]
mod documents;
#[path = "store_mongodb/domain_layout.rs"]
mod domain_layout;
#[path = "store_mongodb/encryption.rs"]
mod encryption;
#[path = "store_mongodb/errors.rs"]
mod errors;
#[path = "store_mongodb/faults.rs"]
mod faults;
#[path = "store_mongodb/fleet.rs"]
mod fleet;
#[path = "store_mongodb/foreign.rs"]
mod foreign;
#[path = "store_mongodb/ledger.rs"]
mod ledger;
#[path = "store_mongodb/migration.rs"]
mod migration;
#[path = "store_mongodb/mirror.rs"]
mod mirror;
#[path = "store_mongodb/orchestration.rs"]
mod orchestration;
#[path = "store_mongodb/recorder.rs"]
mod recorder;
#[path = "store_mongodb/scene.rs"]
mod scene;
#[path = "store_mongodb/server.rs"]
mod server;
#[path = "store_mongodb/step_graphs.rs"]
mod step_graphs;
#[path = "store_mongodb/time_series.rs"]
mod time_series;

use std::sync::Arc;

use runstate::marker::BoxFuture;
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Store, StoreError};
use runstate::testing::conformance::Subject;

use self::server::{fresh_url, run_on_server};

async fn fresh() -> Subject {
    let url = fresh_url();
    let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
    Subject::durable(store, move || -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> {
        let url = url.clone();
        Box::pin(async move { Ok(Arc::new(Mongo::open(&url, MongoOptions::default()).await?) as Arc<dyn Store>) })
    })
}

runstate::conformance!(fresh, block_on = run_on_server);
