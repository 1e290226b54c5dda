//! Deletes expired documents: exactly those that are expired at the time of the caller, in transactions that also
//! record the deletions in the feed.

use runstate_core::id::CommandId;
use runstate_core::limits::LEDGER_DAYS;
use runstate_core::schema::Key;
use runstate_store::{COMMANDS, StoreError};
use runstate_value::Json;
use runstate_value::time::Timestamp;

use super::codec::{self, IdentifiedDocument};
use super::commit_steps::change_entry;
use super::filter::{self, SqlCondition, column};
use super::fingerprint::fingerprint_statement;
use super::retry::{ReadFailure, retry};
use super::statement::{MIN_TIMESTAMP_MS, Param, SqlStatement, bind};
use super::{Postgres, changes};

/// Documents deleted in one transaction.
const DELETE_BATCH: usize = 1_000;

/// Deletes up to `limit` documents that are expired at `now`, the longest expired first. Returns how many.
pub(super) async fn do_sweep(
    store: &Postgres,
    collection: &str,
    now: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let doing = format!("sweeping {collection}");
    let mut swept = 0;
    while swept < limit {
        let count = DELETE_BATCH.min(limit - swept);
        let deleted = retry(store, &doing, || Box::pin(delete_expired(store, collection, now, count))).await?;
        swept += deleted;
        if deleted == 0 {
            break;
        }
    }
    Ok(swept)
}

/// Deletes up to `limit` documents in one transaction.
async fn delete_expired(
    store: &Postgres,
    collection: &str,
    now: Timestamp,
    limit: usize,
) -> Result<usize, ReadFailure> {
    // A newer program may keep documents longer.
    store.check_writable()?;
    let declarations = store.declarations();
    let Some(layout) = declarations.layouts.get(collection) else { return Ok(0) };
    let Some(ttl) = &layout.collection.ttl else { return Ok(0) };
    if !layout.exists {
        declarations.check_still_current(store).await?;
        return Ok(0);
    }
    let mut params = Vec::new();
    let latest = now - ttl.after;
    let mut conditions = Vec::new();
    if layout.scalar_column(ttl.field).is_some() && latest.as_millis() >= MIN_TIMESTAMP_MS {
        let latest = bind(&mut params, Param::Timestamp(latest.as_millis().min(runstate_core::limits::SAFE_INTEGER)));
        conditions.push(SqlCondition::exact(format!("{} <= {latest}", column(ttl.field))));
    } else {
        conditions.push(SqlCondition::superset("true"));
    }
    if let Some(partial) = &ttl.partial {
        conditions.push(filter::translate(layout, &partial.filter(), &mut params));
    }
    let SqlCondition { text, exact } = SqlCondition::all(conditions);
    let order = layout.scalar_column(ttl.field).map(|_| format!(" ORDER BY {}", column(ttl.field))).unwrap_or_default();
    let select = |count: usize| {
        let most = if exact { format!(" LIMIT {count}") } else { String::new() };
        let text = format!("SELECT t.* FROM {} AS t WHERE {text}{order}{most} FOR UPDATE SKIP LOCKED", layout.table);
        SqlStatement::new(text, params.clone())
    };
    let mut connection = store.pool.acquire().await?;
    let mut statements = connection.begin().await?;
    statements.extend([Postgres::writer_lock_statement(), fingerprint_statement()]);
    let fingerprint = statements.len() - 1;
    statements.push(select(limit));
    let mut replies = connection.run_all(&statements).await?;
    if !declarations.are_current(replies.get(fingerprint)) {
        return Err(ReadFailure::Outdated);
    }
    let (mut count, mut reply) = (limit, replies.pop());
    let expired = loop {
        let rows = reply.iter().flat_map(|reply| &reply.rows);
        let found = rows.clone().count();
        let mut expired: Vec<IdentifiedDocument> = Vec::new();
        for row in rows {
            // A row that cannot be read stays, and keeps no other from being deleted. Verification reports it.
            let (id, stored) = match codec::decode(layout.collection.name, Some(layout), row) {
                Err(ReadFailure::Store(_)) => continue,
                decoded => decoded?,
            };
            if expired.len() < limit && ttl.expires_at(&stored.document).is_some_and(|at| at <= now) {
                expired.push((id, stored));
            }
        }
        if !exact || expired.len() >= limit || found < count {
            break expired;
        }
        // The server has counted rows that cannot be read.
        count = count.saturating_mul(2);
        reply = Some(connection.run(&select(count)).await?);
    };
    let ids: Vec<String> = expired.iter().map(|(id, _)| id.to_string()).collect();
    let mut deletions = vec![SqlStatement::new(
        format!("DELETE FROM {} WHERE {}", layout.table, layout.has_any_id("$1")),
        vec![Param::Texts(ids)],
    )];
    if layout.collection.name != COMMANDS.name && !expired.is_empty() {
        let entries = expired.iter().map(|(id, _)| change_entry(&Key::new(layout.collection, id), None));
        let text = "INSERT INTO runstate.changes (transaction, command, changes) \
                    VALUES (pg_current_xact_id()::text::bigint, $1, $2)";
        let params =
            vec![Param::from(CommandId::sweep().as_str()), Param::Json(Json::Array(entries.collect()).to_string())];
        deletions.push(SqlStatement::new(text, params));
    }
    if layout.collection.name == COMMANDS.name {
        deletions.push(changes::deletion_of_old_changes(LEDGER_DAYS));
    }
    connection.run_all(&deletions).await?;
    connection.run(&SqlStatement::commit()).await?;
    connection.release();
    if !expired.is_empty() {
        store.announce_change();
    }
    Ok(expired.len())
}
