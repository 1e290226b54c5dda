//! Bytes as files, and as objects of S3.

use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::local::LocalFileSystem;
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::{Error as StorageError, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutMode};
use runstate_core::error_code::ErrorCode;
use runstate_core::id::hex;
use runstate_core::marker::BoxFuture;
use runstate_engine::Error;
use runstate_objects::{BucketPlace, found, innermost, to_error};

use super::{BlobStore, BlobWriter, StorageType};

/// The name of the file in the directory of a blob.
const FILE: &str = "bytes";

/// The name of the file with the id of a directory, which the id of a blob cannot be.
const ID_FILE: &str = "storage.id";

/// The length of the id of a directory.
const ID_BYTES: usize = 16;

/// Bytes as files in a directory.
///
/// Each blob has a directory of its own, so that what an unfinished upload left there is removed with it. The directory
/// has an id in a file, and a blob names it: processes with other directories on one store do not take each other's
/// blobs for their own, and a directory may be moved.
pub struct LocalDirectory {
    directory: PathBuf,
    files: LocalFileSystem,
    base: String,
}

impl LocalDirectory {
    /// Opens a directory, and creates it if it does not exist.
    ///
    /// Errors: `io`, `corrupt` (its id is not one).
    pub async fn open(directory: impl Into<PathBuf>) -> Result<Self, Error> {
        let directory = directory.into();
        let failed = |why: String| Error::new(ErrorCode::IO, format!("the directory {}: {why}", directory.display()));
        std::fs::create_dir_all(&directory).map_err(|error| failed(error.to_string()))?;
        let files = LocalFileSystem::new_with_prefix(&directory).map_err(|error| failed(innermost(&error)))?;
        let files = files.with_fsync(true);
        let id = id_of(&files).await.map_err(|error| failed(innermost(&error)))?;
        if id.len() != 2 * ID_BYTES || !id.iter().all(u8::is_ascii_hexdigit) {
            let message = format!("the file {} has no id of a storage", directory.join(ID_FILE).display());
            return Err(Error::new(ErrorCode::CORRUPT, message));
        }
        Ok(Self { base: format!("local://{}/", String::from_utf8_lossy(&id)), files, directory })
    }
}

/// The id of a directory, which the first process that opens it gives to it.
async fn id_of(files: &LocalFileSystem) -> object_store::Result<Vec<u8>> {
    let path = Path::from(ID_FILE);
    if let Some(found) = found(files.get(&path).await)? {
        return found.bytes().await.map(Vec::from);
    }
    let mut id = [0; ID_BYTES];
    getrandom::fill(&mut id).map_err(|error| StorageError::Generic { store: "local", source: error.into() })?;
    // The file appears whole, or not at all.
    match files.put_opts(&path, hex(&id).into(), PutMode::Create.into()).await {
        Ok(_) | Err(StorageError::AlreadyExists { .. }) => files.get(&path).await?.bytes().await.map(Vec::from),
        Err(error) => Err(error),
    }
}

impl BlobStore for LocalDirectory {
    fn storage_type(&self) -> StorageType {
        StorageType::Local
    }

    fn base(&self) -> &str {
        &self.base
    }

    fn put<'a>(&'a self, id: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let done = self.files.put(&file_of(id), bytes.into()).await;
            done.map(|_| ()).map_err(|error| to_error(error, "writing to the local storage"))
        })
    }

    fn begin<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Box<dyn BlobWriter>, Error>> {
        Box::pin(async move {
            let upload = self.files.put_multipart(&file_of(id)).await;
            let upload = upload.map_err(|error| to_error(error, "writing to the local storage"))?;
            Ok(Box::new(BlobFileWriter { upload }) as Box<dyn BlobWriter>)
        })
    }

    fn read<'a>(&'a self, id: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        Box::pin(async move { read(&self.files, &file_of(id), range, "reading from the local storage").await })
    }

    fn remove<'a>(&'a self, id: &'a str, _: Option<&'a str>) -> BoxFuture<'a, Result<(), Error>> {
        let directory = self.directory.join(id);
        Box::pin(async move {
            let removed = tokio::task::spawn_blocking(move || remove_directory(&directory)).await;
            removed.map_err(|error| Error::internal(error.to_string()))?
        })
    }
}

fn file_of(id: &str) -> Path {
    Path::from_iter([id, FILE])
}

fn remove_directory(directory: &FilePath) -> Result<(), Error> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::new(ErrorCode::IO, format!("the directory {} was not removed: {error}", directory.display())))
        }
        _ => Ok(()),
    }
}

struct BlobFileWriter {
    upload: Box<dyn MultipartUpload>,
}

