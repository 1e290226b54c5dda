//! The complete state of a machine, field by field, without the encoder of snapshots. A new field in one of these types does not compile
//! here until it is compared or excluded explicitly.

use std::fmt::Debug;

use super::super::Machine;
use super::super::array::{Array, ChunkedElements, Elements};
use super::super::array_sort::{ArraySort, MergeSort, SortAlgorithm};
use super::super::callback::NativeFrame;
use super::super::entry::{Entry, Pairs};
use super::super::frame::{CodeFrame, Frame};
use super::super::heap::ENTRIES_PER_PAGE;
use super::super::iterator::IteratorObject;
use super::super::object::{BoundFunction, Class, Closure, ErrorObject, Object, RegExp};
use super::super::table::{Table, TableParts};
use super::super::timsort::TimSort;

/// Fields by name with their values, in an order that the machine determines.
pub type MachineState = Vec<(&'static str, String)>;

fn record(state: &mut MachineState, field: &'static str, value: &dyn Debug) {
    state.push((field, format!("{value:?}")));
}

macro_rules! record {
    ($state:ident, $of:literal: $($field:ident),+) => {
        $(record($state, concat!($of, ".", stringify!($field)), $field);)+
    };
}

/// The state of a machine that has stopped.
pub fn machine_state(machine: &Machine) -> MachineState {
    let Machine {
        stack,
        frames,
        pc,
        base,
        heap,
        random,
        instructions,
        calls,
        output,
        output_bytes,
        suspended_call: open,
        key_counts: keys,
        pending,
        deferred_work: owed,
        heap_discarded: spent,
        // The caller of `restore` provides the program and the limits, and each run provides the time.
        program: _,
        linked: _,
        registry: _,
        limits: _,
        now_ms: _,
    } = machine;
    let mut all = MachineState::new();
    let state = &mut all;
    record!(state, "machine": stack, pc, base, random, instructions, calls, output, output_bytes);
    record!(state, "machine": open, keys, pending, owed, spent);
    frames.iter().for_each(|frame| record_frame(state, frame));
    heap.counters().into_iter().for_each(|(name, value)| record(state, name, &value));
    record(state, "heap.weight", &heap.weight());
    for page in 0..heap.page_count() {
        for (place, entry) in (page * ENTRIES_PER_PAGE..).zip(heap.page(page)) {
            record_entry(state, place, entry);
        }
    }
    all
}

fn record_frame(state: &mut MachineState, frame: &Frame) {
    match frame {
        Frame::Code(frame) => {
            let CodeFrame { function, return_pc, bottom, base, closure, call_kind: entry } = frame;
            record!(state, "frame": function, return_pc, bottom, base, closure, entry);
        }
        Frame::Native(waiting) => {
            let NativeFrame { kind, bottom, top, return_pc, callback, this, source, index, len, out, item, sorting } =
                &**waiting;
            record!(state, "waiting": kind, bottom, top, return_pc, callback, this, source, index, len, out, item);
            if let Some(sorting) = sorting {
                let ArraySort { order, uncompared } = &**sorting;
                record!(state, "sorting": uncompared);
                match order {
                    SortAlgorithm::Tim(TimSort { work, temp, progress }) => {
                        record!(state, "sorting": work, temp, progress);
                    }
                    SortAlgorithm::Merge(MergeSort { from, into, width, left, right }) => {
                        record!(state, "sorting": from, into, width, left, right);
                    }
                }
            }
        }
    }
}

fn record_entry(state: &mut MachineState, place: u32, entry: &Entry) {
    if matches!(entry, Entry::Free) {
        return;
    }
    record(state, "place", &place);
    match entry {
        Entry::Free => {}
        Entry::Cell(value) => record(state, "cell", value),
        Entry::Array(array) => {
            let Array { elements, frozen, extra } = array;
            match elements {
                Elements::Small(values) => record(state, "array.values", values),
                Elements::ChunkedElements(large) => {
                    let ChunkedElements { start, len, chunks } = &**large;
                    record!(state, "array": start, len, chunks);
                }
            }
            record!(state, "array": frozen);
            extra.iter().for_each(|table| record_table(state, "array.extra", table));
        }
        Entry::Object(object) => record_object(state, object),
        Entry::Closure(closure) => {
            let Closure { function, captures, this, home_object: home, is_static: fixed, class, table, hidden } =
                &**closure;
            record!(state, "closure": function, captures, this, home, fixed);
            if let Some(class) = class {
                let Class { prototype, parent, fields } = class;
                record!(state, "class": prototype, parent, fields);
            }
            record_table(state, "closure.table", table);
            record_table(state, "closure.hidden", hidden);
        }
        Entry::Error(error) => {
            let ErrorObject { kind, hidden, object } = &**error;
            record!(state, "error": kind);
            record_table(state, "error.hidden", hidden);
            record_object(state, object);
        }
        Entry::Map(table) => record_table(state, "map", table),
        Entry::Set(table) => record_table(state, "set", table),
        Entry::Iterator(cursor) => {
            let IteratorObject { source, kind: yields, position } = &**cursor;
            record!(state, "cursor": source, yields, position);
        }
        Entry::RegExp(regexp) => {
            // Compiled from the source and the flags.
            let RegExp { source, flags, last_index, compiled: _ } = &**regexp;
            record!(state, "regexp": source, flags, last_index);
        }
        Entry::Bound(bound) => {
            let BoundFunction { target, this, args } = &**bound;
            record!(state, "bound": target, this, args);
        }
        Entry::Chunk(values) => record(state, "chunk", values),
        Entry::Pairs(pairs) => {
            let Pairs { items, numbers } = &**pairs;
            record!(state, "pairs": items, numbers);
        }
    }
}

fn record_object(state: &mut MachineState, object: &Object) {
    let Object { table, proto, frozen, prototype } = object;
    record!(state, "object": proto, frozen, prototype);
    record_table(state, "object.table", table);
}

fn record_table(state: &mut MachineState, field: &'static str, table: &Table) {
    match table.parts() {
        TableParts::Small(pairs, numbers) => record(state, field, &(pairs, numbers)),
        TableParts::ChunkedTable(len, chunks, next) => record(state, field, &(len, chunks, next)),
    }
}

/// Fails with the first field that differs.
#[track_caller]
pub fn assert_same_state(one: &MachineState, other: &MachineState) {
    let differs = one.iter().zip(other).find(|(one, other)| one != other);
    assert!(differs.is_none(), "{differs:?}");
    assert_eq!(one.len(), other.len(), "one state has more fields");
}
