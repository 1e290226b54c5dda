//! An open change stream: reads and decodes the server's events, and keeps the resume point.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::raw::{RawDocument, RawDocumentBuf};
use mongodb::bson::{Bson, Document as Doc, Timestamp as ClusterTime, doc};
use mongodb::{ClientSession, Database};

use super::changes::{ResumePoint, is_token_at};
use super::retry::AttemptError;
use super::{Declarations, Layout, Mongo, changes};
use crate::id::{CommandId, Revision};
use crate::schema::Key;
use crate::store::{COMMANDS, ChangeEvent, StoreError};
use crate::time::Millis;

/// Events in one batch.
const BATCH: usize = 1_000;

/// A document on the server: database, collection, `_id`.
type DocumentAddress = (String, String, String);

/// An open change stream of the server.
pub(super) struct ChangeStream {
    database: Database,
    session: ClientSession,
    cursor: i64,
    /// The declarations whose collections it reports.
    pub(super) declarations: Arc<Declarations>,
    layout: Layout,
    /// The prefix of its positions.
    position_prefix: String,
    /// Events that were read and are not decoded yet.
    buffered: VecDeque<RawDocumentBuf>,
    /// The resume token of the last batch. It replaces the resume point once the buffer is empty.
    resume_token: Option<String>,
    /// The point after the last decoded event.
    pub(super) resume_point: ResumePoint,
    /// The transaction whose ledger row was decoded last.
    current_transaction: Option<(ClusterTime, CommandId)>,
    /// The documents that this transaction inserts, once they are known. A deletion of one of them is the first half of a change.
    rewritten_documents: Option<(ClusterTime, HashSet<DocumentAddress>)>,
    /// Whether the last batch had every event that the server had.
    drained: bool,
}

