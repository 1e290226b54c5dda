//! Opens a snapshot: checks the first line, the last line and the directory, and the checksum of the whole file if it
//! is small. The directory lists the sections and the location of their blocks. Each of its entries is validated.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use runstate_core::id::{hex, unhex};
use runstate_store::StoreError;
use serde::{Deserialize, Serialize};

use super::base::SnapshotBase;
use super::block::{SectionKind, write_line};
use super::{SnapshotError, SnapshotHeader};
use crate::format::{FORMAT, SEAL_LENGTH, check_seal_bytes, check_seal_form};
use crate::fs::{FsError, RandomAccessFile};

/// Maximum size of a file whose whole checksum is checked at opening.
const FULL_CHECK_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of one read when the whole file is read. They stay in the cache of a processor.
const READ_BYTES: u64 = 64 * 1024;

/// Maximum length of the first line and of the last line.
const MAX_LINE_BYTES: u64 = 4096;

/// Maximum size of a directory. A writer stays below it with larger blocks.
pub const LARGEST_DIRECTORY: u64 = 256 * 1024 * 1024;

/// The last line of a snapshot.
#[derive(Serialize, Deserialize)]
pub struct LastLine {
    pub index_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_at: Option<u64>,
    pub documents: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
}

/// Opens snapshot `seq` of `store`. `at` is its path in messages.
pub fn open(
    source: Arc<dyn RandomAccessFile>,
    seq: u64,
    store: &str,
    at: &str,
) -> Result<(SnapshotHeader, Arc<SnapshotBase>), SnapshotError> {
    let opened = SnapshotOpener::begin(&source)?;
    if source.size() <= FULL_CHECK_BYTES {
        check_whole(&*source)?;
    }
    opened.finish(source, seq, store, at)
}

/// Opens a snapshot whose checksum may be wrong, if its directory is intact. Its blocks can then be salvaged one by
/// one.
pub fn open_damaged(
    source: Arc<dyn RandomAccessFile>,
    seq: u64,
    store: &str,
    at: &str,
) -> Result<(SnapshotHeader, Arc<SnapshotBase>), SnapshotError> {
    SnapshotOpener::begin(&source)?.finish(source, seq, store, at)
}

/// Reads the first line and ignores the rest of the file.
pub fn read_header(source: &dyn RandomAccessFile) -> Result<SnapshotHeader, SnapshotError> {
    first_line(source).map(|(_, header)| header)
}

fn first_line(source: &dyn RandomAccessFile) -> Result<(Vec<u8>, SnapshotHeader), SnapshotError> {
    let mut first = read_range(source, 0, MAX_LINE_BYTES.min(source.size()))?;
    let length = first.iter().position(|b| *b == b'\n').map_or(first.len(), |at| at + 1);
    first.truncate(length);
    let header = serde_json::from_slice(&first).map_err(parse_error("its first line"))?;
    Ok((first, header))
}

/// Checks the checksum of the whole file.
pub fn check_whole(source: &dyn RandomAccessFile) -> Result<(), SnapshotError> {
    let covered = source.size().saturating_sub(SEAL_LENGTH as u64);
    let mut hasher = crc32fast::Hasher::new();
    let mut at = 0;
    while at < covered {
        let length = READ_BYTES.min(covered - at);
        hasher.update(&read_range(source, at, length)?);
        at += length;
    }
    let end = read_range(source, covered, source.size() - covered)?;
    Ok(check_seal_bytes(&end, || hasher.finalize())?)
}

struct SnapshotOpener {
    first: Vec<u8>,
    header: SnapshotHeader,
    end: Vec<u8>,
}

impl SnapshotOpener {
    fn begin(source: &Arc<dyn RandomAccessFile>) -> Result<Self, SnapshotError> {
        let size = source.size();
        // The header is parsed before the seal is checked: in a newer format it may be the only readable part.
        let (first, header) = first_line(&**source)?;
        let tail = MAX_LINE_BYTES.min(size);
        let end = read_range(&**source, size - tail, tail)?;
        let seal = end.len().saturating_sub(SEAL_LENGTH);
        check_seal_form(&end[seal..])?;
        Ok(Self { first, header, end })
    }

