//! Collection: marks what is reachable from the stack and the frames, and frees the rest. It runs between two
//! instructions, when more was allocated since the last time than was left then.

use super::entry::Entry;
use super::frame::Frame;
use super::heap::{Heap, PAGE};
use super::limits::Exceeded;
use super::machine::Machine;
use super::value::{HeapRef, Value};

/// Below this much nothing is collected.
const THRESHOLD: u64 = 4 << 20;

impl Heap {
    /// Whether it is time to collect.
    #[inline]
    pub fn wants_collection(&self) -> bool {
        self.allocated > self.live.max(THRESHOLD)
    }

    /// Checks that so many bytes may be taken at once.
    pub fn room(&self, bytes: u64) -> Result<(), Exceeded> {
        // Between two collections as much garbage as live data may pile up.
        if self.allocated + bytes > self.limit + THRESHOLD { Err(Exceeded::HeapBytes) } else { Ok(()) }
    }
}

impl Machine {
    /// Shows every value that is in use without another pointing to it.
    pub(super) fn each_root(&self, visit: &mut dyn FnMut(&Value)) {
        self.stack.iter().for_each(&mut *visit);
        for frame in &self.frames {
            match frame {
                Frame::Code(frame) => {
                    visit(&Value::Ref(frame.closure));
                    if let super::frame::Entered::New(class) | super::frame::Entered::Super(class) = frame.entry {
                        visit(&Value::Ref(class));
                    }
                }
                Frame::Native(waiting) => waiting.each(visit),
            }
        }
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
        let mark = |value: &Value, marks: &mut Vec<u64>, open: &mut Vec<HeapRef>| {
            if let Value::Ref(at) = value
                && let Some(page) = marks.get_mut((at.0 / PAGE) as usize)
                && *page & (1 << (at.0 % PAGE)) == 0
            {
                *page |= 1 << (at.0 % PAGE);
                open.push(*at);
            }
        };
        self.each_root(&mut |value| {
            if let Value::Text(_) = value {
                live += value.weight();
            }
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
        self.heap.live = live;
        if live > self.limits.heap_bytes { Err(Exceeded::HeapBytes) } else { Ok(()) }
    }
}
