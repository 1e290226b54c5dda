//! Inspection of the database through rexie: what our own binding wrote is read by code that is not ours. Each record has a valid checksum, is
//! under the key of its id, and has the index entries that its document has by the declarations. The index of the browser has as many entries
//! as the records.

use js_sys::{Array, Reflect};
use rexie::{KeyRange, Rexie, Store, Transaction, TransactionMode};
use wasm_bindgen::JsValue;

use super::bytes::key;
use super::connection::Connection;
use super::faults::{Fault, Stop, what};
use super::layout::{ENTRIES, declared};
use super::read::id_of;
use super::record::entries;
use super::results::opened_alone;
use crate::schema::{Catalog, Collection};
use crate::store::tables::Projection;
use crate::store::{Error, Finding, Report};
use crate::value::FewOf;

/// Records read at once.
const PAGE: u32 = 64;

/// Inspects the database `name`, which `connection` has open.
pub(super) async fn inspect(name: &str, connection: &Connection, catalog: &Catalog) -> Result<Report, Stop> {
    let mut report = Report::default();
    if matches!(connection.illness, Some(Error::NewerVersion { .. })) {
        return Ok(report);
    }
    // No version is named: the database is opened as it is.
    let opened = Rexie::builder(name).build().await;
    let database = opened.map_err(|error| stop(name, connection, error))?;
    let mut inspected = Ok(());
    for collection in declared(catalog) {
        let mut inspector = Inspector { database: &database, connection, collection, report: &mut report };
        inspected = inspector.collection().await;
        if inspected.is_err() {
            break;
        }
    }
    database.close();
    inspected.map_err(|error| stop(name, connection, error))?;
    still_open(connection)?;
    Ok(report)
}

/// rexie does not close its connection where another tab is about to change the database; ours does, and then the inspection ends too.
fn still_open(connection: &Connection) -> Result<(), Fault> {
    if connection.handle.link.is_lost() { Err(JsValue::NULL.into()) } else { Ok(()) }
}

fn stop(name: &str, connection: &Connection, error: rexie::Error) -> Stop {
    if let Err(lost) = still_open(connection) {
        return lost.into();
    }
    let why = match error {
        rexie::Error::IdbError(error) => error.to_string(),
        other => other.to_string(),
    };
    Error::Unavailable { what: what(name), why }.into()
}

/// The inspection of one collection.
struct Inspector<'a> {
    database: &'a Rexie,
    connection: &'a Connection,
    collection: &'static Collection,
    report: &'a mut Report,
}

/// Keys and the records under them.
type Records = (Vec<JsValue>, Vec<JsValue>);

impl Inspector<'_> {
    async fn collection(&mut self) -> Result<(), rexie::Error> {
        let name = self.collection.name;
        if !self.database.store_names().iter().any(|store| store == name) {
            self.report.add(Finding::damage(name, "its object store is missing"));
            return Ok(());
        }
        let has_index = self.begin()?.1.index_names().iter().any(|index| index == ENTRIES);
        let indexes = if has_index { self.connection.handle.layout.indexes(self.collection) } else { Vec::new() };
        let mut own = 0;
        let mut last: Option<JsValue> = None;
        while still_open(self.connection).is_ok() {
            // A transaction a page: others may write between.
            let (_transaction, store) = self.begin()?;
            let (keys, records) = page(&store, last.as_ref()).await?;
            for (key, record) in keys.iter().zip(&records) {
                own += entries_of(record).len();
                if let Err((id, why)) = self.judge(key, record, &indexes) {
                    self.report.add(Finding::damage(format!("{name}/{id}"), why));
                }
            }
            match keys.into_iter().next_back() {
                Some(key) => last = Some(key),
                None => break,
            }
        }
        if has_index && self.count().await? != own {
            self.count_undisturbed().await?;
        }
        Ok(())
    }

    fn begin(&self) -> Result<(Transaction, Store), rexie::Error> {
        let transaction = self.database.transaction(&[self.collection.name], TransactionMode::ReadOnly)?;
        let store = transaction.store(self.collection.name)?;
        Ok((transaction, store))
    }

    async fn count(&self) -> Result<usize, rexie::Error> {
        let (_transaction, store) = self.begin()?;
        Ok(store.index(ENTRIES)?.count(None).await? as usize)
    }

    /// Compares the number of entries within one transaction, until whose end others cannot write.
    async fn count_undisturbed(&mut self) -> Result<(), rexie::Error> {
        let (_transaction, store) = self.begin()?;
        let mut own = 0;
        let mut last: Option<JsValue> = None;
        loop {
            let (keys, records) = page(&store, last.as_ref()).await?;
            own += records.iter().map(|record| entries_of(record).len()).sum::<usize>();
            match keys.into_iter().next_back() {
                Some(key) => last = Some(key),
                None => break,
            }
        }
        let counted = store.index(ENTRIES)?.count(None).await? as usize;
        if counted != own {
            let why = format!("the index of the browser has {counted} entries, its records have {own}");
            self.report.add(Finding::damage(self.collection.name, why));
        }
        Ok(())
    }

    /// What is wrong with a record, and its id.
    fn judge(&self, under: &JsValue, record: &JsValue, indexes: &[(u8, Projection)]) -> Result<(), (String, String)> {
        let named = || id_of(under.as_string().unwrap_or_default());
        let (id, stored) = opened_alone(record, self.collection.name).map_err(|why| (named(), why))?;
        if under.as_string() != Some(key(id.as_bytes())) {
            return Err((named(), format!("the record under this key is that of `{id}`")));
        }
        let slots = || indexes.iter().map(|(slot, projection)| (*slot, projection));
        let expected: FewOf<String> = entries(&id, &stored, slots()).map(|entry| (entry, ())).collect();
        // Entries of an index that is not declared any more remain until their document is written again.
        let found = entries_of(record);
        let is_declared = |entry: &String| slots().any(|(slot, _)| entry.starts_with(char::from(slot)));
        if expected.keys().eq(found.keys().filter(|entry| is_declared(entry))) {
            return Ok(());
        }
        Err((id.to_string(), "its index entries are not those of its document".to_owned()))
    }
}

/// The records behind `last`; none: from the first one.
async fn page(store: &Store, last: Option<&JsValue>) -> Result<Records, rexie::Error> {
    let range = || last.map(|last| KeyRange::lower_bound(last, Some(true))).transpose();
    let keys = store.get_all_keys(range()?, Some(PAGE)).await?;
    Ok((keys, store.get_all(range()?, Some(PAGE)).await?))
}

/// The index entries that a record has. The browser keeps equal ones once.
fn entries_of(record: &JsValue) -> FewOf<String> {
    let entries = Reflect::get(record, &JsValue::from_str(ENTRIES)).unwrap_or_default();
    if !Array::is_array(&entries) {
        return entries.as_string().into_iter().map(|entry| (entry, ())).collect();
    }
    Array::from(&entries).iter().filter_map(|entry| Some((entry.as_string()?, ()))).collect()
}
