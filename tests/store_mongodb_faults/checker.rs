//! Whether a history of operations that overlapped could have happened one after the other, each at a moment between its call and its
//! return: the search of Wing and Gong, with Lowe's memory of what was tried.
//!
//! The history is a list of calls and returns in the order of time. The search takes the calls that stand before the first return: one of them
//! was first. One that the model allows is lifted out of the list together with its return, and the search goes on behind it; where the
//! list begins with a return that no call before it leads past, the last one lifted is put back and the next one is tried. Which operations
//! were lifted and what state they led to is remembered: the same twice is tried once. What has no return may have taken effect at any later time,
//! or never, so the search ends when all that returned is lifted.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// What operations do one after the other.
pub trait Model {
    type State: Clone + Default + Eq + Hash;
    type Op: Debug;

    /// The state after `op`; `None`: it cannot have come to what it came to.
    fn step(state: &Self::State, op: &Self::Op) -> Option<Self::State>;
}

/// One operation, with what it came to.
#[derive(Debug)]
pub struct Event<O> {
    pub op: O,
    pub called: u64,
    /// `None`: nobody knows whether it took effect, or when.
    pub returned: Option<u64>,
}

/// What stands in the list.
#[derive(Clone, Copy)]
enum Entry {
    /// The end of the list, and its begin.
    Edge,
    Call(usize),
    Return,
}

/// Calls and returns in the order of time, as a list from which pairs are lifted and put back.
struct List {
    entries: Vec<Entry>,
    next: Vec<usize>,
    before: Vec<usize>,
    /// Of each operation where its call and return stand.
    places: Vec<(usize, Option<usize>)>,
}

const EDGE: usize = 0;

/// How many states are looked at: a search that takes longer says so instead of going on for ever.
const MOST: usize = 2_000_000;

impl List {
    fn of<O>(history: &[Event<O>]) -> Self {
        // Of what happened at one time calls come first: they overlap.
        let calls = history.iter().enumerate().map(|(op, event)| (event.called, false, op));
        let returns = history.iter().enumerate().filter_map(|(op, event)| Some((event.returned?, true, op)));
        let mut times: Vec<(u64, bool, usize)> = calls.chain(returns).collect();
        times.sort_unstable();
        let (mut entries, mut places) = (vec![Entry::Edge], vec![(EDGE, None); history.len()]);
        for (at, (_, returned, op)) in times.into_iter().enumerate() {
            if returned {
                places[op].1 = Some(at + 1);
                entries.push(Entry::Return);
            } else {
                places[op].0 = at + 1;
                entries.push(Entry::Call(op));
            }
        }
        let length = entries.len();
        let next = (0..length).map(|at| (at + 1) % length).collect();
        let before = (0..length).map(|at| (at + length - 1) % length).collect();
        Self { entries, next, before, places }
    }

    fn lift(&mut self, op: usize) {
        let (call, returned) = self.places[op];
        for at in [Some(call), returned].into_iter().flatten() {
            let (before, next) = (self.before[at], self.next[at]);
            (self.next[before], self.before[next]) = (next, before);
        }
    }

    fn put_back(&mut self, op: usize) {
        let (call, returned) = self.places[op];
        for at in [returned, Some(call)].into_iter().flatten() {
            let (before, next) = (self.before[at], self.next[at]);
            (self.next[before], self.before[next]) = (at, at);
        }
    }
}

/// An operation that was taken to be next.
struct Lifted<S> {
    op: usize,
    /// The state it found.
    before: S,
    /// It changed nothing. Then nothing is won by taking it later: where it is put back no other is tried in its place.
    only_seen: bool,
}

