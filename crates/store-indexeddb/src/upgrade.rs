//! The upgrade of the database to a catalog, in one `versionchange` transaction, so it is atomic. Documents are not
//! changed. For a new index they are written again with their entries, a bounded number at a time.

use std::collections::HashSet;
use std::sync::Arc;

use js_sys::{Array, Object, Reflect};
use runstate_core::schema::{Catalog, Collection, Key};
use runstate_store::tables::{EntryExtractor, EntryKind};
use runstate_store::{StoreError, StoredDocument};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};

use super::binding::{IdbDatabase, IdbObjectStore, list_strings};
use super::error_mapping::IndexedDbError;
use super::layout::{
    CollectionUpgrade, DatabaseIdentity, DatabaseLayout, ENTRIES, EncodedRecord, FEED, FEED_END, FORMAT, IDENTITY,
    META, encode_key, key_range,
};
use super::read::decode_rows;
use super::transaction::{Mode, Tx, await_request, from_js, to_js};

/// Number of documents in memory at a time.
const REWRITE_BATCH: u32 = 256;

/// Creates a new store in an empty database.
pub(super) async fn create_store(database: &IdbDatabase, tx: &Tx, store: String) -> Result<(), IndexedDbError> {
    let layout = DatabaseLayout::new(store);
    database.create_store(META)?;
    database.create_store(FEED)?;
    put_meta(tx, IDENTITY, &layout.identity)?;
    upgrade_to(database, tx, &layout, &Catalog::default()).await
}

/// Upgrades the database to `catalog`.
pub(super) async fn upgrade_to(
    database: &IdbDatabase,
    tx: &Tx,
    layout: &DatabaseLayout,
    catalog: &Catalog,
) -> Result<(), IndexedDbError> {
    for upgrade in layout.plan_upgrades(catalog) {
        let collection = upgrade.collection;
        let store = if upgrade.new { database.create_store(collection.name)? } else { tx.store(collection.name)? };
        let index_names = list_strings(&store.index_names());
        // In format 1 each index was a browser index.
        for slot in upgrade.dropped.iter().filter(|slot| index_names.contains(slot)) {
            store.delete_index(slot)?;
        }
        if !upgrade.new && !upgrade.added.is_empty() {
            rewrite(&store, &upgrade).await?;
        }
        if !upgrade.added.is_empty() && !index_names.iter().any(|name| name == ENTRIES) {
            store.create_index(ENTRIES, ENTRIES, &multi_entry_options()?)?;
        }
        put_meta(tx, collection.name, &upgrade.layout)?;
    }
    if layout.identity.format < FORMAT {
        if list_strings(&database.store_names()).iter().any(|name| name == FEED_END) {
            database.delete_store(FEED_END)?;
        }
        // An older program does not write to a newer format.
        put_meta(tx, IDENTITY, &DatabaseIdentity { format: FORMAT, ..layout.identity.clone() })?;
    }
    Ok(())
}

fn put_meta(tx: &Tx, key: &str, value: &impl Serialize) -> Result<(), IndexedDbError> {
    tx.store(META)?.put(&to_js(value)?, &key.into())?;
    Ok(())
}

/// Returns the options of an index with one entry per element of its key path.
fn multi_entry_options() -> Result<JsValue, JsValue> {
    let options = Object::new();
    Reflect::set(&options, &"multiEntry".into(), &JsValue::TRUE)?;
    Ok(options.into())
}

/// Writes all documents of a collection again, with their entries in all its indexes.
async fn rewrite(store: &IdbObjectStore, upgrade: &CollectionUpgrade) -> Result<(), IndexedDbError> {
    let CollectionUpgrade { collection, layout, added, .. } = upgrade;
    let indexes = layout.indexes(collection);
    let mut unique_entries = UniqueEntries::new(added, &indexes);
    let mut from: Vec<u8> = Vec::new();
    loop {
        let found = read_batch(store, collection, &from).await?;
        let Some((last, _)) = found.last() else { return Ok(()) };
        from = [last.as_bytes(), &[0]].concat();
        let is_last = found.len() < REWRITE_BATCH as usize;
        for (id, stored) in &found {
            unique_entries.add(collection, id, stored)?;
        }
        write_batch(store, collection, &indexes, &found)?;
        if is_last {
            return Ok(());
        }
    }
}

