//! The feed of committed changes: a MongoDB change stream with resume tokens. In each transaction the ledger row
//! precedes all changes and names their command. Each call opens a stream, which costs one request.
//!
//! A position in the order of commits is a resume point for the server, and a text that callers keep.

use std::time::Duration;

use mongodb::bson::raw::RawDocument;
use mongodb::bson::{Document as Doc, Timestamp as ClusterTime, doc};
use mongodb::error::{Error as DriverError, ErrorKind};
use runstate_core::id::CommandId;
use runstate_store::{ChangeEvent, Changes, Position, StoreError};
use runstate_value::time::Millis;
use tokio::time::{Instant, sleep, timeout};

use super::error_mapping::CHANGE_STREAM_UNSUPPORTED;
use super::retry::AttemptError;
use super::{Mongo, error_mapping};
use crate::{change_stream, read_fence, retry};

/// How long the server waits for the next change in one request.
const MAX_AWAIT: Duration = Duration::from_secs(10);

/// The delay before a stream is opened again.
const REOPEN_DELAY: Duration = Duration::from_millis(100);

const DOING: &str = "reading changes";

/// Reads up to `limit` changes after `from`. If there are none, waits up to `wait` for one.
pub(super) async fn read_changes(
    mongo: &Mongo,
    from: Option<Position>,
    limit: usize,
    wait: Millis,
) -> Result<Changes, StoreError> {
    let mut resume_point = match &from {
        Some(from) => ResumePoint::parse(position_prefix(mongo), from)?,
        // The time must be confirmed by the majority: a write that the server has only applied may be rolled back, and
        // another primary may have other commits at that time.
        None => ResumePoint::Time(retry::retry(mongo, DOING, || Box::pin(read_fence::pass_read_fence(mongo))).await?),
    };
    if let (Some(next), 0) = (from, limit) {
        return Ok(Changes { events: Vec::new(), next });
    }
    let until = Instant::now() + Duration::from_millis(u64::try_from(wait.0).unwrap_or(0));
    let mut failing_since: Option<Instant> = None;
    loop {
        let wait = until.saturating_duration_since(Instant::now()).min(MAX_AWAIT);
        let error = match read_changes_from(mongo, &mut resume_point, limit, wait).await {
            Ok(events) if events.is_empty() && limit > 0 && Instant::now() < until => {
                failing_since = None;
                continue;
            }
            Ok(events) => return Ok(Changes { events, next: resume_point.encode(position_prefix(mongo)) }),
            Err(AttemptError::Store(error) | AttemptError::Transient(error)) => return Err(error),
            Err(AttemptError::Driver(error)) => error,
        };
        runstate_store_server::check_open(&mongo.closed)?;
        let begun = *failing_since.get_or_insert_with(Instant::now);
        if is_position_expired(&error) {
            return Err(StoreError::PositionExpired);
        }
        if !is_resumable(&error) || begun.elapsed() > mongo.call_timeout {
            return Err(mongo.map_error(&error, DOING));
        }
        sleep(REOPEN_DELAY).await;
    }
}

/// Reads what there is after `resume_point`. If that is nothing, waits up to `wait` for one more batch. `resume_point`
/// advances with the events, so that a retry misses none.
async fn read_changes_from(
    mongo: &Mongo,
    resume_point: &mut ResumePoint,
    limit: usize,
    wait: Duration,
) -> Result<Vec<ChangeEvent>, AttemptError> {
    let opening = change_stream::open_stream(mongo, resume_point, limit, wait);
    let mut stream = with_extended_timeout(mongo, Duration::ZERO, opening).await?;
    let (mut events, mut has_waited) = (Vec::new(), false);
    loop {
        while events.len() < limit
            && let Some(event) = stream.next()?
        {
            events.push(event);
        }
        *resume_point = stream.resume_point.clone();
        // The next batch may take as long as `wait`, so changes are returned before it.
        if !events.is_empty() || stream.is_drained() && has_waited {
            return Ok(events);
        }
        with_extended_timeout(mongo, wait, stream.read_batch()).await?;
        has_waited = true;
    }
}