impl BlobWriter for BlobFileWriter {
    fn write(&mut self, part: Vec<u8>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.upload.put_part(part.into()).await.map_err(|error| to_error(error, "writing to the local storage"))
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let done = self.upload.complete().await;
            done.map(|_| ()).map_err(|error| to_error(error, "writing to the local storage"))
        })
    }
}

/// Bytes as objects in a bucket of S3, or of a server with its protocol.
pub struct S3Bucket {
    bucket: Arc<AmazonS3>,
    prefix: Path,
    base: String,
    doing: String,
}

impl S3Bucket {
    /// Opens the bucket and prefix of a URL `s3://BUCKET/PREFIX`. The variables `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT`, `AWS_ALLOW_HTTP` and others of that kind apply;
    /// `AWS_TIMEOUT` is the time for one request, such as `2min`, by default 30 seconds. No request is sent.
    ///
    /// Errors: `invalid_url`.
    pub fn open(url: &str) -> Result<Self, Error> {
        Self::with_builder(url, AmazonS3Builder::from_env())
    }

    /// Opens the bucket and prefix of a URL with other settings than those of the environment.
    ///
    /// Errors: `invalid_url`.
    pub fn with_builder(url: &str, builder: AmazonS3Builder) -> Result<Self, Error> {
        let BucketPlace { bucket, name, prefix } = BucketPlace::open(url, builder)?;
        let slash = if prefix.as_ref().is_empty() { "" } else { "/" };
        let (base, doing) = (format!("s3://{name}/{prefix}{slash}"), format!("the bucket `{name}`"));
        Ok(Self { bucket, base, prefix, doing })
    }

    fn object(&self, id: &str) -> Path {
        self.prefix.clone().join(id)
    }

    fn error(&self, error: StorageError) -> Error {
        to_error(error, &self.doing)
    }
}

impl BlobStore for S3Bucket {
    fn storage_type(&self) -> StorageType {
        StorageType::S3
    }

    fn base(&self) -> &str {
        &self.base
    }

    fn put<'a>(&'a self, id: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let done = self.bucket.put(&self.object(id), bytes.into()).await;
            done.map(|_| ()).map_err(|error| self.error(error))
        })
    }

    fn begin<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Box<dyn BlobWriter>, Error>> {
        Box::pin(async move {
            let object = self.object(id);
            let upload = self.bucket.create_multipart(&object).await.map_err(|error| self.error(error))?;
            let (bucket, doing) = (self.bucket.clone(), self.doing.clone());
            Ok(Box::new(ObjectWriter { bucket, doing, object, upload, parts: Vec::new() }) as Box<dyn BlobWriter>)
        })
    }

    fn read<'a>(&'a self, id: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        Box::pin(async move { read(&*self.bucket, &self.object(id), range, &self.doing).await })
    }

    fn remove<'a>(&'a self, id: &'a str, multipart_upload: Option<&'a str>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let object = self.object(id);
            let is_complete = found(self.bucket.head(&object).await).map_err(|error| self.error(error))?.is_some();
            let removed = match multipart_upload {
                Some(upload) if !is_complete => self.bucket.abort_multipart(&object, &upload.to_owned()).await,
                _ => self.bucket.delete(&object).await,
            };
            // An object that was removed before is not found.
            found(removed).map(|_| ()).map_err(|error| self.error(error))
        })
    }
}

struct ObjectWriter {
    bucket: Arc<AmazonS3>,
    doing: String,
    object: Path,
    upload: String,
    parts: Vec<PartId>,
}

impl BlobWriter for ObjectWriter {
    fn multipart_upload(&self) -> Option<&str> {
        Some(&self.upload)
    }

    fn write(&mut self, part: Vec<u8>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let written = self.bucket.put_part(&self.object, &self.upload, self.parts.len(), part.into()).await;
            self.parts.push(written.map_err(|error| to_error(error, &self.doing))?);
            Ok(())
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let parts = std::mem::take(&mut self.parts);
            let Err(error) = self.bucket.complete_multipart(&self.object, &self.upload, parts).await else {
                return Ok(());
            };
            // A request that timed out may have been done, and its repeat is refused. The object, which only this
            // upload writes, exists then.
            match found(self.bucket.head(&self.object).await) {
                Ok(Some(_)) => Ok(()),
                _ => Err(to_error(error, &self.doing)),
            }
        })
    }
}

async fn read(
    store: &impl ObjectStore,
    object: &Path,
    range: Range<u64>,
    doing: &str,
) -> Result<Option<Vec<u8>>, Error> {
    let bytes = found(store.get_range(object, range).await).map_err(|error| to_error(error, doing))?;
    Ok(bytes.map(Vec::from))
}
