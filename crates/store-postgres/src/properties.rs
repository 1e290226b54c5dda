//! Properties of the server and of the store's tables, for operators.

use runstate_core::schema::Catalog;
use runstate_store::{Finding, StoreError, StoreProperty, VerifyReport};
use runstate_value::{Document, Json};
use serde_json::json;

use super::Postgres;
use super::codec::column_names;
use super::indexes::required_indexes;
use super::layout::TableLayout;
use super::migration_plan::plan_existing_table;
use super::retry::retry;
use super::server_state::stored;
use super::statement::{SqlStatement, quote};
use super::views::pending_views;

/// The tables of the store: those with its own columns, by schema. The size of a divided table is that of its
/// partitions.
const TABLES: &str = "SELECT n.nspname::text, c.relname::text, coalesce(t.bytes, pg_table_size(c.oid)), \
    coalesce(t.index_bytes, pg_indexes_size(c.oid)) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace, \
    LATERAL (SELECT sum(pg_table_size(relid))::bigint AS bytes, sum(pg_indexes_size(relid))::bigint AS index_bytes \
    FROM pg_partition_tree(c.oid)) AS t WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND (SELECT count(*) FROM pg_attribute AS a \
    WHERE a.attrelid = c.oid AND a.attname IN ('_rev', '_v', '_rest')) = 3 ORDER BY 1, 2";

/// A table of the store.
struct TableSize {
    schema: String,
    table: String,
    bytes: i64,
    index_bytes: i64,
}

async fn read_tables(store: &Postgres, doing: &str) -> Result<Vec<TableSize>, StoreError> {
    let statement = SqlStatement::new(TABLES, Vec::new());
    let statement = &statement;
    let reply = retry(store, doing, || Box::pin(store.run_once(statement))).await?;
    let sizes = reply.rows.iter().map(|row| {
        Ok(TableSize {
            schema: row.try_get(0)?,
            table: row.try_get(1)?,
            bytes: row.try_get(2)?,
            index_bytes: row.try_get(3)?,
        })
    });
    sizes.collect::<Result<_, tokio_postgres::Error>>().map_err(|error| store.map_error(&error, doing))
}

/// The names of the collections that have documents.
pub(super) async fn collections(store: &Postgres) -> Result<Vec<String>, StoreError> {
    let doing = "listing the collections";
    let tables = read_tables(store, doing).await?;
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let each = tables
        .iter()
        .map(|TableSize { schema, table, .. }| format!("EXISTS (SELECT 1 FROM {}.{})", quote(schema), quote(table)));
    let statement = SqlStatement::new(format!("SELECT ARRAY[{}]", each.collect::<Vec<_>>().join(", ")), Vec::new());
    let statement = &statement;
    let reply = retry(store, doing, || Box::pin(store.run_once(statement))).await?;
    let filled: Vec<bool> = match reply.rows.first() {
        Some(row) => row.try_get(0).map_err(|error| store.map_error(&error, doing))?,
        None => Vec::new(),
    };
    let names = tables.iter().zip(filled).filter(|(_, filled)| *filled);
    let mut names: Vec<String> = names.map(|(table, _)| format!("{}.{}", table.schema, table.table)).collect();
    names.sort_unstable();
    Ok(names)
}

/// Properties for the operator.
pub(super) async fn read_properties(store: &Postgres) -> Result<Vec<StoreProperty>, StoreError> {
    let doing = "reading the properties of the server";
    let statement = SqlStatement::new("SELECT current_setting('server_version'), current_user::text", Vec::new());
    let statement = &statement;
    let reply = retry(store, doing, || Box::pin(store.run_once(statement))).await?;
    let version: String = reply.rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
    let mut sizes = Document::new();
    for TableSize { schema, table, bytes, index_bytes } in read_tables(store, doing).await? {
        sizes.insert(format!("{schema}.{table}"), json!({"bytes": bytes, "indexBytes": index_bytes}));
    }
    let catalog = store.declarations().catalog.clone();
    let missing = missing_parts(store, &catalog).await?;
    let missing: Vec<String> = missing.into_iter().map(|one| format!("{}: {}", one.at, one.why)).collect();
    let mut properties = vec![
        StoreProperty::new("server", format!("PostgreSQL {version}")),
        StoreProperty::new("hosts", store.server.as_str()),
        StoreProperty::new("collections", Json::Object(sizes)),
    ];
    if !missing.is_empty() {
        properties.push(StoreProperty::new("partsMissing", missing));
    }
    Ok(properties)
}

/// Compares the tables with a catalog.
pub(super) async fn do_inspect(store: &Postgres, catalog: &Catalog) -> Result<VerifyReport, StoreError> {
    let mut report = VerifyReport { store: Some(store.id.clone()), ..VerifyReport::default() };
    for finding in missing_parts(store, catalog).await? {
        report.add(finding);
    }
    Ok(report)
}

/// The declared parts that the server does not have, and what others have altered so that it does harm.
async fn missing_parts(store: &Postgres, catalog: &Catalog) -> Result<Vec<Finding>, StoreError> {
    let missing =
        |at: &str, what: &str| Finding::harmless(at, format!("{what}; open the store with the right to create it"));
    let state = store.read_state(catalog).await?;
    let mut findings = Vec::new();
    for collection in stored(catalog) {
        let Some(found) = state.table(collection) else {
            findings.push(match state.meta.contains_key(collection.name) {
                true => Finding::damage(collection.name, "its table was dropped; restore it from a backup"),
                false => missing(collection.name, "its table does not exist"),
            });
            continue;
        };
        if let Err(error) = plan_existing_table(collection, &state, found) {
            findings.push(Finding::damage(collection.name, error.to_string()));
            continue;
        }
        let layout = state.layout(collection);
        let names = column_names(&TableLayout::declared(collection));
        let absent = names.iter().filter(|name| !found.contains_key(*name));
        findings.extend(absent.map(|name| missing(collection.name, &format!("the column `{name}` is missing"))));
        let indexes = required_indexes(&layout).into_iter().filter(|index| !state.has_index(collection, &index.name));
        findings.extend(
            indexes.map(|index| missing(collection.name, &format!("the index `{}` is missing", index.declared))),
        );
        let is_foreign = |name: &str| !name.starts_with('_') && !state.record(collection).has_column(name);
        let blocking = found.iter().filter(|(name, one)| is_foreign(name) && one.not_null && !one.has_default);
        findings.extend(blocking.map(|(name, _)| {
            let why = format!(
                "the column `{name}` of another program has no default, so nothing can be inserted; run \
                 `ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL`",
                layout.table,
                quote(name)
            );
            Finding::harmless(collection.name, why)
        }));
    }
    let views = pending_views(catalog, &state).into_iter();
    findings.extend(views.map(|view| missing(view.name, "this view is missing, or has an older query")));
    Ok(findings)
}
