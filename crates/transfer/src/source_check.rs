//! The check of a source: it is read once, to its end.

use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::schema::{Catalog, Collection};
use runstate_engine::{Error, exported_collections, has_sealed};
use runstate_store::COMMANDS;
use runstate_value::json_bytes;

use super::{ExportRecord, ExportSummary, ExportTally, ImportSource, Phase, Progress, SourceItem};

/// Number of documents that are checked between two yields.
const CHECKED_DOCUMENTS: usize = 256;

/// Proof that a source was read to its end and is undamaged.
#[derive(Clone, Debug)]
pub struct CheckedSource {
    summary: ExportSummary,
    /// The largest document, without the ledger. A store that accepts it accepts the others.
    pub(super) largest: Option<ExportRecord>,
    /// Whether it has encrypted secrets, which are imported as they are.
    pub(super) is_encrypted: bool,
}

impl CheckedSource {
    /// The counts and the hash of the source.
    pub fn summary(&self) -> &ExportSummary {
        &self.summary
    }
}

/// Reads all of `source`, and checks that it is complete, unchanged and not newer, and that every document conforms to
/// its collection.
pub fn check<S: ImportSource>(
    source: &mut S,
    catalog: &Catalog,
    mut progress: impl FnMut(Progress),
) -> Result<CheckedSource, Error> {
    let mut checker = SourceChecker::begin(source, catalog)?;
    loop {
        if let Some(checked) = checker.advance(CHECKED_DOCUMENTS, &mut progress)? {
            return Ok(checked);
        }
    }
}

/// A [`check`] in steps, for a caller that does other work between them.
pub struct SourceChecker<'a, S> {
    source: &'a mut S,
    /// Collections in the order of an export.
    order: Vec<&'static Collection>,
    tally: ExportTally,
    largest: Option<(usize, ExportRecord)>,
    last: Option<(Option<usize>, Arc<str>)>,
    done: u64,
    is_encrypted: bool,
}

impl<'a, S: ImportSource> SourceChecker<'a, S> {
    /// Begins with the header.
    pub fn begin(source: &'a mut S, catalog: &Catalog) -> Result<Self, Error> {
        let header = source.rewind()?;
        let catalog = header.extend_catalog(catalog, source.name())?;
        header.check_supported(&catalog, source.name())?;
        Ok(Self {
            source,
            order: exported_collections(&catalog),
            tally: ExportTally::default(),
            largest: None,
            last: None,
            done: 0,
            is_encrypted: false,
        })
    }

    /// Checks this number of documents; `None`: there are more.
    pub fn advance(
        &mut self,
        documents: usize,
        mut progress: impl FnMut(Progress),
    ) -> Result<Option<CheckedSource>, Error> {
        for _ in 0..documents {
            match self.source.next()? {
                SourceItem::Record(record) => {
                    self.add(&record)?;
                    progress(Progress { phase: Phase::Check, done: self.done, of: None });
                }
                SourceItem::End(expected) => return self.end(&expected).map(Some),
            }
        }
        Ok(None)
    }

    fn add(&mut self, record: &ExportRecord) -> Result<(), Error> {
        let collection = self.order.iter().position(|collection| collection.name == record.collection.name);
        let position = Some((collection, record.id.clone()));
        if position <= self.last {
            return Err(damaged(self.source, &format!("{} occurs twice, or in the wrong position", record.key())));
        }
        self.last = position;
        self.tally.add(record.collection.name, &record.line());
        self.done += 1;
        self.is_encrypted |= has_sealed(record.collection, &record.document);
        let bytes = json_bytes(&*record.document);
        if record.collection.name != COMMANDS.name && self.largest.as_ref().is_none_or(|(most, _)| bytes > *most) {
            self.largest = Some((bytes, record.clone()));
        }
        Ok(())
    }

    fn end(&mut self, expected: &ExportSummary) -> Result<CheckedSource, Error> {
        let summary = std::mem::take(&mut self.tally).summary();
        match expected.difference(&summary) {
            Some(difference) => Err(damaged(
                self.source,
                &format!("it was changed after it was exported: {difference}. Export it again"),
            )),
            None => Ok(CheckedSource {
                summary,
                largest: self.largest.take().map(|(_, record)| record),
                is_encrypted: self.is_encrypted,
            }),
        }
    }
}

fn damaged<S: ImportSource>(source: &S, why: &str) -> Error {
    Error::new(ErrorCode::CORRUPT, format!("{}: {why}", source.name()))
}
