//! Reading and removing artifacts. A blob is removed with its last artifact. Artifacts that expired, or that another program deleted, leave
//! their blob, which is reviewed when its time has come.

use serde::Serialize;

use super::{Artifact, Blob, BlobEvent, BlobState, KEPT, SHORTEST_REVIEW};
use crate::decision::{Command, Ctx, Decision, DomainQuery, ReadSet, Rejection, View};
use crate::operation::Operation;
use crate::schema::Direction::Ascending;
use crate::schema::{Entity, Filter, Query};
use crate::time::{Millis, Timestamp};

/// How long the process of an abandoned upload may still write.
const ABANDONED_UPLOAD_GRACE: Millis = Millis::minutes(60);

/// Blobs in one page of those to remove.
const REMOVED_PER_PAGE: u32 = 100;

/// The name of the query for the blob of an artifact.
const BLOB: &str = "blob";

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
#[derive(Clone, Debug)]
pub struct GetArtifact {
    /// The artifact.
    pub id: String,
}

/// The reads of an artifact and the blob with its content.
fn reads(view: &View, id: &str) -> ReadSet {
    let reads = ReadSet::entity::<Artifact>(id);
    match view.find_entity::<Artifact>(id) {
        Ok(Some(artifact)) => match &artifact.entity.sha256 {
            Some(sha256) => reads.query(BLOB, Blob::with_content(sha256)),
            None => reads,
        },
        _ => reads,
    }
}

impl DomainQuery for GetArtifact {
    const NAME: &'static str = "apps.artifact_get";
    type Output = StoredArtifact;

    fn reads(&self, view: &View) -> ReadSet {
        reads(view, &self.id)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<StoredArtifact, Rejection> {
        let artifact = view.entity::<Artifact>(&self.id)?.entity;
        Ok(StoredArtifact { artifact, blob: view.entities::<Blob>(BLOB)?.pop() })
    }
}

/// Removes an artifact. Its bytes are removed with the last artifact that has them.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.artifact.remove")]
pub struct RemoveArtifact {
    /// The artifact.
    #[operation(subject)]
    pub id: String,
}

impl Command for RemoveArtifact {
    const NAME: &'static str = "apps.artifact_remove";
    type Output = ();

    fn reads(&self, view: &View) -> ReadSet {
        let reads = reads(view, &self.id);
        let sha256 = view.find_entity::<Artifact>(&self.id).ok().flatten().and_then(|found| found.entity.sha256);
        sha256.iter().fold(reads, |reads, sha256| reads.query(ARTIFACTS, Artifact::with_content(sha256, 2)))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let artifact = view.entity::<Artifact>(&self.id)?;
        let others = view.entities::<Artifact>(ARTIFACTS)?.iter().any(|other| other.id != self.id);
        let decision = Decision::new(()).change(artifact.delete());
        let Some(mut blob) = view.loaded_entities::<Blob>(BLOB)?.pop() else { return Ok(decision) };
        // The blob is written in both cases: of two commands that remove its last two artifacts, one is decided again.
        let event = if others { BlobEvent::Keep(ctx.now + SHORTEST_REVIEW) } else { BlobEvent::Remove(ctx.now) };
        blob.entity.apply(event)?;
        decision.save(blob, ctx.now)
    }
}

/// Reviews a blob whose time has come. An upload that did not continue is abandoned. A stored blob that no artifact has is removed.
#[derive(Clone, Debug, Serialize)]
pub struct ReviewBlob {
    /// The blob.
    pub id: String,
}

impl Command for ReviewBlob {
    const NAME: &'static str = "apps.blob_review";
    type Output = ();

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::entity::<Blob>(&self.id);
        match view.find_entity::<Blob>(&self.id) {
            Ok(Some(blob)) => match &blob.entity.state {
                BlobState::Stored { sha256, .. } => reads.query(ARTIFACTS, Artifact::with_content(sha256, 1)),
                _ => reads,
            },
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
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
#[derive(Clone, Debug)]
pub struct RemovedBlobs;

impl DomainQuery for RemovedBlobs {
    const NAME: &'static str = "apps.removed_blobs";
    type Output = Vec<Blob>;

    fn reads(&self, view: &View) -> ReadSet {
        let now = Filter::Lte("remove_at".to_owned(), view.now().as_millis().into());
        let removed = Query::of(&Blob::COLLECTION).filter(now).sort("remove_at", Ascending).limit(REMOVED_PER_PAGE);
        ReadSet::empty().query(BLOB, removed)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Vec<Blob>, Rejection> {
        view.entities(BLOB)
    }
}

/// Deletes the row of a blob whose bytes are removed.
#[derive(Clone, Debug, Serialize)]
pub struct ForgetBlob {
    /// The blob.
    pub id: String,
}

impl Command for ForgetBlob {
    const NAME: &'static str = "apps.blob_forget";
    type Output = ();

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Blob>(&self.id)
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let decision = Decision::new(());
        Ok(match view.find_entity::<Blob>(&self.id)? {
            Some(blob) if matches!(blob.entity.state, BlobState::Removed { .. }) => decision.change(blob.delete()),
            _ => decision,
        })
    }
}

impl Blob {
    /// Keeps a stored blob until this time at least.
    pub(super) fn keep_until(&mut self, time: Timestamp) -> Result<(), Rejection> {
        let review_at = match self.state {
            BlobState::Stored { review_at, .. } => review_at.max(time),
            _ => time,
        };
        self.apply(BlobEvent::Keep(review_at))
    }
}
