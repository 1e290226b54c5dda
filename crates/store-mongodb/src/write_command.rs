//! A batch as commands of the server: all writes of one kind on one collection are one command.

use std::collections::BTreeMap;

use mongodb::bson::raw::{RawArrayBuf, cstr};
use mongodb::bson::{Document as BsonDocument, RawDocumentBuf};
use runstate_core::id::Revision;
use runstate_core::schema::Key;
use runstate_store::next_revision;
use runstate_store::{Batch, Check, Expectation, StoreError, Write, WriteOp};
use runstate_store_server::WriteOrder;

use super::Declarations;
use super::change_statement::change_statement;
use super::codec::{CollectionCodec, REV};
use super::error_mapping::{self, Refusal};

/// The most bytes of statements in a command. A command is one document to the server, with 16 KiB more than stored
/// documents may have. Its other fields (names, session, times) are far smaller than the margin.
const COMMAND_BYTES: usize = 16 * 1024 * 1024 - 64 * 1024;

/// The bytes of a list element beside its value: its type, and its index as text.
const ELEMENT_OVERHEAD_BYTES: usize = 8;

/// Revision and version of documents whose writes need them: those that are overwritten at any revision, and those that
/// are deleted first.
pub(super) type CurrentRevisions = BTreeMap<Key, (Revision, u32)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteKind {
    Delete,
    Insert,
    Update,
}

/// Statements of one kind on one collection.
pub(super) struct WriteCommand<'a> {
    /// Name of the collection.
    pub(super) collection: &'a str,
    kind: WriteKind,
    statements: Vec<RawDocumentBuf>,
    /// The document of each statement.
    keys: Vec<&'a Key>,
    /// How many statements may match nothing.
    may_miss: usize,
    bytes: usize,
}

impl<'a> WriteCommand<'a> {
    fn new(collection: &'a str, kind: WriteKind) -> Self {
        Self { collection, kind, statements: Vec::new(), keys: Vec::new(), may_miss: 0, bytes: 0 }
    }

    /// The command as it is sent; `name` is the collection's name within its database.
    pub(super) fn body(&self, name: &str) -> RawDocumentBuf {
        let mut list = RawArrayBuf::new();
        self.statements.iter().for_each(|statement| list.push(&**statement));
        let mut body = RawDocumentBuf::new();
        match self.kind {
            WriteKind::Delete => {
                body.append(cstr!("delete"), name);
                body.append(cstr!("deletes"), list);
            }
            WriteKind::Insert => {
                body.append(cstr!("insert"), name);
                body.append(cstr!("documents"), list);
            }
            WriteKind::Update => {
                body.append(cstr!("update"), name);
                body.append(cstr!("updates"), list);
            }
        }
        body
    }

    /// Checks that every statement matched what it expects.
    pub(super) fn check_reply(&self, reply: &BsonDocument) -> Result<(), Refusal> {
        if let Some(refusal) = error_mapping::reply_refusal(reply) {
            return Err(refusal);
        }
        let matched = reply.get("n").and_then(super::open::to_integer).and_then(|n| usize::try_from(n).ok());
        let expected = self.statements.len() - self.may_miss;
        if matched.is_some_and(|matched| matched >= expected) { Ok(()) } else { Err(Refusal::NoMatch) }
    }

    /// Whether the command inserts new documents.
    pub(super) fn is_insert(&self) -> bool {
        self.kind == WriteKind::Insert
    }

    /// The document of a statement.
    pub(super) fn key(&self, statement: usize) -> Option<&'a Key> {
        self.keys.get(statement).or(self.keys.first()).copied()
    }
}

