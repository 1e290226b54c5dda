//! The tables, columns, indexes and metadata that a store has on its server.

use std::collections::{BTreeMap, BTreeSet};

use runstate_core::schema::{Catalog, Collection};
use runstate_store::{COMMANDS, StoreError};
use runstate_value::Json;

use super::Postgres;
use super::connection::{ONE_SNAPSHOT, PooledConnection, StatementReply};
use super::layout::{ColumnType, ID, TableLayout, id_field, key_column, split_name, words_column};
use super::migration_plan::TableRecord;
use super::partitions::TablePartitions;
use super::retry::retry;
use super::statement::{Param, RawColumn, SqlStatement};
use crate::codec;

/// The collections that have tables: the declared ones and the ledger.
pub(super) fn stored(catalog: &Catalog) -> impl Iterator<Item = &'static Collection> + '_ {
    catalog.iter().chain(catalog.get(COMMANDS.name).is_none().then_some(&COMMANDS))
}

#[derive(Clone, Debug)]
pub(super) struct ServerColumn {
    /// Its type.
    pub(super) sql: String,
    pub(super) collation: String,
    pub(super) not_null: bool,
    /// Whether the server gives it a value that an insertion does not name.
    pub(super) has_default: bool,
}

/// The columns of a table, by name.
pub(super) type ServerColumns = BTreeMap<String, ServerColumn>;

type TableName = (String, String);

/// The tables, indexes and metadata on the server.
pub(super) struct ServerState {
    pub(super) meta: BTreeMap<String, Json>,
    pub(super) schemas: BTreeSet<String>,
    /// Those of each table, by schema and table.
    columns: BTreeMap<TableName, ServerColumns>,
    /// Names of the valid indexes and of the checks, by schema and table.
    named: BTreeMap<TableName, BTreeSet<String>>,
    partitions: BTreeMap<TableName, TablePartitions>,
    /// The materialized views, and whether this user may refresh them.
    pub(super) views: BTreeMap<String, bool>,
}

impl ServerState {
    pub(super) fn table(&self, collection: &Collection) -> Option<&ServerColumns> {
        self.columns.get(&table_name(collection))
    }

    /// Whether a table has a valid index or a check of this name.
    pub(super) fn has_index(&self, collection: &Collection, name: &str) -> bool {
        self.named.get(&table_name(collection)).is_some_and(|names| names.contains(name))
    }

    /// The partitions of a table that is divided by a day.
    pub(super) fn partitions(&self, collection: &Collection) -> Option<&TablePartitions> {
        self.partitions.get(&table_name(collection))
    }

    pub(super) fn fingerprint(&self) -> String {
        self.meta.get("schema").and_then(Json::as_str).unwrap_or_default().to_owned()
    }

    /// The error if a newer program declared a collection.
    pub(super) fn newer_version(&self, catalog: &Catalog) -> Option<StoreError> {
        catalog.iter().find_map(|collection| {
            let found = self.meta.get(collection.name)?.get("version")?.as_u64()?;
            (found > u64::from(collection.version))
                .then(|| StoreError::newer_version_of(collection.name, found, collection.version))
        })
    }

    pub(super) fn record(&self, collection: &Collection) -> TableRecord<'_> {
        TableRecord(self.meta.get(collection.name))
    }

    /// The layout of a table. Only recorded columns are those of fields; others have added the rest.
    pub(super) fn layout(&self, collection: &'static Collection) -> TableLayout {
        self.layout_of(collection, |name| self.record(collection).has_column(name))
    }

    /// As [`Self::layout`], in a migration that has added columns and not recorded them yet.
    pub(super) fn migrated_layout(&self, collection: &'static Collection) -> TableLayout {
        let declared = TableLayout::declared(collection);
        self.layout_of(collection, |name| {
            declared.columns.contains_key(name) || self.record(collection).has_column(name)
        })
    }

    fn layout_of(&self, collection: &'static Collection, is_own: impl Fn(&str) -> bool) -> TableLayout {
        let Some(found) = self.table(collection) else {
            return TableLayout { exists: false, ..TableLayout::declared(collection) };
        };
        let fields = || found.iter().filter(|(name, _)| !name.starts_with('_'));
        let own = fields().filter(|(name, _)| is_own(name));
        let columns = own.filter_map(|(name, column)| Some((name.clone(), ColumnType::parse(&column.sql)?))).collect();
        let mut layout = TableLayout::with_columns(collection, columns);
        // An older table keeps its own column. That of a table with a recorded one is of another program.
        let recorded = self.record(collection).id();
        let is_id = |field: &&str| recorded.map_or(!found.contains_key(ID), |id| id == *field);
        layout.id = id_field(collection).filter(is_id).unwrap_or(ID);
        layout.foreign = fields().filter(|(name, _)| !is_own(name)).map(|(name, _)| name.clone()).collect();
        layout.partition = self.partitions(collection).map(|partitions| partitions.column.clone());
        // Of the hidden columns, reads use those that exist.
        layout.keys.retain(|(path, _)| found.contains_key(&key_column(path)));
        layout.words.retain(|index| found.contains_key(&words_column(index)));
        layout
    }
}

fn table_name(collection: &Collection) -> TableName {
    let (schema, table) = split_name(collection.name);
    (schema.to_owned(), table.to_owned())
}

