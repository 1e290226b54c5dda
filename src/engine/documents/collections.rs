//! The collections of an engine: those of its domains and its own, which never change, and those that are declared at run time. The store
//! keeps the declarations of the latter, so every process knows them: from its opening on, or when it first meets one.

use std::sync::{Arc, PoisonError, RwLock};

use super::declaration::{CollectionDeclaration, limit};
use super::{DECLARATIONS, PREFIX};
use crate::engine::{Engine, Error, log};
use crate::error_code::ErrorCode;
use crate::id::Revision;
use crate::limits::DECLARED_COLLECTIONS;
use crate::operation::nearest_name;
use crate::schema::{Catalog, CatalogError, Collection, Filter, Key, Kind, Query, check};
use crate::store::{Batch, Expectation, Row, StoreError, Write, WriteOp};
use crate::value::{Document, Json};

/// Number of attempts to declare a collection while other processes declare it too.
const ATTEMPTS: u32 = 8;

/// The fingerprint of declarations in the ledger. No caller repeats them, and these rows have no meaning in another store.
pub(in crate::engine) const FINGERPRINT: &str = "runstate.declarations";

/// Documents per read.
const PAGE: u32 = 64;

/// The collections of an engine.
pub(in crate::engine) struct Collections {
    /// Those of the domains and the engine's own.
    base: Catalog,
    /// All of them.
    current: RwLock<Arc<Catalog>>,
    /// One task at a time prepares the store for other collections.
    lock: async_lock::Mutex<()>,
    /// The engine only reads, and creates nothing in the store.
    only_reads: bool,
}

/// A declaration that the store keeps.
pub(super) struct StoredDeclaration {
    id: Arc<str>,
    revision: Revision,
    /// `Err`: it cannot be read.
    pub(super) declaration: Result<CollectionDeclaration, Error>,
}

impl Collections {
    pub(in crate::engine) fn new(base: Catalog, only_reads: bool) -> Self {
        let current = RwLock::new(Arc::new(base.clone()));
        Self { base, current, lock: async_lock::Mutex::new(()), only_reads }
    }

    pub(in crate::engine) fn catalog(&self) -> Arc<Catalog> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, catalog: Catalog) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
    }
}

/// Whether a store that gave this error to [`Store::migrate`](crate::store::Store::migrate) can be read. The store itself rejects writes with
/// this reason; if its disk is full, documents can be deleted.
fn is_readable(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::NewerVersion { .. }
            | StoreError::Corrupt { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::Full { .. }
    )
}

impl Engine {
    /// Prepares the store for the collections of `catalog`.
    async fn prepare_store(&self, catalog: &Catalog) -> Result<(), StoreError> {
        match self.shared.collections.only_reads {
            true => self.store().declare(catalog).await,
            false => self.store().migrate(catalog).await,
        }
    }

    /// Prepares the store for the collections that the engine knows from the beginning, then for those that the store declares.
    pub(in crate::engine) async fn prepare_collections(&self) -> Result<(), Error> {
        self.prepare_store(&self.shared.collections.base)
            .await
            .or_else(|error| if is_readable(&error) { Ok(()) } else { Err(error) })?;
        match self.reload_collections(false).await {
            Err(error) if error.code == ErrorCode::CORRUPT => Ok(()),
            reloaded => reloaded.map(drop),
        }
    }

    /// Reads the declarations again. Returns whether the collections have changed. The store is prepared for them if they have, or if
    /// `always`.
    pub(in crate::engine) async fn reload_collections(&self, always: bool) -> Result<bool, Error> {
        let _guard = self.shared.collections.lock.lock().await;
        self.reload_locked(always).await
    }

    async fn reload_locked(&self, always: bool) -> Result<bool, Error> {
        let mut declared = Vec::new();
        for StoredDeclaration { declaration, .. } in self.stored_declarations().await? {
            match declaration.and_then(|declaration| declaration.collection()) {
                Ok(collection) => declared.push(collection),
                Err(error) => log::declaration_unreadable(&error),
            }
        }
        let collections = &self.shared.collections;
        let catalog = collections.base.with(&declared).map_err(invalid_catalog)?;
        let before = self.catalog();
        let is_same = before.iter().count() == catalog.iter().count()
            && before.iter().zip(catalog.iter()).all(|(before, now)| std::ptr::eq(before, now));
        if is_same && !always {
            return Ok(false);
        }
        match self.prepare_store(&catalog).await {
            Err(error) if !is_readable(&error) => return Err(error.into()),
            _ => collections.set(catalog),
        }
        Ok(!is_same)
    }

