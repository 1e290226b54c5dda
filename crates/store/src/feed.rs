//! A bounded change feed in memory, and waiters that work on any executor. It serves stores whose commits all pass
//! through one process.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use event_listener::{Event, EventListener};
use futures_timer::Delay;
use runstate_value::time::Millis;

use super::tables::PlannedCommit;
use super::{ChangeEvent, Changes, Position, StoreError};

/// Number of changes that the feed retains for later readers.
const CAPACITY: usize = 10_000;

/// A position in the feed: a commit, and the number of its changes that precede the position. After a whole commit, the
/// text has no second part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct MemoryPosition {
    commit: u64,
    change: u32,
}

impl MemoryPosition {
    const fn end_of(commit: u64) -> Self {
        Self { commit, change: u32::MAX }
    }

    fn encode(self) -> Position {
        match self.change {
            u32::MAX => Position(self.commit.to_string()),
            change => Position(format!("{}/{change}", self.commit)),
        }
    }

    fn parse(position: &Position) -> Option<Self> {
        match position.0.split_once('/') {
            None => position.0.parse().ok().map(Self::end_of),
            Some((commit, change)) => Some(Self { commit: commit.parse().ok()?, change: change.parse().ok()? }),
        }
    }
}

/// The newest changes, in order.
#[derive(Debug, Default)]
pub(super) struct MemoryFeed {
    events: VecDeque<(MemoryPosition, ChangeEvent)>,
    /// The newest change that was evicted.
    last_evicted: Option<MemoryPosition>,
    last: u64,
}

impl MemoryFeed {
    /// Appends the changes of a commit, and returns its position.
    pub(super) fn push(&mut self, commit: &PlannedCommit) -> Position {
        self.last += 1;
        let position = MemoryPosition::end_of(self.last).encode();
        for (change, index) in commit.feed_changes().zip(1..) {
            if self.events.len() == CAPACITY {
                self.last_evicted = self.events.pop_front().map(|(evicted, _)| evicted);
            }
            let event = ChangeEvent {
                position: position.clone(),
                command: commit.command.clone(),
                key: change.key.clone(),
                revision: change.after.as_ref().map(|stored| stored.revision.clone()),
            };
            self.events.push_back((MemoryPosition { commit: self.last, change: index }, event));
        }
        position
    }

    /// Returns the position of the last commit.
    pub(super) fn last_position(&self) -> Position {
        MemoryPosition::end_of(self.last).encode()
    }

    /// Returns up to `limit` changes after `from`.
    pub(super) fn changes_after(&self, from: &Position, limit: usize) -> Result<Changes, StoreError> {
        // A position that this feed never returned is of an earlier life of the store, whose changes are unknown.
        let start =
            MemoryPosition::parse(from).ok_or_else(|| StoreError::invalid_position(from, "the memory store"))?;
        if start.commit > self.last || self.last_evicted.is_some_and(|evicted| start < evicted) {
            return Err(StoreError::PositionExpired);
        }
        let begin = self.events.partition_point(|(at, _)| *at <= start);
        let selected = self.events.range(begin..).take(limit);
        let events: Vec<ChangeEvent> = selected.map(|(_, event)| event.clone()).collect();
        let next = match self.events.get(begin + events.len()) {
            None => self.last_position(),
            // If the limit splits a commit, the next page begins within it.
            Some((following, _)) if following.change > 1 && !events.is_empty() => {
                MemoryPosition { change: following.change - 1, ..*following }.encode()
            }
            Some(_) => events.last().map_or_else(|| from.clone(), |event| event.position.clone()),
        };
        Ok(Changes { events, next })
    }
}

/// The tasks that wait for an event.
#[derive(Debug, Default)]
pub struct Waiters(Event);

/// One waiting task. It is notified of every event after its creation.
pub struct Waiter(EventListener);

impl Waiters {
    /// Notifies all waiters.
    pub fn wake(&self) {
        self.0.notify(usize::MAX);
    }

    /// Registers a waiter. Call it before reading the state, so that no event in between is missed.
    pub fn listen(&self) -> Waiter {
        Waiter(self.0.listen())
    }
}

/// Returns a timer that needs no particular async runtime.
pub fn timer(span: Millis) -> Delay {
    Delay::new(Duration::from_millis(u64::try_from(span.0).unwrap_or(0)))
}

impl Waiter {
    /// Waits for an event or for the timer. Returns `true` on an event.
    pub async fn wait(self, time: &mut Delay) -> bool {
        let mut event = pin!(self.0);
        let mut time = pin!(time);
        poll_fn(|cx| match event.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => time.as_mut().poll(cx).map(|()| false),
        })
        .await
    }
}
