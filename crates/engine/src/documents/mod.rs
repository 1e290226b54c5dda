//! Documents of the user's own: collections that are declared at run time, and documents in them that generic
//! operations read, query and change. A commit may hold document writes together with one command of a domain: all of
//! it happens, or nothing.
//!
//! | file | contents |
//! |---|---|
//! | `declaration.rs` | declarations: their JSON form, their limits, the collection that each declares |
//! | `compatibility.rs` | which declaration may follow which |
//! | `collections.rs` | the collections of an engine; declaring one; learning of those that other processes declare |
//! | `commit.rs` | the command that writes documents, alone or together with another command |
//! | `operations.rs` | the operations `documents.*` |

mod collections;
mod commit;
mod compatibility;
mod declaration;
pub(super) mod operations;

use runstate_core::decision::{AnyCommand, Command, TypedCommand};
use runstate_core::error_code::ErrorCode;
use runstate_core::id::{CommandId, Revision};
use runstate_core::limits::DROPPED_DOCUMENTS;
use runstate_core::schema::{Collection, DamagedDocument, Field, Filter, Key, Query};
use runstate_store::{Freshness, StoreError, StoredDocument};
use runstate_value::{Document, Json, SortedSet, from_document};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{CommandResult, Engine, Error, Execution};
pub(super) use collections::Collections;
pub use collections::FINGERPRINT;
#[cfg(feature = "verify")]
pub(super) use collections::declaration_problem;
use commit::DocumentCommit;
pub use commit::{DocumentExpectation, DocumentWrite};
pub use declaration::VersionChoice;
pub use declaration::{CollectionDeclaration, FieldDeclaration, IndexDeclaration, TtlDeclaration};

/// `runstate.declarations`: the declarations of collections that were declared at run time, by name, and that of the
/// command ledger, if its owner has chosen how long it keeps rows.
pub const DECLARATIONS: Collection = Collection::new("runstate.declarations", 1).fields(&[
    Field::id("id"),
    Field::text("collection"),
    Field::int("version"),
    Field::list("fields"),
    Field::list("indexes"),
    Field::object(PENDING).optional(),
]);

/// The declaration of the next version of the collection, until the store is prepared for it.
const PENDING: &str = "pending";

/// The names of collections that are declared at run time begin with it.
pub const PREFIX: &str = "documents.";

/// Documents of the user's own.
///
/// ```
/// use std::sync::Arc;
/// use runstate::engine::{CollectionDeclaration, DocumentExpectation, Engine, FieldDeclaration, IndexDeclaration, SystemHost};
/// use runstate::schema::{Kind, Query};
/// use runstate::store::Memory;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Debug, PartialEq)]
/// struct Note { tag: String, text: String }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), runstate::engine::Error> {
/// let engine = Engine::new(Arc::new(Memory::new()), Arc::new(SystemHost), &[]).await?;
/// let documents = engine.documents();
/// let notes = documents.declare(&CollectionDeclaration {
///     fields: vec![FieldDeclaration::new("tag", Kind::Text)],
///     indexes: vec![IndexDeclaration::new(&["tag"])],
///     ..CollectionDeclaration::new("notes")
/// }).await?;
/// let note = Note { tag: "home".into(), text: "Buy milk".into() };
/// documents.put(notes, "n1", &note, DocumentExpectation::Absent).await?;
/// let (found, _) = documents.query::<Note>(&Query::of(notes).eq("tag", "home")).await?;
/// assert_eq!(found[0].value, note);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Documents {
    engine: Engine,
}

/// A document with its key and revision.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredValue<T> {
    /// Its id.
    pub id: String,
    /// Its revision.
    pub revision: Revision,
    /// Its fields.
    pub value: T,
}

impl Engine {
    /// Documents of the user's own.
    pub fn documents(&self) -> Documents {
        Documents { engine: self.clone() }
    }
}

