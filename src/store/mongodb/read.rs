//! Reading documents by key, and rows of the ledger. Nothing here believes a server that does not know it was replaced.

use std::collections::BTreeMap;
use std::sync::Arc;

use mongodb::Database;
use mongodb::bson::{Document as Bson, RawArrayBuf, RawDocumentBuf, doc, rawdoc};
use mongodb::error::Error as Fault;
use tokio::task::{JoinError, JoinSet};

use super::again::Stop;
use super::codec::Declared;
use super::names::{HOLDS, META};
use super::statements::Seen;
use super::transaction::{Transaction, operation_time};
use super::{Declarations, Mongo};
use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::Key;
use crate::store::{COMMANDS, Error, Outcome, Position, Stored};
use crate::value::Json;

/// A row of the ledger, and a position after it.
pub(super) struct LedgerRow {
    pub(super) fingerprint: String,
    pub(super) result: Json,
    pub(super) position: Position,
}

/// What ids take at the most in one command, which is a document to the server.
const IDS_BYTES: usize = 8 * 1024 * 1024;
/// What one takes in a list beside its own bytes.
const BESIDE_AN_ID: usize = 16;

type Found = BTreeMap<Arc<str>, Stored>;

impl Mongo {
    /// The documents under these keys, as of one moment.
    pub(super) async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, Error> {
        self.again(&reading(keys), || Box::pin(self.read_once(keys))).await
    }

    async fn read_once(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, Stop> {
        let declarations = self.declarations();
        let mut asked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for key in keys.iter().filter(|key| may_be_there(key)) {
            asked.entry(&key.collection).or_default().push(&key.id);
        }
        let found = if asked.is_empty() { BTreeMap::new() } else { self.several(&declarations, &asked).await? };
        Ok(keys.iter().map(|key| found.get(&*key.collection)?.get(&key.id).cloned()).collect())
    }

    /// They are read from one snapshot, at a time that is no earlier than this call.
    async fn several<'a>(
        &self,
        declarations: &Declarations,
        asked: &BTreeMap<&'a str, Vec<&'a str>>,
    ) -> Result<BTreeMap<&'a str, Found>, Stop> {
        let at = self.now().await?;
        let mut readings = JoinSet::new();
        for (name, ids) in asked.iter().flat_map(|(name, ids)| parts(ids).into_iter().map(move |part| (name, part))) {
            let place = self.layout.place(name);
            let database = self.client.database(&place.database);
            let find = doc! {
                "find": place.collection,
                "filter": {"_id": {"$in": ids}},
                // One more than there can be: then the server knows that there are no more, and is not asked again.
                "batchSize": i64::try_from(ids.len()).unwrap_or(i64::MAX).saturating_add(1),
                "readConcern": {"level": "snapshot", "atClusterTime": at},
            };
            let (name, declared) = ((*name).to_owned(), declarations.of_name(name));
            readings.spawn(async move { read_all(&database, find, &declared).await.map(|found| (name, found)) });
        }
        let mut found = BTreeMap::new();
        while let Some(read) = readings.join_next().await {
            let (name, documents) = read.map_err(|gone| self.ended(&gone))??;
            if let Some((name, _)) = asked.get_key_value(name.as_str()) {
                found.entry(*name).or_insert_with(Found::new).extend(documents);
            }
        }
        Ok(found)
    }

    /// A task of ours that ended without an answer: the runtime stops.
    fn ended(&self, gone: &JoinError) -> Stop {
        Error::Unavailable { what: self.what("reading documents"), why: gone.to_string() }.into()
    }

    /// A document as no later primary can have changed it before this call.
    pub(super) async fn find_linearizable(&self, name: &str, id: &str) -> Result<Bson, Fault> {
        let find = doc! {
            "find": self.layout.place(name).collection,
            "filter": {"_id": id},
            "limit": 1,
            "singleBatch": true,
            "readConcern": {"level": "linearizable"},
        };
        self.database(name).run_command(find).await
    }

    /// The row of a command in the ledger.
    pub(super) async fn ledger(&self, command: &CommandId) -> Result<Option<LedgerRow>, Error> {
        let ask = || -> BoxFuture<'_, Result<Bson, Stop>> {
            Box::pin(async {
                let at = self.now().await?;
                let find = doc! {
                    "find": self.layout.place(COMMANDS.name).collection,
                    "filter": {"_id": command.as_str()},
                    "limit": 1,
                    "singleBatch": true,
                    "readConcern": {"level": "majority", "afterClusterTime": at},
                };
                Ok(self.database(COMMANDS.name).run_command(find).await?)
            })
        };
        let reply = self.again("asking the ledger", ask).await?;
        let Some(row) = first_of(&reply) else { return Ok(None) };
        let (_, stored) = Declared::of(&COMMANDS).decode_document(&row)?;
        let fingerprint = stored.document.get("fingerprint").and_then(Json::as_str).unwrap_or_default().to_owned();
        let result = stored.document.get("result").cloned().unwrap_or_default();
        Ok(Some(LedgerRow { fingerprint, result, position: self.position(operation_time(&reply)) }))
    }

    /// What became of a command.
    pub(super) async fn ask_outcome(&self, command: &CommandId) -> Result<Outcome, Error> {
        Ok(match self.ledger(command).await? {
            Some(LedgerRow { fingerprint, result, .. }) => Outcome::Committed { fingerprint, result },
            None => Outcome::Absent,
        })
    }

    /// What a transaction sees under these ids, of which it tells revision and version alone.
    pub(super) async fn find_in(
        &self,
        transaction: &mut Transaction,
        declarations: &Declarations,
        collection: &str,
        ids: &[&str],
        seen: &mut Seen,
    ) -> Result<(), Stop> {
        let place = self.layout.place(collection);
        let find = rawdoc! {
            "find": place.collection,
            "filter": {"_id": {"$in": ids.iter().copied().collect::<RawArrayBuf>()}},
            "projection": {"_rev": 1, "_v": 1},
            // All of them come at once: they are small.
            "batchSize": i32::try_from(ids.len()).unwrap_or(i32::MAX).saturating_add(1),
            "singleBatch": true,
        };
        let reply = transaction.run(&self.client.database(&place.database), find).await?;
        let declared = declarations.of_name(collection);
        for found in batch_of(&reply) {
            let (id, stored) = declared.decode_document(&found)?;
            seen.insert(Key { collection: collection.to_owned().into(), id }, (stored.revision, stored.version));
        }
        Ok(())
    }
}

