//! Passwords: the right one opens a store, and the error of a wrong one does not contain it.

use runstate::store::postgres::{Postgres, PostgresOptions};
use runstate::store::{StoreAdmin as _, StoreError};

use super::load;
use super::server::PostgresNode;
use crate::support::wait::wait_until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_password_is_not_authorized_and_never_printed() {
    let Some(node) = PostgresNode::start_new().await else { return };
    let database = node.create_database("access").await;
    let (operator, connection) = tokio_postgres::connect(&node.url(&database), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let setup = format!("CREATE ROLE ann LOGIN PASSWORD 'r@ght%/:?'; GRANT CREATE ON DATABASE {database} TO ann");
    operator.batch_execute(&setup).await.unwrap();
    node.require_password_of("ann");
    operator.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let url = |password: &str| format!("postgres://ann:{password}@127.0.0.1:{}/{database}", node.port);
    let error = wait_until("the server asks for passwords", async || {
        Postgres::open(&url("wr%40ng"), PostgresOptions::default()).await.err()
    })
    .await;
    assert!(matches!(error, StoreError::NotAuthorized { .. }), "{error}");
    assert!(!error.to_string().contains("wr@ng") && !error.to_string().contains("wr%40ng"), "{error}");
    let store = Postgres::open(&url("r%40ght%25%2F%3A%3F"), PostgresOptions::default()).await.unwrap();
    store.migrate(&load::catalog()).await.unwrap();
    load::count(&store, 1, 0, "all").await;
}