/// Says which operation found no place, where no order explains the history.
pub fn check<M: Model>(history: &[Event<M::Op>]) -> Result<(), String> {
    let mut list = List::of(history);
    let mut open = history.iter().filter(|event| event.returned.is_some()).count();
    let mut state = M::State::default();
    let mut lifted = vec![0u64; history.len().div_ceil(64)];
    let mut tried: HashSet<(Vec<u64>, M::State)> = HashSet::new();
    let mut path: Vec<Lifted<M::State>> = Vec::new();
    let (mut at, mut deepest) = (list.next[EDGE], (usize::MAX, EDGE));
    while open > 0 {
        if tried.len() > MOST {
            return Err(format!("undecided; {}", stuck(history, &list, deepest)));
        }
        if let Entry::Call(op) = list.entries[at] {
            let came = M::step(&state, &history[op].op);
            lifted[op / 64] |= 1 << (op % 64);
            match came.filter(|came| tried.insert((lifted.clone(), came.clone()))) {
                Some(came) => {
                    let only_seen = came == state;
                    path.push(Lifted { op, before: std::mem::replace(&mut state, came), only_seen });
                    open -= usize::from(history[op].returned.is_some());
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
        // A return that nothing leads past.
        if open < deepest.0 {
            deepest = (open, at);
        }
        loop {
            let Some(Lifted { op, before, only_seen }) = path.pop() else { return Err(stuck(history, &list, deepest)) };
            state = before;
            lifted[op / 64] &= !(1 << (op % 64));
            open += usize::from(history[op].returned.is_some());
            list.put_back(op);
            if !only_seen {
                at = list.next[list.places[op].0];
                break;
            }
        }
    }
    Ok(())
}

fn stuck<O: Debug>(history: &[Event<O>], list: &List, (open, at): (usize, usize)) -> String {
    let op = list.places.iter().position(|(_, returned)| *returned == Some(at));
    format!("with {open} of {} left, no order leads to {:?}", history.len(), op.map(|op| &history[op]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that is read, and replaced where it is another.
    struct Register;

    #[derive(Debug, Clone, Copy)]
    enum Op {
        Read(u64),
        Swap(u64, u64),
    }
    use Op::{Read, Swap};

    impl Model for Register {
        type State = u64;
        type Op = Op;

        fn step(state: &u64, op: &Op) -> Option<u64> {
            match *op {
                Read(seen) => (seen == *state).then_some(seen),
                Swap(from, to) => (from == *state).then_some(to),
            }
        }
    }

    fn holds(history: &[(Op, u64, u64)]) -> bool {
        let event = |&(op, called, returned)| Event { op, called, returned: (returned > 0).then_some(returned) };
        check::<Register>(&history.iter().map(event).collect::<Vec<_>>()).is_ok()
    }

    #[test]
    fn what_overlaps_may_have_happened_in_any_order() {
        assert!(holds(&[]));
        assert!(holds(&[(Swap(0, 1), 1, 10), (Read(0), 2, 9), (Read(1), 3, 8)]));
        assert!(holds(&[(Swap(1, 2), 1, 10), (Swap(0, 1), 2, 9), (Read(2), 11, 12)]));
    }

    #[test]
    fn what_was_read_once_is_not_forgotten() {
        assert!(!holds(&[(Swap(0, 1), 1, 10), (Read(1), 2, 3), (Read(0), 4, 5)]));
        assert!(!holds(&[(Swap(0, 1), 1, 2), (Read(0), 3, 4)]), "a stale read");
    }

    #[test]
    fn of_two_that_replace_the_same_one_fails() {
        assert!(!holds(&[(Swap(0, 1), 1, 10), (Swap(0, 2), 2, 9)]));
        assert!(holds(&[(Swap(0, 1), 1, 10), (Swap(0, 2), 2, 0)]), "of one that never returned nobody knows");
    }

    #[test]
    fn what_never_returned_takes_effect_late_or_never_but_not_before_its_call() {
        assert!(holds(&[(Swap(0, 1), 1, 0), (Read(0), 2, 3), (Read(1), 4, 5)]));
        assert!(holds(&[(Swap(0, 1), 1, 0), (Read(0), 2, 3)]));
        assert!(!holds(&[(Read(1), 1, 2), (Swap(0, 1), 3, 0)]));
        assert!(!holds(&[(Swap(0, 1), 1, 0), (Read(1), 2, 3), (Read(0), 4, 5)]));
    }

    #[test]
    fn a_long_history_with_much_at_once_is_searched_in_time() {
        let mut history = Vec::new();
        for round in 0..200 {
            let at = round * 100;
            history.extend((0..15).map(|n| (Read(round + n % 2), at + 2 + n, at + 50 + n)));
            history.push((Swap(round, round + 1), at + 1, at + 99));
        }
        assert!(holds(&history));
        history.push((Read(100), 30_000, 30_001));
        assert!(!holds(&history));
    }
}
