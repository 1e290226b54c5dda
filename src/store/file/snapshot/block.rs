//! A block of a snapshot: its bytes, checked, and its rows, each parsed when it is asked for first. And the blocks that were used last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::line::{Kind, Row};

/// A block that was read.
pub struct Block<T> {
    raw: Vec<u8>,
    rows: Vec<(usize, OnceLock<T>)>,
    kind: Kind,
    collection: Arc<str>,
}

/// What is wrong with a block, and at which of its bytes.
pub type Flaw = (usize, String);

impl<T: Row> Block<T> {
    /// Takes the bytes of a block of so many rows.
    pub fn new(raw: Vec<u8>, rows: usize, crc: u32, kind: Kind, collection: Arc<str>) -> Result<Self, Flaw> {
        if crc32fast::hash(&raw) != crc {
            return Err((0, "its checksum does not fit: it was edited, or the disk changed it".to_owned()));
        }
        let mut starts = Vec::with_capacity(rows);
        let mut at = 0;
        for line in raw.split_inclusive(|b| *b == b'\n') {
            starts.push((at, OnceLock::new()));
            at += line.len();
        }
        if starts.len() != rows {
            return Err((0, format!("it has {} rows and should have {rows}", starts.len())));
        }
        Ok(Self { raw, rows: starts, kind, collection })
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
        let end = self.rows.get(at + 1).map_or(self.raw.len(), |(next, _)| *next);
        let line = self.raw.get(*start..end).unwrap_or_default();
        match T::parse(line, self.kind, &self.collection) {
            Ok(row) => Some(Ok(parsed.get_or_init(|| row))),
            Err(why) => Some(Err((*start, why))),
        }
    }

    /// How many rows at the beginning have a key for which this holds.
    pub fn partition(&self, holds: impl Fn(&[u8]) -> bool) -> Result<usize, Flaw> {
        let (mut low, mut high) = (0, self.rows.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(row) = self.row(middle) else { break };
            if holds(row?.key()) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn weight(&self) -> usize {
        // Parsed rows weigh some three times what their text does; a row that is not parsed yet has its place.
        self.raw.len() * 4 + self.rows.len() * size_of::<(usize, OnceLock<T>)>() + 256
    }
}

/// Blocks that were used last, up to so many bytes.
pub struct Cache<T> {
    used: Mutex<Used<T>>,
    bytes: usize,
}

struct Used<T> {
    blocks: HashMap<(usize, usize), (Arc<Block<T>>, u64)>,
    weight: usize,
    clock: u64,
}

impl<T: Row> Cache<T> {
    pub fn of(bytes: usize) -> Self {
        Self { used: Mutex::new(Used { blocks: HashMap::new(), weight: 0, clock: 0 }), bytes }
    }

    /// The block at a place.
    pub fn get(&self, place: (usize, usize)) -> Option<Arc<Block<T>>> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.clock += 1;
        let clock = used.clock;
        let (block, last) = used.blocks.get_mut(&place)?;
        *last = clock;
        Some(block.clone())
    }

    /// Keeps a block, and lets those go that were not used for longest.
    pub fn put(&self, place: (usize, usize), block: &Arc<Block<T>>) {
        let weight = block.weight();
        if weight > self.bytes / 2 {
            return;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.clock += 1;
        let clock = used.clock;
        used.weight += weight;
        if let Some((replaced, _)) = used.blocks.insert(place, (block.clone(), clock)) {
            used.weight -= replaced.weight();
        }
        while used.weight > self.bytes {
            let oldest = used.blocks.iter().min_by_key(|(_, (_, last))| *last).map(|(place, _)| *place);
            let Some((gone, _)) = oldest.and_then(|place| used.blocks.remove(&place)) else { break };
            used.weight -= gone.weight();
        }
    }
}
