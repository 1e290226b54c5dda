//! Checks whether a history of one document is linearizable, if every write has its own number. A read then shows which
//! write it read from, so no search is needed, however many writes overlap (Gibbons and Korach, 1997).
//!
//! Each number has one writer, and a swap directly follows the write of the number that it replaces. So the writes form
//! chains. A chain begins with an unconditional write, or with the missing document, and continues with swaps. A read
//! follows the write of the number that it read. A chain takes effect without a gap, since any other write ends it.
//!
//! One chain must come before another if an operation of the first returned before an operation of the second was
//! called. There is an order if no two chains must come before each other: of three chains in a cycle, two do.

use std::collections::BTreeMap;

use crate::support::checker::HistoryOperation;

/// An operation on a document, or on none, by the one number in it.
#[derive(Debug, Clone, Copy)]
pub enum RegisterOp {
    Read(Option<u64>),
    /// A write over this number, or over no document.
    Swap(Option<u64>, u64),
    /// A write at any revision.
    Write(u64),
}

impl RegisterOp {
    pub const fn written_value(self) -> Option<u64> {
        match self {
            RegisterOp::Read(_) => None,
            RegisterOp::Swap(_, to) | RegisterOp::Write(to) => Some(to),
        }
    }

    fn read_value(self) -> Option<Option<u64>> {
        match self {
            RegisterOp::Read(read) | RegisterOp::Swap(read, _) => Some(read),
            RegisterOp::Write(_) => None,
        }
    }
}

/// The position of a number: its chain, and its rank in the chain.
type ChainPosition = (usize, usize);

/// One operation in its chain: its position, when it was called, and when it returned at the latest.
struct ChainLink {
    position: ChainPosition,
    called: u64,
    returned: u64,
}

/// The time by which a chain has begun, and the time before which it has not ended.
#[derive(Clone, Copy)]
struct Zone {
    returned: u64,
    called: u64,
}

/// Fails if no order explains the history. The error names the contradiction.
pub fn check(history: &[HistoryOperation<RegisterOp>]) -> Result<(), String> {
    let history = effective_operations(history);
    let positions = chain_positions(&history)?;
    let mut links = vec![ChainLink { position: (0, 0), called: 0, returned: 0 }];
    for event in history {
        let (value, is_read) = match event.op {
            RegisterOp::Read(read) => (read, 1),
            RegisterOp::Swap(_, to) | RegisterOp::Write(to) => (Some(to), 0),
        };
        let &(chain, rank) =
            positions.get(&value).ok_or_else(|| format!("no write explains what was read: {event:?}"))?;
        let returned = event.returned.unwrap_or(u64::MAX);
        links.push(ChainLink { position: (chain, 2 * rank + is_read), called: event.called, returned });
    }
    links.sort_by_key(|link| link.position);
    let chains: Vec<&[ChainLink]> = links.chunk_by(|a, b| a.position.0 == b.position.0).collect();
    chains.iter().try_for_each(|chain| check_chain(chain))?;
    check_zones(chains.iter().map(|chain| zone(chain)).collect())
}

/// The operations that took effect. One with an unknown outcome did so if another that took effect read its number.
/// Otherwise it may as well never have happened.
pub fn effective_operations(history: &[HistoryOperation<RegisterOp>]) -> Vec<&HistoryOperation<RegisterOp>> {
    let (mut happened, unknown): (Vec<_>, Vec<_>) = history.iter().partition(|event| event.returned.is_some());
    let mut by_number: BTreeMap<u64, &HistoryOperation<RegisterOp>> =
        unknown.into_iter().filter_map(|event| Some((event.op.written_value()?, event))).collect();
    let mut at = 0;
    while at < happened.len() {
        let read = happened[at].op.read_value().flatten();
        happened.extend(read.and_then(|number| by_number.remove(&number)));
        at += 1;
    }
    happened
}

/// The position of each number, and of the missing document.
fn chain_positions(history: &[&HistoryOperation<RegisterOp>]) -> Result<BTreeMap<Option<u64>, ChainPosition>, String> {
    let (mut next, mut begins) = (BTreeMap::new(), vec![None]);
    for event in history {
        match event.op {
            RegisterOp::Read(_) => {}
            RegisterOp::Write(to) => begins.push(Some(to)),
            RegisterOp::Swap(from, to) => {
                if let Some(other) = next.insert(from, to) {
                    return Err(format!("{from:?} was swapped twice: by {other} and by {to}"));
                }
            }
        }
    }
    let mut positions = BTreeMap::new();
    for (chain, begin) in begins.into_iter().enumerate() {
        let mut value = Some(begin);
        for rank in 0.. {
            let Some(at) = value else { break };
            if positions.insert(at, (chain, rank)).is_some() {
                return Err(format!("{at:?} was written twice"));
            }
            value = next.get(&at).map(|to| Some(*to));
        }
    }
    Ok(positions)
}

