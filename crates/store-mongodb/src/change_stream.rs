//! A change stream of the server for one call: reads and decodes events, and keeps the resume point. It reads batches
//! of the driver, since `watch` does not show where a batch ends: a call that has changes could not return without
//! waiting for more.

use std::collections::{HashSet, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream as _;
use mongodb::bson::raw::{RawDocument, RawDocumentBuf};
use mongodb::bson::{Bson, Document as Doc, Timestamp as ClusterTime, doc};
use mongodb::error::Error as DriverError;
use mongodb::options::CursorType;
use mongodb::raw_batch_cursor::{RawBatch, RawBatchCursor};
use runstate_core::id::{CommandId, Revision};
use runstate_core::schema::Key;
use runstate_store::{COMMANDS, ChangeEvent, StoreError};

use super::changes::{ResumePoint, is_token_at};
use super::retry::AttemptError;
use super::{Declarations, Layout, Mongo, changes};

/// The fewest and the most events in one batch.
const BATCH: (usize, usize) = (100, 1_000);

/// A document on the server: database, collection, `_id`.
type DocumentAddress = (String, String, String);

/// An open change stream of the server. Dropping it closes the cursor.
pub(super) struct ChangeStream {
    cursor: RawBatchCursor,
    batch_size: usize,
    /// The declarations whose collections it reports.
    declarations: Arc<Declarations>,
    layout: Layout,
    position_prefix: String,
    /// Events that were read and are not decoded yet.
    buffered: VecDeque<RawDocumentBuf>,
    /// The resume token of the last batch. It replaces the resume point once the buffer is empty.
    resume_token: Option<String>,
    /// The point after the last decoded event.
    pub(super) resume_point: ResumePoint,
    /// The transaction whose ledger row was decoded last.
    current_transaction: Option<(ClusterTime, CommandId)>,
    /// The documents whose insertion was read, with the time of its transaction. A deletion of one of them in that
    /// transaction is the first half of a change.
    inserted: HashSet<(ClusterTime, DocumentAddress)>,
    /// Whether the last batch had every event that the server had.
    drained: bool,
}

/// Opens a change stream for up to `limit` changes, and reads its first batch. For later ones the server waits up to
/// `wait` for an event.
pub(super) async fn open_stream(
    mongo: &Mongo,
    resume_point: &ResumePoint,
    limit: usize,
    wait: Duration,
) -> Result<ChangeStream, AttemptError> {
    let declarations = mongo.declarations();
    let mut stage = resume_point.change_stream_options();
    let database = match &mongo.layout {
        Layout::One { database } => mongo.client.database(database),
        Layout::Seed { .. } => {
            stage.insert("allChangesForCluster", true);
            mongo.client.database("admin")
        }
    };
    let pipeline = vec![
        doc! {"$changeStream": stage},
        doc! {"$match": event_filter(&mongo.layout, &declarations)},
        event_projection(),
    ];
    let batch_size = limit.clamp(BATCH.0, BATCH.1);
    let size = u32::try_from(batch_size).unwrap_or(u32::MAX);
    let command = doc! {"aggregate": 1, "pipeline": pipeline, "cursor": {"batchSize": size}};
    let request = database.run_cursor_command(command).cursor_type(CursorType::TailableAwait).batch_size(size);
    let cursor = request.max_time(wait.max(Duration::from_millis(1))).batch().await?;
    let current = match resume_point {
        ResumePoint::Token(_, current) => current.clone(),
        ResumePoint::Time(_) => None,
    };
    let mut stream = ChangeStream {
        cursor,
        batch_size,
        declarations,
        layout: mongo.layout.clone(),
        position_prefix: changes::position_prefix(mongo).to_owned(),
        buffered: VecDeque::new(),
        resume_token: None,
        resume_point: resume_point.clone(),
        current_transaction: current,
        inserted: HashSet::new(),
        drained: false,
    };
    let first = stream.read_batch().await?;
    if resume_point.is_ahead_of(first.as_raw_document()) {
        return Err(StoreError::PositionExpired.into());
    }
    Ok(stream)
}

impl ChangeStream {
    /// Whether every event that the server had at the last request was decoded.
    pub(super) fn is_drained(&self) -> bool {
        self.drained && self.buffered.is_empty()
    }

    /// The next buffered change. `None`: the next batch must be read from the server.
    pub(super) fn next(&mut self) -> Result<Option<ChangeEvent>, AttemptError> {
        while self.can_decode_next()
            && let Some(event) = self.buffered.pop_front()
        {
            if let Some(change) = self.decode_event(&event)? {
                return Ok(Some(change));
            }
        }
        self.advance_to_resume_token();
        Ok(None)
    }

    /// Whether the next event can be decoded. A deletion may be the first half of a change. The insertion follows in
    /// the same transaction and must be read first.
    fn can_decode_next(&self) -> bool {
        let Some(event) = self.buffered.front().filter(|event| operation_type(event) == "delete") else { return true };
        let last = self.buffered.back().and_then(|last| cluster_time(last));
        let current = self.current_transaction.as_ref().map(|(time, _)| *time);
        self.drained || current != last || cluster_time(event) != last
    }

    /// Moves the resume point past events that concern other collections, once the buffer is empty. Otherwise an idle
    /// feed would keep a position that the oplog loses.
    fn advance_to_resume_token(&mut self) {
        if self.buffered.is_empty()
            && let Some(token) = self.resume_token.take()
        {
            self.inserted.clear();
            self.set_resume_point(token);
        }
    }

    /// Reads the next batch. The caller must first decode every buffered event that can be decoded.
    pub(super) async fn read_batch(&mut self) -> Result<RawBatch, AttemptError> {
        let next = poll_fn(|context| Pin::new(&mut self.cursor).poll_next(context)).await;
        // The cursor ends when the database is dropped.
        let batch = next.ok_or(StoreError::PositionExpired)??;
        let buffered = self.buffered.len();
        for event in batch.doc_slices()? {
            let event = event.map_err(DriverError::from)?.as_document();
            let inserted = event.filter(|event| operation_type(event) == "insert");
            self.inserted.extend(inserted.and_then(|event| cluster_time(event).zip(document_address(event))));
            self.buffered.extend(event.map(RawDocument::to_owned));
        }
        self.drained = self.buffered.len() - buffered < self.batch_size;
        self.resume_token = resume_token(batch.as_raw_document());
        Ok(batch)
    }

    fn set_resume_point(&mut self, token: String) {
        // The command of a transaction is part of the position only within that transaction.
        drop(self.current_transaction.take_if(|(at, _)| !is_token_at(&token, *at)));
        self.resume_point = ResumePoint::Token(token, self.current_transaction.clone());
    }

    /// Decodes an event. `None` if it is not a change, as for touches and ledger rows.
    fn decode_event(&mut self, event: &RawDocument) -> Result<Option<ChangeEvent>, AttemptError> {
        let kind = operation_type(event);
        if kind == "invalidate" {
            return Err(StoreError::PositionExpired.into());
        }
        let token = event.get_document("_id").ok().and_then(|id| id.get_str("_data").ok()).unwrap_or_default();
        let change = self.decode_change(kind, event);
        self.set_resume_point(token.to_owned());
        Ok(change.map(|(command, key, revision)| ChangeEvent {
            position: self.resume_point.encode(&self.position_prefix),
            command,
            key,
            revision,
        }))
    }

    fn decode_change(&mut self, kind: &str, event: &RawDocument) -> Option<(CommandId, Key, Option<Revision>)> {
        let address = document_address(event)?;
        let (database, collection, id) = &address;
        let (name, at) = (self.layout.collection_name(database, collection)?, cluster_time(event)?);
        if name == COMMANDS.name {
            if kind == "insert" {
                self.current_transaction = CommandId::parse_stored(id).ok().map(|command| (at, command));
            }
            return None;
        }
        let collection = self.declarations.collections.get(name.as_str())?.collection;
        let command =
            self.current_transaction.as_ref().filter(|(time, _)| *time == at).map(|(_, command)| command.clone());
        let revision = |fields: &RawDocument| fields.get_str("_rev").ok().and_then(Revision::parse);
        let revision = match kind {
            "delete" if command.is_some() && self.inserted.contains(&(at, address.clone())) => return None,
            "delete" => None,
            // A document without a revision was written by another program.
            "insert" | "replace" => Some(revision(event.get_document("fullDocument").ok()?)?),
            // An update without a revision is only a touch.
            "update" => {
                let updated = event.get_document("updateDescription").ok()?.get_document("updatedFields").ok()?;
                Some(revision(updated)?)
            }
            _ => return None,
        };
        // A change outside the store's transactions is a sweep, or a deletion by the server's TTL monitor.
        Some((command.unwrap_or_else(CommandId::sweep), Key::new(collection, id), revision))
    }
}

fn operation_type(event: &RawDocument) -> &str {
    event.get_str("operationType").unwrap_or_default()
}

fn cluster_time(event: &RawDocument) -> Option<ClusterTime> {
    event.get_timestamp("clusterTime").ok()
}

fn document_address(event: &RawDocument) -> Option<DocumentAddress> {
    let namespace = event.get_document("ns").ok()?;
    let text = |fields: &RawDocument, name| fields.get_str(name).ok().map(str::to_owned);
    Some((text(namespace, "db")?, text(namespace, "coll")?, text(event.get_document("documentKey").ok()?, "_id")?))
}

/// The resume token of a batch. It may be after the last event.
fn resume_token(reply: &RawDocument) -> Option<String> {
    let token = reply.get_document("cursor").ok()?.get_document("postBatchResumeToken").ok()?;
    token.get_str("_data").ok().map(str::to_owned)
}

/// Selects the events that concern this store.
fn event_filter(layout: &Layout, declarations: &Declarations) -> Doc {
    let namespaces = declarations.collections.keys().map(|name| layout.namespace(name));
    let own =
        namespaces.map(|namespace| Bson::from(doc! {"ns.db": namespace.database, "ns.coll": namespace.collection}));
    doc! {"$or": own.chain([doc! {"operationType": "invalidate"}.into()]).collect::<Vec<_>>()}
}

/// The fields of an event that are read. Whole documents are not sent.
fn event_projection() -> Doc {
    doc! {"$project": {
        "operationType": 1, "ns": 1, "documentKey._id": 1, "clusterTime": 1, "fullDocument._rev": 1,
        "updateDescription.updatedFields._rev": 1,
    }}
}
