//! Creates schemas, tables, columns and indexes as a catalog declares them, in one transaction. Existing ones are only
//! read, so a user without the right to create can start on a prepared database.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use runstate_core::id::{hex, sha256};
use runstate_core::schema::{Catalog, Collection, Key};
use runstate_store::StoreError;
use runstate_value::Json;
use serde_json::json;

use super::codec;
use super::commit_steps::write_texts;
use super::connection::PooledConnection;
use super::constraints::required_constraints;
use super::error_mapping::{FailureKind, classify, is_dependency};
use super::indexes::{ServerIndex, required_indexes};
use super::layout::{ColumnType, TableLayout, split_name};
use super::migration_plan::{TableMigration, TableRecord, add_column, does_not_fit, drop_constraint, plan};
use super::server_state::{ServerState, stored};
use super::statement::{Param, SqlStatement, quote};
use super::views::pending_views;
use super::{DeclaredLayouts, Postgres};

/// Documents that are rewritten at once.
const REWRITE_BATCH: usize = 100;

impl Postgres {
    pub(super) async fn do_migrate(&self, catalog: &Catalog) -> Result<(), StoreError> {
        const DOING: &str = "migrating the store";
        let state = self.read_state(catalog).await?;
        self.refuse_newer(catalog, &state)?;
        let is_current = plan(catalog, &state)?.values().all(TableMigration::is_empty);
        if is_current && pending_views(catalog, &state).is_empty() {
            self.set_declarations(declared_layouts(catalog, &state));
            return Ok(());
        }
        let mut connection = self.pool.acquire().await.map_err(|error| self.map_error(&error, DOING))?;
        self.begin_migration(&connection, "60s").await.map_err(|error| self.map_error(&error, DOING))?;
        match self.migrate_locked(&mut connection, catalog).await {
            Ok(()) => {
                connection.run_script("COMMIT").await.map_err(|error| self.map_error(&error, DOING))?;
                connection.release();
                let state = self.read_state(catalog).await?;
                // A newer program may have migrated the store since.
                self.refuse_newer(catalog, &state)?;
                self.set_declarations(declared_layouts(catalog, &state));
                Ok(())
            }
            Err(error) => {
                if connection.run_script("ROLLBACK").await.is_ok() {
                    connection.release();
                }
                Err(error)
            }
        }
    }

    /// Runs the migration in the open transaction.
    async fn migrate_locked(&self, connection: &mut PooledConnection, catalog: &Catalog) -> Result<(), StoreError> {
        // Another process may have migrated the store meanwhile.
        let mut state = self.read_state_on(connection, catalog).await?;
        self.refuse_newer(catalog, &state)?;
        let mut migrations = plan(catalog, &state)?;
        if migrations.values().any(|migration| migration.retypes) {
            self.drop_views(connection, &state).await?;
        }
        for (name, migration) in &mut migrations {
            let Some(collection) = stored(catalog).find(|one| one.name == *name) else { continue };
            self.relax_columns(connection, collection, &state, migration).await?;
            let what = format!("preparing {name}");
            for script in &migration.scripts {
                connection.run_script(script).await.map_err(|error| self.preparation_error(&error, &what))?;
            }
        }
        connection.forget_statements();
        state = self.read_state_on(connection, catalog).await?;
        for (name, migration) in &migrations {
            let Some(collection) = stored(catalog).find(|one| one.name == *name) else { continue };
            let layout = state.migrated_layout(collection);
            if let Some(condition) = &migration.rewrite {
                self.rewrite(connection, &layout, condition).await?;
            }
            let meta = self.complete_table(connection, &state, &layout, migration).await?;
            state.meta.insert(collection.name.to_owned(), meta.clone());
            self.record(connection, collection.name, meta).await?;
        }
        // Plans of tables whose columns were dropped.
        connection.forget_statements();
        self.create_views(connection, catalog, &state).await?;
        let text: String = state
            .meta
            .iter()
            .filter(|(name, _)| name.contains('.'))
            .map(|(name, meta)| format!("{name} {meta}\n"))
            .collect();
        self.record(connection, "schema", hex(&sha256(&[text.as_bytes()])[..8]).into()).await
    }

