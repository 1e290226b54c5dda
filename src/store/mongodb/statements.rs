//! A batch as commands of the server: all writes of one collection in one command, nothing read before.

use std::collections::BTreeMap;

use mongodb::bson::raw::{RawArrayBuf, cstr};
use mongodb::bson::{Document as Bson, RawDocumentBuf};

use super::Declarations;
use super::changed::update;
use super::codec::{Declared, REV};
use super::faults::{self, Refusal};
use super::holds::{self, Hold};
use super::names::HOLDS;
use crate::id::Revision;
use crate::schema::Key;
use crate::store::batch::next_revision;
use crate::store::{Batch, Check, Error, Expect, Op, Write};

/// A command is one document to the server, with 16 KiB more than documents may have. What it bears besides statements (names, session, times)
/// is far below the rest.
const COMMAND_BYTES: usize = 16 * 1024 * 1024 - 64 * 1024;

/// What a list takes for one of its elements, beside it: its kind, and its place as text.
const PLACE_BYTES: usize = 8;

/// Revision and version of what stands under keys whose writes must know: what is put over anything, and what is to be deleted first.
pub(super) type Seen = BTreeMap<Key, (Revision, u32)>;

/// In which order documents are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Each in its place. Unique indexes are judged after each document.
    InPlace,
    /// What is written over is deleted first and inserted again, so that unique indexes are judged on what there is after the batch.
    DeletedFirst,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Delete,
    Insert,
    Update,
}

/// Statements of one kind on one collection.
pub(super) struct Command<'a> {
    /// Name of the collection.
    pub(super) collection: &'a str,
    verb: Verb,
    statements: Vec<RawDocumentBuf>,
    /// The document of each.
    keys: Vec<&'a Key>,
    /// Statements that may find nothing, one document, or several.
    vain: usize,
    bytes: usize,
}

impl<'a> Command<'a> {
    fn of(collection: &'a str, verb: Verb) -> Self {
        Self { collection, verb, statements: Vec::new(), keys: Vec::new(), vain: 0, bytes: 0 }
    }

    /// As it is sent, to the collection that has this name in its database.
    pub(super) fn body(&self, name: &str) -> RawDocumentBuf {
        let mut list = RawArrayBuf::new();
        self.statements.iter().for_each(|statement| list.push(&**statement));
        let mut body = RawDocumentBuf::new();
        match self.verb {
            Verb::Delete => {
                body.append(cstr!("delete"), name);
                body.append(cstr!("deletes"), list);
            }
            Verb::Insert => {
                body.append(cstr!("insert"), name);
                body.append(cstr!("documents"), list);
            }
            Verb::Update => {
                body.append(cstr!("update"), name);
                body.append(cstr!("updates"), list);
            }
        }
        body
    }

    /// Whether every statement found what it expects.
    pub(super) fn judge(&self, reply: &Bson) -> Result<(), Refusal> {
        if let Some(refusal) = faults::refusal(reply) {
            return Err(refusal);
        }
        let done = reply.get("n").and_then(super::open::whole).and_then(|n| usize::try_from(n).ok());
        let due = self.statements.len() - self.vain;
        if done.is_some_and(|done| done >= due) { Ok(()) } else { Err(Refusal::Missed) }
    }

    /// Whether others check what it writes, many at once.
    pub(super) fn is_much_checked(&self, declarations: &Declarations) -> bool {
        let declared = || declarations.collections.get(self.collection);
        self.is_of_holds() || declared().is_some_and(|declared| declared.collection.much_checked)
    }

    /// Whether the command inserts new documents.
    pub(super) fn inserts(&self) -> bool {
        self.verb == Verb::Insert
    }

    /// Whether it is about holds, not about the documents themselves.
    pub(super) fn is_of_holds(&self) -> bool {
        self.collection == HOLDS
    }

