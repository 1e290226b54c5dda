//! Materialized views. A migration creates those whose tables have the columns that they read, and replaces those whose
//! query has changed.

use std::collections::BTreeMap;

use runstate_core::schema::{Catalog, MaterializedView};
use runstate_store::StoreError;
use runstate_value::{CRC_32, Json};

use super::Postgres;
use super::connection::PooledConnection;
use super::functions::{function_name, give_to_owner, owner_function};
use super::layout::{ColumnType, quote_table};
use super::server_state::{ServerState, stored};
use super::statement::{SqlStatement, quote, quote_text};

/// The key of the metadata with the checksums of views, by their names.
const RECORD: &str = "views";

/// The declared views whose tables have all columns that they read.
pub(super) fn possible_views(catalog: &Catalog, state: &ServerState) -> Vec<&'static MaterializedView> {
    let is_readable = |(name, fields): &(&str, &[&str])| {
        catalog.get(name).filter(|collection| state.table(collection).is_some()).is_some_and(|collection| {
            let layout = state.layout(collection);
            fields.iter().all(|path| {
                let declared = collection.fields.iter().find(|field| field.name == *path);
                let found = layout.columns.get(*path);
                declared.zip(found).is_some_and(|(field, found)| found.holds(ColumnType::for_field(field)))
            })
        })
    };
    let views = stored(catalog).flat_map(|collection| collection.views.iter().copied());
    views.filter(|view| view.reads.iter().all(is_readable)).collect()
}

/// The possible views that do not exist as declared.
pub(super) fn pending_views(catalog: &Catalog, state: &ServerState) -> Vec<&'static MaterializedView> {
    let recorded = recorded_views(state);
    let is_current = |view: &&'static MaterializedView| {
        state.views.contains_key(view.name) && recorded.get(view.name) == Some(&checksum(view))
    };
    possible_views(catalog, state).into_iter().filter(|view| !is_current(view)).collect()
}

fn checksum(view: &MaterializedView) -> String {
    let definition =
        format!("{} {} {} {}", view.query, view.index, view.key.join(" "), refresh_body(&quote_table(view.name)));
    format!("{:08x}", CRC_32.checksum(definition.as_bytes()))
}

/// The name of the function that refreshes this view.
pub(super) fn refresh_function(view: &str) -> String {
    function_name(view, "_refresh")
}

/// The body of that function, which returns the number of rows.
fn refresh_body(view: &str) -> String {
    format!("BEGIN REFRESH MATERIALIZED VIEW CONCURRENTLY {view}; RETURN (SELECT count(*) FROM {view}); END")
}

/// The checksums of the views that this or another program has created, by name.
fn recorded_views(state: &ServerState) -> BTreeMap<String, String> {
    let recorded = state.meta.get(RECORD).and_then(Json::as_object).into_iter().flatten();
    recorded.map(|(name, checksum)| (name.clone(), checksum.as_str().unwrap_or_default().to_owned())).collect()
}

/// The statements that give a new view to the owner of a table that it reads, and let those read it who may read all of
/// its tables.
fn grant_to_readers(view: &MaterializedView) -> String {
    let tables: Vec<String> = view.reads.iter().map(|(name, _)| quote_table(name)).collect();
    let table = quote_table(view.name);
    let owner = tables.first().map(|first| give_to_owner(&format!("MATERIALIZED VIEW {table}"), first));
    let tables: Vec<String> = tables.iter().map(|name| quote_text(name)).collect();
    let body = format!(
        "DECLARE reader text; BEGIN FOR reader IN SELECT coalesce(nullif(grantee::regrole::text, '-'), 'PUBLIC') \
         FROM pg_class, aclexplode(relacl) WHERE oid = ANY (ARRAY[{}]::regclass[]) AND privilege_type = 'SELECT' \
         GROUP BY grantee HAVING count(DISTINCT oid) = {} LOOP EXECUTE {} || reader; END LOOP; END",
        tables.join(", "),
        tables.len(),
        quote_text(&format!("GRANT SELECT ON {table} TO "))
    );
    format!("DO {}; {}", quote_text(&body), owner.unwrap_or_default())
}

impl Postgres {
    /// Drops the recorded views, in the transaction of a migration that changes the type of a column.
    pub(super) async fn drop_views(
        &self,
        connection: &PooledConnection,
        state: &ServerState,
    ) -> Result<(), StoreError> {
        for name in recorded_views(state).keys() {
            let script = format!("DROP MATERIALIZED VIEW IF EXISTS {}", quote_table(name));
            let run = connection.run_script(&script).await;
            run.map_err(|error| self.preparation_error(&error, &format!("dropping the view {name}")))?;
        }
        Ok(())
    }

    /// Creates the views that do not exist as declared, in the transaction of a migration.
    pub(super) async fn create_views(
        &self,
        connection: &mut PooledConnection,
        catalog: &Catalog,
        state: &ServerState,
    ) -> Result<(), StoreError> {
        let pending = pending_views(catalog, state);
        let mut recorded = recorded_views(state);
        for view in &pending {
            let table = quote_table(view.name);
            let key: Vec<String> = view.key.iter().map(|column| quote(column)).collect();
            let script = format!(
                "DROP MATERIALIZED VIEW IF EXISTS {table}; CREATE MATERIALIZED VIEW {table} AS {}; \
                 CREATE UNIQUE INDEX {} ON {table} ({}); {}; {}",
                view.query,
                quote(view.index),
                key.join(", "),
                grant_to_readers(view),
                owner_function(&table, &refresh_function(&table), "", "bigint", &refresh_body(&table))
            );
            let run = connection.run_script(&script).await;
            run.map_err(|error| self.preparation_error(&error, &format!("creating the view {}", view.name)))?;
            recorded.insert(view.name.to_owned(), checksum(view));
        }
        match pending.is_empty() {
            true => Ok(()),
            false => self.record(connection, RECORD, recorded.into_iter().collect()).await,
        }
    }

    /// Refreshes the views whose functions this user may call, while others read them. Returns the number of their rows; `None`:
    /// there is none.
    pub(super) async fn refresh_views(
        &self,
        catalog: &Catalog,
        state: &ServerState,
    ) -> Result<Option<u64>, StoreError> {
        let mut rows = None;
        for view in possible_views(catalog, state) {
            if state.views.get(view.name) != Some(&true) {
                continue;
            }
            let (table, doing) = (quote_table(view.name), format!("refreshing the view {}", view.name));
            let failed = |error: tokio_postgres::Error| self.map_error(&error, &doing);
            let mut connection = self.pool.acquire().await.map_err(failed)?;
            let begin = "BEGIN READ WRITE; SET LOCAL statement_timeout = 0; SET LOCAL client_min_messages = 'warning'";
            connection.run_script(begin).await.map_err(failed)?;
            let call = SqlStatement::new(format!("SELECT {}()", refresh_function(&table)), Vec::new());
            let reply = connection.run(&call).await.map_err(failed)?;
            let found: i64 = reply.rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(failed)?;
            connection.run_script("COMMIT").await.map_err(failed)?;
            connection.release();
            rows = Some(rows.unwrap_or(0) + u64::try_from(found).unwrap_or(0));
        }
        Ok(rows)
    }
}
