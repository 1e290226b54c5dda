//! How a large turn is cut into batches: all of them are made, and judged, before the first one is sent.

use super::Engine;
use super::marker::{Held, Marker, Record, State};
use crate::id::CommandId;
use crate::schema::Key;
use crate::store::{self, Batch, Limits, Write};
use crate::value::{Json, json_bytes};

/// Rows named in one record at the most, so that it stays a small document whatever a batch may hold.
const RECORD_ROWS: usize = 1_000;

/// Batches of staging and clearing have no caller who repeats them.
pub(super) const FINGERPRINT: &str = "runstate.staged";

/// Rows that go into one batch.
#[derive(Default)]
struct Portion {
    staged: Vec<Write>,
    replaced: Vec<Key>,
}

/// What is left of one batch.
struct Room {
    writes: usize,
    bytes: usize,
    /// Of the record.
    record: usize,
}

impl Room {
    fn take(&mut self, bytes: usize, record: usize) -> bool {
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
    /// Whether all of it is one batch for this store.
    pub(in crate::engine) fn fits(&self, batch: &Batch, staged: &[Write], retired: &[Key]) -> bool {
        let limits = self.shared.store.capabilities().limits();
        let writes = batch.writes.len() + batch.checks.len() + staged.len() + retired.len();
        let rows: usize = staged.iter().map(bytes).chain(retired.iter().map(Key::bytes)).sum();
        writes <= limits.batch_writes && batch.bytes().saturating_add(rows) <= limits.batch_bytes
    }

    /// The staging batches in their order, and behind them the deciding one. [`store::Error::TooLarge`]: a batch or a row is so in any case.
    pub(super) fn plan(
        &self,
        mut deciding: Batch,
        staged: Vec<Write>,
        retired: Vec<Key>,
        attempt: &CommandId,
    ) -> Result<Vec<Batch>, store::Error> {
        let limits = self.shared.store.capabilities().limits();
        let marker = Marker {
            id: deciding.command.as_str().to_owned(),
            at: self.shared.host.now(),
            attempt: attempt.as_str().to_owned(),
            batches: 1,
            state: State::Staging,
        };
        let mut held: Option<Held> = None;
        let mut batches = Vec::new();
        for (n, portion) in (1..).zip(portions(staged, retired, &marker, attempt, limits)) {
            let command = attempt.part(n);
            let touched = match &mut held {
                Some(held) => held.go_on(),
                None => {
                    let (write, created) = Held::create(marker.clone(), &command);
                    held = Some(created);
                    write
                }
            };
            batches.push(self.batch_of(portion, command, touched, &deciding));
        }
        deciding.writes.extend(held.as_mut().map(Held::adopt));
        batches.push(deciding);
        batches.iter().try_for_each(|batch| batch.check(&self.shared.catalog, limits).map(drop))?;
        Ok(batches)
    }

    fn batch_of(&self, portion: Portion, command: CommandId, marker: Write, deciding: &Batch) -> Batch {
        let Portion { staged, replaced } = portion;
        let record = Record {
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

/// Cuts the rows into what one batch takes each. A row that no batch takes has one of its own, which is then refused.
fn portions(
    staged: Vec<Write>,
    retired: Vec<Key>,
    marker: &Marker,
    attempt: &CommandId,
    limits: Limits,
) -> Vec<Portion> {
    let record =
        Record { id: attempt.part(u32::MAX).as_str().to_owned(), command: marker.id.clone(), ..Record::default() };
    let most = Marker { batches: u32::MAX, ..marker.clone() };
    let (marker, beside) = (json_bytes(&most) + super::STAGED.name.len() + most.id.len(), json_bytes(&record));
    let room = || Room {
        writes: limits.batch_writes.saturating_sub(2).min(RECORD_ROWS),
        bytes: limits.batch_bytes.saturating_sub(marker + beside + record.key().bytes()),
        record: limits.document_bytes.saturating_sub(beside),
    };
    let mut portions = vec![Portion::default()];
    let mut left = room();
    let mut place = |bytes: usize, key: &Key, put: &mut dyn FnMut(&mut Portion)| {
        let name = json_bytes(&key.to_string()) + 1;
        if !left.take(bytes, name) {
            left = room();
            left.take(bytes, name);
            if portions.last().is_some_and(|portion| !portion.is_empty()) {
                portions.push(Portion::default());
            }
        }
        if let Some(portion) = portions.last_mut() {
            put(portion);
        }
    };
    for write in staged {
        let (bytes, key) = (bytes(&write), write.key.clone());
        let mut write = Some(write);
        place(bytes, &key, &mut |portion| portion.staged.extend(write.take()));
    }
    for key in retired {
        place(0, &key, &mut |portion| portion.replaced.push(key.clone()));
    }
    portions
}

impl Portion {
    fn is_empty(&self) -> bool {
        self.staged.is_empty() && self.replaced.is_empty()
    }
}

/// What a write counts in a batch.
fn bytes(write: &Write) -> usize {
    write.key.bytes() + write.op.bytes()
}
