//! The lines of a snapshot, for writing and reading: its rows, one a line, its blocks, and the cache of recently used
//! blocks. The checksum of a block is verified when it is read, and each row is parsed on first use.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use runstate_core::id::{Revision, hex, unhex};
use runstate_store::tables::{EntryKey, deadline_key, decode_deadline, strip_id};
use runstate_store::{StoreError, StoredDocument};
use runstate_value::Document;
use runstate_value::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::open::BlockLocation;

/// The bytes of a block, checked against its entry in the directory.
pub struct RawBlock {
    /// Offset in the file.
    at: u64,
    raw: Vec<u8>,
    starts: Vec<usize>,
    kind: SectionKind,
}

/// A block in memory.
pub struct Block<T> {
    raw: RawBlock,
    rows: Vec<OnceLock<T>>,
    collection: Arc<str>,
    /// Bytes of the parsed lines.
    parsed: AtomicUsize,
}

/// Damage of a block, with its offset in the file.
pub type Flaw = (u64, String);

/// Section and index of a block.
pub type BlockId = (usize, usize);

impl RawBlock {
    /// Checks the bytes of a block against its entry in the directory.
    pub fn new(raw: Vec<u8>, location: &BlockLocation, kind: SectionKind) -> Result<Self, Flaw> {
        let (at, rows) = (location.at, location.rows);
        if crc32fast::hash(&raw) != location.crc {
            return Err((at, "its checksum does not match: it was edited, or the disk changed it".to_owned()));
        }
        let mut starts = Vec::with_capacity(rows);
        starts.push(0);
        starts.extend(memchr::memchr_iter(b'\n', &raw).map(|newline| newline + 1));
        // No row begins after the last newline.
        starts.pop_if(|start| *start == raw.len());
        if starts.len() != rows {
            return Err((at, format!("it has {} rows, but the directory says {rows}", starts.len())));
        }
        let block = Self { at, raw, starts, kind };
        match block.key(0).transpose()? {
            Some(first) if *first == *location.first => Ok(block),
            _ => Err((at, "its first key is not the one in the directory".to_owned())),
        }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Returns the lines of some rows.
    pub fn lines(&self, rows: Range<usize>) -> &[u8] {
        let start = |row| self.starts.get(row).copied().unwrap_or(self.raw.len());
        self.raw.get(start(rows.start)..start(rows.end)).unwrap_or_default()
    }

    /// Returns the key of the row at an index, without parsing the rest of the row; `None` if there are fewer rows.
    pub fn key(&self, at: usize) -> Option<Result<Cow<'_, [u8]>, Flaw>> {
        self.starts.get(at)?;
        Some(parse_key(self.lines(at..at + 1), self.kind).map_err(|why| self.flaw(at, why)))
    }

    /// Returns the number of rows before `row` and from it on whose key is less than `key`.
    pub fn rows_before(&self, row: usize, key: &[u8]) -> Result<usize, Flaw> {
        partition(row..self.len(), |at| self.key(at), |found| found < key)
    }

    /// Returns the damage of a row.
    fn flaw(&self, at: usize, why: String) -> Flaw {
        (self.at.saturating_add(self.starts.get(at).map_or(0, |start| *start as u64)), why)
    }
}

