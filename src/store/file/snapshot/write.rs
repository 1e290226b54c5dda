//! Writing a snapshot piece by piece from tables that nobody changes meanwhile. What is in memory at a time is one block and the directory so
//! far.

use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Header;
use super::directory::{BlockAt, Section, crc_text};
use super::line::{Kind, write_document, write_entry, write_line};
use super::open::LARGEST_DIRECTORY;
use super::open::LastLine;
use crate::store::Error;
use crate::store::file::format::{closing, snapshot_path};
use crate::store::file::fs::{FsError, Pieces, Reason};
use crate::store::tables::{Holds, IndexPart, Tables, split};

/// A block has at least so many bytes where there are as many, and
const BLOCK: u64 = 32 * 1024;

/// at least this share of all before it, so that the directory of a large file stays small.
const SHARE: u64 = 1536;

/// Stands in the place of a declaration for an index in which unique entries clash: no program takes it for its own, so each finds out.
const CLASHES: &str = "clashes";

/// A snapshot as it comes to be.
pub struct SnapshotPieces {
    tables: Tables,
    header: Header,
    hasher: crc32fast::Hasher,
    written: u64,
    parts: std::vec::IntoIter<Source>,
    current: Option<Current>,
    stage: Stage,
    directory: Vec<u8>,
    documents: u64,
    index_at: Option<u64>,
    /// Bytes of a block, at least.
    least: u64,
    progress: Arc<Progress>,
}

/// How far the writing of a snapshot is. It goes on to tell when the pieces were handed away.
#[derive(Debug, Default)]
pub struct Progress {
    bytes: AtomicU64,
    failure: Mutex<Option<Error>>,
}

impl Progress {
    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Why it could not be written, where that lies in what was to be written; what the disk says it says by itself.
    pub fn failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Header,
    Parts,
    Directory,
    Last,
    Done,
}

/// What a part is written from.
enum Source {
    Documents(String),
    Index(IndexPart),
}

/// The part that is being written.
struct Current {
    source: Source,
    section: Section,
    last: Option<Vec<u8>>,
    entry: Option<Vec<u8>>,
    clashes: bool,
}

/// One block: its bytes, its rows and its first key.
struct Written {
    bytes: Vec<u8>,
    rows: usize,
    first: Box<[u8]>,
}

/// The pieces of a snapshot of `tables`, which may go on to change.
pub fn pieces(header: &Header, tables: &Tables) -> SnapshotPieces {
    in_blocks(header, tables, BLOCK)
}

/// The same with blocks of at least so many bytes.
pub(super) fn in_blocks(header: &Header, tables: &Tables, least: u64) -> SnapshotPieces {
    let mut parts: Vec<Source> = tables.collections().map(|(name, _)| Source::Documents(name.to_owned())).collect();
    if !parts.is_empty() {
        parts.extend(tables.indexes().into_iter().map(Source::Index));
    }
    SnapshotPieces {
        tables: tables.clone(),
        header: header.clone(),
        hasher: crc32fast::Hasher::new(),
        written: 0,
        parts: parts.into_iter(),
        current: None,
        stage: Stage::Header,
        directory: Vec::new(),
        documents: 0,
        index_at: None,
        least,
        progress: Arc::default(),
    }
}

/// The bytes of a snapshot, where it is known to be small.
pub fn write(header: &Header, tables: &Tables) -> Result<Vec<u8>, Error> {
    pieces(header, tables).whole()
}

impl SnapshotPieces {
    /// Tells how far it is.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// All of it.
    pub(super) fn whole(mut self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece()? {
            bytes.extend(piece);
        }
        Ok(bytes)
    }

