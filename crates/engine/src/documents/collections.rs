//! The collections of an engine: those of its domains and its own, which never change, and those that are declared at
//! run time. The store keeps the declarations of the latter, so every process knows them: from its opening on, or when
//! it first meets one.

use std::sync::{Arc, PoisonError, RwLock};

use runstate_core::error_code::ErrorCode;
use runstate_core::id::Revision;
use runstate_core::limits::DECLARED_COLLECTIONS;
use runstate_core::marker::BoxFuture;
use runstate_core::operation::nearest_name;
use runstate_core::schema::{Catalog, CatalogError, Collection, Filter, Key, Kind, Query, check};
use runstate_store::{Batch, Expectation, Freshness, Row, StoreError, Write, WriteOp};
use runstate_value::{Document, Json};

use super::declaration::{CollectionDeclaration, VersionChoice, limit};
use super::{DECLARATIONS, PENDING, PREFIX};
use crate::ledger::is_declaration_of_ledger;
use crate::{Engine, Error, log};

/// Number of attempts to declare a collection while other processes declare it too.
const ATTEMPTS: u32 = 8;

/// The fingerprint of declarations in the ledger. No caller repeats them, and these rows have no meaning in another
/// store.
pub const FINGERPRINT: &str = "runstate.declarations";

/// Documents per read.
const PAGE: u32 = 64;

pub struct Collections {
    /// Those of the domains and the engine's own.
    base: Catalog,
    /// All of them.
    current: RwLock<Arc<Catalog>>,
    /// One task at a time prepares the store for other collections.
    lock: async_lock::Mutex<()>,
    /// The engine only reads, and creates nothing in the store.
    pub only_reads: bool,
}

struct StoredDeclaration {
    revision: Revision,
    current: DeclaredCollection,
    /// The next version. The store may be prepared for it, or for an earlier one that it replaced.
    pending: Option<DeclaredCollection>,
}

/// A collection with a version, and the origin of the version.
#[derive(Clone, Copy)]
struct DeclaredCollection {
    collection: &'static Collection,
    choice: VersionChoice,
}

impl DeclaredCollection {
    fn to_document(self) -> Result<Document, Error> {
        let mut document = CollectionDeclaration::try_from(self.collection)?.to_document()?;
        self.choice.write(&mut document);
        Ok(document)
    }

    /// The same declaration under another version.
    fn with_version(self, version: u32) -> Result<Self, Error> {
        let collection = CollectionDeclaration::try_from(self.collection)?.normalized(version).collection()?;
        Ok(Self { collection, ..self })
    }
}

impl Collections {
    pub fn new(base: Catalog, only_reads: bool) -> Self {
        let current = RwLock::new(Arc::new(base.clone()));
        Self { base, current, lock: async_lock::Mutex::new(()), only_reads }
    }

    pub fn catalog(&self) -> Arc<Catalog> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, catalog: Catalog) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
    }
}

