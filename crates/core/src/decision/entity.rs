//! Entities in decisions: reading, inserting and updating them by their type.

use std::borrow::Cow;

use runstate_value::Document;
use runstate_value::time::Timestamp;

use super::foreign::DocumentForm;
use super::{Change, Decision, LoadedDocument, ReadSet, Rejection, View};
use crate::id::Revision;
use crate::schema::{DamageCode, DamagedDocument, Entity, Fields, Key, Page, Violation, sealed};

/// An entity as it was read.
#[derive(Clone, Debug)]
pub struct LoadedEntity<E> {
    /// The entity.
    pub entity: E,
    key: Key,
    document: LoadedDocument,
    /// That of the entity that was read.
    form: DocumentForm,
}

impl ReadSet {
    /// Reads one entity.
    pub fn entity<E: Entity>(id: &str) -> Self {
        Self::key(Key::new(&E::COLLECTION, id))
    }

    /// Adds one entity.
    pub fn with_entity<E: Entity>(self, id: &str) -> Self {
        self.with_key(Key::new(&E::COLLECTION, id))
    }
}

impl View {
    /// The entity with this id, which must exist. One that was not read yet is requested, and then the engine decides
    /// again.
    pub fn entity<E: Entity>(&self, id: &str) -> Result<LoadedEntity<E>, Rejection> {
        self.find_entity(id)?.ok_or_else(|| Rejection::not_found::<E>(id))
    }

    /// The entity with this id, if it exists. One that was not read yet is requested, and then the engine decides
    /// again.
    pub fn find_entity<E: Entity>(&self, id: &str) -> Result<Option<LoadedEntity<E>>, Rejection> {
        let key = Key::new(&E::COLLECTION, id);
        self.require([key.clone()])?;
        let Some(document) = self.get(&key) else { return Ok(None) };
        let entity = self.cached_entity(&key).cloned().map_or_else(|| read(&key, document), Ok)?;
        Ok(Some(LoadedEntity::new(entity, key, document)))
    }

    /// The entity with this id, as far as it was read, for further reads that depend on it. The decision reports one
    /// that is missing or cannot be read.
    pub fn peek_entity<E: Entity>(&self, id: &str) -> Option<Cow<'_, E>> {
        let key = Key::new(&E::COLLECTION, id);
        let document = self.get(&key)?;
        self.cached_entity(&key).map_or_else(|| read(&key, document).ok().map(Cow::Owned), |e| Some(Cow::Borrowed(e)))
    }

    /// Requests entities that were not read yet. The engine reads them all at once, and decides again.
    pub fn require_entities<E: Entity>(&self, ids: impl IntoIterator<Item = impl AsRef<str>>) -> Result<(), Rejection> {
        self.require(ids.into_iter().map(|id| Key::new(&E::COLLECTION, id.as_ref())))
    }

    /// Rejects an id that an entity has already.
    pub fn check_absent<E: Entity>(&self, id: &str) -> Result<(), Rejection> {
        let key = Key::new(&E::COLLECTION, id);
        self.require([key.clone()])?;
        if self.get(&key).is_some() { Err(already_exists(E::NOUN, id)) } else { Ok(()) }
    }

    /// The entities that the query `name` returned, or a part of their fields, to show them: as in [`View::page`], a
    /// secret may still be encrypted.
    pub fn entities<F: Fields>(&self, name: &str) -> Result<Vec<F>, Rejection> {
        let show = |(key, row): &(Key, LoadedDocument)| {
            decode_shown(key, &row.document).map_err(|violation| Rejection::unreadable(key, &violation))
        };
        self.rows(name).unwrap_or_default().iter().map(show).collect()
    }

    /// The entities that the query `name` returned, to change them.
    pub fn loaded_entities<E: Entity>(&self, name: &str) -> Result<Vec<LoadedEntity<E>>, Rejection> {
        let load = |(key, row): &(Key, LoadedDocument)| Ok(LoadedEntity::new(read(key, row)?, key.clone(), row));
        self.rows(name).unwrap_or_default().iter().map(load).collect()
    }

    /// The entities that these queries returned, each once, to change them; without those that the command passes over.
    /// An error is a document that cannot be read, with the reason ([`Decision::damaged`]).
    pub fn each_entity<E: Entity>(
        &self,
        names: &'static [&'static str],
    ) -> impl Iterator<Item = Result<LoadedEntity<E>, (Key, DamageCode, String)>> {
        let load = |(key, row): &(Key, LoadedDocument)| match decode(key, &row.document) {
            Ok(entity) => Ok(LoadedEntity::new(entity, key.clone(), row)),
            Err(violation) => {
                let DamagedDocument { code, reason, .. } = DamagedDocument::new(key.id.to_string(), &violation);
                Err((key.clone(), code, reason))
            }
        };
        let pages = names.iter().flat_map(|name| self.page_of::<()>(name, Vec::new()).damaged);
        let unreadable = pages.map(|one| Err((Key::new(&E::COLLECTION, &one.id), one.code, one.reason)));
        self.all_rows(names).filter(|(key, _)| self.passed_over(key).is_none()).map(load).chain(unreadable)
    }

    /// The fields `F` of the document of the entity with this id, which must exist.
    pub fn fields<E: Entity, F: Fields>(&self, id: &str) -> Result<F, Rejection> {
        let key = Key::new(&E::COLLECTION, id);
        self.require([key.clone()])?;
        read(&key, self.get(&key).ok_or_else(|| Rejection::not_found::<E>(id))?)
    }

    /// The page of the query `name`: entities, or a part of their fields, to show them. One that cannot be read is
    /// among the damaged ones. A secret may still be encrypted, if it may be of any kind.
    pub fn page<F: Fields>(&self, name: &str) -> Page<F> {
        let mut page = self.page_of(name, Vec::new());
        for (key, row) in self.rows(name).unwrap_or_default() {
            match decode_shown(key, &row.document) {
                Ok(fields) => page.items.push(fields),
                Err(damage) => page.add_damaged(DamagedDocument::new(key.id.to_string(), &damage)),
            }
        }
        page
    }
}

