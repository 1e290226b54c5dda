//! The read fence: a write that the majority confirms proves the cluster time. A former primary cannot confirm a write,
//! so a read at that time is no older than the call (docs/decisions/0013). Read concern `linearizable` proves the same.

use std::sync::atomic::{AtomicU64, Ordering};

use async_lock::Mutex;
use mongodb::bson::{Bson, Document as Reply, Document, Timestamp, doc};
use runstate_store::StoreError;

use super::meta::fingerprint_in;
use super::read::first_document;
use super::retry::AttemptError;
use super::transaction::operation_time;
use super::{META, Mongo, error_mapping};
use crate::{meta, read};

/// The id of the document that every fence writes.
pub(super) const READ_FENCE: &str = "barrier";

/// The read fences of one process. A call that arrives during a fence waits for the next one, which serves all calls
/// that have arrived by then.
#[derive(Default)]
pub(super) struct ReadFence {
    begun: AtomicU64,
    /// The last confirmed fence. The call that holds the lock writes the next one.
    last: Mutex<Option<FenceTime>>,
}

/// A confirmed fence.
#[derive(Clone, Copy)]
struct FenceTime {
    number: u64,
    at: Timestamp,
}

/// A cluster time that is no earlier than this call.
pub(super) async fn pass_read_fence(mongo: &Mongo) -> Result<Timestamp, AttemptError> {
    let begun = mongo.read_fence.begun.load(Ordering::Acquire);
    let mut last = mongo.read_fence.last.lock().await;
    if let Some(FenceTime { at, .. }) = last.filter(|last| last.number > begun) {
        return Ok(at);
    }
    let number = mongo.read_fence.begun.fetch_add(1, Ordering::AcqRel) + 1;
    let at = write_read_fence(mongo).await?;
    mongo.confirmed_time.advance(at);
    *last = Some(FenceTime { number, at });
    Ok(at)
}

/// Writes a fence. A user who may not write does a linearizable read, which proves the same. On a set of one server
/// that read waits for the next flush, a hundred times as long.
async fn write_read_fence(mongo: &Mongo) -> Result<Timestamp, AttemptError> {
    let command = doc! {
        "findAndModify": mongo.layout.namespace(META).collection,
        "query": {"_id": READ_FENCE}, "update": {"$inc": {"readings": 1i64}}, "upsert": true, "new": true,
        "writeConcern": {"w": "majority"},
    };
    let reply = match mongo.database(META).run_command(command).await {
        Err(error) if error_mapping::is_unauthorized(&error) => {
            read::find_linearizable(mongo, META, READ_FENCE).await?
        }
        // For example, two processes create the document at the same time.
        Err(error) if error_mapping::error_code(&error).is_some_and(error_mapping::is_retryable_write_code) => {
            return Err(AttemptError::Transient(mongo.map_error(&error, "reading")));
        }
        reply => reply?,
    };
    ensure_majority(mongo, &reply, "reading")?;
    let found = first_document(&reply).and_then(|found| Reply::try_from(&found).ok());
    meta::observe_fingerprint(mongo, fingerprint_in(reply.get_document("value").ok().or(found.as_ref()))).await?;
    operation_time(&reply).ok_or_else(|| {
        let why =
            "the server's reply has no operation time; check that the server is a member of a replica set".to_owned();
        StoreError::Unavailable { what: mongo.describe_operation("reading"), why }.into()
    })
}

/// The time of a snapshot that the majority has, no earlier than the latest confirmed time. It costs a read and no
/// write, and a former primary may have it.
pub(super) async fn read_snapshot_time(mongo: &Mongo) -> Result<Timestamp, AttemptError> {
    let find = doc! {
        "find": mongo.layout.namespace(META).collection,
        "filter": {"_id": READ_FENCE},
        "limit": 1,
        "singleBatch": true,
        "readConcern": mongo.confirmed_time.read_concern(),
    };
    let reply = mongo.database(META).run_command(find).await?;
    let found = first_document(&reply).and_then(|found| Reply::try_from(&found).ok());
    meta::observe_fingerprint(mongo, fingerprint_in(found.as_ref())).await?;
    reply.get_document("cursor").ok().and_then(|cursor| cursor.get_timestamp("atClusterTime").ok()).ok_or_else(|| {
        let why = "the server's reply has no snapshot time; check that the server is a member of a replica set";
        StoreError::Unavailable { what: mongo.describe_operation("reading"), why: why.to_owned() }.into()
    })
}

