//! Deletes expired documents. The server's TTL monitor does so too, once a minute and by the server's clock. A sweep
//! uses the time that its caller passes. For the ledger it uses the server's time, so that a wrong clock of one host
//! deletes no rows that others need.
//!
//! A ledger row lives for seven days of the server's time, or as long as the owner of the store has chosen. The TTL
//! monitor deletes those that no sweep has deleted, after the longest time that an owner may choose. A host with a wrong clock would otherwise write rows that
//! the server takes for expired, or sweep the rows of all others. A command without a row can be applied twice
//! (docs/decisions/0013).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use mongodb::bson::{Bson, DateTime, Document as Reply, doc};
use runstate_core::id::Revision;
use runstate_core::schema::{Predicate, Ttl};
use runstate_store::StoreError;
use runstate_value::time::{Millis, Timestamp};

use super::Mongo;
use super::codec::CollectionCodec;
use super::condition::ServerFilter;
use super::filter::translate;
use super::query::{include_fields, top_field};
use super::retry::AttemptError;
use super::transaction::operation_time;
use crate::{read, read_fence, retry};

/// Documents deleted by one command.
const DELETE_BATCH: usize = 1_000;

/// Deletes up to `limit` documents that are expired at `now`, the longest expired first. Returns how many. They live for
/// `kept`, by default as long as their collection says.
pub(super) async fn do_sweep(
    mongo: &Mongo,
    collection: &str,
    now: Timestamp,
    kept: Option<Millis>,
    limit: usize,
) -> Result<usize, StoreError> {
    let Some(codec) = mongo.codec(collection) else { return Ok(0) };
    let Some(ttl) = &codec.collection.ttl else { return Ok(0) };
    if codec.collection.detached.is_some() {
        // The server expires the rows of a time series by itself. It deletes them by their source only, whatever their
        // time.
        return Ok(0);
    }
    let doing = format!("sweeping {collection}");
    let now = if codec.is_ledger() { read_server_time(mongo, &doing).await?.min(now) } else { now };
    let latest = now - kept.unwrap_or(ttl.after);
    let mut swept = 0;
    while swept < limit {
        let count = DELETE_BATCH.min(limit - swept);
        let expired = retry::retry(mongo, &doing, || Box::pin(find_expired(mongo, &codec, ttl, latest, count))).await?;
        let begun = AtomicBool::new(false);
        let deleted = retry::retry(mongo, &doing, || Box::pin(delete(mongo, collection, &expired, &begun))).await?;
        swept += deleted;
        // Others sweep too, and documents that were refreshed meanwhile stay.
        if expired.len() < count || deleted == 0 {
            break;
        }
    }
    Ok(swept)
}

/// The server's time, by which ledger rows expire.
async fn read_server_time(mongo: &Mongo, doing: &str) -> Result<Timestamp, StoreError> {
    let now = retry::retry(mongo, doing, || Box::pin(read_fence::pass_read_fence(mongo))).await?;
    Ok(Timestamp::from_millis(to_millis(now)))
}

/// Finds up to `limit` documents whose time is at or before `latest`, with their revisions.
async fn find_expired(
    mongo: &Mongo,
    codec: &CollectionCodec,
    ttl: &Ttl,
    latest: Timestamp,
    limit: usize,
) -> Result<Vec<(String, Revision)>, AttemptError> {
    let partial = ttl.partial.as_ref().map(|partial| translate(codec, &partial.filter()));
    let field = codec.expiry_field(ttl);
    let expired = ServerFilter::exact(doc! {field: {"$lte": to_bson_date(latest)}});
    let filter = ServerFilter::all([expired].into_iter().chain(partial)).filter;
    let read = ttl.partial.iter().flat_map(Predicate::paths).chain([ttl.field]).map(top_field);
    let batch = u32::try_from(limit).unwrap_or(u32::MAX);
    // A limit would count documents that cannot be read.
    let command = doc! {"filter": filter, "sort": {field: 1}, "projection": include_fields(read)};
    let mut cursor = read::find(mongo, codec.collection.name, command, batch).await?;
    let mut expired = Vec::new();
    while expired.len() < limit && cursor.advance().await? {
        // A document that cannot be read stays, and keeps no other from being deleted. Verification reports it.
        let Ok((id, stored)) = codec.decode_document(cursor.current()) else { continue };
        if codec.is_ledger() || ttl.expires_at(&stored.document).is_some_and(|at| at <= latest + ttl.after) {
            expired.push((id.to_string(), stored.revision));
        }
    }
    Ok(expired)
}

