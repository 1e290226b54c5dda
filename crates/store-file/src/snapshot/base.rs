//! An open snapshot as the base of tables. A query reads only the blocks that it needs.

use std::borrow::Cow;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use runstate_core::schema::Key;
use runstate_store::tables::{Base, BasePart, EntryKey, RowIter, ScanDirection};
use runstate_store::{StoreError, StoredDocument};

use super::block::{Block, BlockCache, DocumentRow, EntryRow, Flaw, RawBlock, SectionKind, SnapshotRow, parse_key};
use super::open::{BlockLocation, Section, check_whole};
use super::{SnapshotError, unreadable};
use crate::fs::RandomAccessFile;

/// Bytes of the cache for blocks of documents; the cache for blocks of entries has the same size.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// The documents that can be salvaged from a damaged snapshot.
#[derive(Debug, Default)]
pub struct SalvageResult {
    /// The salvaged documents.
    pub documents: Vec<(Key, StoredDocument)>,
    /// Descriptions of the damaged blocks.
    pub lost: Vec<String>,
    /// The documents in them whose ids can be read.
    pub lost_documents: Vec<Key>,
}

/// An open snapshot.
pub struct SnapshotBase {
    source: Arc<dyn RandomAccessFile>,
    path: String,
    sections: Vec<(Arc<str>, Section)>,
    documents: BlockCache<DocumentRow>,
    entries: BlockCache<EntryRow>,
}

impl SnapshotBase {
    pub(super) fn new(source: Arc<dyn RandomAccessFile>, path: String, sections: Vec<Section>) -> Self {
        let sections = sections.into_iter().map(|s| (Arc::from(s.collection.as_str()), s)).collect();
        let (documents, entries) = (BlockCache::with_capacity(CACHE_BYTES), BlockCache::with_capacity(CACHE_BYTES));
        Self { source, path, sections, documents, entries }
    }

