//! A source that went on is imported again.

use std::sync::Arc;

use runstate::store::mongodb::{Mongo, MongoOptions};

use crate::support::domain_layout::seed_layout;
use crate::support::mongodb::{fresh_url, run_on_server};
use crate::support::repeated_import_cases::a_source_that_went_on_is_imported_again;

#[test]
fn source_that_went_on_is_imported_again_into_both_layouts() {
    run_on_server(async {
        let url = fresh_url();
        for url in [seed_layout(&fresh_url()), url] {
            let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
            a_source_that_went_on_is_imported_again(Arc::new(store)).await;
        }
    });
}
