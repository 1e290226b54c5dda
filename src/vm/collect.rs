//! Collection: marks what is reachable from the stack and the frames, and frees the rest. It runs between two
//! instructions, when more was allocated since the last time than was left then.

use super::callback::Waiting;
use super::entry::Entry;
use super::frame::{Entered, Frame};
use super::heap::{Heap, PAGE};
use super::limits::Exceeded;
use super::machine::{Machine, Stop};
use super::raise::Raise;
use super::value::{HeapRef, Value};

/// Below this much nothing is collected.
const THRESHOLD: u64 = 8 << 20;

impl Heap {
    /// Whether it is time to collect.
    #[inline]
    pub fn wants_collection(&self) -> bool {
        // Garbage and live data together stay below one and a half times the limit.
        let most = THRESHOLD.max(self.limit / 2);
        self.allocated > self.live.clamp(THRESHOLD, most) || self.claimed > self.live.max(self.limit / 4)
    }

    /// Checks that so many bytes may be taken at once.
    pub fn room(&self, bytes: u64) -> Result<(), Exceeded> {
        // Between two collections as much garbage as live data may pile up.
        if self.allocated + bytes > self.limit + THRESHOLD { Err(Exceeded::HeapBytes) } else { Ok(()) }
    }
}

impl Machine {
    /// Sees to it that what a snapshot writes is bounded, whatever the stop. Texts are shared in memory but not in a
    /// snapshot, so a state can be far larger than the memory it takes.
    ///
    /// A state above the limit fails. Where it is far above, it could not be saved at all: its texts and its heap are given
    /// up, and the machine says the same for ever after.
    pub(super) fn settle(&mut self, stop: Stop) -> Stop {
        self.heap.seal();
        let limit = self.limits.heap_bytes;
        if self.spent || self.weight() <= limit {
            return stop;
        }
        // Whether this fails is said by the exact count below.
        let _ = self.collect();
        self.heap.seal();
        let weight = self.weight();
        if weight <= limit {
            return stop;
        }
        let whole = weight <= limit.saturating_mul(2);
        if whole && matches!(stop, Stop::Failed(_)) {
            return stop;
        }
        self.unask();
        if !whole {
            self.give_up();
        }
        self.heap.seal();
        Stop::Failed(self.failure_of(&Raise::Limit(Exceeded::HeapBytes)))
    }

    /// What a snapshot of this machine would write, near enough: the heap, and the texts of stack and frames.
    fn weight(&self) -> u64 {
        let mut weight = self.heap.weight();
        self.each_root(&mut |value| {
            weight = weight.saturating_add(value.weight());
        });
        weight
    }

    /// Lets go of the heap and of all texts. The frames remain, so that the place of the failure can be told.
    fn give_up(&mut self) {
        fn drop(value: &mut Value) {
            if let Value::Text(_) | Value::Ref(_) = value {
                *value = Value::Null;
            }
        }
        self.spent = true;
        self.pending = None;
        self.keys = HeapRef::NONE;
        self.stack.iter_mut().for_each(drop);
        for frame in &mut self.frames {
            match frame {
                Frame::Code(frame) => (frame.closure, frame.entry) = (HeapRef::NONE, Entered::Plain),
                Frame::Native(waiting) => {
                    let Waiting { callback, this, source, out, item, sorting, .. } = &mut **waiting;
                    [callback, this, source, out, item].into_iter().for_each(drop);
                    *sorting = None;
                }
            }
        }
        self.heap.clear();
    }

    /// Shows every value that is in use without another pointing to it.
    pub(super) fn each_root(&self, visit: &mut dyn FnMut(&Value)) {
        self.stack.iter().for_each(&mut *visit);
        for frame in &self.frames {
            match frame {
                Frame::Code(frame) => {
                    visit(&Value::Ref(frame.closure));
                    if let Entered::New(class) | Entered::Super(class) = frame.entry {
                        visit(&Value::Ref(class));
                    }
                }
                Frame::Native(waiting) => waiting.each(visit),
            }
        }
        visit(&Value::Ref(self.keys));
        if let Some(open) = &self.open {
            open.operands.iter().for_each(&mut *visit);
        }
        if let Some(pending) = &self.pending {
            visit(pending);
        }
    }

    /// Frees what nothing points to.
    pub(super) fn collect(&mut self) -> Result<(), Exceeded> {
        let mut marks = vec![0u64; self.heap.page_count() as usize];
        let mut open: Vec<HeapRef> = Vec::new();
        let mut live: u64 = 0;
        let mark = |value: &Value, marks: &mut Vec<u64>, open: &mut Vec<HeapRef>| match value {
            Value::Ref(at) => {
                if let Some(page) = marks.get_mut((at.0 / PAGE) as usize)
                    && *page & (1 << (at.0 % PAGE)) == 0
                {
                    *page |= 1 << (at.0 % PAGE);
                    open.push(*at);
                }
            }
            Value::Text(text) => text.flat_form(),
            _ => {}
        };
        self.each_root(&mut |value| {
            live += value.weight();
            mark(value, &mut marks, &mut open);
        });
        while let Some(at) = open.pop() {
            let entry = self.heap.get(at);
            live += entry.weight();
            entry.each(&mut |value| mark(value, &mut marks, &mut open));
        }
        for (page, marks) in (0u32..).zip(&marks) {
            for slot in 0..self.heap.page(page).len() as u32 {
                let at = HeapRef(page * PAGE + slot);
                if marks & (1 << slot) == 0 && !matches!(self.heap.get(at), Entry::Free) {
                    self.heap.free(at);
                }
            }
        }
        self.heap.cursors = [1, 1];
        self.heap.allocated = 0;
        self.heap.claimed = 0;
        self.heap.live = live;
        if live > self.limits.heap_bytes { Err(Exceeded::HeapBytes) } else { Ok(()) }
    }
}
