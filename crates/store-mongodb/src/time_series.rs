//! Rows of time series ([`TimeSeries`]), in time-series collections of the server: how they are written, found and
//! counted, and the options of their collections.
//!
//! The server refuses such rows in a transaction, and has no unique index on their `_id`. So a commit inserts the rows
//! with the majority first, and then the ledger row in a transaction. A process that dies between the two leaves rows
//! of a command that is not committed. A repeat finds them by their ids, and inserts only those that are missing.
//! Concurrent repeats may insert one twice: reads return it once.

use std::sync::atomic::{AtomicBool, Ordering};

use mongodb::bson::raw::cstr;
use mongodb::bson::{Bson, Document as Spec, doc, rawdoc};
use runstate_core::id;
use runstate_core::marker::BoxFuture;
use runstate_core::schema::{Collection, Direction, Key, Query, TimeSeries};
use runstate_store::{Batch, Freshness, Receipt, StoreError, Write};
use runstate_store_server::WriteOrder;
use runstate_value::{Json, is_equal};

use super::codec::CollectionCodec;
use super::error_mapping::{self, Refusal};
use super::indexes::to_seconds;
use super::open::to_integer;
use super::retry::AttemptError;
use super::sweep::to_bson_date;
use super::transaction::operation_time;
use super::write_command::{CurrentRevisions, write_commands};
use super::{Declarations, Mongo};
use crate::{commit, read, read_fence, retry};

/// Commits a valid batch of rows.
pub(super) async fn commit_rows(
    mongo: &Mongo,
    batch: &Batch,
    declarations: &Declarations,
) -> Result<Receipt, StoreError> {
    if let Some(receipt) = commit::replay(mongo, batch, true).await? {
        return Ok(receipt);
    }
    let doing = format!("inserting the rows of command `{}`", batch.command);
    let may_have_written = AtomicBool::new(false);
    let insert = || -> BoxFuture<'_, Result<(), AttemptError>> {
        Box::pin(insert_missing(mongo, batch, declarations, &doing, &may_have_written))
    };
    let inserted = retry::retry(mongo, &doing, insert).await;
    let unknown = |error: StoreError| match error {
        StoreError::UnknownOutcome { .. } | StoreError::CommandIdReused { .. } => error,
        error if !may_have_written.load(Ordering::Relaxed) => error,
        error => StoreError::UnknownOutcome { command: batch.command.clone(), why: error.to_string() },
    };
    inserted.map_err(unknown)?;
    let ledger = with_writes(batch, Vec::new());
    commit::commit_in_transaction(mongo, &ledger, declarations).await.map_err(unknown)
}

fn with_writes(batch: &Batch, writes: Vec<Write>) -> Batch {
    let Batch { command, fingerprint, at, result, .. } = batch;
    Batch {
        command: command.clone(),
        fingerprint: fingerprint.clone(),
        at: *at,
        result: result.clone(),
        writes,
        checks: Vec::new(),
        frees_space: batch.frees_space,
    }
}

/// Inserts the rows of a batch that the server does not have. A row that it has was inserted by an earlier attempt; a
/// different row under that id is a conflict. `may_have_written` is set once an insert may have taken effect.
async fn insert_missing(
    mongo: &Mongo,
    batch: &Batch,
    declarations: &Declarations,
    doing: &str,
    may_have_written: &AtomicBool,
) -> Result<(), AttemptError> {
    // The ledger was read behind a fence, so a session read is fresh, until an insert has failed.
    let is_retry = may_have_written.load(Ordering::Relaxed);
    let freshness = if is_retry { Freshness::Linearizable } else { Freshness::Session };
    let keys: Vec<Key> = batch.writes.iter().map(|write| write.key.clone()).collect();
    let mut missing = Vec::new();
    for (write, found) in batch.writes.iter().zip(read::read_once(mongo, &keys, freshness).await?) {
        match (found, write.op.document_after()) {
            (None, _) => missing.push(write.clone()),
            (Some(found), Some(row))
                if is_equal(&Json::Object((*found.document).clone()), &Json::Object((**row).clone())) => {}
            _ => return Err(StoreError::Conflict { key: write.key.clone() }.into()),
        }
    }
    let missing = with_writes(batch, missing);
    for command in write_commands(&missing, declarations, &CurrentRevisions::new(), WriteOrder::InPlace)? {
        let namespace = mongo.layout.namespace(command.collection);
        let mut body = command.body(&namespace.collection);
        body.append(cstr!("ordered"), false);
        body.append(cstr!("writeConcern"), rawdoc! {"w": "majority"});
        let had_written = may_have_written.swap(true, Ordering::Relaxed);
        let reply = mongo.client.database(&namespace.database).run_raw_command(body).await.inspect_err(|error| {
            // The server refused the whole command.
            if error_mapping::error_code(error).is_some() && !error_mapping::is_failover(error) {
                may_have_written.store(had_written, Ordering::Relaxed);
            }
        })?;
        if let Some(Refusal::Other(code, why)) = error_mapping::reply_refusal(&reply)
            && !error_mapping::is_retryable_write_code(code)
        {
            return Err(error_mapping::code_to_store_error(Some(code), why, mongo.describe_operation(doing)).into());
        }
        read_fence::ensure_majority(mongo, &reply, doing)?;
        operation_time(&reply).into_iter().for_each(|time| mongo.confirmed_time.advance(time));
    }
    Ok(())
}

