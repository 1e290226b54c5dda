//! Checks whether a history of overlapping operations is linearizable: each took effect at one moment between its call
//! and its return. The search is that of Wing and Gong (1993), with Lowe's cache of tried configurations (2017).
//!
//! The history is a list of calls and returns in the order of time. The first operation is one of the calls before the
//! first return. The search takes one that the model allows, lifts its call and return out of the list, and continues
//! with the rest. If no call before the first return is possible, the last lifted operation is put back, and the next
//! call is tried.
//!
//! The lifted operations and the state that they led to are cached, so that no configuration is tried twice. An
//! operation without a return may have taken effect at any later time, or never. So the search ends when every
//! operation that returned is lifted.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// A sequential model: the effect of operations one after the other.
pub trait Model {
    type State: Clone + Default + Eq + Hash;
    type Op: Debug;

    /// The state after `op`. `None` if `op` cannot have its result in this state.
    fn step(state: &Self::State, op: &Self::Op) -> Option<Self::State>;
}

/// One operation with its result.
#[derive(Debug)]
pub struct HistoryOperation<O> {
    pub op: O,
    pub called: u64,
    /// `None` if it is not known whether the operation took effect, or when.
    pub returned: Option<u64>,
}

/// An entry of the list.
#[derive(Clone, Copy)]
enum CallReturnEntry {
    /// The end of the list, and its beginning.
    Edge,
    Call(usize),
    Return,
}

/// Calls and returns in the order of time, as a linked list from which pairs are lifted and put back.
struct EntryList {
    entries: Vec<CallReturnEntry>,
    next: Vec<usize>,
    previous: Vec<usize>,
    /// The positions of each operation's call and return.
    positions: Vec<(usize, Option<usize>)>,
}

const EDGE: usize = 0;

/// The most configurations that are searched. A longer search is reported as undecided.
const MAX_STATES: usize = 2_000_000;

impl EntryList {
    fn from_history<O>(history: &[HistoryOperation<O>]) -> Self {
        // At equal times calls come first, so that the operations overlap.
        let calls = history.iter().enumerate().map(|(op, event)| (event.called, false, op));
        let returns = history.iter().enumerate().filter_map(|(op, event)| Some((event.returned?, true, op)));
        let mut times: Vec<(u64, bool, usize)> = calls.chain(returns).collect();
        times.sort_unstable();
        let (mut entries, mut positions) = (vec![CallReturnEntry::Edge], vec![(EDGE, None); history.len()]);
        for (at, (_, returned, op)) in times.into_iter().enumerate() {
            if returned {
                positions[op].1 = Some(at + 1);
                entries.push(CallReturnEntry::Return);
            } else {
                positions[op].0 = at + 1;
                entries.push(CallReturnEntry::Call(op));
            }
        }
        let length = entries.len();
        let next = (0..length).map(|at| (at + 1) % length).collect();
        let previous = (0..length).map(|at| (at + length - 1) % length).collect();
        Self { entries, next, previous, positions }
    }

    fn lift(&mut self, op: usize) {
        let (call, returned) = self.positions[op];
        for at in [Some(call), returned].into_iter().flatten() {
            let (before, next) = (self.previous[at], self.next[at]);
            (self.next[before], self.previous[next]) = (next, before);
        }
    }

    fn put_back(&mut self, op: usize) {
        let (call, returned) = self.positions[op];
        for at in [returned, Some(call)].into_iter().flatten() {
            let (before, next) = (self.previous[at], self.next[at]);
            (self.next[before], self.previous[next]) = (at, at);
        }
    }
}

/// An operation that the search has taken as the next one.
struct LiftedOperation<S> {
    op: usize,
    /// The state before the operation.
    before: S,
    /// The operation changed nothing. Taking it later gains nothing, so when it is put back, no other is tried in its
    /// place.
    is_read: bool,
}