type DocumentBatch = Vec<(Arc<str>, StoredDocument)>;

async fn read_batch(
    store: &IdbObjectStore,
    collection: &Collection,
    from: &[u8],
) -> Result<DocumentBatch, IndexedDbError> {
    let range = key_range(from, None)?;
    let records = await_request(&store.get_all(&range, REWRITE_BATCH)?).await?;
    decode_rows(&records, collection.name, store, &range).await
}

fn write_batch(
    store: &IdbObjectStore,
    collection: &Collection,
    indexes: &[(u8, EntryExtractor)],
    found: &DocumentBatch,
) -> Result<(), IndexedDbError> {
    let slots = || indexes.iter().map(|(slot, extractor)| (*slot, extractor));
    for (id, stored) in found {
        let unwritable = |e: serde_json::Error| StoreError::Corrupt {
            at: format!("{}/{id}", collection.name),
            why: format!("it cannot be written as JSON: {e}"),
        };
        let record = EncodedRecord::new(collection.name, id, stored, slots()).map_err(unwritable)?;
        store.put(&to_js(&record)?, &encode_key(id.as_bytes()).into())?;
    }
    Ok(())
}

/// The entries found so far for each new unique index.
struct UniqueEntries<'a> {
    indexes: Vec<(&'a EntryExtractor, String, HashSet<Vec<u8>>)>,
}

impl<'a> UniqueEntries<'a> {
    fn new(added: &[u8], indexes: &'a [(u8, EntryExtractor)]) -> Self {
        let new = indexes.iter().filter(|(slot, _)| added.contains(slot));
        let unique = new.filter_map(|(_, extractor)| match extractor.entry_kind() {
            EntryKind::Declared { name, unique: true } => Some((extractor, name, HashSet::new())),
            _ => None,
        });
        Self { indexes: unique.collect() }
    }

    fn add(&mut self, collection: &'static Collection, id: &str, stored: &StoredDocument) -> Result<(), StoreError> {
        for (extractor, index, taken) in &mut self.indexes {
            if extractor.entries(&stored.document).into_iter().any(|entry| !taken.insert(entry)) {
                return Err(StoreError::UniqueViolation { key: Key::new(collection, id), index: index.clone() });
            }
        }
        Ok(())
    }
}

/// Reads the layout of the database; `None` if the database is not a runstate store.
pub(super) async fn read_layout(database: &IdbDatabase) -> Result<Option<DatabaseLayout>, IndexedDbError> {
    let stores = list_strings(&database.store_names());
    if !stores.iter().any(|store| store == META) {
        return Ok(None);
    }
    read_layout_in(&Tx::begin(database, [META], Mode::Read)?).await
}

/// As [`read_layout`], in an active transaction.
pub(super) async fn read_layout_in(tx: &Tx) -> Result<Option<DatabaseLayout>, IndexedDbError> {
    let store = tx.store(META)?;
    let keys = store.get_all_keys(&JsValue::UNDEFINED, 0)?;
    let values = store.get_all(&JsValue::UNDEFINED, 0)?;
    let values = await_request(&values).await?;
    let keys = Array::from(&keys.result());
    let mut layout = DatabaseLayout::new(String::new());
    let damaged = |key: &str, why| StoreError::Corrupt { at: format!("{META}/{key}"), why };
    let mut identity = None;
    for (key, value) in keys.iter().zip(Array::from(values.unchecked_ref()).iter()) {
        let key = key.as_string().unwrap_or_default();
        if key == IDENTITY {
            identity = Some(from_js(&value).map_err(|why| damaged(&key, why))?);
        } else {
            let collection_layout = from_js(&value).map_err(|why| damaged(&key, why))?;
            layout.collections.insert(key, collection_layout);
        }
    }
    Ok(identity.map(|identity| DatabaseLayout { identity, ..layout }))
}