/// The condition for documents with these ids. The id of a row begins with its time, by which the server finds it.
pub(super) fn filter_by_ids(codec: &CollectionCodec, ids: &[&str]) -> Spec {
    let mut filter = doc! {"_id": {"$in": ids}};
    if let Some(TimeSeries { time, .. }) = codec.collection.detached {
        let times = || ids.iter().filter_map(|id| id::time_of(id));
        // No row has another id.
        let (Some(first), Some(last)) = (times().min(), times().max()) else { return doc! {"_id": {"$in": []}} };
        filter.insert(time, doc! {"$gte": to_bson_date(first), "$lte": to_bson_date(last)});
    }
    filter
}

/// A query for rows in the order of their ids, as the same query in the order of their times, which the server has an
/// index for. `None`: the query stays as it is.
pub(super) fn order_by_time(codec: &CollectionCodec, query: &Query) -> Option<Query> {
    let TimeSeries { time, .. } = codec.collection.detached.filter(|_| query.sort.is_empty())?;
    Some(query.clone().sort(time, Direction::Ascending))
}

/// The stages that pass each row once.
pub(super) fn unique_rows(codec: &CollectionCodec) -> Vec<Spec> {
    match codec.collection.detached {
        Some(_) => vec![
            doc! {"$group": {"_id": "$_id", "row": {"$first": "$$ROOT"}}},
            doc! {"$replaceRoot": {"newRoot": "$row"}},
        ],
        None => Vec::new(),
    }
}

/// The options of a time-series collection.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TimeSeriesOptions {
    time: String,
    meta: Option<String>,
    /// The time to live, in seconds.
    expiry: Option<i64>,
}

/// A collection of the server.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FoundCollection {
    TimeSeries(TimeSeriesOptions),
    /// Another kind: `collection` or `view`.
    Other(String),
}

impl TimeSeriesOptions {
    /// The options that a collection needs. `None`: it is not a time series.
    pub(super) fn of(collection: &Collection) -> Option<Self> {
        let TimeSeries { time, meta } = collection.detached?;
        let expiry = collection.ttl.as_ref().map(|ttl| to_seconds(ttl.after).into());
        Some(Self { time: time.to_owned(), meta: Some(meta.to_owned()), expiry })
    }

    /// The options of the command that creates the collection. A bucket has the rows of one source of an hour at most,
    /// so rows expire at most that much later.
    pub(super) fn creation(&self) -> Spec {
        let mut series = doc! {"timeField": &self.time, "granularity": "seconds"};
        series.extend(self.meta.as_ref().map(|meta| ("metaField".to_owned(), meta.into())));
        let mut options = doc! {"timeseries": series};
        options.extend(self.expiry.map(|seconds| ("expireAfterSeconds".to_owned(), seconds.into())));
        options
    }

    /// The change of the time to live that makes a collection of this store fit. `None`: it fits. A collection of
    /// another program is not changed, since a shorter time deletes its rows.
    pub(super) fn missing_expiry(
        &self,
        name: &str,
        found: &FoundCollection,
        is_own: bool,
    ) -> Result<Option<Spec>, StoreError> {
        let fits = |found: &Self| (&found.time, &found.meta) == (&self.time, &self.meta);
        match found {
            FoundCollection::TimeSeries(found) if found == self => Ok(None),
            FoundCollection::TimeSeries(found) if is_own && fits(found) => {
                let off = || "off".into();
                Ok(Some(doc! {"expireAfterSeconds": self.expiry.map_or_else(off, Bson::from)}))
            }
            found => Err(StoreError::UnsuitableCollection {
                collection: name.to_owned(),
                found: found.describe(),
                wanted: self.describe(),
                advice: "Copy its documents to another collection, drop it".to_owned(),
            }),
        }
    }

    fn describe(&self) -> String {
        let expiry = self
            .expiry
            .map_or_else(|| "without expiry".to_owned(), |seconds| format!("expiring after {seconds} seconds"));
        let meta = self.meta.as_ref().map(|meta| format!(" and metaField `{meta}`")).unwrap_or_default();
        format!("a time series with timeField `{}`{meta}, {expiry}", self.time)
    }
}

