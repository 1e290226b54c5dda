//! A change stream that is open on the server: events as they come, and where it stands.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::raw::{RawDocument, RawDocumentBuf};
use mongodb::bson::{Bson, Document as Doc, Timestamp as At, doc};
use mongodb::{ClientSession, Database};

use super::again::Stop;
use super::names::Layout;
use super::position::{Place, is_of};
use super::{Declarations, Mongo};
use crate::id::{CommandId, Revision};
use crate::schema::Key;
use crate::store::{COMMANDS, ChangeEvent, Error};
use crate::time::Millis;

/// Events of one batch.
const BATCH: usize = 1_000;

/// A document by its place on the server: database, collection, `_id`.
type Written = (String, String, String);

/// An open change stream.
pub(super) struct Stream {
    database: Database,
    session: ClientSession,
    cursor: i64,
    /// What it tells of.
    pub(super) declared: Arc<Declarations>,
    layout: Layout,
    /// What positions begin with.
    sign: String,
    /// Read, and not yet told.
    waiting: VecDeque<RawDocumentBuf>,
    /// Where it goes on when all that is waiting was told.
    behind: Option<String>,
    /// Behind the last event that was taken.
    pub(super) place: Place,
    /// The transaction whose row of the ledger came last.
    current: Option<(At, CommandId)>,
    /// What that transaction deletes and inserts again, once it is known: a change to whoever follows.
    rewritten: Option<(At, HashSet<Written>)>,
    /// The last batch had all there was.
    drained: bool,
}

impl Mongo {
    /// Opens a change stream.
    pub(super) async fn open_stream(&self, place: &Place) -> Result<Stream, Stop> {
        let declared = self.declarations();
        let (database, begin) = match &self.layout {
            Layout::One { database } => (self.client.database(database), place.begin()),
            Layout::Seed { .. } => {
                let mut begin = place.begin();
                begin.insert("allChangesForCluster", true);
                (self.client.database("admin"), begin)
            }
        };
        let pipeline = vec![doc! {"$changeStream": begin}, doc! {"$match": of(&self.layout, &declared)}, shown()];
        let command = doc! {
            "aggregate": 1, "pipeline": pipeline, "cursor": {"batchSize": i32::try_from(BATCH).unwrap_or(i32::MAX)},
        };
        let mut session = self.client.start_session().causal_consistency(false).await?;
        let reply = database.run_command(command).session(&mut session).await?;
        if place.is_ahead_of(&reply) {
            return Err(Error::PositionExpired.into());
        }
        let current = match place {
            Place::Token(_, current) => current.clone(),
            Place::Time(_) => None,
        };
        let mut stream = Stream {
            database,
            session,
            cursor: 0,
            declared,
            layout: self.layout.clone(),
            sign: self.sign().to_owned(),
            waiting: VecDeque::new(),
            behind: None,
            place: place.clone(),
            current,
            rewritten: None,
            drained: false,
        };
        stream.took(&reply, "firstBatch")?;
        Ok(stream)
    }
}

impl Stream {
    /// Whether all that there was when the server was last asked has been taken.
    pub(super) fn is_drained(&self) -> bool {
        self.drained && self.waiting.is_empty()
    }

    /// The next change that was read; none: the server has to be asked.
    pub(super) fn next(&mut self) -> Result<Option<ChangeEvent>, Stop> {
        while self.knows_the_next()
            && let Some(event) = self.waiting.pop_front()
        {
            if let Some(told) = self.tell(&event)? {
                return Ok(Some(told));
            }
        }
        self.settle();
        Ok(None)
    }

    /// Whether the next event can be told. A deletion may be half of a change: then the insertion is in the same transaction, and has to be read
    /// before.
    fn knows_the_next(&mut self) -> bool {
        let Some(at) = self.waiting.front().filter(|event| kind(event) == "delete").and_then(|event| time(event))
        else {
            return true;
        };
        let known = self.rewritten.as_ref().is_some_and(|(of, _)| *of == at);
        if known || self.current.as_ref().is_none_or(|(of, _)| *of != at) {
            return true;
        }
        if !self.drained && self.waiting.back().and_then(|event| time(event)) == Some(at) {
            return false;
        }
        let of_it = self.waiting.iter().take_while(|event| time(event) == Some(at));
        let inserted = of_it.filter(|event| kind(event) == "insert").filter_map(|event| written(event));
        self.rewritten = Some((at, inserted.collect()));
        true
    }

    /// Whether an event is the first half of a change.
    fn is_rewritten(&self, event: &RawDocument) -> bool {
        let of_it = self.rewritten.as_ref().filter(|(at, _)| time(event) == Some(*at));
        of_it.is_some_and(|(_, rewritten)| written(event).is_some_and(|document| rewritten.contains(&document)))
    }

    /// Stands further than the last event where nothing is waiting, so that the position lasts as long as the server's log does.
    pub(super) fn settle(&mut self) {
        if self.waiting.is_empty()
            && let Some(token) = self.behind.take()
        {
            self.stands_at(token);
        }
    }