impl Postgres {
    pub(super) async fn read_state(&self, catalog: &Catalog) -> Result<ServerState, StoreError> {
        // As of one moment: a column that a migration adds is not one of others because its record is not read yet.
        let [begin, end] = [SqlStatement::begin(ONE_SNAPSHOT), SqlStatement::commit()];
        let statements: Vec<_> = [begin].into_iter().chain(state_statements(catalog)).chain([end]).collect();
        let statements = &statements;
        let doing = "reading the tables of the store";
        let replies = retry(self, doing, || {
            Box::pin(async move {
                let mut connection = self.pool.acquire().await?;
                let replies = connection.run_all(statements).await?;
                connection.release();
                Ok(replies)
            })
        })
        .await?;
        let read = if let [_, replies @ .., _] = &*replies { replies } else { &[] };
        parse_state(read).map_err(|why| StoreError::Corrupt { at: "runstate.meta".to_owned(), why })
    }

    pub(super) async fn read_state_on(
        &self,
        connection: &mut PooledConnection,
        catalog: &Catalog,
    ) -> Result<ServerState, StoreError> {
        let replies = connection.run_all(&state_statements(catalog)).await;
        let replies =
            replies.map_err(|failed| self.preparation_error(&failed.error, "reading the tables of the store"))?;
        parse_state(&replies).map_err(|why| StoreError::Corrupt { at: "runstate.meta".to_owned(), why })
    }
}

fn state_statements(catalog: &Catalog) -> Vec<SqlStatement> {
    let (schemas, tables): (Vec<String>, Vec<String>) = stored(catalog)
        .map(|collection| split_name(collection.name))
        .map(|(schema, table)| (schema.to_owned(), table.to_owned()))
        .unzip();
    let names = vec![Param::Texts(schemas), Param::Texts(tables)];
    let chosen = "(n.nspname::text, c.relname::text) IN (SELECT * FROM unnest($1, $2))";
    vec![
        SqlStatement::new("SELECT key, value FROM runstate.meta", Vec::new()),
        SqlStatement::new("SELECT nspname::text FROM pg_namespace", Vec::new()),
        SqlStatement::new(
            format!(
                "SELECT n.nspname::text, c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), \
                 coalesce(l.collname::text, ''), a.attnotnull, a.atthasdef OR a.attidentity <> '' FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
                 JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                 LEFT JOIN pg_collation AS l ON l.oid = a.attcollation WHERE c.relkind IN ('r', 'p') AND {chosen}"
            ),
            names.clone(),
        ),
        SqlStatement::new(
            format!(
                "SELECT n.nspname::text, c.relname::text, i.relname::text FROM pg_index AS x \
                 JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_class AS c ON c.oid = x.indrelid \
                 JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE x.indisvalid AND {chosen} \
                 UNION ALL SELECT n.nspname::text, c.relname::text, k.conname::text FROM pg_constraint AS k \
                 JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace \
                 WHERE k.contype = 'c' AND {chosen}"
            ),
            names.clone(),
        ),
        SqlStatement::new(
            format!(
                "SELECT n.nspname::text, c.relname::text, a.attname::text, pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE'), \
                 has_function_privilege(f.oid, 'EXECUTE'), f.prosrc \
                 FROM pg_partitioned_table AS t JOIN pg_class AS c ON c.oid = t.partrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace \
                 JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = t.partattrs[0] AND a.atttypid = 'date'::regtype \
                 JOIN pg_index AS x ON x.indrelid = c.oid AND x.indisprimary AND x.indnkeyatts = 2 \
                 LEFT JOIN pg_proc AS f ON f.pronamespace = n.oid AND f.proname = (c.relname || '_partitions')::name AND f.proargtypes = '16' \
                 WHERE t.partstrat = 'r' AND t.partnatts = 1 AND {chosen}"
            ),
            names,
        ),
        SqlStatement::new(
            "SELECT n.nspname || '.' || c.relname, coalesce(has_function_privilege(f.oid, 'EXECUTE'), false) FROM pg_class AS c \
             JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_proc AS f ON f.pronamespace = n.oid \
             AND f.proname = (c.relname || '_refresh')::name AND f.proargtypes = '' WHERE c.relkind = 'm'",
            Vec::new(),
        ),
    ]
}

fn parse_state(replies: &[StatementReply]) -> Result<ServerState, String> {
    let [meta, schemas, columns, named, partitions, views] = replies else {
        return Err("replies are missing".to_owned());
    };
    let failed = |error: tokio_postgres::Error| error.to_string();
    let mut state = ServerState {
        meta: BTreeMap::new(),
        schemas: BTreeSet::new(),
        columns: BTreeMap::new(),
        named: BTreeMap::new(),
        partitions: BTreeMap::new(),
        views: BTreeMap::new(),
    };
    for row in &meta.rows {
        let value = codec::decode_json(row.try_get::<_, RawColumn<'_>>(1).map_err(failed)?.0)?;
        state.meta.insert(row.try_get(0).map_err(failed)?, value);
    }
    for row in &schemas.rows {
        state.schemas.insert(row.try_get(0).map_err(failed)?);
    }
    for row in &columns.rows {
        let table = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        let column = ServerColumn {
            sql: row.try_get(3).map_err(failed)?,
            collation: row.try_get(4).map_err(failed)?,
            not_null: row.try_get(5).map_err(failed)?,
            has_default: row.try_get(6).map_err(failed)?,
        };
        state.columns.entry(table).or_default().insert(row.try_get(2).map_err(failed)?, column);
    }
    for row in &named.rows {
        let table = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        state.named.entry(table).or_default().insert(row.try_get(2).map_err(failed)?);
    }
    for row in &views.rows {
        state.views.insert(row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    }
    for row in &partitions.rows {
        let table = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        let found = TablePartitions {
            column: row.try_get(2).map_err(failed)?,
            may_change: row.try_get(3).map_err(failed)?,
            may_maintain: row.try_get::<_, Option<bool>>(4).map_err(failed)?.unwrap_or(false),
            body: row.try_get(5).map_err(failed)?,
        };
        state.partitions.insert(table, found);
    }
    Ok(state)
}
