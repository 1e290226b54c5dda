//! The bytes of artifacts: where they are stored, how they are written and read.
//!
//! | storage | URL | bytes are |
//! |---|---|---|
//! | `chunks` | `chunks:` | documents of the store itself; every store has this |
//! | `local` | `local:DIRECTORY` | files |
//! | `s3` | `s3://BUCKET/PREFIX` | objects of S3, or of a server with its protocol |
//! | `gridfs` | `gridfs:` | in GridFS, in the database of a store on MongoDB |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), runstate::engine::Error> {
//! use runstate::blob::{Artifacts, Chunks, NewArtifact};
//! # use runstate::domain::apps::{SaveConfiguration, StartExecution};
//! # use serde_json::json;
//!
//! let engine = runstate::open("memory:").await?;
//! # let app = json!({"appId": 1, "appName": "a", "version": "1", "activate": true,
//! #   "configuration": {"steps": [{"id": 1, "name": "draw"}]}});
//! # engine.call("apps.configuration.save", app.as_object().cloned().unwrap_or_default()).await?;
//! # let start = json!({"appId": 1, "userId": "u", "id": "e1"});
//! # engine.call("apps.execution.start", start.as_object().cloned().unwrap_or_default()).await?;
//! let artifacts = Artifacts::new(&engine, Chunks::new(&engine));
//! let mut upload = artifacts.put(NewArtifact::of_step("e1", 1).named("log", "draw.txt", "text/plain")).await?;
//! upload.write(b"two circles").await?;
//! let id = upload.finish().await?;
//!
//! let mut reader = artifacts.read(&id, 4..).await?;
//! assert_eq!(reader.next().await?, Some(b"circles".to_vec()));
//! assert_eq!(reader.next().await?, None);
//! # Ok(()) }
//! ```
//!
//! A row names the place of the bytes before the first of them is written, so bytes without an artifact are always
//! found. Each part of 5 MiB has a hash, so bytes that were changed are never returned.

mod artifacts;
mod chunks;
#[cfg(all(feature = "mongodb", not(target_family = "wasm")))]
mod gridfs;
#[cfg(all(feature = "object-store", not(target_family = "wasm")))]
mod object;
mod open;

use std::ops::Range;

use runstate_core::marker::{BoxFuture, MaybeSend, MaybeSync};
pub use runstate_domain_apps::StorageType;
use runstate_engine::Error;

pub use artifacts::{ArtifactReader, ArtifactReport, ArtifactUpload, Artifacts, CollectReport, NewArtifact};
pub use chunks::Chunks;
#[cfg(all(feature = "mongodb", not(target_family = "wasm")))]
pub use gridfs::GridFs;
#[cfg(all(feature = "object-store", not(target_family = "wasm")))]
pub use object::{LocalDirectory, S3Bucket};
pub use open::open;

/// A storage for bytes. Each blob is written once, under an id that is never used again.
pub trait BlobStore: MaybeSync {
    /// The kind of this storage.
    fn storage_type(&self) -> StorageType;

    /// The place of all blobs, such as `s3://bucket/prefix/`. With the id of a blob it is the place of that blob.
    fn base(&self) -> &str;

    /// Stores a blob of at most one part. It is durable on return.
    fn put<'a>(&'a self, id: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, Result<(), Error>>;

    /// Begins a blob of several parts.
    fn begin<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Box<dyn BlobWriter>, Error>>;

    /// Reads bytes of one part. `None`: the blob does not have them.
    fn read<'a>(&'a self, id: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>>;

    /// Removes what there is of a blob: all of it, what an unfinished upload left, or nothing.
    fn remove<'a>(&'a self, id: &'a str, multipart_upload: Option<&'a str>) -> BoxFuture<'a, Result<(), Error>>;
}

/// Writes one blob, part by part. All parts but the last have 5 MiB.
pub trait BlobWriter: MaybeSend {
    /// The name of the upload, without which what it has written cannot be removed.
    fn multipart_upload(&self) -> Option<&str> {
        None
    }

    /// Writes the next part.
    fn write(&mut self, part: Vec<u8>) -> BoxFuture<'_, Result<(), Error>>;

    /// Completes the blob. It is durable on return.
    fn finish(&mut self) -> BoxFuture<'_, Result<(), Error>>;
}