    /// Asks the server for more, which waits for it. What was read before must be taken, as far as it can be told.
    pub(super) async fn read(&mut self, wait: Millis) -> Result<(), Stop> {
        let command = doc! {
            "getMore": self.cursor, "collection": "$cmd.aggregate", "batchSize": i32::try_from(BATCH).unwrap_or(i32::MAX),
            "maxTimeMS": wait.0.max(1),
        };
        let reply = self.database.run_command(command).session(&mut self.session).await?;
        self.took(&reply, "nextBatch")
    }

    /// Tells the server that nobody asks it any more.
    pub(super) async fn end(mut self) {
        let command = doc! {"killCursors": "$cmd.aggregate", "cursors": [self.cursor]};
        // What does not reach the server it does by itself after some minutes.
        let ending = self.database.run_command(command).session(&mut self.session);
        drop(tokio::time::timeout(Duration::from_secs(1), ending).await);
    }

    fn took(&mut self, reply: &Doc, batch: &str) -> Result<(), Stop> {
        let odd =
            || Error::Unavailable { what: "reading changes".to_owned(), why: "the server's answer is none".to_owned() };
        let cursor = reply.get_document("cursor").map_err(|_| odd())?;
        self.cursor = cursor.get_i64("id").map_err(|_| odd())?;
        let events = cursor.get_array(batch).map_err(|_| odd())?;
        self.drained = events.len() < BATCH;
        for event in events.iter().filter_map(Bson::as_document) {
            self.waiting.push_back(RawDocumentBuf::try_from(event).map_err(mongodb::error::Error::from)?);
        }
        self.behind = cursor.get_document("postBatchResumeToken").ok().and_then(token);
        if self.waiting.is_empty() && self.cursor == 0 {
            // The database was dropped.
            return Err(Error::PositionExpired.into());
        }
        Ok(())
    }

    fn stands_at(&mut self, token: String) {
        // Only within one transaction is it asked whose it is.
        let current = self.current.take_if(|(at, _)| !is_of(&token, *at));
        drop(current);
        if self.current.is_none() {
            self.rewritten = None;
        }
        self.place = Place::Token(token, self.current.clone());
    }

    /// What an event tells; none: nothing, as touches and rows of the ledger do.
    fn tell(&mut self, event: &RawDocument) -> Result<Option<ChangeEvent>, Stop> {
        let kind = kind(event);
        if kind == "invalidate" {
            return Err(Error::PositionExpired.into());
        }
        let token = event.get_document("_id").ok().and_then(|id| id.get_str("_data").ok()).unwrap_or_default();
        let told = self.change(kind, event);
        self.stands_at(token.to_owned());
        Ok(told.map(|(command, key, revision)| ChangeEvent {
            position: self.place.position(&self.sign),
            command,
            key,
            revision,
        }))
    }

    fn change(&mut self, kind: &str, event: &RawDocument) -> Option<(CommandId, Key, Option<Revision>)> {
        let (database, collection, id) = written(event)?;
        let (name, at) = (self.layout.name_of(&database, &collection)?, time(event)?);
        if name == COMMANDS.name {
            if kind == "insert" {
                self.current = CommandId::recorded(&id).ok().map(|command| (at, command));
            }
            return None;
        }
        let collection = self.declared.collections.get(name.as_str())?.collection;
        let revision = |of: &RawDocument| of.get_str("_rev").ok().and_then(Revision::parse);
        let revision = match kind {
            "delete" if self.is_rewritten(event) => return None,
            "delete" => None,
            // Without a revision it was written by another program.
            "insert" | "replace" => Some(revision(event.get_document("fullDocument").ok()?)?),
            // Without one it was touched only.
            "update" => {
                let updated = event.get_document("updateDescription").ok()?.get_document("updatedFields").ok()?;
                Some(revision(updated)?)
            }
            _ => return None,
        };
        // What is of no transaction of ours is a sweep, the server's own included.
        let command = self.current.as_ref().filter(|(time, _)| *time == at).map(|(_, command)| command.clone());
        Some((command.unwrap_or_else(CommandId::sweep), Key::new(collection, &id), revision))
    }
}

fn kind(event: &RawDocument) -> &str {
    event.get_str("operationType").unwrap_or_default()
}

fn time(event: &RawDocument) -> Option<At> {
    event.get_timestamp("clusterTime").ok()
}

fn written(event: &RawDocument) -> Option<Written> {
    let namespace = event.get_document("ns").ok()?;
    let text = |of: &RawDocument, name| of.get_str(name).ok().map(str::to_owned);
    Some((text(namespace, "db")?, text(namespace, "coll")?, text(event.get_document("documentKey").ok()?, "_id")?))
}

fn token(found: &Doc) -> Option<String> {
    found.get_str("_data").ok().map(str::to_owned)
}

/// Which events concern this store.
fn of(layout: &Layout, declared: &Declarations) -> Doc {
    let places = declared.collections.keys().map(|name| layout.place(name));
    let ours = places.map(|place| Bson::from(doc! {"ns.db": place.database, "ns.coll": place.collection}));
    doc! {"$or": ours.chain([doc! {"operationType": "invalidate"}.into()]).collect::<Vec<_>>()}
}

/// What is read of an event: never whole documents.
fn shown() -> Doc {
    doc! {"$project": {
        "operationType": 1, "ns": 1, "documentKey._id": 1, "clusterTime": 1, "fullDocument._rev": 1,
        "updateDescription.updatedFields._rev": 1,
    }}
}
