//! Reads documents and ledger rows by key. A linearizable read passes the read fence, so that its result is never that
//! of a former primary.

use std::collections::BTreeMap;
use std::sync::Arc;

use mongodb::bson::{Document as BsonDocument, RawArrayBuf, RawDocument, RawDocumentBuf, Timestamp, doc, rawdoc};
use mongodb::error::Error as DriverError;
use mongodb::{Cursor, Database};
use runstate_core::id::CommandId;
use runstate_core::marker::BoxFuture;
use runstate_core::schema::Key;
use runstate_store::{COMMANDS, Freshness, Outcome, Position, StoreError, StoredDocument};
use runstate_value::Json;
use tokio::task::{JoinError, JoinSet};

use super::codec::CollectionCodec;
use super::error_mapping::INDEX_NOT_FOUND;
use super::filter::TEXT_SEARCH;
use super::retry::AttemptError;
use super::transaction::{MongoTransaction, operation_time};
use super::write_command::CurrentRevisions;
use super::{Declarations, META, Mongo};
use crate::{changes, error_mapping, read_fence, retry, time_series};

/// A row of the command ledger, and a position after it.
pub(super) struct LedgerRow {
    pub(super) fingerprint: String,
    pub(super) result: Json,
    pub(super) position: Position,
}

/// The most bytes of ids in one command, which is one document to the server.
const MAX_IDS_BYTES: usize = 8 * 1024 * 1024;
/// The bytes of a list element beside the id itself.
const ID_OVERHEAD_BYTES: usize = 16;

/// The batch size of a cursor that reads many documents.
pub(super) const BATCH: u32 = 1_000;

/// Documents by id.
type DocumentMap = BTreeMap<Arc<str>, StoredDocument>;

/// Reads documents by key, all from one snapshot.
pub(super) async fn read(
    mongo: &Mongo,
    keys: &[Key],
    freshness: Freshness,
) -> Result<Vec<Option<StoredDocument>>, StoreError> {
    retry::retry(mongo, &describe_read(keys), || Box::pin(read_once(mongo, keys, freshness))).await
}

pub(super) async fn read_once(
    mongo: &Mongo,
    keys: &[Key],
    freshness: Freshness,
) -> Result<Vec<Option<StoredDocument>>, AttemptError> {
    let declarations = mongo.declarations();
    let mut ids_by_collection: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for key in keys.iter().filter(|key| can_exist(key)) {
        ids_by_collection.entry(&key.collection).or_default().push(&key.id);
    }
    let found = if ids_by_collection.is_empty() {
        BTreeMap::new()
    } else {
        read_snapshot(mongo, &declarations, &ids_by_collection, freshness).await?
    };
    Ok(keys.iter().map(|key| found.get(&*key.collection)?.get(&key.id).cloned()).collect())
}

/// Reads documents from one snapshot.
async fn read_snapshot<'a>(
    mongo: &Mongo,
    declarations: &Declarations,
    ids_by_collection: &BTreeMap<&'a str, Vec<&'a str>>,
    freshness: Freshness,
) -> Result<BTreeMap<&'a str, DocumentMap>, AttemptError> {
    let commands = read_commands(mongo, declarations, ids_by_collection);
    let read_concern = match freshness {
        // One command reads one snapshot. Several commands must name its time.
        Freshness::Session if commands.len() == 1 => mongo.confirmed_time.read_concern(),
        Freshness::Session => at_cluster_time(read_fence::read_snapshot_time(mongo).await?),
        Freshness::Linearizable => at_cluster_time(read_fence::pass_read_fence(mongo).await?),
    };
    let mut reads = JoinSet::new();
    for ReadCommand { database, parts, .. } in commands {
        let (database, read_concern) = (mongo.client.database(&database), read_concern.clone());
        reads.spawn(async move { read_parts(&database, parts, read_concern).await });
    }
    let mut found = BTreeMap::new();
    while let Some(result) = reads.join_next().await {
        for (name, documents) in result.map_err(|error| task_error(mongo, &error))?? {
            if let Some((name, _)) = ids_by_collection.get_key_value(name.as_str()) {
                found.entry(*name).or_insert_with(DocumentMap::new).extend(documents);
            }
        }
    }
    Ok(found)
}

