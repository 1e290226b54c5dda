//! The feed of committed changes: a MongoDB change stream with resume tokens. In each transaction the ledger row precedes all changes and names
//! their command. Idle streams stay open for the next call, so that polling does not open a stream each time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mongodb::error::{Error as DriverError, ErrorKind};
use tokio::time::{Instant, sleep, timeout};

use super::change_stream::ChangeStream;
use super::position::ResumePoint;
use super::retry::AttemptError;
use super::{Mongo, error_mapping};
use crate::store::{Changes, Position, StoreError};
use crate::time::Millis;

/// How many idle streams stay open.
const MAX_IDLE_STREAMS: usize = 8;

/// How long the server waits for the next change in one request.
const MAX_AWAIT: Duration = Duration::from_secs(10);

/// The delay before a stream is opened again.
const REOPEN_DELAY: Duration = Duration::from_millis(100);

const DOING: &str = "reading changes";

/// Idle streams with their resume points. The stream that is idle the longest is first.
#[derive(Default)]
pub(super) struct Streams(Mutex<Vec<ChangeStream>>);

impl Streams {
    fn take(&self, resume_point: &ResumePoint, mongo: &Mongo) -> Option<ChangeStream> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let declared = mongo.declarations();
        let same = |stream: &ChangeStream| {
            stream.resume_point == *resume_point && std::sync::Arc::ptr_eq(&stream.declarations, &declared)
        };
        open.iter().position(same).map(|nth| open.remove(nth))
    }

    /// Drops all streams.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Keeps a stream. Returns a stream to close, if too many are open.
    fn keep(&self, stream: ChangeStream) -> Option<ChangeStream> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(stream);
        (open.len() > MAX_IDLE_STREAMS).then(|| open.remove(0))
    }
}

impl Mongo {
    /// Reads up to `limit` changes after `from`. If there are none, waits up to `wait` for one.
    pub(super) async fn read_changes(
        &self,
        from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> Result<Changes, StoreError> {
        let mut place = match &from {
            Some(from) => ResumePoint::parse(self.position_prefix(), from)?,
            // The time must be confirmed by the majority: a write that the server has only applied may be rolled back, and another primary may
            // have other commits at that time.
            None => ResumePoint::Time(self.retry(DOING, || Box::pin(self.pass_read_fence())).await?),
        };
        if let (Some(next), 0) = (from, limit) {
            return Ok(Changes { events: Vec::new(), next });
        }
        let until = Instant::now() + Duration::from_millis(u64::try_from(wait.0).unwrap_or(0));
        let mut failing_since: Option<Instant> = None;
        loop {
            let fault = match self.read_changes_from(&mut place, limit, until).await {
                Ok(changes) => return Ok(changes),
                Err(AttemptError::Store(error) | AttemptError::Transient(error)) => return Err(error),
                Err(AttemptError::Driver(fault)) => fault,
            };
            self.check_open()?;
            let begun = *failing_since.get_or_insert_with(Instant::now);
            if is_position_expired(&fault) {
                return Err(StoreError::PositionExpired);
            }
            if !is_resumable(&fault) || begun.elapsed() > self.call_timeout {
                return Err(self.map_error(&fault, DOING));
            }
            sleep(REOPEN_DELAY).await;
        }
    }

    /// Reads from an idle stream at `place`, or from a new one. `place` advances with the events, so that a retry misses none.
    async fn read_changes_from(
        &self,
        place: &mut ResumePoint,
        limit: usize,
        until: Instant,
    ) -> Result<Changes, AttemptError> {
        let mut stream = match self.streams.take(place, self) {
            Some(stream) => stream,
            None => self.with_extended_timeout(Duration::ZERO, self.open_stream(place)).await?,
        };
        let mut events = Vec::new();
        loop {
            while events.len() < limit
                && let Some(event) = stream.next()?
            {
                events.push(event);
            }
            stream.advance_to_resume_token();
            *place = stream.resume_point.clone();
            let left = until.saturating_duration_since(Instant::now());
            if events.len() >= limit || (!events.is_empty() && stream.is_drained()) {
                break;
            }
            let wait = if events.is_empty() { left.min(MAX_AWAIT) } else { Duration::ZERO };
            let millis = Millis(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
            match self.with_extended_timeout(wait, stream.read_batch(millis)).await {
                // Return the changes so far. If the error persists, the next call reports it.
                Err(_) if !events.is_empty() => {
                    return Ok(Changes { events, next: place.encode(self.position_prefix()) });
                }
                read => read?,
            }
            if left.is_zero() && stream.is_drained() {
                stream.advance_to_resume_token();
                *place = stream.resume_point.clone();
                break;
            }
        }
        if let Some(other) = self.streams.keep(stream) {
            other.close().await;
        }
        Ok(Changes { events, next: place.encode(self.position_prefix()) })
    }

    /// Runs a request with the timeout of a call plus `longer`, the time that the server waits for an event.
    async fn with_extended_timeout<T>(
        &self,
        longer: Duration,
        asked: impl Future<Output = Result<T, AttemptError>>,
    ) -> Result<T, AttemptError> {
        let slow =
            |_| StoreError::Timeout { what: self.describe_operation(DOING), seconds: self.call_timeout.as_secs() };
        timeout(self.call_timeout + longer, asked).await.map_err(slow)?
    }
}

/// Whether the stream ended with its server or connection, and can be opened again at its resume point.
fn is_resumable(fault: &DriverError) -> bool {
    // CursorNotFound, QueryPlanKilled, CursorKilled, RetryChangeStream, Interrupted, StaleShardVersion, FailedToSatisfyReadPreference.
    const RESUMABLE: [i32; 7] = [43, 175, 237, 234, 11_601, 63, 133];
    error_mapping::is_failover(fault)
        || fault.contains_label("ResumableChangeStreamError")
        || error_mapping::error_code(fault).is_some_and(|number| RESUMABLE.contains(&number))
}

/// Whether the server no longer has the changes after the position, or does not know the position.
fn is_position_expired(fault: &DriverError) -> bool {
    // CappedPositionLost, InvalidResumeToken, ChangeStreamFatalError, ChangeStreamHistoryLost. A token that the server cannot decode fails with
    // Overflow or with a code above 10,000.
    const GONE: [i32; 5] = [15, 136, 260, 280, 286];
    const UNREADABLE: i32 = 10_000;
    let unread = |number: i32| number > UNREADABLE && !is_resumable(fault) && !matches!(*fault.kind, ErrorKind::Io(_));
    let unsupported = 40_573;
    error_mapping::error_code(fault)
        .is_some_and(|number| GONE.contains(&number) || (unread(number) && number != unsupported))
}
