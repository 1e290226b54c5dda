//! A bounded feed of committed changes, and waiting for the next one on any executor. For stores whose commits pass through
//! one place in one process.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use event_listener::{Event, EventListener};
use futures_timer::Delay;

use super::tables::Commit;
use super::{ChangeEvent, Changes, Error, Position};
use crate::time::Millis;

/// How many changes are kept for those that come back.
const KEPT: usize = 10_000;

/// A place in the feed: a commit, and how many of its changes were told. Positions of whole commits have no second part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    commit: u64,
    change: u32,
}

impl Place {
    const fn end_of(commit: u64) -> Self {
        Self { commit, change: u32::MAX }
    }

    fn position(self) -> Position {
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

/// The last changes, in order.
#[derive(Debug, Default)]
pub(super) struct Feed {
    kept: VecDeque<(Place, ChangeEvent)>,
    /// The last change that is no longer kept.
    forgotten: Option<Place>,
    last: u64,
}

impl Feed {
    /// Takes in a commit; its position.
    pub(super) fn push(&mut self, commit: &Commit) -> Position {
        self.last += 1;
        let position = Place::end_of(self.last).position();
        for (change, i) in commit.told().zip(1..) {
            if self.kept.len() == KEPT {
                self.forgotten = self.kept.pop_front().map(|(place, _)| place);
            }
            let event = ChangeEvent {
                position: position.clone(),
                command: commit.command.clone(),
                key: change.key.clone(),
                revision: change.after.as_ref().map(|stored| stored.revision.clone()),
            };
            self.kept.push_back((Place { commit: self.last, change: i }, event));
        }
        position
    }

    /// The position of the last commit.
    pub(super) fn now(&self) -> Position {
        Place::end_of(self.last).position()
    }

    /// Up to `limit` changes after `from`.
    pub(super) fn after(&self, from: &Position, limit: usize) -> Result<Changes, Error> {
        // A position that this feed never gave comes from an earlier life of the store: nothing is known of what lies between.
        let place = Place::parse(from).ok_or_else(|| Error::invalid_position(from, "the memory store"))?;
        if place.commit > self.last || self.forgotten.is_some_and(|forgotten| place < forgotten) {
            return Err(Error::PositionExpired);
        }
        let begin = self.kept.partition_point(|(at, _)| *at <= place);
        let told = self.kept.range(begin..).take(limit);
        let events: Vec<ChangeEvent> = told.map(|(_, event)| event.clone()).collect();
        let next = match self.kept.get(begin + events.len()) {
            None => self.now(),
            // Where the limit cut a commit in two the next page begins within it.
            Some((following, _)) if following.change > 1 && !events.is_empty() => {
                Place { change: following.change - 1, ..*following }.position()
            }
            Some(_) => events.last().map_or_else(|| from.clone(), |event| event.position.clone()),
        };
        Ok(Changes { events, next })
    }
}

/// Those who wait for something to happen.
#[derive(Debug, Default)]
pub(super) struct Waiters(Event);

/// One who waits: told of everything that happens from its making on.
pub(super) struct Waiter(EventListener);

impl Waiters {
    /// Wakes everyone.
    pub(super) fn wake(&self) {
        self.0.notify(usize::MAX);
    }

    /// Made before looking, so that what happens in between is not missed.
    pub(super) fn listen(&self) -> Waiter {
        Waiter(self.0.listen())
    }
}

/// The end of a wait, on the timers of no particular runtime.
pub(super) fn timer(span: Millis) -> Delay {
    Delay::new(Duration::from_millis(u64::try_from(span.0).unwrap_or(0)))
}

impl Waiter {
    /// Waits until something happened (`true`) or the time is up.
    pub(super) async fn until(self, time: &mut Delay) -> bool {
        let mut happened = pin!(self.0);
        let mut time = pin!(time);
        poll_fn(|cx| match happened.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => time.as_mut().poll(cx).map(|()| false),
        })
        .await
    }
}