    /// The document of that statement.
    pub(super) fn key(&self, statement: usize) -> Option<&'a Key> {
        self.keys.get(statement).or(self.keys.first()).copied()
    }
}

/// The statements on one collection.
#[derive(Default)]
struct Statements<'a> {
    /// Deletions of whatever stands there, which may be nothing.
    removals: Vec<(&'a Key, RawDocumentBuf)>,
    deletes: Vec<(&'a Key, RawDocumentBuf)>,
    inserts: Vec<(&'a Key, RawDocumentBuf)>,
    updates: Vec<(&'a Key, RawDocumentBuf)>,
}

/// The keys whose documents must be looked at before `batch` can be written in this order.
pub(super) fn unseen(batch: &Batch, order: Order) -> impl Iterator<Item = &Key> {
    let needed = move |write: &&Write| match write.op {
        Op::Put { .. } => write.expect == Expect::Any,
        Op::Change { .. } => write.expect == Expect::Any || order == Order::DeletedFirst,
        // Whatever stands there goes.
        Op::Delete => false,
    };
    batch.writes.iter().filter(needed).map(|write| &write.key)
}

/// The commands of a batch, in the order in which they are run.
pub(super) fn commands<'a>(
    batch: &'a Batch,
    declarations: &Declarations,
    seen: &Seen,
    order: Order,
) -> Result<Vec<Command<'a>>, Error> {
    let mut collections: BTreeMap<&'a str, Statements<'a>> = BTreeMap::new();
    for write in &batch.writes {
        let statements = collections.entry(&write.key.collection).or_default();
        let declared = declarations.collections.get(&*write.key.collection);
        // A batch that was checked names no other.
        let declared = declared.ok_or_else(|| Error::Invalid {
            key: write.key.clone(),
            reason: "is of no declared collection".to_owned(),
        })?;
        statements.write(batch, write, declared, seen, order)?;
    }
    // First of all: who meets somebody there begins anew.
    let mut all = holds_of(batch, declarations);
    for check in batch.checks.iter().filter(|check| is_written(batch, check)) {
        collections.entry(&check.key.collection).or_default().check(batch, check);
    }
    all.extend(collections.into_iter().flat_map(|(collection, statements)| statements.into_commands(collection)));
    Ok(all)
}

/// The removal of the holds of all documents that `batch` changes and many check.
pub(super) fn holds_of<'a>(batch: &'a Batch, declarations: &Declarations) -> Vec<Command<'a>> {
    let over = batch.writes.iter().filter(|write| write.expect != Expect::Absent);
    let keys = over.map(|write| &write.key).filter(|key| is_much_checked(declarations, key));
    let mut statements = Statements::default();
    statements.removals.extend(keys.map(|key| (key, holds::removal(key))));
    statements.into_commands(HOLDS)
}

/// The checks of documents of collections that `batch` does not write; the others go along with what is written there. `by`: the hold by
/// which documents are checked that many check.
pub(super) fn checks<'a>(batch: &'a Batch, declarations: &Declarations, by: By) -> Vec<Command<'a>> {
    let mut collections: BTreeMap<&str, Statements<'_>> = BTreeMap::new();
    for check in batch.checks.iter().filter(|check| !is_written(batch, check)) {
        let (key, revision, command) = (&check.key, &check.revision, &batch.command);
        if !is_much_checked(declarations, key) {
            collections.entry(&key.collection).or_default().check(batch, check);
            continue;
        }
        let hold = match by {
            By::Hold(hold) => hold.check(key, revision, command),
            By::Touch(hold) => {
                collections.entry(&key.collection).or_default().check(batch, check);
                hold.make(key, revision, command)
            }
        };
        collections.entry(HOLDS).or_default().updates.push((key, hold));
    }
    collections.into_iter().flat_map(|(collection, statements)| statements.into_commands(collection)).collect()
}

/// How documents are checked that many check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// By their hold alone.
    Hold(Hold),
    /// As others are, and the hold is made for the next one.
    Touch(Hold),
}

