//! Garbage collection: marks the entries that the stack and the frames reach and frees the rest. It runs between two
//! instructions, when more bytes were allocated since the last collection than that one left in use.

use super::abrupt_completion::AbruptCompletion;
use super::callback::NativeFrame;
use super::entry::Entry;
use super::frame::{CallKind, Frame};
use super::heap::{ENTRIES_PER_PAGE, Heap};
use super::limits::ExceededLimit;
use super::machine::{Machine, StopReason};
use super::value::{HeapRef, Value};

/// Fewer allocated bytes than this never cause a collection.
const THRESHOLD: u64 = 8 << 20;

impl Heap {
    /// Whether a collection is due.
    #[inline]
    pub fn needs_collection(&self) -> bool {
        // Garbage and live data together stay below one and a half times the limit.
        let most = THRESHOLD.max(self.limit / 2);
        self.allocated > self.live.clamp(THRESHOLD, most) || self.shared_text_bytes > self.live.max(self.limit / 4)
    }

    /// Checks that this many bytes may be allocated at once.
    pub fn check_room(&self, bytes: u64) -> Result<(), ExceededLimit> {
        // Between two collections there may be as much garbage as live data.
        if self.allocated + bytes > self.limit + THRESHOLD { Err(ExceededLimit::HeapBytes) } else { Ok(()) }
    }
}

impl Machine {
    /// Bounds the size of the snapshot at every stop. Memory shares texts and a snapshot does not, so a state can be far larger
    /// than the memory it uses.
    ///
    /// A state above the limit fails. A state above twice the limit could not be saved at all: the machine discards its texts
    /// and its heap, and fails in the same way from then on.
    pub(super) fn enforce_heap_limit(&mut self, stop: StopReason) -> StopReason {
        self.heap.seal();
        let limit = self.limits.heap_bytes;
        if self.heap_discarded || self.snapshot_weight() <= limit {
            return stop;
        }
        // The exact count below decides whether the limit is exceeded.
        let _ = self.collect_garbage();
        self.heap.seal();
        let weight = self.snapshot_weight();
        if weight <= limit {
            return stop;
        }
        let whole = weight <= limit.saturating_mul(2);
        if whole && matches!(stop, StopReason::Failed(_)) {
            return stop;
        }
        self.retract_calls();
        if !whole {
            self.discard_heap();
        }
        self.heap.seal();
        StopReason::Failed(self.to_failure(&AbruptCompletion::Limit(ExceededLimit::HeapBytes)))
    }

    /// Approximate size of a snapshot of this machine: the heap, and the texts of stack and frames.
    fn snapshot_weight(&self) -> u64 {
        let mut weight = self.heap.weight();
        self.visit_roots(&mut |value| {
            weight = weight.saturating_add(value.weight());
        });
        weight
    }

    /// Discards the heap and all texts. The frames remain, so that the location of the failure can be reported.
    fn discard_heap(&mut self) {
        fn drop(value: &mut Value) {
            if let Value::Text(_) | Value::Ref(_) = value {
                *value = Value::Null;
            }
        }
        self.heap_discarded = true;
        self.pending = None;
        self.key_counts = HeapRef::NONE;
        self.stack.iter_mut().for_each(drop);
        for frame in &mut self.frames {
            match frame {
                Frame::Code(frame) => (frame.closure, frame.call_kind) = (HeapRef::NONE, CallKind::Plain),
                Frame::Native(waiting) => {
                    let NativeFrame { callback, this, source, out, item, sorting, .. } = &mut **waiting;
                    [callback, this, source, out, item].into_iter().for_each(drop);
                    *sorting = None;
                }
            }
        }
        self.heap.clear();
    }

    /// Calls `visit` with every root: the values in use that no heap entry refers to.
    pub(super) fn visit_roots(&self, visit: &mut dyn FnMut(&Value)) {
        self.stack.iter().for_each(&mut *visit);
        for frame in &self.frames {
            match frame {
                Frame::Code(frame) => {
                    visit(&Value::Ref(frame.closure));
                    if let CallKind::New(class) | CallKind::Super(class) = frame.call_kind {
                        visit(&Value::Ref(class));
                    }
                }
                Frame::Native(waiting) => waiting.visit_values(visit),
            }
        }
        visit(&Value::Ref(self.key_counts));
        if let Some(open) = &self.suspended_call {
            open.operands.iter().for_each(&mut *visit);
        }
        if let Some(pending) = &self.pending {
            visit(pending);
        }
    }

    /// Frees the entries that are not reachable.
    pub(super) fn collect_garbage(&mut self) -> Result<(), ExceededLimit> {
        let mut marks = vec![0u64; self.heap.page_count() as usize];
        let mut open: Vec<HeapRef> = Vec::new();
        let mut live: u64 = 0;
        let mark = |value: &Value, marks: &mut Vec<u64>, open: &mut Vec<HeapRef>| match value {
            Value::Ref(at) => {
                if let Some(page) = marks.get_mut((at.0 / ENTRIES_PER_PAGE) as usize)
                    && *page & (1 << (at.0 % ENTRIES_PER_PAGE)) == 0
                {
                    *page |= 1 << (at.0 % ENTRIES_PER_PAGE);
                    open.push(*at);
                }
            }
            Value::Text(text) => text.release_parts(),
            _ => {}
        };
        self.visit_roots(&mut |value| {
            live += value.weight();
            mark(value, &mut marks, &mut open);
        });
        while let Some(at) = open.pop() {
            let entry = self.heap.get(at);
            live += entry.weight();
            entry.visit_values(&mut |value| mark(value, &mut marks, &mut open));
        }
        for (page, marks) in (0u32..).zip(&marks) {
            for slot in 0..self.heap.page(page).len() as u32 {
                let at = HeapRef(page * ENTRIES_PER_PAGE + slot);
                if marks & (1 << slot) == 0 && !matches!(self.heap.get(at), Entry::Free) {
                    self.heap.free(at);
                }
            }
        }
        self.heap.cursors = [1, 1];
        self.heap.allocated = 0;
        self.heap.shared_text_bytes = 0;
        self.heap.live = live;
        if live > self.limits.heap_bytes { Err(ExceededLimit::HeapBytes) } else { Ok(()) }
    }
}
