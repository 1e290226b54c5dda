//! The store on MongoDB with servers that are killed, cut off, protected or not in a replica set, and with clients that are killed. Nothing
//! that was acknowledged is lost, nothing is applied twice, and every error has its proper code.
#![cfg(unix)]
// Test helpers may panic.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "store_mongodb_faults/access.rs"]
mod access;
#[path = "store_mongodb_faults/checker.rs"]
mod checker;
#[path = "store_mongodb_faults/clients.rs"]
mod clients;
#[path = "store_mongodb_faults/crash.rs"]
mod crash;
#[path = "store_mongodb_faults/feed.rs"]
mod feed;
#[path = "store_mongodb_faults/index_builds.rs"]
mod index_builds;
#[path = "store_mongodb_faults/killed_client.rs"]
mod killed_client;
#[path = "store_mongodb_faults/linearizability.rs"]
mod linearizability;
#[path = "store_mongodb_faults/load.rs"]
mod load;
#[path = "store_mongodb_faults/network.rs"]
mod network;
#[path = "store_mongodb_faults/proxy.rs"]
mod proxy;
#[path = "store_mongodb_faults/register.rs"]
mod register;
#[path = "store_mongodb_faults/server.rs"]
mod server;
#[path = "store_mongodb_faults/workers.rs"]
mod workers;

/// The store under test, for the parts that tests of other servers share.
use runstate::store::mongodb::Mongo as TestedStore;

async fn open_store(url: &str) -> TestedStore {
    TestedStore::open(url, runstate::store::mongodb::MongoOptions::default()).await.unwrap()
}

/// Whether the long form of the tests was requested.
fn is_full_run() -> bool {
    std::env::var_os("RUNSTATE_FULL").is_some()
}

#[path = "servers/random.rs"]
mod random;
use random::SeededRandom;
