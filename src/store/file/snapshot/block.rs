//! A block of a snapshot, whose checksum is verified and whose rows are parsed on first use, and the cache of recently
//! used blocks.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::directory::BlockLocation;
use super::line::{SectionKind, SnapshotRow};

/// A block in memory.
pub struct Block<T> {
    /// Offset in the file.
    at: u64,
    raw: Vec<u8>,
    rows: Vec<(usize, OnceLock<T>)>,
    kind: SectionKind,
    collection: Arc<str>,
    /// Bytes of the parsed lines.
    parsed: AtomicUsize,
}

/// Damage of a block, with its offset in the file.
pub type Flaw = (u64, String);

/// Section and index of a block.
pub type BlockId = (usize, usize);

impl<T: SnapshotRow> Block<T> {
    /// Checks the bytes of a block against its entry in the directory.
    pub fn new(raw: Vec<u8>, says: &BlockLocation, kind: SectionKind, collection: Arc<str>) -> Result<Self, Flaw> {
        let (at, rows) = (says.at, says.rows);
        if crc32fast::hash(&raw) != says.crc {
            return Err((at, "its checksum does not match: it was edited, or the disk changed it".to_owned()));
        }
        let mut starts = Vec::with_capacity(rows);
        let mut start = 0;
        for line in raw.split_inclusive(|b| *b == b'\n') {
            starts.push((start, OnceLock::new()));
            start += line.len();
        }
        if starts.len() != rows {
            return Err((at, format!("it has {} rows, but the directory says {rows}", starts.len())));
        }
        let block = Self { at, raw, rows: starts, kind, collection, parsed: AtomicUsize::new(0) };
        match block.key(0).transpose()? {
            Some(first) if *first == *says.first => Ok(block),
            _ => Err((at, "its first key is not the one in the directory".to_owned())),
        }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns the row at an index; `None` if there are fewer rows.
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

    /// Returns the key of the row at an index, without parsing the rest of the row; `None` if there are fewer rows.
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

    /// Returns the number of leading rows whose key satisfies `holds`.
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
        // A parsed row takes about three times the memory of its text.
        let parsed = 3 * self.parsed.load(Ordering::Relaxed);
        self.raw.len() + parsed + self.rows.len() * size_of::<(usize, OnceLock<T>)>() + 256
    }
}

/// A cache of the most recently used blocks, up to a number of bytes.
pub struct BlockCache<T> {
    state: Mutex<BlockCacheState<T>>,
    bytes: usize,
}

struct BlockCacheState<T> {
    blocks: HashMap<BlockId, CachedBlock<T>>,
    weight: usize,
    clock: u64,
}

struct CachedBlock<T> {
    block: Arc<Block<T>>,
    last_used: u64,
    /// The counted weight. The real one grows with each parsed row.
    weight: usize,
}

impl<T: SnapshotRow> BlockCache<T> {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { state: Mutex::new(BlockCacheState { blocks: HashMap::new(), weight: 0, clock: 0 }), bytes }
    }

    /// Returns a cached block.
    pub fn get(&self, place: BlockId) -> Option<Arc<Block<T>>> {
        let mut used = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        used.clock += 1;
        let clock = used.clock;
        let kept = used.blocks.get_mut(&place)?;
        kept.last_used = clock;
        let block = kept.block.clone();
        let weight = block.weight();
        let before = std::mem::replace(&mut kept.weight, weight);
        used.weight += weight.saturating_sub(before);
        used.shrink(self.bytes);
        Some(block)
    }

    /// Caches a block and evicts the least recently used ones.
    pub fn put(&self, place: BlockId, block: &Arc<Block<T>>) {
        let weight = block.weight();
        if weight > self.bytes / 2 {
            return;
        }
        let mut used = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        used.clock += 1;
        let kept = CachedBlock { block: block.clone(), last_used: used.clock, weight };
        used.weight += weight;
        if let Some(replaced) = used.blocks.insert(place, kept) {
            used.weight -= replaced.weight;
        }
        used.shrink(self.bytes);
    }
}

impl<T> BlockCacheState<T> {
    /// Evicts the least recently used blocks, down to so many bytes.
    fn shrink(&mut self, bytes: usize) {
        while self.weight > bytes {
            let oldest = self.blocks.iter().min_by_key(|(_, kept)| kept.last_used).map(|(place, _)| *place);
            let Some(gone) = oldest.and_then(|place| self.blocks.remove(&place)) else { break };
            self.weight -= gone.weight;
        }
    }
}