#[derive(Default)]
struct CollectionStatements<'a> {
    /// Deletions at any revision, which may match nothing.
    removals: Vec<(&'a Key, RawDocumentBuf)>,
    deletes: Vec<(&'a Key, RawDocumentBuf)>,
    inserts: Vec<(&'a Key, RawDocumentBuf)>,
    updates: Vec<(&'a Key, RawDocumentBuf)>,
}

/// The keys whose documents must be read before `batch` can be written in this order.
pub(super) fn keys_to_read(batch: &Batch, order: WriteOrder) -> impl Iterator<Item = &Key> {
    let needed = move |write: &&Write| match write.op {
        WriteOp::Put { .. } => write.expect == Expectation::Any,
        WriteOp::Change { .. } => write.expect == Expectation::Any || order == WriteOrder::DeletionsFirst,
        // A deletion needs nothing from the stored document.
        WriteOp::Delete => false,
    };
    batch.writes.iter().filter(needed).map(|write| &write.key)
}

/// The commands of a batch, in the order in which they are run.
pub(super) fn write_commands<'a>(
    batch: &'a Batch,
    declarations: &Declarations,
    revisions: &CurrentRevisions,
    order: WriteOrder,
) -> Result<Vec<WriteCommand<'a>>, StoreError> {
    let mut collections: BTreeMap<&'a str, CollectionStatements<'a>> = BTreeMap::new();
    for write in &batch.writes {
        let statements = collections.entry(&write.key.collection).or_default();
        let codec = declarations.collections.get(&*write.key.collection);
        // Validation refuses a batch with an undeclared collection.
        let codec = codec.ok_or_else(|| StoreError::Invalid {
            key: write.key.clone(),
            reason: "its collection is not declared".to_owned(),
        })?;
        statements.add_write(batch, write, codec, revisions, order)?;
    }
    for check in batch.checks.iter().filter(|check| writes_collection_of(batch, check)) {
        collections.entry(&check.key.collection).or_default().add_check(batch, check);
    }
    Ok(collections.into_iter().flat_map(|(collection, statements)| statements.into_commands(collection)).collect())
}

/// The checks of documents in collections that `batch` does not write; other checks are part of the write commands.
pub(super) fn check_commands(batch: &Batch) -> Vec<WriteCommand<'_>> {
    let mut collections: BTreeMap<&str, CollectionStatements<'_>> = BTreeMap::new();
    for check in batch.checks.iter().filter(|check| !writes_collection_of(batch, check)) {
        collections.entry(&check.key.collection).or_default().add_check(batch, check);
    }
    collections.into_iter().flat_map(|(collection, statements)| statements.into_commands(collection)).collect()
}

/// Whether `batch` writes to the collection of `check`.
fn writes_collection_of(batch: &Batch, check: &Check) -> bool {
    batch.writes.iter().any(|write| write.key.collection == check.key.collection)
}

impl<'a> CollectionStatements<'a> {
    fn add_write(
        &mut self,
        batch: &Batch,
        write: &'a Write,
        codec: &CollectionCodec,
        revisions: &CurrentRevisions,
        order: WriteOrder,
    ) -> Result<(), StoreError> {
        let key = &write.key;
        let stored = revisions.get(key);
        if write.op == WriteOp::Delete && write.expect == Expectation::Any {
            self.removals.push((key, delete_statement(any_revision_selector(key))));
            return Ok(());
        }
        let before = match &write.expect {
            Expectation::Absent => None,
            Expectation::Revision(revision) => Some(revision),
            Expectation::Any => stored.map(|(revision, _)| revision),
        };
        let Some(before) = before else {
            if let WriteOp::Put { version, document } = &write.op {
                let revision = next_revision(key, None, &batch.command);
                self.inserts.push((key, codec.encode_document(key, &revision, *version, document)?));
            }
            return Ok(());
        };
        let (current, next) = (selector(key, before), before.next());
        match (&write.op, order) {
            (WriteOp::Delete, _) => self.deletes.push((key, delete_statement(current))),
            (WriteOp::Put { version, document }, WriteOrder::InPlace) => {
                let encoded = codec.encode_document(key, &next, *version, document)?;
                self.updates.push((key, update_statement(current, encoded)));
            }
            (WriteOp::Change { difference, after }, WriteOrder::InPlace) => {
                self.updates.push((key, change_statement(codec, key, current, &next, difference, after)?));
            }
            (WriteOp::Put { document, .. } | WriteOp::Change { after: document, .. }, WriteOrder::DeletionsFirst) => {
                let version = match (&write.op, stored) {
                    (WriteOp::Put { version, .. }, _) => *version,
                    (_, Some((_, version))) => *version,
                    (_, None) => return Err(StoreError::Conflict { key: key.clone() }),
                };
                self.deletes.push((key, delete_statement(current)));
                self.inserts.push((key, codec.encode_document(key, &next, version, document)?));
            }
        }
        Ok(())
    }

