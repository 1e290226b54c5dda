//! The store on MongoDB under the conformance suite, on a real replica set: the one that `RUNSTATE_TEST_MONGODB` names.

mod apps;
mod artifacts;
mod checks;
mod concerns;
mod cost;
mod documents;
mod encryption;
mod errors;
mod faults;
mod fleet;
mod foreign;
mod ledger;
mod migration;
mod mirror;
mod orchestration;
mod recorder;
mod repeated_import;
mod step_graphs;
mod time_series;

use std::sync::Arc;

use runstate::marker::BoxFuture;
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Store, StoreError};
use runstate::testing::conformance::Subject;

use crate::support::mongodb::{fresh_url, run_on_server};

async fn fresh() -> Subject {
    let url = fresh_url();
    let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
    Subject::durable(store, move || -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> {
        let url = url.clone();
        Box::pin(async move { Ok(Arc::new(Mongo::open(&url, MongoOptions::default()).await?) as Arc<dyn Store>) })
    })
}

runstate::conformance!(fresh, block_on = run_on_server);
