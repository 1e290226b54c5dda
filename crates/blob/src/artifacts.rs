//! Writing, reading and removing artifacts: commands around the bytes.

use std::collections::HashSet;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::id::hex;
use runstate_core::schema::{Entity as _, Key, Query};
use runstate_domain_apps::{
    AbortUpload, Artifact, BeginUpload, BegunUpload, Blob, BlobState, ContinueUpload, FindBlob, ForgetBlob,
    GetArtifact, PART_BYTES, PutArtifact, RemoveArtifact, RemovedBlobs, ReplaceBlob, TEXT_BYTES, split_path,
};
use runstate_engine::{Engine, Error};
use runstate_store::{Finding, Freshness, VerifyReport};
use runstate_value::time::Millis;
use runstate_value::{Document, Json};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{BlobStore, BlobWriter, Chunks};

/// The time before the end of its lease at which an upload is continued.
const CONTINUED_BEFORE: Millis = Millis::minutes(40);

/// Artifacts that [`Artifacts::verify`] finds with one query.
const VERIFIED_PER_PAGE: u32 = 500;

/// Most places of bytes that [`Artifacts::verify`] knows it has read.
const MOST_SEEN: usize = 100_000;

/// The artifacts of an engine, in one storage. Those whose bytes are documents of the store can be read besides. Cheap
/// to clone.
#[derive(Clone)]
pub struct Artifacts {
    engine: Engine,
    storage: Arc<dyn BlobStore>,
    chunks: Arc<dyn BlobStore>,
}

/// An artifact to be stored.
#[derive(Clone, Debug, Default)]
pub struct NewArtifact {
    /// The execution.
    pub execution_id: String,
    /// The number of the step.
    pub step_id: i64,
    /// Its type, such as `screenshot`, `log`, `code` or `report`.
    pub artifact_type: String,
    /// Its name.
    pub artifact_name: String,
    /// The media type of its content.
    pub mime_type: String,
    /// Further information.
    pub metadata: Document,
}

impl NewArtifact {
    /// An artifact of a step.
    pub fn of_step(execution_id: impl Into<String>, step_id: i64) -> Self {
        Self { execution_id: execution_id.into(), step_id, ..Self::default() }
    }

    /// Sets what it is, its name, and the media type of its content.
    pub fn named(
        mut self,
        artifact_type: impl Into<String>,
        artifact_name: impl Into<String>,
        mime_type: impl Into<String>,
    ) -> Self {
        self.artifact_type = artifact_type.into();
        self.artifact_name = artifact_name.into();
        self.mime_type = mime_type.into();
        self
    }
}

/// How many blobs [`Artifacts::collect`] has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CollectReport {
    /// Blobs whose bytes were removed.
    pub removed: u32,
    /// Blobs in other storages than the one that is open. A process that has those open removes them.
    pub elsewhere: u32,
}

/// What [`Artifacts::verify`] has read.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct ArtifactReport {
    /// Number of contents that were read.
    pub read: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Contents in storages that are not open, or that another program stored.
    pub elsewhere: u64,
}

impl Artifacts {
    /// The artifacts of `engine`. New ones are stored in `storage`.
    pub fn new(engine: &Engine, storage: impl BlobStore + 'static) -> Self {
        Self::with_storage(engine, Arc::new(storage))
    }

    /// The artifacts of `engine`, in a storage that may be of any kind.
    pub fn with_storage(engine: &Engine, storage: Arc<dyn BlobStore>) -> Self {
        Self { engine: engine.clone(), storage, chunks: Arc::new(Chunks::new(engine)) }
    }

    /// Begins to store an artifact. It exists when [`ArtifactUpload::finish`] returns.
    ///
    /// Errors: `not_found` (the execution).
    pub async fn put(&self, artifact: NewArtifact) -> Result<ArtifactUpload, Error> {
        let storage = &self.storage;
        let begin = BeginUpload {
            execution_id: artifact.execution_id.clone(),
            storage_type: storage.storage_type(),
            storage_base: storage.base().to_owned(),
        };
        let begun = self.engine.execute(&begin).await?;
        Ok(ArtifactUpload {
            artifacts: self.clone(),
            text: Artifact::is_text(&artifact.artifact_type, &artifact.mime_type).then(Vec::new),
            artifact,
            begun,
            writer: None,
            buffer: Vec::new(),
            parts: Vec::new(),
            hash: Sha256::new(),
            bytes: 0,
        })
    }