/// Fails unless the majority confirmed what a reply reports as done. A primary that steps down leaves its last writes
/// unconfirmed; a retry shows whether they remain.
pub(super) fn ensure_majority(mongo: &Mongo, reply: &Reply, doing: &str) -> Result<(), AttemptError> {
    let Some((code, why)) = unconfirmed_reason(reply) else { return Ok(()) };
    let error = StoreError::Unavailable { what: mongo.describe_operation(doing), why };
    Err(if error_mapping::is_retryable_write_code(code) {
        AttemptError::Transient(error)
    } else {
        AttemptError::Store(error)
    })
}

/// Why a reply proves nothing: the server's code and message.
fn unconfirmed_reason(reply: &Reply) -> Option<(i32, String)> {
    let write_error = reply.get_array("writeErrors").ok().and_then(|errors| errors.first());
    let error = write_error.or_else(|| reply.get("writeConcernError"))?;
    let field = |name: &str| error.as_document().and_then(|error| error.get(name));
    let code = field("code").and_then(Bson::as_i32).unwrap_or_default();
    let message = field("errmsg").and_then(Bson::as_str).unwrap_or_default();
    Some((code, format!("the majority did not confirm the write; try again (the server replied: {message} ({code}))")))
}

/// The latest cluster time that the majority has confirmed to this process: seconds in the high half, increment in the
/// low half.
#[derive(Default)]
pub(super) struct ConfirmedTime(AtomicU64);

impl ConfirmedTime {
    /// Records that the majority has every write up to `time`.
    pub(super) fn advance(&self, time: Timestamp) {
        self.0.fetch_max(u64::from(time.time) << 32 | u64::from(time.increment), Ordering::Relaxed);
    }

    /// The read concern of queries: one snapshot that the majority has, no earlier than the latest confirmed time.
    pub(super) fn read_concern(&self) -> Document {
        let mut concern = doc! {"level": "snapshot"};
        if let Some(time) = self.latest() {
            concern.insert("afterClusterTime", time);
        }
        concern
    }

    /// `None` if no time was confirmed yet.
    fn latest(&self) -> Option<Timestamp> {
        let time = self.0.load(Ordering::Relaxed);
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        (time > 0).then(|| Timestamp { time: half(time >> 32), increment: half(time) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_without_majority_is_unconfirmed() {
        let code = |reply| unconfirmed_reason(&reply).map(|(code, _)| code);
        assert_eq!(code(doc! {"ok": 1, "n": 1}), None);
        assert_eq!(code(doc! {"ok": 1, "writeErrors": [{"code": 11_000}]}), Some(11_000));
        let (code, why) =
            unconfirmed_reason(&doc! {"ok": 1, "n": 1, "writeConcernError": {"code": 11_602, "errmsg": "interrupted"}})
                .unwrap();
        assert!(error_mapping::is_retryable_write_code(code) && why.contains("interrupted"), "{code}: {why}");
        assert!(!error_mapping::is_retryable_write_code(14_031));
    }

    #[test]
    fn confirmed_time_never_moves_back() {
        let confirmed_time = ConfirmedTime::default();
        assert_eq!(confirmed_time.latest(), None);
        assert_eq!(confirmed_time.read_concern(), doc! {"level": "snapshot"});
        let at = |time, increment| Timestamp { time, increment };
        for (confirmed, latest) in
            [(at(7, 3), at(7, 3)), (at(6, 9), at(7, 3)), (at(7, 4), at(7, 4)), (at(u32::MAX, 1), at(u32::MAX, 1))]
        {
            confirmed_time.advance(confirmed);
            assert_eq!(confirmed_time.latest(), Some(latest));
            assert_eq!(confirmed_time.read_concern(), doc! {"level": "snapshot", "afterClusterTime": latest});
        }
    }
}
