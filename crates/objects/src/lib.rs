//! Objects in directories and in buckets of S3, or of a server with its protocol: their clients, their errors, and
//! folders of objects.

use std::error::Error as _;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    ClientConfigKey, ClientOptions, Error as StorageError, ObjectStore, ObjectStoreExt as _, PutMode, RetryConfig,
};
use runstate_core::error_code::ErrorCode;
use runstate_core::marker::BoxFuture;
use runstate_engine::Error;

/// How often a request to S3 is retried, and for how long.
const RETRY: RetryConfig = RetryConfig {
    backoff: object_store::BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(5),
        base: 2.,
    },
    max_retries: 5,
    retry_timeout: Duration::from_secs(60),
};

/// The time to complete an upload. Servers take up to several minutes (`CompleteMultipartUpload` in the reference of
/// S3).
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(600);

/// A place in a bucket.
pub struct BucketPlace {
    /// The client.
    pub bucket: Arc<AmazonS3>,
    /// The name of the bucket.
    pub name: String,
    /// The prefix of all keys.
    pub prefix: Path,
}

impl BucketPlace {
    /// Opens the bucket and prefix of a URL `s3://BUCKET/PREFIX`. No request is sent.
    ///
    /// Errors: `invalid_url`.
    pub fn open(url: &str, builder: AmazonS3Builder) -> Result<Self, Error> {
        let invalid = |why: &str| Error::new(ErrorCode::INVALID_URL, format!("the URL `{url}`: {why}"));
        let place = url.strip_prefix("s3://").ok_or_else(|| invalid("it has the form s3://BUCKET/PREFIX"))?;
        let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = Path::parse(prefix).map_err(|error| invalid(&error.to_string()))?;
        let built = builder.with_bucket_name(name).with_retry(RETRY).with_http_connector(TlsConnector).build();
        let bucket = Arc::new(built.map_err(|error| invalid(&innermost(&error)))?);
        Ok(Self { bucket, name: name.to_owned(), prefix })
    }
}

/// A folder of objects that are created once: a directory, or a prefix of a bucket.
pub struct ObjectFolder {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    name: String,
}

impl ObjectFolder {
    /// Opens the folder of a URL, `local:DIRECTORY` or `s3://BUCKET/PREFIX`. A directory is created if it does not
    /// exist; settings of S3 are in the environment, as `AWS_ACCESS_KEY_ID`.
    ///
    /// Errors: `invalid_url`, `io`.
    pub fn open(url: &str) -> Result<Self, Error> {
        match url.split_once(':') {
            Some(("local", directory)) if !directory.is_empty() => {
                let failed = |why: String| Error::new(ErrorCode::IO, format!("the directory {directory}: {why}"));
                std::fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
                let files = LocalFileSystem::new_with_prefix(directory).map_err(|error| failed(innermost(&error)))?;
                let objects = Arc::new(files.with_fsync(true));
                Ok(Self { objects, prefix: Path::default(), name: format!("the directory {directory}") })
            }
            Some(("s3", _)) => Self::in_bucket(url, AmazonS3Builder::from_env()),
            _ => {
                let url = runstate_engine::redact_url(url);
                let message =
                    format!("`{url}` does not name a folder; it is `local:DIRECTORY` or `s3://BUCKET/PREFIX`");
                Err(Error::new(ErrorCode::INVALID_URL, message))
            }
        }
    }

    /// Opens the folder of a URL `s3://BUCKET/PREFIX` with other settings than those of the environment.
    ///
    /// Errors: `invalid_url`.
    pub fn in_bucket(url: &str, builder: AmazonS3Builder) -> Result<Self, Error> {
        let BucketPlace { bucket, name, prefix } = BucketPlace::open(url, builder)?;
        Ok(Self { objects: bucket, prefix, name: format!("the bucket `{name}`") })
    }

    /// Opens the folder of a URL, and refuses a directory that does not exist: `not_found`.
    pub fn open_existing(url: &str) -> Result<Self, Error> {
        match url.strip_prefix("local:") {
            Some(directory) if !directory.is_empty() && !FilePath::new(directory).is_dir() => {
                Err(Error::new(ErrorCode::NOT_FOUND, format!("there is no directory {directory}")))
            }
            _ => Self::open(url),
        }
    }

