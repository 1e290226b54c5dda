//! Whether a history of one document could have happened one after the other, where every write brings a number of its own. Then what
//! was read says which write it was read from, and nothing has to be searched, however many write at once (Gibbons and Korach, 1997).
//!
//! Each number has one writer; a swap writes right behind what it swapped. So the writes are chains: one begins with a write of whatever stands there,
//! or with nothing at all, and goes on by swaps; whoever read stands behind the write of what was read. A chain happens as a whole, since whatever
//! comes between ends it. One chain must come before another where something of the first returned before something of the
//! second was called. There is an order if no two chains must come before each other: of three in a circle two are such.

use std::collections::BTreeMap;

use super::checker::Event;

/// What was done to a document, or none, by the one number in it.
#[derive(Debug, Clone, Copy)]
pub enum Done {
    Read(Option<u64>),
    /// It was written where this stood.
    Swap(Option<u64>, u64),
    /// It was written whatever stood there.
    Write(u64),
}

impl Done {
    pub const fn written(self) -> Option<u64> {
        match self {
            Done::Read(_) => None,
            Done::Swap(_, to) | Done::Write(to) => Some(to),
        }
    }

    fn seen(self) -> Option<Option<u64>> {
        match self {
            Done::Read(seen) | Done::Swap(seen, _) => Some(seen),
            Done::Write(_) => None,
        }
    }
}

/// Where a number stands: in which chain, and as which of it.
type Place = (usize, usize);

/// One operation in its chain: where, when it was called, and when it returned at the latest.
struct Link {
    place: Place,
    called: u64,
    returned: u64,
}

/// When a chain was at the latest begun, and at the earliest done.
#[derive(Clone, Copy)]
struct Zone {
    returned: u64,
    called: u64,
}

/// Says what contradicts itself, where no order explains the history.
pub fn check(history: &[Event<Done>]) -> Result<(), String> {
    let history = happened(history);
    let places = places(&history)?;
    let mut links = vec![Link { place: (0, 0), called: 0, returned: 0 }];
    for event in history {
        let (value, seen) = match event.op {
            Done::Read(seen) => (seen, 1),
            Done::Swap(_, to) | Done::Write(to) => (Some(to), 0),
        };
        let &(chain, rank) = places.get(&value).ok_or_else(|| format!("nobody wrote what was seen: {event:?}"))?;
        let returned = event.returned.unwrap_or(u64::MAX);
        links.push(Link { place: (chain, 2 * rank + seen), called: event.called, returned });
    }
    links.sort_by_key(|link| link.place);
    let chains: Vec<&[Link]> = links.chunk_by(|a, b| a.place.0 == b.place.0).collect();
    chains.iter().try_for_each(|chain| in_order(chain))?;
    one_after_the_other(chains.iter().map(|chain| zone(chain)).collect())
}

/// What took effect: of what has no known end, that whose number somebody saw who took effect. What nobody saw may as well never have happened.
pub fn happened(history: &[Event<Done>]) -> Vec<&Event<Done>> {
    let (mut happened, unknown): (Vec<_>, Vec<_>) = history.iter().partition(|event| event.returned.is_some());
    let mut by_number: BTreeMap<u64, &Event<Done>> =
        unknown.into_iter().filter_map(|event| Some((event.op.written()?, event))).collect();
    let mut at = 0;
    while at < happened.len() {
        let seen = happened[at].op.seen().flatten();
        happened.extend(seen.and_then(|number| by_number.remove(&number)));
        at += 1;
    }
    happened
}

/// Where each number stands, nothing at all included.
fn places(history: &[&Event<Done>]) -> Result<BTreeMap<Option<u64>, Place>, String> {
    let (mut next, mut begins) = (BTreeMap::new(), vec![None]);
    for event in history {
        match event.op {
            Done::Read(_) => {}
            Done::Write(to) => begins.push(Some(to)),
            Done::Swap(from, to) => {
                if let Some(other) = next.insert(from, to) {
                    return Err(format!("{from:?} was swapped twice: by {other} and by {to}"));
                }
            }
        }
    }
    let mut places = BTreeMap::new();
    for (chain, begin) in begins.into_iter().enumerate() {
        let mut value = Some(begin);
        for rank in 0.. {
            let Some(at) = value else { break };
            if places.insert(at, (chain, rank)).is_some() {
                return Err(format!("{at:?} was written twice"));
            }
            value = next.get(&at).map(|to| Some(*to));
        }
    }
    Ok(places)
}

