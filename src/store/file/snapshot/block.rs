//! A block of a snapshot: its bytes, checked, and its rows, each parsed when it is asked for first. And the blocks that were used last.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::directory::BlockAt;
use super::line::{Kind, Row};

/// A block that was read.
pub struct Block<T> {
    /// Where it is in the file.
    at: u64,
    raw: Vec<u8>,
    rows: Vec<(usize, OnceLock<T>)>,
    kind: Kind,
    collection: Arc<str>,
    /// Bytes of the lines that are parsed.
    parsed: AtomicUsize,
}

/// What is wrong with a block, and at which byte of the file.
pub type Flaw = (u64, String);

/// Which block of which part.
pub type Place = (usize, usize);

impl<T: Row> Block<T> {
    /// Takes the bytes of a block of a collection, and holds them against what the directory says.
    pub fn new(raw: Vec<u8>, says: &BlockAt, kind: Kind, collection: Arc<str>) -> Result<Self, Flaw> {
        let (at, rows) = (says.at, says.rows);
        if crc32fast::hash(&raw) != says.crc {
            return Err((at, "its checksum does not fit: it was edited, or the disk changed it".to_owned()));
        }
        let mut starts = Vec::with_capacity(rows);
        let mut start = 0;
        for line in raw.split_inclusive(|b| *b == b'\n') {
            starts.push((start, OnceLock::new()));
            start += line.len();
        }
        if starts.len() != rows {
            return Err((at, format!("it has {} rows and should have {rows}", starts.len())));
        }
        let block = Self { at, raw, rows: starts, kind, collection, parsed: AtomicUsize::new(0) };
        match block.key(0).transpose()? {
            Some(first) if *first == *says.first => Ok(block),
            _ => Err((at, "it does not begin with what the directory says".to_owned())),
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row at a place. None: there are fewer.
    pub fn row(&self, at: usize) -> Option<Result<&T, Flaw>> {
        let (start, parsed) = self.rows.get(at)?;
        if let Some(row) = parsed.get() {
            return Some(Ok(row));
        }
        let line = self.line(at);
        match T::parse(line, self.kind, &self.collection) {
            Ok(row) => {
                self.parsed.fetch_add(line.len(), Ordering::Relaxed);
                Some(Ok(parsed.get_or_init(|| row)))
            }
            Err(why) => Some(Err((self.at.saturating_add(*start as u64), why))),
        }
    }

    /// The key of the row at a place; the rest of the row is not parsed. None: there are fewer.
    fn key(&self, at: usize) -> Option<Result<Cow<'_, [u8]>, Flaw>> {
        let (start, parsed) = self.rows.get(at)?;
        if let Some(row) = parsed.get() {
            return Some(Ok(Cow::Borrowed(row.key())));
        }
        Some(T::parse_key(self.line(at), self.kind).map_err(|why| (self.at.saturating_add(*start as u64), why)))
    }

    fn line(&self, at: usize) -> &[u8] {
        let start = self.rows.get(at).map_or(self.raw.len(), |(start, _)| *start);
        let end = self.rows.get(at + 1).map_or(self.raw.len(), |(next, _)| *next);
        self.raw.get(start..end).unwrap_or_default()
    }

    /// How many rows at the beginning have a key for which this holds.
    pub fn partition(&self, holds: impl Fn(&[u8]) -> bool) -> Result<usize, Flaw> {
        let (mut low, mut high) = (0, self.rows.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(key) = self.key(middle) else { break };
            if holds(&key?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn weight(&self) -> usize {
        // A parsed row takes some three times what its text does.
        let parsed = 3 * self.parsed.load(Ordering::Relaxed);
        self.raw.len() + parsed + self.rows.len() * size_of::<(usize, OnceLock<T>)>() + 256
    }
}

/// Blocks that were used last, up to so many bytes.
pub struct Cache<T> {
    used: Mutex<Used<T>>,
    bytes: usize,
}

struct Used<T> {
    blocks: HashMap<Place, Kept<T>>,
    weight: usize,
    clock: u64,
}

struct Kept<T> {
    block: Arc<Block<T>>,
    used: u64,
    /// As it was counted; it grows with the rows that are parsed.
    weight: usize,
}

impl<T: Row> Cache<T> {
    pub fn of(bytes: usize) -> Self {
        Self { used: Mutex::new(Used { blocks: HashMap::new(), weight: 0, clock: 0 }), bytes }
    }

    /// The block at a place.
    pub fn get(&self, place: Place) -> Option<Arc<Block<T>>> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.clock += 1;
        let clock = used.clock;
        let kept = used.blocks.get_mut(&place)?;
        kept.used = clock;
        let block = kept.block.clone();
        let weight = block.weight();
        let before = std::mem::replace(&mut kept.weight, weight);
        used.weight += weight.saturating_sub(before);
        used.shrink(self.bytes);
        Some(block)
    }

    /// Keeps a block, and lets those go that were not used for longest.
    pub fn put(&self, place: Place, block: &Arc<Block<T>>) {
        let weight = block.weight();
        if weight > self.bytes / 2 {
            return;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.clock += 1;
        let kept = Kept { block: block.clone(), used: used.clock, weight };
        used.weight += weight;
        if let Some(replaced) = used.blocks.insert(place, kept) {
            used.weight -= replaced.weight;
        }
        used.shrink(self.bytes);
    }
}

impl<T> Used<T> {
    /// Lets blocks go that were not used for longest, down to so many bytes.
    fn shrink(&mut self, bytes: usize) {
        while self.weight > bytes {
            let oldest = self.blocks.iter().min_by_key(|(_, kept)| kept.used).map(|(place, _)| *place);
            let Some(gone) = oldest.and_then(|place| self.blocks.remove(&place)) else { break };
            self.weight -= gone.weight;
        }
    }
}