    /// Its name in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Creates an object; `false` if there is one of this name. It appears whole, or not at all.
    pub async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<bool, Error> {
        match self.objects.put_opts(&self.object(name), bytes.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(StorageError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(to_error(error, &self.name)),
        }
    }

    /// Reads an object; `None` if there is none.
    pub async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let bytes = async {
            match found(self.objects.get(&self.object(name)).await)? {
                Some(found) => found.bytes().await.map(|bytes| Some(Vec::from(bytes))),
                None => Ok(None),
            }
        };
        bytes.await.map_err(|error| to_error(error, &self.name))
    }

    /// The names of all objects directly in the folder.
    pub async fn names(&self) -> Result<Vec<String>, Error> {
        let listed = self.objects.list_with_delimiter(Some(&self.prefix)).await;
        let listed = listed.map_err(|error| to_error(error, &self.name))?;
        Ok(listed.objects.iter().filter_map(|object| object.location.filename().map(str::to_owned)).collect())
    }

    /// Removes an object, if there is one.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let removed = self.objects.delete(&self.object(name)).await;
        found(removed).map(|_| ()).map_err(|error| to_error(error, &self.name))
    }

    fn object(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }
}

/// Connects with the TLS of this library, in place of one that needs a compiler for C++.
#[derive(Debug)]
struct TlsConnector;

impl HttpConnector for TlsConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let failed = |source| StorageError::Generic { store: "S3", source };
        let timeout = options.get_config_value(&ClientConfigKey::Timeout);
        let timeout = timeout.map(|text| humantime::parse_duration(&text)).transpose();
        let timeout = timeout.map_err(|error| failed(format!("AWS_TIMEOUT: {error}").into()))?;
        let tls = runstate_tls::client_config().map_err(|error| failed(error.into()))?;
        let client = |timeout: Option<Duration>| {
            let builder = reqwest::Client::builder().tls_backend_preconfigured(tls.clone());
            let builder = timeout.into_iter().fold(builder, |builder, timeout| builder.timeout(timeout));
            builder.user_agent(runstate_tls::USER_AGENT).build().map_err(|error| failed(error.into()))
        };
        let (bounded, completions) =
            (client(timeout)?, client(timeout.map(|timeout| timeout.max(COMPLETION_TIMEOUT)))?);
        Ok(HttpClient::new(Requests { bounded, completions }))
    }
}

/// Sends each request with the time that it may take. A server that is full is asked only once.
#[derive(Debug)]
struct Requests {
    bounded: reqwest::Client,
    completions: reqwest::Client,
}

impl HttpService for Requests {
    fn call<'a, 'b>(&'a self, request: HttpRequest) -> BoxFuture<'b, Result<HttpResponse, HttpError>>
    where
        'a: 'b,
    {
        let completes = request.method() == reqwest::Method::POST
            && request.uri().query().is_some_and(|query| query.contains("uploadId="));
        let client = if completes { &self.completions } else { &self.bounded };
        Box::pin(async move {
            let response = client.call(request).await?;
            if response.status() == reqwest::StatusCode::INSUFFICIENT_STORAGE {
                let full = std::io::Error::new(std::io::ErrorKind::StorageFull, "the server has no space left");
                return Err(HttpError::new(HttpErrorKind::Unknown, full));
            }
            Ok(response)
        })
    }
}

/// `None` for an object that does not exist.
pub fn found<T>(result: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(StorageError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error of a request; `doing` says what failed.
pub fn to_error(error: StorageError, doing: &str) -> Error {
    let code = match &error {
        StorageError::PermissionDenied { .. } | StorageError::Unauthenticated { .. } => ErrorCode::NOT_AUTHORIZED,
        StorageError::NotFound { .. } => ErrorCode::NOT_FOUND,
        error if is_full(error) => ErrorCode::FULL,
        _ => ErrorCode::UNAVAILABLE,
    };
    let retryable = code == ErrorCode::UNAVAILABLE;
    Error { retryable, ..Error::new(code, format!("{doing}: {}", innermost(&error))) }
}

/// Whether no space is left.
fn is_full(error: &StorageError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::StorageFull) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The innermost cause of an error, which says most.
pub fn innermost(error: &StorageError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
