//! File names, runstate.json, and the seal: the checksum that ends each file. `commit_file.rs` and `snapshot/` define
//! the contents of commits and snapshots.
//!
//! The seal is a CRC-32/ISO-HDLC, as in zip, not a CRC-32C.

use runstate_core::id::hex;
use runstate_store::StoreError;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The format number that this program writes.
pub const FORMAT: u64 = 1;

/// The file with the identity of a store.
pub const IDENTITY: &str = "runstate.json";
/// The folder of commits, and of temps.
pub const COMMITS: &str = "commits";
/// The folder of snapshots.
pub const SNAPSHOTS: &str = "snapshots";

/// The reserve for a full disk.
pub const RESERVE: &str = "reserve";

/// Prefix of the names of temps.
const TEMP: &str = ".tmp-";

/// Prefix of the names of backoff requests.
const BACKOFF_REQUEST: &str = ".waiting-";

/// Digits of a sequence number in a file name. 2^53 has as many, so names sort as numbers in every tool.
const DIGITS: usize = 16;

/// Returns the path of commit `seq`: `commits/0000000000000042.json`.
pub fn commit_path(seq: u64) -> String {
    format!("{COMMITS}/{seq:0DIGITS$}.json")
}

/// Returns the path of snapshot `seq`.
pub fn snapshot_path(seq: u64) -> String {
    format!("{SNAPSHOTS}/{seq:0DIGITS$}.jsonl")
}

/// Returns the path of a new temp with a unique name.
pub fn temp_path(random: [u8; 16]) -> String {
    format!("{COMMITS}/{TEMP}{}", hex(&random))
}

/// Whether a name in the folder of commits is a temp.
pub fn is_temp(name: &str) -> bool {
    name.starts_with(TEMP)
}

/// Returns the path of a new backoff request with a unique name, in the folder of snapshots.
pub fn backoff_request_path(random: [u8; 16]) -> String {
    format!("{SNAPSHOTS}/{BACKOFF_REQUEST}{}", hex(&random))
}

/// Whether a name in the folder of snapshots is a backoff request.
pub fn is_backoff_request(name: &str) -> bool {
    name.starts_with(BACKOFF_REQUEST)
}

/// Returns the sequence number in a name in the folder of commits, or `None` if it is not a commit.
pub fn commit_seq(name: &str) -> Option<u64> {
    parse_seq(name, ".json")
}

/// Returns the sequence number in a name in the folder of snapshots, or `None` if it is not a snapshot.
pub fn snapshot_seq(name: &str) -> Option<u64> {
    parse_seq(name, ".jsonl")
}

fn parse_seq(name: &str, ending: &str) -> Option<u64> {
    let digits = name.strip_suffix(ending)?;
    let canonical = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    canonical.then(|| digits.parse().ok()).flatten()
}

/// Returns the SHA-256 of a whole file in hexadecimal, as `sha256sum` prints it: a link of the hash chain.
pub fn file_hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Closes an open JSON object with its last member, `crc`: the CRC-32 (IEEE, as in zip) of every byte before the comma.
/// It covers the raw bytes, so nothing depends on how JSON is formatted.
pub fn seal(mut open: Vec<u8>) -> Vec<u8> {
    let end = seal_bytes(crc32fast::hash(&open));
    open.extend_from_slice(&end);
    open
}

/// Checks the seal of a file; the error says what is wrong.
pub fn check_seal(bytes: &[u8]) -> Result<(), &'static str> {
    let Some(at) = bytes.len().checked_sub(SEAL_LENGTH) else { return Err(CUT_OFF) };
    let (covered, end) = bytes.split_at(at);
    check_seal_bytes(end, || crc32fast::hash(covered))
}

/// Checks the last [`SEAL_LENGTH`] bytes of a file, given the checksum of the bytes before them.
pub fn check_seal_bytes(end: &[u8], covered: impl FnOnce() -> u32) -> Result<(), &'static str> {
    check_seal_form(end)?;
    if end == seal_bytes(covered()) { Ok(()) } else { Err(CHANGED) }
}

