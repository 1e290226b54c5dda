//! An open database, and the tables that evaluate queries on it. The connection closes as soon as another tab wants to
//! upgrade the database, or the browser closes it. A transaction in progress ends first.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use runstate_core::schema::{Catalog, Collection};
use runstate_store::tables::deferred::{DeferredBase, PartDescriptor};
use runstate_store::tables::{EntryExtractor, Tables};
use runstate_store::{BatchLimits, StoreError};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;

use super::binding::IdbDatabase;
use super::layout::{DatabaseLayout, declared_collections, decode_key, key_range};

/// An open database. Dropping the guard closes it.
pub(super) struct DatabaseGuard {
    pub(super) database: IdbDatabase,
    lost: Rc<Cell<bool>>,
    // Kept alive while the browser may call them.
    _on_version_change: Closure<dyn FnMut()>,
    _on_close: Closure<dyn FnMut()>,
}

impl DatabaseGuard {
    /// Creates the guard. Call it in the event in which the database was opened: `versionchange` is sent only once, and
    /// its sender waits.
    pub(super) fn new(database: IdbDatabase) -> Self {
        let lost = Rc::new(Cell::new(false));
        let (raw, is_lost) = (database.clone(), lost.clone());
        // The browser lets transactions in progress end before it closes the connection.
        let on_version_change = Closure::new(move || {
            is_lost.set(true);
            raw.close();
        });
        let is_lost = lost.clone();
        let on_close = Closure::new(move || is_lost.set(true));
        database.on_version_change(on_version_change.as_ref());
        database.on_close(on_close.as_ref());
        Self { database, lost, _on_version_change: on_version_change, _on_close: on_close }
    }

    /// Returns whether the connection can no longer begin transactions.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Closes the connection: no further transaction begins, and those in progress complete.
    pub(super) fn close(&self) {
        self.lost.set(true);
        self.database.close();
    }
}

impl Drop for DatabaseGuard {
    fn drop(&mut self) {
        self.database.on_version_change(&JsValue::NULL);
        self.database.on_close(&JsValue::NULL);
        self.database.close();
    }
}

/// An open database with its layout.
pub(super) struct DatabaseHandle {
    pub(super) guard: DatabaseGuard,
    pub(super) layout: DatabaseLayout,
}

/// The source of the rows of one part of the deferred base.
pub(super) enum RowSource {
    /// An object store.
    Documents { collection: String },
    /// The entries of an index; their keys begin with its slot.
    Entries { collection: String, slot: u8, extractor: EntryExtractor, documents: usize },
}

/// An open database, prepared for one catalog.
pub(super) struct Connection {
    pub(super) handle: Rc<DatabaseHandle>,
    pub(super) deferred_base: Arc<DeferredBase>,
    pub(super) tables: Tables,
    pub(super) sources: Vec<RowSource>,
    /// The reason why the store is read-only.
    pub(super) read_only_reason: Option<StoreError>,
}

impl Connection {
    /// Creates a connection. A read-only connection works without the indexes that the database lacks.
    pub(super) fn new(
        handle: Rc<DatabaseHandle>,
        catalog: &Catalog,
        read_only_reason: Option<StoreError>,
    ) -> Result<Self, StoreError> {
        let sources = row_sources(&handle.layout, catalog);
        #[allow(clippy::arc_with_non_send_sync, reason = "tables share their base by Arc; here it stays on one thread")]
        let deferred_base = Arc::new(DeferredBase::new(sources.iter().map(RowSource::part_descriptor).collect()));
        let mut tables = Tables::with_base(deferred_base.clone(), BatchLimits::default())?.plan_only();
        match read_only_reason {
            None => tables.declare(catalog)?,
            Some(_) => tables.declare_for_reading(catalog)?,
        }
        Ok(Self { handle, deferred_base, tables, sources, read_only_reason })
    }

    /// Returns whether the collection has an object store.
    pub(super) fn has_collection(&self, collection: &str) -> bool {
        self.deferred_base.part_number(collection, None).is_some()
    }

    /// Returns the indexes that hold entries of a collection, with their slots.
    pub(super) fn indexes<'a>(&'a self, collection_name: &'a str) -> impl Iterator<Item = (u8, &'a EntryExtractor)> {
        self.sources.iter().filter_map(move |source| match source {
            RowSource::Entries { collection, slot, extractor, .. } if collection == collection_name => {
                Some((*slot, extractor))
            }
            _ => None,
        })
    }
}

impl RowSource {
    pub(super) fn collection(&self) -> &str {
        match self {
            RowSource::Documents { collection } | RowSource::Entries { collection, .. } => collection,
        }
    }

    /// Returns the browser's range of the keys from `from` (included) to `to` (excluded; `None`: unbounded).
    pub(super) fn range(&self, from: &[u8], to: Option<&[u8]>) -> Result<JsValue, JsValue> {
        let RowSource::Entries { slot, .. } = self else { return key_range(from, to) };
        let end = to.map_or_else(|| vec![slot.saturating_add(1)], |to| [&[*slot], to].concat());
        key_range(&[&[*slot], from].concat(), Some(&end))
    }

    /// Returns the table key of a browser key.
    pub(super) fn key(&self, key: &JsValue) -> Option<Vec<u8>> {
        let mut key = decode_key(&key.as_string()?)?;
        if let RowSource::Entries { .. } = self {
            key.drain(..key.len().min(1));
        }
        Some(key)
    }

    fn part_descriptor(&self) -> PartDescriptor {
        let made_by = match self {
            RowSource::Documents { .. } => None,
            RowSource::Entries { extractor, .. } => Some(extractor.made_by.clone()),
        };
        PartDescriptor { collection: self.collection().to_owned(), made_by }
    }
}

/// Returns all stored collections, and those of their indexes that the catalog declares.
fn row_sources(layout: &DatabaseLayout, catalog: &Catalog) -> Vec<RowSource> {
    let mut sources = Vec::new();
    for name in layout.collections.keys() {
        let documents = sources.len();
        sources.push(RowSource::Documents { collection: name.clone() });
        let declared: Option<&'static Collection> =
            declared_collections(catalog).find(|collection| collection.name == *name);
        let indexes = declared.map(|collection| layout.indexes(collection)).unwrap_or_default();
        sources.extend(indexes.into_iter().map(|(slot, extractor)| RowSource::Entries {
            collection: name.clone(),
            slot,
            extractor,
            documents,
        }));
    }
    sources
}
