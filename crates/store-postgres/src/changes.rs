//! The feed of committed changes: a table with one row for each commit, under the id of its transaction.
//!
//! Ids of transactions grow, but a transaction with a smaller id may commit later. So a reader stops before the
//! smallest id of a commit in progress. Each commit holds an advisory lock before it has an id. A reader first lists
//! the holders of the lock and the next id of the server, and then, in a later snapshot, reads the rows below all these
//! ids: their transactions have ended. Transactions of other programs do not delay readers.
//!
//! Both are read on one connection. After a crash the server issues ids again that no commit had, so the next id that
//! was read before it does not hold after it. For the same reason a position is directly after a commit that was read,
//! or before one, and never the next id of the server.
//!
//! A position names the epoch of the feed: the id of the store, or another one that a restore on another server began
//! (`epoch.rs`).

use std::time::Duration;

use runstate_core::id::{CommandId, Revision};
use runstate_core::schema::Key;
use runstate_store::{ChangeEvent, Changes, Position, StoreError};
use runstate_value::Json;
use runstate_value::time::Millis;
use tokio::time::{Instant, sleep_until};

use super::codec::decode_json;
use super::connection::{PooledConnection, StatementReply};
use super::epoch::{EPOCH_ID, position_prefix};
use super::retry::{ReadFailure, retry};
use super::statement::{Param, RawColumn, SqlStatement};
use super::{Postgres, WRITER_LOCK};

/// How often the table is read if notifications may be lost.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The number of ids that 32 bits have.
const SHORT_IDS: i64 = 1 << 32;
/// The most rows that are read at once.
const MAX_ROWS: usize = 1_000;

const DOING: &str = "reading changes";

#[derive(Clone)]
pub(super) struct CommitTransaction {
    pub(super) id: i64,
    /// The epoch of the feed, if a restore began one.
    pub(super) epoch: Option<String>,
}

/// A place in the feed: before a change of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FeedPlace {
    /// The end of the epoch.
    prefix: String,
    transaction: i64,
    /// How many of its changes were read.
    read: usize,
    anchor: Option<FeedAnchor>,
}

/// A row that a reader has seen. If the server does not have it, it was restored to an earlier time, and has issued ids
/// of transactions again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FeedAnchor {
    transaction: i64,
    /// When the transaction began, in microseconds since 1970.
    micros: i64,
}

/// The time of a row of `runstate.changes`, for a [`FeedAnchor`].
const MICROS: &str = "(extract(epoch FROM at) * 1000000)::bigint";

/// Reads up to `limit` changes after `from`. If there are none, waits up to `wait` for one.
pub(super) async fn read_changes(
    store: &Postgres,
    from: Option<Position>,
    limit: usize,
    wait: Millis,
) -> Result<Changes, StoreError> {
    let start = match &from {
        Some(position) => FeedPlace::parse(position)?,
        None => current_place(store).await?,
    };
    if from.is_none() && (wait.0 <= 0 || limit == 0) {
        return Ok(Changes { events: Vec::new(), next: start.to_position() });
    }
    let until = Instant::now() + Duration::from_millis(u64::try_from(wait.0).unwrap_or(0));
    if wait.0 > 0 {
        store.listen();
    }
    let mut place = start;
    loop {
        // Before the table is read, so that a notification after it is not lost.
        let notified = store.changed.listen();
        runstate_store_server::check_open(&store.closed)?;
        let before = &place;
        let (events, next) = retry(store, DOING, || Box::pin(read_rows(store, before, limit))).await?;
        place = next;
        if !events.is_empty() || limit == 0 || Instant::now() >= until {
            return Ok(Changes { events, next: place.to_position() });
        }
        tokio::select! {
            () = notified => {}
            () = sleep_until(until.min(Instant::now() + POLL_INTERVAL)) => {}
        }
    }
}

