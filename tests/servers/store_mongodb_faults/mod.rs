//! The store on MongoDB with servers that are killed, cut off, protected or not in a replica set, and with clients that
//! are killed. Nothing that was acknowledged is lost, nothing is applied twice, and every error has its proper code.

mod access;
mod clients;
mod crash;
mod feed;
mod index_builds;
mod killed_client;
mod linearizability;
mod load;
mod network;
mod server;
mod workers;

/// The store under test, for the parts that tests of other servers share.
use runstate::store::mongodb::Mongo as TestedStore;

use crate::settings::is_full_run;
use crate::support::random::SeededRandom;
use crate::support::wait;

async fn open_store(url: &str) -> TestedStore {
    TestedStore::open(url, runstate::store::mongodb::MongoOptions::default()).await.unwrap()
}
