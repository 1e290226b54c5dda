//! A snapshot: all documents as of one commit, the ledger included, and the entries of all indexes, as lines of JSON in order. It is read block by
//! block where something is asked for; opening one reads its first line, its directory and its last line.
//!
//! ```text
//! {"snapshot":42,"format":1,"store":"<id>","prev":"<SHA-256 of commit 42's bytes>"}
//! {"c":"demo.notes","id":"a","rev":"1-5f0c…","v":1,"doc":{…}}          documents, by collection and id
//! {"k":"3061000120bff0…","id":"a"}                                      index_at: entries (`schema/keys.rs`) by their bytes, then by id
//! {"at":1705744800000,"id":"a"}                                         deadlines of what will expire, likewise
//! {"c":"demo.notes","rows":1}                                           directory_at: a part of the file,
//! {"at":137,"bytes":61,"rows":1,"crc":"89abcdef","first":"a"}           and its blocks, each with its first key
//! {"c":"demo.notes","index":"title","by":"1 ordered title+text unique","rows":1}
//! {"at":198,"bytes":33,"rows":1,"crc":"89abcdef","first":"306100012…"}
//! {"c":"demo.notes","by":"1 expiry at 1000","rows":1}
//! {"at":231,"bytes":31,"rows":1,"crc":"89abcdef","first":"8000018d2…"}
//! {"index_at":198,"directory_at":262,"documents":1,"directory":"89abcdef","crc":"89abcdef"}
//! ```
//!
//! `by` is the declaration that an index was made by: one that is declared otherwise by now is built anew. `directory` is the CRC of the first
//! line and the directory, so that they can be trusted where the file is too large to check as a whole. A snapshot without documents has
//! no directory. Snapshot 0 is such a one; its `prev` is the hash of runstate.json, so that the chain begins at the store's identity.

mod base;
mod block;
mod directory;
mod line;
mod open;
#[cfg(test)]
mod tests;
mod write;

use serde::{Deserialize, Serialize};

use super::format::{FORMAT, Identity};
use super::fs::FsError;
use super::load::Head;
use crate::store::Error;

pub use base::{Salvaged, Saved, SnapshotBase, saved};
pub use open::{header, open, open_damaged};
pub use write::{Progress, SnapshotPieces, pieces, write};

/// The first line of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The commit as of which it was taken; also its name.
    pub snapshot: u64,
    /// Format of its lines.
    pub format: u64,
    /// The store it belongs to.
    pub store: String,
    /// Hash of its last commit.
    pub prev: String,
}

impl Header {
    /// Of the snapshot as of the last commit of a state.
    pub fn of(identity: &Identity, head: &Head) -> Self {
        Self { snapshot: head.seq, format: FORMAT, store: identity.store.clone(), prev: head.hash.clone() }
    }

    /// Of snapshot 0.
    pub fn first(identity: &Identity) -> Self {
        Self { snapshot: 0, format: FORMAT, store: identity.store.clone(), prev: identity.hash.clone() }
    }
}

/// Why a snapshot could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk did not give it.
    Disk(FsError),
    /// It was read, and this is wrong with it.
    Wrong(String),
}

impl From<FsError> for Fault {
    fn from(e: FsError) -> Self {
        Fault::Disk(e)
    }
}

impl From<&str> for Fault {
    fn from(why: &str) -> Self {
        Fault::Wrong(why.to_owned())
    }
}

/// A read of an open snapshot that failed.
fn unreadable(at: &str, e: &FsError) -> Error {
    Error::Unavailable { what: format!("reading {at}"), why: e.to_string() }
}
