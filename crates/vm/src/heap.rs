//! The heap: pages of 64 entries, shared between copies of a machine and copied on the first write.
//!
//! The next free slot depends only on the content of a snapshot: the free slots and two cursors. A restored machine
//! and one that was never stopped therefore allocate the same addresses. `entry.rs` defines the entries.
//!
//! Garbage collection marks the entries that the stack and the frames reach, and frees the rest. It runs between two
//! instructions, when more bytes were allocated since the last collection than that collection left in use.

use std::sync::Arc;

use super::abrupt_completion::AbruptCompletion;
use super::callback::NativeFrame;
use super::entry::Entry;
use super::frame::{CallKind, Frame};
use super::limits::ExceededLimit;
use super::machine::{Machine, StopReason};
use super::machine_tasks::{MachineTasks, ProgramTask};
use super::value::{HeapRef, Value};
use super::{abrupt_completion, coroutine};

/// Entries per page.
pub const ENTRIES_PER_PAGE: u32 = 64;

/// Chunks (parts of a large container) per page: few, so that a change of one element writes little.
pub const CHUNKS_PER_PAGE: u32 = 4;

/// The kind of entries in a page. Chunks and other entries never share a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PageKind {
    Empty,
    Small,
    Chunks,
}

#[derive(Clone)]
enum PageEntries {
    /// Another copy of the machine may hold the page too.
    Shared(Arc<Vec<Entry>>),
    /// Only this heap holds the page, and the page is dirty.
    Owned(Vec<Entry>),
}

#[derive(Clone)]
struct HeapPage {
    store: PageEntries,
    kind: PageKind,
    live: u8,
    dirty: bool,
    /// Weight of its entries; exact when the heap is sealed.
    weight: u64,
}

/// The entries that references point to.
#[derive(Clone)]
pub struct Heap {
    pages: Vec<HeapPage>,
    /// Pages that are `Owned`.
    owned: Vec<u32>,
    /// Where the search for a free slot continues: for entries, and for chunks.
    pub(super) cursors: [u32; 2],
    /// Bytes allocated since the last collection.
    pub(super) allocated: u64,
    /// Bytes that the last collection left in use.
    pub(super) live: u64,
    /// Bytes of text that concatenations repeated since the last collection. A rope shares them with its left half, but
    /// a read of its units copies them.
    pub(super) shared_text_bytes: u64,
    /// Most bytes in use.
    pub(super) limit: u64,
}

static FREE: Entry = Entry::Free;

impl HeapPage {
    fn entries(&self) -> &[Entry] {
        match &self.store {
            PageEntries::Shared(entries) => entries,
            PageEntries::Owned(entries) => entries,
        }
    }

    fn from_entries(entries: Vec<Entry>) -> HeapPage {
        let live = entries.iter().filter(|e| !matches!(e, Entry::Free)).count() as u8;
        let kind = match live {
            0 => PageKind::Empty,
            _ if entries.iter().any(Entry::is_chunk) => PageKind::Chunks,
            _ => PageKind::Small,
        };
        let weight = entries_weight(&entries);
        HeapPage { store: PageEntries::Shared(Arc::new(entries)), kind, live, dirty: false, weight }
    }
}

impl Default for Heap {
    fn default() -> Heap {
        // Address 0 is never used: the search starts after it.
        Heap {
            pages: Vec::new(),
            owned: Vec::new(),
            cursors: [1, 1],
            allocated: 0,
            live: 0,
            shared_text_bytes: 0,
            limit: 1 << 40,
        }
    }
}

impl Heap {
    /// The entry at an address, or `Entry::Free` if there is none.
    #[inline]
    pub fn get(&self, at: HeapRef) -> &Entry {
        match self.pages.get((at.0 / ENTRIES_PER_PAGE) as usize) {
            Some(page) => page.entries().get((at.0 % ENTRIES_PER_PAGE) as usize).unwrap_or(&FREE),
            None => &FREE,
        }
    }

