//! `verify`: compares the documents of any store with the declarations, through the port. It changes nothing, and its memory is bounded whatever
//! the size of the store. Others may write meanwhile: a mismatch is read again before it becomes a finding.
//!
//! | file | what is compared |
//! |---|---|
//! | `document.rs` | each document with the schema of its collection |
//! | `reference.rs` | each reference with the document that it names |
//! | `index.rs`, `bucket.rs` | the entries of each index with the documents |
//! | `execution.rs` | the document of each execution with its rows |
//!
//! A backend checks its own files, records and definitions first, by [`Store::inspect`](crate::store::Store::inspect).

mod bucket;
mod document;
mod execution;
mod index;
mod reference;
mod scan;

use std::sync::Arc;

use super::transfer::{self, Phase, Progress};
use super::{Engine, Error, STAGED_ROWS, Shared};
use crate::domain::cvm::EXECUTIONS;
use crate::schema::{Collection, IndexKind, Key, Query};
use crate::store::{self, Finding, Freshness, Report, Row, Stored};
use crate::value::Json;

use bucket::Buckets;
use scan::{Pages, Scan};

/// Documents read at once.
const PAGE: u32 = 64;

/// How often a document that others keep writing is read before it is skipped.
const TRIES: usize = 5;

impl Engine {
    /// Checks all that the store holds: its backend, then documents, indexes, references, executions and the ledger.
    ///
    /// The documents of a damaged backend are not checked: each reference to a lost document would be a finding too.
    pub async fn verify(&self, progress: impl FnMut(Progress)) -> Result<Report, Error> {
        let report = self.store().inspect(&self.shared.catalog).await?;
        if report.is_whole() { self.verify_documents(report, progress).await } else { Ok(report) }
    }

    /// Checks all documents, and adds the findings to `report`.
    ///
    /// [`Code::NewerVersion`](crate::code::Code::NewerVersion): a newer program wrote the store; its declarations are not known here.
    pub async fn verify_documents(&self, report: Report, progress: impl FnMut(Progress)) -> Result<Report, Error> {
        if let Some(newer @ store::Error::NewerVersion { .. }) = self.store().health() {
            return Err(newer.into());
        }
        // Executions are read twice: as documents, and with their rows.
        let executions = match self.shared.catalog.get(EXECUTIONS.name) {
            Some(executions) => self.count(executions).await?,
            None => Some(0),
        };
        let of = self.total().await?.zip(executions).map(|(documents, executions)| documents + executions);
        let report = Report { documents: 0, ..report };
        let mut verification = Verification { engine: self.without_cache(), report, progress, done: 0, of };
        for collection in transfer::collections(&self.shared.catalog) {
            verification.check_collection(collection).await?;
        }
        verification.check_executions().await?;
        Ok(verification.report)
    }

    /// An engine over the same store without cached documents.
    fn without_cache(&self) -> Self {
        let Shared { store, host, catalog, settings, .. } = &*self.shared;
        let (store, host, catalog, settings) = (store.clone(), host.clone(), catalog.clone(), settings.clone());
        let (cache, queues, hints, crowd) = Default::default();
        #[allow(clippy::arc_with_non_send_sync, reason = "stores in a page live on its one thread")]
        let shared = Arc::new(Shared { store, host, catalog, settings, cache, queues, hints, crowd });
        Self { shared }
    }
}

/// A verification in progress.
struct Verification<P> {
    engine: Engine,
    report: Report,
    progress: P,
    done: u64,
    of: Option<u64>,
}

impl<P: FnMut(Progress)> Verification<P> {
    async fn check_collection(&mut self, collection: &'static Collection) -> Result<(), Error> {
        let indexes = || collection.indexes.iter().filter(|index| index.kind == IndexKind::Ordered);
        let mut expected: Vec<Buckets> = indexes().map(|_| Buckets::default()).collect();
        let mut scan = Scan::by_id(collection);
        while let Some(rows) = self.next_page(&mut scan).await? {
            self.check_documents(collection, &rows).await?;
            self.check_references(collection, &rows).await?;
            self.check_elements(collection, &rows).await?;
            for (index, buckets) in indexes().zip(&mut expected) {
                rows.iter().for_each(|row| buckets.add(collection, index, row));
            }
            self.report.documents += rows.len() as u64;
            self.advance(rows.len()).await;
        }
        if !scan.is_complete() {
            return Ok(());
        }
        for (index, expected) in indexes().zip(expected) {
            self.check_index(collection, index, &expected).await?;
        }
        Ok(())
    }

    /// The next page of a scan. A document that cannot be read is a finding, and is skipped.
    async fn next_page(&mut self, scan: &mut Scan) -> Result<Option<Vec<Row>>, Error> {
        while let Some(query) = scan.query() {
            match self.engine.store().query_with(query, Freshness::Validated).await {
                Ok(page) => return Ok(Some(scan.take(page))),
                Err(store::Error::Corrupt { at, why }) => {
                    scan.skip(&at);
                    self.report_unreadable(at, why);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// The next page of a query. A document that cannot be read is a finding, and ends it.
    async fn next_rows(&mut self, pages: &mut Pages) -> Result<Option<Vec<Row>>, Error> {
        let Some(query) = pages.query.take() else { return Ok(None) };
        match self.engine.store().query_with(&query, Freshness::Validated).await {
            Ok(page) => {
                pages.query = page.cursor.map(|cursor| query.after(Some(cursor)));
                Ok(Some(page.rows))
            }
            Err(store::Error::Corrupt { at, why }) => {
                pages.complete = false;
                self.report_unreadable(at, why);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Adds a finding for a document that cannot be read, once: every scan meets it again.
    fn report_unreadable(&mut self, at: String, why: String) {
        let finding = Finding::damage(at, why);
        if !self.report.findings.contains(&finding) {
            self.report.add(finding);
        }
    }

    /// Reports progress: so many more documents were checked.
    async fn advance(&mut self, documents: usize) {
        self.done += documents as u64;
        (self.progress)(Progress { phase: Phase::Verify, done: self.done, of: self.of });
        self.engine.give_way().await;
    }

    /// The documents under `keys`; none: one of them cannot be read, which the scan over its collection reports.
    async fn get(&self, keys: &[Key]) -> Result<Option<Vec<Option<Stored>>>, Error> {
        match self.engine.store().get_with(keys, Freshness::Validated).await {
            Ok(found) => Ok(Some(found)),
            Err(store::Error::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// `keys` without those that a large commit in progress, or one that was interrupted, has staged.
    async fn without_staged(&mut self, keys: Vec<Key>) -> Result<Vec<Key>, Error> {
        let mut left: Vec<(String, Key)> = keys.into_iter().map(|key| (key.to_string(), key)).collect();
        let mut pages = Pages::of(Query::of(&STAGED_ROWS).limit(PAGE));
        while let Some(rows) = self.next_rows(&mut pages).await? {
            for row in rows {
                let listed = |field| row.stored.document.get(field).and_then(Json::as_array).into_iter().flatten();
                let named =
                    |name: &str| listed("staged").chain(listed("replaced")).any(|text| text.as_str() == Some(name));
                left.retain(|(name, _)| !named(name));
            }
        }
        Ok(left.into_iter().map(|(_, key)| key).collect())
    }
}
