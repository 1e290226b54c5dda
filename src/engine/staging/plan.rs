//! Splits a large commit into batches. All of them are built and checked before the first one is sent.

use super::Engine;
use super::marker::{HeldMarker, Marker, StagingRecord, StagingState};
use crate::id::CommandId;
use crate::schema::Key;
use crate::store::{self, Batch, BatchLimits, Write};
use crate::value::{Json, json_bytes};

/// Maximum number of rows in one record, so that a record remains small whatever a batch may contain.
const RECORD_ROWS: usize = 1_000;

/// The fingerprint of staging and cleanup batches. No caller repeats them.
pub(super) const FINGERPRINT: &str = "runstate.staged";

/// The rows of one batch.
#[derive(Default)]
struct BatchRows {
    staged: Vec<Write>,
    replaced: Vec<Key>,
}

/// The remaining capacity of one batch.
struct BatchCapacity {
    writes: usize,
    bytes: usize,
    /// Bytes that remain in the record.
    record: usize,
}

impl BatchCapacity {
    fn reserve(&mut self, bytes: usize, record: usize) -> bool {
        let fits = self.writes > 0 && self.bytes >= bytes + record && self.record >= record;
        if fits {
            self.writes -= 1;
            self.bytes -= bytes + record;
            self.record -= record;
        }
        fits
    }
}

impl Engine {
    /// Whether everything fits into one batch of this store.
    pub(in crate::engine) fn fits(&self, batch: &Batch, staged: &[Write], retired: &[Key]) -> bool {
        let limits = self.shared.store.capabilities().limits();
        let writes = batch.writes.len() + batch.checks.len() + staged.len() + retired.len();
        let rows: usize = staged.iter().map(write_bytes).chain(retired.iter().map(Key::bytes)).sum();
        writes <= limits.batch_writes && batch.bytes().saturating_add(rows) <= limits.batch_bytes
    }

    /// The staging batches in order, then the deciding batch. [`store::StoreError::TooLarge`]: a batch or a row exceeds the limits in any
    /// case.
    pub(super) fn plan_batches(
        &self,
        mut deciding: Batch,
        staged: Vec<Write>,
        retired: Vec<Key>,
        attempt: &CommandId,
    ) -> Result<Vec<Batch>, store::StoreError> {
        let limits = self.shared.store.capabilities().limits();
        let marker = Marker {
            id: deciding.command.as_str().to_owned(),
            at: self.shared.host.now(),
            attempt: attempt.as_str().to_owned(),
            batches: 1,
            state: StagingState::Staging,
        };
        let mut held: Option<HeldMarker> = None;
        let mut batches = Vec::new();
        for (n, portion) in (1..).zip(split_rows(staged, retired, &marker, attempt, limits)) {
            let command = attempt.part(n);
            let touched = match &mut held {
                Some(held) => held.add_batch(),
                None => {
                    let (write, created) = HeldMarker::create(marker.clone(), &command);
                    held = Some(created);
                    write
                }
            };
            batches.push(self.staging_batch(portion, command, touched, &deciding));
        }
        deciding.writes.extend(held.as_mut().map(HeldMarker::adopt));
        batches.push(deciding);
        batches.iter().try_for_each(|batch| batch.validate(&self.shared.catalog, limits).map(drop))?;
        Ok(batches)
    }

    fn staging_batch(&self, portion: BatchRows, command: CommandId, marker: Write, deciding: &Batch) -> Batch {
        let BatchRows { staged, replaced } = portion;
        let record = StagingRecord {
            id: command.as_str().to_owned(),
            command: deciding.command.as_str().to_owned(),
            staged: staged.iter().map(|write| write.key.to_string()).collect(),
            replaced: replaced.iter().map(Key::to_string).collect(),
        };
        let mut writes = vec![marker, self.insert(record.key(), record.document().into())];
        writes.extend(staged);
        let (fingerprint, result) = (FINGERPRINT.to_owned(), Json::Null);
        Batch { command, fingerprint, at: deciding.at, result, writes, checks: Vec::new() }
    }
}

/// Splits the rows into batches. A row that fits into no batch gets one of its own, which is rejected afterwards.
fn split_rows(
    staged: Vec<Write>,
    retired: Vec<Key>,
    marker: &Marker,
    attempt: &CommandId,
    limits: BatchLimits,
) -> Vec<BatchRows> {
    let record = StagingRecord {
        id: attempt.part(u32::MAX).as_str().to_owned(),
        command: marker.id.clone(),
        ..StagingRecord::default()
    };
    let most = Marker { batches: u32::MAX, ..marker.clone() };
    let (marker, beside) = (json_bytes(&most) + super::STAGED.name.len() + most.id.len(), json_bytes(&record));
    let room = || BatchCapacity {
        writes: limits.batch_writes.saturating_sub(2).min(RECORD_ROWS),
        bytes: limits.batch_bytes.saturating_sub(marker + beside + record.key().bytes()),
        record: limits.document_bytes.saturating_sub(beside),
    };
    let mut portions = vec![BatchRows::default()];
    let mut left = room();
    let mut place = |bytes: usize, key: &Key, put: &mut dyn FnMut(&mut BatchRows)| {
        let name = json_bytes(&key.to_string()) + 1;
        if !left.reserve(bytes, name) {
            left = room();
            left.reserve(bytes, name);
            if portions.last().is_some_and(|portion| !portion.is_empty()) {
                portions.push(BatchRows::default());
            }
        }
        if let Some(portion) = portions.last_mut() {
            put(portion);
        }
    };
    for write in staged {
        let (bytes, key) = (write_bytes(&write), write.key.clone());
        let mut write = Some(write);
        place(bytes, &key, &mut |portion| portion.staged.extend(write.take()));
    }
    for key in retired {
        place(0, &key, &mut |portion| portion.replaced.push(key.clone()));
    }
    portions
}

impl BatchRows {
    fn is_empty(&self) -> bool {
        self.staged.is_empty() && self.replaced.is_empty()
    }
}

/// The bytes of a write in a batch.
fn write_bytes(write: &Write) -> usize {
    write.key.bytes() + write.op.bytes()
}
