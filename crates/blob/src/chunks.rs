//! Bytes as documents of the store.

use std::ops::Range;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use runstate_core::error_code::ErrorCode;
use runstate_core::marker::BoxFuture;
use runstate_domain_apps::{GetChunk, PART_BYTES, PutChunk, RemoveChunks};
use runstate_engine::{Engine, Error};

use super::{BlobStore, BlobWriter, StorageType};

/// Largest number of parts of a blob: 100 MiB. Stores on files and in memory have all documents in memory.
const MAX_CHUNKS: u64 = 20;

/// The storage that every store has: bytes are documents of the store itself, a third larger. An artifact in it has at
/// most 100 MiB.
pub struct Chunks {
    engine: Engine,
}

impl Chunks {
    /// The chunks of an engine's store.
    pub fn new(engine: &Engine) -> Self {
        Self { engine: engine.clone() }
    }
}

impl BlobStore for Chunks {
    fn storage_type(&self) -> StorageType {
        StorageType::Chunks
    }

    fn base(&self) -> &str {
        "chunks://"
    }

    fn put<'a>(&'a self, id: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let mut writer = self.begin(id).await?;
            writer.write(bytes).await
        })
    }

    fn begin<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Box<dyn BlobWriter>, Error>> {
        let writer = BlobChunkWriter { engine: self.engine.clone(), blob: id.to_owned(), number: 0 };
        Box::pin(async move { Ok(Box::new(writer) as Box<dyn BlobWriter>) })
    }

    fn read<'a>(&'a self, id: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        Box::pin(async move {
            let number = range.start / PART_BYTES as u64;
            let Some(data) = self.engine.query(&GetChunk { blob: id.to_owned(), number }).await? else {
                return Ok(None);
            };
            let corrupt = |_| Error::new(ErrorCode::CORRUPT, format!("chunk {number} of blob `{id}` is not base64"));
            BASE64_STANDARD.decode(data).map(Some).map_err(corrupt)
        })
    }

    fn remove<'a>(&'a self, id: &'a str, _: Option<&'a str>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            while self.engine.execute(&RemoveChunks { blob: id.to_owned() }).await? {}
            Ok(())
        })
    }
}

struct BlobChunkWriter {
    engine: Engine,
    blob: String,
    number: u64,
}

impl BlobWriter for BlobChunkWriter {
    fn write(&mut self, part: Vec<u8>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            if part.is_empty() {
                return Ok(());
            }
            if self.number == MAX_CHUNKS {
                let bytes = MAX_CHUNKS * PART_BYTES as u64;
                let message = format!(
                    "the storage `chunks` takes at most {bytes} bytes of one artifact; use `local:DIRECTORY` or another storage"
                );
                return Err(Error::new(ErrorCode::LIMIT, message));
            }
            let put = PutChunk { blob: self.blob.clone(), number: self.number, data: BASE64_STANDARD.encode(part) };
            self.engine.execute(&put).await?;
            self.number += 1;
            Ok(())
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}
