//! Identifiers: document ids, command ids, revisions. All are text, and all are checked once, where they enter.

use std::fmt;
use std::sync::Arc;

use runstate_value::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::limits::ID_BYTES;

/// The reason why a text is not a valid id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text is empty.
    #[error("an id may not be empty")]
    Empty,
    /// The text has more than [`ID_BYTES`] bytes.
    #[error("an id may have at most {ID_BYTES} bytes of UTF-8, this one has {0}")]
    TooLong(usize),
    /// The text ends like the id of a part of another command.
    #[error("a command id may not end in a slash and digits: these ids name the parts of a command")]
    ReservedSuffix,
    /// The text has a control character.
    #[error("an id may not contain control characters (this one has U+{0:04X})")]
    Control(u32),
}

/// Checks the rule for every id: 1 to 200 bytes of UTF-8 without control characters. Case is significant, and nothing
/// else is special. `../x`, `CON` and emoji are ordinary ids, because no store uses an id unchanged as a file name.
///
/// ```
/// assert!(runstate::id::check("../CON").is_ok());
/// assert!(runstate::id::check("a\nb").is_err());
/// ```
pub fn check(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if text.len() > ID_BYTES {
        return Err(InvalidId::TooLong(text.len()));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(InvalidId::Control(u32::from(c))),
        None => Ok(()),
    }
}

/// Space for `/4294967295` after a command id.
const PART_BYTES: usize = 12;

/// The id of a command. A repeat of the same id returns the first result.
///
/// Batches that belong to a command (later slices, staging, deletion) have the ids `id/1`, `id/2`, …
/// ([`CommandId::part`]).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CommandId(Arc<str>);

impl CommandId {
    /// Parses a command id. It follows the rule of every id and is 12 bytes shorter, since the ids of its parts are ids
    /// too.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        check(text)?;
        if text.len() > ID_BYTES - PART_BYTES {
            return Err(InvalidId::TooLong(text.len() + PART_BYTES));
        }
        if text.rsplit_once('/').is_some_and(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
            return Err(InvalidId::ReservedSuffix);
        }
        Ok(Self(text.into()))
    }

    /// Parses the id of a command, or of a part of one, as a store holds it.
    pub fn parse_stored(text: &str) -> Result<Self, InvalidId> {
        if let Some((command, part)) = text.rsplit_once('/')
            && let Ok(n) = part.parse::<u32>()
            && n.to_string() == part
        {
            return Ok(Self::new(command)?.part(n));
        }
        Self::new(text)
    }

    /// Generates a command id from `now` and ten bytes of entropy.
    pub fn generate(now: Timestamp, entropy: [u8; 10]) -> Self {
        Self(uuid_v7(now, entropy).into())
    }

    /// The id of the `n`th batch that belongs to this command.
    pub fn part(&self, n: u32) -> Self {
        Self(format!("{}/{n}", self.0).into())
    }

    /// The id of sweeps in the change feed. Sweeps are not commands and have no row in the ledger.
    pub fn sweep() -> Self {
        Self("runstate.sweep".into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The revision of a document: `n-incarnation`.
///
/// `n` counts the writes since the document was inserted. The incarnation is new at every insert, so a recreated
/// document is never taken for the deleted one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    n: u64,
    incarnation: Arc<str>,
}

impl Revision {
    /// The revision of a document that `command` inserts under `collection` and `id`.
    pub fn first(command: &CommandId, collection: &str, id: &str) -> Self {
        let digest = sha256(&[command.as_str().as_bytes(), collection.as_bytes(), id.as_bytes()]);
        Self { n: 1, incarnation: hex(&digest[..6]).into() }
    }

    /// The revision after one more write.
    pub fn next(&self) -> Self {
        Self { n: self.n.saturating_add(1), incarnation: self.incarnation.clone() }
    }

    /// The number of writes of the document, its insertion included.
    pub fn writes(&self) -> u64 {
        self.n
    }

    /// The incarnation. It is new at every insert of the document and does not change when the document is updated.
    pub fn incarnation(&self) -> &str {
        &self.incarnation
    }

    /// Parses `n-incarnation`; `None` if the text is not a valid revision.
    pub fn parse(text: &str) -> Option<Self> {
        let (n, incarnation) = text.split_once('-')?;
        let canonical = n.len() == 1 || !n.starts_with('0');
        let lower_hex = incarnation.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let n = n.bytes().all(|b| b.is_ascii_digit()).then(|| n.parse().ok()).flatten()?;
        (canonical && n > 0 && incarnation.len() == 12 && lower_hex)
            .then(|| Self { n, incarnation: incarnation.into() })
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.n, self.incarnation)
    }
}

impl Serialize for Revision {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Revision {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a valid revision")))
    }
}

/// A UUIDv7 (RFC 9562) whose time is `now` and whose 74 free bits are SHA-256 of `command` and `counter`. A command
/// that is decided again creates the same ids.
pub fn derive_id(now: Timestamp, command: &CommandId, counter: u64) -> String {
    let digest = sha256(&[b"id", command.as_str().as_bytes(), &counter.to_be_bytes()]);
    let mut random = [0u8; 10];
    random.copy_from_slice(&digest[..10]);
    uuid_v7(now, random)
}

