//! The heap: pages of 64 entries, shared between copies of a machine and copied on the first write.
//!
//! Where the next entry goes depends only on what a snapshot holds (which places are free, and two cursors), so that a
//! machine restored from its snapshot and one that never slept do the same ever after. Collection is in `collect.rs`, what
//! an entry can be in `entry.rs`.

use std::sync::Arc;

use super::entry::Entry;
use super::value::HeapRef;

/// Entries of a page.
pub const PAGE: u32 = 64;

/// Chunks (parts of a large container) that share a page: few, so that one changed element writes little.
pub const CHUNKS_PER_PAGE: u32 = 4;

/// What a page holds. Chunks and other entries never share one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Empty,
    Small,
    Chunks,
}

#[derive(Clone)]
enum Store {
    /// Perhaps held by another copy of the machine too.
    Shared(Arc<Vec<Entry>>),
    /// Ours alone, and dirty.
    Owned(Vec<Entry>),
}

#[derive(Clone)]
struct Page {
    store: Store,
    kind: Kind,
    live: u8,
    dirty: bool,
    /// What its entries weigh; exact when the heap is sealed.
    weight: u64,
}

/// Places for what references point to.
#[derive(Clone)]
pub struct Heap {
    pages: Vec<Page>,
    /// Pages that are `Owned`.
    owned: Vec<u32>,
    /// Where the search for a free place goes on: for entries, and for chunks.
    pub(super) cursors: [u32; 2],
    /// Bytes allocated since the last collection.
    pub(super) allocated: u64,
    /// Bytes that the last collection left.
    pub(super) live: u64,
    /// Bytes of text that concatenations repeated since the last collection: a rope shares them with its left half, but
    /// once somebody looks inside, they are there twice.
    pub(super) claimed: u64,
    /// Bytes that may be in use.
    pub(super) limit: u64,
}

static FREE: Entry = Entry::Free;

impl Page {
    fn entries(&self) -> &[Entry] {
        match &self.store {
            Store::Shared(entries) => entries,
            Store::Owned(entries) => entries,
        }
    }

    fn of(entries: Vec<Entry>) -> Page {
        let live = entries.iter().filter(|e| !matches!(e, Entry::Free)).count() as u8;
        let kind = match live {
            0 => Kind::Empty,
            _ if entries.iter().any(Entry::is_chunk) => Kind::Chunks,
            _ => Kind::Small,
        };
        let weight = weight_of(&entries);
        Page { store: Store::Shared(Arc::new(entries)), kind, live, dirty: false, weight }
    }
}

impl Default for Heap {
    fn default() -> Heap {
        // Place 0 belongs to nobody: the search begins behind it.
        Heap {
            pages: Vec::new(),
            owned: Vec::new(),
            cursors: [1, 1],
            allocated: 0,
            live: 0,
            claimed: 0,
            limit: 1 << 40,
        }
    }
}

impl Heap {
    /// The entry at a place; `Entry::Free` where there is none.
    #[inline]
    pub fn get(&self, at: HeapRef) -> &Entry {
        match self.pages.get((at.0 / PAGE) as usize) {
            Some(page) => page.entries().get((at.0 % PAGE) as usize).unwrap_or(&FREE),
            None => &FREE,
        }
    }

    /// The entry at a place, to be changed. `None` where there is none.
    #[inline]
    pub fn get_mut(&mut self, at: HeapRef) -> Option<&mut Entry> {
        let number = at.0 / PAGE;
        let page = self.pages.get_mut(number as usize)?;
        if let Store::Shared(_) = page.store {
            own(page, number, &mut self.owned);
        }
        match &mut page.store {
            Store::Owned(entries) => entries.get_mut((at.0 % PAGE) as usize),
            Store::Shared(_) => None,
        }
    }

    /// Puts an entry into a free place.
    pub fn allocate(&mut self, entry: Entry) -> HeapRef {
        self.allocated += entry.weight();
        let kind = if entry.is_chunk() { Kind::Chunks } else { Kind::Small };
        let at = self.free_place(kind);
        let number = at.0 / PAGE;
        if let Some(page) = self.pages.get_mut(number as usize) {
            if let Store::Shared(_) = page.store {
                own(page, number, &mut self.owned);
            }
            page.kind = kind;
            page.live += 1;
            if let Store::Owned(entries) = &mut page.store {
                let slot = (at.0 % PAGE) as usize;
                if slot < entries.len() {
                    entries[slot] = entry;
                } else {
                    entries.resize_with(slot, || Entry::Free);
                    entries.push(entry);
                }
            }
        }
        at
    }

