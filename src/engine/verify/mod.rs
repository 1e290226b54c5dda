//! `verify`: compares the documents of any store with the declarations, through the [`Store`](crate::store::Store) interface. It changes
//! nothing, and its memory is bounded whatever the size of the store. Others may write meanwhile: a mismatch is read again before it
//! becomes a finding.
//!
//! | file | comparison |
//! |---|---|
//! | `document.rs` | each document with the schema of its collection |
//! | `reference.rs` | each reference with the document that it names |
//! | `index.rs`, `bucket.rs` | the entries of each index with the documents |
//! | `execution.rs` | the document of each execution with its rows |
//!
//! A backend checks its own files, records and definitions first, by [`Store::inspect`](crate::store::Store::inspect).

use std::sync::Arc;

use index::Buckets;
use scan::{CollectionScan, QueryPages};

use super::transfer::{self, Phase, Progress};
use super::{Engine, EngineInner, Error, STAGED_ROWS};
use crate::domain::cvm::EXECUTIONS;
use crate::id::CommandId;
use crate::schema::{self, Collection, IndexKind, Key, Kind, Query};
use crate::store::{self, COMMANDS, Finding, Freshness, Row, StoredDocument, VerifyReport};
use crate::value::Json;

mod execution;
mod index;
mod reference;
mod scan;

/// Documents per read.
const PAGE: u32 = 64;

/// Number of reads of a document that others keep writing, after which it is skipped.
const TRIES: usize = 5;

impl Engine {
    /// Checks all that the store holds: its backend, then documents, indexes, references, executions and the ledger.
    ///
    /// The documents of a damaged backend are not checked: each reference to a lost document would be a finding too.
    pub async fn verify(&self, progress: impl FnMut(Progress)) -> Result<VerifyReport, Error> {
        let report = self.store().inspect(&self.shared.catalog).await?;
        if report.is_intact() { self.verify_documents(report, progress).await } else { Ok(report) }
    }

    /// Checks all documents, and adds the findings to `report`.
    ///
    /// [`ErrorCode::NewerVersion`](crate::error_code::ErrorCode::NewerVersion): a newer version wrote the store, and its declarations are
    /// unknown.
    pub async fn verify_documents(
        &self,
        report: VerifyReport,
        progress: impl FnMut(Progress),
    ) -> Result<VerifyReport, Error> {
        if let Some(newer @ store::StoreError::NewerVersion { .. }) = self.store().read_only_reason() {
            return Err(newer.into());
        }
        // Executions are read twice: as documents, and with their rows.
        let executions = match self.shared.catalog.get(EXECUTIONS.name) {
            Some(executions) => self.count(executions).await?,
            None => Some(0),
        };
        let of = self.total().await?.zip(executions).map(|(documents, executions)| documents + executions);
        let report = VerifyReport { documents: 0, ..report };
        let mut verification = Verification { engine: self.without_cache(), report, progress, done: 0, of };
        for collection in transfer::collections(&self.shared.catalog) {
            verification.check_collection(collection).await?;
        }
        verification.check_executions().await?;
        Ok(verification.report)
    }

    /// An engine over the same store without cached documents.
    fn without_cache(&self) -> Self {
        let EngineInner { store, host, catalog, settings, .. } = &*self.shared;
        let (store, host, catalog, settings) = (store.clone(), host.clone(), catalog.clone(), settings.clone());
        let (cache, queues, hints, contention) = Default::default();
        #[allow(clippy::arc_with_non_send_sync, reason = "stores in a page live on its one thread")]
        let shared = Arc::new(EngineInner {
            store,
            host,
            catalog,
            settings,
            cache,
            queues,
            hint_listeners: hints,
            claim_contention: contention,
        });
        Self { shared }
    }
}

/// A verification in progress.
struct Verification<P> {
    engine: Engine,
    report: VerifyReport,
    progress: P,
    done: u64,
    of: Option<u64>,
}

