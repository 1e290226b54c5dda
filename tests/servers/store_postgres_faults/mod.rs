//! The store on PostgreSQL with servers that are killed or cut off, and with clients that are killed. Nothing that was
//! acknowledged is lost, nothing is applied twice, and every error has its proper code.

mod access;
#[path = "../store_mongodb_faults/clients.rs"]
mod clients;
mod crash;
mod feed;
#[path = "../store_mongodb_faults/killed_client.rs"]
mod killed_client;
mod killed_scripts;
#[path = "../store_mongodb_faults/load.rs"]
mod load;
mod network;
mod pooler;
mod replication;
mod restore;
mod server;
mod tls;

/// The store under test, for the parts that tests of other servers share.
use runstate::store::postgres::Postgres as TestedStore;

use crate::settings::is_full_run;
use crate::support::random::SeededRandom;
use crate::support::wait;

async fn open_store(url: &str) -> TestedStore {
    TestedStore::open(url, runstate::store::postgres::PostgresOptions::default()).await.unwrap()
}
