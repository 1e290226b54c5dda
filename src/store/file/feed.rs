//! The changes since the store was opened, as far as they are kept; and positions, which every process of one store reads alike.

use std::collections::VecDeque;

use crate::store::tables::Commit;
use crate::store::{ChangeEvent, Changes, Error, Position};

/// How many changes are kept. Who is further behind reads everything anew, which is no slower.
const KEPT: usize = 16 * 1024;

/// A place in the order of changes: `file`, `file:commit`, or `file:commit:changes`, where all of a commit was not given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Sequence number of the file.
    seq: u64,
    /// Which commit of the file.
    commit: u32,
    /// How many changes of the commit.
    changes: u32,
}

impl Place {
    /// After all of a file.
    pub fn after_file(seq: u64) -> Self {
        Self { seq, commit: u32::MAX, changes: u32::MAX }
    }

    /// After one commit of a file that has so many. After the last one is after the file: a process that knows the file only
    /// through a snapshot calls the same place the same.
    pub fn after_commit(seq: u64, commit: u32, commits: usize) -> Self {
        let last = commits.checked_sub(1).is_some_and(|last| u32::try_from(last) == Ok(commit));
        if last { Self::after_file(seq) } else { Self { seq, commit, changes: u32::MAX } }
    }

    /// As the port shows it.
    pub fn position(self) -> Position {
        Position(match self {
            Self { seq, commit: u32::MAX, .. } => format!("{seq}"),
            Self { seq, commit, changes: u32::MAX } => format!("{seq}:{commit}"),
            Self { seq, commit, changes } => format!("{seq}:{commit}:{changes}"),
        })
    }

    fn parse(position: &Position) -> Option<Self> {
        let mut parts = position.0.split(':');
        let seq = parts.next()?.parse().ok()?;
        let mut part = || parts.next().map_or(Some(u32::MAX), |text| text.parse().ok());
        let place = Self { seq, commit: part()?, changes: part()? };
        parts.next().is_none().then_some(place)
    }
}

/// The last changes.
#[derive(Debug)]
pub struct Feed {
    /// Everything after this is kept.
    floor: Place,
    events: VecDeque<(Place, ChangeEvent)>,
    end: Place,
}

impl Feed {
    /// Nothing before the end of commit `seq`.
    pub fn from(seq: u64) -> Self {
        let end = Place::after_file(seq);
        Self { floor: end, events: VecDeque::new(), end }
    }

    /// Adds what a commit did, the `index`th of `commits` in its file; commits come in order.
    pub fn push(&mut self, seq: u64, (index, commits): (u32, usize), done: &Commit) {
        let end = Place::after_commit(seq, index, commits);
        let position = end.position();
        // What the store keeps for itself is nobody's news.
        let told = done.told().filter(|change| !change.key.collection.starts_with("runstate."));
        for (n, change) in (1..).zip(told) {
            let event = ChangeEvent {
                position: position.clone(),
                command: done.command.clone(),
                key: change.key.clone(),
                revision: change.after.as_ref().map(|stored| stored.revision.clone()),
            };
            self.events.push_back((Place { seq, commit: index, changes: n }, event));
        }
        self.end = end;
        self.bound();
    }

    fn bound(&mut self) {
        while self.events.len() > KEPT {
            if let Some((place, _)) = self.events.pop_front() {
                self.floor = place;
            }
        }
    }

    /// Goes on with a later reading of the same history.
    pub fn go_on_with(&mut self, later: Self) {
        let end = self.end;
        self.events.extend(later.events.into_iter().filter(|(place, _)| *place > end));
        self.end = end.max(later.end);
        self.bound();
    }

    /// After everything so far.
    pub fn end(&self) -> Position {
        self.end.position()
    }

    /// Up to `limit` changes after `from`.
    pub fn after(&self, from: &Position, limit: usize) -> Result<Changes, Error> {
        // A position after the end is of a store that was put back from a copy, or of another one.
        let from = Place::parse(from).ok_or_else(|| Error::invalid_position(from, "the file store"))?;
        if from < self.floor || from.seq > self.end.seq {
            return Err(Error::PositionExpired);
        }
        let begin = self.events.partition_point(|(place, _)| *place <= from);
        let count = limit.min(self.events.len() - begin);
        let next = match count.checked_sub(1).and_then(|last| self.events.get(begin + last)) {
            _ if begin + count == self.events.len() => self.end.max(from),
            Some((place, _)) => *place,
            None => from,
        };
        let events = self.events.range(begin..begin + count).map(|(_, event)| event.clone()).collect();
        Ok(Changes { events, next: next.position() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_ordered_and_read_back() {
        let places = [
            Place { seq: 1, commit: 0, changes: 1 },
            Place::after_commit(1, 0, 9),
            Place::after_commit(1, 7, 9),
            Place::after_commit(1, 8, 9),
            Place { seq: 2, commit: 0, changes: 1 },
        ];
        assert!(places.is_sorted());
        for place in places {
            assert_eq!(Place::parse(&place.position()), Some(place));
        }
        for foreign in ["", "x", "1:2:3:4", "1:x", "-1"] {
            assert_eq!(Place::parse(&Position(foreign.into())), None, "{foreign}");
        }
    }
}
