//! Reads by key, and of the ledger. There is no read fence: a commit is acknowledged by the primary, and every read
//! asks the primary, whose new snapshots see all that it acknowledged.

use std::collections::{BTreeMap, HashMap};

use runstate_core::id::CommandId;
use runstate_core::schema::Key;
use runstate_store::{COMMANDS, Outcome, StoreError, StoredDocument};
use runstate_value::Json;

use super::codec;
use super::connection::StatementReply;
use super::fingerprint::fingerprint_statement;
use super::layout::{self, ID, TableLayout};
use super::retry::{ReadFailure, retry};
use super::statement::{Param, SqlStatement, quote};
use super::{DeclaredLayouts, Postgres};

/// Reads the documents under `keys`, as of one moment.
pub(super) async fn read(store: &Postgres, keys: &[Key]) -> Result<Vec<Option<StoredDocument>>, StoreError> {
    let mut ids: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for key in keys {
        // No id has U+0000, and the server refuses it.
        if !key.id.contains('\0') {
            ids.entry(&key.collection).or_default().push(key.id.to_string());
        }
    }
    let undeclared = undeclared_tables(store, ids.keys().copied()).await?;
    let is_known = |name: &str| undeclared.contains_key(name) || store.declarations().is_stored(name);
    ids.retain(|collection, _| is_known(collection));
    if ids.is_empty() {
        return Ok(vec![None; keys.len()]);
    }
    let collections: Vec<&str> = ids.keys().copied().collect();
    let (ids, undeclared) = (&ids, &undeclared);
    let mut found = retry(store, &format!("reading {}", collections.join(", ")), || {
        Box::pin(async move { read_tables(store, ids, undeclared).await })
    })
    .await?;
    let mut take = |key: &Key| found.get_mut(key.collection.as_ref())?.get(&*key.id).cloned();
    Ok(keys.iter().map(&mut take).collect())
}

/// The statement for the documents with these ids. `id` is the first column of a table that is not declared.
fn select_by_id(collection: &str, layout: Option<&TableLayout>, id: Option<&String>, ids: &[String]) -> SqlStatement {
    let table = layout::quote_table(collection);
    let (condition, ids) = match (layout, id) {
        (Some(layout), _) => (layout.has_any_id("$1"), ids.iter().filter(|id| layout.holds_id(id)).cloned().collect()),
        (None, Some(id)) if id != ID => (format!("{}::text = ANY($1)", quote(id)), ids.to_vec()),
        (None, _) => (format!("{} = ANY($1)", quote(ID)), ids.to_vec()),
    };
    SqlStatement::new(format!("SELECT t.* FROM {table} AS t WHERE {condition}"), vec![Param::Texts(ids)])
}

type DocumentsByKey<'a> = HashMap<&'a str, HashMap<String, StoredDocument>>;

async fn read_tables<'a>(
    store: &Postgres,
    ids: &BTreeMap<&'a str, Vec<String>>,
    undeclared: &HashMap<&str, String>,
) -> Result<DocumentsByKey<'a>, ReadFailure> {
    let declarations = store.declarations();
    let layout = |collection: &str| declarations.layouts.get(collection).map(|layout| &**layout);
    let selects: Vec<SqlStatement> = ids
        .iter()
        .map(|(collection, ids)| select_by_id(collection, layout(collection), undeclared.get(collection), ids))
        .collect();
    // The rows of the same columns are decoded in another way after a migration.
    let has_foreign = ids.keys().any(|collection| layout(collection).is_some_and(|one| !one.foreign.is_empty()));
    let reads = selects.into_iter().chain(has_foreign.then(fingerprint_statement)).collect::<Vec<_>>();
    let mut connection = store.pool.acquire().await?;
    let replies = if ids.len() == 1 {
        connection.run_reads(&reads).await?
    } else {
        let tables: Vec<String> = ids.keys().map(|collection| layout::quote_table(collection)).collect();
        let mut statements = connection.begin_snapshot(&tables);
        let first = statements.len();
        statements.extend(reads);
        statements.push(SqlStatement::commit());
        connection.run_all(&statements).await?.split_off(first)
    };
    connection.release();
    if has_foreign && !declarations.are_current(replies.get(ids.len())) {
        return Err(ReadFailure::Outdated);
    }
    let mut found = DocumentsByKey::new();
    for (collection, reply) in ids.keys().zip(&replies) {
        let table = found.entry(collection).or_default();
        for row in &reply.rows {
            let (id, stored) = codec::decode(collection, layout(collection), row)?;
            table.insert(id.to_string(), stored);
        }
    }
    Ok(found)
}

