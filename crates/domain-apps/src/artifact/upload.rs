//! The commands of an upload. [`Artifacts`](runstate_blob::Artifacts) calls them around the bytes, which are no part of
//! a command.

use runstate_core::prelude::*;

use super::blob::{MAX_PARTS, PART_BYTES};
use super::{Artifact, Blob, BlobEvent, BlobState, KEPT, SHORTEST_REVIEW, StorageType};
use crate::codes;
use crate::execution::AppExecution;
use crate::search::SearchEntry;
use crate::step::Step;

/// How long an upload may last without [`ContinueUpload`].
const UPLOAD_LEASE: Millis = SHORTEST_REVIEW;

/// How long a blob is kept after its artifacts have expired, so that one check finds none of them.
const MARGIN: Millis = Millis::days(1);

/// The name of the query for the blob with the content of the upload.
const SAME: &str = "same content";

/// The name of the query for the artifacts of a blob.
const ARTIFACTS: &str = "artifacts";

/// Writes besides those of artifacts: two blobs, the ledger and the audit log.
const OTHER_WRITES: usize = 4;

/// Most artifacts of a lost blob that one commit changes.
const REPLACED_PER_COMMIT: u32 = 100;

/// Finds the newest blob with these bytes in a storage. Its caller reads them before it has an artifact of them.
#[derive(Clone, Debug, OperationName)]
#[operation(name = "apps.blob.find")]
pub struct FindBlob {
    /// The place of all blobs in that storage.
    pub storage_base: String,
    /// The SHA-256 hash of the bytes.
    pub sha256: String,
}

impl DomainQuery for FindBlob {
    type Output = Option<Blob>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::empty().query(SAME, Blob::of_content(&self.storage_base, &self.sha256))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Option<Blob>> {
        Ok(view.entities::<Blob>(SAME)?.pop())
    }
}

/// Begins an upload: creates the row of a blob.
///
/// Errors: `not_found` (the execution).
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.upload.begin")]
pub struct BeginUpload {
    /// The execution that is to have the artifact.
    pub execution_id: String,
    /// The storage that gets the bytes.
    pub storage_type: StorageType,
    /// The place of all blobs in that storage. The id of the blob is appended to it.
    pub storage_base: String,
}

/// A blob whose bytes may be written now.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct BegunUpload {
    /// The id of the blob.
    pub blob: String,
    /// When the upload counts as abandoned, unless it continues.
    pub until: Timestamp,
}

impl Command for BeginUpload {
    type Output = BegunUpload;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<BegunUpload>> {
        view.entity::<AppExecution>(&self.execution_id)?.entity.check_kept()?;
        let (id, until) = (ctx.new_id(), ctx.now + UPLOAD_LEASE);
        let blob = Blob {
            storage_type: self.storage_type,
            storage_path: format!("{}{id}", self.storage_base),
            multipart_upload: None,
            state: BlobState::Uploading { review_at: until },
            id: id.clone(),
        };
        Decision::new(BegunUpload { blob: id, until }).and_insert(&blob)
    }
}

/// The blob of an upload that has not ended.
pub(super) fn uploading(view: &View, id: &str) -> Result<LoadedEntity<Blob>> {
    match view.find_entity::<Blob>(id)? {
        Some(blob) if matches!(blob.entity.state, BlobState::Uploading { .. }) => Ok(blob),
        _ => {
            let message = format!("upload `{id}` counts as abandoned, or has ended; begin another one");
            Err(Rejection::domain(codes::STALE_UPLOAD, message))
        }
    }
}

/// Continues an upload for another hour.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.upload.continue")]
pub struct ContinueUpload {
    /// The id of the blob.
    pub blob: String,
    /// The name that the storage gave to the upload.
    pub multipart_upload: Option<String>,
}

impl Command for ContinueUpload {
    type Output = Timestamp;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Timestamp>> {
        let mut blob = uploading(view, &self.blob)?;
        let until = ctx.now + UPLOAD_LEASE;
        blob.entity.apply(BlobEvent::Continue(until))?;
        blob.entity.multipart_upload.clone_from(&self.multipart_upload);
        Decision::new(until).save(blob, ctx.now)
    }
}

/// Ends an upload without an artifact. One that has ended is left as it is.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.upload.abort")]
pub struct AbortUpload {
    /// The id of the blob.
    pub blob: String,
}

impl Command for AbortUpload {
    type Output = ();

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Blob>(&self.blob)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>> {
        let Ok(mut blob) = uploading(view, &self.blob) else { return Ok(Decision::new(())) };
        blob.entity.apply(BlobEvent::Remove(ctx.now))?;
        Decision::new(()).save(blob, ctx.now)
    }
}

/// Ends an upload: creates the artifact. If an older blob has the same bytes, the artifact has those, and the new ones
/// are removed.
///
/// Errors: `stale_upload`, `not_found` (the execution), `limit` (more than 10,000 parts).
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.artifact.put")]
pub struct PutArtifact {
    /// The id of the blob. All its bytes are in the storage.
    pub blob: String,
    /// The SHA-256 hash of the bytes.
    pub sha256: String,
    /// The number of bytes.
    pub size_bytes: u64,
    /// The SHA-256 hash of each part.
    pub parts: Vec<String>,
    /// The older blob whose bytes were read, and are the same.
    pub same: Option<String>,
    /// The execution.
    pub execution_id: String,
    /// The number of the step.
    pub step_id: i64,
    /// The type of the artifact.
    pub artifact_type: String,
    /// Its name.
    pub artifact_name: String,
    /// The media type of its content.
    pub mime_type: String,
    /// Further information.
    pub metadata: Document,
    /// The beginning of the content, if it is a text. The hash identifies the content, so a repeat may have another
    /// one.
    #[serde(skip_serializing)]
    pub text: Option<String>,
}