/// The smallest id that a transaction in progress has, or the next one.
///
/// The server assigns an id before it locks it. So one that is in progress without such a lock may be a commit's too.
///
/// The connection then reads the rows, so that the server does not restart meanwhile.
async fn watermark(store: &Postgres, connection: &mut PooledConnection) -> Result<i64, ReadFailure> {
    let (class, object) = WRITER_LOCK;
    let text = format!(
        "WITH locks AS MATERIALIZED (SELECT * FROM pg_locks), \
         owns AS (SELECT pid, transactionid::text::bigint AS id FROM locks WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted) \
         SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, ARRAY(SELECT owns.id FROM owns JOIN locks AS held USING (pid) \
         WHERE held.locktype = 'advisory' AND held.classid = {class} AND held.objid = {object} AND held.objsubid = 2 \
         AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         UNION ALL SELECT one::text::bigint % {SHORT_IDS} FROM pg_snapshot_xip(pg_current_snapshot()) AS one \
         WHERE one::text::bigint % {SHORT_IDS} NOT IN (SELECT id FROM owns) AND pg_xact_status(one) = 'in progress')"
    );
    let statements: Vec<_> = connection.begin_reading().into_iter().chain([SqlStatement::new(text, vec![])]).collect();
    let replies = connection.run_all(&statements).await?;
    let Some(row) = replies.last().and_then(|reply| reply.rows.first()) else { return Ok(0) };
    let damaged = |error: tokio_postgres::Error| store.map_error(&error, DOING);
    let (next, running): (i64, Vec<i64>) = (row.try_get(0).map_err(damaged)?, row.try_get(1).map_err(damaged)?);
    // An id from the next one on may be in progress too, without a lock that is seen.
    Ok(running.into_iter().map(|short| widen(short, next)).fold(next, i64::min))
}

/// The full id of a transaction from its lower 32 bits. It is not far from `next`.
fn widen(short: i64, next: i64) -> i64 {
    let full = next - next.rem_euclid(SHORT_IDS) + short;
    if full > next + SHORT_IDS / 2 { full - SHORT_IDS } else { full }
}

/// Reads the changes from a place on that are complete.
async fn read_rows(
    store: &Postgres,
    from: &FeedPlace,
    limit: usize,
) -> Result<(Vec<ChangeEvent>, FeedPlace), ReadFailure> {
    let mut connection = store.pool.acquire().await?;
    let end = watermark(store, &mut connection).await?;
    // The first row may have been read already.
    let rows = limit.min(MAX_ROWS).saturating_add(1);
    let text = format!(
        "SELECT (SELECT (value ->> 'from')::bigint FROM runstate.meta WHERE key = 'feed'), \
         pg_snapshot_xmax(pg_current_snapshot())::text::bigint, \
         (SELECT {MICROS} FROM runstate.changes WHERE transaction = $4), ({EPOCH_ID}), c.transaction, c.micros, c.command, c.changes \
         FROM (SELECT 1) AS one LEFT JOIN (SELECT *, {MICROS} AS micros FROM runstate.changes \
         WHERE transaction >= $1 AND transaction < $2 ORDER BY transaction LIMIT $3) AS c ON true ORDER BY c.transaction"
    );
    let limits = [from.transaction, end, i64::try_from(rows).unwrap_or(i64::MAX)];
    let anchor = from.anchor.map_or(-1, |anchor| anchor.transaction);
    let statement = SqlStatement::new(text, limits.into_iter().chain([anchor]).map(Param::Int).collect());
    let rows = run_after_watermark(connection, statement).await?;
    let (mut events, mut place) = (Vec::new(), from.clone());
    for row in &rows {
        let decoded = decode_row(row).map_err(|why| StoreError::Corrupt { at: "runstate.changes".to_owned(), why })?;
        let prefix = position_prefix(store, decoded.epoch.as_deref());
        // The position is before all rows that are kept, after a part of the history that the server has lost, or of
        // another history.
        let is_kept = |transaction| decoded.kept_from.is_none_or(|kept| transaction >= kept);
        let is_lost = from
            .anchor
            .is_some_and(|anchor| is_kept(anchor.transaction) && decoded.anchor_micros != Some(anchor.micros));
        if from.prefix != prefix || !is_kept(from.transaction) || from.transaction > decoded.next || is_lost {
            return Err(StoreError::PositionExpired.into());
        }
        let Some((seen, changes)) = decoded.changes else { continue };
        let transaction = seen.transaction;
        let skipped = if transaction == from.transaction { from.read } else { 0 };
        for (number, event) in changes.into_iter().enumerate().skip(skipped) {
            if events.len() == limit {
                return Ok((events, place));
            }
            place = FeedPlace { transaction, read: 0, anchor: Some(seen), ..place };
            events.push(ChangeEvent { position: place.to_position(), ..event });
            place.read = number + 1;
        }
        place = FeedPlace { transaction: transaction + 1, read: 0, anchor: Some(seen), ..place };
    }
    Ok((events, place))
}