    /// Reads the bytes of an artifact, or a range of them. A range that ends after the last byte ends with it.
    ///
    /// Errors: `not_found`; `unsupported` (another program stored it, or its storage is not open); those of
    /// [`ArtifactReader::next`].
    pub async fn read(&self, id: &str, range: impl RangeBounds<u64>) -> Result<ArtifactReader, Error> {
        let found = self.engine.query(&GetArtifact { id: id.to_owned() }).await?;
        let artifact = found.artifact;
        let Some(Blob { id: blob, state: BlobState::Stored { parts, size_bytes, .. }, storage_path, .. }) = found.blob
        else {
            let message =
                format!("the bytes of artifact `{id}` were not stored by runstate: {}", artifact.storage_path);
            return Err(of_artifact(Error::new(ErrorCode::UNSUPPORTED, message), id));
        };
        let Some(storage) = self.storage_of(&storage_path, &blob) else {
            let message = format!("the bytes of artifact `{id}` are at {storage_path}, and that storage is not open");
            return Err(of_artifact(Error::new(ErrorCode::UNSUPPORTED, message), id));
        };
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => end.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        Ok(ArtifactReader {
            engine: self.engine.clone(),
            storage: storage.clone(),
            artifact,
            blob,
            parts,
            size: size_bytes,
            range: start..end.min(size_bytes),
        })
    }

    /// Removes an artifact, and its bytes if it is the last one that has them. [`Artifacts::collect`] removes those.
    ///
    /// Errors: `not_found`.
    pub async fn remove(&self, id: &str) -> Result<(), Error> {
        self.engine.execute(&RemoveArtifact { id: id.to_owned() }).await
    }

    /// Removes the bytes that no artifact has, at most those of 100 blobs.
    pub async fn collect(&self) -> Result<CollectReport, Error> {
        let mut collected = CollectReport::default();
        for blob in self.engine.query(&RemovedBlobs).await? {
            let Some(storage) = self.storage_of(&blob.storage_path, &blob.id) else {
                collected.elsewhere += 1;
                continue;
            };
            storage.remove(&blob.id, blob.multipart_upload.as_deref()).await?;
            self.engine.execute(&ForgetBlob { id: blob.id }).await?;
            collected.removed += 1;
        }
        Ok(collected)
    }

    /// Reads all artifacts to their ends; those with the same bytes once. Adds those whose bytes are missing or are not
    /// those that were stored to the findings. `progress` gets the number of bytes.
    pub async fn verify(
        &self,
        findings: &mut VerifyReport,
        mut progress: impl FnMut(u64),
    ) -> Result<ArtifactReport, Error> {
        let mut report = ArtifactReport::default();
        let mut seen = HashSet::new();
        let mut query = Query::of(&Artifact::COLLECTION).limit(VERIFIED_PER_PAGE);
        loop {
            let page = self.engine.store().query(&query, Freshness::Linearizable).await?;
            for row in page.items {
                let path = row.stored.document.get("storage_path").and_then(Json::as_str).unwrap_or_default();
                if seen.len() >= MOST_SEEN {
                    seen.clear();
                }
                if !seen.insert(path.to_owned()) {
                    continue;
                }
                match self.read_to_end(&row.id).await {
                    Ok(bytes) => {
                        report.read += 1;
                        report.bytes += bytes;
                    }
                    // It was removed meanwhile.
                    Err(error) if error.code == ErrorCode::NOT_FOUND => {}
                    Err(error) if error.code == ErrorCode::UNSUPPORTED => report.elsewhere += 1,
                    Err(error) if error.code == ErrorCode::CORRUPT => {
                        let at = Key::new(&Artifact::COLLECTION, &row.id).to_string();
                        findings.add(Finding::damage(at, error.message));
                    }
                    Err(error) => return Err(error),
                }
                progress(report.bytes);
            }
            query.cursor = page.next;
            if query.cursor.is_none() {
                return Ok(report);
            }
        }
    }

    async fn read_to_end(&self, id: &str) -> Result<u64, Error> {
        let mut reader = self.read(id, ..).await?;
        let mut bytes = 0;
        while let Some(part) = reader.next().await? {
            bytes += part.len() as u64;
        }
        Ok(bytes)
    }