impl<P: FnMut(Progress)> Verification<P> {
    async fn check_collection(&mut self, collection: &'static Collection) -> Result<(), Error> {
        let indexes = || collection.indexes.iter().filter(|index| index.kind == IndexKind::Ordered);
        let mut expected: Vec<Buckets> = indexes().map(|_| Buckets::default()).collect();
        let mut scan = CollectionScan::by_id(collection);
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
    async fn next_page(&mut self, scan: &mut CollectionScan) -> Result<Option<Vec<Row>>, Error> {
        while let Some(query) = scan.query() {
            match self.engine.store().query_with(query, Freshness::Session).await {
                Ok(page) => return Ok(Some(scan.take(page))),
                Err(store::StoreError::Corrupt { at, why }) => {
                    scan.skip(&at);
                    self.report_unreadable(at, why);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// The next page of a query. A document that cannot be read is a finding, and ends it.
    async fn next_rows(&mut self, pages: &mut QueryPages) -> Result<Option<Vec<Row>>, Error> {
        let Some(query) = pages.query.take() else { return Ok(None) };
        match self.engine.store().query_with(&query, Freshness::Session).await {
            Ok(page) => {
                pages.query = page.next.map(|cursor| query.after(Some(cursor)));
                Ok(Some(page.items))
            }
            Err(store::StoreError::Corrupt { at, why }) => {
                pages.complete = false;
                self.report_unreadable(at, why);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Adds a finding for a document that cannot be read, only once although every scan meets it.
    fn report_unreadable(&mut self, at: String, why: String) {
        let finding = Finding::damage(at, why);
        if !self.report.findings.contains(&finding) {
            self.report.add(finding);
        }
    }

    /// Reports progress: the number of documents checked since the last report.
    async fn advance(&mut self, documents: usize) {
        self.done += documents as u64;
        (self.progress)(Progress { phase: Phase::Verify, done: self.done, of: self.of });
        self.engine.yield_now().await;
    }

    /// The documents under `keys`; `None`: one of them cannot be read, which the scan of its collection reports.
    async fn get(&self, keys: &[Key]) -> Result<Option<Vec<Option<StoredDocument>>>, Error> {
        match self.engine.store().get_with(keys, Freshness::Session).await {
            Ok(found) => Ok(Some(found)),
            Err(store::StoreError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// `keys` without the rows that a large commit has staged, whether it is in progress or was interrupted.
    async fn without_staged(&mut self, keys: Vec<Key>) -> Result<Vec<Key>, Error> {
        let mut left: Vec<(String, Key)> = keys.into_iter().map(|key| (key.to_string(), key)).collect();
        let mut pages = QueryPages::of(Query::of(&STAGED_ROWS).limit(PAGE));
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

impl<P: FnMut(Progress)> Verification<P> {
    pub(super) async fn check_documents(&mut self, collection: &'static Collection, rows: &[Row]) -> Result<(), Error> {
        for row in rows.iter().filter(|row| find_problem(collection, &row.id, &row.stored).is_some()) {
            let key = Key::new(collection, &row.id);
            let Some(found) = self.get(std::slice::from_ref(&key)).await? else { continue };
            let stored = found.into_iter().next().flatten();
            if let Some(why) = stored.and_then(|stored| find_problem(collection, &row.id, &stored)) {
                self.report.add(Finding::damage(key.to_string(), why));
            }
        }
        Ok(())
    }
}

/// The first problem of a document, judged by itself.
fn find_problem(collection: &Collection, id: &str, stored: &StoredDocument) -> Option<String> {
    let known = collection.version;
    if !(1..=known).contains(&stored.version) {
        return Some(format!(
            "it has schema version {}; this version of runstate supports 1 to {known}",
            stored.version
        ));
    }
    if let Err(violation) = schema::check(collection, &stored.document) {
        return Some(violation.to_string());
    }
    let declares_id = collection.fields.iter().any(|field| field.name == "id" && field.kind == Kind::Id);
    let own = stored.document.get("id").and_then(Json::as_str);
    if declares_id && own != Some(id) {
        return Some(format!("its field `id` is `{}`", own.unwrap_or_default()));
    }
    if collection.name == COMMANDS.name {
        let fingerprint = stored.document.get("fingerprint").and_then(Json::as_str).unwrap_or_default();
        return match CommandId::parse_stored(id) {
            Err(why) => Some(format!("its id is not a valid command id: {why}")),
            Ok(_) => fingerprint.is_empty().then(|| "it has no fingerprint".to_owned()),
        };
    }
    None
}