/// Runs a statement on the connection whose watermark was read, and returns the connection to the pool.
async fn run_after_watermark(
    mut connection: PooledConnection,
    statement: SqlStatement,
) -> Result<Vec<tokio_postgres::Row>, ReadFailure> {
    let statements: Vec<_> = [statement].into_iter().chain(connection.end_reading()).collect();
    let replies = connection.run_all(&statements).await?;
    connection.release();
    Ok(StatementReply::first(replies).rows)
}

/// The place after the last commit, or before the first one in progress.
async fn current_place(store: &Postgres) -> Result<FeedPlace, StoreError> {
    retry(store, DOING, || Box::pin(read_current_place(store))).await
}

async fn read_current_place(store: &Postgres) -> Result<FeedPlace, ReadFailure> {
    let mut connection = store.pool.acquire().await?;
    let end = watermark(store, &mut connection).await?;
    // The next id is not a place: after a crash the server issues ids again that no commit had.
    let text = format!(
        "SELECT kept.first, last.transaction, last.micros, ({EPOCH_ID}) \
         FROM (SELECT coalesce((SELECT (value ->> 'from')::bigint FROM runstate.meta WHERE key = 'feed'), 0) AS first) AS kept \
         LEFT JOIN (SELECT transaction, {MICROS} AS micros FROM runstate.changes WHERE transaction < $1 \
         ORDER BY transaction DESC LIMIT 1) AS last ON true"
    );
    let rows = run_after_watermark(connection, SqlStatement::new(text, vec![Param::Int(end)])).await?;
    let Some(row) = rows.first() else { return Ok(FeedPlace::before(store, None, 0)) };
    let damaged = |error: tokio_postgres::Error| store.map_error(&error, DOING);
    let epoch: Option<String> = row.try_get(3).map_err(damaged)?;
    let last: (Option<i64>, Option<i64>) = (row.try_get(1).map_err(damaged)?, row.try_get(2).map_err(damaged)?);
    Ok(match last {
        (Some(transaction), Some(micros)) => FeedPlace {
            anchor: Some(FeedAnchor { transaction, micros }),
            ..FeedPlace::before(store, epoch.as_deref(), transaction + 1)
        },
        _ => FeedPlace::before(store, epoch.as_deref(), row.try_get(0).map_err(damaged)?),
    })
}

struct FeedRow {
    /// The first transaction whose changes are kept.
    kept_from: Option<i64>,
    /// The next id of the server.
    next: i64,
    /// The time of the row that the reader has seen.
    anchor_micros: Option<i64>,
    epoch: Option<String>,
    changes: Option<(FeedAnchor, Vec<ChangeEvent>)>,
}

