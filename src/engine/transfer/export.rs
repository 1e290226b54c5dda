//! From a store: page by page, and once more where it was written to meanwhile.

use super::select::Part;
use super::tally::Tally;
use super::{Header, OWN, Phase, Progress, Record, Selection, Sink, Summary, record};
use crate::code::Code;
use crate::engine::{Engine, Error};
use crate::schema::{Accumulator, Aggregate, Collection, Filter};
use crate::store::{self, COMMANDS, Position};
use crate::time::Millis;

/// Documents of one page: little memory, also where each is large.
const PAGE: u32 = 64;

/// How often an export begins before whoever writes is said to be in the way.
const ATTEMPTS: u32 = 5;

impl Engine {
    /// Writes all that the store holds to `sink`; see [`Engine::export_of`].
    pub async fn export<S: Sink>(&self, sink: &mut S, progress: impl FnMut(Progress)) -> Result<Summary, Error> {
        self.export_of(&Selection::All, sink, progress).await
    }

    /// Writes what is selected to `sink`, as of one moment: where it is written to meanwhile, it begins again, a few times. An import takes
    /// the one as it takes the other.
    ///
    /// A damaged store is exported as far as it is whole; [`Store::health`](crate::store::Store::health) says so. One that a newer program wrote
    /// is refused: what this one does not know would be missing.
    pub async fn export_of<S: Sink>(
        &self,
        selection: &Selection,
        sink: &mut S,
        mut progress: impl FnMut(Progress),
    ) -> Result<Summary, Error> {
        if let Some(newer @ store::Error::NewerVersion { .. }) = self.store().health() {
            return Err(newer.into());
        }
        let of = if *selection == Selection::All { self.total().await? } else { None };
        for _ in 0..ATTEMPTS {
            let selected = self.selected(selection).await?;
            sink.begin(&Header::of(&self.shared.catalog, self.now()))?;
            let mut exporting = Exporting { sink, tally: Tally::default(), done: 0 };
            for collection in record::collections(&self.shared.catalog) {
                let mut query = match selected.part(collection) {
                    Part::Nothing => continue,
                    Part::Document(record) => {
                        exporting.put(record)?;
                        continue;
                    }
                    Part::Found(query) => query.limit(PAGE),
                };
                loop {
                    let page = self.store().query(&query).await?;
                    for row in page.rows {
                        exporting.put(&Record::of(collection, row))?;
                    }
                    progress(Progress { phase: Phase::Export, done: exporting.done, of });
                    self.give_way().await;
                    match page.cursor {
                        Some(cursor) => query = query.after(Some(cursor)),
                        None => break,
                    }
                }
            }
            let summary = exporting.tally.summary();
            if self.stands(&selected, selection).await? {
                sink.end(&summary)?;
                return Ok(summary);
            }
        }
        let message =
            format!("it was written to while it was exported, {ATTEMPTS} times; export when less is going on");
        Err(Error { retryable: true, ..Error::new(Code::Conflict, message) })
    }

    /// Where the store stands. What has no feed of changes always stands in the same place.
    pub(super) async fn position(&self) -> Result<Option<Position>, Error> {
        if !self.store().capabilities().change_feed {
            return Ok(None);
        }
        Ok(Some(self.store().changes(None, 0, Millis(0)).await?.next))
    }

    /// Documents in all, where the store counts.
    pub(in crate::engine) async fn total(&self) -> Result<Option<u64>, Error> {
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

/// An export under way.
struct Exporting<'a, S> {
    sink: &'a mut S,
    tally: Tally,
    /// Documents that were read.
    done: u64,
}

impl<S: Sink> Exporting<'_, S> {
    fn put(&mut self, record: &Record) -> Result<(), Error> {
        self.done += 1;
        if record.collection.name == COMMANDS.name && record.text("fingerprint").starts_with(OWN) {
            return Ok(());
        }
        let line = record.line();
        self.tally.add(record, &line);
        self.sink.put(record, &line)
    }
}
