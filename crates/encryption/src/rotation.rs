//! Rotation: encrypts again the values that are under an older key or in plain text, a bounded number at a time.
//!
//! An index over the ids of keys finds them, so a run costs nothing where there are none. Each batch expects the
//! revisions that it read, so it loses no concurrent change, and a process that dies between two batches leaves nothing
//! behind. Commands write under the current key meanwhile.

use std::sync::Arc;

use runstate_core::id::CommandId;
use runstate_core::schema::sealed::KEY;
use runstate_core::schema::{Accumulator, Aggregate, Collection, Direction, Field, Filter, Group, Key};
use runstate_store::{
    Batch, Expectation, Freshness, ROTATION_FINGERPRINT, RotationReport, Row, Store, StoreError, StoreProperty, Write,
    WriteOp,
};
use runstate_value::time::Timestamp;
use runstate_value::{Document, Json, json_bytes};
use serde_json::json;

use super::batch::reseal;
use super::sealed_collection::member;
use super::{Cipher, EncryptedStore, entropy, query};

/// Documents per read.
const PAGE: u32 = 64;

/// Bytes of documents in one batch, unless one document has more.
const BATCH_BYTES: usize = 1024 * 1024;

impl EncryptedStore {
    pub(super) async fn rotate_all(
        &self,
        now: Timestamp,
        limit: usize,
        report: &mut RotationReport,
    ) -> Result<(), StoreError> {
        let Some(keys) = self.keys.as_deref() else { return Ok(()) };
        let cipher = Cipher::new(keys);
        let older: Vec<String> = keys.ids().into_iter().filter(|id| id != cipher.current()).collect();
        for (collection, field) in self.secret_fields() {
            for id in older.iter().map(|id| Some(id.as_str())).chain([None]) {
                self.rotate_from(&cipher, collection, field, id, (now, limit), report).await?;
            }
        }
        Ok(())
    }

    /// Rotates the documents whose value in the field is under one key.
    async fn rotate_from(
        &self,
        cipher: &Cipher<'_>,
        collection: &'static Collection,
        field: &'static Field,
        id: Option<&str>,
        (now, limit): (Timestamp, usize),
        report: &mut RotationReport,
    ) -> Result<(), StoreError> {
        let query = query::under_key(collection, field, id).sort(&member(field, KEY), Direction::Ascending).limit(PAGE);
        let mut cursor = None;
        loop {
            let done = usize::try_from(report.encrypted).unwrap_or(usize::MAX);
            if done >= limit {
                report.more = true;
                return Ok(());
            }
            let free = u32::try_from(limit - done).unwrap_or(PAGE).min(PAGE);
            let page =
                Store::query(&*self.at_rest, &query.clone().after(cursor).limit(free), Freshness::Session).await?;
            let mut writes = Vec::new();
            let mut bytes = 0;
            for row in page.items {
                let key = Key::new(collection, &row.id);
                match reseal(cipher, field, &key, &row.stored.document) {
                    Ok(Some(document)) => {
                        bytes += json_bytes(&document);
                        writes.push(replace(key, row, document));
                        if bytes >= BATCH_BYTES {
                            self.commit_rotation(std::mem::take(&mut writes), now, report).await?;
                            bytes = 0;
                        }
                    }
                    Ok(None) => {}
                    Err(error @ StoreError::Corrupt { .. }) => report.failed.push((key, error)),
                    // The other documents need that key too.
                    Err(error @ StoreError::KeyMissing { .. }) => {
                        report.failed.push((key, error));
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
            self.commit_rotation(writes, now, report).await?;
            // Documents that were encrypted again are not found any more. The cursor also moves past those that failed.
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// Commits writes together; if another commit changed one of the documents, each by itself.
    async fn commit_rotation(
        &self,
        writes: Vec<Write>,
        now: Timestamp,
        report: &mut RotationReport,
    ) -> Result<(), StoreError> {
        let mut pending = vec![writes];
        while let Some(writes) = pending.pop() {
            let Some(first) = writes.first().map(|write| write.key.clone()) else { continue };
            let count = writes.len();
            match Store::commit(&*self.at_rest, rotation_batch(writes.clone(), now)?).await {
                Ok(_) => report.encrypted += count as u64,
                Err(StoreError::UnknownOutcome { .. }) => report.more = true,
                // The commit of another process wrote it under the current key, or the next run finds it again.
                Err(StoreError::Conflict { .. }) if count == 1 => report.more = true,
                Err(error) if !is_of_one_document(&error) => return Err(error),
                Err(error) if count == 1 => report.failed.push((first, error)),
                Err(_) => pending.extend(writes.into_iter().map(|write| vec![write])),
            }
        }
        Ok(())
    }

    /// The id of the current key, and the number of values under each key.
    pub(super) async fn encryption_properties(&self) -> Result<Vec<StoreProperty>, StoreError> {
        let mut values = Document::new();
        for (collection, field) in self.secret_fields() {
            let count = Aggregate {
                collection: collection.name.to_owned(),
                filter: Filter::Exists(field.name.to_owned(), true),
                group_by: vec![Group::Field(member(field, KEY))],
                accumulators: vec![("values".to_owned(), Accumulator::Count)],
            };
            for row in Store::aggregate(&*self.at_rest, &count).await? {
                let id = row.get(&member(field, KEY)).and_then(Json::as_str).unwrap_or("plain text").to_owned();
                let found = row.get("values").and_then(Json::as_u64).unwrap_or_default();
                let sum = values.get(&id).and_then(Json::as_u64).unwrap_or_default() + found;
                values.insert(id, sum.into());
            }
        }
        let current = self.keys.as_ref().map(|keys| StoreProperty::new("encryptionKey", keys.current()));
        let counted = (!values.is_empty()).then(|| StoreProperty::new("encryptedValues", Json::Object(values)));
        Ok(current.into_iter().chain(counted).collect())
    }
}

/// Whether an error concerns one document of a batch, so that the others can be committed without it.
fn is_of_one_document(error: &StoreError) -> bool {
    use StoreError::{Conflict, Invalid, TooLarge, UniqueViolation};
    matches!(error, Conflict { .. } | UniqueViolation { .. } | TooLarge { .. } | Invalid { .. })
}

fn replace(key: Key, row: Row, document: Document) -> Write {
    let op = WriteOp::Put { version: row.stored.version, document: Arc::new(document) };
    Write { key, expect: Expectation::Revision(row.stored.revision), op }
}

pub(super) fn rotation_batch(writes: Vec<Write>, now: Timestamp) -> Result<Batch, StoreError> {
    let failed = |why| StoreError::Unavailable { what: "a command id".to_owned(), why };
    let entropy = entropy::random_bytes().map_err(failed)?;
    let result = json!({ "documents": writes.len() });
    let (command, fingerprint) = (CommandId::generate(now, entropy), ROTATION_FINGERPRINT.to_owned());
    Ok(Batch { command, fingerprint, at: now, result, writes, checks: Vec::new(), frees_space: false })
}