/// As few parts as the server takes each in one command.
fn parts<'a, 'b>(ids: &'b [&'a str]) -> Vec<&'b [&'a str]> {
    let (mut parts, mut begin, mut bytes) = (Vec::new(), 0, 0);
    for (n, id) in ids.iter().enumerate() {
        let more = id.len() + BESIDE_AN_ID;
        if bytes + more > IDS_BYTES && n > begin {
            parts.push(&ids[begin..n]);
            (begin, bytes) = (n, 0);
        }
        bytes += more;
    }
    parts.push(&ids[begin..]);
    parts
}

/// All documents that a command finds.
async fn read_all(database: &Database, find: Bson, declared: &Declared) -> Result<Found, Stop> {
    let mut cursor = database.run_cursor_command(find).await?;
    let mut found = Found::new();
    while cursor.advance().await? {
        let (id, stored) = declared.decode_document(cursor.current())?;
        found.insert(id, stored);
    }
    Ok(found)
}

/// The first document in a reply.
pub(super) fn first_of(reply: &Bson) -> Option<RawDocumentBuf> {
    batch_of(reply).next()
}

/// The documents in a reply.
fn batch_of(reply: &Bson) -> impl Iterator<Item = RawDocumentBuf> {
    let batch = reply.get_document("cursor").ok().and_then(|cursor| cursor.get_array("firstBatch").ok());
    let documents = batch.into_iter().flatten().filter_map(|found| found.as_document());
    documents.filter_map(|document| RawDocumentBuf::try_from(document).ok())
}

/// Whether a document of a catalog can be named so. Others are nowhere, and no server need be asked.
fn may_be_there(key: &Key) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    let own = [META, HOLDS].contains(&&*key.collection);
    key.collection.split_once('.').is_some_and(|(domain, name)| part(domain) && part(name)) && !own
}

fn reading(keys: &[Key]) -> String {
    match keys {
        [key] => format!("reading {key}"),
        keys => format!("reading {} documents", keys.len()),
    }
}
