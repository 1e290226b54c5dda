//! All that a machine's future depends on, field by field, without the encoder of snapshots. A field that is new in one of these types does
//! not compile here until it is compared or named as no part of the state.

use std::fmt::Debug;

use super::super::Machine;
use super::super::array::{Array, Elements, Large};
use super::super::callback::Waiting;
use super::super::entry::{Entry, Pairs};
use super::super::frame::{CodeFrame, Frame};
use super::super::heap::PAGE;
use super::super::iterator::Cursor;
use super::super::object::{Bound, Class, Closure, ErrorObject, Object, RegExp};
use super::super::sorting::{MergeSort, Order, Sorting};
use super::super::table::{Table, TableParts};
use super::super::timsort::TimSort;

/// Fields by name, each with its value, in an order that follows from the machine.
pub type State = Vec<(&'static str, String)>;

fn tell(state: &mut State, field: &'static str, value: &dyn Debug) {
    state.push((field, format!("{value:?}")));
}

macro_rules! tell {
    ($state:ident, $of:literal: $($field:ident),+) => {
        $(tell($state, concat!($of, ".", stringify!($field)), $field);)+
    };
}

/// The state of a machine that has stopped.
pub fn state_of(machine: &Machine) -> State {
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
        open,
        keys,
        pending,
        owed,
        spent,
        // Whoever restores a machine gives it its program and limits; each run gives it the time.
        program: _,
        linked: _,
        registry: _,
        limits: _,
        now_ms: _,
    } = machine;
    let mut all = State::new();
    let state = &mut all;
    tell!(state, "machine": stack, pc, base, random, instructions, calls, output, output_bytes);
    tell!(state, "machine": open, keys, pending, owed, spent);
    frames.iter().for_each(|frame| tell_frame(state, frame));
    heap.counters().into_iter().for_each(|(name, value)| tell(state, name, &value));
    tell(state, "heap.weight", &heap.weight());
    for page in 0..heap.page_count() {
        for (place, entry) in (page * PAGE..).zip(heap.page(page)) {
            tell_entry(state, place, entry);
        }
    }
    all
}

fn tell_frame(state: &mut State, frame: &Frame) {
    match frame {
        Frame::Code(frame) => {
            let CodeFrame { function, return_pc, bottom, base, closure, entry } = frame;
            tell!(state, "frame": function, return_pc, bottom, base, closure, entry);
        }
        Frame::Native(waiting) => {
            let Waiting { kind, bottom, top, return_pc, callback, this, source, index, len, out, item, sorting } =
                &**waiting;
            tell!(state, "waiting": kind, bottom, top, return_pc, callback, this, source, index, len, out, item);
            if let Some(sorting) = sorting {
                let Sorting { order, uncompared } = &**sorting;
                tell!(state, "sorting": uncompared);
                match order {
                    Order::Tim(TimSort { work, temp, progress }) => {
                        tell!(state, "sorting": work, temp, progress);
                    }
                    Order::Merge(MergeSort { from, into, width, left, right }) => {
                        tell!(state, "sorting": from, into, width, left, right);
                    }
                }
            }
        }
    }
}

fn tell_entry(state: &mut State, place: u32, entry: &Entry) {
    if matches!(entry, Entry::Free) {
        return;
    }
    tell(state, "place", &place);
    match entry {
        Entry::Free => {}
        Entry::Cell(value) => tell(state, "cell", value),
        Entry::Array(array) => {
            let Array { elements, frozen, extra } = array;
            match elements {
                Elements::Small(values) => tell(state, "array.values", values),
                Elements::Large(large) => {
                    let Large { start, len, chunks } = &**large;
                    tell!(state, "array": start, len, chunks);
                }
            }
            tell!(state, "array": frozen);
            extra.iter().for_each(|table| tell_table(state, "array.extra", table));
        }
        Entry::Object(object) => tell_object(state, object),
        Entry::Closure(closure) => {
            let Closure { function, captures, this, home, fixed, class, table, hidden } = &**closure;
            tell!(state, "closure": function, captures, this, home, fixed);
            if let Some(class) = class {
                let Class { prototype, parent, fields } = class;
                tell!(state, "class": prototype, parent, fields);
            }
            tell_table(state, "closure.table", table);
            tell_table(state, "closure.hidden", hidden);
        }
        Entry::Error(error) => {
            let ErrorObject { kind, hidden, object } = &**error;
            tell!(state, "error": kind);
            tell_table(state, "error.hidden", hidden);
            tell_object(state, object);
        }
        Entry::Map(table) => tell_table(state, "map", table),
        Entry::Set(table) => tell_table(state, "set", table),
        Entry::Cursor(cursor) => {
            let Cursor { source, yields, position } = &**cursor;
            tell!(state, "cursor": source, yields, position);
        }
        Entry::RegExp(regexp) => {
            // Compiled from the source and the flags.
            let RegExp { source, flags, last_index, compiled: _ } = &**regexp;
            tell!(state, "regexp": source, flags, last_index);
        }
        Entry::Bound(bound) => {
            let Bound { target, this, args } = &**bound;
            tell!(state, "bound": target, this, args);
        }
        Entry::Chunk(values) => tell(state, "chunk", values),
        Entry::Pairs(pairs) => {
            let Pairs { items, numbers } = &**pairs;
            tell!(state, "pairs": items, numbers);
        }
    }
}

fn tell_object(state: &mut State, object: &Object) {
    let Object { table, proto, frozen, prototype } = object;
    tell!(state, "object": proto, frozen, prototype);
    tell_table(state, "object.table", table);
}

fn tell_table(state: &mut State, field: &'static str, table: &Table) {
    match table.parts() {
        TableParts::Small(pairs, numbers) => tell(state, field, &(pairs, numbers)),
        TableParts::Large(len, chunks, next) => tell(state, field, &(len, chunks, next)),
    }
}

/// Fails with the first field that differs.
#[track_caller]
pub fn expect_same(one: &State, other: &State) {
    let differs = one.iter().zip(other).find(|(one, other)| one != other);
    assert!(differs.is_none(), "{differs:?}");
    assert_eq!(one.len(), other.len(), "one state has more fields");
}
