//! Opening the storage of a URL.

use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_engine::redact_url;
use runstate_engine::{Engine, Error};

use super::{BlobStore, Chunks};

/// Opens the storage that `url` names: `chunks:`, `local:DIRECTORY`, `s3://BUCKET/PREFIX`, `gridfs:`, as far as this
/// build has them. GridFS is in the database of the store, whose URL is `store_url`. Without a URL it is GridFS for a
/// store on MongoDB, and else `chunks:`.
///
/// Errors: `invalid_url`, `unsupported` (this build lacks it), `io`, `corrupt` (a directory whose id is not one).
pub async fn open(url: Option<&str>, engine: &Engine, store_url: &str) -> Result<Arc<dyn BlobStore>, Error> {
    let is_on_mongodb = store_url.starts_with("mongodb");
    let url = url.unwrap_or(if is_on_mongodb { "gridfs:" } else { "chunks:" });
    match url.split_once(':') {
        Some(("chunks", "")) => Ok(Arc::new(Chunks::new(engine))),
        Some(("local", directory)) if !directory.is_empty() => objects::open_directory(directory).await,
        Some(("s3", _)) => objects::open_bucket(url),
        Some(("gridfs", "")) if is_on_mongodb => gridfs::open(store_url).await,
        Some(("gridfs", "")) => Err(Error::new(
            ErrorCode::INVALID_URL,
            "`gridfs:` is for a store on MongoDB; use `local:DIRECTORY` or `chunks:`",
        )),
        _ => {
            let forms = "`chunks:`, `local:DIRECTORY`, `s3://BUCKET/PREFIX` or `gridfs:`";
            Err(Error::new(
                ErrorCode::INVALID_URL,
                format!("`{}` is not the URL of a storage; it is {forms}", redact_url(url)),
            ))
        }
    }
}

#[cfg(all(feature = "object-store", not(target_family = "wasm")))]
mod objects {
    use std::sync::Arc;

    use runstate_engine::Error;

    use crate::{BlobStore, LocalDirectory, S3Bucket};

    pub async fn open_directory(directory: &str) -> Result<Arc<dyn BlobStore>, Error> {
        Ok(Arc::new(LocalDirectory::open(directory).await?))
    }

    pub fn open_bucket(url: &str) -> Result<Arc<dyn BlobStore>, Error> {
        Ok(Arc::new(S3Bucket::open(url)?))
    }
}

/// Replaces directories and buckets where this build has none.
#[cfg(not(all(feature = "object-store", not(target_family = "wasm"))))]
mod objects {
    use std::sync::Arc;

    use runstate_core::error_code::ErrorCode;
    use runstate_engine::Error;

    use crate::BlobStore;

    pub async fn open_directory(directory: &str) -> Result<Arc<dyn BlobStore>, Error> {
        open_bucket(&format!("local:{directory}"))
    }

    pub fn open_bucket(url: &str) -> Result<Arc<dyn BlobStore>, Error> {
        let message =
            format!("cannot open `{url}`: build runstate with the feature `object-store` (not for WebAssembly)");
        Err(Error::new(ErrorCode::UNSUPPORTED, message))
    }
}

#[cfg(all(feature = "mongodb", not(target_family = "wasm")))]
mod gridfs {
    use std::sync::Arc;

    use runstate_engine::Error;

    use crate::{BlobStore, GridFs};

    pub async fn open(store_url: &str) -> Result<Arc<dyn BlobStore>, Error> {
        Ok(Arc::new(GridFs::open(store_url).await?))
    }
}

/// Replaces GridFS where this build has none.
#[cfg(not(all(feature = "mongodb", not(target_family = "wasm"))))]
mod gridfs {
    use std::sync::Arc;

    use runstate_core::error_code::ErrorCode;
    use runstate_engine::Error;

    use crate::BlobStore;

    pub async fn open(_: &str) -> Result<Arc<dyn BlobStore>, Error> {
        let message = "cannot open `gridfs:`: build runstate with the feature `mongodb` (not for WebAssembly)";
        Err(Error::new(ErrorCode::UNSUPPORTED, message))
    }
}