impl<E: Entity> LoadedEntity<E> {
    fn new(entity: E, key: Key, document: &LoadedDocument) -> Self {
        Self { entity, key, document: document.clone(), form: DocumentForm::of::<E>() }
    }

    /// Its key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The revision at which it was read.
    pub fn revision(&self) -> &Revision {
        &self.document.revision
    }

    /// The fields `F` of its document, as it was read.
    pub fn fields<F: Fields>(&self) -> Result<F, Rejection> {
        read(&self.key, &self.document)
    }

    /// The change that stores the entity as it now is, with its time of update ([`Entity::set_updated`]). It is for an
    /// entity that has changed; [`Decision::save`] compares.
    pub fn update(&mut self, now: Timestamp) -> Result<Change, Rejection> {
        self.entity.set_updated(now);
        let after = written(self.entity.to_document(), self.form, &self.document)?;
        Ok(Change::Update { key: self.key.clone(), before: self.document.clone(), after })
    }

    /// The decision to modify the entity. Its output is the entity as it is then.
    pub fn modify(self, modify: impl FnOnce(&mut E)) -> Result<Decision<E>, Rejection> {
        let Self { mut entity, key, document, form } = self;
        modify(&mut entity);
        let after = written(entity.to_document(), form, &document)?;
        Ok(Decision::new(entity).change(Change::Update { key, before: document, after }))
    }

    /// Another entity in the place of this one, under the same key.
    pub fn replace<T: Entity>(self, entity: T) -> LoadedEntity<T> {
        let Self { key, document, form, .. } = self;
        LoadedEntity { entity, key, document, form }
    }

    /// The change that deletes the entity.
    pub fn delete(self) -> Change {
        Change::Delete { key: self.key, revision: Some(self.document.revision) }
    }
}

impl<O> Decision<O> {
    /// Stores an entity as it now is, and sets its time of update ([`Entity::set_updated`]). One that is unchanged is
    /// checked: the decision relies on it.
    pub fn save<E: Entity>(mut self, loaded: LoadedEntity<E>, now: Timestamp) -> Result<Self, Rejection> {
        let LoadedEntity { mut entity, key, document, form } = loaded;
        save_changed(&mut entity, (key, document, form), now, &mut self.changes, &mut self.checks)?;
        Ok(self)
    }

    /// Adds a check that the entity still is as it was read.
    pub fn check_entity<E: Entity>(mut self, loaded: &LoadedEntity<E>) -> Self {
        self.checks.push((loaded.key.clone(), loaded.document.revision.clone()));
        self
    }

    /// Adds the change that inserts a new entity. Its id must be free.
    pub fn and_insert<E: Entity>(mut self, entity: &E) -> Result<Self, Rejection> {
        self.changes.push(Change::insert(entity)?);
        Ok(self)
    }
}

/// Changes of a decision that are made after it, as by a [`Trigger`](crate::operation::Trigger).
impl<O> Decision<O> {
    /// The entity with this id as it is after the changes so far; `None`: it does not exist. One that the command did
    /// not read is read, and then the command is decided again.
    ///
    /// The decision relies on what it finds here: if the entity changes before the commit, the command is decided again
    /// too.
    pub fn current<E: Entity>(&mut self, view: &View, id: &str) -> Result<Option<E>, Rejection> {
        let key = Key::new(&E::COLLECTION, id);
        if let Some(change) = self.changes.iter().find(|change| *change.key() == key) {
            let decoded = change.document().map(|document| decode(&key, document)).transpose();
            return decoded.map_err(|violation| Rejection::unreadable(&key, &violation));
        }
        view.require([key.clone()])?;
        let Some(read) = view.get(&key) else { return Ok(None) };
        if !self.checks.iter().any(|(checked, _)| *checked == key) {
            self.checks.push((key.clone(), read.revision.clone()));
        }
        self::read(&key, read).map(Some)
    }

