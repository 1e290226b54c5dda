//! Reads by key, and of the ledger. There is no read fence: a commit is acknowledged by the primary, and every read
//! asks the primary, whose new snapshots see all that it acknowledged.

use std::collections::{BTreeMap, HashMap};

use runstate_core::id::CommandId;
use runstate_core::schema::Key;
use runstate_store::{COMMANDS, Outcome, StoreError, StoredDocument};
use runstate_value::Json;

use super::codec;
use super::connection::StatementReply;
use super::retry::{ReadFailure, retry};
use super::statement::{Param, SqlStatement};
use super::{Postgres, layout};

/// Reads the documents under `keys`, as of one moment.
pub(super) async fn read(store: &Postgres, keys: &[Key]) -> Result<Vec<Option<StoredDocument>>, StoreError> {
    let mut ids: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for key in keys {
        // No id has U+0000, and the server refuses it.
        if !key.id.contains('\0') {
            ids.entry(&key.collection).or_default().push(key.id.to_string());
        }
    }
    let known = known_tables(store, ids.keys().copied()).await?;
    ids.retain(|collection, _| known.contains(collection));
    if ids.is_empty() {
        return Ok(vec![None; keys.len()]);
    }
    let collections: Vec<&str> = ids.keys().copied().collect();
    let selects: Vec<SqlStatement> = ids.iter().map(|(collection, ids)| select_by_id(collection, ids)).collect();
    let (collections, selects) = (&collections, &selects);
    let mut found = retry(store, &format!("reading {}", collections.join(", ")), || {
        Box::pin(async move { read_tables(store, collections, selects).await })
    })
    .await?;
    let mut take = |key: &Key| found.get_mut(key.collection.as_ref())?.get(&*key.id).cloned();
    Ok(keys.iter().map(&mut take).collect())
}

fn select_by_id(collection: &str, ids: &[String]) -> SqlStatement {
    let text = format!("SELECT t.* FROM {} AS t WHERE t.\"_id\" = ANY($1)", layout::quote_table(collection));
    SqlStatement::new(text, vec![Param::Texts(ids.to_vec())])
}

type DocumentsByKey<'a> = HashMap<&'a str, HashMap<String, StoredDocument>>;

async fn read_tables<'a>(
    store: &Postgres,
    collections: &[&'a str],
    selects: &[SqlStatement],
) -> Result<DocumentsByKey<'a>, ReadFailure> {
    let declarations = store.declarations();
    let mut connection = store.pool.acquire().await?;
    let replies = if let [select] = selects {
        connection.run_reads(std::slice::from_ref(select)).await?
    } else {
        let tables: Vec<String> = collections.iter().map(|collection| layout::quote_table(collection)).collect();
        let mut statements = connection.begin_snapshot(&tables);
        let first = statements.len();
        statements.extend_from_slice(selects);
        statements.push(SqlStatement::commit());
        connection.run_all(&statements).await?.split_off(first)
    };
    connection.release();
    let mut found = DocumentsByKey::new();
    for (collection, reply) in collections.iter().zip(&replies) {
        let table = found.entry(collection).or_default();
        let layout = declarations.layouts.get(collection);
        for row in &reply.rows {
            let (id, stored) = codec::decode(collection, layout.map(|layout| &**layout), row)?;
            table.insert(id.to_string(), stored);
        }
    }
    Ok(found)
}

/// The collections that have a table. An undeclared one is looked up.
async fn known_tables<'a>(store: &Postgres, names: impl Iterator<Item = &'a str>) -> Result<Vec<&'a str>, StoreError> {
    let declarations = store.declarations();
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for name in names {
        match declarations.layouts.get(name) {
            Some(layout) if layout.exists => known.push(name),
            _ => unknown.push(name),
        }
    }
    if unknown.is_empty() {
        return Ok(known);
    }
    let tables: Vec<String> = unknown.iter().map(|name| layout::quote_table(name)).collect();
    let statement =
        SqlStatement::new("SELECT to_regclass(name) IS NOT NULL FROM unnest($1) AS name", vec![Param::Texts(tables)]);
    let statement = &statement;
    let rows = retry(store, "looking up tables", || Box::pin(store.run_once(statement))).await?.rows;
    for (name, row) in unknown.into_iter().zip(rows) {
        if row.try_get::<_, bool>(0).unwrap_or(false) {
            known.push(name);
        }
    }
    Ok(known)
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
    statements.push(select_by_id(COMMANDS.name, &[command.as_str().to_owned()]));
    statements.push(SqlStatement::new("SELECT pg_logical_emit_message(true, 'runstate', '')", Vec::new()));
    let replies = connection.run_all(&statements).await?.split_off(first);
    connection.run(&SqlStatement::commit()).await?;
    connection.release();
    Ok(StatementReply::first(replies))
}