    fn storage_of(&self, path: &str, blob: &str) -> Option<&Arc<dyn BlobStore>> {
        let (base, _) = split_path(path).filter(|(_, id)| *id == blob)?;
        [&self.storage, &self.chunks].into_iter().find(|storage| base == storage.base())
    }
}

/// Writes the bytes of a new artifact. One that is dropped leaves no artifact; the bytes written so far are removed an
/// hour later.
pub struct ArtifactUpload {
    artifacts: Artifacts,
    artifact: NewArtifact,
    begun: BegunUpload,
    writer: Option<Box<dyn BlobWriter>>,
    /// The bytes that are not written yet: at most one part.
    buffer: Vec<u8>,
    parts: Vec<String>,
    hash: Sha256,
    bytes: u64,
    /// The beginning of a text, for the search.
    text: Option<Vec<u8>>,
}

impl ArtifactUpload {
    /// Appends bytes. After an error, the upload is of no use.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        if let Some(text) = &mut self.text {
            // A byte more is left out later, with the word that it is in.
            text.extend_from_slice(&bytes[..bytes.len().min((TEXT_BYTES + 1).saturating_sub(text.len()))]);
        }
        while !bytes.is_empty() {
            if self.buffer.len() == PART_BYTES {
                self.write_part().await?;
            }
            let (head, rest) = bytes.split_at(bytes.len().min(PART_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(head);
            self.hash.update(head);
            self.bytes += head.len() as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// Completes the artifact, and returns its id. Its bytes are durable then.
    ///
    /// Errors: `not_found` (the execution), `stale_upload` (nothing was written for an hour), `limit` (more than 48.8
    /// GiB).
    pub async fn finish(mut self) -> Result<String, Error> {
        let done = self.complete().await;
        match &done {
            Err(error) if error.code != ErrorCode::UNKNOWN_OUTCOME => self.abort().await,
            _ => {}
        }
        done
    }

    /// Gives the upload up. The bytes written so far may be removed at once.
    pub async fn abort(self) {
        // An upload that does not continue is given up an hour later anyway.
        _ = self.artifacts.engine.execute(&AbortUpload { blob: self.begun.blob }).await;
    }

    async fn complete(&mut self) -> Result<String, Error> {
        let last = std::mem::take(&mut self.buffer);
        self.parts.extend((!last.is_empty()).then(|| hex(&Sha256::digest(&last))));
        match &mut self.writer {
            Some(writer) => {
                writer.write(last).await?;
                writer.finish().await?;
            }
            None => self.artifacts.storage.put(&self.begun.blob, last).await?,
        }
        let NewArtifact { execution_id, step_id, artifact_type, artifact_name, mime_type, metadata } =
            std::mem::take(&mut self.artifact);
        let sha256 = hex(&std::mem::take(&mut self.hash).finalize());
        let (same, lost) = self.find_same(&sha256).await?;
        let put = PutArtifact {
            blob: self.begun.blob.clone(),
            sha256,
            size_bytes: self.bytes,
            parts: std::mem::take(&mut self.parts),
            same,
            execution_id,
            step_id,
            artifact_type,
            artifact_name,
            mime_type,
            metadata,
            text: self.text.take().map(|text| String::from_utf8_lossy(&text).into_owned()),
        };
        let id = self.artifacts.engine.execute(&put).await?;
        if let Some(lost) = lost {
            // The artifact is stored. If this fails, the older ones are replaced by the next equal artifact.
            _ = self.artifacts.engine.execute(&ReplaceBlob { lost, by: put.blob }).await;
        }
        Ok(id)
    }

    /// The blob in the storage with these bytes, if they are there; else the one that should have them. The upload is
    /// continued meanwhile.
    async fn find_same(&mut self, sha256: &str) -> Result<(Option<String>, Option<String>), Error> {
        let Artifacts { engine, storage, .. } = &self.artifacts;
        let find = FindBlob { storage_base: storage.base().to_owned(), sha256: sha256.to_owned() };
        let Some(Blob { id, state: BlobState::Stored { parts, size_bytes, .. }, .. }) = engine.query(&find).await?
        else {
            return Ok((None, None));
        };
        for number in 0..parts.len() as u64 {
            if engine.now() > self.begun.until - CONTINUED_BEFORE {
                let blob = self.begun.blob.clone();
                self.begun.until = engine.execute(&ContinueUpload { blob, multipart_upload: None }).await?;
            }
            if read_part(&**storage, &id, &parts, size_bytes, number).await?.is_err() {
                return Ok((None, Some(id)));
            }
        }
        Ok((Some(id), None))
    }

    /// Writes the buffer, which is a whole part, and not the last one.
    async fn write_part(&mut self) -> Result<(), Error> {
        let blob = &self.begun.blob;
        let engine = &self.artifacts.engine;
        let multipart_upload = match &self.writer {
            Some(writer) => writer.multipart_upload(),
            None => self.writer.insert(self.artifacts.storage.begin(blob).await?).multipart_upload(),
        };
        let is_unknown = self.parts.is_empty() && multipart_upload.is_some();
        if is_unknown || engine.now() > self.begun.until - CONTINUED_BEFORE {
            let multipart_upload = multipart_upload.map(str::to_owned);
            self.begun.until = engine.execute(&ContinueUpload { blob: blob.clone(), multipart_upload }).await?;
        }
        let part = std::mem::replace(&mut self.buffer, Vec::with_capacity(PART_BYTES));
        self.parts.push(hex(&Sha256::digest(&part)));
        match &mut self.writer {
            Some(writer) => writer.write(part).await,
            None => Err(Error::internal("an upload of several parts has no writer")),
        }
    }
}

/// Reads the bytes of an artifact, part by part.
pub struct ArtifactReader {
    engine: Engine,
    storage: Arc<dyn BlobStore>,
    artifact: Artifact,
    blob: String,
    parts: Vec<String>,
    size: u64,
    range: Range<u64>,
}

impl ArtifactReader {
    /// The artifact.
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    /// The range that is left.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// The next bytes, at most 5 MiB; `None`: there are no more.
    ///
    /// Errors: `not_found` (the artifact was removed meanwhile), `corrupt` (the bytes are missing, or are not those
    /// that were stored), and those of the storage.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let number = self.range.start / PART_BYTES as u64;
        let part = range_of_part(number, self.size);
        let found = read_part(&*self.storage, &self.blob, &self.parts, self.size, number).await;
        let mut bytes = match found.map_err(|error| of_artifact(error, &self.artifact.id))? {
            Ok(bytes) => bytes,
            Err(why) => {
                let Artifact { id, storage_path, .. } = &self.artifact;
                self.engine.query(&GetArtifact { id: id.clone() }).await?;
                let message =
                    format!("bytes {} to {} of artifact `{id}`, at {storage_path}, {why}", part.start, part.end);
                return Err(of_artifact(Error::new(ErrorCode::CORRUPT, message), id));
            }
        };
        let end = self.range.end.min(part.end);
        bytes.truncate((end - part.start) as usize);
        bytes.drain(..(self.range.start - part.start) as usize);
        self.range.start = end;
        Ok(Some(bytes))
    }
}

/// The bytes of a part of a blob.
fn range_of_part(number: u64, size: u64) -> Range<u64> {
    let part_bytes = PART_BYTES as u64;
    let start = (number * part_bytes).min(size);
    start..(start + part_bytes).min(size)
}

/// Reads a part of a blob. The inner error says why it is not what was stored.
async fn read_part(
    storage: &dyn BlobStore,
    blob: &str,
    parts: &[String],
    size: u64,
    number: u64,
) -> Result<Result<Vec<u8>, &'static str>, Error> {
    let expected = usize::try_from(number).ok().and_then(|number| parts.get(number));
    let range = range_of_part(number, size);
    let length = range.end - range.start;
    let is_stored = |bytes: &[u8]| bytes.len() as u64 == length && Some(&hex(&Sha256::digest(bytes))) == expected;
    Ok(match storage.read(blob, range).await? {
        None => Err("are missing"),
        Some(bytes) if is_stored(&bytes) => Ok(bytes),
        Some(_) => Err("are not those that were stored"),
    })
}

/// Names the artifact that an error is about.
fn of_artifact(error: Error, id: &str) -> Error {
    let collection = Some(Artifact::COLLECTION.name.to_owned());
    Error { collection, key: Some(id.to_owned()), ..error }
}