    /// A check writes the document, since a snapshot does not detect that another transaction changes it (write skew).
    fn add_check(&mut self, batch: &Batch, check: &'a Check) {
        let mut touch = RawDocumentBuf::new();
        touch.append(cstr!("_touch"), batch.command.as_str());
        let mut set = RawDocumentBuf::new();
        set.append(cstr!("$set"), touch);
        self.updates.push((&check.key, update_statement(selector(&check.key, &check.revision), set)));
    }

    /// Deletions come first, so that inserts can take the entries that they free. Inserts and updates are one command,
    /// in which inserts are upserts that match nothing.
    fn into_commands(self, collection: &'a str) -> Vec<WriteCommand<'a>> {
        let mut commands = Vec::new();
        split(&mut commands, collection, WriteKind::Delete, self.removals);
        // Deletions at any revision may miss, so they are not counted. The others must all match, and are separate
        // commands.
        commands.iter_mut().for_each(|command| command.may_miss = command.statements.len());
        split(&mut commands, collection, WriteKind::Delete, self.deletes);
        if self.updates.is_empty() {
            split(&mut commands, collection, WriteKind::Insert, self.inserts);
        } else {
            let inserts = self.inserts.into_iter().map(|(key, document)| (key, upsert_statement(key, document)));
            split(&mut commands, collection, WriteKind::Update, self.updates.into_iter().chain(inserts).collect());
        }
        commands
    }
}

/// Splits statements into as few commands as the server accepts.
fn split<'a>(
    commands: &mut Vec<WriteCommand<'a>>,
    collection: &'a str,
    kind: WriteKind,
    statements: Vec<(&'a Key, RawDocumentBuf)>,
) {
    let mut current = WriteCommand::new(collection, kind);
    for (key, statement) in statements {
        let bytes = statement.as_bytes().len() + ELEMENT_OVERHEAD_BYTES;
        if current.bytes + bytes > COMMAND_BYTES && !current.statements.is_empty() {
            commands.push(std::mem::replace(&mut current, WriteCommand::new(collection, kind)));
        }
        current.bytes += bytes;
        current.statements.push(statement);
        current.keys.push(key);
    }
    if !current.statements.is_empty() {
        commands.push(current);
    }
}

/// Selects the document at exactly that revision.
fn selector(key: &Key, revision: &Revision) -> RawDocumentBuf {
    let mut selector = RawDocumentBuf::new();
    selector.append(cstr!("_id"), &*key.id);
    selector.append(REV, revision.to_string());
    selector
}

/// Selects the document at any revision.
fn any_revision_selector(key: &Key) -> RawDocumentBuf {
    let mut selector = RawDocumentBuf::new();
    selector.append(cstr!("_id"), &*key.id);
    selector
}

fn update_statement(selector: RawDocumentBuf, update: RawDocumentBuf) -> RawDocumentBuf {
    let mut statement = RawDocumentBuf::new();
    statement.append(cstr!("q"), selector);
    statement.append(cstr!("u"), update);
    statement
}

fn delete_statement(selector: RawDocumentBuf) -> RawDocumentBuf {
    let mut statement = RawDocumentBuf::new();
    statement.append(cstr!("q"), selector);
    statement.append(cstr!("limit"), 1);
    statement
}

/// An insert as an upsert. No revision is empty, so it matches nothing, and it fails if the document exists.
fn upsert_statement(key: &Key, document: RawDocumentBuf) -> RawDocumentBuf {
    let mut nothing = RawDocumentBuf::new();
    nothing.append(cstr!("_id"), &*key.id);
    nothing.append(REV, "");
    let mut statement = update_statement(nothing, document);
    statement.append(cstr!("upsert"), true);
    statement
}