    fn free_place(&mut self, kind: Kind) -> HeapRef {
        let cursor = &mut self.cursors[usize::from(kind == Kind::Chunks)];
        loop {
            let number = (*cursor / PAGE) as usize;
            let Some(page) = self.pages.get(number) else {
                self.pages.push(Page {
                    store: Store::Owned(Vec::with_capacity(
                        if kind == Kind::Chunks { CHUNKS_PER_PAGE } else { PAGE } as usize
                    )),
                    kind,
                    live: 0,
                    dirty: true,
                    weight: 0,
                });
                self.owned.push(number as u32);
                continue;
            };
            let fits = page.kind == kind || page.kind == Kind::Empty;
            let first = u32::from(number == 0);
            let capacity = if kind == Kind::Chunks { CHUNKS_PER_PAGE } else { PAGE };
            if fits && u32::from(page.live) + first < capacity {
                let entries = page.entries();
                let mut slot = (*cursor % PAGE).max(first);
                while slot < capacity {
                    if entries.get(slot as usize).is_none_or(|e| matches!(e, Entry::Free)) {
                        *cursor = number as u32 * PAGE + slot + 1;
                        return HeapRef(number as u32 * PAGE + slot);
                    }
                    slot += 1;
                }
            }
            *cursor = (number as u32 + 1) * PAGE;
        }
    }

    /// Empties a place at once; only for parts that nothing but their container can point to.
    pub fn free(&mut self, at: HeapRef) {
        if let Some(entry) = self.get_mut(at)
            && !matches!(entry, Entry::Free)
        {
            *entry = Entry::Free;
            if let Some(page) = self.pages.get_mut((at.0 / PAGE) as usize) {
                page.live -= 1;
                if page.live == 0 {
                    page.kind = Kind::Empty;
                }
            }
        }
    }

    /// Counts bytes that grew inside an entry.
    #[inline]
    pub fn charge(&mut self, bytes: u64) {
        self.allocated += bytes;
    }

    /// Counts bytes that a rope shares with its left half.
    #[inline]
    pub fn claim(&mut self, bytes: u64) {
        self.claimed += bytes;
    }

    /// Bytes that all pages take, garbage included. The heap is sealed.
    pub fn weight(&self) -> u64 {
        self.pages.iter().map(|page| page.weight).sum()
    }

    /// Empties every page.
    pub fn clear(&mut self) {
        self.seal();
        for page in &mut self.pages {
            page.dirty |= page.live > 0;
            page.store = Store::Shared(Arc::new(Vec::new()));
            (page.kind, page.live, page.weight) = (Kind::Empty, 0, 0);
        }
        self.cursors = [1, 1];
        (self.allocated, self.live, self.claimed) = (0, 0, 0);
    }

    /// Number of pages.
    pub fn page_count(&self) -> u32 {
        self.pages.len() as u32
    }

    /// The entries of a page.
    pub fn page(&self, number: u32) -> &[Entry] {
        self.pages.get(number as usize).map_or(&[], Page::entries)
    }

    /// Number of entries that live.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.pages.iter().map(|p| usize::from(p.live)).sum()
    }

    /// All that a snapshot keeps beside the pages.
    #[cfg(test)]
    pub fn counters(&self) -> [(&'static str, u64); 6] {
        let Heap { cursors: [small, chunks], allocated, live, claimed, limit, pages: _, owned: _ } = self;
        [
            ("heap.cursor of entries", u64::from(*small)),
            ("heap.cursor of chunks", u64::from(*chunks)),
            ("heap.allocated", *allocated),
            ("heap.live", *live),
            ("heap.claimed", *claimed),
            ("heap.limit", *limit),
        ]
    }

    /// Makes all pages shareable again, so that a copy costs nothing, and weighs those that changed.
    pub fn seal(&mut self) {
        for number in std::mem::take(&mut self.owned) {
            if let Some(page) = self.pages.get_mut(number as usize)
                && let Store::Owned(entries) = &mut page.store
            {
                page.weight = weight_of(entries);
                page.store = Store::Shared(Arc::new(std::mem::take(entries)));
            }
        }
    }

    /// Pages changed since [`Heap::mark_clean`].
    pub fn dirty_pages(&self) -> Vec<u32> {
        (0u32..).zip(&self.pages).filter(|(_, page)| page.dirty).map(|(number, _)| number).collect()
    }

    /// What the pages weigh that changed since [`Heap::mark_clean`]. The heap is sealed.
    pub fn dirty_weight(&self) -> u64 {
        self.pages.iter().filter(|page| page.dirty).map(|page| page.weight).sum()
    }

    /// Forgets what changed.
    pub fn mark_clean(&mut self) {
        self.seal();
        for page in &mut self.pages {
            page.dirty = false;
        }
    }

    /// A heap of these pages.
    pub fn from_pages(pages: Vec<Vec<Entry>>) -> Heap {
        Heap { pages: pages.into_iter().map(Page::of).collect(), ..Heap::default() }
    }
}

fn weight_of(entries: &[Entry]) -> u64 {
    entries.iter().filter(|entry| !matches!(entry, Entry::Free)).map(Entry::weight).sum()
}

/// Takes the entries out of their shared form, or copies them where another machine still holds them.
#[cold]
fn own(page: &mut Page, number: u32, owned: &mut Vec<u32>) {
    if let Store::Shared(shared) = &mut page.store {
        let capacity = if page.kind == Kind::Chunks { CHUNKS_PER_PAGE } else { PAGE } as usize;
        let entries = match Arc::get_mut(shared) {
            Some(entries) => std::mem::take(entries),
            None => {
                let mut copy = Vec::with_capacity(capacity);
                copy.extend_from_slice(shared);
                copy
            }
        };
        page.store = Store::Owned(entries);
        page.dirty = true;
        owned.push(number);
    }
}
