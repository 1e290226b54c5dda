//! Where in the order of commits somebody stands, as the server says it and as a text that others keep for us.

use mongodb::bson::{Document as Doc, Timestamp as At, doc};

use super::Mongo;
use crate::id::CommandId;
use crate::store::{Error, Position};

/// So many seconds ahead of its time a server can have told no place.
const AHEAD: u32 = 10;

/// Where in the order of commits somebody stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// At a time of the server: what happened at that very moment is told too.
    Time(At),
    /// Behind an event, by the server's token; with the command whose transaction it belongs to.
    Token(String, Option<(At, CommandId)>),
}

impl Place {
    /// [`Error::InvalidPosition`]: no store on MongoDB gives such a position. [`Error::PositionExpired`]: another store gave it.
    pub(super) fn parse(sign: &str, position: &Position) -> Result<Self, Error> {
        let parts = position.0.split_once('.').and_then(|(of, place)| {
            let place = match place.split_at_checked(1)? {
                ("t", time) => Place::Time(time_of(time)?),
                ("r", rest) => token_of(rest)?,
                _ => return None,
            };
            Some((of, place))
        });
        match parts {
            Some((of, place)) if of == sign => Ok(place),
            Some(_) => Err(Error::PositionExpired),
            None => Err(Error::invalid_position(position, "MongoDB")),
        }
    }

    /// As a text, with the sign of the store, so that none of another store is taken for one of this.
    pub(super) fn position(&self, sign: &str) -> Position {
        Position(match self {
            Place::Time(At { time, increment }) => format!("{sign}.t{time}.{increment}"),
            Place::Token(token, Some((At { time, increment }, command))) => {
                format!("{sign}.r{token}:{time}.{increment}:{command}")
            }
            Place::Token(token, None) => format!("{sign}.r{token}"),
        })
    }

    /// The time of the server there.
    fn time(&self) -> Option<At> {
        match self {
            Place::Time(at) => Some(*at),
            Place::Token(token, _) => begin_of(token),
        }
    }

    /// The server has not come there yet, as its answer says: it was set back to an earlier time, or is another one with a copy of this store.
    /// Where nothing happens a place is one tick ahead of the time, so it has to be some seconds.
    pub(super) fn is_ahead_of(&self, reply: &Doc) -> bool {
        let now = reply.get_document("$clusterTime").and_then(|time| time.get_timestamp("clusterTime"));
        matches!((self.time(), now), (Some(at), Ok(now)) if at.time > now.time.saturating_add(AHEAD))
    }

    /// Where the server begins.
    pub(super) fn begin(&self) -> Doc {
        match self {
            Place::Time(at) => doc! {"startAtOperationTime": *at},
            Place::Token(token, _) => doc! {"resumeAfter": {"_data": token}},
        }
    }
}

fn time_of(text: &str) -> Option<At> {
    let (time, increment) = text.split_once('.')?;
    Some(At { time: time.parse().ok()?, increment: increment.parse().ok()? })
}

fn token_of(text: &str) -> Option<Place> {
    let (token, command) = match text.split_once(':') {
        None => (text, None),
        Some((token, rest)) => {
            let (time, command) = rest.split_once(':')?;
            (token, Some((time_of(time)?, CommandId::recorded(command).ok()?)))
        }
    };
    let hexadecimal = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| Place::Token(token.to_owned(), command))
}

impl Mongo {
    /// The position at a time of the server.
    pub(super) fn position(&self, time: Option<At>) -> Position {
        Place::Time(time.unwrap_or(At { time: 0, increment: 0 })).position(self.sign())
    }

    /// What positions begin with. The end of the store's id is its random part.
    pub(super) fn sign(&self) -> &str {
        self.id.get(self.id.len().saturating_sub(8)..).unwrap_or(&self.id)
    }
}

/// The time that a token begins with.
fn begin_of(token: &str) -> Option<At> {
    let number = |digits| u32::from_str_radix(token.get(digits)?, 16).ok();
    (token.get(..2) == Some("82")).then_some(())?;
    Some(At { time: number(2..10)?, increment: number(10..18)? })
}

/// Whether a token is of that time.
pub(super) fn is_of(token: &str, at: At) -> bool {
    begin_of(token) == Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: At = At { time: 1_795_221_651, increment: 4_009 };
    const TOKEN: &str = "826B00E89300000FA92B0229296E04";

    #[test]
    fn a_position_is_read_as_it_was_told() {
        let token = TOKEN.to_owned();
        for place in [
            Place::Time(AT),
            Place::Token(token.clone(), None),
            Place::Token(token, Some((AT, CommandId::recorded("a:b/c.d/2").unwrap()))),
        ] {
            assert_eq!(Place::parse("1a2b3c4d", &place.position("1a2b3c4d")), Ok(place.clone()));
            assert_eq!(Place::parse("1a2b3c4d", &place.position("1a2b3c4e")), Err(Error::PositionExpired));
        }
        for wrong in ["", "now", "t", "t1", "t1.x", "r", "rxyz", "r82:1.2", "r82:1:c", "é1", "12"] {
            for position in [Position(format!("s.{wrong}")), Position(wrong.to_owned())] {
                let refused = Place::parse("s", &position);
                assert!(matches!(refused, Err(Error::InvalidPosition { .. })), "{position:?}: {refused:?}");
            }
        }
    }

    #[test]
    fn a_token_begins_with_its_time() {
        assert!(is_of(TOKEN, AT));
        assert!(!is_of(TOKEN, At { increment: 4_010, ..AT }));
    }

    #[test]
    fn only_what_no_server_can_have_told_is_ahead_of_it() {
        let now = |time| doc! {"$clusterTime": {"clusterTime": At { time, increment: 1 }}};
        let place = Place::Token(TOKEN.to_owned(), None);
        assert!(place.is_ahead_of(&now(AT.time - AHEAD - 1)));
        assert!(!place.is_ahead_of(&now(AT.time)) && !place.is_ahead_of(&doc! {}));
    }
}
