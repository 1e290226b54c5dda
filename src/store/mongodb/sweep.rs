//! Deleting what is expired. The server does so by itself too, once a minute and by its own clock; a sweep goes by the time it is told, but for
//! the ledger, of which no host's clock decides what all others forget.

use std::sync::atomic::{AtomicBool, Ordering};

use mongodb::bson::{Bson, doc};

use super::Mongo;
use super::again::Stop;
use super::codec::Declared;
use super::condition::{Asked, Condition};
use super::filter::translate;
use super::lifetime::{date, millis};
use super::query::{only, top};
use crate::id::Revision;
use crate::schema::{Filter, Predicate, Ttl};
use crate::store::{Error, Stored};
use crate::time::Timestamp;
use crate::value::get;

/// Documents deleted by one command.
const AT_ONCE: usize = 1_000;

impl Mongo {
    /// Deletes up to `limit` documents that are expired at `now`, the longest expired first; how many.
    pub(super) async fn do_sweep(&self, collection: &str, now: Timestamp, limit: usize) -> Result<usize, Error> {
        let Some(declared) = self.declared(collection) else { return Ok(0) };
        let Some(ttl) = &declared.collection.ttl else { return Ok(0) };
        let doing = format!("sweeping {collection}");
        let now = if declared.is_ledger() { self.server_time(&doing).await?.min(now) } else { now };
        let mut swept = 0;
        while swept < limit {
            let most = AT_ONCE.min(limit - swept);
            let expired = self.again(&doing, || Box::pin(self.expired(&declared, ttl, now, most))).await?;
            let begun = AtomicBool::new(false);
            let deleted = self.again(&doing, || Box::pin(self.delete(collection, &expired, &begun))).await?;
            swept += deleted;
            // Others sweep too, and what was refreshed meanwhile stays.
            if expired.len() < most || deleted == 0 {
                break;
            }
        }
        Ok(swept)
    }

    /// The time by which rows of the ledger live, whatever a host takes it for.
    async fn server_time(&self, doing: &str) -> Result<Timestamp, Error> {
        let now = self.again(doing, || Box::pin(self.now())).await?;
        Ok(Timestamp::from_millis(millis(now)))
    }

    /// Up to `most` documents that are expired, as they stand.
    async fn expired(
        &self,
        declared: &Declared,
        ttl: &Ttl,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<(String, Revision)>, Stop> {
        let partial = ttl.partial.as_ref().map_or(Asked::every(), |partial| translate(declared, &filter(partial)));
        let (field, by) = (declared.expires_by(ttl), date(now - ttl.after));
        let filter = Condition::all([Condition::Where(doc! {field: {"$lte": by}}), partial.condition]).filter();
        let read = ttl.partial.iter().flat_map(Predicate::paths).chain([ttl.field]).map(top);
        let batch = u32::try_from(most).unwrap_or(u32::MAX);
        let mut command = doc! {"filter": filter, "sort": {field: 1}, "projection": only(read)};
        if partial.exact {
            command.insert("limit", batch);
        }
        let mut found = self.find(declared.collection.name, command, batch).await?;
        let mut expired = Vec::new();
        while expired.len() < most && found.advance().await? {
            let (id, stored) = declared.decode_document(found.current())?;
            if declared.is_ledger() || is_expired(ttl, &stored, now) {
                expired.push((id.to_string(), stored.revision));
            }
        }
        Ok(expired)
    }

    /// Deletes documents that are still what they were; how many. Where that was begun before, those that are gone by now are counted: they
    /// went by the first deletion, whose answer was lost.
    async fn delete(
        &self,
        collection: &str,
        documents: &[(String, Revision)],
        begun: &AtomicBool,
    ) -> Result<usize, Stop> {
        if documents.is_empty() {
            return Ok(0);
        }
        let is_again = begun.swap(true, Ordering::Relaxed);
        let one = |(id, revision): &(String, Revision)| -> Bson {
            doc! {"q": {"_id": id, "_rev": revision.to_string()}, "limit": 1}.into()
        };
        let deletes: Vec<Bson> = documents.iter().map(one).collect();
        let place = self.layout.place(collection);
        let command = doc! {
            "delete": place.collection, "deletes": deletes, "ordered": false, "writeConcern": {"w": "majority"},
        };
        let reply = self.client.database(&place.database).run_command(command).await?;
        self.confirmed(&reply, &format!("sweeping {collection}"))?;
        if is_again {
            return Ok(documents.len().saturating_sub(self.standing(collection, documents).await?));
        }
        Ok(reply.get("n").and_then(count).unwrap_or(0))
    }

    /// How many of these documents are there, at whatever revision.
    async fn standing(&self, collection: &str, documents: &[(String, Revision)]) -> Result<usize, Stop> {
        let ids: Vec<&str> = documents.iter().map(|(id, _)| id.as_str()).collect();
        let batch = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let command = doc! {"filter": {"_id": {"$in": ids}}, "projection": {"_id": 1}};
        let mut found = self.find(collection, command, batch).await?;
        let mut standing = 0;
        while found.advance().await? {
            standing += 1;
        }
        Ok(standing)
    }
}

fn is_expired(ttl: &Ttl, stored: &Stored, now: Timestamp) -> bool {
    let at = get(&stored.document, ttl.field).and_then(crate::value::Json::as_i64);
    ttl.partial.as_ref().is_none_or(|partial| partial.holds(&stored.document))
        && at.is_some_and(|at| Timestamp::from_millis(at) + ttl.after <= now)
}

fn count(number: &Bson) -> Option<usize> {
    number.as_i32().and_then(|n| usize::try_from(n).ok()).or_else(|| usize::try_from(number.as_i64()?).ok())
}

/// The same condition in the language of queries.
fn filter(predicate: &Predicate) -> Filter {
    match predicate {
        Predicate::Exists(path) => Filter::Exists((*path).to_owned(), true),
        Predicate::Missing(path) => Filter::Exists((*path).to_owned(), false),
        Predicate::Eq(path, constant) => Filter::Eq((*path).to_owned(), constant.to_json()),
        Predicate::In(path, constants) => {
            Filter::In((*path).to_owned(), constants.iter().map(|constant| constant.to_json()).collect())
        }
        Predicate::All(all) => Filter::And(all.iter().map(filter).collect()),
        Predicate::Any(any) => Filter::Or(any.iter().map(filter).collect()),
    }
}
