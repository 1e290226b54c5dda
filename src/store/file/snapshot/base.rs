//! An open snapshot as the base of tables: each question reads the blocks that it needs.

use std::borrow::Cow;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use super::block::{Block, Cache, Flaw};
use super::directory::Section;
use super::line::{DocumentRow, EntryRow, Kind, Row};
use super::open::check_whole;
use super::{Fault, unreadable};
use crate::schema::Key;
use crate::store::file::fs::Source;
use crate::store::tables::{Base, EntryKey, Part, Rows, Way};
use crate::store::{Error, Stored};

/// Bytes of memory for blocks of documents that were used last, and the same again for entries.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// What can be saved of a damaged snapshot.
#[derive(Debug, Default)]
pub struct Saved {
    /// Its documents.
    pub documents: Vec<(Key, Stored)>,
    /// What is gone, in words.
    pub gone: Vec<String>,
}

/// Reads all that is whole.
pub fn saved(base: &SnapshotBase) -> Saved {
    let mut saved = Saved::default();
    for Salvaged { collection, first, until, rows, documents } in base.salvage() {
        match documents {
            Ok(documents) => saved.documents.extend(
                documents
                    .into_iter()
                    .map(|(id, stored)| (Key { collection: Cow::Owned(collection.to_string()), id }, stored)),
            ),
            Err(_) => {
                let until = until.map_or_else(|| "the last one".to_owned(), |until| format!("before {until}"));
                saved.gone.push(format!("{rows} documents of {collection}, from {first} to {until}"));
            }
        }
    }
    saved
}

/// A snapshot that is open.
pub struct SnapshotBase {
    source: Arc<dyn Source>,
    path: String,
    sections: Vec<(Arc<str>, Section)>,
    documents: Cache<DocumentRow>,
    entries: Cache<EntryRow>,
}

/// What can be saved of one block of documents.
#[derive(Clone, Debug)]
pub struct Salvaged {
    /// The collection.
    pub collection: Arc<str>,
    /// The id that the block begins with.
    pub first: String,
    /// The id that the next block of the collection begins with; none: it is the last one.
    pub until: Option<String>,
    /// How many documents it holds.
    pub rows: u64,
    /// They, or what is wrong with the block.
    pub documents: Result<Vec<(Arc<str>, Stored)>, Error>,
}

impl SnapshotBase {
    pub(super) fn new(source: Arc<dyn Source>, path: String, sections: Vec<Section>) -> Self {
        let sections = sections.into_iter().map(|s| (Arc::from(s.collection.as_str()), s)).collect();
        let (documents, entries) = (Cache::of(CACHE_BYTES), Cache::of(CACHE_BYTES));
        Self { source, path, sections, documents, entries }
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.source.size()
    }

    /// How many documents it has.
    pub fn rows(&self) -> u64 {
        self.sections
            .iter()
            .filter(|(_, s)| s.kind == Kind::Documents)
            .fold(0, |sum, (_, s)| sum.saturating_add(s.rows))
    }

    /// Reads and checks everything: the checksum of the whole, each block, each line, and that all is in order.
    pub fn verify(&self) -> Result<(), Error> {
        check_whole(&*self.source).map_err(|fault| match fault {
            Fault::Disk(e) => unreadable(&self.path, &e),
            Fault::Wrong(why) => Error::Corrupt { at: self.path.clone(), why },
        })?;
        for (number, (_, section)) in self.sections.iter().enumerate() {
            match section.kind {
                Kind::Documents => self.verify_section::<DocumentRow>(number)?,
                Kind::Entries | Kind::Deadlines => self.verify_section::<EntryRow>(number)?,
            }
        }
        Ok(())
    }

    /// All documents, block by block, and what is wrong with those blocks that are damaged.
    pub fn salvage(&self) -> impl Iterator<Item = Salvaged> {
        let sections = self.sections.iter().enumerate().filter(|(_, (_, section))| section.kind == Kind::Documents);
        sections.flat_map(move |(number, (collection, section))| {
            let id = |place: usize| {
                section.blocks.get(place).map(|block| String::from_utf8_lossy(&block.first).into_owned())
            };
            section.blocks.iter().enumerate().map(move |(place, block)| Salvaged {
                collection: collection.clone(),
                first: id(place).unwrap_or_default(),
                until: id(place + 1),
                rows: block.rows as u64,
                documents: self.all(number, place),
            })
        })
    }

