//! Blobs as documents, one for each part.

use runstate_core::prelude::*;

use super::upload::uploading;

/// Parts that one command removes.
const REMOVED_AT_ONCE: u32 = 100;

/// The name of the query for the parts of a blob.
const CHUNKS: &str = "chunks";

/// A part of a blob.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "apps.blob_chunks", version = 1, insert_only)]
#[index(blob)]
pub struct BlobChunk {
    /// Its id: that of the blob with its number, such as `b1:00002`.
    #[entity(id)]
    pub id: String,
    /// The blob.
    #[entity(references = "apps.blobs")]
    pub blob: String,
    /// The bytes, in base64 (RFC 4648).
    pub data: String,
}

impl BlobChunk {
    fn id_of(blob: &str, number: u64) -> String {
        format!("{blob}:{number:05}")
    }
}

/// Writes a part of an upload.
///
/// Errors: `stale_upload`.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.chunk.put")]
pub struct PutChunk {
    /// The blob.
    pub blob: String,
    /// The number of the part, from 0.
    pub number: u64,
    /// The bytes, in base64.
    pub data: String,
}

impl Command for PutChunk {
    type Output = ();

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>> {
        // The unchanged blob is checked, so that nothing is written to one whose parts are being removed.
        let blob = uploading(view, &self.blob)?;
        let id = BlobChunk::id_of(&self.blob, self.number);
        let chunk = BlobChunk { id, blob: self.blob.clone(), data: self.data.clone() };
        Ok(Decision::new(()).save(blob, ctx.now)?.change(Change::append(&chunk)?))
    }
}

/// Reads a part of a blob, in base64; `None`: there is none.
#[derive(Clone, Debug, OperationName)]
#[operation(name = "apps.chunk.get")]
pub struct GetChunk {
    /// The blob.
    pub blob: String,
    /// The number of the part, from 0.
    pub number: u64,
}

impl DomainQuery for GetChunk {
    type Output = Option<String>;

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Option<String>> {
        let chunk = view.find_entity::<BlobChunk>(&BlobChunk::id_of(&self.blob, self.number))?;
        Ok(chunk.map(|chunk| chunk.entity.data))
    }
}

/// Removes parts of a blob. Returns whether some may be left.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.chunk.remove")]
pub struct RemoveChunks {
    /// The blob.
    pub blob: String,
}

impl Command for RemoveChunks {
    type Output = bool;

    fn reads(&self, _: &View) -> ReadSet {
        let mut chunks = Query::of(&BlobChunk::COLLECTION).eq("blob", &*self.blob).limit(REMOVED_AT_ONCE);
        // The keys are enough.
        chunks.projection = vec!["blob".to_owned()];
        ReadSet::empty().query(CHUNKS, chunks)
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<bool>> {
        let keys: Vec<&Key> = view.rows(CHUNKS).unwrap_or_default().iter().map(|(key, _)| key).collect();
        let mut decision = Decision::new(keys.len() == REMOVED_AT_ONCE as usize);
        for key in keys {
            decision = decision.change(Change::Delete { key: key.clone(), revision: None });
        }
        Ok(decision)
    }
}
