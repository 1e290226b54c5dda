//! Writes a snapshot piece by piece from an immutable copy of the tables. Memory holds one block and the directory so
//! far.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use runstate_store::StoreError;
use runstate_store::tables::{BasePart, EntryKind, IndexDescriptor, Tables};

use super::SnapshotHeader;
use super::base::SnapshotBase;
use super::block::{SectionKind, write_document, write_entry, write_line};
use super::merge::{BlockBuffer, RowChange, SectionMerge};
use super::open::{BlockLocation, LARGEST_DIRECTORY, LastLine, Section, crc_text};
use crate::format::{seal_bytes, snapshot_path};
use crate::fs::{FsError, Pieces, Reason};

/// Minimum bytes of a block, except the last one of a section.
const MIN_BLOCK_BYTES: u64 = 32 * 1024;

/// A block also has at least 1 / `BLOCK_SHARE` of all bytes before it, so that the directory of a large file stays
/// small.
const BLOCK_SHARE: u64 = 1536;

/// Replaces the declaration of a unique index with duplicate entries. No program uses such an index, so each one
/// rebuilds it and reports the violation.
const CLASHES: &str = "clashes";

/// A snapshot that is being written.
pub struct SnapshotPieces {
    tables: Tables,
    header: SnapshotHeader,
    hasher: crc32fast::Hasher,
    written: u64,
    parts: std::vec::IntoIter<SectionSource>,
    current: Option<SectionWriter>,
    stage: Stage,
    directory: Vec<u8>,
    documents: u64,
    index_at: Option<u64>,
    /// Minimum bytes of a block.
    min_block_bytes: u64,
    /// The error of reading the tables. It stays readable after the pieces were handed over.
    read_error: Arc<OnceLock<StoreError>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Header,
    Parts,
    Directory,
    Last,
    Done,
}

enum SectionSource {
    Documents(String),
    Index(IndexDescriptor),
}

/// The section that is being written.
struct SectionWriter {
    source: SectionSource,
    section: Section,
    merge: SectionMerge,
}

/// Returns the pieces of a snapshot of `tables`. Later changes of `tables` do not affect them.
pub fn pieces(header: &SnapshotHeader, tables: &Tables) -> SnapshotPieces {
    pieces_with_block_size(header, tables, MIN_BLOCK_BYTES)
}

/// As [`pieces`], with blocks of at least `min_block_bytes`.
pub(super) fn pieces_with_block_size(header: &SnapshotHeader, tables: &Tables, min_block_bytes: u64) -> SnapshotPieces {
    let mut parts: Vec<SectionSource> =
        tables.collections().map(|(name, _)| SectionSource::Documents(name.to_owned())).collect();
    if !parts.is_empty() {
        parts.extend(tables.indexes().into_iter().map(SectionSource::Index));
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
        min_block_bytes,
        read_error: Arc::default(),
    }
}

/// Returns the bytes of a small snapshot.
pub fn write(header: &SnapshotHeader, tables: &Tables) -> Result<Vec<u8>, StoreError> {
    pieces(header, tables).into_bytes()
}

impl SnapshotPieces {
    /// Returns the place for an error of reading the tables. An error of the disk is returned by the write itself.
    pub fn read_error(&self) -> Arc<OnceLock<StoreError>> {
        self.read_error.clone()
    }