    fn verify_section<T: Row>(&self, number: usize) -> Result<(), Error> {
        let blocks = self.sections.get(number).map_or(&[][..], |(_, section)| &section.blocks);
        let mut last: Option<T> = None;
        for (place, block) in blocks.iter().enumerate() {
            for row in self.all::<T>(number, place)? {
                if last.is_some_and(|last| last.key() >= row.key()) {
                    return Err(
                        self.flawed((block.at, "a row of the block that begins there is out of order".to_owned()))
                    );
                }
                last = Some(row);
            }
        }
        Ok(())
    }

    /// All rows of a block, past the cache.
    fn all<T: Row>(&self, number: usize, place: usize) -> Result<Vec<T>, Error> {
        let Some(block) = self.read::<T>(number, place)? else { return Ok(Vec::new()) };
        let rows = (0..block.len()).filter_map(|row| block.row(row));
        rows.map(|row| row.cloned().map_err(|flaw| self.flawed(flaw))).collect()
    }

    /// A block from the file. None: there is no such block.
    fn read<T: Row>(&self, number: usize, place: usize) -> Result<Option<Block<T>>, Error> {
        let Some((collection, section)) = self.sections.get(number) else { return Ok(None) };
        let Some(block) = section.blocks.get(place) else { return Ok(None) };
        let raw = self.source.read_at(block.at, block.bytes).map_err(|e| unreadable(&self.path, &e))?;
        Block::new(raw, block, section.kind, collection.clone()).map(Some).map_err(|flaw| self.flawed(flaw))
    }

    /// A block, from the cache where it is there.
    fn block<T: Row>(&self, cache: &Cache<T>, number: usize, place: usize) -> Result<Option<Arc<Block<T>>>, Error> {
        if let Some(block) = cache.get((number, place)) {
            return Ok(Some(block));
        }
        let Some(block) = self.read(number, place)?.map(Arc::new) else { return Ok(None) };
        cache.put((number, place), &block);
        Ok(Some(block))
    }

    /// How many blocks of a section begin with a key for which this holds.
    fn blocks_where(&self, number: usize, holds: impl Fn(&[u8]) -> bool) -> usize {
        let blocks = self.sections.get(number).map_or(&[][..], |(_, section)| &section.blocks);
        blocks.partition_point(|block| holds(&block.first))
    }

    fn flawed(&self, (at, why): Flaw) -> Error {
        Error::Corrupt { at: format!("{} at byte {at}", self.path), why }
    }

    fn scan<'a, T: Row>(
        &'a self,
        cache: &'a Cache<T>,
        number: usize,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        way: Way,
    ) -> Scan<'a, T> {
        let (from, to) = (range.0.map(<[u8]>::to_vec), range.1.map(<[u8]>::to_vec));
        Scan { base: self, cache, number, from, to, way, at: At::Start }
    }
}

impl fmt::Debug for SnapshotBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotBase").field("path", &self.path).field("size", &self.size()).finish_non_exhaustive()
    }
}

impl Base for SnapshotBase {
    fn collections(&self) -> Vec<(String, Part)> {
        let sections = self.sections.iter().enumerate().filter(|(_, (_, section))| section.kind == Kind::Documents);
        sections.map(|(number, (name, section))| (name.to_string(), Part { number, rows: section.rows })).collect()
    }

    fn index(&self, collection: &str, made_by: &str) -> Option<Part> {
        let wanted = |s: &Section| s.collection == collection && s.made_by.as_deref() == Some(made_by);
        let number = self.sections.iter().position(|(_, section)| wanted(section))?;
        self.sections.get(number).map(|(_, section)| Part { number, rows: section.rows })
    }

    fn document(&self, part: Part, id: &str) -> Result<Option<Stored>, Error> {
        let Some(place) = self.blocks_where(part.number, |first| first <= id.as_bytes()).checked_sub(1) else {
            return Ok(None);
        };
        let Some(block) = self.block(&self.documents, part.number, place)? else { return Ok(None) };
        let found = || {
            let row = block.partition(|key| key < id.as_bytes())?;
            let found = block.row(row).transpose()?.filter(|(found, _)| **found == *id);
            Ok(found.map(|(_, stored)| stored.clone()))
        };
        found().map_err(|flaw| self.flawed(flaw))
    }