    /// Whether the store refused a write because another process has declared a newer version of a collection, and this engine knows it now.
    pub(in crate::engine) async fn has_met_newer_collections(&self, error: &StoreError) -> bool {
        let is_newer = matches!(error, StoreError::ReadOnly { .. } | StoreError::NewerVersion { .. })
            && matches!(self.store().read_only_reason(), Some(StoreError::NewerVersion { .. }));
        is_newer && self.reload_collections(false).await.unwrap_or(false)
    }

    /// The declarations in the store, by name.
    pub(super) async fn stored_declarations(&self) -> Result<Vec<StoredDeclaration>, Error> {
        let mut query = Query::of(&DECLARATIONS).limit(PAGE);
        let mut found = Vec::new();
        loop {
            let page = self.store().query(&query).await?;
            found.extend(page.items.into_iter().map(StoredDeclaration::read));
            match page.next {
                Some(cursor) => query = query.after(Some(cursor)),
                None => return Ok(found),
            }
        }
    }

    /// The collection that is declared under this name. An unknown one may have been declared by another process.
    pub(super) async fn declared_collection(&self, name: &str) -> Result<&'static Collection, Error> {
        let full_name = format!("{PREFIX}{name}");
        if let Some(collection) = self.catalog().get(&full_name) {
            return Ok(collection);
        }
        self.reload_collections(false).await?;
        let catalog = self.catalog();
        catalog.get(&full_name).ok_or_else(|| {
            let names: Vec<&str> = catalog.iter().filter_map(|known| known.name.strip_prefix(PREFIX)).collect();
            let hint = match nearest_name(name, &names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "declare it with `documents.declare`".to_owned(),
            };
            Error::new(ErrorCode::NOT_FOUND, format!("the collection `{name}` is not declared; {hint}"))
        })
    }

    /// The collection that a reader names: one that was declared at run time, or one of a domain by its whole name, `domain.collection`.
    pub(super) async fn readable_collection(&self, name: &str) -> Result<&'static Collection, Error> {
        match self.registry().catalog().get(name) {
            Some(collection) => Ok(collection),
            None => self.declared_collection(name).await,
        }
    }

    /// Declares a collection, and returns it. See [`Documents::declare`](super::Documents::declare).
    pub(super) async fn declare_collection(
        &self,
        declaration: &CollectionDeclaration,
    ) -> Result<CollectionDeclaration, Error> {
        for _ in 0..ATTEMPTS {
            let Some(batch) = self.prepare_declaration(declaration).await? else {
                return self.stored_declaration(&declaration.collection).await;
            };
            let committed = self.store().commit(batch).await;
            // The store must be prepared for the declarations that it has now, after any outcome.
            self.reload_collections(true).await?;
            match committed {
                Ok(_) => return self.stored_declaration(&declaration.collection).await,
                // The next attempt finds the declaration of another process, or this one.
                Err(StoreError::Conflict { .. } | StoreError::UnknownOutcome { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let message = format!("other processes keep declaring the collection `{}`; try again", declaration.collection);
        Err(Error { retryable: true, ..Error::new(ErrorCode::CONFLICT, message) })
    }

    /// Declares the collections of an import. A newer declaration in the store remains; the documents are checked against it.
    pub(in crate::engine) async fn declare_imported(
        &self,
        declarations: &[CollectionDeclaration],
    ) -> Result<(), Error> {
        for declaration in declarations {
            match self.declare_collection(declaration).await {
                Err(error) if error.code == ErrorCode::NEWER_VERSION => {}
                declared => drop(declared?),
            }
        }
        Ok(())
    }

    async fn stored_declaration(&self, name: &str) -> Result<CollectionDeclaration, Error> {
        let found = self.store().get(&[Key::new(&DECLARATIONS, name)]).await?;
        let stored = found.into_iter().next().flatten();
        let stored =
            stored.ok_or_else(|| Error::new(ErrorCode::STALE, format!("the declaration of `{name}` was removed")))?;
        Ok(CollectionDeclaration::from_document(stored.document.as_ref().clone())?)
    }

    /// Prepares the store for the declared collection, and returns the batch that stores its declaration; `None`: nothing changes. The
    /// store comes first, because a store may refuse an index, and no other process can use a declaration that the store refuses.
    async fn prepare_declaration(&self, given: &CollectionDeclaration) -> Result<Option<Batch>, Error> {
        // Also checks a declaration that changes nothing.
        given.collection()?;
        let _guard = self.shared.collections.lock.lock().await;
        self.reload_locked(false).await?;
        let all = self.stored_declarations().await?;
        let name = &given.collection;
        let (next, expect) = match all.iter().find(|stored| *stored.id == **name) {
            Some(StoredDeclaration { revision, declaration, .. }) => {
                let stored = declaration.as_ref().map_err(Clone::clone)?;
                let Some(next) = given.successor(stored)? else { return Ok(None) };
                self.check_documents(stored, &next).await?;
                (next, Expectation::Revision(revision.clone()))
            }
            _ if all.len() >= DECLARED_COLLECTIONS => {
                return Err(limit(
                    format!("{} collections of documents in this store", all.len() + 1),
                    DECLARED_COLLECTIONS,
                ));
            }
            _ => (given.normalized(given.version.unwrap_or(1)), Expectation::Absent),
        };
        let catalog = self.catalog().with(&[next.collection()?]).map_err(invalid_catalog)?;
        let prepared = self.prepare_store(&catalog).await;
        if prepared.is_err() {
            self.reload_locked(true).await?;
        }
        prepared?;
        let op = WriteOp::Put { version: DECLARATIONS.version, document: Arc::new(next.to_document()?) };
        Ok(Some(Batch {
            command: self.new_command_id(),
            fingerprint: FINGERPRINT.to_owned(),
            at: self.now(),
            result: Json::Null,
            writes: vec![Write { key: Key::new(&DECLARATIONS, name), expect, op }],
            checks: Vec::new(),
        }))
    }

    /// Checks that the stored documents, which may have any undeclared fields, match the fields that `next` adds.
    async fn check_documents(&self, stored: &CollectionDeclaration, next: &CollectionDeclaration) -> Result<(), Error> {
        let (before, after) = (stored.collection()?, next.collection()?);
        for field in after.fields.iter().filter(|field| before.fields.iter().all(|old| old.name != field.name)) {
            let mut query = Query::of(before).filter(Filter::Exists(field.name.to_owned(), true)).limit(PAGE);
            loop {
                let page = self.store().query(&query).await?;
                for Row { id, stored } in &page.items {
                    // Some stores keep these in a type of their own, which an undeclared field does not have.
                    let has_own_type = matches!(field.kind, Kind::Timestamp | Kind::Decimal);
                    let violation = check(after, &stored.document).err().map(|violation| violation.to_string());
                    let problem = violation
                        .or_else(|| has_own_type.then(|| format!("`{}` is not declared as this kind", field.name)));
                    if let Some(problem) = problem {
                        let name = &next.collection;
                        let message = format!(
                            "the field `{}` cannot be added to the collection `{name}`: the document `{id}` has it already ({problem}). \
                             Use another name",
                            field.name
                        );
                        return Err(Error::new(ErrorCode::INVALID, message));
                    }
                }
                match page.next {
                    Some(cursor) => query = query.after(Some(cursor)),
                    None => break,
                }
            }
        }
        Ok(())
    }
}

fn invalid_catalog(error: CatalogError) -> Error {
    Error::new(ErrorCode::INVALID, error.to_string())
}

impl StoredDeclaration {
    fn read(row: Row) -> Self {
        let Row { id, stored } = row;
        let declaration = match declaration_problem(&id, &stored.document) {
            None => CollectionDeclaration::from_document(stored.document.as_ref().clone()).map_err(Error::from),
            Some(why) => Err(Error {
                collection: Some(DECLARATIONS.name.to_owned()),
                key: Some(id.to_string()),
                ..Error::new(ErrorCode::CORRUPT, format!("{}/{id} is damaged: {why}", DECLARATIONS.name))
            }),
        };
        Self { id, revision: stored.revision, declaration }
    }
}

/// Why a stored declaration cannot be used; `None`: it can.
pub(in crate::engine) fn declaration_problem(id: &str, document: &Document) -> Option<String> {
    match CollectionDeclaration::from_document(document.clone()) {
        Err(rejection) => Some(rejection.to_string()),
        Ok(declaration) if declaration.collection != id => Some("it declares another collection".to_owned()),
        Ok(declaration) => declaration.collection().err().map(|error| error.message),
    }
}