/// Runs a request with the timeout of a call plus `extra`, the time that the server waits for an event.
async fn with_extended_timeout<T>(
    mongo: &Mongo,
    extra: Duration,
    request: impl Future<Output = Result<T, AttemptError>>,
) -> Result<T, AttemptError> {
    let timed_out =
        |_| StoreError::Timeout { what: mongo.describe_operation(DOING), seconds: mongo.call_timeout.as_secs() };
    timeout(mongo.call_timeout + extra, request).await.map_err(timed_out)?
}

/// Whether the stream ended with its server or connection, and can be opened again at its resume point.
fn is_resumable(error: &DriverError) -> bool {
    // CursorNotFound, QueryPlanKilled, CursorKilled, RetryChangeStream, Interrupted, StaleShardVersion,
    // FailedToSatisfyReadPreference.
    const RESUMABLE: [i32; 7] = [43, 175, 237, 234, 11_601, 63, 133];
    error_mapping::is_failover(error)
        || error.contains_label("ResumableChangeStreamError")
        || error_mapping::error_code(error).is_some_and(|code| RESUMABLE.contains(&code))
}

/// Whether the server no longer has the changes after the position, or does not know the position.
fn is_position_expired(error: &DriverError) -> bool {
    // CappedPositionLost, InvalidResumeToken, ChangeStreamFatalError, ChangeStreamHistoryLost. A token that the server
    // cannot decode fails with Overflow or with a code above 10,000.
    const EXPIRED: [i32; 5] = [15, 136, 260, 280, 286];
    const UNREADABLE: i32 = 10_000;
    let is_unreadable =
        |code: i32| code > UNREADABLE && !is_resumable(error) && !matches!(*error.kind, ErrorKind::Io(_));
    error_mapping::error_code(error)
        .is_some_and(|code| EXPIRED.contains(&code) || (is_unreadable(code) && code != CHANGE_STREAM_UNSUPPORTED))
}

/// A point that is more seconds ahead of the server's time than this was not issued by the server.
const MAX_SECONDS_AHEAD: u32 = 10;

/// A point in the order of commits.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ResumePoint {
    /// A cluster time. Events at exactly that time are included.
    Time(ClusterTime),
    /// The point after an event, as the server's resume token, with the command of the transaction that the event
    /// belongs to.
    Token(String, Option<(ClusterTime, CommandId)>),
}

impl ResumePoint {
    /// Errors: [`StoreError::InvalidPosition`] if no MongoDB store issues such a position.
    /// [`StoreError::PositionExpired`] if another store issued it.
    pub(super) fn parse(prefix: &str, position: &Position) -> Result<Self, StoreError> {
        let parts = position.0.split_once('.').and_then(|(prefix, text)| {
            let point = match text.split_at_checked(1)? {
                ("t", time) => ResumePoint::Time(parse_time(time)?),
                ("r", token) => parse_token(token)?,
                _ => return None,
            };
            Some((prefix, point))
        });
        match parts {
            Some((own, point)) if own == prefix => Ok(point),
            Some(_) => Err(StoreError::PositionExpired),
            None => Err(StoreError::invalid_position(position, "MongoDB")),
        }
    }

    /// The point as text. The prefix of the store distinguishes it from positions of other stores.
    pub(super) fn encode(&self, prefix: &str) -> Position {
        Position(match self {
            ResumePoint::Time(ClusterTime { time, increment }) => format!("{prefix}.t{time}.{increment}"),
            ResumePoint::Token(token, Some((ClusterTime { time, increment }, command))) => {
                format!("{prefix}.r{token}:{time}.{increment}:{command}")
            }
            ResumePoint::Token(token, None) => format!("{prefix}.r{token}"),
        })
    }

    /// The cluster time of the point.
    fn cluster_time(&self) -> Option<ClusterTime> {
        match self {
            ResumePoint::Time(at) => Some(*at),
            ResumePoint::Token(token, _) => token_time(token),
        }
    }

    /// Whether the server's reply shows an earlier time: the server was restored to an earlier state, or is another one
    /// with a copy of this store. On an idle server a point is one tick ahead of the time, so some seconds are allowed.
    pub(super) fn is_ahead_of(&self, reply: &RawDocument) -> bool {
        let now = reply.get_document("$clusterTime").and_then(|time| time.get_timestamp("clusterTime"));
        matches!((self.cluster_time(), now), (Some(at), Ok(now)) if at.time > now.time.saturating_add(MAX_SECONDS_AHEAD))
    }