    /// Creates indexes, checks and partitions of a table, and drops those of earlier versions. Returns its metadata.
    async fn complete_table(
        &self,
        connection: &mut PooledConnection,
        state: &ServerState,
        layout: &TableLayout,
        migration: &TableMigration,
    ) -> Result<Json, StoreError> {
        let collection = layout.collection;
        let record = TableRecord(state.meta.get(collection.name));
        let is_newer = record.version().unwrap_or(0) < u64::from(collection.version);
        let run = async |connection: &PooledConnection, script: String, doing: &str| {
            connection.run_script(&script).await.map_err(|error| self.preparation_error(&error, doing))
        };
        let mut names = Vec::new();
        for index in required_indexes(layout) {
            if !state.has_index(collection, &index.name) {
                self.create_index(connection, collection, &index).await?;
            }
            names.push(index.name);
        }
        let (schema, _) = split_name(collection.name);
        for name in record.names("indexes").unwrap_or_default() {
            match names.contains(&name) {
                true => {}
                false if is_newer => {
                    let script = format!("DROP INDEX IF EXISTS {}.{}", quote(schema), quote(&name));
                    run(connection, script, "dropping an index").await?;
                }
                // Another program with this version may need its indexes.
                false => names.push(name),
            }
        }
        let mut checks = record.names("checks").unwrap_or_default();
        if migration.constraints {
            let wanted = required_constraints(layout);
            for check in wanted.iter().filter(|check| !state.has_index(collection, &check.name)) {
                // Documents of an earlier version may break it, and stay.
                let script = format!("ALTER TABLE {} ADD {} NOT VALID", layout.table, check.clause());
                run(connection, script, "creating a check").await?;
            }
            for name in checks.iter().filter(|name| !wanted.iter().any(|check| check.name == **name)) {
                run(connection, drop_constraint(&layout.table, name), "dropping a check").await?;
            }
            checks = wanted.into_iter().map(|check| check.name).collect();
        }
        let mut hidden: Vec<String> = layout.hidden_columns().into_iter().map(|(name, _)| name).collect();
        if is_newer {
            let found = state.table(collection).into_iter().flatten().map(|(name, _)| name);
            for name in found.filter(|name| name.starts_with("_key:") || name.starts_with("_words:")) {
                if !hidden.contains(name) {
                    self.drop_hidden_column(connection, layout, name).await?;
                }
            }
        } else {
            hidden.extend(record.names("hidden").unwrap_or_default());
        }
        self.prepare_partitions(connection, layout, state).await?;
        let columns: BTreeMap<&String, Cow<'static, str>> =
            layout.columns.iter().map(|(name, column)| (name, column.name())).collect();
        for list in [&mut names, &mut hidden] {
            list.sort_unstable();
            list.dedup();
        }
        Ok(json!({
            "version": collection.version, "id": layout.id, "columns": columns, "indexes": names, "checks": checks, "hidden": hidden,
        }))
    }

    /// Drops a hidden column that no index needs any more. One that a view of an operator reads stays, and is filled
    /// again when it is needed.
    async fn drop_hidden_column(
        &self,
        connection: &PooledConnection,
        layout: &TableLayout,
        name: &str,
    ) -> Result<(), StoreError> {
        let failed = |error| self.preparation_error(&error, "dropping a column of an index");
        connection.run_script("SAVEPOINT hidden_column").await.map_err(failed)?;
        let script = format!("ALTER TABLE {} DROP COLUMN {}", layout.table, quote(name));
        match connection.run_script(&script).await {
            Err(error) if is_dependency(&error) => {
                connection.run_script("ROLLBACK TO hidden_column").await.map_err(failed)
            }
            Err(error) => Err(failed(error)),
            Ok(()) => connection.run_script("RELEASE hidden_column").await.map_err(failed),
        }
    }

    pub(super) async fn record(
        &self,
        connection: &mut PooledConnection,
        key: &str,
        value: Json,
    ) -> Result<(), StoreError> {
        let text = "INSERT INTO runstate.meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value";
        let statement = SqlStatement::new(text, vec![Param::from(key), Param::Json(value.to_string())]);
        connection
            .run(&statement)
            .await
            .map_err(|error| self.preparation_error(&error, "recording the declarations"))?;
        Ok(())
    }

