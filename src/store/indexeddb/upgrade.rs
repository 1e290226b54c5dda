//! Making the database what a catalog asks for, in the one transaction in which the browser allows it: all of it happens or nothing. Documents
//! stay as they are; where an index is new they are written again with their entries in it, a bounded number at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};

use super::binding::{Database, ObjectStore, texts};
use super::bytes::{key, range};
use super::faults::Stop;
use super::feed::Ending;
use super::fence;
use super::layout::{ENTRIES, FEED, FORMAT, IDENTITY, Identity, Kept, Layout, META, Turnover};
use super::read::nth_id;
use super::record::Written;
use super::results::{json, opened};
use super::transaction::{Mode, Tx, answered};
use super::write::{Portion, Put, put_json};
use crate::schema::{Catalog, Collection, Key};
use crate::store::tables::{Holds, Projection};
use crate::store::{Error, Stored};
use crate::value::{self, read};

/// Documents that are in memory at once.
const AT_ONCE: u32 = 256;

/// Makes a new store in an empty database.
pub(super) async fn create(database: &Database, tx: &Tx, store: String) -> Result<(), Stop> {
    let layout = Layout::new(store);
    database.create_store(META)?;
    database.create_store(FEED)?;
    fence::build(database, 0)?;
    put_json(&tx.store(META)?, IDENTITY, &layout.identity)?;
    turn_over(database, tx, &layout, &Catalog::default()).await
}

/// Does what `catalog` asks for.
pub(super) async fn turn_over(database: &Database, tx: &Tx, layout: &Layout, catalog: &Catalog) -> Result<(), Stop> {
    for turnover in layout.turnover(catalog) {
        let collection = turnover.collection;
        let store = if turnover.new { database.create_store(collection.name)? } else { tx.store(collection.name)? };
        let there = texts(&store.index_names());
        // Of format 1, where each had an index of its own.
        for slot in turnover.dropped.iter().filter(|slot| there.contains(slot)) {
            store.delete_index(slot)?;
        }
        if !turnover.new && !turnover.added.is_empty() {
            rewrite(&store, &turnover).await?;
        }
        if !turnover.added.is_empty() && !there.iter().any(|name| name == ENTRIES) {
            store.create_index(ENTRIES, ENTRIES, &one_each()?)?;
        }
        put_json(&tx.store(META)?, collection.name, &turnover.kept)?;
    }
    if layout.identity.format < FORMAT {
        let ending = Ending::ask(tx)?;
        ending.answered().await?;
        fence::build(database, ending.last())?;
        // Whoever knows less of it than this leaves it alone.
        put_json(&tx.store(META)?, IDENTITY, &Identity { format: FORMAT, ..layout.identity.clone() })?;
    }
    Ok(())
}

/// One entry for each element of what the path leads to.
fn one_each() -> Result<JsValue, JsValue> {
    let options = Object::new();
    Reflect::set(&options, &"multiEntry".into(), &JsValue::TRUE)?;
    Ok(options.into())
}

/// Writes all documents of a collection again, with their entries in all its indexes.
async fn rewrite(store: &ObjectStore, turnover: &Turnover) -> Result<(), Stop> {
    let Turnover { collection, kept, added, .. } = turnover;
    let indexes = kept.indexes(collection);
    let mut taken = Taken::of(added, &indexes);
    let mut from: Vec<u8> = Vec::new();
    loop {
        let found = documents(store, collection, &from).await?;
        let Some((last, _)) = found.last() else { return Ok(()) };
        from = [last.as_bytes(), &[0]].concat();
        let ended = found.len() < AT_ONCE as usize;
        for (id, stored) in &found {
            taken.add(collection, id, stored)?;
        }
        write(store, collection, &indexes, &found)?;
        if ended {
            return Ok(());
        }
    }
}

type Found = Vec<(Arc<str>, Stored)>;

async fn documents(store: &ObjectStore, collection: &Collection, from: &[u8]) -> Result<Found, Stop> {
    let list = answered(&store.get_all(&range(from, None)?, AT_ONCE)?).await?;
    let opened = opened(&Array::of1(&list), &[collection.name]).into_iter().flatten();
    let mut found = Vec::new();
    for (nth, document) in opened.enumerate() {
        match document {
            Ok(document) => found.push(document),
            Err(why) => {
                let id = nth_id(store, &range(from, None)?, nth).await?;
                return Err(Error::Corrupt { at: format!("{}/{id}", collection.name), why }.into());
            }
        }
    }
    Ok(found)
}

fn write(
    store: &ObjectStore,
    collection: &Collection,
    indexes: &[(u8, Projection)],
    found: &Found,
) -> Result<(), Stop> {
    let slots = || indexes.iter().map(|(slot, projection)| (*slot, projection));
    let mut portion = Portion::default();
    for (id, stored) in found {
        let unwritable = |e: serde_json::Error| Error::Corrupt {
            at: format!("{}/{id}", collection.name),
            why: format!("it cannot be written as JSON: {e}"),
        };
        let record = Written::of(collection.name, id, stored, slots()).map_err(unwritable)?;
        portion.add(store.clone(), Put::Over, &key(id.as_bytes()), &record)?;
    }
    portion.put()
}

/// Who has which entry of unique indexes that are new.
struct Taken<'a> {
    indexes: Vec<(&'a Projection, String, BTreeSet<Vec<u8>>)>,
}

impl<'a> Taken<'a> {
    fn of(added: &[u8], indexes: &'a [(u8, Projection)]) -> Self {
        let new = indexes.iter().filter(|(slot, _)| added.contains(slot));
        let unique = new.filter_map(|(_, projection)| match projection.holds() {
            Holds::Entries { name, unique: true } => Some((projection, name, BTreeSet::new())),
            _ => None,
        });
        Self { indexes: unique.collect() }
    }

    fn add(&mut self, collection: &'static Collection, id: &str, stored: &Stored) -> Result<(), Error> {
        for (projection, index, taken) in &mut self.indexes {
            if projection.entries(&stored.document).into_iter().any(|entry| !taken.insert(entry)) {
                return Err(Error::UniqueViolation { key: Key::new(collection, id), index: index.clone() });
            }
        }
        Ok(())
    }
}

/// What the database says of itself; nothing where it is none of ours.
pub(super) async fn read_layout(database: &Database) -> Result<Option<Layout>, Stop> {
    let stores = texts(&database.store_names());
    if !stores.iter().any(|store| store == META) {
        return Ok(None);
    }
    layout_in(&Tx::begin(database, [META], Mode::Read)?).await
}

/// The same, in a transaction that is under way.
pub(super) async fn layout_in(tx: &Tx) -> Result<Option<Layout>, Stop> {
    let store = tx.store(META)?;
    let keys = store.get_all_keys(&JsValue::UNDEFINED, 0)?;
    let values = store.get_all(&JsValue::UNDEFINED, 0)?;
    let values = answered(&values).await?;
    let keys = Array::from(&keys.result());
    let mut layout = Layout::new(String::new());
    let damaged = |key: &str, e: value::Unfit| Error::Corrupt { at: format!("{META}/{key}"), why: e.to_string() };
    let mut identity = None;
    for (key, value) in keys.iter().zip(Array::from(values.unchecked_ref()).iter()) {
        let (key, value) = (key.as_string().unwrap_or_default(), json(&value));
        if key == IDENTITY {
            identity = Some(read(&value).map_err(|e| damaged(&key, e))?);
        } else {
            let kept: Kept = read(&value).map_err(|e| damaged(&key, e))?;
            layout.collections.insert(key, kept);
        }
    }
    Ok(identity.map(|identity| Layout { identity, ..layout }))
}