/// Fails if no order explains the history. The error names the operation that fits nowhere.
pub fn check<M: Model>(history: &[HistoryOperation<M::Op>]) -> Result<(), String> {
    let mut list = EntryList::from_history(history);
    let mut pending = history.iter().filter(|event| event.returned.is_some()).count();
    let mut state = M::State::default();
    let mut lifted = vec![0u64; history.len().div_ceil(64)];
    let mut tried: HashSet<(Vec<u64>, M::State)> = HashSet::new();
    let mut path: Vec<LiftedOperation<M::State>> = Vec::new();
    let (mut at, mut deepest) = (list.next[EDGE], (usize::MAX, EDGE));
    while pending > 0 {
        if tried.len() > MAX_STATES {
            return Err(format!("undecided; {}", describe_failure(history, &list, deepest)));
        }
        if let CallReturnEntry::Call(op) = list.entries[at] {
            let after = M::step(&state, &history[op].op);
            lifted[op / 64] |= 1 << (op % 64);
            match after.filter(|after| tried.insert((lifted.clone(), after.clone()))) {
                Some(after) => {
                    let is_read = after == state;
                    path.push(LiftedOperation { op, before: std::mem::replace(&mut state, after), is_read });
                    pending -= usize::from(history[op].returned.is_some());
                    list.lift(op);
                    at = list.next[EDGE];
                }
                None => {
                    lifted[op / 64] &= !(1 << (op % 64));
                    at = list.next[at];
                }
            }
            continue;
        }
        // A return, and no call before it is possible.
        if pending < deepest.0 {
            deepest = (pending, at);
        }
        loop {
            let Some(LiftedOperation { op, before, is_read }) = path.pop() else {
                return Err(describe_failure(history, &list, deepest));
            };
            state = before;
            lifted[op / 64] &= !(1 << (op % 64));
            pending += usize::from(history[op].returned.is_some());
            list.put_back(op);
            if !is_read {
                at = list.next[list.positions[op].0];
                break;
            }
        }
    }
    Ok(())
}

fn describe_failure<O: Debug>(
    history: &[HistoryOperation<O>],
    list: &EntryList,
    (pending, at): (usize, usize),
) -> String {
    let op = list.positions.iter().position(|(_, returned)| *returned == Some(at));
    format!("with {pending} of {} left, no order leads to {:?}", history.len(), op.map(|op| &history[op]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that is read, and replaced if it has the expected value.
    struct SwapModel;

    #[derive(Debug, Clone, Copy)]
    enum SwapOp {
        Read(u64),
        Swap(u64, u64),
    }
    use SwapOp::{Read, Swap};

    impl Model for SwapModel {
        type State = u64;
        type Op = SwapOp;

        fn step(state: &u64, op: &SwapOp) -> Option<u64> {
            match *op {
                Read(seen) => (seen == *state).then_some(seen),
                Swap(from, to) => (from == *state).then_some(to),
            }
        }
    }

    fn is_linearizable(history: &[(SwapOp, u64, u64)]) -> bool {
        let event =
            |&(op, called, returned)| HistoryOperation { op, called, returned: (returned > 0).then_some(returned) };
        check::<SwapModel>(&history.iter().map(event).collect::<Vec<_>>()).is_ok()
    }

    #[test]
    fn overlapping_operations_may_take_any_order() {
        assert!(is_linearizable(&[]));
        assert!(is_linearizable(&[(Swap(0, 1), 1, 10), (Read(0), 2, 9), (Read(1), 3, 8)]));
        assert!(is_linearizable(&[(Swap(1, 2), 1, 10), (Swap(0, 1), 2, 9), (Read(2), 11, 12)]));
    }

    #[test]
    fn stale_reads_are_not_linearizable() {
        assert!(!is_linearizable(&[(Swap(0, 1), 1, 10), (Read(1), 2, 3), (Read(0), 4, 5)]));
        assert!(!is_linearizable(&[(Swap(0, 1), 1, 2), (Read(0), 3, 4)]), "a stale read");
    }

    #[test]
    fn one_of_two_swaps_of_the_same_value_fails() {
        assert!(!is_linearizable(&[(Swap(0, 1), 1, 10), (Swap(0, 2), 2, 9)]));
        assert!(
            is_linearizable(&[(Swap(0, 1), 1, 10), (Swap(0, 2), 2, 0)]),
            "an operation that never returned may have no effect"
        );
    }

    #[test]
    fn unreturned_operation_takes_effect_after_its_call_or_never() {
        assert!(is_linearizable(&[(Swap(0, 1), 1, 0), (Read(0), 2, 3), (Read(1), 4, 5)]));
        assert!(is_linearizable(&[(Swap(0, 1), 1, 0), (Read(0), 2, 3)]));
        assert!(!is_linearizable(&[(Read(1), 1, 2), (Swap(0, 1), 3, 0)]));
        assert!(!is_linearizable(&[(Swap(0, 1), 1, 0), (Read(1), 2, 3), (Read(0), 4, 5)]));
    }

    #[test]
    fn long_concurrent_history_is_searched_in_time() {
        let mut history = Vec::new();
        for round in 0..200 {
            let at = round * 100;
            history.extend((0..15).map(|n| (Read(round + n % 2), at + 2 + n, at + 50 + n)));
            history.push((Swap(round, round + 1), at + 1, at + 99));
        }
        assert!(is_linearizable(&history));
        history.push((Read(100), 30_000, 30_001));
        assert!(!is_linearizable(&history));
    }
}
