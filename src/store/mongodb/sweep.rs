//! Deletes expired documents. The server's TTL monitor does so too, once a minute and by the server's clock. A sweep uses the time that its
//! caller passes. For the ledger it uses the server's time, so that no host's clock decides what all others forget.

use std::sync::atomic::{AtomicBool, Ordering};

use mongodb::bson::{Bson, doc};

use super::Mongo;
use super::codec::CollectionCodec;
use super::condition::{Condition, ServerCondition};
use super::filter::translate;
use super::query::{include_fields, top_field};
use super::retry::AttemptError;
use super::server_time::{to_bson_date, to_millis};
use crate::id::Revision;
use crate::schema::{Filter, Predicate, Ttl};
use crate::store::{StoreError, StoredDocument};
use crate::time::Timestamp;
use crate::value::get;

/// Documents deleted by one command.
const DELETE_BATCH: usize = 1_000;

impl Mongo {
    /// Deletes up to `limit` documents that are expired at `now`, the longest expired first. Returns how many.
    pub(super) async fn do_sweep(&self, collection: &str, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let Some(declared) = self.codec(collection) else { return Ok(0) };
        let Some(ttl) = &declared.collection.ttl else { return Ok(0) };
        let doing = format!("sweeping {collection}");
        let now = if declared.is_ledger() { self.read_server_time(&doing).await?.min(now) } else { now };
        let mut swept = 0;
        while swept < limit {
            let most = DELETE_BATCH.min(limit - swept);
            let expired = self.retry(&doing, || Box::pin(self.find_expired(&declared, ttl, now, most))).await?;
            let begun = AtomicBool::new(false);
            let deleted = self.retry(&doing, || Box::pin(self.delete(collection, &expired, &begun))).await?;
            swept += deleted;
            // Others sweep too, and documents that were refreshed meanwhile stay.
            if expired.len() < most || deleted == 0 {
                break;
            }
        }
        Ok(swept)
    }

    /// The server's time, by which ledger rows expire.
    async fn read_server_time(&self, doing: &str) -> Result<Timestamp, StoreError> {
        let now = self.retry(doing, || Box::pin(self.pass_read_fence())).await?;
        Ok(Timestamp::from_millis(to_millis(now)))
    }

    /// Finds up to `most` expired documents, with their revisions.
    async fn find_expired(
        &self,
        declared: &CollectionCodec,
        ttl: &Ttl,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<(String, Revision)>, AttemptError> {
        let partial = ttl
            .partial
            .as_ref()
            .map_or(ServerCondition::every(), |partial| translate(declared, &predicate_filter(partial)));
        let (field, by) = (declared.expiry_field(ttl), to_bson_date(now - ttl.after));
        let filter = Condition::all([Condition::Matching(doc! {field: {"$lte": by}}), partial.condition]).filter();
        let read = ttl.partial.iter().flat_map(Predicate::paths).chain([ttl.field]).map(top_field);
        let batch = u32::try_from(most).unwrap_or(u32::MAX);
        let mut command = doc! {"filter": filter, "sort": {field: 1}, "projection": include_fields(read)};
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

    /// Deletes documents that still have these revisions, and returns how many. On a retry, documents that are gone are counted: the first
    /// attempt, whose answer was lost, deleted them.
    async fn delete(
        &self,
        collection: &str,
        documents: &[(String, Revision)],
        begun: &AtomicBool,
    ) -> Result<usize, AttemptError> {
        if documents.is_empty() {
            return Ok(0);
        }
        let is_again = begun.swap(true, Ordering::Relaxed);
        let one = |(id, revision): &(String, Revision)| -> Bson {
            doc! {"q": {"_id": id, "_rev": revision.to_string()}, "limit": 1}.into()
        };
        let deletes: Vec<Bson> = documents.iter().map(one).collect();
        let namespace = self.layout.namespace(collection);
        let command = doc! {
            "delete": namespace.collection, "deletes": deletes, "ordered": false, "writeConcern": {"w": "majority"},
        };
        let reply = self.client.database(&namespace.database).run_command(command).await?;
        self.ensure_majority(&reply, &format!("sweeping {collection}"))?;
        if is_again {
            return Ok(documents.len().saturating_sub(self.count_existing(collection, documents).await?));
        }
        Ok(reply.get("n").and_then(to_count).unwrap_or(0))
    }

    /// How many of these documents exist, at any revision.
    async fn count_existing(&self, collection: &str, documents: &[(String, Revision)]) -> Result<usize, AttemptError> {
        let ids: Vec<&str> = documents.iter().map(|(id, _)| id.as_str()).collect();
        let batch = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let command = doc! {"filter": {"_id": {"$in": ids}}, "projection": {"_id": 1}};
        let mut found = self.find(collection, command, batch).await?;
        let mut existing = 0;
        while found.advance().await? {
            existing += 1;
        }
        Ok(existing)
    }
}

fn is_expired(ttl: &Ttl, stored: &StoredDocument, now: Timestamp) -> bool {
    let at = get(&stored.document, ttl.field).and_then(crate::value::Json::as_i64);
    ttl.partial.as_ref().is_none_or(|partial| partial.holds(&stored.document))
        && at.is_some_and(|at| Timestamp::from_millis(at) + ttl.after <= now)
}

fn to_count(number: &Bson) -> Option<usize> {
    number.as_i32().and_then(|n| usize::try_from(n).ok()).or_else(|| usize::try_from(number.as_i64()?).ok())
}

/// The predicate as a filter of queries.
fn predicate_filter(predicate: &Predicate) -> Filter {
    match predicate {
        Predicate::Exists(path) => Filter::Exists((*path).to_owned(), true),
        Predicate::Missing(path) => Filter::Exists((*path).to_owned(), false),
        Predicate::Eq(path, constant) => Filter::Eq((*path).to_owned(), constant.to_json()),
        Predicate::In(path, constants) => {
            Filter::In((*path).to_owned(), constants.iter().map(|constant| constant.to_json()).collect())
        }
        Predicate::All(all) => Filter::And(all.iter().map(predicate_filter).collect()),
        Predicate::Any(any) => Filter::Or(any.iter().map(predicate_filter).collect()),
    }
}