    /// Returns the size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.source.size()
    }

    /// Returns the number of documents.
    pub fn rows(&self) -> u64 {
        self.sections
            .iter()
            .filter(|(_, s)| s.kind == SectionKind::Documents)
            .fold(0, |sum, (_, s)| sum.saturating_add(s.rows))
    }

    /// Reads and checks the whole file: its checksum, each block, each line, and the order of all rows.
    pub fn verify(&self) -> Result<(), StoreError> {
        check_whole(&*self.source).map_err(|error| match error {
            SnapshotError::Disk(e) => unreadable(&self.path, &e),
            SnapshotError::Invalid(why) => StoreError::Corrupt { at: self.path.clone(), why },
        })?;
        for (number, (_, section)) in self.sections.iter().enumerate() {
            match section.kind {
                SectionKind::Documents => self.verify_section::<DocumentRow>(number)?,
                SectionKind::Entries | SectionKind::Deadlines => self.verify_section::<EntryRow>(number)?,
            }
        }
        Ok(())
    }

    /// Reads the documents of all intact blocks.
    pub fn salvage(&self) -> SalvageResult {
        let mut salvaged = SalvageResult::default();
        let sections = self.sections.iter().enumerate();
        for (number, (collection, section)) in
            sections.filter(|(_, (_, section))| section.kind == SectionKind::Documents)
        {
            let key = |id| Key { collection: Cow::Owned(collection.to_string()), id };
            for (index, block) in section.blocks.iter().enumerate() {
                if let Ok(rows) = self.read_rows::<DocumentRow>(number, index) {
                    salvaged.documents.extend(rows.into_iter().map(|(id, stored)| (key(id), stored)));
                    continue;
                }
                salvaged.lost_documents.extend(self.scan_ids(block).into_iter().map(key));
                let first = |block: &BlockLocation| String::from_utf8_lossy(&block.first).into_owned();
                let until = section
                    .blocks
                    .get(index + 1)
                    .map(first)
                    .map_or_else(|| "to the last one".to_owned(), |until| format!("up to (not including) {until}"));
                let (rows, first) = (block.rows, first(block));
                salvaged.lost.push(format!("{rows} documents of {collection}, from {first} {until}"));
            }
        }
        salvaged
    }

    fn verify_section<T: SnapshotRow>(&self, number: usize) -> Result<(), StoreError> {
        let blocks = self.sections.get(number).map_or(&[][..], |(_, section)| &section.blocks);
        let mut last: Option<T> = None;
        for (index, block) in blocks.iter().enumerate() {
            for row in self.read_rows::<T>(number, index)? {
                if last.is_some_and(|last| last.key() >= row.key()) {
                    return Err(self
                        .corrupt_error((block.at, "a row of the block that begins there is out of order".to_owned())));
                }
                last = Some(row);
            }
        }
        Ok(())
    }

    /// Reads all rows of a block, without the cache.
    fn read_rows<T: SnapshotRow>(&self, number: usize, index: usize) -> Result<Vec<T>, StoreError> {
        let Some(block) = self.read_block::<T>(number, index)? else { return Ok(Vec::new()) };
        let rows = (0..block.len()).filter_map(|row| block.row(row));
        rows.map(|row| row.cloned().map_err(|flaw| self.corrupt_error(flaw))).collect()
    }

    /// Returns the ids of the documents in a damaged block, as far as its lines can be read.
    fn scan_ids(&self, block: &BlockLocation) -> Vec<Arc<str>> {
        let Ok(raw) = self.source.read_at(block.at, block.bytes) else { return Vec::new() };
        let id = |line| parse_key(line, SectionKind::Documents).ok().map(|id| String::from_utf8_lossy(&id).into());
        raw.split(|b| *b == b'\n').filter_map(id).collect()
    }

    /// Reads a block from the file; `None`: the directory does not have it.
    fn read_block<T: SnapshotRow>(&self, number: usize, index: usize) -> Result<Option<Block<T>>, StoreError> {
        let Some((collection, _)) = self.sections.get(number) else { return Ok(None) };
        Ok(self.read_raw_block(number, index)?.map(|raw| Block::new(raw, collection.clone())))
    }

    /// Reads the lines of a block from the file; `None`: the directory does not have it.
    pub(super) fn read_raw_block(&self, number: usize, index: usize) -> Result<Option<RawBlock>, StoreError> {
        let Some((_, section)) = self.sections.get(number) else { return Ok(None) };
        let Some(block) = section.blocks.get(index) else { return Ok(None) };
        let raw = self.source.read_at(block.at, block.bytes).map_err(|e| unreadable(&self.path, &e))?;
        RawBlock::new(raw, block, section.kind).map(Some).map_err(|flaw| self.corrupt_error(flaw))
    }

    /// Returns a block from the cache, or reads it from the file.
    fn load_block<T: SnapshotRow>(
        &self,
        cache: &BlockCache<T>,
        number: usize,
        index: usize,
    ) -> Result<Option<Arc<Block<T>>>, StoreError> {
        if let Some(block) = cache.get((number, index)) {
            return Ok(Some(block));
        }
        let Some(block) = self.read_block(number, index)?.map(Arc::new) else { return Ok(None) };
        cache.put((number, index), &block);
        Ok(Some(block))
    }

    /// Returns the number of leading blocks of a section whose first key satisfies `predicate`.
    fn partition_blocks(&self, number: usize, predicate: impl Fn(&[u8]) -> bool) -> usize {
        let blocks = self.sections.get(number).map_or(&[][..], |(_, section)| &section.blocks);
        blocks.partition_point(|block| predicate(&block.first))
    }

    pub(super) fn corrupt_error(&self, (at, why): Flaw) -> StoreError {
        StoreError::Corrupt { at: format!("{} at byte {at}", self.path), why }
    }

    fn scan<'a, T: SnapshotRow>(
        &'a self,
        cache: &'a BlockCache<T>,
        number: usize,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        direction: ScanDirection,
    ) -> SectionScan<'a, T> {
        let (from, to) = (range.0.map(<[u8]>::to_vec), range.1.map(<[u8]>::to_vec));
        SectionScan { base: self, cache, number, from, to, direction, at: ScanPosition::Start }
    }
}

impl fmt::Debug for SnapshotBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotBase").field("path", &self.path).field("size", &self.size()).finish_non_exhaustive()
    }
}

impl Base for SnapshotBase {
    fn collections(&self) -> Vec<(String, BasePart)> {
        let sections =
            self.sections.iter().enumerate().filter(|(_, (_, section))| section.kind == SectionKind::Documents);
        sections.map(|(number, (name, section))| (name.to_string(), BasePart { number, rows: section.rows })).collect()
    }

    fn index(&self, collection: &str, made_by: &str) -> Option<BasePart> {
        let is_index = |s: &Section| s.collection == collection && s.made_by.as_deref() == Some(made_by);
        let number = self.sections.iter().position(|(_, section)| is_index(section))?;
        self.sections.get(number).map(|(_, section)| BasePart { number, rows: section.rows })
    }

    fn document(&self, part: BasePart, id: &str) -> Result<Option<StoredDocument>, StoreError> {
        let Some(index) = self.partition_blocks(part.number, |first| first <= id.as_bytes()).checked_sub(1) else {
            return Ok(None);
        };
        let Some(block) = self.load_block(&self.documents, part.number, index)? else { return Ok(None) };
        let found = || {
            let row = block.partition(|key| key < id.as_bytes())?;
            let found = block.row(row).transpose()?.filter(|(found, _)| **found == *id);
            Ok(found.map(|(_, stored)| stored.clone()))
        };
        found().map_err(|flaw| self.corrupt_error(flaw))
    }

