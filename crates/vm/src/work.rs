//! The meter of work. What one instruction does may depend on data: on the length of a text or a list, or on that of a
//! chain of objects. The place that reads such data counts it here, and the machine pays for it with fuel when the
//! instruction has ended, as for [`Machine::charge_work`](super::machine::Machine). So a built-in function need not
//! know what a comparison or a lookup costs.
//!
//! The meter belongs to the thread, because texts are compared and hashed where no machine is at hand. Each run resets
//! it. Short data is free, so that frequent instructions count nothing.
//!
//! What is counted depends on the state only, never on how the memory holds it: a restored machine counts the same. For
//! example, two equal texts count whether or not they are one allocation. Joining the parts of a text is different: a
//! restored text is joined already. It is not paid for, and a run that joins too much ends early instead.

use std::cell::Cell;

/// Units of text that are free.
pub(super) const FREE_UNITS: usize = 256;

/// Elements, entries or objects of a chain that are free.
const FREE_ITEMS: usize = 32;

/// Units of work that pay for one instruction. Also those of one element, entry or object of a chain.
pub(super) const UNITS_PER_INSTRUCTION: u64 = 64;

/// Units of text that one run joins: this takes about 50 ms.
const MAX_JOINED_UNITS: u64 = 128 << 20;

struct Meter {
    units: Cell<u64>,
    joined: Cell<u64>,
}

thread_local! {
    static METER: Meter = const { Meter { units: Cell::new(0), joined: Cell::new(0) } };
}

/// Resets the meter for a run.
pub(super) fn reset() {
    METER.with(|meter| {
        meter.units.set(0);
        meter.joined.set(0);
    });
}

/// Counts units of text or an equivalent.
#[inline]
pub(super) fn count(units: u64) {
    METER.with(|meter| meter.units.set(meter.units.get().saturating_add(units)));
}

/// Counts a text that is read as a whole.
#[inline]
pub(super) fn count_text(len: usize) {
    if len > FREE_UNITS {
        count(len as u64);
    }
}

/// Counts the elements or entries of a list that is read, written or freed.
#[inline]
pub(super) fn count_items(len: usize) {
    if len > FREE_ITEMS {
        count(UNITS_PER_INSTRUCTION * len as u64);
    }
}

/// Counts the object at this depth of a chain that is followed.
#[inline]
pub(super) fn count_link(depth: usize) {
    if depth >= FREE_ITEMS {
        count(UNITS_PER_INSTRUCTION);
    }
}

/// Counts the parts of a text that are joined.
pub(super) fn count_joined(len: usize) {
    METER.with(|meter| meter.joined.set(meter.joined.get().saturating_add(len as u64)));
}

/// Whether the run has joined so much text that it ends.
#[inline]
pub(super) fn has_joined_enough() -> bool {
    METER.with(|meter| meter.joined.get() > MAX_JOINED_UNITS)
}

/// The units counted so far by the current instruction.
pub(super) fn counted() -> u64 {
    METER.with(|meter| meter.units.get())
}

/// The units counted since the last call.
#[inline]
pub(super) fn take() -> u64 {
    METER.with(|meter| meter.units.take())
}