    fn piece(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            match self.stage {
                Stage::Header => {
                    let mut out = Vec::new();
                    write_line(&mut out, &self.header)?;
                    self.stage = Stage::Parts;
                    return Ok(Some(self.took(out)));
                }
                Stage::Parts => {
                    if let Some(block) = self.next_block()? {
                        return Ok(Some(block));
                    }
                }
                Stage::Directory => {
                    self.stage = Stage::Last;
                    if !self.directory.is_empty() {
                        let directory = self.directory.clone();
                        return Ok(Some(self.took(directory)));
                    }
                }
                Stage::Last => {
                    self.stage = Stage::Done;
                    let last = self.last_line()?;
                    return Ok(Some(self.took(last)));
                }
                Stage::Done => return Ok(None),
            }
        }
    }

    /// Counts a piece.
    fn took(&mut self, piece: Vec<u8>) -> Vec<u8> {
        self.hasher.update(&piece);
        self.written += piece.len() as u64;
        self.progress.bytes.store(self.written, Ordering::Relaxed);
        piece
    }

    /// The next block; none: the part ended, or all.
    fn next_block(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let current = match self.current.take().or_else(|| self.parts.next().map(Current::begin)) {
            Some(current) => self.current.insert(current),
            None => {
                self.stage = Stage::Directory;
                return Ok(None);
            }
        };
        let enough = self.least.max(self.written / SHARE);
        let Some(block) = current.block(&self.tables, enough)? else {
            let section = self.current.take().map(Current::end);
            section.map_or(Ok(()), |section| self.section(&section))?;
            return Ok(None);
        };
        let section = &mut current.section;
        if section.kind == Kind::Documents {
            self.documents += block.rows as u64;
        } else {
            self.index_at.get_or_insert(self.written);
        }
        section.rows += block.rows as u64;
        let (at, crc) = (self.written, crc32fast::hash(&block.bytes));
        section.blocks.push(BlockAt { at, bytes: block.bytes.len(), rows: block.rows, crc, first: block.first });
        Ok(Some(self.took(block.bytes)))
    }

    fn section(&mut self, section: &Section) -> Result<(), Error> {
        if section.kind != Kind::Documents {
            // An index without entries is there too: whoever opens this need not build it.
            self.index_at.get_or_insert(self.written);
        }
        section.write(&mut self.directory)?;
        // What nobody could open must not replace anything.
        if self.directory.len() as u64 > LARGEST_DIRECTORY {
            return Err(Error::TooLarge {
                what: "the directory of a snapshot, because of very long indexed values,".to_owned(),
                size: format!("{} bytes", self.directory.len()),
                limit: usize::try_from(LARGEST_DIRECTORY).unwrap_or(usize::MAX),
            });
        }
        Ok(())
    }

    fn last_line(&mut self) -> Result<Vec<u8>, Error> {
        let directory_at = (!self.directory.is_empty()).then(|| self.written - self.directory.len() as u64);
        let directory = match directory_at {
            None => None,
            Some(_) => {
                let mut covered = Vec::new();
                write_line(&mut covered, &self.header)?;
                let mut hasher = crc32fast::Hasher::new();
                hasher.update(&covered);
                hasher.update(&self.directory);
                Some(crc_text(hasher.finalize()))
            }
        };
        let index_at = self.index_at.or(directory_at).unwrap_or(self.written);
        let mut out = Vec::new();
        write_line(&mut out, &LastLine { index_at, directory_at, documents: self.documents, directory })?;
        // The object is open again for its seal.
        out.truncate(out.len().saturating_sub(2));
        let mut hasher = self.hasher.clone();
        hasher.update(&out);
        out.extend_from_slice(&closing(hasher.finalize()));
        Ok(out)
    }
}

impl Pieces for SnapshotPieces {
    fn next(&mut self) -> Option<Result<Vec<u8>, FsError>> {
        self.piece().transpose().map(|piece| {
            piece.map_err(|error| {
                let why = error.to_string();
                *self.progress.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                self.stage = Stage::Done;
                FsError { reason: Reason::Other, call: "write", path: snapshot_path(self.header.snapshot), why }
            })
        })
    }
}

impl Current {
    fn begin(source: Source) -> Self {
        let (collection, kind, index, made_by) = match &source {
            Source::Documents(collection) => (collection.clone(), Kind::Documents, None, None),
            Source::Index(part) => {
                let (kind, index) = match &part.holds {
                    Holds::Entries { name, .. } => (Kind::Entries, Some(name.clone())),
                    Holds::Deadlines => (Kind::Deadlines, None),
                };
                (part.collection.clone(), kind, index, Some(part.made_by.to_string()))
            }
        };
        let section = Section { collection, kind, index, made_by, rows: 0, blocks: Vec::new() };
        Self { source, section, last: None, entry: None, clashes: false }
    }

    fn end(mut self) -> Section {
        if self.clashes {
            self.section.made_by = Some(CLASHES.to_owned());
        }
        self.section
    }

    /// The next block of about so many bytes; none: there are no more rows.
    fn block(&mut self, tables: &Tables, enough: u64) -> Result<Option<Written>, Error> {
        let mut block = Written { bytes: Vec::new(), rows: 0, first: Box::default() };
        let full = |block: &Written| block.bytes.len() as u64 >= enough;
        match &self.source {
            Source::Documents(collection) => {
                let last = self.last.as_deref().map(|last| String::from_utf8_lossy(last).into_owned());
                let from = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
                for row in tables.documents(collection, from) {
                    let (id, stored) = row?;
                    write_document(&mut block.bytes, collection, &id, &stored)?;
                    block.took(id.as_bytes(), &mut self.last);
                    if full(&block) {
                        break;
                    }
                }
            }
            Source::Index(part) => {
                let from = self.last.clone().map_or(Bound::Unbounded, Bound::Excluded);
                let unique = matches!(part.holds, Holds::Entries { unique: true, .. });
                for row in tables.entries(part, from) {
                    let (key, id) = row?;
                    write_entry(&mut block.bytes, self.section.kind, &key, &id)?;
                    if unique {
                        let entry = split(&key, &id);
                        self.clashes |= self.entry.as_deref() == Some(entry);
                        self.entry = Some(entry.to_vec());
                    }
                    block.took(&key, &mut self.last);
                    if full(&block) {
                        break;
                    }
                }
            }
        }
        Ok((block.rows > 0).then_some(block))
    }
}

impl Written {
    fn took(&mut self, key: &[u8], last: &mut Option<Vec<u8>>) {
        if self.rows == 0 {
            self.first = key.into();
        }
        self.rows += 1;
        *last = Some(key.to_vec());
    }
}
