//! The feed of committed changes: a change stream of the server. The row of the ledger is the first event of each transaction and names the
//! command of the others. Streams stay open for a while, so that who polls does not open one each time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mongodb::error::{Error as Fault, ErrorKind};
use tokio::time::{Instant, sleep, timeout};

use super::again::Stop;
use super::position::Place;
use super::stream::Stream;
use super::{Mongo, faults};
use crate::store::{Changes, Error, Position};
use crate::time::Millis;

/// Streams that stay open with nobody asking.
const OPEN: usize = 8;

/// How long the server waits for the next change before it is asked again.
const WAIT: Duration = Duration::from_secs(10);

/// Before a stream is opened again.
const PAUSE: Duration = Duration::from_millis(100);

const DOING: &str = "reading changes";

/// Streams that stay open, by where they stand; the one that waits longest first.
#[derive(Default)]
pub(super) struct Streams(Mutex<Vec<Stream>>);

impl Streams {
    fn take(&self, place: &Place, mongo: &Mongo) -> Option<Stream> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let declared = mongo.declarations();
        let same = |stream: &Stream| stream.place == *place && std::sync::Arc::ptr_eq(&stream.declared, &declared);
        open.iter().position(same).map(|nth| open.remove(nth))
    }

    /// Lets go of all.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Keeps a stream; the one that has to go for it.
    fn keep(&self, stream: Stream) -> Option<Stream> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(stream);
        (open.len() > OPEN).then(|| open.remove(0))
    }
}

impl Mongo {
    /// Up to `limit` changes after `from`; where there are none it waits up to `wait` for one.
    pub(super) async fn ask_changes(
        &self,
        from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> Result<Changes, Error> {
        let mut place = match &from {
            Some(from) => Place::parse(self.sign(), from)?,
            // A time that is confirmed: what the server has applied so far it may yet lose, and another be at that time with other commits.
            None => Place::Time(self.again(DOING, || Box::pin(self.now())).await?),
        };
        if let (Some(next), 0) = (from, limit) {
            return Ok(Changes { events: Vec::new(), next });
        }
        let until = Instant::now() + Duration::from_millis(u64::try_from(wait.0).unwrap_or(0));
        let mut trouble: Option<Instant> = None;
        loop {
            let fault = match self.changes_from(&mut place, limit, until).await {
                Ok(changes) => return Ok(changes),
                Err(Stop::Error(error) | Stop::Again(error)) => return Err(error),
                Err(Stop::Fault(fault)) => fault,
            };
            self.usable()?;
            let begun = *trouble.get_or_insert_with(Instant::now);
            if is_gone(&fault) {
                return Err(Error::PositionExpired);
            }
            if !ended(&fault) || begun.elapsed() > self.patience {
                return Err(self.error(&fault, DOING));
            }
            sleep(PAUSE).await;
        }
    }

    /// Reads from a stream that is open there, or from a new one. `place` follows what was seen, so that after a fault nothing is missed.
    async fn changes_from(&self, place: &mut Place, limit: usize, until: Instant) -> Result<Changes, Stop> {
        let mut stream = match self.streams.take(place, self) {
            Some(stream) => stream,
            None => self.patiently(Duration::ZERO, self.open_stream(place)).await?,
        };
        let mut events = Vec::new();
        loop {
            while events.len() < limit
                && let Some(event) = stream.next()?
            {
                events.push(event);
            }
            stream.settle();
            *place = stream.place.clone();
            let left = until.saturating_duration_since(Instant::now());
            if events.len() >= limit || (!events.is_empty() && stream.is_drained()) {
                break;
            }
            let wait = if events.is_empty() { left.min(WAIT) } else { Duration::ZERO };
            let millis = Millis(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
            match self.patiently(wait, stream.read(millis)).await {
                // What was seen is told; the next call finds the fault again if it lasts.
                Err(_) if !events.is_empty() => return Ok(Changes { events, next: place.position(self.sign()) }),
                read => read?,
            }
            if left.is_zero() && stream.is_drained() {
                stream.settle();
                *place = stream.place.clone();
                break;
            }
        }
        if let Some(other) = self.streams.keep(stream) {
            other.end().await;
        }
        Ok(Changes { events, next: place.position(self.sign()) })
    }

    /// What an answer of the server comes to, which may take that much longer than others.
    async fn patiently<T>(&self, longer: Duration, asked: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
        let slow = |_| Error::Timeout { what: self.what(DOING), seconds: self.patience.as_secs() };
        timeout(self.patience + longer, asked).await.map_err(slow)?
    }
}

/// The stream ended with its server or connection, and can be opened again where it stood.
fn ended(fault: &Fault) -> bool {
    // Cursors that were forgotten or killed, a plan that was, what the server itself calls resumable.
    const AGAIN: [i32; 7] = [43, 175, 237, 234, 11_601, 63, 133];
    faults::lost(fault)
        || fault.contains_label("ResumableChangeStreamError")
        || faults::number(fault).is_some_and(|number| AGAIN.contains(&number))
}

/// The server keeps no changes from there on any more, or knows no such place.
fn is_gone(fault: &Fault) -> bool {
    // Its log has lost it; a token that it never gave; and what it says to a token that it cannot even read.
    const GONE: [i32; 5] = [15, 136, 260, 280, 286];
    const UNREADABLE: i32 = 10_000;
    let unread = |number: i32| number > UNREADABLE && !ended(fault) && !matches!(*fault.kind, ErrorKind::Io(_));
    let unsupported = 40_573;
    faults::number(fault).is_some_and(|number| GONE.contains(&number) || (unread(number) && number != unsupported))
}
