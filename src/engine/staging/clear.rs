//! Removing what a large turn has left: after it was decided what it replaced, else what it staged.

use std::collections::BTreeSet;

use super::marker::{Held, Record, damaged};
use super::plan::FINGERPRINT;
use super::{ABANDONED_AFTER, Engine, Error, STAGED, STAGED_ROWS};
use crate::engine::commit::{Committed, delete};
use crate::id::{CommandId, Revision};
use crate::schema::Direction::Ascending;
use crate::schema::{Filter, Key, Query};
use crate::store::{self, Batch, Expect, Op, Row, Write};
use crate::time::Timestamp;
use crate::value::Json;

/// Markers read at once.
const MARKERS: u32 = 16;

/// Records read at once.
const RECORDS: u32 = 16;

/// Staged rows looked at at once.
const LOOKED_AT: usize = 64;

impl Engine {
    /// Removes the rows of up to `limit` large turns that nobody finishes any more, and tells of how many. A process that died before such a
    /// turn was decided leaves rows that nobody sees; one that died right after it, rows that it replaced.
    ///
    /// A turn counts as left when its marker ([`STAGED`]) is [`ABANDONED_AFTER`] old at `now`, oldest first. One that is only slow loses
    /// nothing: its command is decided again. Every batch is bounded, and to stop at any moment is safe.
    ///
    /// A turn that cannot be removed is in no other one's way, and does not count: it is told of when all others were tried
    /// ([`Code::Corrupt`](crate::code::Code::Corrupt): a marker or a record cannot be read).
    pub async fn remove_abandoned(&self, now: Timestamp, limit: u32) -> Result<u32, Error> {
        let before = Json::from((now - ABANDONED_AFTER).as_millis());
        let left = Query::of(&STAGED).filter(Filter::Lte("at".to_owned(), before)).sort("at", Ascending).limit(MARKERS);
        let (mut removed, mut failed, mut cursor) = (0, None, None);
        while removed < limit {
            let page = self.shared.store.query(&left.clone().after(cursor)).await?;
            for row in page.rows {
                match self.clear_row(row).await {
                    Ok(()) => removed += 1,
                    // Somebody goes on with it, or removes it.
                    Err(store::Error::Conflict { .. }) => {}
                    Err(error) if is_of_one(&error) => failed = failed.or(Some(error)),
                    Err(error) => return Err(error.into()),
                }
                if removed == limit {
                    break;
                }
            }
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        failed.map_or(Ok(removed), |error| Err(error.into()))
    }

    /// Removes what a marker says that a query found.
    async fn clear_row(&self, Row { id, stored }: Row) -> Result<(), store::Error> {
        self.clear(Held::read(Key { collection: STAGED.name.into(), id }, stored)?).await
    }

    /// Removes what the marker says is to go, in the end the marker. [`store::Error::Conflict`]: somebody else goes on with it.
    ///
    /// The first batch that succeeds takes the marker over. It stands under the revision at which the marker was read, so that the records
    /// read since are all there are: had its holder staged one more, the batch would be a conflict.
    pub(super) async fn clear(&self, mut held: Held) -> Result<(), store::Error> {
        let attempt = self.new_command_id();
        let mut batches = (1..).map(|n| attempt.part(n));
        let mut send = async |writes: Vec<Write>| match batches.next() {
            Some(command) => self.send_clearing(command, writes).await,
            None => Err(store::Error::Conflict { key: Key::new(&STAGED, attempt.as_str()) }),
        };
        loop {
            let records = Query::of(&STAGED_ROWS).eq("command", held.command()).limit(RECORDS);
            let page = self.shared.store.query(&records).await?;
            let mut batches = self.cut(self.deletions(&page.rows, &held).await?);
            let last = batches.pop().unwrap_or_default();
            for mut writes in batches {
                writes.push(held.take_over(&attempt, self.shared.host.now()));
                send(writes).await?;
            }
            let mut writes = last;
            if page.cursor.is_none() {
                writes.push(held.remove());
                return send(writes).await;
            }
            writes.push(held.take_over(&attempt, self.shared.host.now()));
            send(writes).await?;
        }
    }

    /// Of every record the rows that are to go, and then itself.
    async fn deletions(&self, records: &[Row], held: &Held) -> Result<Vec<Write>, store::Error> {
        let mut writes = Vec::new();
        for Row { id, stored } in records {
            let key = Key { collection: STAGED_ROWS.name.into(), id: id.clone() };
            let rows = Record::read(&key, stored)?.to_go(held.is_adopted())?;
            match held.is_adopted() {
                true => writes.extend(rows.into_iter().map(delete)),
                false => writes.extend(self.still_staged(rows, held).await?),
            }
            writes.push(delete(key));
        }
        // A batch writes a key once.
        let mut seen = BTreeSet::new();
        writes.retain(|write| seen.insert(write.key.clone()));
        Ok(writes)
    }

    /// Removes those of the rows that stand as they were staged. Where they are gone (their execution was deleted, or who removed them died
    /// midway) their command may have come again, in one batch, and put them itself: then they are in force, and told by their revision. It
    /// is expected, since that may happen at any moment.
    async fn still_staged(&self, rows: Vec<Key>, held: &Held) -> Result<Vec<Write>, store::Error> {
        let command = CommandId::recorded(held.command()).map_err(|why| damaged(held.key(), &why.to_string()))?;
        let mut writes = Vec::new();
        for keys in rows.chunks(LOOKED_AT) {
            for (key, found) in keys.iter().zip(self.shared.store.get(keys).await?) {
                let in_force = Revision::first(&command, &key.collection, &key.id);
                if let Some(found) = found
                    && found.revision.incarnation() != in_force.incarnation()
                {
                    writes.push(Write { key: key.clone(), expect: Expect::Revision(found.revision), op: Op::Delete });
                }
            }
        }
        Ok(writes)
    }

    async fn send_clearing(&self, command: CommandId, writes: Vec<Write>) -> Result<(), store::Error> {
        let lost = store::Error::Conflict { key: Key::new(&STAGED, command.as_str()) };
        let (fingerprint, result, at) = (FINGERPRINT.to_owned(), Json::Null, self.shared.host.now());
        match self.send(Batch { command, fingerprint, at, result, writes, checks: Vec::new() }).await? {
            Committed::Now => Ok(()),
            Committed::Before(_) => Err(lost),
        }
    }

    /// Cuts deletions into what a batch takes beside the marker.
    fn cut(&self, deletions: Vec<Write>) -> Vec<Vec<Write>> {
        /// More than a marker has.
        const MARKER_BYTES: usize = 1_024;
        let limits = self.shared.store.capabilities().limits();
        let most = limits.batch_writes.saturating_sub(1);
        let (mut batches, mut bytes) = (vec![Vec::new()], 0);
        for write in deletions {
            bytes += write.key.bytes();
            let full = |batch: &Vec<Write>| {
                !batch.is_empty() && (batch.len() >= most || bytes + MARKER_BYTES > limits.batch_bytes)
            };
            if batches.last().is_none_or(full) {
                bytes = write.key.bytes();
                batches.push(Vec::new());
            }
            if let Some(batch) = batches.last_mut() {
                batch.push(write);
            }
        }
        batches
    }
}

/// Whether it is a fault of the turn that was to be removed, not of the store.
fn is_of_one(error: &store::Error) -> bool {
    use store::Error::{Corrupt, Invalid, TooLarge};
    matches!(error, Corrupt { .. } | Invalid { .. } | TooLarge { .. })
}
