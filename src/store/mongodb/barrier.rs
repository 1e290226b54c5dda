//! The time of the set, proved by a write: a primary that was replaced meanwhile cannot confirm one, so what is read at that time is no
//! older than the question.

use std::sync::atomic::{AtomicU64, Ordering};

use async_lock::Mutex;
use mongodb::bson::{Bson, Document as Reply, Timestamp, doc};

use super::again::Stop;
use super::meta::sign_in;
use super::names::META;
use super::read::first_of;
use super::transaction::operation_time;
use super::{Mongo, faults};
use crate::store::Error;

/// The document that is written where somebody reads.
pub(super) const BARRIER: &str = "barrier";

/// Barriers of one process. Who comes while one is under way waits for the next, which serves all who have come by then.
#[derive(Default)]
pub(super) struct Barriers {
    begun: AtomicU64,
    /// The last one that held. Who has the lock raises the next.
    last: Mutex<Option<Raised>>,
}

/// A barrier that held.
#[derive(Clone, Copy)]
struct Raised {
    number: u64,
    at: Timestamp,
}

impl Mongo {
    /// A time of the set that is no earlier than this call.
    pub(super) async fn now(&self) -> Result<Timestamp, Stop> {
        let begun = self.barriers.begun.load(Ordering::Acquire);
        let mut last = self.barriers.last.lock().await;
        if let Some(Raised { at, .. }) = last.filter(|last| last.number > begun) {
            return Ok(at);
        }
        let number = self.barriers.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let at = self.raise().await?;
        self.clock.confirmed(at);
        *last = Some(Raised { number, at });
        Ok(at)
    }

    /// A linearizable reading shows the same as the write, but where one server is a set alone it waits for that one's next flush, a hundred
    /// times as long; it is for users who may not write.
    async fn raise(&self) -> Result<Timestamp, Stop> {
        let barrier = doc! {
            "findAndModify": self.layout.place(META).collection,
            "query": {"_id": BARRIER}, "update": {"$inc": {"readings": 1i64}}, "upsert": true, "new": true,
            "writeConcern": {"w": "majority"},
        };
        let reply = match self.database(META).run_command(barrier).await {
            Err(fault) if faults::forbidden(&fault) => self.find_linearizable(META, BARRIER).await?,
            // Two made it at the same time.
            Err(fault) if faults::number(&fault).is_some_and(faults::unconfirmed) => {
                return Err(Stop::Again(self.error(&fault, "reading")));
            }
            reply => reply?,
        };
        self.confirmed(&reply, "reading")?;
        let found = first_of(&reply).and_then(|found| Reply::try_from(&found).ok());
        self.heed(sign_in(reply.get_document("value").ok().or(found.as_ref()))).await?;
        operation_time(&reply).ok_or_else(|| {
            let why = "the server does not tell its time; is it a replica set?".to_owned();
            Error::Unavailable { what: self.what("reading"), why }.into()
        })
    }
}

impl Mongo {
    /// Unless the majority has what a reply tells of as done. A primary that gives way answers its last writes so: the next one proves it.
    pub(super) fn confirmed(&self, reply: &Reply, doing: &str) -> Result<(), Stop> {
        let Some((number, why)) = unproved(reply) else { return Ok(()) };
        let error = Error::Unavailable { what: self.what(doing), why };
        Err(if faults::unconfirmed(number) { Stop::Again(error) } else { Stop::Error(error) })
    }
}

/// Why an answer proves nothing: the server's number, and words.
fn unproved(reply: &Reply) -> Option<(i32, String)> {
    let refused = reply.get_array("writeErrors").ok().and_then(|errors| errors.first());
    let error = refused.or_else(|| reply.get("writeConcernError"))?;
    let said = |name: &str| error.as_document().and_then(|error| error.get(name));
    let number = said("code").and_then(Bson::as_i32).unwrap_or_default();
    let words = said("errmsg").and_then(Bson::as_str).unwrap_or_default();
    Some((number, format!("the set did not confirm it; try again (the server says: {words} ({number}))")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_write_that_the_majority_has_proves_anything() {
        let number = |reply| unproved(&reply).map(|(number, _)| number);
        assert_eq!(number(doc! {"ok": 1, "n": 1}), None);
        assert_eq!(number(doc! {"ok": 1, "writeErrors": [{"code": 11_000}]}), Some(11_000));
        let (number, why) =
            unproved(&doc! {"ok": 1, "n": 1, "writeConcernError": {"code": 11_602, "errmsg": "interrupted"}}).unwrap();
        assert!(faults::unconfirmed(number) && why.contains("interrupted"), "{number}: {why}");
        assert!(!faults::unconfirmed(14_031));
    }
}