    fn documents<'a>(&'a self, part: BasePart, from: Bound<&str>) -> RowIter<'a, Arc<str>, StoredDocument> {
        Box::new(self.scan(
            &self.documents,
            part.number,
            (from.map(str::as_bytes), Bound::Unbounded),
            ScanDirection::Forward,
        ))
    }

    fn entries<'a>(
        &'a self,
        part: BasePart,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        direction: ScanDirection,
    ) -> RowIter<'a, EntryKey, Arc<str>> {
        Box::new(self.scan(&self.entries, part.number, range, direction))
    }
}

/// The rows of a section between two keys.
struct SectionScan<'a, T> {
    base: &'a SnapshotBase,
    cache: &'a BlockCache<T>,
    number: usize,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    direction: ScanDirection,
    at: ScanPosition<T>,
}

enum ScanPosition<T> {
    Start,
    /// The block, its index, and the index of the next row (backward: one more than that).
    Row(Arc<Block<T>>, usize, usize),
    End,
}

/// Whether a key precedes a range with this start.
fn is_before(key: &[u8], from: &Bound<Vec<u8>>) -> bool {
    match from {
        Bound::Included(from) => key < from.as_slice(),
        Bound::Excluded(from) => key <= from.as_slice(),
        Bound::Unbounded => false,
    }
}

/// Whether a key precedes the end of a range.
fn is_within(key: &[u8], to: &Bound<Vec<u8>>) -> bool {
    match to {
        Bound::Included(to) => key <= to.as_slice(),
        Bound::Excluded(to) => key < to.as_slice(),
        Bound::Unbounded => true,
    }
}

impl<T: SnapshotRow> SectionScan<'_, T> {
    /// Finds the first block of the scan, and the row in it.
    fn begin(&self) -> Result<ScanPosition<T>, StoreError> {
        let inside = |key: &[u8]| match self.direction {
            ScanDirection::Forward => is_before(key, &self.from),
            ScanDirection::Backward => is_within(key, &self.to),
        };
        let blocks = self.base.partition_blocks(self.number, inside);
        let index = match self.direction {
            ScanDirection::Forward => blocks.saturating_sub(1),
            ScanDirection::Backward => match blocks.checked_sub(1) {
                Some(index) => index,
                None => return Ok(ScanPosition::End),
            },
        };
        let Some(block) = self.base.load_block(self.cache, self.number, index)? else { return Ok(ScanPosition::End) };
        let row = block.partition(inside).map_err(|flaw| self.base.corrupt_error(flaw))?;
        Ok(ScanPosition::Row(block, index, row))
    }

    /// Loads the next block in the direction of the scan.
    fn next_block(&self, index: usize) -> Result<ScanPosition<T>, StoreError> {
        let index = match self.direction {
            ScanDirection::Forward => index.checked_add(1),
            ScanDirection::Backward => index.checked_sub(1),
        };
        let Some(index) = index else { return Ok(ScanPosition::End) };
        let Some(block) = self.base.load_block(self.cache, self.number, index)? else { return Ok(ScanPosition::End) };
        let row = if self.direction == ScanDirection::Forward { 0 } else { block.len() };
        Ok(ScanPosition::Row(block, index, row))
    }

    fn next_row(&mut self) -> Result<Option<T>, StoreError> {
        loop {
            self.at = match std::mem::replace(&mut self.at, ScanPosition::End) {
                ScanPosition::Start => self.begin()?,
                ScanPosition::End => return Ok(None),
                ScanPosition::Row(block, index, row) => {
                    let current = if self.direction == ScanDirection::Forward { Some(row) } else { row.checked_sub(1) };
                    let Some(found) = current.and_then(|current| block.row(current)) else {
                        self.at = self.next_block(index)?;
                        continue;
                    };
                    let found = found.map_err(|flaw| self.base.corrupt_error(flaw))?.clone();
                    let past_end = match self.direction {
                        ScanDirection::Forward => !is_within(found.key(), &self.to),
                        ScanDirection::Backward => is_before(found.key(), &self.from),
                    };
                    if past_end {
                        return Ok(None);
                    }
                    let next = if self.direction == ScanDirection::Forward { row + 1 } else { row - 1 };
                    self.at = ScanPosition::Row(block, index, next);
                    return Ok(Some(found));
                }
            };
        }
    }
}

impl<T: SnapshotRow> Iterator for SectionScan<'_, T> {
    type Item = Result<T, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}