/// Returns the end of the rows at the beginning of a range whose key satisfies `predicate`.
fn partition<'a>(
    rows: Range<usize>,
    key: impl Fn(usize) -> Option<Result<Cow<'a, [u8]>, Flaw>>,
    predicate: impl Fn(&[u8]) -> bool,
) -> Result<usize, Flaw> {
    let (mut low, mut high) = (rows.start, rows.end);
    while low < high {
        let middle = low + (high - low) / 2;
        let Some(key) = key(middle) else { break };
        if predicate(&key?) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

impl<T: SnapshotRow> Block<T> {
    /// Creates the block of a section of `collection`.
    pub fn new(raw: RawBlock, collection: Arc<str>) -> Self {
        let rows = std::iter::repeat_with(OnceLock::new).take(raw.len()).collect();
        Self { raw, rows, collection, parsed: AtomicUsize::new(0) }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns the row at an index; `None` if there are fewer rows.
    pub fn row(&self, at: usize) -> Option<Result<&T, Flaw>> {
        let parsed = self.rows.get(at)?;
        if let Some(row) = parsed.get() {
            return Some(Ok(row));
        }
        let line = self.raw.lines(at..at + 1);
        match T::parse(line, self.raw.kind, &self.collection) {
            Ok(row) => {
                self.parsed.fetch_add(line.len(), Ordering::Relaxed);
                Some(Ok(parsed.get_or_init(|| row)))
            }
            Err(why) => Some(Err(self.raw.flaw(at, why))),
        }
    }

    /// Returns the number of leading rows whose key satisfies `predicate`.
    pub fn partition(&self, predicate: impl Fn(&[u8]) -> bool) -> Result<usize, Flaw> {
        let key = |at: usize| match self.rows.get(at)?.get() {
            Some(row) => Some(Ok(Cow::Borrowed(row.key()))),
            None => self.raw.key(at),
        };
        partition(0..self.len(), key, predicate)
    }

    fn weight(&self) -> usize {
        // A parsed row takes about three times the memory of its text.
        let parsed = 3 * self.parsed.load(Ordering::Relaxed);
        self.raw.raw.len() + parsed + self.rows.len() * size_of::<(usize, OnceLock<T>)>() + 256
    }
}

/// A cache of the most recently used blocks, up to a number of bytes.
pub struct BlockCache<T> {
    state: Mutex<BlockCacheState<T>>,
    bytes: usize,
}

struct BlockCacheState<T> {
    blocks: HashMap<BlockId, CachedBlock<T>>,
    weight: usize,
    clock: u64,
}

struct CachedBlock<T> {
    block: Arc<Block<T>>,
    last_used: u64,
    /// The counted weight. The real one grows with each parsed row.
    weight: usize,
}

impl<T: SnapshotRow> BlockCache<T> {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { state: Mutex::new(BlockCacheState { blocks: HashMap::new(), weight: 0, clock: 0 }), bytes }
    }

    /// Returns a cached block.
    pub fn get(&self, id: BlockId) -> Option<Arc<Block<T>>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clock += 1;
        let clock = state.clock;
        let cached = state.blocks.get_mut(&id)?;
        cached.last_used = clock;
        let block = cached.block.clone();
        let weight = block.weight();
        let before = std::mem::replace(&mut cached.weight, weight);
        state.weight += weight.saturating_sub(before);
        state.shrink(self.bytes);
        Some(block)
    }

    /// Caches a block and evicts the least recently used ones.
    pub fn put(&self, id: BlockId, block: &Arc<Block<T>>) {
        let weight = block.weight();
        if weight > self.bytes / 2 {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clock += 1;
        let cached = CachedBlock { block: block.clone(), last_used: state.clock, weight };
        state.weight += weight;
        if let Some(replaced) = state.blocks.insert(id, cached) {
            state.weight -= replaced.weight;
        }
        state.shrink(self.bytes);
    }
}

impl<T> BlockCacheState<T> {
    /// Evicts the least recently used blocks, down to so many bytes.
    fn shrink(&mut self, bytes: usize) {
        while self.weight > bytes {
            let oldest = self.blocks.iter().min_by_key(|(_, cached)| cached.last_used).map(|(id, _)| *id);
            let Some(evicted) = oldest.and_then(|id| self.blocks.remove(&id)) else { break };
            self.weight -= evicted.weight;
        }
    }
}

#[derive(Serialize, Deserialize)]
struct DocumentLine<'a> {
    c: Cow<'a, str>,
    id: Cow<'a, str>,
    rev: Revision,
    v: u32,
    doc: Arc<Document>,
}

/// The id of a document; its other fields are skipped.
#[derive(Deserialize)]
struct IdLine<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct EntryLine<'a> {
    k: Cow<'a, str>,
    id: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct DeadlineLine<'a> {
    at: Timestamp,
    id: Cow<'a, str>,
}

/// The kind of the lines in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    Documents,
    Entries,
    Deadlines,
}

/// A row of a snapshot, which is one line.
pub trait SnapshotRow: Clone {
    /// Parses the line of a row of `collection`; the error says what is wrong with it.
    fn parse(line: &[u8], kind: SectionKind, collection: &str) -> Result<Self, String>;

