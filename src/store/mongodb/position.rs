//! Positions in the order of commits: as resume points for the server, and as texts that callers keep.

use mongodb::bson::{Document as Doc, Timestamp as ClusterTime, doc};

use super::Mongo;
use crate::id::CommandId;
use crate::store::{Position, StoreError};

/// A point that is more seconds ahead of the server's time than this was not issued by the server.
const MAX_SECONDS_AHEAD: u32 = 10;

/// A point in the order of commits.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ResumePoint {
    /// A cluster time. Events at exactly that time are included.
    Time(ClusterTime),
    /// The point after an event, as the server's resume token, with the command of the transaction that the event belongs to.
    Token(String, Option<(ClusterTime, CommandId)>),
}

impl ResumePoint {
    /// Errors: [`StoreError::InvalidPosition`] if no MongoDB store issues such a position. [`StoreError::PositionExpired`] if another store
    /// issued it.
    pub(super) fn parse(prefix: &str, position: &Position) -> Result<Self, StoreError> {
        let parts = position.0.split_once('.').and_then(|(of, point)| {
            let place = match point.split_at_checked(1)? {
                ("t", time) => ResumePoint::Time(parse_time(time)?),
                ("r", rest) => parse_token(rest)?,
                _ => return None,
            };
            Some((of, place))
        });
        match parts {
            Some((of, place)) if of == prefix => Ok(place),
            Some(_) => Err(StoreError::PositionExpired),
            None => Err(StoreError::invalid_position(position, "MongoDB")),
        }
    }

    /// The point as text. The prefix of the store distinguishes it from positions of other stores.
    pub(super) fn encode(&self, sign: &str) -> Position {
        Position(match self {
            ResumePoint::Time(ClusterTime { time, increment }) => format!("{sign}.t{time}.{increment}"),
            ResumePoint::Token(token, Some((ClusterTime { time, increment }, command))) => {
                format!("{sign}.r{token}:{time}.{increment}:{command}")
            }
            ResumePoint::Token(token, None) => format!("{sign}.r{token}"),
        })
    }

    /// The cluster time of the point.
    fn cluster_time(&self) -> Option<ClusterTime> {
        match self {
            ResumePoint::Time(at) => Some(*at),
            ResumePoint::Token(token, _) => token_time(token),
        }
    }

    /// Whether the server's reply shows an earlier time: the server was restored to an earlier state, or is another one with a copy of this
    /// store. On an idle server a point is one tick ahead of the time, so a margin of some seconds is allowed.
    pub(super) fn is_ahead_of(&self, reply: &Doc) -> bool {
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

impl Mongo {
    /// The position at a cluster time.
    pub(super) fn position_at(&self, time: Option<ClusterTime>) -> Position {
        ResumePoint::Time(time.unwrap_or(ClusterTime { time: 0, increment: 0 })).encode(self.position_prefix())
    }

    /// The prefix of positions: the end of the store's id, which is its random part.
    pub(super) fn position_prefix(&self) -> &str {
        self.id.get(self.id.len().saturating_sub(8)..).unwrap_or(&self.id)
    }
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
    use super::*;

    const AT: ClusterTime = ClusterTime { time: 1_795_221_651, increment: 4_009 };
    const TOKEN: &str = "826B00E89300000FA92B0229296E04";

    #[test]
    fn position_round_trips_through_text() {
        let token = TOKEN.to_owned();
        for place in [
            ResumePoint::Time(AT),
            ResumePoint::Token(token.clone(), None),
            ResumePoint::Token(token, Some((AT, CommandId::parse_stored("a:b/c.d/2").unwrap()))),
        ] {
            assert_eq!(ResumePoint::parse("1a2b3c4d", &place.encode("1a2b3c4d")), Ok(place.clone()));
            assert_eq!(ResumePoint::parse("1a2b3c4d", &place.encode("1a2b3c4e")), Err(StoreError::PositionExpired));
        }
        for wrong in ["", "now", "t", "t1", "t1.x", "r", "rxyz", "r82:1.2", "r82:1:c", "é1", "12"] {
            for position in [Position(format!("s.{wrong}")), Position(wrong.to_owned())] {
                let refused = ResumePoint::parse("s", &position);
                assert!(matches!(refused, Err(StoreError::InvalidPosition { .. })), "{position:?}: {refused:?}");
            }
        }
    }

    #[test]
    fn a_token_begins_with_its_time() {
        assert!(is_token_at(TOKEN, AT));
        assert!(!is_token_at(TOKEN, ClusterTime { increment: 4_010, ..AT }));
    }

    #[test]
    fn position_is_ahead_only_beyond_the_allowed_seconds() {
        let now = |time| doc! {"$clusterTime": {"clusterTime": ClusterTime { time, increment: 1 }}};
        let place = ResumePoint::Token(TOKEN.to_owned(), None);
        assert!(place.is_ahead_of(&now(AT.time - MAX_SECONDS_AHEAD - 1)));
        assert!(!place.is_ahead_of(&now(AT.time)) && !place.is_ahead_of(&doc! {}));
    }
}
