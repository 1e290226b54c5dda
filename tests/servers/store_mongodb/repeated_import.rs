//! A source that went on is imported again.

use std::sync::Arc;

use runstate::store::mongodb::{Mongo, MongoOptions};

use crate::support::domain_layout::{seed_layout, tested_layouts};
use crate::support::mongodb::{fresh_url, run_on_server};
use crate::support::repeated_import_cases::{
    a_source_that_went_on_is_imported_again, document_with_a_skipped_part_is_kept,
    export_of_another_store_updates_nothing, unique_values_that_have_moved_are_imported,
};

#[test]
fn source_that_went_on_is_imported_again_into_both_layouts() {
    run_on_server(async {
        for is_divided in tested_layouts() {
            let url = if is_divided { seed_layout(&fresh_url()) } else { fresh_url() };
            let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
            a_source_that_went_on_is_imported_again(Arc::new(store)).await;
        }
    });
}

#[test]
fn moved_values_skipped_parts_and_another_store_are_imported_again() {
    run_on_server(async {
        let open = async || Arc::new(Mongo::open(&fresh_url(), MongoOptions::default()).await.unwrap());
        unique_values_that_have_moved_are_imported(open().await).await;
        document_with_a_skipped_part_is_kept(open().await).await;
        export_of_another_store_updates_nothing(open().await).await;
    });
}
