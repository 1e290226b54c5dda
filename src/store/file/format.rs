//! Names and seals: how the files of a store are called, what runstate.json says, and the checksum that closes each file.
//! What commits and snapshots hold stands in `commit_file.rs` and `snapshot/`.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::id::hex;
use crate::store::Error;

/// The format this program writes.
pub const FORMAT: u64 = 1;

/// What identifies a store.
pub const IDENTITY: &str = "runstate.json";
/// The folder of commits, and of temps.
pub const COMMITS: &str = "commits";
/// The folder of snapshots.
pub const SNAPSHOTS: &str = "snapshots";

/// What is kept for a full disk.
pub const RESERVE: &str = "reserve";

/// How names of temps begin.
const TEMP: &str = ".tmp-";

/// How names of signs begin, which ask others to wait.
const SIGN: &str = ".waiting-";

/// Digits of a sequence number in a file name: as many as 2^53 has, so that names sort as numbers do in every tool.
const DIGITS: usize = 16;

/// The file of commit `seq`: `commits/0000000000000042.json`.
pub fn commit_path(seq: u64) -> String {
    format!("{COMMITS}/{seq:0DIGITS$}.json")
}

/// The file of the snapshot as of `seq`.
pub fn snapshot_path(seq: u64) -> String {
    format!("{SNAPSHOTS}/{seq:0DIGITS$}.jsonl")
}

/// A temp that nobody else has.
pub fn temp_path(random: [u8; 16]) -> String {
    format!("{COMMITS}/{TEMP}{}", hex(&random))
}

/// Whether a name of the folder of commits is a temp's.
pub fn is_temp(name: &str) -> bool {
    name.starts_with(TEMP)
}

/// A sign that nobody else has, in the folder of snapshots.
pub fn sign_path(random: [u8; 16]) -> String {
    format!("{SNAPSHOTS}/{SIGN}{}", hex(&random))
}

/// Whether a name of the folder of snapshots is a sign's.
pub fn is_sign(name: &str) -> bool {
    name.starts_with(SIGN)
}

/// The sequence number in a name of the folder of commits; `None`: not a commit.
pub fn commit_seq(name: &str) -> Option<u64> {
    sequence(name, ".json")
}

/// The sequence number in a name of the folder of snapshots; `None`: not a snapshot.
pub fn snapshot_seq(name: &str) -> Option<u64> {
    sequence(name, ".jsonl")
}

fn sequence(name: &str, ending: &str) -> Option<u64> {
    let digits = name.strip_suffix(ending)?;
    let canonical = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    canonical.then(|| digits.parse().ok()).flatten()
}

/// SHA-256 of a whole file, in hexadecimal as `sha256sum` prints it: the link of the chain.
pub fn file_hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Closes a JSON object that is still open with its last member, `crc`: the CRC-32 (IEEE, as in zip) of every byte before
/// the comma. It is checked on the bytes as they are, so nothing depends on how JSON is written.
pub fn seal(mut open: Vec<u8>) -> Vec<u8> {
    let end = closing(crc32fast::hash(&open));
    open.extend_from_slice(&end);
    open
}

/// Checks the seal; the error says what is wrong.
pub fn check_seal(bytes: &[u8]) -> Result<(), &'static str> {
    let Some(at) = bytes.len().checked_sub(SEAL) else { return Err(CUT_OFF) };
    let (covered, end) = bytes.split_at(at);
    check_end(end, || crc32fast::hash(covered))
}

/// Checks the last [`SEAL`] bytes of a file, given the checksum of what is before them.
pub fn check_end(end: &[u8], covered: impl FnOnce() -> u32) -> Result<(), &'static str> {
    has_end(end)?;
    if end == closing(covered()) { Ok(()) } else { Err(CHANGED) }
}

/// Whether the last [`SEAL`] bytes of a file have the form of a seal, whatever its checksum.
pub fn has_end(end: &[u8]) -> Result<(), &'static str> {
    let whole = end.len() == SEAL && end.starts_with(b",\"crc\":\"") && end.ends_with(b"\"}\n");
    if whole { Ok(()) } else { Err(CUT_OFF) }
}

