//! Writing an import: bounded batches that expect absence, under ids that follow from what they write.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use serde_json::json;

use super::import::{Chunks, Found, exists};
use super::undo::{self, Written};
use super::{Checked, OWN, Record, Source, record};
use crate::code::Code;
use crate::engine::{Engine, Error};
use crate::id::{CommandId, hex, sha256};
use crate::marker::BoxFuture;
use crate::schema::{Catalog, Collection};
use crate::store::{self, Batch, COMMANDS, Expect, Limits, Op, Write};
use crate::time::Timestamp;
use crate::value::{Json, json_bytes};

/// Writes of one batch, at the most: a commit that many can wait for.
const BATCH_WRITES: usize = 256;

/// Bytes of one batch, unless a document alone has more.
const BATCH_BYTES: usize = 1024 * 1024;

/// Rows of the ledger that are written at once, each in its own commit; a store takes those that wait together.
const AT_ONCE: usize = 64;

/// How often a batch is judged again because somebody else wrote meanwhile.
pub(super) const ATTEMPTS: u32 = 16;

impl Engine {
    /// Writes what is absent: what others hang on comes last, so that half an import shows nothing that lacks its parts, and the ledger
    /// after all. How much was written. Where a document is refused nothing is left of it.
    pub(super) async fn write_all<S: Source>(
        &self,
        source: &mut S,
        checked: &Checked,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, Error> {
        let mut written = Written::default();
        match self.write_documents(source, checked, &mut written, &mut progress).await {
            Err(error) if undo::refused(&error) => return Err(self.take_back(source, &written, error).await),
            done => done?,
        }
        let (mut rows, mut done) = (0, checked.summary().documents());
        let mut chunks = Chunks::of(source, &COMMANDS)?;
        while let Some(chunk) = chunks.next()? {
            done += chunk.len() as u64;
            rows += self.write_ledger(&chunk).await?;
            progress(done);
            self.give_way().await;
        }
        Ok(written.count() + rows)
    }

    /// All but the ledger. `written` says what it was, also where it came to no end.
    async fn write_documents<S: Source>(
        &self,
        source: &mut S,
        checked: &Checked,
        written: &mut Written,
        mut progress: impl FnMut(u64),
    ) -> Result<(), Error> {
        let mut done = 0;
        for collection in parts_first(&self.shared.catalog) {
            let mut chunks = Chunks::of(source, collection)?;
            while let Some(chunk) = chunks.next()? {
                done += chunk.len() as u64;
                for batch in self.batches(chunk) {
                    written.add(collection, self.write(&batch, &checked.summary().contents).await?);
                }
                progress(done);
                self.give_way().await;
            }
        }
        Ok(())
    }

    /// Cuts documents into what one batch may hold here.
    pub(super) fn batches(&self, records: Vec<Record>) -> Vec<Vec<Record>> {
        let limits = self.store().capabilities().limits();
        let (most, most_bytes) = (BATCH_WRITES.min(limits.batch_writes), BATCH_BYTES.min(limits.batch_bytes));
        let mut batches: Vec<Vec<Record>> = Vec::new();
        let mut room = 0;
        for record in records {
            let bytes = json_bytes(&*record.document) + record.key().bytes();
            match batches.last_mut().filter(|batch| batch.len() < most && bytes <= room) {
                Some(batch) => {
                    room -= bytes;
                    batch.push(record);
                }
                None => {
                    room = most_bytes.saturating_sub(bytes);
                    batches.push(vec![record]);
                }
            }
        }
        batches
    }

    /// Writes those of `records` that are absent; which ones.
    async fn write(&self, records: &[Record], of: &str) -> Result<Vec<bool>, Error> {
        let (mut life, mut first) = (0, None);
        for _ in 0..ATTEMPTS {
            let is_absent: Vec<bool> =
                self.found(records).await?.iter().map(|found| matches!(found, Found::Absent)).collect();
            let ours = first.get_or_insert_with(|| is_absent.clone());
            let absent: Vec<&Record> =
                records.iter().zip(&is_absent).filter(|(_, absent)| **absent).map(|(record, _)| record).collect();
            if absent.is_empty() {
                return Ok(std::mem::take(ours));
            }
            let batch = insertion(&absent, of, life, self.now())?;
            match self.store().commit(batch).await {
                // Written under this id before, and deleted since: it begins another life.
                Ok(receipt) if receipt.replayed => life += 1,
                Ok(_) => return Ok(std::mem::take(ours)),
                // Somebody wrote there, or it was written after all: what is there is judged again, under the same id.
                Err(store::Error::Conflict { .. } | store::Error::Unknown { .. }) => {}
                Err(store::Error::UniqueViolation { key, index }) => {
                    let message =
                        format!("{key} cannot be imported: another document of the store has the same {index}");
                    let refused = absent.iter().find(|record| record.key() == key).or(absent.first());
                    return Err(
                        refused.map_or_else(|| Error::internal(&message), |record| exists(record, message.clone()))
                    );
                }
                Err(error) => return Err(error.into()),
            }
        }
        let message = "the store is written to by others; the import goes on where it was when it is repeated";
        Err(Error { retryable: true, ..Error::new(Code::Conflict, message) })
    }

    /// Writes the rows of the ledger that are absent, each as the commit that it tells of, without its changes; how many.
    async fn write_ledger(&self, rows: &[Record]) -> Result<u64, Error> {
        let found = self.found(rows).await?;
        let absent: Vec<&Record> =
            rows.iter().zip(found).filter(|(_, found)| matches!(found, Found::Absent)).map(|(row, _)| row).collect();
        for rows in absent.chunks(AT_ONCE) {
            let commits =
                rows.iter().map(|row| Ok(self.store().commit(repeated(row)?))).collect::<Result<_, Error>>()?;
            for (row, committed) in rows.iter().zip(together(commits).await) {
                match committed {
                    Ok(_) => {}
                    Err(store::Error::Unknown { .. }) => return Err(unknown(row)),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(absent.len() as u64)
    }
}

fn unknown(row: &Record) -> Error {
    let message = format!(
        "whether row `{}` of the ledger was written is not known; repeat the import, which goes on there",
        row.id
    );
    Error { retryable: true, ..Error::new(Code::Unknown, message) }
}

/// That a store which takes batches so large takes all of `records`, as far as that needs no asking.
pub(super) fn judge_fit(records: &[Record], catalog: &Catalog, limits: Limits, at: Timestamp) -> Result<(), Error> {
    let (rows, documents): (Vec<&Record>, Vec<&Record>) =
        records.iter().partition(|record| record.collection.name == COMMANDS.name);
    insertion(&documents, "", 0, at)?.check(catalog, limits)?;
    rows.into_iter().try_for_each(|row| Ok(repeated(row)?.check(catalog, limits).map(drop)?))
}

/// The batch that inserts `records`. The same documents of the same export have the same id, so a commit whose end was not seen is not
/// made twice.
fn insertion(records: &[&Record], of: &str, life: u32, at: Timestamp) -> Result<Batch, Error> {
    let keys: Vec<String> = records.iter().map(|record| record.key().to_string()).collect();
    let mut parts: Vec<&[u8]> = vec![of.as_bytes()];
    let life = life.to_be_bytes();
    parts.push(&life);
    parts.extend(keys.iter().map(String::as_bytes));
    let digest = hex(&sha256(&parts)[..16]);
    let write = |record: &&Record| Write {
        key: record.key(),
        expect: Expect::Absent,
        op: Op::Put { version: record.version, document: record.document.clone() },
    };
    Ok(Batch {
        command: CommandId::new(&format!("import-{digest}"))?,
        fingerprint: format!("{OWN}{of}"),
        at,
        result: json!({"documents": records.len()}),
        writes: records.iter().map(write).collect(),
        checks: Vec::new(),
    })
}

/// The commit of a row of the ledger.
fn repeated(row: &Record) -> Result<Batch, Error> {
    let at = row.document.get("at").and_then(Json::as_i64).unwrap_or_default();
    Ok(Batch {
        command: CommandId::recorded(&row.id)?,
        fingerprint: row.text("fingerprint").to_owned(),
        at: Timestamp::from_millis(at),
        result: row.document.get("result").cloned().unwrap_or_default(),
        writes: Vec::new(),
        checks: Vec::new(),
    })
}

/// Collections in such an order that what refers to others comes before them.
pub(super) fn parts_first(catalog: &Catalog) -> Vec<&'static Collection> {
    let mut left = record::collections(catalog);
    left.retain(|collection| collection.name != COMMANDS.name);
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let refers = |from: &Collection, to: &Collection| {
            from.name != to.name && from.references.iter().any(|reference| reference.collection == to.name)
        };
        let free: Vec<&'static Collection> =
            left.iter().filter(|to| !left.iter().any(|from| refers(from, to))).copied().collect();
        // Where they refer to one another in a circle any order is as good.
        let next = if free.is_empty() { left.clone() } else { free };
        left.retain(|collection| !next.iter().any(|done| done.name == collection.name));
        ordered.extend(next);
    }
    ordered
}

/// Awaits all at once, on any executor.
async fn together<T>(mut futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in futures.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(value) = Pin::new(future).poll(cx) {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_hang_on_comes_last() {
        let catalog = crate::domain::catalog().unwrap();
        let names: Vec<&str> = parts_first(&catalog).into_iter().map(|c| c.name).collect();
        let at = |name| names.iter().position(|n| *n == name).unwrap();
        assert_eq!(names.len(), catalog.iter().count());
        assert!(at("cvm.heap_pages") < at("cvm.executions") && at("cvm.outputs") < at("cvm.executions"));
        assert!(at("cvm.executions") < at("cvm.programs") && at("cvm.program_versions") < at("cvm.executions"));
    }
}