/// Documents of one database, by their ids. They are read by one command.
struct ReadCommand {
    database: String,
    parts: Vec<ReadPart>,
    bytes: usize,
}

/// Documents of one collection.
struct ReadPart {
    name: String,
    /// Its name on the server.
    collection: String,
    codec: Arc<CollectionCodec>,
    filter: BsonDocument,
    /// The number of ids.
    count: usize,
}

/// As few commands as the server accepts: each reads several collections of a database.
fn read_commands(
    mongo: &Mongo,
    declarations: &Declarations,
    ids_by_collection: &BTreeMap<&str, Vec<&str>>,
) -> Vec<ReadCommand> {
    let mut commands: Vec<ReadCommand> = Vec::new();
    for (name, ids) in
        ids_by_collection.iter().flat_map(|(name, ids)| split_ids(ids).into_iter().map(|ids| (*name, ids)))
    {
        let namespace = mongo.layout.namespace(name);
        let codec = declarations.codec_or_default(name);
        let filter = time_series::filter_by_ids(&codec, ids);
        let part =
            ReadPart { name: name.to_owned(), collection: namespace.collection, codec, filter, count: ids.len() };
        let bytes: usize = ids.iter().map(|id| id.len() + ID_OVERHEAD_BYTES).sum();
        let fits = |command: &&mut ReadCommand| {
            command.database == namespace.database && command.bytes + bytes <= MAX_IDS_BYTES
        };
        match commands.iter_mut().find(fits) {
            Some(command) => {
                command.parts.push(part);
                command.bytes += bytes;
            }
            None => commands.push(ReadCommand { database: namespace.database, parts: vec![part], bytes }),
        }
    }
    commands
}

/// The read concern of the snapshot at this time.
fn at_cluster_time(at: Timestamp) -> BsonDocument {
    doc! {"level": "snapshot", "atClusterTime": at}
}

/// The error for a task that ended without a result: the runtime is shutting down.
fn task_error(mongo: &Mongo, error: &JoinError) -> AttemptError {
    StoreError::Unavailable { what: mongo.describe_operation("reading documents"), why: error.to_string() }.into()
}

/// Reads a document with read concern `linearizable`, as MongoDB documents it: no commit that was confirmed before this
/// call is missed.
pub(super) async fn find_linearizable(mongo: &Mongo, name: &str, id: &str) -> Result<BsonDocument, DriverError> {
    let find = doc! {
        "find": mongo.layout.namespace(name).collection,
        "filter": {"_id": id},
        "limit": 1,
        "singleBatch": true,
        "readConcern": {"level": "linearizable"},
    };
    mongo.database(name).run_command(find).await
}

pub(super) async fn read_ledger_row(mongo: &Mongo, command: &CommandId) -> Result<Option<LedgerRow>, StoreError> {
    let read_row = || -> BoxFuture<'_, Result<BsonDocument, AttemptError>> {
        Box::pin(async {
            let at = read_fence::pass_read_fence(mongo).await?;
            let find = doc! {
                "find": mongo.layout.namespace(COMMANDS.name).collection,
                "filter": {"_id": command.as_str()},
                "limit": 1,
                "singleBatch": true,
                "readConcern": {"level": "majority", "afterClusterTime": at},
            };
            Ok(mongo.database(COMMANDS.name).run_command(find).await?)
        })
    };
    let reply = retry::retry(mongo, "reading the command ledger", read_row).await?;
    let Some(row) = first_document(&reply) else { return Ok(None) };
    let (_, stored) = CollectionCodec::new(&COMMANDS).decode_document(&row)?;
    let fingerprint = stored.document.get("fingerprint").and_then(Json::as_str).unwrap_or_default().to_owned();
    let result = stored.document.get("result").cloned().unwrap_or_default();
    Ok(Some(LedgerRow { fingerprint, result, position: changes::position_at(mongo, operation_time(&reply)) }))
}

