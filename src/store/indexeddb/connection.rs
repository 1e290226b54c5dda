//! An open database, and the tables through which it is asked. It is given up as soon as another tab wants to change the database, or the
//! browser closes it; whoever has a transaction open on it ends that.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;

use super::binding::Database;
use super::bytes::{bytes, range};
use super::known::Known;
use super::layout::{Layout, declared};
use crate::schema::{Catalog, Collection};
use crate::store::tables::window::{Pane, Window};
use crate::store::tables::{Projection, Tables};
use crate::store::{Error, Limits};

/// A database that is open, closed with this.
pub(super) struct Link {
    pub(super) database: Database,
    lost: Rc<Cell<bool>>,
    // Alive as long as they may be called.
    _on_version_change: Closure<dyn FnMut()>,
    _on_close: Closure<dyn FnMut()>,
}

impl Link {
    /// Made in the very turn in which the database was opened: who wants to change it is told once, and waits.
    pub(super) fn new(database: Database) -> Self {
        let lost = Rc::new(Cell::new(false));
        let (raw, gone) = (database.clone(), lost.clone());
        // Transactions that are under way end first.
        let on_version_change = Closure::new(move || {
            gone.set(true);
            raw.close();
        });
        let gone = lost.clone();
        let on_close = Closure::new(move || gone.set(true));
        database.on_version_change(on_version_change.as_ref());
        database.on_close(on_close.as_ref());
        Self { database, lost, _on_version_change: on_version_change, _on_close: on_close }
    }

    /// Whether it cannot begin a transaction any more.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Ends it: no transaction begins any more, and those under way are not disturbed.
    pub(super) fn end(&self) {
        self.lost.set(true);
        self.database.close();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.database.on_version_change(&JsValue::NULL);
        self.database.on_close(&JsValue::NULL);
        self.database.close();
    }
}

/// A database that is open, and what it says of itself.
pub(super) struct Handle {
    pub(super) link: Link,
    pub(super) layout: Layout,
}

/// What a part of the window is in the database.
pub(super) enum Place {
    /// An object store.
    Documents { collection: String },
    /// The entries of an index, which begin with its slot.
    Entries { collection: String, slot: u8, projection: Projection, documents: usize },
}

/// A database as a catalog sees it.
pub(super) struct Connection {
    pub(super) handle: Rc<Handle>,
    pub(super) window: Arc<Window>,
    pub(super) tables: Tables,
    pub(super) places: Vec<Place>,
    /// What is known of the database without looking.
    pub(super) known: RefCell<Option<Known>>,
    /// Why it may only be read.
    pub(super) illness: Option<Error>,
}

impl Connection {
    /// `illness`: why it may only be read; then what the database lacks of the catalog is done without.
    pub(super) fn new(handle: Rc<Handle>, catalog: &Catalog, illness: Option<Error>) -> Result<Self, Error> {
        let places = places(&handle.layout, catalog);
        #[allow(clippy::arc_with_non_send_sync, reason = "tables share their base by Arc; here it stays on one thread")]
        let window = Arc::new(Window::new(places.iter().map(Place::pane).collect()));
        let mut tables = Tables::over(window.clone(), Limits::default())?.judging();
        match illness {
            None => tables.declare(catalog)?,
            Some(_) => tables.declare_for_reading(catalog)?,
        }
        Ok(Self { handle, window, tables, places, known: RefCell::default(), illness })
    }

    /// Whether there is an object store for the collection.
    pub(super) fn has(&self, collection: &str) -> bool {
        self.window.part(collection, None).is_some()
    }

    /// The indexes in which documents of a collection are to be found, by their slots.
    pub(super) fn indexes<'a>(&'a self, of: &'a str) -> impl Iterator<Item = (u8, &'a Projection)> {
        self.places.iter().filter_map(move |place| match place {
            Place::Entries { collection, slot, projection, .. } if collection == of => Some((*slot, projection)),
            _ => None,
        })
    }
}

impl Place {
    pub(super) fn collection(&self) -> &str {
        match self {
            Place::Documents { collection } | Place::Entries { collection, .. } => collection,
        }
    }

    /// The keys of the browser from one of ours (included) to another (excluded; none: to the end).
    pub(super) fn range(&self, from: &[u8], to: Option<&[u8]>) -> Result<JsValue, JsValue> {
        let Place::Entries { slot, .. } = self else { return range(from, to) };
        let end = to.map_or_else(|| vec![slot.saturating_add(1)], |to| [&[*slot], to].concat());
        range(&[&[*slot], from].concat(), Some(&end))
    }

    /// Our key, given one of the browser's.
    pub(super) fn key(&self, key: &JsValue) -> Option<Vec<u8>> {
        let mut key = bytes(&key.as_string()?)?;
        if let Place::Entries { .. } = self {
            key.drain(..key.len().min(1));
        }
        Some(key)
    }

    fn pane(&self) -> Pane {
        let made_by = match self {
            Place::Documents { .. } => None,
            Place::Entries { projection, .. } => Some(projection.made_by.clone()),
        };
        Pane { collection: self.collection().to_owned(), made_by }
    }
}

/// All collections that are there, and those of their indexes that the catalog asks for.
fn places(layout: &Layout, catalog: &Catalog) -> Vec<Place> {
    let mut places = Vec::new();
    for name in layout.collections.keys() {
        let documents = places.len();
        places.push(Place::Documents { collection: name.clone() });
        let known: Option<&'static Collection> = declared(catalog).find(|collection| collection.name == *name);
        let indexes = known.map(|collection| layout.indexes(collection)).unwrap_or_default();
        places.extend(indexes.into_iter().map(|(slot, projection)| Place::Entries {
            collection: name.clone(),
            slot,
            projection,
            documents,
        }));
    }
    places
}
