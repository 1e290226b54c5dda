//! Reads by deferred reads: a query is evaluated on the tables, missing rows are fetched in the same transaction, and
//! the query is evaluated again.
//!
//! If most of many requested documents are new, one list of keys replaces a request for each of them.

use std::collections::HashSet;
use std::sync::Arc;

use js_sys::Array;
use runstate_store::tables::deferred::{DeferredRead, Evaluation, FetchedRows};
use runstate_store::tables::{EntryExtractor, ScanDirection, Tables};
use runstate_store::{StoreError, StoredDocument};
use runstate_value::{SortedMap, sort_by};
use wasm_bindgen::{JsCast, JsValue};

use super::binding::{IdbCursor, IdbRequest, IdbSource, list_strings};
use super::connection::{Connection, RowSource};
use super::error_mapping::IndexedDbError;
use super::layout::{ENTRIES, FEED, FEED_END, META, decode_key, decode_record, encode_key, key_range};
use super::transaction::{Mode, Tx, await_request};

/// Rows of the first read if the number of wanted rows is unknown.
const FIRST_BATCH_ROWS: usize = 128;

/// Largest number of rows per read.
const MAX_BATCH_ROWS: usize = 8_192;

/// Approximate limit of the bytes of documents per read.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// The size of the next read. It doubles each time, so long results take few rounds and short ones read little.
pub(super) struct BatchSizer {
    next: usize,
    rows: usize,
    bytes: usize,
}

impl BatchSizer {
    /// Creates a sizer. `wanted` rows suffice if the query leaves none out.
    pub(super) fn new(wanted: Option<usize>) -> Self {
        Self {
            next: wanted.map_or(FIRST_BATCH_ROWS, |wanted| wanted.saturating_add(1).min(FIRST_BATCH_ROWS)),
            rows: 0,
            bytes: 0,
        }
    }

    fn next_rows(&self) -> u32 {
        let average = self.bytes.checked_div(self.rows).unwrap_or(0).max(1);
        u32::try_from(self.next.clamp(1, MAX_BATCH_ROWS).min(MAX_BATCH_BYTES / average).max(1)).unwrap_or(1)
    }