pub(super) async fn read_outcome(mongo: &Mongo, command: &CommandId) -> Result<Outcome, StoreError> {
    Ok(match read_ledger_row(mongo, command).await? {
        Some(LedgerRow { fingerprint, result, .. }) => Outcome::Committed { fingerprint, result },
        None => Outcome::Absent,
    })
}

/// Reads the documents with these ids in a transaction: only their revisions and versions.
pub(super) async fn find_revisions(
    mongo: &Mongo,
    transaction: &mut MongoTransaction,
    declarations: &Declarations,
    collection: &str,
    ids: &[&str],
    revisions: &mut CurrentRevisions,
) -> Result<(), AttemptError> {
    let namespace = mongo.layout.namespace(collection);
    let find = rawdoc! {
        "find": namespace.collection,
        "filter": {"_id": {"$in": ids.iter().copied().collect::<RawArrayBuf>()}},
        "projection": {"_rev": 1, "_v": 1},
        // One batch holds all of them: they are small.
        "batchSize": i32::try_from(ids.len()).unwrap_or(i32::MAX).saturating_add(1),
        "singleBatch": true,
    };
    let reply = transaction.run(&mongo.client.database(&namespace.database), find).await?;
    let codec = declarations.codec_or_default(collection);
    for found in first_batch(&reply) {
        let (id, stored) = codec.decode_document(&found)?;
        revisions.insert(Key { collection: collection.to_owned().into(), id }, (stored.revision, stored.version));
    }
    Ok(())
}

/// Finds documents of a collection in one snapshot. `options` completes the command: filter, sort, projection, limit.
pub(super) async fn find(
    mongo: &Mongo,
    collection: &str,
    options: BsonDocument,
    batch: u32,
) -> Result<Cursor<RawDocumentBuf>, AttemptError> {
    let namespace = mongo.layout.namespace(collection);
    let mut command = doc! {"find": namespace.collection, "batchSize": batch, "allowDiskUse": true};
    command.extend(options);
    match open_cursor(mongo, &namespace.database, command.clone(), batch).await {
        // The text index was dropped, or is not built yet. Without it the same filter is slower.
        Err(AttemptError::Driver(error)) if error_mapping::error_code(&error) == Some(INDEX_NOT_FOUND) => {
            let filter = command.get_document_mut("filter").ok();
            match filter.and_then(|filter| filter.remove(TEXT_SEARCH)) {
                Some(_) => open_cursor(mongo, &namespace.database, command, batch).await,
                None => Err(error.into()),
            }
        }
        opened => opened,
    }
}

/// Runs a pipeline over a collection in one snapshot.
pub(super) async fn run_pipeline(
    mongo: &Mongo,
    collection: &str,
    pipeline: Vec<BsonDocument>,
) -> Result<Cursor<RawDocumentBuf>, AttemptError> {
    let namespace = mongo.layout.namespace(collection);
    let batch = BATCH;
    let command = doc! {
        "aggregate": namespace.collection, "pipeline": pipeline, "cursor": {"batchSize": batch}, "allowDiskUse": true,
    };
    open_cursor(mongo, &namespace.database, command, batch).await
}

async fn open_cursor(
    mongo: &Mongo,
    database: &str,
    mut command: BsonDocument,
    batch: u32,
) -> Result<Cursor<RawDocumentBuf>, AttemptError> {
    command.insert("readConcern", mongo.confirmed_time.read_concern());
    // Without this limit the server would continue after the caller has given up.
    command.insert("maxTimeMS", i64::try_from(mongo.call_timeout.as_millis()).unwrap_or(i64::MAX).max(1));
    let cursor = mongo.client.database(database).run_cursor_command(command).batch_size(batch).await?;
    Ok(cursor.with_type())
}

/// Splits ids into as few parts as the server accepts, each in one command.
fn split_ids<'a, 'b>(ids: &'b [&'a str]) -> Vec<&'b [&'a str]> {
    let (mut parts, mut begin, mut bytes) = (Vec::new(), 0, 0);
    for (n, id) in ids.iter().enumerate() {
        let size = id.len() + ID_OVERHEAD_BYTES;
        if bytes + size > MAX_IDS_BYTES && n > begin {
            parts.push(&ids[begin..n]);
            (begin, bytes) = (n, 0);
        }
        bytes += size;
    }
    parts.push(&ids[begin..]);
    parts
}

