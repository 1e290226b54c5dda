//! `verify`: compares the documents of any store with the declarations, through the [`Store`](runstate_store::Store)
//! interface. It changes nothing, and its memory is bounded whatever the size of the store. Others may write meanwhile:
//! a mismatch is read again before it becomes a finding.
//!
//! | file | comparison |
//! |---|---|
//! | `mod.rs` | each document with the schema of its collection, and each reference with the document that it names |
//! | `index.rs` | the entries of each index with the documents |
//! | `entity.rs` | the document of each entity with its rows |
//!
//! Reads are those of `grouped_reads.rs`.
//!
//! A backend checks its own files, records and definitions first, by
//! [`StoreAdmin::inspect`](runstate_store::StoreAdmin::inspect). A scan of a collection by id continues after a
//! document that cannot be read.

mod entity;
mod grouped_reads;
mod index;

use std::sync::Arc;

use runstate_core::id::CommandId;
use runstate_core::marker::{BoxFuture, MaybeSend};
use runstate_core::schema;
use runstate_core::schema::{Collection, Field, Filter, IndexKind, Key, Kind, Presence, Query, Reference};
use runstate_store as store;
use runstate_store::{COMMANDS, Finding, Freshness, Page, Row, StoredDocument, VerifyReport};
use runstate_value::{Json, get, memory_bytes};

use super::documents::declaration_problem;
use super::encryption::sealed_problem;
use super::ledger::{self, is_declaration_of_ledger};
use super::{DECLARATIONS, Engine, Error, Phase, Progress, STAGED_ROWS, exported_collections};
use grouped_reads::GroupedReads;
use index::Buckets;

/// Documents of the first page of a query, and at once otherwise.
const PAGE: u32 = 64;

/// Bytes of a page: the next one has as many rows as fit, to judge by the page before.
const PAGE_BYTES: u64 = 4 * 1024 * 1024;

/// Most documents in a page, and most rows that are small by declaration. A server reads all rows that have one value
/// of an index for each page of them, so a few large pages cost far less than many small ones.
const MOST_DOCUMENTS: u32 = 256;
const MOST_SMALL_ROWS: u32 = 4_096;

/// Number of reads of a document that others keep writing, after which it is skipped.
const TRIES: usize = 5;

/// Receives progress; every `FnMut(Progress)` does.
trait ProgressListener: MaybeSend {
    fn on_progress(&mut self, progress: Progress);
}

impl<F: FnMut(Progress) + MaybeSend> ProgressListener for F {
    fn on_progress(&mut self, progress: Progress) {
        self(progress);
    }
}

impl Engine {
    /// Checks all that the store holds: its backend, then documents, indexes, references, executions and the ledger.
    ///
    /// The documents of a damaged backend are not checked: each reference to a lost document would be a finding too.
    pub async fn verify(&self, mut progress: impl FnMut(Progress) + MaybeSend) -> Result<VerifyReport, Error> {
        verify(self, &mut progress).await
    }

    /// Checks all documents, and adds the findings to `report`.
    ///
    /// [`ErrorCode::NEWER_VERSION`](runstate_core::error_code::ErrorCode::NEWER_VERSION): a newer version
    /// wrote the store, and its declarations are unknown.
    pub async fn verify_documents(
        &self,
        report: VerifyReport,
        mut progress: impl FnMut(Progress) + MaybeSend,
    ) -> Result<VerifyReport, Error> {
        verify_documents(self, report, &mut progress).await
    }
}

async fn verify(engine: &Engine, progress: &mut dyn ProgressListener) -> Result<VerifyReport, Error> {
    let report = engine.store().inspect(&engine.catalog()).await?;
    if report.is_intact() { verify_documents(engine, report, progress).await } else { Ok(report) }
}

