//! Removing what a large turn has left: after it was decided what it replaced, else what it staged.

use std::collections::BTreeSet;

use super::marker::{Held, Record};
use super::plan::FINGERPRINT;
use super::{ABANDONED_AFTER, Engine, Error, STAGED, STAGED_ROWS};
use crate::engine::commit::{Committed, delete};
use crate::id::CommandId;
use crate::schema::Direction::Ascending;
use crate::schema::{Filter, Key, Query};
use crate::store::{self, Batch, Row, Write};
use crate::time::Timestamp;
use crate::value::Json;

/// Records read at once.
const RECORDS: u32 = 16;

impl Engine {
    /// Removes the rows of up to `limit` large turns that nobody finishes any more, and tells of how many. A process that died before such a
    /// turn was decided leaves rows that nobody sees; one that died right after it, rows that it replaced.
    ///
    /// A turn counts as left when its marker ([`STAGED`]) is [`ABANDONED_AFTER`] old at `now`, oldest first. One that is only slow loses
    /// nothing: its command is decided again. Every batch is bounded, and to stop at any moment is safe.
    ///
    /// [`Code::Corrupt`](crate::code::Code::Corrupt): a marker or a record cannot be read; all others were removed.
    pub async fn remove_abandoned(&self, now: Timestamp, limit: u32) -> Result<u32, Error> {
        let before = Json::from((now - ABANDONED_AFTER).as_millis());
        let left = Query::of(&STAGED).filter(Filter::Lte("at".to_owned(), before)).sort("at", Ascending).limit(limit);
        let mut removed = 0;
        let mut damage = None;
        for Row { id, stored } in self.shared.store.query(&left).await?.rows {
            let key = Key { collection: STAGED.name.into(), id };
            let cleared = match Held::read(key, stored) {
                Ok(held) => self.clear(held).await,
                Err(error) => Err(error),
            };
            match cleared {
                Ok(()) => removed += 1,
                // Somebody goes on with it, or removes it.
                Err(store::Error::Conflict { .. }) => {}
                Err(error @ store::Error::Corrupt { .. }) => damage = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        damage.map_or(Ok(removed), |error| Err(error.into()))
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
            let mut batches = self.cut(deletions(&page.rows, held.is_adopted())?);
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

/// Of every record its rows, and then itself.
fn deletions(records: &[Row], adopted: bool) -> Result<Vec<Write>, store::Error> {
    let mut keys = Vec::new();
    for Row { id, stored } in records {
        let key = Key { collection: STAGED_ROWS.name.into(), id: id.clone() };
        keys.extend(Record::read(&key, stored)?.to_go(adopted)?);
        keys.push(key);
    }
    // A batch writes a key once.
    let mut seen = BTreeSet::new();
    keys.retain(|key| seen.insert(key.clone()));
    Ok(keys.into_iter().map(delete).collect())
}