/// Reads the documents of all parts with one command.
async fn read_parts(
    database: &Database,
    parts: Vec<ReadPart>,
    read_concern: BsonDocument,
) -> Result<Vec<(String, DocumentMap)>, AttemptError> {
    // One more than there can be: the server then closes the cursor, and no second request is needed.
    let count = parts.iter().map(|part| part.count).sum::<usize>().saturating_add(1);
    let batch = i64::try_from(count).unwrap_or(i64::MAX);
    let mut command = match parts.as_slice() {
        [part] => doc! {"find": &part.collection, "filter": &part.filter, "batchSize": batch},
        parts => doc! {
            "aggregate": parts.first().map(|part| &part.collection), "pipeline": union_pipeline(parts),
            "cursor": {"batchSize": batch},
        },
    };
    command.insert("readConcern", read_concern);
    let is_union = parts.len() > 1;
    let mut found: Vec<(ReadPart, DocumentMap)> = parts.into_iter().map(|part| (part, DocumentMap::new())).collect();
    let mut cursor = database.run_cursor_command(command).await?;
    while cursor.advance().await? {
        let row = cursor.current();
        let (place, document) = if is_union { part_of_union(row).unwrap_or((usize::MAX, row)) } else { (0, row) };
        let Some((part, documents)) = found.get_mut(place) else {
            let why = format!("the server returned a row of no collection that was read: {row:?}");
            return Err(StoreError::Corrupt { at: database.name().to_owned(), why }.into());
        };
        let (id, stored) = part.codec.decode_document(document)?;
        documents.insert(id, stored);
    }
    Ok(found.into_iter().map(|(part, documents)| (part.name, documents)).collect())
}

/// The number of the part that a row of [`union_pipeline`] belongs to, and the document.
fn part_of_union(row: &RawDocument) -> Option<(usize, &RawDocument)> {
    Some((usize::try_from(row.get_i32(PART).ok()?).ok()?, row.get_document(DOCUMENT).ok()?))
}

/// The fields of a row of [`union_pipeline`]: the number of its part, and the document.
const PART: &str = "part";
const DOCUMENT: &str = "document";

/// Reads several collections one after the other, from one snapshot. So documents that belong together need one round
/// trip, and no time that is asked for first.
fn union_pipeline(parts: &[ReadPart]) -> Vec<BsonDocument> {
    let mut pipeline = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        let number = i32::try_from(n).unwrap_or(i32::MAX);
        let stages =
            [doc! {"$match": &part.filter}, doc! {"$replaceWith": {PART: {"$literal": number}, DOCUMENT: "$$ROOT"}}];
        match n {
            0 => pipeline.extend(stages),
            _ => pipeline.push(doc! {"$unionWith": {"coll": &part.collection, "pipeline": stages.to_vec()}}),
        }
    }
    pipeline
}

pub(super) fn first_document(reply: &BsonDocument) -> Option<RawDocumentBuf> {
    first_batch(reply).next()
}

/// The documents in a reply.
fn first_batch(reply: &BsonDocument) -> impl Iterator<Item = RawDocumentBuf> {
    let batch = reply.get_document("cursor").ok().and_then(|cursor| cursor.get_array("firstBatch").ok());
    let documents = batch.into_iter().flatten().filter_map(|found| found.as_document());
    documents.filter_map(|document| RawDocumentBuf::try_from(document).ok())
}

/// Whether a catalog can declare the key's collection. For other keys no request is sent.
fn can_exist(key: &Key) -> bool {
    let is_name = |part: &str| !part.is_empty() && part.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    let is_declarable = key.collection.split_once('.').is_some_and(|(domain, name)| is_name(domain) && is_name(name));
    is_declarable && &*key.collection != META
}

fn describe_read(keys: &[Key]) -> String {
    match keys {
        [key] => format!("reading {key}"),
        keys => format!("reading {} documents", keys.len()),
    }
}