/// Whether a store that gave this error to [`StoreAdmin::migrate`](runstate_store::StoreAdmin::migrate) can be read.
/// The store itself rejects writes with this reason; if its disk is full, documents can be deleted.
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
    async fn prepare_store(&self, catalog: &Catalog) -> Result<(), StoreError> {
        match self.shared.collections.only_reads {
            true => self.store().declare(catalog).await,
            false => self.store().migrate(catalog).await,
        }
    }

    /// Prepares the store for the collections that the engine knows from the beginning, then for those that the store
    /// declares.
    pub async fn prepare_collections(&self) -> Result<(), Error> {
        self.prepare_store(&self.shared.collections.base)
            .await
            .or_else(|error| if is_readable(&error) { Ok(()) } else { Err(error) })?;
        match self.reload_collections().await {
            Err(error) if error.code == ErrorCode::CORRUPT => Ok(()),
            reloaded => reloaded,
        }
    }

    /// Reads the declarations again, and prepares the store for those that have changed.
    pub async fn reload_collections(&self) -> Result<(), Error> {
        let _guard = self.shared.collections.lock.lock().await;
        self.reload_locked(false).await
    }

    /// As [`Engine::reload_collections`]. `always` prepares the store even if nothing has changed.
    fn reload_locked(&self, always: bool) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let collections = &self.shared.collections;
            for _ in 0..ATTEMPTS {
                let read = |(_, read): (_, Result<_, Error>)| read.inspect_err(log::declaration_unreadable).ok();
                let stored: Vec<StoredDeclaration> =
                    self.stored_declarations().await?.into_iter().filter_map(read).collect();
                let declared: Vec<&'static Collection> =
                    stored.iter().map(|stored| stored.current.collection).collect();
                let mut catalog = collections.base.with(&declared).map_err(invalid_catalog)?;
                let may_be_pending = stored.iter().any(|stored| stored.pending.is_some()) && self.is_newer_than_known();
                if !always && !may_be_pending && is_same(&self.catalog(), &catalog) {
                    return Ok(());
                }
                let completed = self.prepare_declared(&mut catalog, &stored).await?;
                if !completed.is_empty() && !collections.only_reads {
                    match self.store().commit(self.declaration_batch(completed)).await {
                        Ok(_) | Err(StoreError::Conflict { .. } | StoreError::UnknownOutcome { .. }) => continue,
                        // A store that takes no writes can be read; a later opening completes the declaration.
                        Err(_) => {}
                    }
                }
                collections.set(catalog);
                return Ok(());
            }
            Err(busy())
        })
    }

    /// Prepares the store for `catalog`. If it is prepared for the pending version of a collection already, `catalog`
    /// gets that version. Returns the writes that complete such declarations.
    ///
    /// The store may have been prepared for another declaration, which was pending before and has a lower version or
    /// the same. So it may refuse this one. The older declaration then gets its version.
    async fn prepare_declared(&self, catalog: &mut Catalog, stored: &[StoredDeclaration]) -> Result<Vec<Write>, Error> {
        let mut completed: Vec<(&StoredDeclaration, DeclaredCollection)> = Vec::new();
        let mut refusable = None;
        loop {
            let Err(error) = self.prepare_store(catalog).await else { break };
            let newer = error.newer_collection().and_then(|name| catalog.get(name));
            let is_current =
                |stored: &&StoredDeclaration| newer.is_some_and(|newer| std::ptr::eq(newer, stored.current.collection));
            let found = stored.iter().find(is_current);
            let next = if let Some((found, pending)) = found.and_then(|found| Some((found, found.pending?))) {
                completed.push((found, pending));
                refusable = Some(pending);
                pending
            } else if is_readable(&error) {
                return Ok(Vec::new());
            } else if let (Some(refused), Some((last, now))) = (refusable.take(), completed.last_mut()) {
                *now = last.current.with_version(refused.collection.version)?;
                *now
            } else {
                return Err(error.into());
            };
            *catalog = catalog.with(&[next.collection]).map_err(invalid_catalog)?;
        }
        let write = |(stored, now): (&StoredDeclaration, _)| {
            declaration_write(Expectation::Revision(stored.revision.clone()), now, None)
        };
        completed.into_iter().map(write).collect()
    }

    /// Whether the store refuses writes because another process has declared a newer version of a collection.
    fn is_newer_than_known(&self) -> bool {
        matches!(self.store().read_only_reason(), Some(StoreError::NewerVersion { .. }))
    }

    /// Whether the store refused a write of a command that knew only the collections of `known`, because another
    /// process has declared a newer version of one, and this engine knows it now.
    pub async fn has_met_newer_collections(&self, error: &StoreError, known: &Arc<Catalog>) -> bool {
        if !matches!(error, StoreError::ReadOnly { .. } | StoreError::NewerVersion { .. }) {
            return false;
        }
        let is_reloaded = !self.is_newer_than_known() || self.reload_collections().await.is_ok();
        // Another task may have reloaded them.
        is_reloaded && !Arc::ptr_eq(known, &self.catalog())
    }

    /// The declarations in the store, by name; `Err`: it cannot be read.
    async fn stored_declarations(&self) -> Result<Vec<(Arc<str>, Result<StoredDeclaration, Error>)>, Error> {
        let page = self.store().query(&Query::of(&DECLARATIONS), Freshness::Linearizable).await?;
        let rows = page.items.into_iter().filter(|row| !is_declaration_of_ledger(&row.id));
        Ok(rows.map(|row| (row.id.clone(), StoredDeclaration::read(row))).collect())
    }

    /// The declarations of those collections of `catalog` that were declared at run time, in the form in which exports
    /// carry them.
    pub async fn exported_declarations(&self, catalog: &Catalog) -> Result<Vec<Document>, Error> {
        let declared: Vec<_> = CollectionDeclaration::all_of(catalog).collect::<Result<_, _>>()?;
        if declared.is_empty() {
            return Ok(Vec::new());
        }
        let stored = self.stored_declarations().await?;
        let is_explicit = |name: &str| {
            let found = stored.iter().find(|(stored, _)| **stored == *name);
            found
                .is_some_and(|(_, read)| read.as_ref().is_ok_and(|read| read.current.choice == VersionChoice::Explicit))
        };
        let export = |declaration: CollectionDeclaration| {
            let mut document = declaration.to_document()?;
            if is_explicit(&declaration.collection) {
                VersionChoice::Explicit.write(&mut document);
            }
            Ok(document)
        };
        declared.into_iter().map(export).collect()
    }

    /// The collection that is declared under this name. An unknown one may have been declared by another process.
    pub(super) async fn declared_collection(&self, name: &str) -> Result<&'static Collection, Error> {
        let full_name = format!("{PREFIX}{name}");
        if let Some(collection) = self.catalog().get(&full_name) {
            return Ok(collection);
        }
        self.reload_collections().await?;
        let catalog = self.catalog();
        if let Some(collection) = catalog.get(&full_name) {
            return Ok(collection);
        }
        if let Some((_, Err(unreadable))) =
            self.stored_declarations().await?.into_iter().find(|(stored, _)| **stored == *name)
        {
            return Err(unreadable);
        }
        let names: Vec<&str> = catalog.iter().filter_map(|known| known.name.strip_prefix(PREFIX)).collect();
        let hint = match nearest_name(name, &names) {
            _ if catalog.get(name).is_some() => "only the operations of its domain change it".to_owned(),
            Some(near) => format!("did you mean `{near}`?"),
            None => "declare it with `documents.declare`".to_owned(),
        };
        Err(Error::new(ErrorCode::NOT_FOUND, format!("the collection `{name}` is not declared; {hint}")))
    }

    /// The collection that a reader names: one that was declared at run time, by its name or its whole name
    /// `documents.name`, or one of a domain by its whole name, `domain.collection`.
    pub(super) async fn readable_collection(&self, name: &str) -> Result<&'static Collection, Error> {
        match self.registry().catalog().get(name) {
            Some(collection) => Ok(collection),
            None => self.declared_collection(name.strip_prefix(PREFIX).unwrap_or(name)).await,
        }
    }

    /// The whole names of the collections that a reader of changes names, as [`Engine::readable_collection`] reads them.
    pub(crate) async fn readable_collections(&self, names: Option<Vec<String>>) -> Result<Option<Vec<String>>, Error> {
        let Some(names) = names else { return Ok(None) };
        let mut whole = Vec::with_capacity(names.len());
        for name in names {
            // All collections whose names begin so.
            let is_prefix = name.ends_with('*');
            whole.push(if is_prefix { name } else { self.readable_collection(&name).await?.name.to_owned() });
        }
        Ok(Some(whole))
    }

    /// Declares a collection, and returns it. See [`Documents::declare`](super::Documents::declare).
    pub(super) async fn declare_collection(
        &self,
        declaration: &CollectionDeclaration,
    ) -> Result<&'static Collection, Error> {
        // Stored declarations and exports of earlier programs may have such indexes.
        declaration.check_redundant_indexes()?;
        self.declare_as(declaration, VersionChoice::from_declaration(declaration)).await
    }

    fn declare_as<'a>(
        &'a self,
        declaration: &'a CollectionDeclaration,
        choice: VersionChoice,
    ) -> BoxFuture<'a, Result<&'static Collection, Error>> {
        Box::pin(async move {
            // Also checks a declaration that changes nothing.
            declaration.normalized(declaration.version.unwrap_or(1)).collection()?;
            for _ in 0..ATTEMPTS {
                let guard = self.shared.collections.lock.lock().await;
                let known = self.catalog();
                let declared = self.declare_locked(declaration, choice).await;
                if !matches!(declared, Ok(false)) {
                    // The store must be prepared for the declarations that it has now, after any outcome.
                    let reloaded = self.reload_locked(true).await;
                    let is_overtaken = declared.as_ref().is_err_and(|error| match error.code {
                        ErrorCode::CONFLICT | ErrorCode::UNKNOWN_OUTCOME => true,
                        ErrorCode::NEWER_VERSION | ErrorCode::READ_ONLY => !is_same(&known, &self.catalog()),
                        _ => false,
                    });
                    if is_overtaken {
                        // The next attempt finds the declaration of another process, or this one.
                        continue;
                    }
                    declared.and(reloaded)?;
                }
                drop(guard);
                return self.declared_collection(&declaration.collection).await;
            }
            Err(busy())
        })
    }

    /// Declares the collections of an import. A newer declaration in the store remains; the documents are checked
    /// against it.
    pub async fn declare_imported(&self, declarations: &[(CollectionDeclaration, VersionChoice)]) -> Result<(), Error> {
        for (declaration, choice) in declarations {
            match self.declare_as(declaration, *choice).await {
                Err(error) if error.code == ErrorCode::NEWER_VERSION => {}
                declared => drop(declared?),
            }
        }
        Ok(())
    }

    /// Makes one attempt to declare a collection. Returns whether it was declared differently before.
    ///
    /// A process that only knows an older version than the store is prepared for cannot write to the store at all. So
    /// the declaration of a version is stored before the store is prepared for it, and remains until it or a newer one
    /// is completed. The store comes before the completion, because it may refuse an index.
    async fn declare_locked(&self, given: &CollectionDeclaration, choice: VersionChoice) -> Result<bool, Error> {
        self.reload_locked(false).await?;
        let mut all = self.stored_declarations().await?;
        let count = all.len();
        let (current, next, expect) = match all.iter().position(|(id, _)| **id == *given.collection) {
            Some(at) => {
                let StoredDeclaration { mut revision, current, pending } = all.swap_remove(at).1?;
                let older = pending.map(|pending| CollectionDeclaration::try_from(pending.collection)).transpose()?;
                let chosen = [Some(current), pending].into_iter().flatten().map(|declared| declared.choice);
                let is_protected = choice == VersionChoice::Automatic
                    && chosen.into_iter().any(|chosen| chosen == VersionChoice::Explicit);
                let Some(next) = given.successor(&current.collection.try_into()?, older.as_ref(), is_protected)? else {
                    if choice == VersionChoice::Explicit && current.choice == VersionChoice::Automatic {
                        self.mark_explicit(revision, current, pending).await?;
                    }
                    return Ok(false);
                };
                let collection = next.collection()?;
                let continued = pending.filter(|pending| std::ptr::eq(pending.collection, collection));
                let next = match (continued, choice) {
                    (Some(pending), VersionChoice::Automatic) => pending,
                    _ => DeclaredCollection { collection, choice },
                };
                self.check_documents(current.collection, collection).await?;
                if continued.is_none() {
                    let write = declaration_write(Expectation::Revision(revision.clone()), current, Some(next))?;
                    self.store().commit(self.declaration_batch(vec![write])).await?;
                    revision = revision.next();
                }
                (Some(current), next, Expectation::Revision(revision))
            }
            None if count >= DECLARED_COLLECTIONS => {
                return Err(limit(
                    format!("{} collections of documents in this store", count + 1),
                    DECLARED_COLLECTIONS,
                ));
            }
            None => {
                let collection = given.normalized(given.version.unwrap_or(1)).collection()?;
                (None, DeclaredCollection { collection, choice }, Expectation::Absent)
            }
        };
        let catalog = self.catalog().with(&[next.collection]).map_err(invalid_catalog)?;
        if let Err(refusal) = self.prepare_store(&catalog).await {
            if let Some(current) = current {
                // Another process may be preparing the store for an earlier pending version. So one must remain, but
                // without the refused changes. If this fails, `prepare_declared` finds out about them.
                let unchanged = current.with_version(next.collection.version)?;
                let write = declaration_write(expect, current, Some(unchanged))?;
                drop(self.store().commit(self.declaration_batch(vec![write])).await);
            }
            return Err(refusal.into());
        }
        let write = declaration_write(expect, next, None)?;
        self.store().commit(self.declaration_batch(vec![write])).await?;
        Ok(true)
    }

    /// Records that a program has chosen the version of a declaration that was stored without that mark.
    async fn mark_explicit(
        &self,
        revision: Revision,
        current: DeclaredCollection,
        pending: Option<DeclaredCollection>,
    ) -> Result<(), Error> {
        let marked = DeclaredCollection { choice: VersionChoice::Explicit, ..current };
        let write = declaration_write(Expectation::Revision(revision), marked, pending)?;
        match self.store().commit(self.declaration_batch(vec![write])).await {
            Err(error @ (StoreError::Conflict { .. } | StoreError::UnknownOutcome { .. })) => Err(error.into()),
            // The declaration is the stored one, so a store that takes no writes can be used. A later opening marks it.
            _ => Ok(()),
        }
    }

    /// The commit of declarations. Another store has its own.
    pub(crate) fn declaration_batch(&self, writes: Vec<Write>) -> Batch {
        Batch {
            command: self.new_command_id(),
            fingerprint: FINGERPRINT.to_owned(),
            at: self.now(),
            result: Json::Null,
            writes,
            checks: Vec::new(),
            frees_space: false,
        }
    }

    /// Checks that the stored documents, which may have any undeclared fields, match the fields that `after` adds.
    async fn check_documents(&self, before: &'static Collection, after: &'static Collection) -> Result<(), Error> {
        for field in after.fields.iter().filter(|field| before.fields.iter().all(|old| old.name != field.name)) {
            let mut query = Query::of(before).filter(Filter::Exists(field.name.to_owned(), true)).limit(PAGE);
            loop {
                let page = self.store().query(&query, Freshness::Linearizable).await?;
                for Row { id, stored, .. } in &page.items {
                    // Some stores keep these in a type of their own, which an undeclared field does not have.
                    let has_own_type = matches!(field.kind, Kind::Timestamp | Kind::Decimal);
                    let violation = check(after, &stored.document).err().map(|violation| violation.to_string());
                    let problem = violation
                        .or_else(|| has_own_type.then(|| format!("`{}` is not declared as this kind", field.name)));
                    if let Some(problem) = problem {
                        let name = after.name.strip_prefix(PREFIX).unwrap_or_default();
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

fn busy() -> Error {
    let message = "other processes keep declaring collections; try again".to_owned();
    Error { retryable: true, ..Error::new(ErrorCode::CONFLICT, message) }
}

fn is_same(one: &Catalog, other: &Catalog) -> bool {
    one.iter().map(std::ptr::from_ref).eq(other.iter().map(std::ptr::from_ref))
}

/// The write that stores a declaration, and the one that may follow it.
fn declaration_write(
    expect: Expectation,
    current: DeclaredCollection,
    pending: Option<DeclaredCollection>,
) -> Result<Write, Error> {
    let mut document = current.to_document()?;
    if let Some(pending) = pending {
        document.insert(PENDING.to_owned(), Json::Object(pending.to_document()?));
    }
    let op = WriteOp::Put { version: DECLARATIONS.version, document: Arc::new(document) };
    let name = current.collection.name.strip_prefix(PREFIX).unwrap_or_default();
    Ok(Write { key: Key::new(&DECLARATIONS, name), expect, op })
}

impl StoredDeclaration {
    fn read(row: Row) -> Result<Self, Error> {
        let Row { id, stored, .. } = row;
        let damaged = |why: Error| match why.code {
            ErrorCode::LIMIT => why,
            _ => Error {
                collection: Some(DECLARATIONS.name.to_owned()),
                key: Some(id.to_string()),
                ..Error::new(ErrorCode::CORRUPT, format!("{}/{id} is damaged: {}", DECLARATIONS.name, why.message))
            },
        };
        let (current, pending) = read_declaration(&id, &stored.document).map_err(damaged)?;
        Ok(Self { revision: stored.revision, current, pending })
    }
}

/// The collections that a stored declaration declares: now, and as its pending version.
fn read_declaration(id: &str, document: &Document) -> Result<(DeclaredCollection, Option<DeclaredCollection>), Error> {
    let mut document = document.clone();
    let pending = document.shift_remove(PENDING);
    let read = |document: Document| {
        let (declaration, choice) = CollectionDeclaration::from_document(document)?;
        if declaration.collection != id {
            return Err(Error::new(ErrorCode::INVALID, "it declares another collection"));
        }
        Ok(DeclaredCollection { collection: declaration.collection()?, choice })
    };
    let pending = match pending {
        Some(Json::Object(pending)) => Some(read(pending)?),
        _ => None,
    };
    Ok((read(document)?, pending))
}

/// Why a stored declaration is damaged; `None`: it is not.
#[cfg(feature = "verify")]
pub fn declaration_problem(id: &str, document: &Document) -> Option<String> {
    let problem = read_declaration(id, document).err().filter(|error| error.code != ErrorCode::LIMIT);
    problem.map(|error| error.message)
}
