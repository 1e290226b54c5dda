//! A worker at work: one loop to which everything happens, one after the other, while what it has begun runs at once.

use std::collections::HashMap;

use super::Worker;
use super::idle::{Idle, Rested};
use super::pool::{First, Pool, race};
use super::signal::Signal;
use crate::engine::{Error, Work};
use crate::marker::BoxFuture;
use crate::time::{Millis, Timestamp};

/// How long giving back may take when a worker is told to end now.
const LAST_WORDS: Millis = Millis::seconds(5);

/// When a worker ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Never.
    Told,
    /// When nothing is open.
    Drained,
}

/// What happens to a worker at work.
pub(super) enum Happened {
    /// A claim came back.
    Claimed(Result<Option<Box<Work>>, Error>),
    /// A call was dealt with, of the so-manyth of the kinds that are served.
    Attended { call: String, served: usize, ended: Result<(), Error> },
    /// A wait is over.
    Rested(Idle, Result<Rested, Error>),
    /// What was due was done, as far as that is so.
    Due(Result<Millis, Error>),
    /// It is time to look again at what is due.
    LookForDue,
    /// A call was given back.
    Released,
    /// It was told to stop.
    Stop,
    /// It was told to stop at once, or the grace is over.
    Now,
}

/// A call that is being dealt with.
pub(super) struct Running {
    pub work: Box<Work>,
    /// Its place in the pool.
    pub place: usize,
}

/// How far a worker is with ending.
#[derive(PartialEq, Eq)]
pub(super) enum Ending {
    Not,
    Soon,
    Now,
}

pub(super) struct Serving<'a> {
    pub worker: &'a Worker,
    pub until: Until,
    pub pool: Pool<'a, Happened>,
    pub running: HashMap<String, Running>,
    /// How many of each kind run.
    pub busy: Vec<usize>,
    /// Claims under way.
    pub claims: usize,
    /// How many may be.
    pub most_claims: usize,
    /// `None`: it waits.
    pub idle: Option<Idle>,
    /// Ends a wait.
    pub nudge: Signal,
    /// Where in the pool it is done what is due, or looked for; `None`: nothing is due for now.
    pub due: Option<usize>,
    /// When it was last swept.
    pub swept: Option<Timestamp>,
    /// Ends the wait for what is due.
    pub ends: Signal,
    pub ending: Ending,
    /// Failures of the store in a row.
    pub failures: u32,
    /// Which kinds are asked for first, where there are more than a claim takes.
    pub turn: usize,
}

impl<'a> Serving<'a> {
    pub fn new(worker: &'a Worker, until: Until) -> Self {
        Self {
            worker,
            until,
            pool: Pool::new(),
            running: HashMap::new(),
            busy: vec![0; worker.served.len()],
            claims: 0,
            most_claims: 1,
            idle: Some(Idle::default()),
            nudge: Signal::default(),
            due: None,
            swept: None,
            ends: Signal::default(),
            ending: Ending::Not,
            failures: 0,
            turn: 0,
        }
    }

    pub async fn serve(mut self, mut stop: BoxFuture<'a, ()>, mut now: BoxFuture<'a, ()>) -> Result<(), Error> {
        if self.worker.runs_due {
            self.begin_due();
        }
        self.claim();
        // Whoever is not told to end has always something to wait for.
        while !self.pool.is_empty() {
            match race(race(&mut stop, &mut now), self.pool.next()).await {
                First::One(First::One(())) => {
                    stop = Box::pin(std::future::pending());
                    self.happened(Happened::Stop)?;
                    // The grace counts from here; whoever says `now` shortens it.
                    let (worker, told) = (self.worker, now);
                    now = Box::pin(async move { _ = race(told, worker.host().sleep(worker.grace)).await });
                }
                First::One(First::Other(())) => {
                    stop = Box::pin(std::future::pending());
                    now = match self.ending {
                        Ending::Now => return Ok(()),
                        _ => self.worker.host().sleep(LAST_WORDS),
                    };
                    self.happened(Happened::Now)?;
                }
                First::Other(happened) => self.happened(happened)?,
            }
        }
        Ok(())
    }

    fn happened(&mut self, happened: Happened) -> Result<(), Error> {
        match happened {
            Happened::Claimed(claimed) => self.claimed(claimed)?,
            Happened::Attended { call, served, ended } => self.attended(&call, served, ended)?,
            Happened::Rested(idle, rested) => self.rested(idle, rested)?,
            Happened::Due(done) => self.due_done(done)?,
            Happened::LookForDue => self.begin_due(),
            Happened::Released => {}
            Happened::Stop => self.stop(Ending::Soon),
            Happened::Now => self.abandon(),
        }
        Ok(())
    }
}
