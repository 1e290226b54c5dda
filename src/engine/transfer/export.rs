//! Exports a store page by page, and begins again if the store was written to meanwhile.

use super::selection::SelectedPart;
use super::tally::ExportTally;
use super::{
    ExportHeader, ExportRecord, ExportSink, ExportSummary, IMPORT_FINGERPRINT, Phase, Progress, Selection, record,
};
use crate::engine::{Engine, Error};
use crate::error_code::ErrorCode;
use crate::schema::{Accumulator, Aggregate, Collection, Filter};
use crate::store::{self, COMMANDS, Position};
use crate::time::Millis;

/// Documents per page: few, because each may be large.
const PAGE: u32 = 64;

/// Number of attempts, after which an export fails because of concurrent writes.
const ATTEMPTS: u32 = 5;

impl Engine {
    /// Writes all documents of the store to `sink`; see [`Engine::export_selection`].
    pub async fn export<S: ExportSink>(
        &self,
        sink: &mut S,
        progress: impl FnMut(Progress),
    ) -> Result<ExportSummary, Error> {
        self.export_selection(&Selection::All, sink, progress).await
    }

    /// Writes the selected documents to `sink`, as of one moment. If they are written to meanwhile, the export begins again, a few times.
    /// An import accepts the export of any selection.
    ///
    /// The undamaged part of a damaged store is exported; [`Store::read_only_reason`](crate::store::Store::read_only_reason) reports the
    /// damage. A store that a newer version wrote is rejected: data that this version does not know would be missing.
    pub async fn export_selection<S: ExportSink>(
        &self,
        selection: &Selection,
        sink: &mut S,
        mut progress: impl FnMut(Progress),
    ) -> Result<ExportSummary, Error> {
        if let Some(newer @ store::StoreError::NewerVersion { .. }) = self.store().read_only_reason() {
            return Err(newer.into());
        }
        let of = if *selection == Selection::All { self.total().await? } else { None };
        for _ in 0..ATTEMPTS {
            let selected = self.resolve_selection(selection).await?;
            sink.begin(&ExportHeader::new(&self.shared.catalog, self.now()))?;
            let mut exporting = Exporter { sink, tally: ExportTally::default(), done: 0 };
            for collection in record::collections(&self.shared.catalog) {
                let mut query = match selected.part(collection) {
                    SelectedPart::Nothing => continue,
                    SelectedPart::Document(record) => {
                        exporting.put(record)?;
                        continue;
                    }
                    SelectedPart::Query(query) => query.limit(PAGE),
                };
                loop {
                    let page = self.store().query(&query).await?;
                    for row in page.items {
                        exporting.put(&ExportRecord::from_row(collection, row))?;
                    }
                    progress(Progress { phase: Phase::Export, done: exporting.done, of });
                    self.yield_now().await;
                    match page.next {
                        Some(cursor) => query = query.after(Some(cursor)),
                        None => break,
                    }
                }
            }
            let summary = exporting.tally.summary();
            if self.is_unchanged(&selected, selection).await? {
                sink.end(&summary)?;
                return Ok(summary);
            }
        }
        let message = format!(
            "the store was written to during all {ATTEMPTS} attempts to export it. Try again when it is written to less often"
        );
        Err(Error { retryable: true, ..Error::new(ErrorCode::Conflict, message) })
    }

    /// The position of the store in its change feed. A store without a feed always has the same position.
    pub(super) async fn position(&self) -> Result<Option<Position>, Error> {
        if !self.store().capabilities().change_feed {
            return Ok(None);
        }
        Ok(Some(self.store().changes(None, 0, Millis(0)).await?.next))
    }

    /// Total number of documents, if the store counts.
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

    /// Number of documents of a collection; `None`: the store does not count.
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

/// An export in progress.
struct Exporter<'a, S> {
    sink: &'a mut S,
    tally: ExportTally,
    /// Number of documents read.
    done: u64,
}

impl<S: ExportSink> Exporter<'_, S> {
    fn put(&mut self, record: &ExportRecord) -> Result<(), Error> {
        self.done += 1;
        if record.collection.name == COMMANDS.name && record.text("fingerprint").starts_with(IMPORT_FINGERPRINT) {
            return Ok(());
        }
        let line = record.line();
        self.tally.add(record, &line);
        self.sink.put(record, &line)
    }
}