const CUT_OFF: &str = "it does not end with a checksum: it was cut off or edited";
const CHANGED: &str = "its checksum does not fit its contents: it was edited, or the disk changed it";

/// Length of `,"crc":"01234567"}` and the newline.
pub const SEAL: usize = 19;

/// The end of a file whose bytes before it have this checksum.
pub fn closing(crc: u32) -> [u8; SEAL] {
    let mut end = *b",\"crc\":\"00000000\"}\n";
    end[8..16].copy_from_slice(hex(&crc.to_be_bytes()).as_bytes());
    end
}

/// What runstate.json says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Format of the files.
    pub format: u64,
    /// The store's id, a UUID.
    pub store: String,
    /// Hash of the file, from which the chain starts.
    pub hash: String,
}

impl Identity {
    /// Of the store with this id, as runstate.json says it.
    pub fn of(store: &str) -> Self {
        Self { format: FORMAT, store: store.to_owned(), hash: file_hash(&identity_bytes(store)) }
    }
}

/// A new id of a store: a UUID of version 4.
pub fn random_store(mut random: [u8; 16]) -> String {
    random[6] = 0x40 | (random[6] & 0x0f);
    random[8] = 0x80 | (random[8] & 0x3f);
    let h = hex(&random);
    [&h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..]].join("-")
}

/// runstate.json of the store with this id.
pub fn identity_bytes(store: &str) -> Vec<u8> {
    // An id that was read may be anything.
    seal(format!(r#"{{"format":{FORMAT},"store":{}"#, crate::value::Json::from(store)).into_bytes())
}

/// runstate.json of a new store.
pub fn new_identity(random: [u8; 16]) -> Vec<u8> {
    identity_bytes(&random_store(random))
}

/// Reads runstate.json.
pub fn read_identity(bytes: &[u8], at: &str) -> Result<Identity, Error> {
    #[derive(Deserialize)]
    struct Shape {
        format: u64,
        store: String,
    }
    let corrupt = |why: String| Error::Corrupt { at: at.to_owned(), why };
    let sealed = check_seal(bytes);
    let shape = serde_json::from_slice::<Shape>(bytes);
    match (sealed, shape) {
        // A newer format keeps `format` and `store`, perhaps not the seal.
        (Err(_), Ok(shape)) if shape.format > FORMAT && !bytes.ends_with(b"\"}\n") => {
            Ok(Identity { format: shape.format, store: shape.store, hash: file_hash(bytes) })
        }
        (Err(why), _) => Err(corrupt(why.to_owned())),
        (Ok(()), Err(e)) => Err(corrupt(format!("it is not what a store says of itself ({e})"))),
        (Ok(()), Ok(shape)) => Ok(Identity { format: shape.format, store: shape.store, hash: file_hash(bytes) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_numbers_and_read_back() {
        assert_eq!(commit_path(42), "commits/0000000000000042.json");
        assert_eq!(snapshot_path(0), "snapshots/0000000000000000.jsonl");
        assert_eq!(commit_seq("0000000000000042.json"), Some(42));
        assert_eq!(snapshot_seq("0009007199254740991.jsonl"), None);
        for no in ["42.json", "000000000000004x.json", "+000000000000042.json", "0000000000000042.jsonl", ".tmp-1"] {
            assert_eq!(commit_seq(no), None, "{no}");
        }
    }

    #[test]
    fn every_flipped_bit_of_a_sealed_file_is_seen() {
        let sealed = new_identity([7; 16]);
        assert_eq!(check_seal(&sealed), Ok(()));
        for at in 0..sealed.len() * 8 {
            let mut bytes = sealed.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            assert!(read_identity(&bytes, "it").is_err(), "bit {at}");
        }
        for length in 0..sealed.len() {
            assert!(check_seal(&sealed[..length]).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let newer = seal(br#"{"format":2,"store":"s""#.to_vec());
        assert_eq!(read_identity(&newer, "it").unwrap().format, 2);
        assert_eq!(read_identity(b"{\"format\":3,\"store\":\"s\"}", "it").unwrap().format, 3);
        assert!(read_identity(b"{\"format\":1,\"store\":\"s\"}\n", "it").is_err());
    }
}