    fn record_batch(&mut self, rows: usize, bytes: usize) {
        self.next = self.next.saturating_mul(2).min(MAX_BATCH_ROWS);
        self.rows = self.rows.saturating_add(rows);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// A deferred read that was sent to the browser.
struct PendingRead {
    part: usize,
    request: IdbRequest,
    target: ReadTarget,
}

enum ReadTarget {
    Document(Arc<str>),
    Rows { from: Vec<u8>, to: Option<Vec<u8>>, count: u32 },
}

/// Returns the collections of the database that have documents, in ascending order.
pub(super) async fn collections(connection: &Connection) -> Result<Vec<String>, IndexedDbError> {
    let database = &connection.handle.guard.database;
    let mut names = list_strings(&database.store_names());
    names.retain(|name| ![META, FEED, FEED_END].contains(&name.as_str()));
    if names.is_empty() {
        return Ok(names);
    }
    sort_by(&mut names, Ord::cmp);
    let tx = Tx::begin(database, names.iter().map(String::as_str), Mode::Read)?;
    let mut found = Vec::new();
    for name in names {
        let request = tx.store(&name)?.get_all_keys(&JsValue::UNDEFINED, 1)?;
        if Array::from(&await_request(&request).await?).length() > 0 {
            found.push(name);
        }
    }
    Ok(found)
}

impl Connection {
    /// Evaluates a query until all rows that it needs are fetched. The query may be evaluated several times.
    pub(super) async fn evaluate_until_fetched<T>(
        &self,
        tx: &Tx,
        fetched: &mut FetchedRows,
        sizer: &mut BatchSizer,
        query: impl Fn(&Tables) -> Result<T, StoreError>,
    ) -> Result<T, IndexedDbError> {
        loop {
            match self.deferred_base.evaluate(fetched, || query(&self.tables)) {
                Evaluation::Answer(answer) => return Ok(answer?),
                Evaluation::Deferred(read) => self.fetch(tx, fetched, sizer, [read]).await?,
            }
        }
    }

    /// Fetches all of these reads in one wave.
    pub(super) async fn fetch(
        &self,
        tx: &Tx,
        fetched: &mut FetchedRows,
        sizer: &mut BatchSizer,
        reads: impl IntoIterator<Item = DeferredRead>,
    ) -> Result<(), IndexedDbError> {
        let mut pending = Vec::new();
        for read in self.resolve_absent(tx, fetched, reads.into_iter().collect()).await? {
            pending.extend(self.send(tx, sizer, read).await?);
        }
        let Some(last) = pending.last() else { return Ok(()) };
        await_request(&last.request).await?;
        self.receive(tx, fetched, sizer, &pending).await
    }

    pub(super) fn source(&self, part: usize) -> Result<&RowSource, IndexedDbError> {
        let missing =
            || StoreError::Unavailable { what: format!("part {part}"), why: "there is no such part".to_owned() };
        Ok(self.sources.get(part).ok_or_else(missing)?)
    }

    pub(super) fn idb_source(&self, tx: &Tx, source: &RowSource) -> Result<IdbSource, IndexedDbError> {
        Ok(match source {
            RowSource::Documents { collection } => tx.store(collection)?.unchecked_into(),
            RowSource::Entries { collection, .. } => tx.store(collection)?.index(ENTRIES)?,
        })
    }

    async fn send(
        &self,
        tx: &Tx,
        sizer: &BatchSizer,
        read: DeferredRead,
    ) -> Result<Option<PendingRead>, IndexedDbError> {
        Ok(match read {
            DeferredRead::Document { part, id } => {
                let idb_source = self.idb_source(tx, self.source(part)?)?;
                let request = idb_source.get(&encode_key(id.as_bytes()))?;
                Some(PendingRead { part, request, target: ReadTarget::Document(id) })
            }
            DeferredRead::Rows { part, from, to, direction } => {
                let source = self.source(part)?;
                let idb_source = self.idb_source(tx, source)?;
                let mut count = sizer.next_rows();
                let mut from = from;
                if direction == ScanDirection::Backward {
                    // The browser returns lists in ascending order only, so a cursor finds the beginning of the range
                    // first.
                    from = find_backward_start(&idb_source, source, from, to.as_deref(), count).await?;
                    count = 0;
                }
                let request = idb_source.get_all(&source.range(&from, to.as_deref())?, count)?;
                Some(PendingRead { part, request, target: ReadTarget::Rows { from, to, count } })
            }
        })
    }

    /// Decodes the results and adds them to `fetched`.
    async fn receive(
        &self,
        tx: &Tx,
        fetched: &mut FetchedRows,
        sizer: &mut BatchSizer,
        pending: &[PendingRead],
    ) -> Result<(), IndexedDbError> {
        for PendingRead { part, request, target } in pending {
            let (source, result) = (self.source(*part)?, request.result());
            match target {
                ReadTarget::Document(id) => {
                    fetched.insert_document(*part, id, single_document(source, id, result)?);
                }
                ReadTarget::Rows { from, to, count } => {
                    let range = source.range(from, to.as_deref())?;
                    let idb_source = self.idb_source(tx, source)?;
                    let found = decode_rows(&result, source.collection(), &idb_source, &range).await?;
                    // The size of the JSON approximates the size of the record.
                    sizer.record_batch(found.len(), found.iter().map(|(_, stored)| json_size(stored)).sum());
                    let end = if *count > 0 && found.len() >= *count as usize { None } else { Some(to.clone()) };
                    add_rows(fetched, *part, source, (from, to.as_deref()), end, found)?;
                }
            }
        }
        Ok(())
    }

    /// Marks absent documents as such, and returns the remaining reads.
    pub(super) async fn resolve_absent(
        &self,
        tx: &Tx,
        fetched: &mut FetchedRows,
        reads: Vec<DeferredRead>,
    ) -> Result<Vec<DeferredRead>, IndexedDbError> {
        if reads.len() < MIN_DOCUMENTS {
            return Ok(reads);
        }
        let mut ids: SortedMap<usize, Vec<Arc<str>>> = SortedMap::default();
        for read in &reads {
            if let DeferredRead::Document { part, id } = read {
                ids.or_default(*part).push(id.clone());
            }
        }
        for (_, ids) in ids.iter_mut() {
            sort_by(ids, Ord::cmp);
            ids.dedup();
        }
        let mut probes = Vec::new();
        for (part, ids) in ids.into_iter().filter(|(_, ids)| ids.len() >= MIN_DOCUMENTS) {
            probes.extend(self.send_probe(tx, part, ids)?);
        }
        let Some(last) = probes.last() else { return Ok(reads) };
        await_request(&last.request).await?;
        probes.iter().for_each(|probe| probe.mark_absent(fetched));
        let is_unresolved =
            |read: &DeferredRead| !matches!(read, DeferredRead::Document { part, id } if fetched.is_fetched(*part, id));
        Ok(reads.into_iter().filter(is_unresolved).collect())
    }

    fn send_probe(&self, tx: &Tx, part: usize, ids: Vec<Arc<str>>) -> Result<Option<KeyProbe>, IndexedDbError> {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(None) };
        let end = [last.as_bytes(), &[0]].concat();
        let limit = u32::try_from(ids.len() * MAX_KEYS_PER_DOCUMENT).unwrap_or(u32::MAX);
        let idb_source = self.idb_source(tx, self.source(part)?)?;
        let request = idb_source.get_all_keys(&key_range(first.as_bytes(), Some(&end))?, limit)?;
        Ok(Some(KeyProbe { part, ids, request, limit }))
    }
}

/// Decodes the records that `idb_source` returned for a range of its keys.
pub(super) async fn decode_rows(
    records: &JsValue,
    collection: &str,
    idb_source: &IdbSource,
    range: &JsValue,
) -> Result<Vec<(Arc<str>, StoredDocument)>, IndexedDbError> {
    let mut found = Vec::new();
    for record in Array::from(records) {
        match decode_record(record, collection) {
            Ok(document) => found.push(document),
            Err(why) => {
                return Err(corrupt_error(collection, &nth_id(idb_source, range, found.len()).await?, why).into());
            }
        }
    }
    Ok(found)
}

/// Returns the id of the key of the `nth` record of a range. A damaged record's own id cannot be trusted.
async fn nth_id(idb_source: &IdbSource, range: &JsValue, index: usize) -> Result<String, IndexedDbError> {
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    let request = idb_source.get_all_keys(range, index.saturating_add(1))?;
    let name = Array::from(&await_request(&request).await?).get(index).as_string().unwrap_or_default();
    Ok(decode_id(name))
}

/// Returns the id of a browser key; the key itself if it is not a valid encoding.
pub(super) fn decode_id(key: String) -> String {
    decode_key(&key).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(key)
}

/// Returns the key from which `count` rows remain up to the end; `from` if there are fewer.
async fn find_backward_start(
    idb_source: &IdbSource,
    source: &RowSource,
    from: Vec<u8>,
    to: Option<&[u8]>,
    count: u32,
) -> Result<Vec<u8>, IndexedDbError> {
    let request = idb_source.open_key_cursor(&source.range(&from, to)?, "prev")?;
    let mut found = await_request(&request).await?;
    if count > 1 && !found.is_null() {
        found.unchecked_ref::<IdbCursor>().advance(count - 1)?;
        found = await_request(&request).await?;
    }
    if found.is_null() {
        return Ok(from);
    }
    Ok(source.key(&found.unchecked_ref::<IdbCursor>().key()).unwrap_or(from))
}

fn json_size(stored: &StoredDocument) -> usize {
    runstate_value::json_bytes(&*stored.document)
}

/// Returns the document that was requested by its id.
fn single_document(source: &RowSource, id: &str, record: JsValue) -> Result<Option<StoredDocument>, StoreError> {
    if record.is_undefined() {
        return Ok(None);
    }
    match decode_record(record, source.collection()) {
        Ok((found, stored)) if *found == *id => Ok(Some(stored)),
        Ok((found, _)) => {
            Err(corrupt_error(source.collection(), id, format!("the record under this key is that of `{found}`")))
        }
        Err(why) => Err(corrupt_error(source.collection(), id, why)),
    }
}

/// Adds rows that arrived in order. All rows up to `end` are then known; `None`: up to the last added one.
fn add_rows(
    fetched: &mut FetchedRows,
    part: usize,
    source: &RowSource,
    (from, to): (&[u8], Option<&[u8]>),
    end: Option<Option<Vec<u8>>>,
    found: Vec<(Arc<str>, StoredDocument)>,
) -> Result<(), StoreError> {
    let mut last: Option<Vec<u8>> = None;
    for (id, stored) in found {
        let key = match source {
            RowSource::Documents { .. } => Some(id.as_bytes().to_vec()),
            RowSource::Entries { extractor, .. } => {
                next_key(extractor, &id, &stored, last.as_deref().unwrap_or(from), last.is_some())
            }
        };
        let key = key.filter(|key| key.as_slice() >= from && to.is_none_or(|to| key.as_slice() < to));
        let key = key.filter(|key| last.as_ref().is_none_or(|last| key > last));
        let Some(key) = key else {
            let why = "it was found under a key that it does not have".to_owned();
            return Err(corrupt_error(source.collection(), &id, why));
        };
        match source {
            RowSource::Documents { .. } => fetched.insert_document(part, &id, Some(stored)),
            RowSource::Entries { documents, .. } => {
                fetched.insert_entry(part, &key, &id);
                fetched.insert_document(*documents, &id, Some(stored));
            }
        }
        last = Some(key);
    }
    let end = match (end, last) {
        (Some(end), _) => end,
        (None, Some(last)) => Some([&last[..], &[0]].concat()),
        (None, None) => to.map(<[u8]>::to_vec),
    };
    match source {
        RowSource::Documents { .. } => fetched.insert_document_range(part, from.to_vec(), end),
        RowSource::Entries { .. } => fetched.insert_entry_range(part, from.to_vec(), end),
    }
    Ok(())
}

/// Returns the key of the current row of a document. A document occurs once per key in the range, in the order of the
/// keys.
fn next_key(
    extractor: &EntryExtractor,
    id: &str,
    stored: &StoredDocument,
    after: &[u8],
    exclusive: bool,
) -> Option<Vec<u8>> {
    let keys = extractor.keys(id, &stored.document).into_iter();
    keys.filter(|key| if exclusive { key.as_slice() > after } else { key.as_slice() >= after }).min()
}

fn corrupt_error(collection: &str, id: &str, why: String) -> StoreError {
    StoreError::Corrupt { at: format!("{collection}/{id}"), why }
}

/// Number of documents of one collection from which a probe is worth its round. In Chromium 1,000 reads of absent
/// documents take 67 ms and one list of keys takes 0.5 ms; the writes of as many documents take 144 ms.
const MIN_DOCUMENTS: usize = 32;

/// Limit of listed keys per requested document. With more other documents in between, the list is useless.
const MAX_KEYS_PER_DOCUMENT: usize = 2;

/// A requested list of keys, and the ids that it decides.
struct KeyProbe {
    part: usize,
    ids: Vec<Arc<str>>,
    request: IdbRequest,
    limit: u32,
}

impl KeyProbe {
    fn mark_absent(&self, fetched: &mut FetchedRows) {
        let keys = Array::from(&self.request.result());
        if keys.length() >= self.limit {
            // The list ended before the range did.
            return;
        }
        let existing: HashSet<String> = keys.iter().filter_map(|key| key.as_string()).collect();
        for id in self.ids.iter().filter(|id| !existing.contains(&encode_key(id.as_bytes()))) {
            fetched.insert_document(self.part, id, None);
        }
    }
}