impl Command for PutArtifact {
    type Output = String;

    fn check(&self) -> Result<()> {
        if self.parts.len() <= MAX_PARTS {
            return Ok(());
        }
        Err(Rejection::Limit {
            what: format!("{} parts", self.parts.len()),
            limit: format!("{MAX_PARTS} parts of {PART_BYTES} bytes"),
            remedy: "store the content as several artifacts",
        })
    }

    fn reads(&self, _: &View) -> ReadSet {
        let reads = ReadSet::entity::<Blob>(&self.blob).with_entity::<AppExecution>(&self.execution_id);
        self.same.iter().fold(reads, |reads, same| reads.with_entity::<Blob>(same))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<String>> {
        let mut uploaded = uploading(view, &self.blob)?;
        uploaded.entity.multipart_upload = None;
        let execution = view.entity::<AppExecution>(&self.execution_id)?;
        execution.entity.check_kept()?;
        let review_at = ctx.now + KEPT + MARGIN;
        let mut same = match &self.same {
            Some(same) => stored(view, same, &self.sha256)?,
            None => None,
        };
        match &mut same {
            Some(same) => {
                same.entity.keep_until(review_at)?;
                uploaded.entity.apply(BlobEvent::Remove(ctx.now))?;
            }
            None => {
                let (sha256, size_bytes, parts) = (self.sha256.clone(), self.size_bytes, self.parts.clone());
                uploaded.entity.apply(BlobEvent::Store { sha256, size_bytes, parts, review_at })?;
            }
        }
        let blob = same.as_ref().map_or(&uploaded.entity, |same| &same.entity);
        let artifact = Artifact {
            id: ctx.new_id(),
            execution_id: self.execution_id.clone(),
            step_id: self.step_id,
            artifact_type: self.artifact_type.clone(),
            artifact_name: self.artifact_name.clone(),
            mime_type: self.mime_type.clone(),
            size_bytes: self.size_bytes,
            storage_type: blob.storage_type,
            storage_path: blob.storage_path.clone(),
            sha256: Some(self.sha256.clone()),
            metadata: self.metadata.clone(),
            created_at: ctx.now,
        };
        let step = Step::key_of(&self.execution_id, self.step_id);
        let decision = Decision::new(artifact.id.clone()).with_item(step);
        let mut decision = decision.and_insert(&artifact)?.save(uploaded, ctx.now)?;
        if let Some(text) = &self.text {
            decision = decision.and_insert(&SearchEntry::of_artifact(&artifact, execution.entity.app_id, text))?;
        }
        // It is unchanged, so it is only checked: a cached execution may have been deleted.
        decision = decision.save(execution, ctx.now)?;
        match same {
            Some(same) => decision.save(same, ctx.now),
            None => Ok(decision),
        }
    }
}

/// The stored blob with this id, if it has these bytes.
fn stored(view: &View, id: &str, sha256: &str) -> Result<Option<LoadedEntity<Blob>>> {
    Ok(view.find_entity::<Blob>(id)?.filter(|blob| blob.entity.sha256() == Some(sha256)))
}

/// Gives the artifacts of a blob whose bytes are lost the same bytes of another one, and removes the lost blob after
/// the last of them. The output is whether artifacts are left.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.blob.replace")]
pub struct ReplaceBlob {
    /// The lost blob.
    pub lost: String,
    /// The blob with its bytes.
    pub by: String,
}

impl Command for ReplaceBlob {
    type Output = bool;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::entity::<Blob>(&self.lost).with_entity::<Blob>(&self.by);
        match view.find_entity::<Blob>(&self.lost) {
            Ok(Some(LoadedEntity {
                entity: Blob { state: BlobState::Stored { sha256, .. }, storage_path, .. },
                ..
            })) => reads.query(ARTIFACTS, Artifact::of_blob(&sha256, &storage_path, REPLACED_PER_COMMIT)),
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<bool>> {
        let mut by = view.entity::<Blob>(&self.by)?;
        let sha256 = by.entity.sha256().unwrap_or_default().to_owned();
        by.entity.keep_until(ctx.now + KEPT + MARGIN)?;
        let Some(mut lost) = stored(view, &self.lost, &sha256)? else { return Ok(Decision::new(false)) };
        let artifacts = view.loaded_entities::<Artifact>(ARTIFACTS)?;
        let most = ctx.max_writes.saturating_sub(OTHER_WRITES).max(1);
        let are_left = view.next_cursor(ARTIFACTS).is_some() || artifacts.len() > most;
        let mut decision = Decision::new(are_left);
        for mut artifact in artifacts.into_iter().take(most) {
            artifact.entity.storage_path.clone_from(&by.entity.storage_path);
            artifact.entity.storage_type = by.entity.storage_type;
            decision = decision.save(artifact, ctx.now)?;
        }
        let event = if are_left { BlobEvent::Keep(ctx.now + SHORTEST_REVIEW) } else { BlobEvent::Remove(ctx.now) };
        lost.entity.apply(event)?;
        decision.save(lost, ctx.now)?.save(by, ctx.now)
    }

    fn next(&self, are_left: &bool, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        are_left.then(|| TypedCommand::boxed(self.clone()))
    }
}
