//! The conformance suite on tables that are divided, here by a column of an administrator. A table with a unique index
//! cannot be divided by it, and stays whole.

use std::sync::Arc;

use runstate::marker::BoxFuture;
use runstate::schema::{Catalog, Collection};
use runstate::store::layer::StoreLayer;
use runstate::store::postgres::{Postgres, PostgresOptions};
use runstate::store::{Store, StoreAdmin, StoreError};
use runstate::testing::conformance::Subject;

use crate::support::postgres::{connect, fresh_url, read_text, run_on_server};

/// Divides each new table.
struct DividedTables {
    store: Postgres,
    url: String,
}

impl StoreLayer for DividedTables {
    type Inner = Postgres;

    fn inner(&self) -> &Postgres {
        &self.store
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            for collection in catalog.iter().filter(|one| one.indexes.iter().any(|index| index.unique)) {
                unite(&self.url, collection).await;
            }
            self.store.migrate(catalog).await?;
            for collection in catalog.iter().filter(|one| !one.indexes.iter().any(|index| index.unique)) {
                divide(&self.url, collection).await;
            }
            // The indexes of the whole table are gone.
            self.store.migrate(catalog).await
        })
    }
}

async fn is_divided(url: &str, collection: &Collection) -> bool {
    let kind = format!("SELECT relkind FROM pg_class WHERE oid = to_regclass('{}')", collection.name);
    read_text(url, &kind).await.as_deref() == Some("p")
}

/// Makes a table whole that gets a unique index.
async fn unite(url: &str, collection: &Collection) {
    if !is_divided(url, collection).await {
        return;
    }
    let (schema, table) = collection.name.split_once('.').unwrap();
    let script = format!(
        "CREATE TABLE {schema}.whole (LIKE {schema}.{table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (_id)); \
         INSERT INTO {schema}.whole SELECT * FROM {schema}.{table}; ALTER TABLE {schema}.whole DROP COLUMN _day; \
         DROP TABLE {schema}.{table}; ALTER TABLE {schema}.whole RENAME TO {table}"
    );
    connect(url).await.batch_execute(&script).await.unwrap();
}

async fn divide(url: &str, collection: &Collection) {
    if is_divided(url, collection).await {
        return;
    }
    let (schema, table) = collection.name.split_once('.').unwrap();
    // In the suite, a field that is the id holds UUIDs, and its column is the key.
    let id = if let [id] = collection.id_fields { id } else { "_id" };
    let script = format!(
        "ALTER TABLE {schema}.{table} RENAME TO whole; \
         CREATE TABLE {schema}.{table} (LIKE {schema}.whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS, \
         _day date NOT NULL DEFAULT date '2020-01-15' + (random() * 40)::integer * 30, PRIMARY KEY ({id}, _day)) \
         PARTITION BY RANGE (_day); \
         CREATE TABLE {schema}.{table}_first PARTITION OF {schema}.{table} FOR VALUES FROM (MINVALUE) TO ('2021-06-01'); \
         CREATE TABLE {schema}.{table}_second PARTITION OF {schema}.{table} FOR VALUES FROM ('2021-06-01') TO ('2022-01-01'); \
         CREATE TABLE {schema}.{table}_default PARTITION OF {schema}.{table} DEFAULT; DROP TABLE {schema}.whole"
    );
    connect(url).await.batch_execute(&script).await.unwrap();
}

async fn open(url: String) -> Result<DividedTables, StoreError> {
    Ok(DividedTables { store: Postgres::open(&url, PostgresOptions::default()).await?, url })
}

async fn fresh() -> Subject {
    let url = fresh_url().await;
    let store = open(url.clone()).await.unwrap();
    Subject::durable(store, move || -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> {
        let url = url.clone();
        Box::pin(async move { Ok(Arc::new(open(url).await?) as Arc<dyn Store>) })
    })
}

runstate::conformance!(fresh, block_on = run_on_server);