    /// Returns the whole file.
    pub(super) fn into_bytes(mut self) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.next_piece()? {
            bytes.extend(piece);
        }
        Ok(bytes)
    }

    fn next_piece(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        loop {
            match self.stage {
                Stage::Header => {
                    let mut out = Vec::new();
                    write_line(&mut out, &self.header)?;
                    self.stage = Stage::Parts;
                    return Ok(Some(self.count_piece(out)));
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
                        return Ok(Some(self.count_piece(directory)));
                    }
                }
                Stage::Last => {
                    self.stage = Stage::Done;
                    let last = self.last_line()?;
                    return Ok(Some(self.count_piece(last)));
                }
                Stage::Done => return Ok(None),
            }
        }
    }

    /// Adds a piece to the checksum and the length.
    fn count_piece(&mut self, piece: Vec<u8>) -> Vec<u8> {
        self.hasher.update(&piece);
        self.written += piece.len() as u64;
        piece
    }

    /// Returns the next block; `None` at the end of a section or of all sections.
    fn next_block(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let current = match self.current.take().or_else(|| self.parts.next().map(SectionWriter::new)) {
            Some(current) => self.current.insert(current),
            None => {
                self.stage = Stage::Directory;
                return Ok(None);
            }
        };
        let min_bytes = self.min_block_bytes.max(self.written / BLOCK_SHARE);
        let Some(block) = current.next_block(&self.tables, min_bytes)? else {
            let section = self.current.take().map(SectionWriter::finish);
            section.map_or(Ok(()), |section| self.finish_section(&section))?;
            return Ok(None);
        };
        let section = &mut current.section;
        if section.kind == SectionKind::Documents {
            self.documents += block.rows as u64;
        } else {
            self.index_at.get_or_insert(self.written);
        }
        section.rows += block.rows as u64;
        let (at, crc) = (self.written, crc32fast::hash(&block.bytes));
        section.blocks.push(BlockLocation { at, bytes: block.bytes.len(), rows: block.rows, crc, first: block.first });
        Ok(Some(self.count_piece(block.bytes)))
    }

    fn finish_section(&mut self, section: &Section) -> Result<(), StoreError> {
        if section.kind != SectionKind::Documents {
            // An index without entries has a section too, so that opening the snapshot need not build it.
            self.index_at.get_or_insert(self.written);
        }
        section.write(&mut self.directory)?;
        // A snapshot that cannot be opened must not replace anything.
        if self.directory.len() as u64 > LARGEST_DIRECTORY {
            return Err(StoreError::TooLarge {
                what: "the directory of a snapshot, because of very long indexed values,".to_owned(),
                size: format!("{} bytes", self.directory.len()),
                limit: usize::try_from(LARGEST_DIRECTORY).unwrap_or(usize::MAX),
            });
        }
        Ok(())
    }

    fn last_line(&mut self) -> Result<Vec<u8>, StoreError> {
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
        // The object is reopened for its seal.
        out.truncate(out.len().saturating_sub(2));
        let mut hasher = self.hasher.clone();
        hasher.update(&out);
        out.extend_from_slice(&seal_bytes(hasher.finalize()));
        Ok(out)
    }
}

impl Pieces for SnapshotPieces {
    fn next(&mut self) -> Option<Result<Vec<u8>, FsError>> {
        self.next_piece().transpose().map(|piece| {
            piece.map_err(|error| {
                let why = error.to_string();
                self.read_error.get_or_init(|| error);
                self.stage = Stage::Done;
                FsError { reason: Reason::Other, call: "write", path: snapshot_path(self.header.snapshot), why }
            })
        })
    }
}

impl SectionWriter {
    fn new(source: SectionSource) -> Self {
        let mut merge = SectionMerge::default();
        let (collection, kind, index, made_by) = match &source {
            SectionSource::Documents(collection) => (collection.clone(), SectionKind::Documents, None, None),
            SectionSource::Index(part) => {
                let (kind, index) = match &part.kind {
                    EntryKind::Declared { name, unique } => {
                        merge = if *unique { SectionMerge::of_unique_index() } else { merge };
                        (SectionKind::Entries, Some(name.clone()))
                    }
                    EntryKind::Deadlines => (SectionKind::Deadlines, None),
                };
                (part.collection.clone(), kind, index, Some(part.made_by.to_string()))
            }
        };
        let section = Section { collection, kind, index, made_by, rows: 0, blocks: Vec::new() };
        Self { source, section, merge }
    }

    fn finish(mut self) -> Section {
        if self.merge.has_duplicates() {
            self.section.made_by = Some(CLASHES.to_owned());
        }
        self.section
    }

    /// Returns the next block of at least `min_bytes`, except the last one; `None` if there are no more rows.
    fn next_block(&mut self, tables: &Tables, min_bytes: u64) -> Result<Option<BlockBuffer>, StoreError> {
        let base = tables.base().and_then(|base| (base as &dyn Any).downcast_ref::<SnapshotBase>());
        let base = |part: Option<BasePart>| Some((base?, part?.number));
        let from = self.merge.changes_from().map(<[u8]>::to_vec);
        let block = match &self.source {
            SectionSource::Documents(collection) => {
                let from = from.as_ref().map(|from| String::from_utf8_lossy(from));
                let from = from.as_ref().map(|from| &**from);
                let (part, changes) = tables.document_changes(collection, from);
                let changes =
                    changes.map(|(id, stored)| RowChange { key: id.as_bytes(), row: stored.map(|row| (id, row)) });
                self.merge.next_block(base(part), changes, min_bytes, |out, (id, stored)| {
                    write_document(out, collection, id, stored)
                })
            }
            SectionSource::Index(index) => {
                let (part, changes) = tables.entry_changes(index, from.as_ref().map(Vec::as_slice));
                let changes = changes.map(|(key, id)| RowChange { key, row: id.map(|id| (&**key, id)) });
                let kind = self.section.kind;
                self.merge.next_block(base(part), changes, min_bytes, |out, (key, id)| write_entry(out, kind, key, id))
            }
        }?;
        Ok((block.rows > 0).then_some(block))
    }
}