fn decode_row(row: &tokio_postgres::Row) -> Result<FeedRow, String> {
    let failed = |error: tokio_postgres::Error| error.to_string();
    let (kept_from, next) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    let (anchor_micros, epoch) = (row.try_get(2).map_err(failed)?, row.try_get(3).map_err(failed)?);
    let Some(transaction) = row.try_get::<_, Option<i64>>(4).map_err(failed)? else {
        return Ok(FeedRow { kept_from, next, anchor_micros, epoch, changes: None });
    };
    let seen = FeedAnchor { transaction, micros: row.try_get(5).map_err(failed)? };
    let command: String = row.try_get(6).map_err(failed)?;
    let command = CommandId::parse_stored(&command).map_err(|error| error.to_string())?;
    let changes = decode_json(row.try_get::<_, RawColumn<'_>>(7).map_err(failed)?.0)?;
    let entries = changes.as_array().ok_or("the changes are not a list")?;
    let events: Option<Vec<ChangeEvent>> = entries
        .iter()
        .map(|entry| {
            let key = Key { collection: entry.get(0)?.as_str()?.to_owned().into(), id: entry.get(1)?.as_str()?.into() };
            let revision = match entry.get(2)? {
                Json::Null => None,
                text => Some(Revision::parse(text.as_str()?)?),
            };
            Some(ChangeEvent { position: Position(String::new()), command: command.clone(), key, revision })
        })
        .collect();
    let changes = Some((seen, events.ok_or("a change is not valid")?));
    Ok(FeedRow { kept_from, next, anchor_micros, epoch, changes })
}

impl FeedPlace {
    /// The place before a transaction.
    fn before(store: &Postgres, epoch: Option<&str>, transaction: i64) -> Self {
        Self { prefix: position_prefix(store, epoch).to_owned(), transaction, read: 0, anchor: None }
    }

    /// Errors: [`StoreError::InvalidPosition`] if no PostgreSQL store issues such a position.
    fn parse(position: &Position) -> Result<Self, StoreError> {
        let place = position.0.strip_prefix("pg.").and_then(|text| {
            let (prefix, place) = text.split_once('.')?;
            let numbers: Vec<&str> = place.split('.').collect();
            let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
            let (transaction, read, anchor) = match *numbers {
                [transaction, read] => (transaction, read, None),
                [transaction, read, seen, micros] => {
                    (transaction, read, Some(FeedAnchor { transaction: number(seen)?, micros: micros.parse().ok()? }))
                }
                _ => return None,
            };
            let (prefix, transaction) = (prefix.to_owned(), number(transaction)?);
            Some(Self { prefix, transaction, read: read.parse().ok()?, anchor })
        });
        place.ok_or_else(|| StoreError::invalid_position(position, "PostgreSQL"))
    }

    fn to_position(&self) -> Position {
        let Self { prefix, transaction, read, anchor } = self;
        let anchor = anchor.map_or_else(String::new, |anchor| format!(".{}.{}", anchor.transaction, anchor.micros));
        Position(format!("pg.{prefix}.{transaction}.{read}{anchor}"))
    }
}

/// The position before a transaction.
pub(super) fn position_at(store: &Postgres, transaction: &CommitTransaction) -> Position {
    FeedPlace::before(store, transaction.epoch.as_deref(), transaction.id).to_position()
}

/// The position after all commits that have ended.
pub(super) async fn current_position(store: &Postgres) -> Result<Position, StoreError> {
    Ok(current_place(store).await?.to_position())
}

/// The statement that deletes the changes that are older than the retention of the ledger, by the server's clock.
pub(super) fn deletion_of_old_changes(days: i64) -> SqlStatement {
    let text = "WITH old AS (DELETE FROM runstate.changes WHERE at < now() - $1 * interval '1 day' RETURNING transaction), \
                last AS (SELECT max(transaction) + 1 AS kept FROM old) \
                INSERT INTO runstate.meta (key, value) SELECT 'feed', jsonb_build_object('from', kept) FROM last WHERE kept IS NOT NULL \
                ON CONFLICT (key) DO UPDATE SET value = jsonb_build_object('from', \
                greatest((meta.value ->> 'from')::bigint, (EXCLUDED.value ->> 'from')::bigint))";
    #[expect(clippy::cast_precision_loss, reason = "a few days")]
    let days = Param::Float(days as f64);
    SqlStatement::new(text, vec![days])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_id_is_widened_to_the_nearest_one() {
        let ids = SHORT_IDS;
        assert_eq!(widen(7, 10), 7);
        assert_eq!(widen(7, 3 * ids + 10), 3 * ids + 7);
        assert_eq!(widen(ids - 1, 3 * ids + 10), 3 * ids - 1);
    }
}