    async fn create_index(
        &self,
        connection: &mut PooledConnection,
        collection: &Collection,
        index: &ServerIndex,
    ) -> Result<(), StoreError> {
        let what = format!("creating index `{}` of {}", index.declared, collection.name);
        let failed = |error| self.preparation_error(&error, &what);
        let Some(find_duplicate) = &index.find_duplicate else {
            return connection.run_script(&index.create).await.map_err(failed);
        };
        connection.run_script("SAVEPOINT unique_index").await.map_err(failed)?;
        match connection.run_script(&index.create).await {
            Ok(()) => connection.run_script("RELEASE unique_index").await.map_err(failed),
            Err(error) if classify(&error) == FailureKind::UniqueViolation => {
                connection.run_script("ROLLBACK TO unique_index").await.map_err(failed)?;
                let found =
                    connection.run(&SqlStatement::new(find_duplicate.as_str(), Vec::new())).await.map_err(failed)?;
                let id: Option<String> = found.rows.first().map(|row| row.try_get(0)).transpose().map_err(failed)?;
                let key = Key { collection: collection.name.into(), id: id.unwrap_or_default().into() };
                Err(StoreError::UniqueViolation { key, index: index.declared.clone() })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// New columns over values of another kind hold JSON.
    async fn relax_columns(
        &self,
        connection: &mut PooledConnection,
        collection: &'static Collection,
        state: &ServerState,
        migration: &mut TableMigration,
    ) -> Result<(), StoreError> {
        let Some(found) = state.table(collection) else { return Ok(()) };
        let wanted = TableLayout::declared(collection);
        for (name, column) in wanted.columns.iter().filter(|(name, _)| !found.contains_key(*name)) {
            // Only a new table has columns by formats: older documents may break them.
            let column = column.base();
            let statement = SqlStatement::new(
                format!("SELECT EXISTS (SELECT 1 FROM {} AS t WHERE {})", wanted.table, does_not_fit(name, column)),
                Vec::new(),
            );
            let reply =
                connection.run(&statement).await.map_err(|error| self.preparation_error(&error, "reading values"))?;
            let mismatch = reply.rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false));
            let column = if mismatch { ColumnType::Json } else { column };
            migration.scripts.push(add_column(&wanted.table, name, &column.definition()));
        }
        Ok(())
    }

    /// Moves values into the columns of their fields, and computes hidden columns.
    async fn rewrite(
        &self,
        connection: &mut PooledConnection,
        layout: &TableLayout,
        condition: &str,
    ) -> Result<(), StoreError> {
        let doing = format!("rewriting {}", layout.collection.name);
        let update = &write_texts(layout).update;
        let mut last: Option<String> = None;
        loop {
            let (id, params) = (quote(layout.id), last.iter().map(|last| Param::from(last.as_str())).collect());
            let cast = if layout.has_id_field() { ColumnType::Uuid.cast() } else { "" };
            let after = last.as_ref().map_or_else(String::new, |_| format!(" AND t.{id} > $1{cast}"));
            let text = format!(
                "SELECT t.* FROM {} AS t WHERE ({condition}){after} ORDER BY t.{id} LIMIT {REWRITE_BATCH}",
                layout.table
            );
            let statement = SqlStatement::new(text, params);
            let rows = connection.run(&statement).await.map_err(|error| self.preparation_error(&error, &doing))?.rows;
            let mut updates = Vec::new();
            for row in &rows {
                let decoded = codec::decode(layout.collection.name, Some(layout), row);
                let (id, stored) = decoded.map_err(|failure| failure.into_store_error(self, &doing))?;
                let key = Key::new(layout.collection, &id);
                let mut params = codec::encode(layout, &key, &stored.revision, stored.version, &stored.document);
                params.push(Param::from(stored.revision.to_string().as_str()));
                updates.push(SqlStatement::new(update.clone(), params));
                last = Some(id.to_string());
            }
            if updates.is_empty() {
                return Ok(());
            }
            let run = connection.run_all(&updates).await;
            run.map_err(|failed| self.preparation_error(&failed.error, &doing))?;
        }
    }

    /// Declares a catalog without creating anything.
    pub(super) async fn do_declare(&self, catalog: &Catalog) -> Result<(), StoreError> {
        let state = self.read_state(catalog).await?;
        self.declare_state(catalog, &state)
    }

    /// Declares a catalog for these tables.
    pub(super) fn declare_state(&self, catalog: &Catalog, state: &ServerState) -> Result<(), StoreError> {
        self.refuse_newer(catalog, state)?;
        self.set_declarations(declared_layouts(catalog, state));
        Ok(())
    }

    /// If a newer program has migrated the store, declares the catalog for reading and fails.
    fn refuse_newer(&self, catalog: &Catalog, state: &ServerState) -> Result<(), StoreError> {
        let Some(newer) = state.newer_version(catalog) else { return Ok(()) };
        let declared = declared_layouts(catalog, state);
        self.set_declarations(DeclaredLayouts { read_only_reason: Some(newer.clone()), ..declared });
        Err(newer)
    }

    /// The error of a statement that prepares the database.
    pub(super) fn preparation_error(&self, error: &tokio_postgres::Error, doing: &str) -> StoreError {
        match self.map_error(error, doing) {
            StoreError::NotAuthorized { what, why } => StoreError::NotAuthorized {
                what,
                why: format!(
                    "{why}; run `runstate prepare` with the URL of a user who may create schemas, tables and indexes"
                ),
            },
            other => other,
        }
    }
}

fn declared_layouts(catalog: &Catalog, state: &ServerState) -> DeclaredLayouts {
    let layouts: BTreeMap<_, _> =
        stored(catalog).map(|collection| (collection.name, Arc::new(state.layout(collection)))).collect();
    let indexes = layouts.values().flat_map(|layout| {
        let name = layout.collection.name;
        required_indexes(layout).into_iter().map(move |index| ((name.to_owned(), index.name), index.declared))
    });
    let indexes = indexes.collect();
    DeclaredLayouts {
        catalog: catalog.clone(),
        layouts,
        indexes,
        read_only_reason: None,
        fingerprint: state.fingerprint(),
    }
}