/// Within a chain nothing returns before that is called which stands before it.
fn in_order(chain: &[Link]) -> Result<(), String> {
    let mut behind = u64::MAX;
    for rank in chain.chunk_by(|a, b| a.place == b.place).rev() {
        if let Some(late) = rank.iter().find(|link| link.called > behind) {
            return Err(format!("what was called at {} was behind what returned at {behind}", late.called));
        }
        behind = rank.iter().map(|link| link.returned).fold(behind, u64::min);
    }
    Ok(())
}

fn zone(chain: &[Link]) -> Zone {
    let returned = chain.iter().map(|link| link.returned).min().unwrap_or_default();
    Zone { returned, called: chain.iter().map(|link| link.called).max().unwrap_or_default() }
}

/// Of two chains one of which must come before the other that one has the lesser sum: its return is before the other's call, and its call not
/// behind the other's return. So if there is an order it is that of the sums.
fn one_after_the_other(mut zones: Vec<Zone>) -> Result<(), String> {
    zones.sort_by_key(|zone| u128::from(zone.returned) + u128::from(zone.called));
    let mut called = 0;
    for zone in zones {
        if zone.returned < called {
            return Err(format!(
                "what returned at {} and what was called at {called} had to come before each other",
                zone.returned
            ));
        }
        called = called.max(zone.called);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Random;
    use super::super::checker::{self, Model};
    use super::*;

    /// The same for the search.
    struct Register;

    impl Model for Register {
        type State = Option<u64>;
        type Op = Done;

        fn step(state: &Option<u64>, op: &Done) -> Option<Option<u64>> {
            match *op {
                Done::Read(seen) => (seen == *state).then_some(seen),
                Done::Swap(from, to) => (from == *state).then_some(Some(to)),
                Done::Write(to) => Some(Some(to)),
            }
        }
    }

    /// A few operations of a few clients, of which each took effect at some moment of its own; some of them lie.
    fn some(random: &mut Random) -> Vec<Event<Done>> {
        let many = 2 + random.below(9);
        let mut spans: Vec<(u64, u64, u64)> = Vec::new();
        for _ in 0..many {
            let at = 10 + random.below(60);
            spans.push((at, at - random.below(10), at + random.below(10)));
        }
        spans.sort_unstable();
        let mut state = None;
        let mut history = Vec::new();
        for (n, (_, called, returned)) in (1..).zip(spans) {
            let lie = random.below(12) == 0;
            let seen = if lie { Some(1 + random.below(many)) } else { state };
            let op = match random.below(3) {
                0 => Done::Read(seen),
                1 => Done::Swap(seen, n),
                _ => Done::Write(n),
            };
            let unknown = random.below(6) == 0;
            if let Some(to) = op.written().filter(|_| !unknown || random.below(2) == 0) {
                state = Some(to);
            }
            history.push(Event { op, called, returned: (!unknown).then_some(returned) });
        }
        history
    }

    #[test]
    fn it_finds_what_the_search_finds() {
        let (mut random, mut fits, mut fits_not) = (Random::seeded(), 0, 0);
        for _ in 0..20_000 {
            let history = some(&mut random);
            let (found, searched) = (check(&history), checker::check::<Register>(&history));
            assert_eq!(found.is_ok(), searched.is_ok(), "{found:?} {searched:?} {history:#?}");
            *(if found.is_ok() { &mut fits } else { &mut fits_not }) += 1;
        }
        assert!(fits > 2_000 && fits_not > 2_000, "{fits} {fits_not}");
    }

    #[test]
    fn very_many_writes_at_once_are_judged_at_once() {
        let mut history: Vec<_> =
            (1..=50_000).map(|n| Event { op: Done::Write(n), called: n, returned: Some(100_000 + n) }).collect();
        history.extend((1..=50_000).map(|n| Event {
            op: Done::Read(Some(n)),
            called: 50_000 + n,
            returned: Some(200_000),
        }));
        check(&history).unwrap();
        history.push(Event { op: Done::Read(Some(1)), called: 300_000, returned: Some(300_001) });
        check(&history).unwrap();
        history.push(Event { op: Done::Read(Some(2)), called: 300_002, returned: Some(300_003) });
        assert!(check(&history).is_err());
    }
}