/// Within a chain no operation returns before an operation of a lower rank is called.
fn check_chain(chain: &[ChainLink]) -> Result<(), String> {
    let mut earliest_return = u64::MAX;
    for rank in chain.chunk_by(|a, b| a.position == b.position).rev() {
        if let Some(late) = rank.iter().find(|link| link.called > earliest_return) {
            return Err(format!(
                "an operation called at {} must come before one that returned at {earliest_return}",
                late.called
            ));
        }
        earliest_return = rank.iter().map(|link| link.returned).fold(earliest_return, u64::min);
    }
    Ok(())
}

fn zone(chain: &[ChainLink]) -> Zone {
    let returned = chain.iter().map(|link| link.returned).min().unwrap_or_default();
    Zone { returned, called: chain.iter().map(|link| link.called).max().unwrap_or_default() }
}

/// If one of two chains must come before the other, it has the lower sum: its return is before the other's call, and
/// its call is not after the other's return. So if there is an order, it is that of the sums.
fn check_zones(mut zones: Vec<Zone>) -> Result<(), String> {
    zones.sort_by_key(|zone| u128::from(zone.returned) + u128::from(zone.called));
    let mut called = 0;
    for zone in zones {
        if zone.returned < called {
            return Err(format!(
                "the chains that returned at {} and were called at {called} must come before each other",
                zone.returned
            ));
        }
        called = called.max(zone.called);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::random::SeededRandom;
    use super::*;
    use crate::support::checker::{self, Model};

    /// The same register as a model for the search.
    struct RegisterModel;

    impl Model for RegisterModel {
        type State = Option<u64>;
        type Op = RegisterOp;

        fn step(state: &Option<u64>, op: &RegisterOp) -> Option<Option<u64>> {
            match *op {
                RegisterOp::Read(read) => (read == *state).then_some(read),
                RegisterOp::Swap(from, to) => (from == *state).then_some(Some(to)),
                RegisterOp::Write(to) => Some(Some(to)),
            }
        }
    }

    /// A few operations of a few clients. Each took effect at one moment, but some of the results are wrong.
    fn random_history(random: &mut SeededRandom) -> Vec<HistoryOperation<RegisterOp>> {
        let count = 2 + random.below(9);
        let mut spans: Vec<(u64, u64, u64)> = Vec::new();
        for _ in 0..count {
            let at = 10 + random.below(60);
            spans.push((at, at - random.below(10), at + random.below(10)));
        }
        spans.sort_unstable();
        let mut state = None;
        let mut history = Vec::new();
        for (n, (_, called, returned)) in (1..).zip(spans) {
            let is_wrong = random.below(12) == 0;
            let read = if is_wrong { Some(1 + random.below(count)) } else { state };
            let op = match random.below(3) {
                0 => RegisterOp::Read(read),
                1 => RegisterOp::Swap(read, n),
                _ => RegisterOp::Write(n),
            };
            let unknown = random.below(6) == 0;
            if let Some(to) = op.written_value().filter(|_| !unknown || random.below(2) == 0) {
                state = Some(to);
            }
            history.push(HistoryOperation { op, called, returned: (!unknown).then_some(returned) });
        }
        history
    }

    #[test]
    fn register_check_agrees_with_the_search() {
        let (mut random, mut valid, mut invalid) = (SeededRandom::seeded(), 0, 0);
        for _ in 0..20_000 {
            let history = random_history(&mut random);
            let (found, searched) = (check(&history), checker::check::<RegisterModel>(&history));
            assert_eq!(found.is_ok(), searched.is_ok(), "{found:?} {searched:?} {history:#?}");
            *(if found.is_ok() { &mut valid } else { &mut invalid }) += 1;
        }
        assert!(valid > 2_000 && invalid > 2_000, "{valid} valid, {invalid} invalid");
    }

    #[test]
    fn fifty_thousand_overlapping_writes_are_checked_in_time() {
        let mut history: Vec<_> = (1..=50_000)
            .map(|n| HistoryOperation { op: RegisterOp::Write(n), called: n, returned: Some(100_000 + n) })
            .collect();
        history.extend((1..=50_000).map(|n| HistoryOperation {
            op: RegisterOp::Read(Some(n)),
            called: 50_000 + n,
            returned: Some(200_000),
        }));
        check(&history).unwrap();
        history.push(HistoryOperation { op: RegisterOp::Read(Some(1)), called: 300_000, returned: Some(300_001) });
        check(&history).unwrap();
        history.push(HistoryOperation { op: RegisterOp::Read(Some(2)), called: 300_002, returned: Some(300_003) });
        assert!(check(&history).is_err());
    }
}
