//! The command that writes documents, alone or around a command of a domain. Both share one decision, so they share one
//! batch, one command id and one row of the ledger.

use std::any::Any;
use std::collections::BTreeMap;

use runstate_core::decision::{
    AnyCommand, Change, Cost, Ctx, Decision, LoadedDocument, Ports, ReadSet, Rejection, View,
};
use runstate_core::id::{self, CommandId, Revision};
use runstate_core::limits::{DOCUMENT_DEPTH, INSERTS_IF_ABSENT, UNEXPECTED_WRITES};
use runstate_core::operation::{Mismatch, Parameter};
use runstate_core::schema::{Collection, Key, Kind};
use runstate_value::{Document, Json, SortedMap, SortedSet, check_storable, collect_btree_map, from_value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// One write of one document.
#[derive(Clone, Debug)]
pub struct DocumentWrite {
    collection: &'static Collection,
    id: String,
    operation: WriteOperation,
    expect: DocumentExpectation,
}

#[derive(Clone, Debug)]
enum WriteOperation {
    Put(Document),
    InsertIfAbsent(Document),
    Patch(Document),
    Delete,
    /// As `Delete`, without reading the document: it may be large, or damaged.
    Drop,
}

/// The expectation of a write about the document before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub enum DocumentExpectation {
    /// Nothing.
    #[default]
    Any,
    /// It does not exist.
    Absent,
    /// It has this revision.
    Revision(Revision),
}

impl DocumentExpectation {
    fn as_text(&self) -> String {
        match self {
            Self::Any => "any".to_owned(),
            Self::Absent => "absent".to_owned(),
            Self::Revision(revision) => revision.to_string(),
        }
    }
}

impl Parameter for DocumentExpectation {
    fn expected() -> String {
        "`absent`, `any` or a revision, such as `3-0123456789ab`".to_owned()
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        match value.as_str() {
            Some("any") => Ok(Self::Any),
            Some("absent") => Ok(Self::Absent),
            Some(text) if let Some(revision) = Revision::parse(text) => Ok(Self::Revision(revision)),
            _ => Err(Mismatch::of_type(Self::expected(), value)),
        }
    }
}

impl DocumentWrite {
    fn new(collection: &'static Collection, id: &str, operation: WriteOperation) -> Self {
        Self { collection, id: id.to_owned(), operation, expect: DocumentExpectation::Any }
    }

    /// Writes the whole document.
    pub fn put(collection: &'static Collection, id: &str, document: Document) -> Self {
        Self::new(collection, id, WriteOperation::Put(document))
    }

    /// Writes the whole document if none has this id. One that exists remains as it is, and is not an error.
    pub fn insert_if_absent(collection: &'static Collection, id: &str, document: Document) -> Self {
        Self::new(collection, id, WriteOperation::InsertIfAbsent(document))
    }

    /// Changes members of a document that exists, as RFC 7396 (JSON Merge Patch) specifies: null removes a member.
    pub fn patch(collection: &'static Collection, id: &str, patch: Document) -> Self {
        Self::new(collection, id, WriteOperation::Patch(patch))
    }

    /// Deletes the document, if it exists.
    pub fn delete(collection: &'static Collection, id: &str) -> Self {
        Self::new(collection, id, WriteOperation::Delete)
    }

    /// Deletes whatever has this id.
    pub(super) fn drop(collection: &'static Collection, id: &str) -> Self {
        Self::new(collection, id, WriteOperation::Drop)
    }

    /// Sets the expectation; without one it is [`DocumentExpectation::Any`].
    pub fn expect(self, expect: DocumentExpectation) -> Self {
        Self { expect, ..self }
    }

    fn key(&self) -> Key {
        Key::new(self.collection, &self.id)
    }

