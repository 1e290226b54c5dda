//! Random batches, queries, aggregates and sweeps: PostgreSQL returns what memory returns.

use runstate::schema::Catalog;
use runstate::store::StoreAdmin as _;
use runstate::store::postgres::{Postgres, PostgresOptions};

use crate::support::differential::{ITEMS, compare_with_memory};
use crate::support::postgres::{fresh_url, run_on_server};

#[test]
fn memory_and_postgresql_agree() {
    run_on_server(async {
        // Without prepared statements, as behind a pooler between transactions.
        for options in ["", "?preparedStatements=false"] {
            let url = format!("{}{options}", fresh_url().await);
            let store = Postgres::open(&url, PostgresOptions::default()).await.unwrap();
            store.migrate(&Catalog::new(&[&ITEMS]).unwrap()).await.unwrap();
            compare_with_memory(&store).await;
        }
    });
}
