//! Bytes in GridFS, in the database of a store on MongoDB.

use std::ops::Range;

use futures_util::io::AsyncWriteExt as _;
use futures_util::stream::TryStreamExt as _;
use mongodb::Database;
use mongodb::bson::{Binary, Bson, doc};
use mongodb::error::{Error as DriverError, ErrorKind, GridFsErrorKind};
use mongodb::gridfs::{GridFsBucket, GridFsUploadStream};
use mongodb::options::GridFsBucketOptions;
use runstate_core::marker::BoxFuture;
use runstate_engine::Error;
use runstate_store_mongodb as store;
use serde::Deserialize;

use super::{BlobStore, BlobWriter, StorageType};

/// The size of the documents of GridFS, by its specification.
const CHUNK_BYTES: u32 = 255 * 1024;

/// Bytes in the bucket `artifacts` of GridFS.
pub struct GridFs {
    database: Database,
    bucket: GridFsBucket,
}

/// A document of the collection `artifacts.chunks`.
#[derive(Deserialize)]
struct GridFsChunk {
    data: Binary,
}

impl GridFs {
    /// Opens the bucket in the database that a store at `url` has for the domain `apps`. No server is contacted.
    ///
    /// Errors: `invalid_url`.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let database = store::database(url, "apps.artifacts").await?;
        let options = GridFsBucketOptions::builder()
            .bucket_name(store::ARTIFACTS_BUCKET.to_owned())
            .chunk_size_bytes(CHUNK_BYTES)
            .build();
        Ok(Self { bucket: database.gridfs_bucket(options), database })
    }
}

impl BlobStore for GridFs {
    fn storage_type(&self) -> StorageType {
        StorageType::Gridfs
    }

    fn base(&self) -> &str {
        "gridfs://artifacts/"
    }

    fn put<'a>(&'a self, id: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let mut writer = self.begin(id).await?;
            writer.write(bytes).await?;
            writer.finish().await
        })
    }

    fn begin<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Box<dyn BlobWriter>, Error>> {
        Box::pin(async move {
            let stream = self.bucket.open_upload_stream(id).id(Bson::String(id.to_owned())).await.map_err(to_error)?;
            Ok(Box::new(GridFsWriter { stream }) as Box<dyn BlobWriter>)
        })
    }

    fn read<'a>(&'a self, id: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        Box::pin(async move {
            if range.is_empty() {
                return Ok(Some(Vec::new()));
            }
            // The driver reads files from their beginning only.
            let chunk_bytes = u64::from(CHUNK_BYTES);
            let (first, last) = (range.start / chunk_bytes, (range.end - 1) / chunk_bytes);
            let chunks = self.database.collection::<GridFsChunk>(&format!("{}.chunks", store::ARTIFACTS_BUCKET));
            let filter = doc! {"files_id": id, "n": {"$gte": first as i64, "$lte": last as i64}};
            let mut found = chunks.find(filter).sort(doc! {"n": 1}).await.map_err(to_error)?;
            let (mut bytes, mut skipped) = (Vec::new(), (range.start % chunk_bytes) as usize);
            while let Some(chunk) = found.try_next().await.map_err(to_error)? {
                bytes.extend(chunk.data.bytes.into_iter().skip(std::mem::take(&mut skipped)));
            }
            bytes.truncate((range.end - range.start) as usize);
            Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
        })
    }

    fn remove<'a>(&'a self, id: &'a str, _: Option<&'a str>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            match self.bucket.delete(Bson::String(id.to_owned())).await {
                Err(error) if !is_missing(&error) => Err(to_error(error)),
                _ => Ok(()),
            }
        })
    }
}

struct GridFsWriter {
    stream: GridFsUploadStream,
}

impl BlobWriter for GridFsWriter {
    fn write(&mut self, part: Vec<u8>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.stream.write_all(&part).await.map_err(DriverError::from).map_err(to_error) })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.stream.close().await.map_err(DriverError::from).map_err(to_error) })
    }
}

/// Whether a file does not exist, or has lost its head. Its chunks are deleted in both cases.
fn is_missing(error: &DriverError) -> bool {
    matches!(&*error.kind, ErrorKind::GridFs(GridFsErrorKind::FileNotFound { .. }))
}

fn to_error(error: DriverError) -> Error {
    store::to_store_error(&error, "GridFS").into()
}