    fn finish(
        self,
        source: Arc<dyn RandomAccessFile>,
        seq: u64,
        store: &str,
        at: &str,
    ) -> Result<(SnapshotHeader, Arc<SnapshotBase>), SnapshotError> {
        let Self { first, header, end } = self;
        if header.format > FORMAT {
            return Err(SnapshotError::Invalid(format!(
                "it has format {}, which this program does not support; use a newer runstate",
                header.format
            )));
        }
        if header.snapshot != seq {
            return Err(SnapshotError::Invalid(format!("its number is {}: it was renamed or copied", header.snapshot)));
        }
        if header.store != store {
            return Err(SnapshotError::Invalid(format!("it belongs to another store ({})", header.store)));
        }
        let newline = end[..end.len().saturating_sub(1)].iter().rposition(|b| *b == b'\n');
        let text = newline.and_then(|at| end.get(at + 1..)).ok_or("its last line is missing or too long")?;
        let last: LastLine = serde_json::from_slice(text).map_err(parse_error("its last line"))?;
        let last_at = source.size() - text.len() as u64;
        let (from, outside) = (first.len() as u64, "an offset in its last line is out of range");
        let sections = match (last.directory_at, &last.directory) {
            (None, None) if last.documents == 0 && last.index_at == from && last_at == from => Vec::new(),
            (Some(directory_at), Some(crc)) => {
                let length = last_at.checked_sub(directory_at).filter(|n| *n <= LARGEST_DIRECTORY).ok_or(outside)?;
                let bytes = read_range(&*source, directory_at, length)?;
                let mut hasher = crc32fast::Hasher::new();
                hasher.update(&first);
                hasher.update(&bytes);
                if parse_crc(crc) != Some(hasher.finalize()) {
                    return Err(
                        "the checksum of its directory does not match: it was edited, or the disk changed it".into()
                    );
                }
                let within = from..directory_at;
                parse_directory(&bytes, within, last.index_at, last.documents).map_err(SnapshotError::Invalid)?
            }
            _ => return Err("it has documents but no directory".into()),
        };
        Ok((header, Arc::new(SnapshotBase::new(source, at.to_owned(), sections))))
    }
}

fn parse_error(what: &'static str) -> impl Fn(serde_json::Error) -> SnapshotError {
    move |e| SnapshotError::Invalid(format!("{what} cannot be read ({e})"))
}

fn read_range(source: &dyn RandomAccessFile, at: u64, length: u64) -> Result<Vec<u8>, FsError> {
    // The length is bounded, so the conversion does not fail.
    source.read_at(at, usize::try_from(length).unwrap_or(usize::MAX))
}

/// A part of a snapshot: the documents of a collection, or the entries of one of its indexes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub collection: String,
    pub kind: SectionKind,
    /// The name of the index, for readers of the file.
    pub index: Option<String>,
    /// The declaration that an index was made by.
    pub made_by: Option<String>,
    pub rows: u64,
    pub blocks: Vec<BlockLocation>,
}

/// Location and first key of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockLocation {
    pub at: u64,
    pub bytes: usize,
    pub rows: usize,
    pub crc: u32,
    pub first: Box<[u8]>,
}

/// A line of the directory: with `c` a section, else a block of the section before it.
#[derive(Default, Serialize, Deserialize)]
struct DirectoryLine<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    c: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    index: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    by: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    rows: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    crc: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    first: Option<Cow<'a, str>>,
}