    /// Checks what needs no document.
    fn check(&self) -> Result<(), Rejection> {
        let invalid = |reason: String| Rejection::Invalid { field: self.key().to_string(), reason };
        id::check(&self.id).map_err(|why| invalid(why.to_string()))?;
        if let WriteOperation::Put(document)
        | WriteOperation::InsertIfAbsent(document)
        | WriteOperation::Patch(document) = &self.operation
        {
            // Later steps recurse into the values.
            document
                .values()
                .try_for_each(|value| check_storable(value, DOCUMENT_DEPTH - 1))
                .map_err(|excess| invalid(format!("a value is {excess}")))?;
        }
        match (&self.operation, &self.expect) {
            (WriteOperation::InsertIfAbsent(_), DocumentExpectation::Absent | DocumentExpectation::Revision(_)) => {
                Err(invalid("an insertion if the document is absent has no other expectation".to_owned()))
            }
            (WriteOperation::Patch(_) | WriteOperation::Delete, DocumentExpectation::Absent) => {
                Err(invalid("a patch or a deletion cannot expect that the document does not exist".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The write, for the fingerprint of the command.
    fn to_json(&self) -> Json {
        let (operation, document) = match &self.operation {
            WriteOperation::Put(document) => ("put", document.clone()),
            WriteOperation::InsertIfAbsent(document) => ("insertIfAbsent", document.clone()),
            WriteOperation::Patch(patch) => ("patch", patch.clone()),
            WriteOperation::Delete => ("delete", Document::new()),
            WriteOperation::Drop => ("drop", Document::new()),
        };
        json!({"key": self.key().to_string(), "expect": self.expect.as_text(), operation: document})
    }

    /// Whether it is an insertion that leaves a document as it is.
    fn is_insertion(&self) -> bool {
        matches!(self.operation, WriteOperation::InsertIfAbsent(_))
    }

    /// The change that makes the write; `None`: the document to delete does not exist, or the one to insert does.
    fn decide(&self, before: Option<&LoadedDocument>) -> Result<Option<Change>, Rejection> {
        let key = self.key();
        let found = before.map(|before| &before.revision);
        let expected = match &self.expect {
            DocumentExpectation::Any => None,
            DocumentExpectation::Absent => Some(None),
            DocumentExpectation::Revision(revision) => Some(Some(revision)),
        };
        if let Some(expected) = expected
            && expected != found
        {
            return Err(Rejection::Conflict { key, expected: expected.cloned(), found: found.cloned() });
        }
        let document = match (&self.operation, before) {
            (WriteOperation::Put(document), _) | (WriteOperation::InsertIfAbsent(document), None) => document.clone(),
            (WriteOperation::InsertIfAbsent(_), Some(_)) => return Ok(None),
            (WriteOperation::Drop, _) => return Ok(Some(Change::Delete { key, revision: None })),
            (WriteOperation::Patch(patch), Some(before)) => {
                let mut document = before.document.as_ref().clone();
                merge(&mut document, patch);
                document
            }
            (WriteOperation::Patch(_), None) => {
                let hint = "; put it instead of patching it".to_owned();
                return Err(Rejection::NotFound { what: "document", id: key.to_string(), hint });
            }
            (WriteOperation::Delete, Some(before)) => {
                return Ok(Some(Change::Delete { key, revision: Some(before.revision.clone()) }));
            }
            (WriteOperation::Delete, None) => return Ok(None),
        };
        let declares_id = self.collection.fields.iter().any(|field| field.name == "id" && field.kind == Kind::Id);
        if declares_id && document.get("id").and_then(Json::as_str) != Some(&self.id) {
            let reason = format!("its field `id` must be `{}`", self.id);
            return Err(Rejection::Invalid { field: key.to_string(), reason });
        }
        Ok(Some(match before {
            Some(before) => Change::Update { key, before: before.clone(), after: document },
            None => Change::Insert { key, document },
        }))
    }
}

/// Merges a patch into a document (RFC 7396). The depth of both was checked.
fn merge(document: &mut Document, patch: &Document) {
    for (name, value) in patch {
        match value {
            Json::Null => drop(document.shift_remove(name)),
            Json::Object(patch) => {
                let member = document.entry(name.clone()).or_insert_with(|| Json::Object(Document::new()));
                if !member.is_object() {
                    *member = Json::Object(Document::new());
                }
                if let Json::Object(member) = member {
                    merge(member, patch);
                }
            }
            value => drop(document.insert(name.clone(), value.clone())),
        }
    }
}

/// Writes documents, with a command of a domain or without.
pub(super) struct DocumentCommit<'a> {
    writes: Vec<DocumentWrite>,
    command: Option<&'a mut dyn AnyCommand>,
    /// The revisions of documents that existed before a write that expected nothing, by the position of the write. All
    /// other revisions follow from the writes, so the ledger does not need them.
    unexpected: SortedMap<usize, Revision>,
    /// The positions of insertions that found a document.
    kept: SortedSet<usize>,
}

#[derive(Default, Serialize, Deserialize)]
struct LedgerResult {
    #[serde(default)]
    unexpected: BTreeMap<String, Revision>,
    /// [`DocumentCommit::kept`] as hexadecimal digits, the first writes first: a digit for four of them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    kept: String,
    #[serde(default)]
    command: Json,
}

/// Writes of which a hexadecimal digit says whether they are in a set.
const WRITES_PER_DIGIT: usize = 4;

fn to_digits(positions: &SortedSet<usize>) -> String {
    let Some((last, ())) = positions.iter().last() else { return String::new() };
    let bit = |at: usize, bit: usize| u32::from(positions.contains_key(&(at * WRITES_PER_DIGIT + bit))) << bit;
    let digit = |at| char::from_digit((0..WRITES_PER_DIGIT).map(|of| bit(at, of)).sum(), 16);
    (0..=last / WRITES_PER_DIGIT).filter_map(digit).collect()
}

fn from_digits(digits: &str) -> Result<SortedSet<usize>, String> {
    let mut positions = SortedSet::default();
    for (at, digit) in digits.chars().enumerate() {
        let bits = digit.to_digit(16).ok_or_else(|| format!("`{digit}` is not a hexadecimal digit"))?;
        for bit in (0..WRITES_PER_DIGIT).filter(|bit| bits & (1 << bit) != 0) {
            positions.insert(at * WRITES_PER_DIGIT + bit, ());
        }
    }
    Ok(positions)
}

impl<'a> DocumentCommit<'a> {
    pub(super) fn new(writes: Vec<DocumentWrite>, command: Option<&'a mut dyn AnyCommand>) -> Self {
        Self { writes, command, unexpected: SortedMap::default(), kept: SortedSet::default() }
    }

    /// The revisions after the commit under this id, in the order of the writes; `None`: the document is deleted, or
    /// was not inserted because one existed.
    pub(super) fn revisions(&self, id: &CommandId) -> Vec<Option<Revision>> {
        let after = |(at, write): (usize, &DocumentWrite)| match (&write.operation, &write.expect) {
            (WriteOperation::Delete | WriteOperation::Drop, _) => None,
            _ if self.kept.contains_key(&at) => None,
            (_, DocumentExpectation::Revision(before)) => Some(before.next()),
            _ => Some(match self.unexpected.get(&at) {
                Some(before) => before.next(),
                None => Revision::first(id, write.collection.name, &write.id),
            }),
        };
        self.writes.iter().enumerate().map(after).collect()
    }
}

impl AnyCommand for DocumentCommit<'_> {
    fn name(&self) -> &'static str {
        "documents.commit"
    }

    fn check(&self) -> Result<(), Rejection> {
        let mut keys = SortedSet::default();
        for write in &self.writes {
            write.check()?;
            if keys.insert(write.key(), ()).is_some() {
                let reason = "is written twice in one commit; merge the two writes".to_owned();
                return Err(Rejection::Invalid { field: write.key().to_string(), reason });
            }
        }
        if self.writes.len() > INSERTS_IF_ABSENT && self.writes.iter().any(DocumentWrite::is_insertion) {
            return Err(Rejection::Limit {
                what: format!("{} writes, with `insertIfAbsent` among them", self.writes.len()),
                limit: format!("{INSERTS_IF_ABSENT} in one commit"),
                remedy: "split the commit",
            });
        }
        self.command.as_ref().map_or(Ok(()), |command| command.check())
    }

    fn subject(&self) -> Option<Key> {
        match &self.command {
            Some(command) => command.subject(),
            None => self.writes.first().map(DocumentWrite::key),
        }
    }

    fn frees_space(&self) -> bool {
        self.command.as_ref().is_some_and(|command| command.frees_space())
    }

    fn reads(&self, view: &View) -> ReadSet {
        let reads = self.command.as_ref().map_or_else(ReadSet::empty, |command| command.reads(view));
        // The command reads as it does alone: an answer without a call id is for the call that was read here last.
        if !view.missing(reads.clone()).is_empty() {
            return reads;
        }
        let read = self.writes.iter().filter(|write| !matches!(write.operation, WriteOperation::Drop));
        read.fold(reads, |reads, write| reads.with_key(write.key()))
    }

    fn cost(&self, view: &View) -> Option<Cost> {
        self.command.as_ref()?.cost(view)
    }

    fn decide(&mut self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        ctx.max_writes = ctx.max_writes.saturating_sub(self.writes.len());
        let mut decision = match &mut self.command {
            Some(command) => command.decide(view, ctx)?,
            None => Decision::new(()),
        };
        self.unexpected = SortedMap::default();
        self.kept = SortedSet::default();
        if self.command.as_ref().is_some_and(|command| command.is_refusal()) {
            return Ok(decision);
        }
        for (at, write) in self.writes.iter().enumerate() {
            let before = view.get(&write.key());
            decision.changes.extend(write.decide(before)?);
            if let Some(before) = before.filter(|_| write.is_insertion()) {
                self.kept.insert(at, ());
                decision = decision.check(write.key(), before);
                continue;
            }
            if let (DocumentExpectation::Any, Some(before)) = (&write.expect, before)
                && !matches!(write.operation, WriteOperation::Delete)
            {
                self.unexpected.insert(at, before.revision.clone());
            }
        }
        if self.unexpected.len() > UNEXPECTED_WRITES {
            return Err(Rejection::Limit {
                what: format!("{} writes of documents that exist, without their revisions", self.unexpected.len()),
                limit: format!("{UNEXPECTED_WRITES} in one commit"),
                remedy: "pass the revisions as `expect`, or split the commit",
            });
        }
        Ok(decision)
    }

    fn result(&self) -> Result<Json, String> {
        let command = self.command.as_ref().map_or(Ok(Json::Null), |command| command.result())?;
        let unexpected = self.unexpected.iter().map(|(at, revision)| (at.to_string(), revision.clone()));
        let unexpected = collect_btree_map(unexpected);
        serde_json::to_value(LedgerResult { unexpected, kept: to_digits(&self.kept), command })
            .map_err(|error| error.to_string())
    }

    fn reply(&self, mut result: Option<Json>) -> Result<Json, String> {
        let result = result.as_mut().and_then(|result| result.get_mut("command")).map(Json::take);
        self.command.as_ref().map_or(Ok(Json::Null), |command| command.reply(result))
    }

    fn replay_result(&mut self, result: Json) -> Result<(), String> {
        let LedgerResult { unexpected, kept, command } = from_value(&result).map_err(|error| error.to_string())?;
        let mut read = SortedMap::default();
        for (at, revision) in unexpected {
            read.insert(at.parse::<usize>().map_err(|error| error.to_string())?, revision);
        }
        self.unexpected = read;
        self.kept = from_digits(&kept)?;
        self.command.as_mut().map_or(Ok(()), |inner| inner.replay_result(command))
    }

    fn to_json(&self) -> Result<Json, String> {
        let command = match &self.command {
            Some(command) => json!({"name": command.name(), "parameters": command.to_json()?}),
            None => Json::Null,
        };
        Ok(json!({"writes": self.writes.iter().map(DocumentWrite::to_json).collect::<Vec<_>>(), "command": command}))
    }

    fn next(&self, ports: &Ports) -> Option<Box<dyn AnyCommand>> {
        self.command.as_ref()?.next(ports)
    }

    fn take_output(&mut self) -> Option<Box<dyn Any>> {
        self.command.as_mut()?.take_output()
    }

    fn absorb(&mut self, part: Box<dyn Any>) {
        if let Some(command) = &mut self.command {
            command.absorb(part);
        }
    }
}