/// Deletes documents that still have these revisions, and returns how many. On a retry, missing documents are counted:
/// the first attempt deleted them, and its reply was lost.
async fn delete(
    mongo: &Mongo,
    collection: &str,
    documents: &[(String, Revision)],
    begun: &AtomicBool,
) -> Result<usize, AttemptError> {
    if documents.is_empty() {
        return Ok(0);
    }
    let is_retry = begun.swap(true, Ordering::Relaxed);
    let delete_one = |(id, revision): &(String, Revision)| -> Bson {
        doc! {"q": {"_id": id, "_rev": revision.to_string()}, "limit": 1}.into()
    };
    let deletes: Vec<Bson> = documents.iter().map(delete_one).collect();
    let namespace = mongo.layout.namespace(collection);
    let command = doc! {
        "delete": namespace.collection, "deletes": deletes, "ordered": false, "writeConcern": {"w": "majority"},
    };
    let reply = mongo.client.database(&namespace.database).run_command(command).await?;
    read_fence::ensure_majority(mongo, &reply, &format!("sweeping {collection}"))?;
    if is_retry {
        return Ok(documents.len().saturating_sub(count_existing(mongo, collection, documents).await?));
    }
    Ok(reply.get("n").and_then(to_count).unwrap_or(0))
}

/// How many of these documents exist, at any revision.
async fn count_existing(
    mongo: &Mongo,
    collection: &str,
    documents: &[(String, Revision)],
) -> Result<usize, AttemptError> {
    let ids: Vec<&str> = documents.iter().map(|(id, _)| id.as_str()).collect();
    let batch = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    let command = doc! {"filter": {"_id": {"$in": ids}}, "projection": {"_id": 1}};
    let mut cursor = read::find(mongo, collection, command, batch).await?;
    let mut existing = 0;
    while cursor.advance().await? {
        existing += 1;
    }
    Ok(existing)
}

fn to_count(number: &Bson) -> Option<usize> {
    number.as_i32().and_then(|n| usize::try_from(n).ok()).or_else(|| usize::try_from(number.as_i64()?).ok())
}

/// The field of a ledger row that holds the server's time when the row was written.
pub(super) const LEDGER_TIME: &str = "_kept";

/// How far a row's time may be from the server's.
const MAX_CLOCK_SKEW_MS: i64 = 60 * 60 * 1_000;

/// The server's time when it was last observed.
#[derive(Default)]
pub(super) struct ServerTime(Mutex<Option<(i64, Instant)>>);

impl ServerTime {
    /// Records the server's time from a reply.
    pub(super) fn observe(&self, reply: &Reply) {
        if let Some(time) = operation_time(reply) {
            self.set(time);
        }
    }

    /// Records that the server's time is now `time`.
    pub(super) fn set(&self, time: mongodb::bson::Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((to_millis(time), Instant::now()));
    }

    /// The server's time now, as estimated. Before the first observation, the time of the command.
    pub(super) fn estimate_or(&self, at: Timestamp) -> DateTime {
        let observed = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = observed
            .map(|(millis, since)| millis.saturating_add(i64::try_from(since.elapsed().as_millis()).unwrap_or(0)));
        DateTime::from_millis(now.unwrap_or(at.as_millis()))
    }
}

/// Whether a row's time is close to the server's time.
pub(super) fn is_current(row_time: DateTime, now: mongodb::bson::Timestamp) -> bool {
    row_time.timestamp_millis().abs_diff(to_millis(now)) <= MAX_CLOCK_SKEW_MS.unsigned_abs()
}

/// A cluster time in milliseconds, precise to the second.
pub(super) fn to_millis(time: mongodb::bson::Timestamp) -> i64 {
    i64::from(time.time).saturating_mul(1_000)
}

/// The time in the form that conditions use.
pub(super) fn to_bson_date(time: Timestamp) -> Bson {
    DateTime::from_millis(time.as_millis()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_time_advances_from_the_last_observation() {
        let time = ServerTime::default();
        assert_eq!(time.estimate_or(Timestamp::from_millis(5)), DateTime::from_millis(5));
        let observed = mongodb::bson::Timestamp { time: 1_700_000_000, increment: 1 };
        time.set(observed);
        assert!(is_current(time.estimate_or(Timestamp::from_millis(5)), observed));
        let shifted = |millis| DateTime::from_millis(1_700_000_000_000 + millis);
        assert!(is_current(shifted(-MAX_CLOCK_SKEW_MS), observed) && is_current(shifted(MAX_CLOCK_SKEW_MS), observed));
        assert!(
            !is_current(shifted(-MAX_CLOCK_SKEW_MS - 1), observed)
                && !is_current(shifted(MAX_CLOCK_SKEW_MS + 1), observed)
        );
    }
}
