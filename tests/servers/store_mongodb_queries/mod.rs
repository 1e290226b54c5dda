//! Queries of the store on MongoDB, on the replica set that `RUNSTATE_TEST_MONGODB` names, with documents for every
//! collection of the domain. Results are those of memory, and declared indexes serve them.

mod differential;
mod explain;
mod feed;
mod other_seeds;
mod search;
#[path = "../../stores/apps/search_documents.rs"]
mod search_documents;

use runstate::schema::Catalog;
use runstate::store::StoreAdmin;
use runstate::store::mongodb::{Mongo, MongoOptions};

use crate::support::domain_layout::seed_layout;
use crate::support::mongodb::{database_name, fresh_url};

/// A store in a database of its own, with the URL of the server and the name of the database.
struct MongoTestStore {
    store: Mongo,
    server: String,
    database: String,
}

/// Opens a store in one database.
async fn open_in_one_database(catalog: &Catalog) -> MongoTestStore {
    open_at(catalog, |url| url.to_owned()).await
}

/// Opens a store in several databases (`layout=seed`), whose names begin with the name of the test's database.
async fn open_over_databases(catalog: &Catalog) -> MongoTestStore {
    open_at(catalog, seed_layout).await
}

async fn open_at(catalog: &Catalog, with_layout: fn(&str) -> String) -> MongoTestStore {
    let (server, url) = (std::env::var("RUNSTATE_TEST_MONGODB").unwrap(), fresh_url());
    let database = database_name(&url).unwrap();
    let store = Mongo::open(&with_layout(&url), MongoOptions::default()).await.unwrap();
    store.migrate(catalog).await.unwrap();
    MongoTestStore { store, server, database }
}
