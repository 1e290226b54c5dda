//! Blobs: bytes in a storage. A storage has the same bytes once; their SHA-256 hash finds them.
//!
//! A blob has its row before its first byte and after its last one, so no bytes are without a row, whatever dies when.
//! Artifacts refer to a blob only after its upload is complete, so no artifact is without bytes. The place of a blob is
//! used once.

use runstate_core::decision::Event;
use runstate_core::prelude::*;
use runstate_core::schema::Direction::Descending;
use runstate_core::schema::FieldType;
use runstate_core::schema::State;

/// The size of each part of a blob but the last: the smallest that S3 accepts in a multipart upload.
pub const PART_BYTES: usize = 5 * 1024 * 1024;

/// Largest number of parts of a blob: that of a multipart upload of S3. It makes 48.8 GiB.
pub const MAX_PARTS: usize = 10_000;

/// The bytes of artifacts with the same content, or of an upload.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "apps.blobs", version = 1)]
#[index(sha256, storage_path, when = "exists(sha256)")]
#[index(review_at, when = "exists(review_at)")]
#[index(remove_at, when = "exists(remove_at)")]
pub struct Blob {
    /// Its id.
    #[entity(id)]
    pub id: String,
    /// The storage that has the bytes.
    pub storage_type: StorageType,
    /// The place of the bytes in that storage. It ends with the id.
    #[entity(max = 2_000)]
    pub storage_path: String,
    /// The name that the storage gave to an upload in several parts; missing if there is none, and when it is complete.
    #[entity(max = 2_000)]
    pub multipart_upload: Option<String>,
    /// Its status.
    #[entity(state)]
    pub state: BlobState,
}

/// A kind of storage for bytes.
#[derive(FieldType, Wire, Parameter, Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageType {
    /// A bucket of GridFS in a MongoDB database.
    Gridfs,
    /// A bucket of S3 or of a server with its protocol.
    S3,
    /// A directory.
    Local,
    /// Documents of the store.
    Chunks,
}

/// Status of a blob.
#[derive(State, Wire, Clone, Debug, PartialEq)]
#[state(status = BlobStatus)]
pub enum BlobState {
    /// Its bytes are being written.
    Uploading {
        /// When the upload counts as abandoned, unless it continues.
        review_at: Timestamp,
    },
    /// All its bytes are stored.
    Stored {
        /// The SHA-256 hash of the bytes, in hexadecimal digits.
        sha256: String,
        /// The number of bytes.
        size_bytes: u64,
        /// The SHA-256 hash of each part of 5 MiB.
        parts: Vec<String>,
        /// When it is removed, unless an artifact has it then.
        review_at: Timestamp,
    },
    /// Its bytes are removed from the storage, and then its row.
    Removed {
        /// When its bytes may be removed.
        remove_at: Timestamp,
    },
}

/// An event of a blob.
#[derive(Event, Clone, Debug, PartialEq)]
pub enum BlobEvent {
    /// See [`ContinueUpload`](super::ContinueUpload). The upload counts as abandoned at this time.
    #[event(name = "continue the upload")]
    Continue(Timestamp),
    /// See [`PutArtifact`](super::PutArtifact).
    Store {
        /// The hash of the bytes.
        sha256: String,
        /// Their number.
        size_bytes: u64,
        /// The hashes of the parts.
        parts: Vec<String>,
        /// When the blob is removed, unless an artifact has it then.
        review_at: Timestamp,
    },
    /// An artifact has it: it is kept until this time at least.
    Keep(Timestamp),
    /// No artifact has it. Its bytes may be removed at this time.
    Remove(Timestamp),
}

impl Lifecycle for Blob {
    type Event = BlobEvent;

    fn transition(state: BlobState, event: BlobEvent) -> Option<BlobState> {
        use BlobState::{Removed, Stored, Uploading};
        Some(match (state, event) {
            (Uploading { .. }, BlobEvent::Continue(review_at)) => Uploading { review_at },
            (Uploading { .. }, BlobEvent::Store { sha256, size_bytes, parts, review_at }) => {
                Stored { sha256, size_bytes, parts, review_at }
            }
            (Stored { sha256, size_bytes, parts, .. }, BlobEvent::Keep(review_at)) => {
                Stored { sha256, size_bytes, parts, review_at }
            }
            (Uploading { .. } | Stored { .. }, BlobEvent::Remove(remove_at)) => Removed { remove_at },
            _ => return None,
        })
    }
}

impl Blob {
    /// The query for the newest stored blob with this content in the storage with this base.
    pub(super) fn of_content(base: &str, sha256: &str) -> Query {
        let from = Filter::Gte("storage_path".to_owned(), base.into());
        let until = Filter::Lt("storage_path".to_owned(), format!("{base}{}", char::MAX).into());
        let query = Query::of(&Self::COLLECTION).eq("sha256", sha256).filter(from).filter(until);
        // Ids grow with time.
        query.sort("storage_path", Descending).limit(1)
    }

    /// The SHA-256 hash of its bytes, if they are stored.
    pub fn sha256(&self) -> Option<&str> {
        match &self.state {
            BlobState::Stored { sha256, .. } => Some(sha256),
            _ => None,
        }
    }
}

/// The storage and the id of the blob at this place. `None` if its last segment cannot be the id of a blob: those
/// become parts of paths, and rows may come from anywhere.
pub fn split_path(storage_path: &str) -> Option<(&str, &str)> {
    let base = &storage_path[..=storage_path.rfind('/')?];
    let id = &storage_path[base.len()..];
    let is_valid = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_valid.then_some((base, id))
}
