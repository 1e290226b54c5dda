//! A source that went on is imported again.

use std::sync::Arc;

use runstate::store::postgres::{Postgres, PostgresOptions};

use crate::support::postgres::{fresh_url, run_on_server};
use crate::support::repeated_import_cases::a_source_that_went_on_is_imported_again;

#[test]
fn source_that_went_on_is_imported_again() {
    run_on_server(async {
        let store = Postgres::open(&fresh_url().await, PostgresOptions::default()).await.unwrap();
        a_source_that_went_on_is_imported_again(Arc::new(store)).await;
    });
}
