//! Random batches, queries, aggregates and sweeps: MongoDB returns what memory returns.

use runstate::schema::Catalog;

use super::open_in_one_database;
use crate::support::differential::{ITEMS, compare_with_memory};
use crate::support::mongodb::run_on_server;

#[test]
fn memory_and_mongodb_agree() {
    run_on_server(async {
        let fixture = open_in_one_database(&Catalog::new(&[&ITEMS]).unwrap()).await;
        compare_with_memory(&fixture.store).await;
    });
}