    fn documents<'a>(&'a self, part: Part, from: Bound<&str>) -> Rows<'a, Arc<str>, Stored> {
        Box::new(self.scan(&self.documents, part.number, (from.map(str::as_bytes), Bound::Unbounded), Way::Forward))
    }

    fn entries<'a>(
        &'a self,
        part: Part,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        way: Way,
    ) -> Rows<'a, EntryKey, Arc<str>> {
        Box::new(self.scan(&self.entries, part.number, range, way))
    }
}

/// The rows of a section between two keys.
struct Scan<'a, T> {
    base: &'a SnapshotBase,
    cache: &'a Cache<T>,
    number: usize,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    way: Way,
    at: At<T>,
}

/// How far a scan is.
enum At<T> {
    Start,
    /// The block, its place, and its row that comes next (backward: the one before that number).
    Row(Arc<Block<T>>, usize, usize),
    End,
}

/// Whether a key comes before a range that begins here.
fn is_before(key: &[u8], from: &Bound<Vec<u8>>) -> bool {
    match from {
        Bound::Included(from) => key < from.as_slice(),
        Bound::Excluded(from) => key <= from.as_slice(),
        Bound::Unbounded => false,
    }
}

/// Whether a key comes before the end of a range that ends here.
fn is_within(key: &[u8], to: &Bound<Vec<u8>>) -> bool {
    match to {
        Bound::Included(to) => key <= to.as_slice(),
        Bound::Excluded(to) => key < to.as_slice(),
        Bound::Unbounded => true,
    }
}

impl<T: Row> Scan<'_, T> {
    /// Finds the block to begin with and the row in it.
    fn begin(&self) -> Result<At<T>, Error> {
        let inside = |key: &[u8]| match self.way {
            Way::Forward => is_before(key, &self.from),
            Way::Backward => is_within(key, &self.to),
        };
        let begun = self.base.blocks_where(self.number, inside);
        let place = match self.way {
            Way::Forward => begun.saturating_sub(1),
            Way::Backward => match begun.checked_sub(1) {
                Some(place) => place,
                None => return Ok(At::End),
            },
        };
        let Some(block) = self.base.block(self.cache, self.number, place)? else { return Ok(At::End) };
        let row = block.partition(inside).map_err(|flaw| self.base.flawed(flaw))?;
        Ok(At::Row(block, place, row))
    }

    /// The block after this one in the direction of the scan.
    fn another(&self, place: usize) -> Result<At<T>, Error> {
        let place = match self.way {
            Way::Forward => place.checked_add(1),
            Way::Backward => place.checked_sub(1),
        };
        let Some(place) = place else { return Ok(At::End) };
        let Some(block) = self.base.block(self.cache, self.number, place)? else { return Ok(At::End) };
        let row = if self.way == Way::Forward { 0 } else { block.len() };
        Ok(At::Row(block, place, row))
    }

    fn step(&mut self) -> Result<Option<T>, Error> {
        loop {
            self.at = match std::mem::replace(&mut self.at, At::End) {
                At::Start => self.begin()?,
                At::End => return Ok(None),
                At::Row(block, place, row) => {
                    let this = if self.way == Way::Forward { Some(row) } else { row.checked_sub(1) };
                    let Some(found) = this.and_then(|this| block.row(this)) else {
                        self.at = self.another(place)?;
                        continue;
                    };
                    let found = found.map_err(|flaw| self.base.flawed(flaw))?.clone();
                    let over = match self.way {
                        Way::Forward => !is_within(found.key(), &self.to),
                        Way::Backward => is_before(found.key(), &self.from),
                    };
                    if over {
                        return Ok(None);
                    }
                    let next = if self.way == Way::Forward { row + 1 } else { row - 1 };
                    self.at = At::Row(block, place, next);
                    return Ok(Some(found));
                }
            };
        }
    }
}

impl<T: Row> Iterator for Scan<'_, T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
