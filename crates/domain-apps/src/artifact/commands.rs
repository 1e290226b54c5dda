//! Reading and removing artifacts. A blob is removed with its last artifact. Artifacts that expired, or that another
//! program deleted, leave their blob, which is reviewed when its time has come.

use runstate_core::prelude::*;
use runstate_core::schema::Direction::Ascending;

use super::{Artifact, Blob, BlobEvent, BlobState, KEPT, SHORTEST_REVIEW};
use crate::search::SearchEntry;
use crate::step::Step;

/// How long the process of an abandoned upload may still write.
const ABANDONED_UPLOAD_GRACE: Millis = Millis::minutes(60);

/// Blobs in one page of those to remove.
const REMOVED_PER_PAGE: u32 = 100;

/// The name of the query for removed blobs.
const REMOVED: &str = "removed";

/// The name of the query for the artifacts of a blob.
const ARTIFACTS: &str = "artifacts";

/// An artifact and where its bytes are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredArtifact {
    /// The artifact.
    pub artifact: Artifact,
    /// Its bytes; `None`: another program stored them.
    pub blob: Option<Blob>,
}

/// Reads an artifact with the place of its bytes.
#[derive(Clone, Debug, OperationName)]
#[operation(name = "apps.artifact.get")]
pub struct GetArtifact {
    /// The artifact.
    pub id: String,
}

/// The reads of an artifact and its blob.
fn reads(view: &View, id: &str) -> ReadSet {
    let reads = ReadSet::entity::<Artifact>(id);
    match view.find_entity::<Artifact>(id) {
        Ok(Some(artifact)) => artifact.entity.blob_id().into_iter().fold(reads, ReadSet::with_entity::<Blob>),
        _ => reads,
    }
}

/// The stored blob with the bytes of an artifact.
fn blob_of(artifact: &Artifact, view: &View) -> Result<Option<LoadedEntity<Blob>>> {
    let Some(id) = artifact.blob_id() else { return Ok(None) };
    let has_bytes = |blob: &Blob| {
        matches!(&blob.state, BlobState::Stored { sha256, .. } if artifact.sha256.as_ref() == Some(sha256))
            && blob.storage_path == artifact.storage_path
    };
    Ok(view.find_entity::<Blob>(id)?.filter(|blob| has_bytes(&blob.entity)))
}

impl DomainQuery for GetArtifact {
    type Output = StoredArtifact;

    fn reads(&self, view: &View) -> ReadSet {
        reads(view, &self.id)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<StoredArtifact> {
        let artifact = view.entity::<Artifact>(&self.id)?.entity;
        let blob = blob_of(&artifact, view)?.map(|blob| blob.entity);
        Ok(StoredArtifact { artifact, blob })
    }
}

/// Removes an artifact. Its bytes are removed with the last artifact that has them.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.artifact.remove", cli = "apps artifact delete")]
pub struct RemoveArtifact {
    /// The artifact.
    #[operation(subject)]
    pub id: String,
}

impl Command for RemoveArtifact {
    type Output = ();

    fn reads(&self, view: &View) -> ReadSet {
        let reads = reads(view, &self.id);
        match view.find_entity::<Artifact>(&self.id) {
            Ok(Some(LoadedEntity { entity: Artifact { sha256: Some(sha256), storage_path, .. }, .. })) => {
                reads.query(ARTIFACTS, Artifact::of_blob(&sha256, &storage_path, 2))
            }
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>> {
        let artifact = view.entity::<Artifact>(&self.id)?;
        let blob = blob_of(&artifact.entity, view)?;
        let entry = Change::Delete { key: Key::new(&SearchEntry::COLLECTION, &self.id), revision: None };
        let step = Step::key_of(&artifact.entity.execution_id, artifact.entity.step_id);
        let decision = Decision::new(()).with_item(step).change(artifact.delete()).change(entry);
        let Some(mut blob) = blob else { return Ok(decision) };
        let others = view.entities::<Artifact>(ARTIFACTS)?.iter().any(|other| other.id != self.id);
        // The blob is written in both cases: of two commands that remove its last two artifacts, one is decided again.
        let event = if others { BlobEvent::Keep(ctx.now + SHORTEST_REVIEW) } else { BlobEvent::Remove(ctx.now) };
        blob.entity.apply(event)?;
        decision.save(blob, ctx.now)
    }
}

/// Reviews a blob whose time has come. An upload that did not continue is abandoned. A stored blob that no artifact has
/// is removed.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.blob.review")]
pub struct ReviewBlob {
    /// The blob.
    pub id: String,
}

impl Command for ReviewBlob {
    type Output = ();

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::entity::<Blob>(&self.id);
        match view.find_entity::<Blob>(&self.id) {
            Ok(Some(blob)) => match &blob.entity.state {
                BlobState::Stored { sha256, .. } => {
                    reads.query(ARTIFACTS, Artifact::of_blob(sha256, &blob.entity.storage_path, 1))
                }
                _ => reads,
            },
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>> {
        let Some(mut blob) = view.find_entity::<Blob>(&self.id)? else { return Ok(Decision::new(())) };
        let event = match blob.entity.state {
            BlobState::Uploading { review_at } if review_at <= ctx.now => {
                BlobEvent::Remove(ctx.now + ABANDONED_UPLOAD_GRACE)
            }
            BlobState::Stored { review_at, .. } if review_at <= ctx.now => {
                match view.entities::<Artifact>(ARTIFACTS)?.pop() {
                    Some(newest) => BlobEvent::Keep((newest.created_at + KEPT).max(ctx.now + SHORTEST_REVIEW)),
                    None => BlobEvent::Remove(ctx.now),
                }
            }
            _ => return Ok(Decision::new(())),
        };
        blob.entity.apply(event)?;
        Decision::new(()).save(blob, ctx.now)
    }
}

/// Lists blobs whose bytes may be removed now.
#[derive(Clone, Debug, OperationName)]
#[operation(name = "apps.blob.removed")]
pub struct RemovedBlobs;

impl DomainQuery for RemovedBlobs {
    type Output = Vec<Blob>;

    fn reads(&self, view: &View) -> ReadSet {
        let now = Filter::Lte("remove_at".to_owned(), view.now().as_millis().into());
        let removed = Query::of(&Blob::COLLECTION).filter(now).sort("remove_at", Ascending).limit(REMOVED_PER_PAGE);
        ReadSet::empty().query(REMOVED, removed)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Vec<Blob>> {
        view.entities(REMOVED)
    }
}

/// Deletes the row of a blob whose bytes are removed.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.blob.forget")]
pub struct ForgetBlob {
    /// The blob.
    pub id: String,
}

impl Command for ForgetBlob {
    type Output = ();

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<()>> {
        let decision = Decision::new(());
        Ok(match view.find_entity::<Blob>(&self.id)? {
            Some(blob) if matches!(blob.entity.state, BlobState::Removed { .. }) => decision.change(blob.delete()),
            _ => decision,
        })
    }
}

impl Blob {
    /// Keeps a stored blob until this time at least. It always changes the blob: a command that found its last artifact
    /// meanwhile, and would remove it, is decided again.
    pub(super) fn keep_until(&mut self, time: Timestamp) -> Result<()> {
        let review_at = match self.state {
            BlobState::Stored { review_at, .. } => (review_at + Millis(1)).max(time),
            _ => time,
        };
        self.apply(BlobEvent::Keep(review_at))
    }
}