    /// Writes an entity that [`Decision::current`] returned, and sets its time of update.
    pub fn write<E: Entity>(&mut self, view: &View, mut entity: E, now: Timestamp) -> Result<(), Rejection> {
        entity.set_updated(now);
        let key = Key::new(&E::COLLECTION, entity.id());
        self.checks.retain(|(checked, _)| *checked != key);
        let (document, form) = (entity.to_document(), DocumentForm::of::<E>());
        match (self.changes.iter_mut().find(|change| *change.key() == key), view.get(&key)) {
            (Some(change), Some(before)) => change.set_document(written(document, form, before)?)?,
            (Some(change), None) => change.set_document(valid(document)?)?,
            (None, Some(before)) => {
                let after = written(document, form, before)?;
                self.changes.push(Change::Update { key, before: before.clone(), after });
            }
            (None, None) => return Err(Rejection::Unread(vec![key])),
        }
        Ok(())
    }
}

impl<E: Entity> Decision<E> {
    /// The decision to insert a new entity, which is its output. Its id must be free.
    pub fn insert(entity: E) -> Result<Self, Rejection> {
        let insert = Change::insert(&entity)?;
        Ok(Self::new(entity).change(insert))
    }
}

impl Change {
    /// The change that inserts a new entity. Its id must be free.
    pub fn insert<E: Entity>(entity: &E) -> Result<Self, Rejection> {
        let key = Key::new(&E::COLLECTION, entity.id());
        Ok(Self::Insert { key, document: valid(entity.to_document())? })
    }

    /// The change that adds a row of an insert-only collection, which is rarely read again.
    pub fn append<E: Entity>(entity: &E) -> Result<Self, Rejection> {
        let key = Key::new(&E::COLLECTION, entity.id());
        Ok(Self::Append { key, document: valid(entity.to_document())? })
    }

    /// The change that adds a row of an insert-only collection before it is referenced: [`Change::Stage`].
    pub fn stage<E: Entity>(entity: &E) -> Result<Self, Rejection> {
        let key = Key::new(&E::COLLECTION, entity.id());
        Ok(Self::Stage { key, document: valid(entity.to_document())? })
    }
}

fn read<F: Fields>(key: &Key, loaded: &LoadedDocument) -> Result<F, Rejection> {
    decode(key, &loaded.document).map_err(|violation| Rejection::unreadable(key, &violation))
}

/// The fields of a document. No secret of them is encrypted: a value of any kind could not be distinguished from it.
fn decode<F: Fields>(key: &Key, document: &Document) -> Result<F, Violation> {
    sealed::violation(F::FIELDS, document).map_or_else(|| decode_shown(key, document), Err)
}

/// The fields of a document, to show them. A secret that may be of any kind may still be encrypted.
fn decode_shown<F: Fields>(key: &Key, document: &Document) -> Result<F, Violation> {
    let sealed = |violation| sealed::violation(F::FIELDS, document).unwrap_or(violation);
    let mut fields = F::read_fields(document).map_err(sealed)?;
    fields.set_missing_id(&key.id);
    Ok(fields)
}

/// An entity without its type. Functions on it are compiled once, and not once for each entity.
trait AnyEntity {
    fn document(&self) -> Result<Document, Violation>;

    fn update(&mut self, now: Timestamp);
}

impl<E: Entity> AnyEntity for E {
    fn document(&self) -> Result<Document, Violation> {
        self.to_document()
    }

    fn update(&mut self, now: Timestamp) {
        self.set_updated(now);
    }
}

/// See [`Decision::save`].
fn save_changed(
    entity: &mut dyn AnyEntity,
    (key, before, form): (Key, LoadedDocument, DocumentForm),
    now: Timestamp,
    changes: &mut Vec<Change>,
    checks: &mut Vec<(Key, Revision)>,
) -> Result<(), Rejection> {
    if written(entity.document(), form, &before)? == *before.document {
        checks.push((key, before.revision));
    } else {
        entity.update(now);
        let after = written(entity.document(), form, &before)?;
        changes.push(Change::Update { key, before, after });
    }
    Ok(())
}

/// The document of an entity in the place of `before`.
fn written(
    document: Result<Document, Violation>,
    form: DocumentForm,
    before: &LoadedDocument,
) -> Result<Document, Rejection> {
    let mut document = valid(document)?;
    form.keep_foreign(&before.document, &mut document);
    Ok(document)
}

/// Rejects a value that the entity's declaration does not allow.
#[inline(never)]
fn valid(document: Result<Document, Violation>) -> Result<Document, Rejection> {
    document.map_err(|violation| Rejection::Invalid {
        field: violation.field().to_owned(),
        reason: violation.reason().to_owned(),
    })
}

impl Rejection {
    /// The rejection of an id, or of a name, that no such entity has.
    pub fn not_found<E: Entity>(id: &str) -> Self {
        not_found(E::NOUN, E::LISTED_BY, id)
    }
}

#[cold]
#[inline(never)]
fn not_found(what: &'static str, listed_by: Option<&str>, id: &str) -> Rejection {
    let hint = listed_by.map(|list| format!("; `{list}` lists them")).unwrap_or_default();
    Rejection::NotFound { what, id: id.to_owned(), hint }
}

#[cold]
#[inline(never)]
fn already_exists(what: &'static str, id: &str) -> Rejection {
    Rejection::AlreadyExists { what, id: id.to_owned() }
}
