//! Inspection of the database through rexie, so that independent code reads what the store's own binding wrote. Each
//! record must have a valid checksum, the key of its id, and the index entries of its document. The browser's index
//! must have as many entries as the records.

use js_sys::{Array, Reflect};
use rexie::{KeyRange, Rexie, Store, Transaction, TransactionMode};
use runstate_core::schema::{Catalog, Collection};
use runstate_store::tables::EntryExtractor;
use runstate_store::{Finding, StoreError, VerifyReport};
use runstate_value::SortedSet;
use wasm_bindgen::JsValue;

use super::connection::Connection;
use super::error_mapping::{BrowserError, IndexedDbError, describe_database};
use super::layout::{ENTRIES, declared_collections, decode_record, encode_key, index_entries};
use super::read::decode_id;

/// Number of records per read.
const PAGE: u32 = 64;

/// Inspects the database `name`, which `connection` has open.
pub(super) async fn inspect(
    name: &str,
    connection: &Connection,
    catalog: &Catalog,
) -> Result<VerifyReport, IndexedDbError> {
    let mut report = VerifyReport::default();
    if matches!(connection.read_only_reason, Some(StoreError::NewerVersion { .. })) {
        return Ok(report);
    }
    // No version is given, so the database is opened as it is.
    let opened = Rexie::builder(name).build().await;
    let database = opened.map_err(|error| map_rexie_error(name, connection, error))?;
    let mut result = Ok(());
    for collection in declared_collections(catalog) {
        let mut inspector = Inspector { database: &database, connection, collection, report: &mut report };
        result = inspector.inspect_collection().await;
        if result.is_err() {
            break;
        }
    }
    database.close();
    result.map_err(|error| map_rexie_error(name, connection, error))?;
    ensure_not_lost(connection)?;
    Ok(report)
}

/// rexie does not close its connection when another tab upgrades the database. The store's own connection does, and
/// then the inspection ends.
fn ensure_not_lost(connection: &Connection) -> Result<(), BrowserError> {
    if connection.handle.guard.is_lost() { Err(JsValue::NULL.into()) } else { Ok(()) }
}

fn map_rexie_error(name: &str, connection: &Connection, error: rexie::Error) -> IndexedDbError {
    if let Err(lost) = ensure_not_lost(connection) {
        return lost.into();
    }
    let why = match error {
        rexie::Error::IdbError(error) => error.to_string(),
        other => other.to_string(),
    };
    StoreError::Unavailable { what: describe_database(name), why }.into()
}

/// The inspection of one collection.
struct Inspector<'a> {
    database: &'a Rexie,
    connection: &'a Connection,
    collection: &'static Collection,
    report: &'a mut VerifyReport,
}

/// Keys, and the records under them.
type RecordPage = (Vec<JsValue>, Vec<JsValue>);

impl Inspector<'_> {
    async fn inspect_collection(&mut self) -> Result<(), rexie::Error> {
        let name = self.collection.name;
        if !self.database.store_names().iter().any(|store| store == name) {
            self.report.add(Finding::damage(name, "its object store is missing"));
            return Ok(());
        }
        let has_index = self.begin()?.1.index_names().iter().any(|index| index == ENTRIES);
        let indexes = if has_index { self.connection.handle.layout.indexes(self.collection) } else { Vec::new() };
        let mut entry_count = 0;
        let mut last: Option<JsValue> = None;
        while ensure_not_lost(self.connection).is_ok() {
            // Each page has its own transaction, so others may write in between.
            let (_transaction, store) = self.begin()?;
            let (keys, records) = read_page(&store, last.as_ref()).await?;
            for (key, record) in keys.iter().zip(&records) {
                entry_count += record_entries(record).len();
                if let Err((id, why)) = self.check_record(key, record, &indexes) {
                    self.report.add(Finding::damage(format!("{name}/{id}"), why));
                }
            }
            match keys.into_iter().next_back() {
                Some(key) => last = Some(key),
                None => break,
            }
        }
        if has_index && self.count_entries().await? != entry_count {
            self.compare_entry_count().await?;
        }
        Ok(())
    }

    fn begin(&self) -> Result<(Transaction, Store), rexie::Error> {
        let transaction = self.database.transaction(&[self.collection.name], TransactionMode::ReadOnly)?;
        let store = transaction.store(self.collection.name)?;
        Ok((transaction, store))
    }

    async fn count_entries(&self) -> Result<usize, rexie::Error> {
        let (_transaction, store) = self.begin()?;
        Ok(store.index(ENTRIES)?.count(None).await? as usize)
    }

    /// Compares the number of entries within one transaction, during which others cannot write.
    async fn compare_entry_count(&mut self) -> Result<(), rexie::Error> {
        let (_transaction, store) = self.begin()?;
        let mut entry_count = 0;
        let mut last: Option<JsValue> = None;
        loop {
            let (keys, records) = read_page(&store, last.as_ref()).await?;
            entry_count += records.iter().map(|record| record_entries(record).len()).sum::<usize>();
            match keys.into_iter().next_back() {
                Some(key) => last = Some(key),
                None => break,
            }
        }
        let counted = store.index(ENTRIES)?.count(None).await? as usize;
        if counted != entry_count {
            let why = format!("the browser's index has {counted} entries, but its records have {entry_count}");
            self.report.add(Finding::damage(self.collection.name, why));
        }
        Ok(())
    }

    /// Checks one record. The error is its id and the problem.
    fn check_record(
        &self,
        key: &JsValue,
        record: &JsValue,
        indexes: &[(u8, EntryExtractor)],
    ) -> Result<(), (String, String)> {
        let id_of_key = || decode_id(key.as_string().unwrap_or_default());
        let (id, stored) = decode_record(record.clone(), self.collection.name).map_err(|why| (id_of_key(), why))?;
        if key.as_string() != Some(encode_key(id.as_bytes())) {
            return Err((id_of_key(), format!("the record under this key is that of `{id}`")));
        }
        let slots = || indexes.iter().map(|(slot, extractor)| (*slot, extractor));
        let expected: SortedSet<String> = index_entries(&id, &stored, slots()).map(|entry| (entry, ())).collect();
        // Entries of an index that is no longer declared remain until their document is written again.
        let found = record_entries(record);
        let is_declared = |entry: &String| slots().any(|(slot, _)| entry.starts_with(char::from(slot)));
        if expected.keys().eq(found.keys().filter(|entry| is_declared(entry))) {
            return Ok(());
        }
        Err((id.to_string(), "its index entries are not those of its document".to_owned()))
    }
}

/// Reads the records after `last`; `None`: from the first one.
async fn read_page(store: &Store, last: Option<&JsValue>) -> Result<RecordPage, rexie::Error> {
    let range = || last.map(|last| KeyRange::lower_bound(last, Some(true))).transpose();
    let keys = store.get_all_keys(range()?, Some(PAGE)).await?;
    Ok((keys, store.get_all(range()?, Some(PAGE)).await?))
}

/// Returns the index entries of a record. The browser keeps equal ones once.
fn record_entries(record: &JsValue) -> SortedSet<String> {
    let entries = Reflect::get(record, &JsValue::from_str(ENTRIES)).unwrap_or_default();
    if !Array::is_array(&entries) {
        return entries.as_string().into_iter().map(|entry| (entry, ())).collect();
    }
    Array::from(&entries).iter().filter_map(|entry| Some((entry.as_string()?, ()))).collect()
}