/// The document that is written to check the one under `key`.
pub(super) fn checked_by(declarations: &Declarations, key: &Key, hold: Hold) -> Key {
    match is_much_checked(declarations, key) {
        true => Key { collection: HOLDS.into(), id: hold.id(key).into() },
        false => key.clone(),
    }
}

fn is_much_checked(declarations: &Declarations, key: &Key) -> bool {
    declarations.collections.get(&*key.collection).is_some_and(|declared| declared.collection.much_checked)
}

/// Whether `batch` writes to the collection of `check`.
fn is_written(batch: &Batch, check: &Check) -> bool {
    batch.writes.iter().any(|write| write.key.collection == check.key.collection)
}

impl<'a> Statements<'a> {
    fn write(
        &mut self,
        batch: &Batch,
        write: &'a Write,
        declared: &Declared,
        seen: &Seen,
        order: Order,
    ) -> Result<(), Error> {
        let key = &write.key;
        let seen = seen.get(key);
        if write.op == Op::Delete && write.expect == Expect::Any {
            self.removals.push((key, deletion(whatever(key))));
            return Ok(());
        }
        let before = match &write.expect {
            Expect::Absent => None,
            Expect::Revision(revision) => Some(revision),
            Expect::Any => seen.map(|(revision, _)| revision),
        };
        let Some(before) = before else {
            if let Op::Put { version, document } = &write.op {
                let revision = next_revision(key, None, &batch.command);
                self.inserts.push((key, declared.encode_document(key, &revision, *version, document)?));
            }
            return Ok(());
        };
        let (of_before, next) = (selector(key, before), before.next());
        match (&write.op, order) {
            (Op::Delete, _) => self.deletes.push((key, deletion(of_before))),
            (Op::Put { version, document }, Order::InPlace) => {
                let whole = declared.encode_document(key, &next, *version, document)?;
                self.updates.push((key, replacement(of_before, whole)));
            }
            (Op::Change { difference, after }, Order::InPlace) => {
                self.updates.push((key, update(declared, key, of_before, &next, difference, after)?));
            }
            (Op::Put { document, .. } | Op::Change { after: document, .. }, Order::DeletedFirst) => {
                let version = match (&write.op, seen) {
                    (Op::Put { version, .. }, _) => *version,
                    (_, Some((_, version))) => *version,
                    (_, None) => return Err(Error::Conflict { key: key.clone() }),
                };
                self.deletes.push((key, deletion(of_before)));
                self.inserts.push((key, declared.encode_document(key, &next, version, document)?));
            }
        }
        Ok(())
    }

    /// What was only read is written too: a snapshot does not see who changes it meanwhile.
    fn check(&mut self, batch: &Batch, check: &'a Check) {
        let mut touch = RawDocumentBuf::new();
        touch.append(cstr!("_touch"), batch.command.as_str());
        let mut set = RawDocumentBuf::new();
        set.append(cstr!("$set"), touch);
        self.updates.push((&check.key, replacement(selector(&check.key, &check.revision), set)));
    }