    /// The option that starts a change stream at this point.
    pub(super) fn change_stream_options(&self) -> Doc {
        match self {
            ResumePoint::Time(at) => doc! {"startAtOperationTime": *at},
            ResumePoint::Token(token, _) => doc! {"resumeAfter": {"_data": token}},
        }
    }
}

fn parse_time(text: &str) -> Option<ClusterTime> {
    let (time, increment) = text.split_once('.')?;
    Some(ClusterTime { time: time.parse().ok()?, increment: increment.parse().ok()? })
}

fn parse_token(text: &str) -> Option<ResumePoint> {
    let (token, command) = match text.split_once(':') {
        None => (text, None),
        Some((token, rest)) => {
            let (time, command) = rest.split_once(':')?;
            (token, Some((parse_time(time)?, CommandId::parse_stored(command).ok()?)))
        }
    };
    let hexadecimal = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| ResumePoint::Token(token.to_owned(), command))
}

pub(super) fn position_at(mongo: &Mongo, time: Option<ClusterTime>) -> Position {
    ResumePoint::Time(time.unwrap_or(ClusterTime { time: 0, increment: 0 })).encode(position_prefix(mongo))
}

/// The prefix of positions: the end of the store's id, which is its random part.
pub(super) fn position_prefix(mongo: &Mongo) -> &str {
    mongo.id.get(mongo.id.len().saturating_sub(8)..).unwrap_or(&mongo.id)
}

/// The cluster time at the beginning of a resume token.
fn token_time(token: &str) -> Option<ClusterTime> {
    let number = |digits| u32::from_str_radix(token.get(digits)?, 16).ok();
    (token.get(..2) == Some("82")).then_some(())?;
    Some(ClusterTime { time: number(2..10)?, increment: number(10..18)? })
}

/// Whether a resume token is at that cluster time.
pub(super) fn is_token_at(token: &str, at: ClusterTime) -> bool {
    token_time(token) == Some(at)
}

#[cfg(test)]
mod tests {
    use mongodb::bson::rawdoc;

    use super::*;

    const AT: ClusterTime = ClusterTime { time: 1_795_221_651, increment: 4_009 };
    const TOKEN: &str = "826B00E89300000FA92B0229296E04";

    #[test]
    fn position_round_trips_through_text() {
        let token = TOKEN.to_owned();
        for point in [
            ResumePoint::Time(AT),
            ResumePoint::Token(token.clone(), None),
            ResumePoint::Token(token, Some((AT, CommandId::parse_stored("a:b/c.d/2").unwrap()))),
        ] {
            assert_eq!(ResumePoint::parse("1a2b3c4d", &point.encode("1a2b3c4d")), Ok(point.clone()));
            assert_eq!(ResumePoint::parse("1a2b3c4d", &point.encode("1a2b3c4e")), Err(StoreError::PositionExpired));
        }
        for wrong in ["", "now", "t", "t1", "t1.x", "r", "rxyz", "r82:1.2", "r82:1:c", "é1", "12"] {
            for position in [Position(format!("s.{wrong}")), Position(wrong.to_owned())] {
                let parsed = ResumePoint::parse("s", &position);
                assert!(matches!(parsed, Err(StoreError::InvalidPosition { .. })), "{position:?}: {parsed:?}");
            }
        }
    }

    #[test]
    fn resume_token_begins_with_its_cluster_time() {
        assert!(is_token_at(TOKEN, AT));
        assert!(!is_token_at(TOKEN, ClusterTime { increment: 4_010, ..AT }));
    }

    #[test]
    fn position_is_ahead_only_beyond_the_allowed_seconds() {
        let now = |time| rawdoc! {"$clusterTime": {"clusterTime": ClusterTime { time, increment: 1 }}};
        let point = ResumePoint::Token(TOKEN.to_owned(), None);
        assert!(point.is_ahead_of(&now(AT.time - MAX_SECONDS_AHEAD - 1)));
        assert!(!point.is_ahead_of(&now(AT.time)) && !point.is_ahead_of(&rawdoc! {}));
    }
}