/// Opens a change stream.
pub(super) async fn open_stream(mongo: &Mongo, resume_point: &ResumePoint) -> Result<ChangeStream, AttemptError> {
    let declarations = mongo.declarations();
    let (database, stage) = match &mongo.layout {
        Layout::One { database } => (mongo.client.database(database), resume_point.change_stream_options()),
        Layout::Seed { .. } => {
            let mut stage = resume_point.change_stream_options();
            stage.insert("allChangesForCluster", true);
            (mongo.client.database("admin"), stage)
        }
    };
    let pipeline = vec![
        doc! {"$changeStream": stage},
        doc! {"$match": event_filter(&mongo.layout, &declarations)},
        event_projection(),
    ];
    let command = doc! {
        "aggregate": 1, "pipeline": pipeline, "cursor": {"batchSize": i32::try_from(BATCH).unwrap_or(i32::MAX)},
    };
    let mut session = mongo.client.start_session().causal_consistency(false).await?;
    let reply = database.run_command(command).session(&mut session).await?;
    if resume_point.is_ahead_of(&reply) {
        return Err(StoreError::PositionExpired.into());
    }
    let current = match resume_point {
        ResumePoint::Token(_, current) => current.clone(),
        ResumePoint::Time(_) => None,
    };
    let mut stream = ChangeStream {
        database,
        session,
        cursor: 0,
        declarations,
        layout: mongo.layout.clone(),
        position_prefix: changes::position_prefix(mongo).to_owned(),
        buffered: VecDeque::new(),
        resume_token: None,
        resume_point: resume_point.clone(),
        current_transaction: current,
        rewritten_documents: None,
        drained: false,
    };
    stream.accept_batch(&reply, "firstBatch")?;
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

    /// Whether the next event can be decoded. A deletion may be the first half of a change. The insertion follows in the same transaction and
    /// must be read first.
    fn can_decode_next(&mut self) -> bool {
        let Some(at) = self
            .buffered
            .front()
            .filter(|event| operation_type(event) == "delete")
            .and_then(|event| cluster_time(event))
        else {
            return true;
        };
        let is_collected = self.rewritten_documents.as_ref().is_some_and(|(time, _)| *time == at);
        if is_collected || self.current_transaction.as_ref().is_none_or(|(time, _)| *time != at) {
            return true;
        }
        if !self.drained && self.buffered.back().and_then(|event| cluster_time(event)) == Some(at) {
            return false;
        }
        let same_transaction = self.buffered.iter().take_while(|event| cluster_time(event) == Some(at));
        let inserted = same_transaction
            .filter(|event| operation_type(event) == "insert")
            .filter_map(|event| document_address(event));
        self.rewritten_documents = Some((at, inserted.collect()));
        true
    }

    /// Whether an event is the first half of a change.
    fn is_rewritten(&self, event: &RawDocument) -> bool {
        let rewritten = self.rewritten_documents.as_ref().filter(|(at, _)| cluster_time(event) == Some(*at));
        rewritten
            .is_some_and(|(_, documents)| document_address(event).is_some_and(|address| documents.contains(&address)))
    }

    /// Moves the resume point past events that concern other collections, once the buffer is empty. Otherwise an idle feed would keep a
    /// position that the oplog loses.
    pub(super) fn advance_to_resume_token(&mut self) {
        if self.buffered.is_empty()
            && let Some(token) = self.resume_token.take()
        {
            self.set_resume_point(token);
        }
    }

    /// Reads the next batch. The server waits up to `wait` for an event. The caller must first decode every buffered event that can be decoded.
    pub(super) async fn read_batch(&mut self, wait: Millis) -> Result<(), AttemptError> {
        let command = doc! {
            "getMore": self.cursor, "collection": "$cmd.aggregate", "batchSize": i32::try_from(BATCH).unwrap_or(i32::MAX),
            "maxTimeMS": wait.0.max(1),
        };
        let reply = self.database.run_command(command).session(&mut self.session).await?;
        self.accept_batch(&reply, "nextBatch")
    }

    /// Closes the cursor on the server.
    pub(super) async fn close(mut self) {
        let command = doc! {"killCursors": "$cmd.aggregate", "cursors": [self.cursor]};
        // Best effort: the server closes an idle cursor by itself after some minutes.
        let ending = self.database.run_command(command).session(&mut self.session);
        drop(tokio::time::timeout(Duration::from_secs(1), ending).await);
    }

    fn accept_batch(&mut self, reply: &Doc, batch: &str) -> Result<(), AttemptError> {
        let invalid_reply = || StoreError::Unavailable {
            what: "reading changes".to_owned(),
            why: "the server's reply is not a batch of a change stream".to_owned(),
        };
        let cursor = reply.get_document("cursor").map_err(|_| invalid_reply())?;
        self.cursor = cursor.get_i64("id").map_err(|_| invalid_reply())?;
        let events = cursor.get_array(batch).map_err(|_| invalid_reply())?;
        self.drained = events.len() < BATCH;
        for event in events.iter().filter_map(Bson::as_document) {
            self.buffered.push_back(RawDocumentBuf::try_from(event).map_err(mongodb::error::Error::from)?);
        }
        self.resume_token = cursor.get_document("postBatchResumeToken").ok().and_then(resume_token);
        if self.buffered.is_empty() && self.cursor == 0 {
            // The database was dropped.
            return Err(StoreError::PositionExpired.into());
        }
        Ok(())
    }

    fn set_resume_point(&mut self, token: String) {
        // The command of a transaction is part of the position only within that transaction.
        drop(self.current_transaction.take_if(|(at, _)| !is_token_at(&token, *at)));
        if self.current_transaction.is_none() {
            self.rewritten_documents = None;
        }
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
        let (database, collection, id) = document_address(event)?;
        let (name, at) = (self.layout.collection_name(&database, &collection)?, cluster_time(event)?);
        if name == COMMANDS.name {
            if kind == "insert" {
                self.current_transaction = CommandId::parse_stored(&id).ok().map(|command| (at, command));
            }
            return None;
        }
        let collection = self.declarations.collections.get(name.as_str())?.collection;
        let revision = |fields: &RawDocument| fields.get_str("_rev").ok().and_then(Revision::parse);
        let revision = match kind {
            "delete" if self.is_rewritten(event) => return None,
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
        let command =
            self.current_transaction.as_ref().filter(|(time, _)| *time == at).map(|(_, command)| command.clone());
        Some((command.unwrap_or_else(CommandId::sweep), Key::new(collection, &id), revision))
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

fn resume_token(token: &Doc) -> Option<String> {
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