    /// Deletions first, so that what they free can be taken. Where documents are both inserted and updated it is one command: the
    /// insertions go along as upserts that match nothing.
    fn into_commands(self, collection: &'a str) -> Vec<Command<'a>> {
        let mut commands = Vec::new();
        split(&mut commands, collection, Verb::Delete, self.removals);
        // What finds too little among these does not count; the others must find all, and are commands of their own.
        commands.iter_mut().for_each(|command| command.vain = command.statements.len());
        split(&mut commands, collection, Verb::Delete, self.deletes);
        if self.updates.is_empty() {
            split(&mut commands, collection, Verb::Insert, self.inserts);
        } else {
            let inserts = self.inserts.into_iter().map(|(key, document)| (key, insertion(key, document)));
            split(&mut commands, collection, Verb::Update, self.updates.into_iter().chain(inserts).collect());
        }
        commands
    }
}

/// As few commands as the server takes them in.
fn split<'a>(
    commands: &mut Vec<Command<'a>>,
    collection: &'a str,
    verb: Verb,
    statements: Vec<(&'a Key, RawDocumentBuf)>,
) {
    let mut current = Command::of(collection, verb);
    for (key, statement) in statements {
        let bytes = statement.as_bytes().len() + PLACE_BYTES;
        if current.bytes + bytes > COMMAND_BYTES && !current.statements.is_empty() {
            commands.push(std::mem::replace(&mut current, Command::of(collection, verb)));
        }
        current.bytes += bytes;
        current.statements.push(statement);
        current.keys.push(key);
    }
    if !current.statements.is_empty() {
        commands.push(current);
    }
}

/// The document at exactly that revision.
fn selector(key: &Key, revision: &Revision) -> RawDocumentBuf {
    let mut selector = RawDocumentBuf::new();
    selector.append(cstr!("_id"), &*key.id);
    selector.append(REV, revision.to_string());
    selector
}

/// The document at any revision.
fn whatever(key: &Key) -> RawDocumentBuf {
    let mut selector = RawDocumentBuf::new();
    selector.append(cstr!("_id"), &*key.id);
    selector
}

fn replacement(of: RawDocumentBuf, by: RawDocumentBuf) -> RawDocumentBuf {
    let mut statement = RawDocumentBuf::new();
    statement.append(cstr!("q"), of);
    statement.append(cstr!("u"), by);
    statement
}

fn deletion(of: RawDocumentBuf) -> RawDocumentBuf {
    let mut statement = RawDocumentBuf::new();
    statement.append(cstr!("q"), of);
    statement.append(cstr!("limit"), 1);
    statement
}

/// No revision is empty, so it inserts, and what is there already stops it.
fn insertion(key: &Key, document: RawDocumentBuf) -> RawDocumentBuf {
    let mut nothing = RawDocumentBuf::new();
    nothing.append(cstr!("_id"), &*key.id);
    nothing.append(REV, "");
    let mut statement = replacement(nothing, document);
    statement.append(cstr!("upsert"), true);
    statement
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::id::CommandId;
    use crate::schema::{Catalog, Collection};
    use crate::time::Timestamp;
    use crate::value::Json;

    const LEADS: Collection = Collection::new("test.leads", 1).much_checked();
    const OTHERS: Collection = Collection::new("test.others", 1);

    fn deletion_of(keys: impl Iterator<Item = Key>) -> Batch {
        let writes = keys.map(|key| Write { key, expect: Expect::Any, op: Op::Delete }).collect();
        let (command, at) = (CommandId::new("c").unwrap(), Timestamp::default());
        Batch { command, fingerprint: "f".to_owned(), at, result: Json::Null, writes, checks: Vec::new() }
    }

    /// A hold that stays lets commits rest on what was changed.
    #[test]
    fn the_holds_of_all_that_is_changed_are_removed_however_many_commands_that_takes() {
        let declarations = Declarations::of(&Catalog::new(&[&LEADS, &OTHERS]).unwrap());
        let long = "x".repeat(900);
        let lead = |n: usize| Key::new(&LEADS, &format!("{long}{n}"));
        let batch = deletion_of((0..2_000).map(lead).chain([Key::new(&OTHERS, "other")]));
        let commands = holds_of(&batch, &declarations);
        assert!(commands.len() > 1 && commands.iter().all(Command::is_of_holds));
        let removed: BTreeSet<&Key> = commands.iter().flat_map(|command| command.keys.iter().copied()).collect();
        assert_eq!(removed, (0..2_000).map(lead).collect::<Vec<_>>().iter().collect());
        let all = super::commands(&batch, &declarations, &Seen::new(), Order::InPlace).unwrap();
        assert_eq!(all.iter().filter(|command| command.is_of_holds()).count(), commands.len());
    }
}
