//! The directory of a snapshot: which parts it has, and where their blocks are. Nothing that it says is taken on trust.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::line::{Kind, write_line};
use crate::id::{hex, unhex};
use crate::store::Error;

/// One part: the documents of a collection, or the entries of one of its indexes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub collection: String,
    pub kind: Kind,
    /// The name of the index, for people.
    pub index: Option<String>,
    /// The declaration that an index was made by.
    pub made_by: Option<String>,
    pub rows: u64,
    pub blocks: Vec<BlockAt>,
}

/// Where a block is and what it begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockAt {
    pub at: u64,
    pub bytes: usize,
    pub rows: usize,
    pub crc: u32,
    pub first: Box<[u8]>,
}

/// A line of the directory: with `c` a part, else a block of the part before it.
#[derive(Default, Serialize, Deserialize)]
struct Line<'a> {
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
    /// Appends its lines.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let text = |text: &'_ Option<String>| text.clone().map(Cow::Owned);
        let c = Some(Cow::Borrowed(self.collection.as_str()));
        write_line(
            out,
            &Line { c, index: text(&self.index), by: text(&self.made_by), rows: self.rows, ..Line::default() },
        )?;
        for block in &self.blocks {
            let first = match self.kind {
                Kind::Documents => String::from_utf8_lossy(&block.first).into_owned(),
                Kind::Entries | Kind::Deadlines => hex(&block.first),
            };
            let line = Line {
                at: Some(block.at),
                bytes: Some(block.bytes),
                rows: block.rows as u64,
                crc: Some(crc_text(block.crc).into()),
                first: Some(first.into()),
                ..Line::default()
            };
            write_line(out, &line)?;
        }
        Ok(())
    }

    fn begin(line: Line<'_>) -> Self {
        let kind = match (&line.by, &line.index) {
            (None, _) => Kind::Documents,
            (Some(_), Some(_)) => Kind::Entries,
            (Some(_), None) => Kind::Deadlines,
        };
        let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let collection = line.c.unwrap_or_default().into_owned();
        Self { collection, kind, index: own(line.index), made_by: own(line.by), rows: line.rows, blocks: Vec::new() }
    }

    fn add(&mut self, line: &Line<'_>, expected_at: u64) -> Result<u64, String> {
        let wrong = || format!("its directory says nothing that fits of the block at byte {expected_at}");
        let first = line.first.as_deref().ok_or_else(wrong)?;
        let first = match self.kind {
            Kind::Documents => first.as_bytes().to_vec(),
            Kind::Entries | Kind::Deadlines => unhex(first).ok_or_else(wrong)?,
        };
        let crc = line.crc.as_deref().and_then(crc_of).ok_or_else(wrong)?;
        let at = line.at.filter(|at| *at == expected_at).ok_or_else(wrong)?;
        let bytes = line.bytes.filter(|bytes| *bytes > 0).ok_or_else(wrong)?;
        // A row is a line, so there cannot be more of them than bytes.
        let rows = usize::try_from(line.rows).ok().filter(|rows| (1..=bytes).contains(rows)).ok_or_else(wrong)?;
        if self.blocks.last().is_some_and(|last| *last.first >= *first) {
            return Err(format!("the blocks before byte {at} are not in order"));
        }
        self.blocks.push(BlockAt { at, bytes, rows, crc, first: first.into() });
        at.checked_add(bytes as u64).ok_or_else(wrong)
    }

    fn end(&self) -> Result<(), String> {
        let rows = self.blocks.iter().fold(0u64, |sum, block| sum.saturating_add(block.rows as u64));
        if rows == self.rows {
            Ok(())
        } else {
            Err(format!("a part of {} has not the rows that it says", self.collection))
        }
    }
}

/// Reads a directory whose blocks must fill `within`, those of indexes beginning at `index_at`; the error says what is wrong.
pub fn read(bytes: &[u8], within: Range<u64>, index_at: u64, documents: u64) -> Result<Vec<Section>, String> {
    let mut sections: Vec<Section> = Vec::new();
    let mut at = within.start;
    let mut indexes_from = None;
    for text in bytes.split_inclusive(|b| *b == b'\n') {
        let line: Line<'_> = serde_json::from_slice(text).map_err(|e| format!("its directory cannot be read ({e})"))?;
        if line.c.is_some() {
            let section = Section::begin(line);
            if let Some(last) = sections.last() {
                last.end()?;
                if section.kind == Kind::Documents
                    && (last.kind != Kind::Documents || last.collection >= section.collection)
                {
                    return Err("the collections in its directory are not in order".to_owned());
                }
            }
            if section.kind != Kind::Documents {
                indexes_from.get_or_insert(at);
            }
            sections.push(section);
        } else {
            let section = sections.last_mut().ok_or("its directory begins with a block of nothing")?;
            at = section.add(&line, at)?;
        }
    }
    sections.last().map_or(Ok(()), Section::end)?;
    let has_documents = |name: &str| sections.iter().any(|s| s.kind == Kind::Documents && s.collection == name);
    if let Some(stray) = sections.iter().find(|s| s.rows > 0 && !has_documents(&s.collection)) {
        return Err(format!("its directory has an index of {} and no documents of it", stray.collection));
    }
    let counted = sections.iter().filter(|s| s.kind == Kind::Documents).fold(0u64, |n, s| n.saturating_add(s.rows));
    if at != within.end || indexes_from.unwrap_or(at) != index_at || counted != documents {
        return Err("its directory does not fit its last line".to_owned());
    }
    Ok(sections)
}

/// A checksum as it is written.
pub fn crc_text(crc: u32) -> String {
    hex(&crc.to_be_bytes())
}

/// The checksum that a text stands for.
pub fn crc_of(text: &str) -> Option<u32> {
    let bytes: [u8; 4] = unhex(text)?.try_into().ok()?;
    Some(u32::from_be_bytes(bytes))
}