    /// Returns the sort key.
    fn key(&self) -> &[u8];
}

/// Parses only the key of a line.
pub fn parse_key(line: &[u8], kind: SectionKind) -> Result<Cow<'_, [u8]>, String> {
    if kind != SectionKind::Documents {
        return EntryRow::parse(line, kind, "").map(|(key, _)| Cow::Owned(key.to_vec()));
    }
    if let Some(id) = leading_id(line) {
        return Ok(Cow::Borrowed(id));
    }
    let IdLine { id } = serde_json::from_slice(line).map_err(|e| format!("a document cannot be read ({e})"))?;
    Ok(match id {
        Cow::Borrowed(id) => Cow::Borrowed(id.as_bytes()),
        Cow::Owned(id) => Cow::Owned(id.into_bytes()),
    })
}

/// Returns the id in a line as [`write_document`] writes it, unless it is escaped. The rest of the line is not read.
fn leading_id(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"{\"c\":\"")?;
    let rest = rest.get(memchr::memchr2(b'"', b'\\', rest)?..)?.strip_prefix(b"\",\"id\":\"")?;
    let end = memchr::memchr2(b'"', b'\\', rest)?;
    (rest.get(end) == Some(&b'"')).then(|| &rest[..end])
}

/// A document with its id.
pub type DocumentRow = (Arc<str>, StoredDocument);

/// An entry with the id of its document.
pub type EntryRow = (EntryKey, Arc<str>);

impl SnapshotRow for DocumentRow {
    fn parse(line: &[u8], _: SectionKind, collection: &str) -> Result<Self, String> {
        let line: DocumentLine<'_> =
            serde_json::from_slice(line).map_err(|e| format!("a document cannot be read ({e})"))?;
        if line.c != collection {
            return Err(format!("a document of {} is in the part of {collection}", line.c));
        }
        Ok((line.id.into(), StoredDocument { revision: line.rev, version: line.v, document: line.doc }))
    }

    fn key(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl SnapshotRow for EntryRow {
    fn parse(line: &[u8], kind: SectionKind, _: &str) -> Result<Self, String> {
        let wrong = |e: serde_json::Error| format!("an entry cannot be read ({e})");
        let (mut key, id) = if kind == SectionKind::Deadlines {
            let line: DeadlineLine<'_> = serde_json::from_slice(line).map_err(wrong)?;
            (deadline_key(line.at).to_vec(), line.id)
        } else {
            let line: EntryLine<'_> = serde_json::from_slice(line).map_err(wrong)?;
            (unhex(&line.k).ok_or("the key of an entry is not hexadecimal")?, line.id)
        };
        key.extend_from_slice(id.as_bytes());
        Ok((key.into(), id.into()))
    }

    fn key(&self) -> &[u8] {
        &self.0
    }
}

/// Appends the line of a document.
pub fn write_document(
    out: &mut Vec<u8>,
    collection: &str,
    id: &str,
    stored: &StoredDocument,
) -> Result<(), StoreError> {
    let (c, id) = (Cow::Borrowed(collection), Cow::Borrowed(id));
    let (rev, v, doc) = (stored.revision.clone(), stored.version, stored.document.clone());
    write_line(out, &DocumentLine { c, id, rev, v, doc })
}

/// Appends the line of an entry.
pub fn write_entry(out: &mut Vec<u8>, kind: SectionKind, key: &[u8], id: &str) -> Result<(), StoreError> {
    let (entry, id) = (strip_id(key, id), Cow::Borrowed(id));
    match (kind, decode_deadline(entry)) {
        (SectionKind::Deadlines, Some(at)) => write_line(out, &DeadlineLine { at, id }),
        _ => write_line(out, &EntryLine { k: hex(entry).into(), id }),
    }
}

/// Appends a line.
pub fn write_line(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), StoreError> {
    serde_json::to_writer(&mut *out, value)
        .map_err(|e| StoreError::Unavailable { what: "writing a snapshot as JSON".to_owned(), why: e.to_string() })?;
    out.push(b'\n');
    Ok(())
}
