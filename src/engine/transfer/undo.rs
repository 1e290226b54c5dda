//! Taking back an import that the store refuses halfway: what nobody can go on with is not left lying about.

use std::collections::BTreeMap;

use super::import::{Chunks, same};
use super::write::{ATTEMPTS, parts_first};
use super::{OWN, Record, Source};
use crate::code::Code;
use crate::engine::{Engine, Error};
use crate::schema::{Collection, Key};
use crate::store::{self, Batch, Expect, Op, Write};
use crate::value::Json;

/// Which documents of a source this import has written: of each collection, in the order of the source.
#[derive(Default)]
pub(super) struct Written {
    ours: BTreeMap<&'static str, Vec<bool>>,
}

impl Written {
    /// The next documents of `collection` are in the store; `ours` says which ones this import put there.
    pub(super) fn add(&mut self, collection: &'static Collection, ours: Vec<bool>) {
        self.ours.entry(collection.name).or_default().extend(ours);
    }

    /// How many.
    pub(super) fn count(&self) -> u64 {
        self.ours.values().flatten().filter(|ours| **ours).count() as u64
    }
}

/// Whether the same import would be refused again, so that nobody can go on with half of it.
pub(super) fn refused(error: &Error) -> bool {
    !error.retryable && matches!(error.code, Code::TooLarge | Code::Invalid | Code::AlreadyExists)
}

impl Engine {
    /// Removes what this import has written, and tells why it was refused. What others have changed since stays.
    pub(super) async fn take_back<S: Source>(&self, source: &mut S, written: &Written, why: Error) -> Error {
        match self.remove_written(source, written).await {
            Ok(()) => why,
            Err(error) => {
                let message =
                    format!("{}; what was written before that could not be removed again ({error})", why.message);
                Error { message, ..why }
            }
        }
    }

    /// What others hang on goes first, as it came last.
    async fn remove_written<S: Source>(&self, source: &mut S, written: &Written) -> Result<(), Error> {
        for collection in parts_first(&self.shared.catalog).into_iter().rev() {
            let Some(ours) = written.ours.get(collection.name) else { continue };
            let mut ours = ours.iter();
            let mut chunks = Chunks::of(source, collection)?;
            while let Some(chunk) = chunks.next()? {
                let chunk = chunk.into_iter().zip(&mut ours).filter(|(_, ours)| **ours);
                for batch in self.batches(chunk.map(|(record, _)| record).collect()) {
                    self.remove_unchanged(&batch).await?;
                }
                self.give_way().await;
            }
        }
        Ok(())
    }

    async fn remove_unchanged(&self, records: &[Record]) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let writes = self.removals(records).await?;
            if writes.is_empty() {
                return Ok(());
            }
            let (command, fingerprint, at) = (self.new_command_id(), format!("{OWN}taken back"), self.now());
            let batch = Batch { command, fingerprint, at, result: Json::Null, writes, checks: Vec::new() };
            match self.store().commit(batch).await {
                Ok(_) => return Ok(()),
                // Looked at again.
                Err(store::Error::Conflict { .. } | store::Error::Unknown { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error { retryable: true, ..Error::new(Code::Conflict, "others write to the same documents") })
    }

    /// Deletions of those that stand as they were inserted.
    async fn removals(&self, records: &[Record]) -> Result<Vec<Write>, Error> {
        let keys: Vec<Key> = records.iter().map(Record::key).collect();
        let found = self.store().get(&keys).await?;
        let unchanged = records.iter().zip(found).filter_map(|(record, found)| {
            let found = found.filter(|found| found.revision.writes() == 1 && same(record, found))?;
            Some(Write { key: record.key(), expect: Expect::Revision(found.revision), op: Op::Delete })
        });
        Ok(unchanged.collect())
    }
}