    /// The entry at an address for a change, or `None` if there is none.
    #[inline]
    pub fn get_mut(&mut self, at: HeapRef) -> Option<&mut Entry> {
        let number = at.0 / ENTRIES_PER_PAGE;
        let page = self.pages.get_mut(number as usize)?;
        if let PageEntries::Shared(_) = page.store {
            make_owned(page, number, &mut self.owned);
        }
        match &mut page.store {
            PageEntries::Owned(entries) => entries.get_mut((at.0 % ENTRIES_PER_PAGE) as usize),
            PageEntries::Shared(_) => None,
        }
    }

    /// Stores an entry in a free slot.
    pub fn allocate(&mut self, entry: Entry) -> HeapRef {
        self.allocated += entry.weight();
        let kind = if entry.is_chunk() { PageKind::Chunks } else { PageKind::Small };
        let at = self.find_free_slot(kind);
        let number = at.0 / ENTRIES_PER_PAGE;
        if let Some(page) = self.pages.get_mut(number as usize) {
            if let PageEntries::Shared(_) = page.store {
                make_owned(page, number, &mut self.owned);
            }
            page.kind = kind;
            page.live += 1;
            if let PageEntries::Owned(entries) = &mut page.store {
                let slot = (at.0 % ENTRIES_PER_PAGE) as usize;
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

    fn find_free_slot(&mut self, kind: PageKind) -> HeapRef {
        let cursor = &mut self.cursors[usize::from(kind == PageKind::Chunks)];
        loop {
            let number = (*cursor / ENTRIES_PER_PAGE) as usize;
            let Some(page) = self.pages.get(number) else {
                self.pages.push(HeapPage {
                    store: PageEntries::Owned(Vec::with_capacity(if kind == PageKind::Chunks {
                        CHUNKS_PER_PAGE
                    } else {
                        ENTRIES_PER_PAGE
                    } as usize)),
                    kind,
                    live: 0,
                    dirty: true,
                    weight: 0,
                });
                self.owned.push(number as u32);
                continue;
            };
            let fits = page.kind == kind || page.kind == PageKind::Empty;
            let first = u32::from(number == 0);
            let capacity = if kind == PageKind::Chunks { CHUNKS_PER_PAGE } else { ENTRIES_PER_PAGE };
            if fits && u32::from(page.live) + first < capacity {
                let entries = page.entries();
                let mut slot = (*cursor % ENTRIES_PER_PAGE).max(first);
                while slot < capacity {
                    if entries.get(slot as usize).is_none_or(|e| matches!(e, Entry::Free)) {
                        *cursor = number as u32 * ENTRIES_PER_PAGE + slot + 1;
                        return HeapRef(number as u32 * ENTRIES_PER_PAGE + slot);
                    }
                    slot += 1;
                }
            }
            *cursor = (number as u32 + 1) * ENTRIES_PER_PAGE;
        }
    }

    /// Frees a slot immediately. Only for parts that no entry other than their container can refer to.
    pub fn free(&mut self, at: HeapRef) {
        self.take(at);
    }

    /// As [`Heap::free`], and returns the entry.
    pub fn take(&mut self, at: HeapRef) -> Entry {
        if let Some(entry) = self.get_mut(at)
            && !matches!(entry, Entry::Free)
        {
            let taken = std::mem::take(entry);
            if let Some(page) = self.pages.get_mut((at.0 / ENTRIES_PER_PAGE) as usize) {
                page.live -= 1;
                if page.live == 0 {
                    page.kind = PageKind::Empty;
                }
            }
            return taken;
        }
        Entry::Free
    }

    /// Counts bytes by which an existing entry grew.
    #[inline]
    pub fn charge(&mut self, bytes: u64) {
        self.allocated += bytes;
    }

    /// Counts bytes that a rope shares with its left half.
    #[inline]
    pub fn charge_shared_text(&mut self, bytes: u64) {
        self.shared_text_bytes += bytes;
    }

    /// Weight of all pages, including garbage. The heap must be sealed.
    pub fn weight(&self) -> u64 {
        self.pages.iter().map(|page| page.weight).sum()
    }

    /// Empties every page.
    pub fn clear(&mut self) {
        self.seal();
        for page in &mut self.pages {
            page.dirty |= page.live > 0;
            page.store = PageEntries::Shared(Arc::new(Vec::new()));
            (page.kind, page.live, page.weight) = (PageKind::Empty, 0, 0);
        }
        self.cursors = [1, 1];
        (self.allocated, self.live, self.shared_text_bytes) = (0, 0, 0);
    }

    /// Number of pages.
    pub fn page_count(&self) -> u32 {
        self.pages.len() as u32
    }

    /// The entries of a page.
    pub fn page(&self, number: u32) -> &[Entry] {
        self.pages.get(number as usize).map_or(&[], HeapPage::entries)
    }

    /// Number of entries in use.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.pages.iter().map(|p| usize::from(p.live)).sum()
    }

    /// The counters that a snapshot stores in addition to the pages.
    #[cfg(test)]
    pub fn counters(&self) -> [(&'static str, u64); 6] {
        let Heap { cursors: [small, chunks], allocated, live, shared_text_bytes, limit, pages: _, owned: _ } = self;
        [
            ("heap.cursors[0]", u64::from(*small)),
            ("heap.cursors[1]", u64::from(*chunks)),
            ("heap.allocated", *allocated),
            ("heap.live", *live),
            ("heap.shared_text_bytes", *shared_text_bytes),
            ("heap.limit", *limit),
        ]
    }

    /// Makes all pages shareable again, so that a copy is cheap, and weighs those that changed.
    pub fn seal(&mut self) {
        for number in std::mem::take(&mut self.owned) {
            if let Some(page) = self.pages.get_mut(number as usize)
                && let PageEntries::Owned(entries) = &mut page.store
            {
                page.weight = entries_weight(entries);
                page.store = PageEntries::Shared(Arc::new(std::mem::take(entries)));
            }
        }
    }

    /// Pages changed since [`Heap::mark_clean`].
    pub fn dirty_pages(&self) -> Vec<u32> {
        (0u32..).zip(&self.pages).filter(|(_, page)| page.dirty).map(|(number, _)| number).collect()
    }

    /// Weight of the pages changed since [`Heap::mark_clean`]. The heap must be sealed.
    pub fn dirty_weight(&self) -> u64 {
        self.pages.iter().filter(|page| page.dirty).map(|page| page.weight).sum()
    }

    /// Marks all pages as unchanged.
    pub fn mark_clean(&mut self) {
        self.seal();
        for page in &mut self.pages {
            page.dirty = false;
        }
    }

    /// A heap of these pages.
    pub fn from_pages(pages: Vec<Vec<Entry>>) -> Heap {
        Heap { pages: pages.into_iter().map(HeapPage::from_entries).collect(), ..Heap::default() }
    }

    /// Whether a collection is due.
    #[inline]
    pub fn needs_collection(&self) -> bool {
        // Garbage and live data together stay below one and a half times the limit.
        let garbage = self.live.clamp(THRESHOLD.min(self.limit / 4), self.limit / 2);
        self.allocated > garbage || self.shared_text_bytes > self.live.max(self.limit / 4)
    }

    /// Checks that this many bytes may be allocated at once.
    pub fn check_room(&self, bytes: u64) -> Result<(), ExceededLimit> {
        // Between two collections there may be as much garbage as live data.
        if bytes > self.room() { Err(ExceededLimit::HeapBytes) } else { Ok(()) }
    }

    /// Bytes that may be allocated at once.
    pub fn room(&self) -> u64 {
        (self.limit + self.limit / 8).saturating_sub(self.allocated)
    }
}

fn entries_weight(entries: &[Entry]) -> u64 {
    entries.iter().filter(|entry| !matches!(entry, Entry::Free)).map(Entry::weight).sum()
}

/// Takes the entries out of their shared form, or copies them if another machine holds them too.
#[cold]
fn make_owned(page: &mut HeapPage, number: u32, owned: &mut Vec<u32>) {
    if let PageEntries::Shared(shared) = &mut page.store {
        let capacity = if page.kind == PageKind::Chunks { CHUNKS_PER_PAGE } else { ENTRIES_PER_PAGE } as usize;
        let entries = match Arc::get_mut(shared) {
            Some(entries) => std::mem::take(entries),
            None => {
                let mut copy = Vec::with_capacity(capacity);
                copy.extend_from_slice(shared);
                copy
            }
        };
        page.store = PageEntries::Owned(entries);
        page.dirty = true;
        owned.push(number);
    }
}

/// Fewer allocated bytes than this cause no collection, if the limit is not small. A machine that computes for long is
/// saved with its garbage, so less of it costs less than the collections save.
const THRESHOLD: u64 = 1 << 20;

/// The same where the program waits: its state is saved there, with its garbage.
const WAITING_THRESHOLD: u64 = 256 << 10;

/// Bounds the size of the snapshot at every stop. Memory shares texts and a snapshot does not, so a state can be far
/// larger than the memory it uses.
///
/// A state above the limit fails. A state above twice the limit could not be saved at all: the machine discards its
/// texts and its heap, and fails in the same way from then on.
pub(super) fn enforce_heap_limit(machine: &mut Machine, stop: StopReason) -> StopReason {
    // At other stops, the state would depend on the fuel.
    let is_waiting = matches!(stop, StopReason::Waiting(_));
    if is_waiting && machine.heap.allocated > machine.heap.live.max(WAITING_THRESHOLD) {
        // The exact count below decides whether the limit is exceeded.
        let _ = collect_garbage(machine);
    }
    machine.heap.seal();
    let limit = machine.limits.heap_bytes;
    if machine.heap_discarded || snapshot_weight(machine) <= limit {
        return stop;
    }
    // The exact count below decides whether the limit is exceeded.
    let _ = collect_garbage(machine);
    machine.heap.seal();
    let weight = snapshot_weight(machine);
    if weight <= limit {
        return stop;
    }
    let is_savable = weight <= limit.saturating_mul(2);
    if is_savable && matches!(stop, StopReason::Failed(_)) {
        return stop;
    }
    let exceeded = if is_savable { ExceededLimit::HeapBytes } else { ExceededLimit::SavedBytes };
    let failure = abrupt_completion::to_failure(machine, &AbruptCompletion::Limit(exceeded));
    if !is_savable {
        discard_heap(machine);
    }
    machine.heap.seal();
    StopReason::Failed(failure)
}

/// Approximate size of a snapshot of this machine: the heap, and the texts of stack and frames.
fn snapshot_weight(machine: &Machine) -> u64 {
    let mut weight = machine.heap.weight();
    visit_roots(machine, &mut |value| {
        weight = weight.saturating_add(value.weight());
    });
    weight
}

/// Discards the heap and all texts. The frames remain, so that the location of the failure can be reported.
fn discard_heap(machine: &mut Machine) {
    fn clear_reference(value: &mut Value) {
        if let Value::Text(_) | Value::Ref(_) | Value::Symbol(_) | Value::BigInt(_) = value {
            *value = Value::Null;
        }
    }
    machine.heap_discarded = true;
    machine.pending = None;
    // A blocking call is discarded too; the instruction gets its operands back.
    machine.stack.extend(machine.suspended_call.take().into_iter().flat_map(|call| call.operands));
    (machine.key_counts, machine.console, machine.symbols) = (HeapRef::NONE, HeapRef::NONE, HeapRef::NONE);
    if machine.tasks.program != ProgramTask::Running {
        // Only the global frame remains, at its instruction, with the operands that this instruction had.
        coroutine::end_job(machine);
        let popped =
            machine.program.code.get(machine.pc as usize).map_or(0, |instruction| instruction.stack_effect().0);
        machine.stack.resize(machine.stack.len() + popped as usize, Value::Null);
    }
    machine.cancel_calls(|_| true);
    machine.tasks = MachineTasks { cancelled: std::mem::take(&mut machine.tasks.cancelled), ..MachineTasks::default() };
    machine.stack.iter_mut().for_each(clear_reference);
    for frame in &mut machine.frames {
        match frame {
            Frame::Code(frame) => (frame.closure, frame.call_kind) = (HeapRef::NONE, CallKind::Plain),
            Frame::Native(frame) => {
                let NativeFrame { callback, this, source, out, item, sorting, spread, .. } = &mut **frame;
                [callback, this, source, out, item].into_iter().chain(spread).for_each(clear_reference);
                *sorting = None;
            }
        }
    }
    machine.heap.clear();
}

/// Calls `visit` with every root: the values in use that no heap entry refers to.
pub(super) fn visit_roots(machine: &Machine, visit: &mut dyn FnMut(&Value)) {
    machine.stack.iter().for_each(&mut *visit);
    for frame in &machine.frames {
        match frame {
            Frame::Code(frame) => {
                visit(&Value::Ref(frame.closure));
                if let Some((_, at)) = frame.call_kind.entry() {
                    visit(&Value::Ref(at));
                }
            }
            Frame::Native(frame) => frame.visit_values(visit),
        }
    }
    visit(&Value::Ref(machine.key_counts));
    visit(&Value::Ref(machine.console));
    visit(&Value::Ref(machine.symbols));
    if let Some(call) = &machine.suspended_call {
        call.operands.iter().for_each(&mut *visit);
        visit(&Value::Ref(call.answers));
    }
    machine.tasks.visit_values(visit);
    if let Some(pending) = &machine.pending {
        visit(pending);
    }
}

/// Frees the entries that are not reachable.
pub(super) fn collect_garbage(machine: &mut Machine) -> Result<(), ExceededLimit> {
    let mut marks = vec![0u64; machine.heap.page_count() as usize];
    let mut worklist: Vec<HeapRef> = Vec::new();
    let mut live: u64 = 0;
    let mark = |value: &Value, marks: &mut Vec<u64>, worklist: &mut Vec<HeapRef>| {
        if let Value::Text(text) = value {
            text.release_parts();
        } else if let Some(at) = value.reference()
            && let Some(page) = marks.get_mut((at.0 / ENTRIES_PER_PAGE) as usize)
            && *page & (1 << (at.0 % ENTRIES_PER_PAGE)) == 0
        {
            *page |= 1 << (at.0 % ENTRIES_PER_PAGE);
            worklist.push(at);
        }
    };
    visit_roots(machine, &mut |value| {
        live += value.weight();
        mark(value, &mut marks, &mut worklist);
    });
    while let Some(at) = worklist.pop() {
        let entry = machine.heap.get(at);
        live += entry.weight();
        entry.visit_values(&mut |value| mark(value, &mut marks, &mut worklist));
    }
    for (page, marks) in (0u32..).zip(&marks) {
        for slot in 0..machine.heap.page(page).len() as u32 {
            let at = HeapRef(page * ENTRIES_PER_PAGE + slot);
            if marks & (1 << slot) == 0 && !matches!(machine.heap.get(at), Entry::Free) {
                machine.heap.free(at);
            }
        }
    }
    machine.heap.cursors = [1, 1];
    machine.heap.allocated = 0;
    machine.heap.shared_text_bytes = 0;
    machine.heap.live = live;
    if live > machine.limits.heap_bytes { Err(ExceededLimit::HeapBytes) } else { Ok(()) }
}
