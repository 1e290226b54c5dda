//! From a store: page by page, and once more where it was written to meanwhile.

use super::tally::Tally;
use super::{Header, OWN, Phase, Progress, Record, Sink, Summary, record};
use crate::code::Code;
use crate::engine::{Engine, Error};
use crate::schema::{Accumulator, Aggregate, Collection, Filter, Query};
use crate::store::{self, COMMANDS, Position};
use crate::time::Millis;

/// Documents of one page: little memory, also where each is large.
const PAGE: u32 = 64;

/// How often an export begins before whoever writes is said to be in the way.
const ATTEMPTS: u32 = 5;

impl Engine {
    /// Writes all that the store holds to `sink`, as of one moment: where the store is written to meanwhile, it begins again, a few times.
    ///
    /// A damaged store is exported as far as it is whole; [`Store::health`](crate::store::Store::health) says so. One that a newer program wrote
    /// is refused: what this one does not know would be missing.
    pub async fn export<S: Sink>(&self, sink: &mut S, mut progress: impl FnMut(Progress)) -> Result<Summary, Error> {
        if let Some(newer @ store::Error::NewerVersion { .. }) = self.store().health() {
            return Err(newer.into());
        }
        let of = self.total().await?;
        for _ in 0..ATTEMPTS {
            let before = self.position().await?;
            sink.begin(&Header::of(&self.shared.catalog, self.now()))?;
            let mut tally = Tally::default();
            let mut done = 0;
            for collection in record::collections(&self.shared.catalog) {
                let mut query = Query::of(collection).limit(PAGE);
                loop {
                    let page = self.store().query(&query).await?;
                    for row in page.rows {
                        done += 1;
                        let record = Record::of(collection, row);
                        if record.collection.name == COMMANDS.name && record.text("fingerprint").starts_with(OWN) {
                            continue;
                        }
                        let line = record.line();
                        tally.add(&record, &line);
                        sink.put(&record, &line)?;
                    }
                    progress(Progress { phase: Phase::Export, done, of });
                    self.give_way().await;
                    match page.cursor {
                        Some(cursor) => query = query.after(Some(cursor)),
                        None => break,
                    }
                }
            }
            if self.position().await? == before {
                let summary = tally.summary();
                sink.end(&summary)?;
                return Ok(summary);
            }
        }
        let message =
            format!("the store was written to while it was exported, {ATTEMPTS} times; export when less is going on");
        Err(Error { retryable: true, ..Error::new(Code::Conflict, message) })
    }

    /// Where the store stands. What has no feed of changes always stands in the same place.
    async fn position(&self) -> Result<Option<Position>, Error> {
        if !self.store().capabilities().change_feed {
            return Ok(None);
        }
        Ok(Some(self.store().changes(None, 0, Millis(0)).await?.next))
    }

    /// Documents in all, where the store counts.
    async fn total(&self) -> Result<Option<u64>, Error> {
        let mut total = 0;
        for collection in record::collections(&self.shared.catalog) {
            match self.count(collection).await? {
                Some(count) => total += count,
                None => return Ok(None),
            }
        }
        Ok(Some(total))
    }

    /// How many documents a collection has; `None`: the store does not count.
    pub(in crate::engine) async fn count(&self, collection: &'static Collection) -> Result<Option<u64>, Error> {
        if !self.store().capabilities().aggregate {
            return Ok(None);
        }
        let aggregate = Aggregate {
            collection: collection.name.to_owned(),
            filter: Filter::All,
            group_by: Vec::new(),
            accumulators: vec![("n".to_owned(), Accumulator::Count)],
        };
        let rows = self.store().aggregate(&aggregate).await?;
        Ok(rows.first().and_then(|row| row.get("n")).and_then(crate::value::Json::as_u64))
    }
}