impl Documents {
    /// Declares a collection, and returns it. The same declaration again has no effect. A declaration that adds fields,
    /// indexes or allowed values gets the next version. A declaration without a version never changes one whose version
    /// was given. A stored declaration of an earlier program counts as one without a version until it is declared with
    /// its version.
    ///
    /// Errors: `invalid` (not a valid declaration; an incompatible one, whose difference is named; stored documents do
    /// not match it), `newer_version` (an older version than the stored one; a different declaration without a version,
    /// where the stored one has a version), `limit`.
    pub async fn declare(&self, declaration: &CollectionDeclaration) -> Result<&'static Collection, Error> {
        self.engine.declare_collection(declaration).await
    }

    /// The collection that is declared under `name`, which is without `documents.`.
    ///
    /// Errors: `not_found`.
    pub async fn collection(&self, name: &str) -> Result<&'static Collection, Error> {
        self.engine.declared_collection(name).await
    }

    /// The declarations in the store, by name. One that cannot be read is left out; `verify` reports it.
    pub async fn collections(&self) -> Result<Vec<CollectionDeclaration>, Error> {
        self.engine.reload_collections().await?;
        CollectionDeclaration::all_of(&self.engine.catalog()).collect()
    }

    /// The documents with these ids, in their order; `None` for a document that does not exist. `collection` may also
    /// be one of a domain of this engine.
    ///
    /// Errors: `corrupt` (the fields of a document are not those of `T`).
    pub async fn get<T: DeserializeOwned>(
        &self,
        collection: &'static Collection,
        ids: &[&str],
    ) -> Result<Vec<Option<StoredValue<T>>>, Error> {
        let keys: Vec<Key> = ids.iter().map(|id| Key::new(collection, id)).collect();
        let found = self.engine.store().get(&keys, Freshness::Linearizable).await?;
        keys.iter()
            .zip(found)
            .map(|(key, found)| found.map(|found| StoredValue::read(key, &found)).transpose())
            .collect()
    }

    /// One page of the documents that match, and the cursor of the next page.
    ///
    /// Errors: as [`Documents::get`].
    pub async fn query<T: DeserializeOwned>(
        &self,
        query: &Query,
    ) -> Result<(Vec<StoredValue<T>>, Option<String>), Error> {
        let page = self.engine.store().query(query, Freshness::Linearizable).await?;
        if let Some(DamagedDocument { id, reason: why, .. }) = page.damaged.into_iter().next() {
            return Err(StoreError::Corrupt { at: format!("{}/{id}", query.collection), why }.into());
        }
        let key = |id| Key { collection: query.collection.clone().into(), id };
        let values = page.items.into_iter().map(|row| StoredValue::read(&key(row.id), &row.stored));
        Ok((values.collect::<Result<_, _>>()?, page.next))
    }

    /// Writes one document, and returns its revision.
    pub async fn put<T: Serialize>(
        &self,
        collection: &'static Collection,
        id: &str,
        value: &T,
        expect: DocumentExpectation,
    ) -> Result<Revision, Error> {
        let write = DocumentWrite::put(collection, id, to_document(value)?).expect(expect);
        let revisions = self.commit(vec![write], None).await?.output;
        revisions.into_iter().flatten().next().ok_or_else(|| Error::internal("a written document has no revision"))
    }

    /// Writes one document if none has this id, and returns its revision. `None`: one exists, and remains as it is.
    ///
    /// Errors: `unique_violation` (another document has the entry of a unique index); those of [`Documents::commit`].
    pub async fn insert_if_absent<T: Serialize>(
        &self,
        collection: &'static Collection,
        id: &str,
        value: &T,
    ) -> Result<Option<Revision>, Error> {
        let write = DocumentWrite::insert_if_absent(collection, id, to_document(value)?);
        let revisions = self.commit(vec![write], None).await?.output;
        Ok(revisions.into_iter().flatten().next())
    }

    /// Deletes one document. If it does not exist, only the expectation of a revision fails.
    ///
    /// Errors: `conflict` (it does not have the expected revision; the details name both).
    pub async fn delete(
        &self,
        collection: &'static Collection,
        id: &str,
        expect: DocumentExpectation,
    ) -> Result<(), Error> {
        self.commit(vec![DocumentWrite::delete(collection, id).expect(expect)], None).await.map(drop)
    }

    /// The number of documents that match. The store counts them. `collection` may also be one of a domain of this
    /// engine.
    pub async fn count(&self, collection: &'static Collection, filter: Filter) -> Result<u64, Error> {
        self.engine.count_where(collection.name, filter).await
    }

    /// Deletes all documents of a collection that was declared at run time, also those that cannot be read, and returns
    /// the number that it found. The declaration remains. Each commit deletes at most [`DROPPED_DOCUMENTS`]. A call that was
    /// interrupted has deleted a part of them, and the next one continues. Documents that are written meanwhile may
    /// remain.
    ///
    /// Errors: `invalid` (the collection is one of a domain).
    pub async fn drop(&self, collection: &'static Collection) -> Result<u64, Error> {
        if !collection.name.starts_with(PREFIX) {
            let message = format!("`{}` is a collection of a domain, and only its operations delete", collection.name);
            return Err(Error::new(ErrorCode::INVALID, message));
        }
        // Only the ids are needed: the documents may be large.
        let all = Query { projection: vec!["id".to_owned()], ..Query::of(collection) };
        let all = all.limit(DROPPED_DOCUMENTS).with_unreadable();
        let (mut cursor, mut deleted, mut are_more_damaged) = (None, 0, false);
        loop {
            let page = self.engine.store().query(&all.clone().after(cursor), Freshness::Linearizable).await?;
            let mut ids = SortedSet::default();
            let damaged = page.damaged.into_iter().map(|document| document.id.into());
            for id in page.items.into_iter().map(|row| row.id).chain(damaged) {
                ids.insert(id, ());
            }
            let writes: Vec<_> = ids.keys().map(|id| DocumentWrite::drop(collection, id)).collect();
            deleted += writes.len() as u64;
            if !writes.is_empty() {
                self.commit(writes, None).await?;
            }
            are_more_damaged |= page.more_damaged;
            cursor = page.next;
            if cursor.is_none() && !std::mem::take(&mut are_more_damaged) {
                return Ok(deleted);
            }
        }
    }

    /// Writes documents in one commit, under `id` or under a generated command id. Returns their revisions in the order
    /// of the writes; `None` for a deleted document.
    ///
    /// Errors: `conflict` (a document does not have the expected revision; the details name both), `not_found` (a patch
    /// of a document that does not exist), `invalid`, `unique_violation`, `too_large`, `command_id_reused`.
    pub async fn commit(
        &self,
        writes: Vec<DocumentWrite>,
        id: Option<&CommandId>,
    ) -> Result<CommandResult<Vec<Option<Revision>>>, Error> {
        self.commit_any(writes, None, id).await
    }

    /// As [`Documents::commit`], in one commit with `command`: all of it happens, or nothing. If the command has
    /// further parts ([`Command::next`]), the documents are written with the first one.
    ///
    /// Errors: also those of the command.
    pub async fn commit_with<C: Command>(
        &self,
        writes: Vec<DocumentWrite>,
        command: &C,
        id: Option<&CommandId>,
    ) -> Result<CommandResult<(Vec<Option<Revision>>, C::Output)>, Error> {
        let mut typed = TypedCommand::<C, &C>::new(command);
        let CommandResult { output: revisions, command, replayed } =
            self.commit_any(writes, Some(&mut typed), id).await?;
        let output = super::output(typed)?;
        Ok(CommandResult { output: (revisions, output), command, replayed })
    }

    async fn commit_any(
        &self,
        writes: Vec<DocumentWrite>,
        command: Option<&mut dyn AnyCommand>,
        id: Option<&CommandId>,
    ) -> Result<CommandResult<Vec<Option<Revision>>>, Error> {
        let mut commit = DocumentCommit::new(writes, command);
        let Execution { command, replayed, .. } = self.engine.execute_any(&mut commit, id, None).await?;
        Ok(CommandResult { output: commit.revisions(&command), command, replayed })
    }
}

impl<T: DeserializeOwned> StoredValue<T> {
    fn read(key: &Key, stored: &StoredDocument) -> Result<Self, Error> {
        let value = from_document(&stored.document).map_err(|why| Error {
            collection: Some(key.collection.to_string()),
            key: Some(key.id.to_string()),
            ..Error::new(ErrorCode::CORRUPT, format!("{key} does not have the expected fields: {why}"))
        })?;
        Ok(Self { id: key.id.to_string(), revision: stored.revision.clone(), value })
    }
}

fn to_document(value: &impl Serialize) -> Result<Document, Error> {
    match serde_json::to_value(value) {
        Ok(Json::Object(document)) => Ok(document),
        Ok(_) => Err(Error::new(ErrorCode::INVALID, "a document must be an object")),
        Err(why) => Err(Error::new(ErrorCode::INVALID, format!("a document cannot be written as JSON: {why}"))),
    }
}
