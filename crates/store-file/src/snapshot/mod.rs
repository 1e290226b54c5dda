//! Snapshots: all documents after one commit, the command ledger included, and the entries of all indexes, as sorted
//! JSON lines. Opening a snapshot reads its first line, its directory and its last line. Other rows are read by block
//! on demand. `docs/decisions/0003` has the reasons.
//!
//! Known as: checkpoint in a sorted string table; order-preserving key encoding (`src/schema/keys.rs`).
//!
//! ```text
//! {"snapshot":42,"format":1,"store":"<id>","prev":"<SHA-256 of commit 42's bytes>"}
//! {"c":"demo.notes","id":"a","rev":"1-5f0c…","v":1,"doc":{…}}          documents, by collection and id
//! {"k":"3061000120bff0…","id":"a"}                                      index_at: entries by the bytes of their keys, then by id
//! {"at":1705744800000,"id":"a"}                                         deadlines of documents that will expire, likewise
//! {"c":"demo.notes","rows":1}                                           directory_at: a part of the file,
//! {"at":137,"bytes":61,"rows":1,"crc":"89abcdef","first":"a"}           and its blocks, each with its first key
//! {"c":"demo.notes","index":"title","by":"1 ordered title+text unique","rows":1}
//! {"at":198,"bytes":33,"rows":1,"crc":"89abcdef","first":"306100012…"}
//! {"c":"demo.notes","by":"1 expiry at 1000","rows":1}
//! {"at":231,"bytes":31,"rows":1,"crc":"89abcdef","first":"8000018d2…"}
//! {"index_at":198,"directory_at":262,"documents":1,"directory":"89abcdef","crc":"89abcdef"}
//! ```
//!
//! `by` is the declaration that an index was made by. If the current declaration differs, the index is rebuilt.
//! `directory` is the CRC-32 of the first line and the directory. It makes them trustworthy in a file that is too large
//! to check as a whole. A snapshot without documents has no directory. Snapshot 0 is one; its `prev` is the hash of
//! runstate.json, so that the hash chain starts at the store's identity.

mod base;
mod block;
mod merge;
mod open;
#[cfg(test)]
mod tests;
mod write;

use runstate_store::StoreError;
use serde::{Deserialize, Serialize};

use super::format::{FORMAT, StoreIdentity};
use super::fs::FsError;
use super::load::LogHead;
pub use base::{SalvageResult, SnapshotBase};
pub use open::{open, open_damaged, read_header};
pub use write::{SnapshotPieces, pieces, write};

/// The first line of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHeader {
    /// Sequence number of its last commit; equals the name.
    pub snapshot: u64,
    /// Format of the lines.
    pub format: u64,
    /// Id of the store.
    pub store: String,
    /// Hash of the last commit.
    pub prev: String,
}

impl SnapshotHeader {
    /// Creates the header of a snapshot after this head.
    pub fn from_head(identity: &StoreIdentity, head: &LogHead) -> Self {
        Self { snapshot: head.seq, format: FORMAT, store: identity.store.clone(), prev: head.hash.clone() }
    }

    /// Creates the header of snapshot 0.
    pub fn first(identity: &StoreIdentity) -> Self {
        Self { snapshot: 0, format: FORMAT, store: identity.store.clone(), prev: identity.hash.clone() }
    }
}

/// Why a snapshot could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// A file-system call failed.
    Disk(FsError),
    /// The file is damaged or not the expected snapshot; the text says how.
    Invalid(String),
}

impl From<FsError> for SnapshotError {
    fn from(e: FsError) -> Self {
        SnapshotError::Disk(e)
    }
}

impl From<&str> for SnapshotError {
    fn from(why: &str) -> Self {
        SnapshotError::Invalid(why.to_owned())
    }
}

/// Returns the error for a failed read of an open snapshot.
fn unreadable(at: &str, e: &FsError) -> StoreError {
    StoreError::Unavailable { what: format!("reading {at}"), why: format!("{e}; check the disk, then repeat") }
}