/// The tables of collections that are not declared with one, each with its first column: that of the id.
async fn undeclared_tables<'a>(
    store: &Postgres,
    names: impl Iterator<Item = &'a str>,
) -> Result<HashMap<&'a str, String>, StoreError> {
    let declarations = store.declarations();
    let unknown: Vec<&str> = names.filter(|name| !declarations.is_stored(name)).collect();
    if unknown.is_empty() {
        return Ok(HashMap::new());
    }
    let tables: Vec<String> = unknown.iter().map(|name| layout::quote_table(name)).collect();
    let text = "SELECT (SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = to_regclass(name) AND a.attnum = 1) \
                FROM unnest($1) AS name";
    let statement = SqlStatement::new(text, vec![Param::Texts(tables)]);
    let statement = &statement;
    let doing = "looking up tables";
    let rows = retry(store, doing, || Box::pin(store.run_once(statement))).await?.rows;
    let mut found = HashMap::new();
    for (name, row) in unknown.into_iter().zip(rows) {
        let id: Option<String> = row.try_get(0).map_err(|error| store.map_error(&error, doing))?;
        if let Some(id) = id {
            found.insert(name, id);
        }
    }
    Ok(found)
}

impl DeclaredLayouts {
    /// Whether a declared collection has a table.
    fn is_stored(&self, name: &str) -> bool {
        self.layouts.get(name).is_some_and(|layout| layout.exists)
    }
}

/// Reads the outcome of a command from the ledger.
pub(super) async fn read_outcome(store: &Postgres, command: &CommandId) -> Result<Outcome, StoreError> {
    if is_recorded(store, command).await? { confirm_outcome(store, command).await } else { Ok(Outcome::Absent) }
}

/// Whether the ledger has a command. A standby may not have it yet.
pub(super) async fn is_recorded(store: &Postgres, command: &CommandId) -> Result<bool, StoreError> {
    Ok(read(store, &[Key::new(&COMMANDS, command.as_str())]).await?.iter().any(Option::is_some))
}

/// Reads the outcome of a command from the ledger, and commits a record of the log after it. If commits wait for a
/// standby, this one waits until the standby has the command, too: after a restart of the primary a commit is visible
/// that the standby does not have.
pub(super) async fn confirm_outcome(store: &Postgres, command: &CommandId) -> Result<Outcome, StoreError> {
    let doing = format!("reading the outcome of command `{command}`");
    let reply = retry(store, &doing, || Box::pin(read_durable_outcome(store, command))).await?;
    let Some(row) = reply.rows.first() else { return Ok(Outcome::Absent) };
    let (_, row) =
        codec::decode(COMMANDS.name, None, row).map_err(|failure| failure.into_store_error(store, &doing))?;
    Ok(Outcome::Committed {
        fingerprint: row.document.get("fingerprint").and_then(Json::as_str).unwrap_or_default().to_owned(),
        result: row.document.get("result").cloned().unwrap_or_default(),
    })
}

async fn read_durable_outcome(store: &Postgres, command: &CommandId) -> Result<StatementReply, ReadFailure> {
    let mut connection = store.pool.acquire().await?;
    let mut statements = connection.begin().await?;
    let first = statements.len();
    statements.push(select_by_id(COMMANDS.name, None, None, &[command.as_str().to_owned()]));
    statements.push(SqlStatement::new("SELECT pg_logical_emit_message(true, 'runstate', '')", Vec::new()));
    let replies = connection.run_all(&statements).await?.split_off(first);
    connection.run(&SqlStatement::commit()).await?;
    connection.release();
    Ok(StatementReply::first(replies))
}