impl FoundCollection {
    fn parse(entry: &Spec) -> Self {
        let options = entry.get_document("options").ok();
        let series = options.and_then(|options| options.get_document("timeseries").ok());
        let Some((series, time)) = series.and_then(|series| Some((series, series.get_str("timeField").ok()?))) else {
            return Self::Other(entry.get_str("type").unwrap_or("collection").to_owned());
        };
        let expiry = options.and_then(|options| options.get("expireAfterSeconds")).and_then(to_integer);
        let meta = series.get_str("metaField").ok().map(str::to_owned);
        Self::TimeSeries(TimeSeriesOptions { time: time.to_owned(), meta, expiry })
    }

    fn describe(&self) -> String {
        match self {
            Self::TimeSeries(options) => options.describe(),
            Self::Other(kind) if kind == "collection" => "an ordinary collection".to_owned(),
            Self::Other(kind) => format!("a {kind}"),
        }
    }
}

/// The collection `name` on the server. `None`: it does not exist.
pub(super) async fn find_collection(mongo: &Mongo, name: &str) -> Result<Option<FoundCollection>, StoreError> {
    let namespace = mongo.layout.namespace(name);
    let list = doc! {"listCollections": 1, "filter": {"name": &namespace.collection}};
    let run = || -> BoxFuture<'_, Result<Spec, AttemptError>> {
        let database = mongo.client.database(&namespace.database);
        let list = list.clone();
        Box::pin(async move { Ok(database.run_command(list).await?) })
    };
    let reply = retry::retry(mongo, &format!("reading the options of {name}"), run).await?;
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let first = batch.ok().and_then(|batch| batch.first()).and_then(|entry| entry.as_document());
    Ok(first.map(FoundCollection::parse))
}

#[cfg(test)]
mod tests {
    use runstate_core::schema::{Field, Ttl};
    use runstate_value::time::{Millis, Timestamp};

    use super::*;

    const SERIES: Collection = Collection::new("t.c", 1)
        .fields(&[Field::id("id"), Field::timestamp("at"), Field::text("by")])
        .ttl(Ttl { field: "at", after: Millis::days(30), partial: None })
        .detached(TimeSeries { time: "at", meta: "by" });

    fn listed(kind: &str, options: Spec) -> FoundCollection {
        FoundCollection::parse(&doc! {"name": "c", "type": kind, "options": options})
    }

    #[test]
    fn collection_fits_by_its_fields_and_its_time_to_live() {
        let wanted = TimeSeriesOptions::of(&SERIES).unwrap();
        let series = |time: &str, meta: &str, seconds: i64| {
            let series =
                doc! {"timeField": time, "metaField": meta, "granularity": "hours", "bucketMaxSpanSeconds": 3_600};
            listed("timeseries", doc! {"expireAfterSeconds": seconds, "timeseries": series})
        };
        assert_eq!(wanted.missing_expiry("t.c", &listed("timeseries", wanted.creation()), false), Ok(None));
        assert_eq!(wanted.missing_expiry("t.c", &series("at", "by", 2_592_000), false), Ok(None));
        let changed = wanted.missing_expiry("t.c", &series("at", "by", 60), true);
        assert_eq!(changed, Ok(Some(doc! {"expireAfterSeconds": 2_592_000i64})));
        for (found, described) in [
            (series("at", "by", 60), "expiring after 60 seconds"),
            (series("end", "by", 2_592_000), "timeField `end`"),
            (series("at", "other", 2_592_000), "metaField `other`"),
            (listed("timeseries", doc! {"timeseries": {"timeField": "at"}}), "`at`, without expiry"),
            (listed("collection", doc! {}), "an ordinary collection"),
            (listed("view", doc! {"viewOn": "x"}), "a view"),
        ] {
            let error = wanted.missing_expiry("t.c", &found, false).unwrap_err().to_string();
            assert!(error.contains(described) && error.contains("timeField `at` and metaField `by`"), "{error}");
        }
    }

    #[test]
    fn ids_are_found_by_their_times() {
        let codec = CollectionCodec::new(&SERIES);
        let id = |millis| id::uuid_v7(Timestamp::from_millis(millis), [1; 10]);
        let (early, late) = (id(1_000), id(2_000));
        let date = |millis| to_bson_date(Timestamp::from_millis(millis));
        assert_eq!(
            filter_by_ids(&codec, &[&late, &early, "other"]),
            doc! {"_id": {"$in": [&late, &early, "other"]}, "at": {"$gte": date(1_000), "$lte": date(2_000)}}
        );
        assert_eq!(filter_by_ids(&codec, &["other"]), doc! {"_id": {"$in": []}});
    }
}