impl Section {
    /// Appends the lines of the section.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let text = |text: &'_ Option<String>| text.clone().map(Cow::Owned);
        let c = Some(Cow::Borrowed(self.collection.as_str()));
        write_line(
            out,
            &DirectoryLine {
                c,
                index: text(&self.index),
                by: text(&self.made_by),
                rows: self.rows,
                ..DirectoryLine::default()
            },
        )?;
        for block in &self.blocks {
            let first = match self.kind {
                SectionKind::Documents => String::from_utf8_lossy(&block.first).into_owned(),
                SectionKind::Entries | SectionKind::Deadlines => hex(&block.first),
            };
            let line = DirectoryLine {
                at: Some(block.at),
                bytes: Some(block.bytes),
                rows: block.rows as u64,
                crc: Some(crc_text(block.crc).into()),
                first: Some(first.into()),
                ..DirectoryLine::default()
            };
            write_line(out, &line)?;
        }
        Ok(())
    }

    fn from_line(line: DirectoryLine<'_>) -> Self {
        let kind = match (&line.by, &line.index) {
            (None, _) => SectionKind::Documents,
            (Some(_), Some(_)) => SectionKind::Entries,
            (Some(_), None) => SectionKind::Deadlines,
        };
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let collection = line.c.unwrap_or_default().into_owned();
        Self {
            collection,
            kind,
            index: owned(line.index),
            made_by: owned(line.by),
            rows: line.rows,
            blocks: Vec::new(),
        }
    }

    fn add_block(&mut self, line: &DirectoryLine<'_>, expected_at: u64) -> Result<u64, String> {
        let wrong = || format!("its directory has no valid entry for the block at byte {expected_at}");
        let first = line.first.as_deref().ok_or_else(wrong)?;
        let first = match self.kind {
            SectionKind::Documents => first.as_bytes().to_vec(),
            SectionKind::Entries | SectionKind::Deadlines => unhex(first).ok_or_else(wrong)?,
        };
        let crc = line.crc.as_deref().and_then(parse_crc).ok_or_else(wrong)?;
        let at = line.at.filter(|at| *at == expected_at).ok_or_else(wrong)?;
        let bytes = line.bytes.filter(|bytes| *bytes > 0).ok_or_else(wrong)?;
        // A row is a line, so there cannot be more rows than bytes.
        let rows = usize::try_from(line.rows).ok().filter(|rows| (1..=bytes).contains(rows)).ok_or_else(wrong)?;
        if self.blocks.last().is_some_and(|last| *last.first >= *first) {
            return Err(format!("the blocks before byte {at} are not in order"));
        }
        self.blocks.push(BlockLocation { at, bytes, rows, crc, first: first.into() });
        at.checked_add(bytes as u64).ok_or_else(wrong)
    }

    fn check_row_count(&self) -> Result<(), String> {
        let rows = self.blocks.iter().fold(0u64, |sum, block| sum.saturating_add(block.rows as u64));
        if rows == self.rows {
            Ok(())
        } else {
            Err(format!("the row count of a part of {} is not that of its blocks", self.collection))
        }
    }
}

/// Parses a directory. Its blocks must fill `within`, and those of indexes must begin at `index_at`. The error says
/// what is wrong.
pub fn parse_directory(
    bytes: &[u8],
    within: Range<u64>,
    index_at: u64,
    documents: u64,
) -> Result<Vec<Section>, String> {
    let mut sections: Vec<Section> = Vec::new();
    let mut at = within.start;
    let mut indexes_from = None;
    for text in bytes.split_inclusive(|b| *b == b'\n') {
        let line: DirectoryLine<'_> =
            serde_json::from_slice(text).map_err(|e| format!("its directory cannot be read ({e})"))?;
        if line.c.is_some() {
            let section = Section::from_line(line);
            if let Some(last) = sections.last() {
                last.check_row_count()?;
                if section.kind == SectionKind::Documents
                    && (last.kind != SectionKind::Documents || last.collection >= section.collection)
                {
                    return Err("the collections in its directory are not in order".to_owned());
                }
            }
            if section.kind != SectionKind::Documents {
                indexes_from.get_or_insert(at);
            }
            sections.push(section);
        } else {
            let section = sections.last_mut().ok_or("its directory begins with a block, not with a part")?;
            at = section.add_block(&line, at)?;
        }
    }
    sections.last().map_or(Ok(()), Section::check_row_count)?;
    let has_documents = |name: &str| sections.iter().any(|s| s.kind == SectionKind::Documents && s.collection == name);
    if let Some(stray) = sections.iter().find(|s| s.rows > 0 && !has_documents(&s.collection)) {
        return Err(format!("its directory has an index of {} but none of its documents", stray.collection));
    }
    let counted =
        sections.iter().filter(|s| s.kind == SectionKind::Documents).fold(0u64, |n, s| n.saturating_add(s.rows));
    if at != within.end || indexes_from.unwrap_or(at) != index_at || counted != documents {
        return Err("its directory does not match its last line".to_owned());
    }
    Ok(sections)
}

/// Returns the text form of a checksum.
pub fn crc_text(crc: u32) -> String {
    hex(&crc.to_be_bytes())
}

/// Parses the text form of a checksum.
pub fn parse_crc(text: &str) -> Option<u32> {
    let bytes: [u8; 4] = unhex(text)?.try_into().ok()?;
    Some(u32::from_be_bytes(bytes))
}
