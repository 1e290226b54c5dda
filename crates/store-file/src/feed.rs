//! The change feed of a store handle: the last changes since the store was opened, and positions, which mean the same
//! in every process.

use std::collections::VecDeque;

use runstate_store::tables::PlannedCommit;
use runstate_store::{ChangeEvent, Changes, Position, StoreError};

use super::commit_log::VERSIONS;

/// Maximum number of retained changes. A reader that is further behind reloads everything, which is no slower.
const FEED_CAPACITY: usize = 16 * 1024;

/// A position in the change feed: `file`, `file:commit`, or `file:commit:changes` within a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitPosition {
    /// Sequence number of the commit file.
    seq: u64,
    /// Index of the commit in the file.
    commit: u32,
    /// Number of changes of the commit.
    changes: u32,
}

impl CommitPosition {
    /// Returns the position after a whole file.
    pub fn after_file(seq: u64) -> Self {
        Self { seq, commit: u32::MAX, changes: u32::MAX }
    }

    /// Returns the position after one of the `commits` of a file. After the last commit it equals the position after
    /// the file: a process that knows the file only through a snapshot uses the same position.
    pub fn after_commit(seq: u64, commit: u32, commits: usize) -> Self {
        let last = commits.checked_sub(1).is_some_and(|last| u32::try_from(last) == Ok(commit));
        if last { Self::after_file(seq) } else { Self { seq, commit, changes: u32::MAX } }
    }

    /// Returns the text form that the port uses.
    pub fn encode(self) -> Position {
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
        let position = Self { seq, commit: part()?, changes: part()? };
        parts.next().is_none().then_some(position)
    }
}

/// The retained changes.
#[derive(Debug)]
pub struct FileFeed {
    /// All changes after this position are retained.
    floor: CommitPosition,
    events: VecDeque<(CommitPosition, ChangeEvent)>,
    end: CommitPosition,
}

impl FileFeed {
    /// Creates an empty feed that starts after commit file `seq`.
    pub fn starting_after(seq: u64) -> Self {
        let end = CommitPosition::after_file(seq);
        Self { floor: end, events: VecDeque::new(), end }
    }

    /// Appends the changes of a commit, the `index`th of `commits` in its file. Commits must arrive in order.
    pub fn push(&mut self, seq: u64, (index, commits): (u32, usize), commit: &PlannedCommit) {
        let end = CommitPosition::after_commit(seq, index, commits);
        let position = end.encode();
        // No catalog declares the collection of versions: it belongs to the format of the store.
        let published = commit.feed_changes().filter(|change| change.key.collection != VERSIONS);
        for (n, change) in (1..).zip(published) {
            let event = ChangeEvent {
                position: position.clone(),
                command: commit.command.clone(),
                key: change.key.clone(),
                revision: change.after.as_ref().map(|stored| stored.revision.clone()),
            };
            self.events.push_back((CommitPosition { seq, commit: index, changes: n }, event));
        }
        self.end = end;
        self.trim();
    }

    fn trim(&mut self) {
        while self.events.len() > FEED_CAPACITY {
            if let Some((position, _)) = self.events.pop_front() {
                self.floor = position;
            }
        }
    }

    /// Appends the changes of a later load of the same history.
    pub fn append(&mut self, later: Self) {
        let end = self.end;
        self.events.extend(later.events.into_iter().filter(|(position, _)| *position > end));
        self.end = end.max(later.end);
        self.trim();
    }

    /// Returns the position after all changes so far.
    pub fn end(&self) -> Position {
        self.end.encode()
    }

    /// Returns up to `limit` changes after `from`.
    pub fn changes_after(&self, from: &Position, limit: usize) -> Result<Changes, StoreError> {
        // A position after the end belongs to another store, or to this one before it was restored from a copy.
        let from = CommitPosition::parse(from).ok_or_else(|| StoreError::invalid_position(from, "the file store"))?;
        if from < self.floor || from.seq > self.end.seq {
            return Err(StoreError::PositionExpired);
        }
        let begin = self.events.partition_point(|(position, _)| *position <= from);
        let count = limit.min(self.events.len() - begin);
        let next = match count.checked_sub(1).and_then(|last| self.events.get(begin + last)) {
            _ if begin + count == self.events.len() => self.end.max(from),
            Some((position, _)) => *position,
            None => from,
        };
        let events = self.events.range(begin..begin + count).map(|(_, event)| event.clone()).collect();
        Ok(Changes { events, next: next.encode() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_ordered_and_read_back() {
        let positions = [
            CommitPosition { seq: 1, commit: 0, changes: 1 },
            CommitPosition::after_commit(1, 0, 9),
            CommitPosition::after_commit(1, 7, 9),
            CommitPosition::after_commit(1, 8, 9),
            CommitPosition { seq: 2, commit: 0, changes: 1 },
        ];
        assert!(positions.is_sorted());
        for position in positions {
            assert_eq!(CommitPosition::parse(&position.encode()), Some(position));
        }
        for foreign in ["", "x", "1:2:3:4", "1:x", "-1"] {
            assert_eq!(CommitPosition::parse(&Position(foreign.into())), None, "{foreign}");
        }
    }
}