/// Checks that the last [`SEAL_LENGTH`] bytes of a file have the form of a seal, with any checksum.
pub fn check_seal_form(end: &[u8]) -> Result<(), &'static str> {
    let complete = end.len() == SEAL_LENGTH && end.starts_with(b",\"crc\":\"") && end.ends_with(b"\"}\n");
    if complete { Ok(()) } else { Err(CUT_OFF) }
}

const CUT_OFF: &str = "it does not end with a checksum: it was cut off or edited";
const CHANGED: &str = "its checksum does not match its contents: it was edited, or the disk changed it";

/// Length of `,"crc":"01234567"}` and the newline.
pub const SEAL_LENGTH: usize = 19;

/// Returns the seal of a file whose preceding bytes have this checksum.
pub fn seal_bytes(crc: u32) -> [u8; SEAL_LENGTH] {
    let mut end = *b",\"crc\":\"00000000\"}\n";
    end[8..16].copy_from_slice(hex(&crc.to_be_bytes()).as_bytes());
    end
}

/// The contents of runstate.json.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreIdentity {
    /// Format of the files.
    pub format: u64,
    /// The store's id, a UUID.
    pub store: String,
    /// Hash of runstate.json, from which the hash chain starts.
    pub hash: String,
}

impl StoreIdentity {
    /// Returns the identity that runstate.json has for this store id.
    pub fn from_store_id(store: &str) -> Self {
        Self { format: FORMAT, store: store.to_owned(), hash: file_hash(&identity_bytes(store)) }
    }
}

/// Returns a new store id: a UUID of version 4.
pub fn random_store_id(mut random: [u8; 16]) -> String {
    random[6] = 0x40 | (random[6] & 0x0f);
    random[8] = 0x80 | (random[8] & 0x3f);
    let h = hex(&random);
    [&h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..]].join("-")
}

/// Returns the bytes of runstate.json for this store id.
pub fn identity_bytes(store: &str) -> Vec<u8> {
    // An id that was read from a file may contain any characters.
    seal(format!(r#"{{"format":{FORMAT},"store":{}"#, runstate_value::Json::from(store)).into_bytes())
}

/// Returns the bytes of runstate.json for a new store.
pub fn new_identity_bytes(random: [u8; 16]) -> Vec<u8> {
    identity_bytes(&random_store_id(random))
}

/// Parses runstate.json. `at` is its path in errors.
pub fn read_identity(bytes: &[u8], at: &str) -> Result<StoreIdentity, StoreError> {
    #[derive(Deserialize)]
    struct IdentityFile {
        format: u64,
        store: String,
    }
    let corrupt = |why: String| StoreError::Corrupt { at: at.to_owned(), why };
    let sealed = check_seal(bytes);
    let shape = serde_json::from_slice::<IdentityFile>(bytes);
    match (sealed, shape) {
        // A newer format has `format` and `store`, but maybe no seal.
        (Err(_), Ok(shape)) if shape.format > FORMAT && !bytes.ends_with(b"\"}\n") => {
            Ok(StoreIdentity { format: shape.format, store: shape.store, hash: file_hash(bytes) })
        }
        (Err(why), _) => Err(corrupt(why.to_owned())),
        (Ok(()), Err(e)) => Err(corrupt(format!("it is not a valid store identity ({e})"))),
        (Ok(()), Ok(shape)) => Ok(StoreIdentity { format: shape.format, store: shape.store, hash: file_hash(bytes) }),
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
        let sealed = new_identity_bytes([7; 16]);
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
    fn a_newer_format_is_not_reported_as_damage() {
        let newer = seal(br#"{"format":2,"store":"s""#.to_vec());
        assert_eq!(read_identity(&newer, "it").unwrap().format, 2);
        assert_eq!(read_identity(b"{\"format\":3,\"store\":\"s\"}", "it").unwrap().format, 3);
        assert!(read_identity(b"{\"format\":1,\"store\":\"s\"}\n", "it").is_err());
    }
}