/// A UUIDv7 from `now` and ten bytes of entropy.
pub fn uuid_v7(now: Timestamp, random: [u8; 10]) -> String {
    let ms = u64::try_from(now.as_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid().to_string()
}

/// A UUIDv8 (RFC 9562) from SHA-256 of `parts`: the id of a document with a natural key. Equal parts give equal ids.
///
/// ```
/// use runstate::id::natural_uuid;
/// assert_eq!(natural_uuid(&["p", "money"]), natural_uuid(&["p", "money"]));
/// assert_ne!(natural_uuid(&["pm", "oney"]), natural_uuid(&["p", "money"]));
/// ```
pub fn natural_uuid(parts: &[&str]) -> String {
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    let digest = sha256(&parts);
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// The time with which an id begins, as a UUIDv7 does; `None`: it does not begin so. Of two such ids, the one with the
/// later time is the greater.
///
/// ```
/// use runstate::{id, time::Timestamp};
/// let at = Timestamp::from_millis(1_705_744_800_000);
/// assert_eq!(id::time_of(&id::uuid_v7(at, [7; 10])), Some(at));
/// assert_eq!(id::time_of("step-1"), None);
/// ```
pub fn time_of(id: &str) -> Option<Timestamp> {
    let millis = u64::from_str_radix(&[id.get(..8)?, id.get(9..13)?].concat(), 16).ok()?;
    let at = Timestamp::from_millis(i64::try_from(millis).ok()?);
    // The separators, the version, and the one way to write the digits.
    (id.len() == 36 && id.get(..15)? == &uuid_v7(at, [0; 10])[..15]).then_some(at)
}

/// SHA-256 over `parts`, each preceded by its length, so that different lists of parts never give the same input.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Lower-case hexadecimal text of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    ::hex::encode(bytes)
}

/// Decodes lower-case hexadecimal text.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    ::hex::decode(text).ok().filter(|bytes| hex(bytes) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_bounded_text() {
        assert_eq!(check(""), Err(InvalidId::Empty));
        assert_eq!(check(&"x".repeat(201)), Err(InvalidId::TooLong(201)));
        assert_eq!(check("a\0b"), Err(InvalidId::Control(0)));
        for valid in ["../x", "CON", "🦀", "Key", "key", &"x".repeat(200)] {
            assert_eq!(check(valid), Ok(()), "{valid}");
        }
    }

    #[test]
    fn command_ids_leave_room_for_their_parts() {
        assert_eq!(CommandId::new("job/1"), Err(InvalidId::ReservedSuffix));
        assert!(CommandId::new(&"x".repeat(189)).is_err());
        let longest = CommandId::new(&"x".repeat(188)).unwrap();
        assert_eq!(check(longest.part(u32::MAX).as_str()), Ok(()));
        for valid in ["job/1a", "job/", "1", "a/1/b"] {
            assert!(CommandId::new(valid).is_ok(), "{valid}");
        }
    }

    #[test]
    fn stored_command_ids_parse_to_themselves() {
        for id in ["a", "job/1", "a/1/b", "job/4294967295"] {
            assert_eq!(CommandId::parse_stored(id).unwrap().as_str(), id);
        }
        for id in ["job/01", "job/4294967296", "a/1/2", ""] {
            assert!(CommandId::parse_stored(id).is_err(), "{id}");
        }
    }

    #[test]
    fn a_recreated_document_has_another_incarnation() {
        let first = Revision::first(&CommandId::new("a").unwrap(), "c", "1");
        let second = Revision::first(&CommandId::new("b").unwrap(), "c", "1");
        assert_ne!(first, second);
        assert_eq!(Revision::parse(&first.next().to_string()), Some(first.next()));
        for invalid in
            ["", "1", "0-000000000000", "01-000000000000", "1-00000000000", "1-00000000000G", "+1-000000000000"]
        {
            assert_eq!(Revision::parse(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn derived_ids_are_uuid_v7_and_repeatable() {
        let command = CommandId::new("c").unwrap();
        let id = derive_id(Timestamp::from_millis(1_705_744_800_000), &command, 0);
        assert_eq!(id, derive_id(Timestamp::from_millis(1_705_744_800_000), &command, 0));
        assert_ne!(id, derive_id(Timestamp::from_millis(1_705_744_800_000), &command, 1));
        assert_eq!((&id[..14], id.len()), ("018d2650-1900-", 36));
        assert_eq!(&id[14..15], "7");
    }

    #[test]
    fn time_of_an_id_is_read_from_a_uuid_v7_only() {
        for millis in [0, 1, 1_705_744_800_000, (1 << 48) - 1] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(time_of(&uuid_v7(at, [255; 10])), Some(at));
        }
        let valid = uuid_v7(Timestamp::from_millis(1_705_744_800_000), [255; 10]);
        for damaged in
            ["", "ü", &valid[1..], &valid.replacen("-7", "-4", 1), &valid.replacen('-', "_", 1), &valid.to_uppercase()]
        {
            assert_eq!(time_of(damaged), None, "{damaged}");
        }
    }
}
