//! Artifacts: what steps produce that is too large for their output, such as screenshots, logs and reports. A row
//! describes an artifact. Its bytes are a blob, which artifacts with the same content share.
//!
//! | file | contents |
//! |---|---|
//! | `blob.rs` | blobs: entity and lifecycle |
//! | `upload.rs` | the commands of an upload, from the first byte to the artifact |
//! | `commands.rs` | removing artifacts and, once no artifact has them, blobs |
//! | `chunk.rs` | blobs as documents, for stores without a storage of their own |

mod blob;
mod chunk;
mod commands;
mod upload;

use runstate_core::prelude::*;
use runstate_core::schema::Direction::Descending;

pub use blob::split_path;
pub use blob::{Blob, BlobEvent, BlobState, MAX_PARTS, PART_BYTES, StorageType};
pub use chunk::{BlobChunk, GetChunk, PutChunk, RemoveChunks};
pub use commands::{ForgetBlob, GetArtifact, RemoveArtifact, RemovedBlobs, ReviewBlob, StoredArtifact};
pub use upload::{AbortUpload, BeginUpload, BegunUpload, ContinueUpload, FindBlob, PutArtifact, ReplaceBlob};

/// The time until a blob that seems to be in use is reviewed again, and the least time until any review.
pub(super) const SHORTEST_REVIEW: Millis = Millis::minutes(60);

/// How long artifacts are kept.
const KEPT: Millis = Millis::days(92);

/// Ends of the media types of texts in `application/`, such as `application/ld+json`.
const TEXT_FORMATS: [&str; 6] = ["json", "xml", "javascript", "typescript", "yaml", "sql"];

/// An artifact of a step.
// Documents of other programs do not repeat their id, and lack `sha256`.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(
    collection = "apps.execution_artifacts",
    version = 1,
    noun = "artifact",
    filters(execution_id, step_id, artifact_type)
)]
#[index(execution_id, step_id)]
#[index(artifact_type)]
#[index(created_at desc)]
#[index(sha256)]
#[ttl(created_at, days = 92)]
pub struct Artifact {
    /// Its id.
    #[entity(id, default)]
    pub id: String,
    /// The execution.
    #[entity(references = "apps.executions")]
    pub execution_id: String,
    /// The number of the step.
    pub step_id: i64,
    /// Its type, such as `screenshot`, `log`, `code` or `report`.
    #[entity(max = 1_000)]
    pub artifact_type: String,
    /// Its name, such as that of a file.
    #[entity(max = 1_000)]
    pub artifact_name: String,
    /// The media type of its content, such as `image/png` (RFC 6838).
    #[entity(max = 1_000)]
    pub mime_type: String,
    /// The number of bytes.
    pub size_bytes: u64,
    /// The storage that has the bytes.
    pub storage_type: StorageType,
    /// The place of the bytes in that storage.
    #[entity(max = 2_000)]
    pub storage_path: String,
    /// The SHA-256 hash of the bytes, in hexadecimal digits.
    #[entity(max = 64)]
    pub sha256: Option<String>,
    /// Further information of the caller.
    #[entity(default)]
    pub metadata: Document,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// The bytes of an artifact, which are in its storage.
pub(super) fn external_bytes(collection: &str, document: &Document) -> u64 {
    let size = document.get("size_bytes").filter(|_| collection == Artifact::COLLECTION.name);
    size.and_then(Json::as_u64).unwrap_or_default()
}

impl Artifact {
    /// Whether an artifact of this type, with this media type, is a text, whose words are found.
    pub fn is_text(artifact_type: &str, mime_type: &str) -> bool {
        let mime_type = mime_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let (kind, format) = mime_type.split_once('/').unwrap_or((&mime_type, ""));
        matches!(artifact_type, "log" | "code")
            || kind == "text"
            || kind == "application" && TEXT_FORMATS.iter().any(|text| format.ends_with(text))
    }

    /// The query for artifacts whose bytes are those of this blob, the newest first.
    fn of_blob(sha256: &str, storage_path: &str, limit: u32) -> Query {
        let query = Query::of(&Self::COLLECTION).eq("sha256", sha256).eq("storage_path", storage_path);
        query.sort("created_at", Descending).limit(limit)
    }

    /// The id of the blob that has its bytes. `None`: another program stored them.
    pub(super) fn blob_id(&self) -> Option<&str> {
        let (_, id) = self.sha256.as_ref().and_then(|_| split_path(&self.storage_path))?;
        Some(id)
    }
}
