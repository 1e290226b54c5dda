//! The rows of one section of a new snapshot: the lines of the base, copied as they are, and the rows that changed
//! since. Unchanged rows are not parsed, so a snapshot costs little more than copying its file.
//!
//! Known as: compaction of a log-structured merge tree.

use std::ops::Bound;

use runstate_store::StoreError;
use runstate_store::tables::strip_id;

use super::base::SnapshotBase;
use super::block::{EntryRow, Flaw, RawBlock, SectionKind, SnapshotRow as _};

/// A block that is being written.
#[derive(Default)]
pub struct BlockBuffer {
    pub bytes: Vec<u8>,
    pub rows: usize,
    /// Its first key.
    pub first: Box<[u8]>,
}

impl BlockBuffer {
    fn add_rows(&mut self, first: &[u8], rows: usize) {
        if self.rows == 0 {
            self.first = first.into();
        }
        self.rows += rows;
    }
}

/// A row that changed since the base.
pub struct RowChange<'a, R> {
    pub key: &'a [u8],
    /// `None`: the row was deleted.
    pub row: Option<R>,
}

/// The progress of a merge.
#[derive(Default)]
pub struct SectionMerge {
    /// The next block of the base.
    next: usize,
    /// The block of the base that is being copied, and its first row that is not copied.
    current: Option<(RawBlock, usize)>,
    /// The key of the last change that was taken.
    changed: Option<Vec<u8>>,
    /// The check of a unique index.
    unique: Option<UniqueCheck>,
}

impl SectionMerge {
    /// Creates a merge of a unique index, which looks for duplicate entries.
    pub fn of_unique_index() -> Self {
        Self { unique: Some(UniqueCheck::default()), ..Self::default() }
    }

    /// Whether two documents share an entry of a unique index.
    pub fn has_duplicates(&self) -> bool {
        self.unique.as_ref().is_some_and(|unique| unique.found)
    }

    /// Returns where the changes begin that were not taken.
    pub fn changes_from(&self) -> Bound<&[u8]> {
        self.changed.as_deref().map_or(Bound::Unbounded, Bound::Excluded)
    }

    /// Returns the next rows, at least `min_bytes` of them unless they are the last ones. `base` is the section of the
    /// base, if there is one. `changes` begin at [`Self::changes_from`].
    pub fn next_block<'a, R>(
        &mut self,
        base: Option<(&SnapshotBase, usize)>,
        changes: impl Iterator<Item = RowChange<'a, R>>,
        min_bytes: u64,
        write_line: impl Fn(&mut Vec<u8>, R) -> Result<(), StoreError>,
    ) -> Result<BlockBuffer, StoreError> {
        let mut out = BlockBuffer::default();
        let mut changes = changes.peekable();
        while (out.bytes.len() as u64) < min_bytes {
            let change = changes.peek();
            if let Some((base, number)) = base {
                let flawed = |flaw| base.corrupt_error(flaw);
                if self.current.is_none() {
                    self.current = base.read_raw_block(number, self.next)?.map(|block| (block, 0));
                    self.next += 1;
                }
                let copied = change.map(|change| change.key);
                if self.copy_rows(&mut out, copied).map_err(flawed)? {
                    continue;
                }
            }
            let Some(RowChange { key, row }) = changes.next() else { break };
            if let Some(row) = row {
                out.add_rows(key, 1);
                let begin = out.bytes.len();
                write_line(&mut out.bytes, row)?;
                if let (Some(unique), Some(line)) = (&mut self.unique, out.bytes.get(begin..)) {
                    unique.add_lines(line, line);
                }
            }
            self.changed = Some(key.to_vec());
        }
        Ok(out)
    }

    /// Copies the rows of the current block before the next change. Returns whether there were any. The row that the
    /// change replaces is passed.
    fn copy_rows(&mut self, out: &mut BlockBuffer, change: Option<&[u8]>) -> Result<bool, Flaw> {
        let Some((block, row)) = &mut self.current else { return Ok(false) };
        let until = change.map_or(Ok(block.len()), |key| block.rows_before(*row, key))?;
        let found = block.key(*row).transpose()?.unwrap_or_default();
        let has_rows = *row < until;
        if has_rows {
            out.add_rows(&found, until - *row);
            out.bytes.extend_from_slice(block.lines(*row..until));
            if let Some(unique) = &mut self.unique {
                unique.add_lines(block.lines(*row..*row + 1), block.lines(until - 1..until));
            }
            *row = until;
        } else if change.is_some_and(|key| *found == *key) {
            *row += 1;
        }
        if *row == block.len() {
            self.current = None;
        }
        Ok(has_rows)
    }
}

/// Compares the entries of neighbouring rows. Rows of the base have no duplicates among themselves.
#[derive(Default)]
struct UniqueCheck {
    last: Option<Vec<u8>>,
    found: bool,
}

impl UniqueCheck {
    /// Adds rows, of which these are the first and the last line.
    fn add_lines(&mut self, first: &[u8], last: &[u8]) {
        let entry = |line| {
            let (key, id) = EntryRow::parse(line, SectionKind::Entries, "").ok()?;
            Some(strip_id(&key, &id).to_vec())
        };
        self.found |= self.last.is_some() && entry(first) == self.last;
        self.last = entry(last);
    }
}