fn verify_documents<'a>(
    engine: &'a Engine,
    report: VerifyReport,
    progress: &'a mut dyn ProgressListener,
) -> BoxFuture<'a, Result<VerifyReport, Error>> {
    Box::pin(async move {
        if let Some(newer @ store::StoreError::NewerVersion { .. }) = engine.store().read_only_reason() {
            return Err(newer.into());
        }
        // Entities are read twice: as documents, and with their rows.
        let mut entities = Some(0);
        for check in engine.registry().checks() {
            entities = entities.zip(engine.count(check.collection).await?).map(|(sum, count)| sum + count);
        }
        let of = engine.count_exported().await?.zip(entities).map(|(documents, entities)| documents + entities);
        let report = VerifyReport { documents: 0, ..report };
        // Reads that follow are no older than this one.
        engine.store().get(&[Key::new(&DECLARATIONS, COMMANDS.name)], Freshness::Linearizable).await?;
        let reads = Arc::new(GroupedReads::new(engine.shared.store.clone()));
        let mut verification =
            Verification { engine: engine.with_store(reads.clone()), reads, report, progress, done: 0, of };
        // Exports carry declarations in another form, so these are not among the exported collections.
        let collections = exported_collections(&engine.catalog());
        for collection in collections.into_iter().chain([&DECLARATIONS as &'static Collection]) {
            verification.check_collection(collection).await?;
        }
        verification.check_entities().await?;
        for name in engine.undeclared_collections().await? {
            let why = "this program does not know the collection, so its documents were not checked: it lacks their domain, or their declaration is damaged";
            verification.report.add(Finding::harmless(name, why));
        }
        Ok(verification.report)
    })
}

struct Verification<'a> {
    engine: Engine,
    /// The store of the engine.
    reads: Arc<GroupedReads>,
    report: VerifyReport,
    progress: &'a mut dyn ProgressListener,
    done: u64,
    of: Option<u64>,
}

