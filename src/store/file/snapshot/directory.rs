//! The directory of a snapshot: its sections and the location of their blocks. Each entry is validated.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::line::{SectionKind, write_line};
use crate::id::{hex, unhex};
use crate::store::StoreError;

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

/// A line of the directory: with `c` a part, else a block of the part before it.
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
        let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let collection = line.c.unwrap_or_default().into_owned();
        Self { collection, kind, index: own(line.index), made_by: own(line.by), rows: line.rows, blocks: Vec::new() }
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
pub fn read(bytes: &[u8], within: Range<u64>, index_at: u64, documents: u64) -> Result<Vec<Section>, String> {
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