impl Verification<'_> {
    /// Checks a collection. Indexes have entries of documents as they are at rest, so one with encrypted values is read
    /// in both forms.
    async fn check_collection(&mut self, collection: &'static Collection) -> Result<(), Error> {
        let sealed = self.engine.collection_at_rest(collection);
        if std::ptr::eq(sealed, collection) {
            return self.check_stored(collection).await;
        }
        let mut scan = CollectionScan::by_id(collection);
        while let Some(rows) = self.next_page(&mut scan).await? {
            self.check_documents(collection, &rows).await?;
        }
        let at_rest = self.engine.at_rest();
        let engine = std::mem::replace(&mut self.engine, at_rest);
        let checked = self.check_stored(sealed).await;
        self.engine = engine;
        checked
    }

    async fn check_stored(&mut self, collection: &'static Collection) -> Result<(), Error> {
        let indexes = || collection.indexes.iter().filter(|index| index.kind == IndexKind::Ordered);
        let mut expected: Vec<Buckets> = indexes().map(|_| Buckets::default()).collect();
        let mut scan = CollectionScan::by_id(collection);
        let mut scanned = 0;
        while let Some(rows) = self.next_page(&mut scan).await? {
            self.check_documents(collection, &rows).await?;
            self.check_references(collection, &rows).await?;
            self.check_elements(collection, &rows, scanned).await?;
            scanned += rows.len();
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
            match self.engine.store().query(query, Freshness::Session).await {
                Ok(page) => return Ok(Some(scan.take(page))),
                Err(store::StoreError::Corrupt { at, why }) => {
                    scan.skip(&at);
                    self.report_once(Finding::damage(at, why));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// The next page of a query. A document that cannot be read is a finding, and ends it.
    async fn next_rows(&mut self, pages: &mut QueryPages) -> Result<Option<Vec<Row>>, Error> {
        let rows = pages.next(&self.engine).await?;
        pages.unreadable.iter().for_each(|unreadable| self.report_once(unreadable.clone()));
        Ok(rows)
    }

    /// Adds a finding for a document that cannot be read, only once although every scan meets it.
    fn report_once(&mut self, finding: Finding) {
        if !self.report.findings.contains(&finding) {
            self.report.add(finding);
        }
    }

    /// Reports progress: the number of documents checked since the last report.
    async fn advance(&mut self, documents: usize) {
        self.done += documents as u64;
        self.progress.on_progress(Progress { phase: Phase::Verify, done: self.done, of: self.of });
        self.engine.yield_now().await;
    }

    /// Checks each document by itself. A document with a problem is read again before it is a finding.
    async fn check_documents(&mut self, collection: &'static Collection, rows: &[Row]) -> Result<(), Error> {
        for row in rows.iter().filter(|row| find_problem(collection, &row.id, &row.stored).is_some()) {
            let key = Key::new(collection, &row.id);
            if let Some(why) = sealed_problem(collection, &row.stored) {
                self.report.add(Finding::key_missing(key.to_string(), why));
                continue;
            }
            let Some(found) = get_documents(&self.engine, std::slice::from_ref(&key)).await? else { continue };
            let stored = found.into_iter().next().flatten();
            if let Some(why) = stored.and_then(|stored| find_problem(collection, &row.id, &stored)) {
                self.report.add(Finding::damage(key.to_string(), why));
            }
        }
        Ok(())
    }

    pub(super) async fn check_references(
        &mut self,
        collection: &'static Collection,
        rows: &[Row],
    ) -> Result<(), Error> {
        for reference in collection.references() {
            let with_target = |row: &Row| Some((target(&reference, &row.stored)?, Key::new(collection, &row.id)));
            let referring: Vec<(Key, Key)> = rows.iter().filter_map(with_target).collect();
            let mut targets: Vec<Key> = Vec::new();
            for (target, _) in &referring {
                if !targets.contains(target) {
                    targets.push(target.clone());
                }
            }
            let Some(found) = get_documents(&self.engine, &targets).await? else { continue };
            let is_missing =
                |target: &Key| targets.iter().zip(&found).any(|(key, found)| key == target && found.is_none());
            let orphans: Vec<Key> =
                referring.into_iter().filter(|(target, _)| is_missing(target)).map(|(_, row)| row).collect();
            if !orphans.is_empty() {
                self.check_orphans(collection, &reference, orphans).await?;
            }
        }
        Ok(())
    }

    /// Reports rows whose target is missing, unless row or target was written meanwhile.
    async fn check_orphans(
        &mut self,
        collection: &Collection,
        reference: &Reference,
        orphans: Vec<Key>,
    ) -> Result<(), Error> {
        // A store into which one execution was imported has the version of the program that it runs, but not the
        // program.
        let catalog = self.engine.catalog();
        let is_not_exported = |target: &Collection| catalog.has_nested_children(target);
        // A document that expires may do so before those that belong to it.
        let expires = |target: &Collection| target.ttl.is_some();
        let may_be_absent = |target: &'static Collection| is_not_exported(target) || expires(target);
        let target_may_be_absent = catalog.get(reference.collection).is_some_and(may_be_absent);
        let required = collection.fields.iter().any(|f| f.name == reference.field && f.presence == Presence::Required);
        let (orphans, unreadable) = without_staged(&self.engine, orphans).await?;
        unreadable.into_iter().for_each(|finding| self.report_once(finding));
        for row in orphans {
            let Some(reread) = get_documents(&self.engine, std::slice::from_ref(&row)).await? else { continue };
            let Some(missing) = reread.into_iter().flatten().find_map(|stored| target(reference, &stored)) else {
                continue;
            };
            // Both in one snapshot: the row may have been removed with its target, or both created again.
            let Some(found) = get_documents(&self.engine, &[row.clone(), missing.clone()]).await? else { continue };
            let [Some(stored), None] = found.as_slice() else { continue };
            if target(reference, stored).is_none_or(|target| target != missing) {
                continue;
            }
            let why = format!("its `{}` names {missing}, which does not exist", reference.field);
            self.report.add(match required && !target_may_be_absent {
                true => Finding::damage(row.to_string(), why),
                false => Finding::harmless(row.to_string(), why),
            });
        }
        Ok(())
    }
}

/// The documents under `keys`; `None`: one of them cannot be read, which the scan of its collection reports.
async fn get_documents(engine: &Engine, keys: &[Key]) -> Result<Option<Vec<Option<StoredDocument>>>, Error> {
    match engine.store().get(keys, Freshness::Session).await {
        Ok(found) => Ok(Some(found)),
        Err(store::StoreError::Corrupt { .. } | store::StoreError::KeyMissing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// `keys` without the rows that a large commit has staged, whether it is in progress or was interrupted; and a record
/// of staged rows that cannot be read.
async fn without_staged(engine: &Engine, keys: Vec<Key>) -> Result<(Vec<Key>, Option<Finding>), Error> {
    let mut unstaged: Vec<(String, Key)> = keys.into_iter().map(|key| (key.to_string(), key)).collect();
    let mut pages = QueryPages::of(Query::of(&STAGED_ROWS).limit(PAGE));
    while let Some(rows) = pages.next(engine).await? {
        for row in rows {
            let keys_in = |field| row.stored.document.get(field).and_then(Json::as_array).into_iter().flatten();
            let is_listed =
                |name: &str| keys_in("staged").chain(keys_in("replaced")).any(|text| text.as_str() == Some(name));
            unstaged.retain(|(name, _)| !is_listed(name));
        }
    }
    Ok((unstaged.into_iter().map(|(_, key)| key).collect(), pages.unreadable))
}

/// The first problem of a document, judged by itself.
fn find_problem(collection: &'static Collection, id: &str, stored: &StoredDocument) -> Option<String> {
    let newest = collection.version;
    if !(1..=newest).contains(&stored.version) {
        return Some(format!(
            "it has schema version {}; this version of runstate supports 1 to {newest}",
            stored.version
        ));
    }
    if let Some(problem) = sealed_problem(collection, stored) {
        return Some(problem);
    }
    if let Err(violation) = schema::check(collection, &stored.document) {
        return Some(violation.to_string());
    }
    let declared_id = collection.fields.iter().find(|field| field.name == "id" && field.kind == Kind::Id);
    let field = stored.document.get("id").and_then(Json::as_str);
    // A document of another program may lack it, if it is declared so.
    let may_lack_it = |declared: &Field| declared.presence == Presence::Optional && field.is_none();
    if declared_id.is_some_and(|declared| field != Some(id) && !may_lack_it(declared)) {
        return Some(format!("its field `id` is `{}`", field.unwrap_or_default()));
    }
    if collection.name == DECLARATIONS.name && is_declaration_of_ledger(id) {
        return ledger::declaration_problem(stored);
    }
    if collection.name == DECLARATIONS.name {
        return declaration_problem(id, &stored.document);
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

/// The document that a reference names, if any.
fn target(reference: &Reference, stored: &StoredDocument) -> Option<Key> {
    let id = get(&stored.document, reference.field).and_then(Json::as_str)?;
    Some(Key { collection: reference.collection.into(), id: id.into() })
}

pub(super) struct CollectionScan {
    collection: &'static Collection,
    /// `None`: the scan has ended.
    query: Option<Query>,
    /// The id of the last document that was read or skipped.
    last: Option<String>,
    /// Ids of documents to skip, the nearest one last.
    skipped_ids: Vec<String>,
    complete: bool,
}

impl CollectionScan {
    pub(super) fn by_id(collection: &'static Collection) -> Self {
        let query = Some(Query::of(collection).limit(PAGE));
        Self { collection, query, last: None, skipped_ids: Vec::new(), complete: true }
    }

    /// Reads only these top-level fields.
    pub(super) fn projected(mut self, fields: Vec<String>) -> Self {
        self.query = self.query.map(|query| Query { projection: fields, ..query });
        self
    }

    /// The query for the next page; `None`: the scan has ended.
    pub(super) fn query(&self) -> Option<&Query> {
        self.query.as_ref()
    }

    /// Whether it has skipped no document so far.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn take(&mut self, page: Page<Row>) -> Vec<Row> {
        if let Some(row) = page.items.last() {
            self.last = Some(row.id.to_string());
        }
        match (page.next, self.skipped_ids.pop()) {
            (Some(cursor), bound) => {
                self.skipped_ids.extend(bound);
                let limit = next_limit(&page.items, MOST_DOCUMENTS);
                self.query = self.query.take().map(|query| query.after(Some(cursor)).limit(limit));
            }
            (None, Some(skipped)) => {
                self.last = Some(skipped);
                self.resume();
            }
            (None, None) => self.query = None,
        }
        page.items
    }

    /// Skips the document `at`, which cannot be read: the documents before it are read first, then those after it. A
    /// collection without the field `id` cannot be scanned further.
    pub(super) fn skip(&mut self, at: &str) {
        self.complete = false;
        let id = at.strip_prefix(self.collection.name).and_then(|rest| rest.strip_prefix('/'));
        let has_id = self.collection.fields.iter().any(|field| field.name == "id" && field.kind == Kind::Id);
        let is_new = |id: &&str| self.skipped_ids.iter().all(|bound| bound != id) && self.last.as_deref() != Some(*id);
        match id.filter(|_| has_id).filter(is_new) {
            Some(id) => {
                self.skipped_ids.push(id.to_owned());
                self.resume();
            }
            None => self.query = None,
        }
    }

    /// Continues from the last document up to the next one that is skipped.
    fn resume(&mut self) {
        let Some(query) = self.query.take() else { return };
        let mut next = Query { filter: Filter::All, cursor: None, ..query };
        let bound = |id: &String| ("id".to_owned(), id.as_str().into());
        if let Some((path, id)) = self.last.as_ref().map(bound) {
            next = next.filter(Filter::Gt(path, id));
        }
        if let Some((path, id)) = self.skipped_ids.last().map(bound) {
            next = next.filter(Filter::Lt(path, id));
        }
        self.query = Some(next);
    }
}

pub(super) struct QueryPages {
    /// `None`: the last page was read, or a page cannot be read.
    query: Option<Query>,
    most: u32,
    /// The finding of a document that cannot be read. It ends the query.
    pub(super) unreadable: Option<Finding>,
}

impl QueryPages {
    pub(super) fn of(query: Query) -> Self {
        Self { query: Some(query), most: MOST_DOCUMENTS, unreadable: None }
    }

    /// Pages of rows that are small by declaration.
    pub(super) fn of_small_rows(query: Query) -> Self {
        Self { most: MOST_SMALL_ROWS, ..Self::of(query) }
    }

    /// The next page; `None`: the query has ended.
    pub(super) async fn next(&mut self, engine: &Engine) -> Result<Option<Vec<Row>>, Error> {
        let Some(query) = self.query.take() else { return Ok(None) };
        match engine.store().query(&query, Freshness::Session).await {
            Ok(page) => {
                let limit = next_limit(&page.items, self.most);
                self.query = page.next.map(|cursor| query.after(Some(cursor)).limit(limit));
                Ok(Some(page.items))
            }
            Err(store::StoreError::Corrupt { at, why }) => {
                self.unreadable = Some(Finding::damage(at, why));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The number of rows in the page after one with these.
fn next_limit(rows: &[Row], most: u32) -> u32 {
    let bytes: u64 = rows.iter().map(|row| memory_bytes(&row.stored.document)).sum();
    let per_row = bytes / (rows.len() as u64).max(1);
    u32::try_from(PAGE_BYTES / per_row.max(1)).unwrap_or(most).clamp(1, most)
}
