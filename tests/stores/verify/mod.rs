//! `verify` through the library: it finds each kind of damage on each store, and concurrent writes are not findings. A
//! store in memory has altered results, and other writers while it is read.

mod damage;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use runstate::client::Cvm;
use runstate::domain::cvm::Start;
use runstate::marker::BoxFuture;
use runstate::schema::{Key, Query};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::layer;
use runstate::store::{Freshness, Memory, Page, Row, Store, StoreError, StoredDocument, VerifyReport};
use runstate::value::Document;

use crate::support::poll::poll_ready;
use damage::{engine, fill_store, verify_all_domains as verify_store};

fn finding_lines(report: &VerifyReport) -> Vec<String> {
    report.findings.iter().map(|finding| format!("{}: {}", finding.at, finding.why)).collect()
}

#[tokio::test]
async fn an_intact_store_in_memory_has_no_findings() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    fill_store(store.clone()).await;
    let report = verify_store(store).await;
    assert_eq!(finding_lines(&report), [""; 0]);
    assert!(report.documents > 30 && report.entries > 50, "{report:?}");
}

#[tokio::test]
async fn an_intact_store_on_files_has_no_findings() {
    let folder = tempfile::tempdir().unwrap();
    let open =
        async || Arc::new(FileStore::open(folder.path().join("store"), FileStoreOptions::default()).await.unwrap());
    fill_store(open().await).await;
    let store = open().await;
    store.compact().await.unwrap();
    let report = verify_store(store).await;
    assert_eq!(finding_lines(&report), [""; 0]);
    assert!(report.documents > 30 && report.entries > 50 && report.bytes > 0, "{report:?}");
}

#[tokio::test]
async fn a_store_of_an_older_version_has_no_findings() {
    for fixture in ["files-1", "files-1-failed", "files-1-snapshot"] {
        let folder = tempfile::tempdir().unwrap();
        let from = format!("{}/tests/fixtures/{fixture}", env!("CARGO_MANIFEST_DIR"));
        copy_folder(from.as_ref(), folder.path());
        let store = FileStore::open(folder.path(), FileStoreOptions::default()).await.unwrap();
        let report = verify_store(Arc::new(store)).await;
        assert_eq!(finding_lines(&report), [""; 0], "{fixture}");
        assert!(report.documents > 5, "{fixture}: {report:?}");
    }
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[tokio::test]
async fn each_damage_is_found_in_memory() {
    damage::expect_each_damage_found(async || Arc::new(Memory::new()) as Arc<dyn Store>).await;
}

#[tokio::test]
async fn each_damage_is_found_on_files() {
    let folder = tempfile::tempdir().unwrap();
    let stores = AtomicU32::new(0);
    damage::expect_each_damage_found(async || {
        let path = folder.path().join(stores.fetch_add(1, Ordering::Relaxed).to_string());
        Arc::new(FileStore::open(path, FileStoreOptions::default()).await.unwrap()) as Arc<dyn Store>
    })
    .await;
}

/// The findings in a store with altered query results.
async fn findings_where(alter: fn(&Query, &mut Page<Row>)) -> Vec<String> {
    let store = Arc::new(AlteredStore::new(alter));
    fill_store(store.clone()).await;
    store.start_altering();
    finding_lines(&verify_store(store).await)
}

#[tokio::test]
async fn a_missing_index_entry_is_found() {
    let findings = findings_where(|query, page| {
        if query.collection == "cvm.executions" && query.sort.iter().any(|sort| sort.field == "completed") {
            page.items.retain(|row| &*row.id != "done");
        }
    });
    assert_eq!(findings.await, ["cvm.executions/done: index `completed` has no entry of it"]);
}

#[tokio::test]
async fn a_repeated_index_entry_is_found() {
    let findings = findings_where(|query, page| {
        if query.collection == "cvm.programs" && query.sort.iter().any(|sort| sort.field == "name") {
            let first = page.items.first().cloned();
            page.items.extend(first);
        }
    })
    .await;
    assert!(findings.iter().any(|finding| finding.contains("index `name` is out of order")), "{findings:?}");
    assert!(
        findings.iter().any(|finding| finding.contains("index `name` has an entry of it that does not match")),
        "{findings:?}"
    );
}

#[tokio::test]
async fn an_index_out_of_order_is_found() {
    let findings = findings_where(|query, page| {
        if query.collection == "cvm.executions" && query.sort.iter().any(|sort| sort.field == "state.status") {
            page.items.reverse();
        }
    })
    .await;
    assert!(findings.iter().all(|finding| finding.contains("index `state.status` is out of order")), "{findings:?}");
    assert!(!findings.is_empty());
}

#[tokio::test]
async fn a_missing_element_of_an_index_is_found() {
    let findings = findings_where(|query, page| {
        if query.collection == "cvm.programs" && format!("{:?}", query.filter).contains("Contains") {
            page.items.clear();
        }
    });
    assert!(findings.await.iter().any(|finding| finding.contains("index `tags` has no entry of it")));
}

#[tokio::test]
async fn a_broken_row_of_the_ledger_is_found() {
    let store = Arc::new(AlteredStore::new(|_, _| {}));
    fill_store(store.clone()).await;
    store.edit("runstate.commands/start-done", |document| drop(document.shift_remove("fingerprint")));
    let findings = finding_lines(&verify_store(store.clone()).await);
    assert_eq!(findings, ["runstate.commands/start-done: fingerprint: is missing"]);
}

#[tokio::test]
async fn a_document_under_another_id_is_found() {
    let store = Arc::new(AlteredStore::new(|_, _| {}));
    fill_store(store.clone()).await;
    store.edit("cvm.executions/done", |document| drop(document.insert("id".to_owned(), "other".into())));
    let findings = finding_lines(&verify_store(store.clone()).await);
    assert!(findings.contains(&"cvm.executions/done: its field `id` is `other`".to_owned()), "{findings:?}");
}

#[tokio::test]
async fn concurrent_writes_are_not_findings() {
    let store = Arc::new(AlteredStore::new(|_, _| {}));
    fill_store(store.clone()).await;
    let cvm = Cvm::new(&engine(store.inner()).await);
    let steps = AtomicU32::new(0);
    store.on_read(Box::new(move || {
        let step = steps.fetch_add(1, Ordering::Relaxed);
        let name = format!("meanwhile-{}", step / 3);
        match step % 3 {
            0 => drop(poll_ready(cvm.start(&Start::new("asks").id(&name))).unwrap()),
            1 => drop(poll_ready(cvm.answer(&name, "x")).unwrap()),
            _ => {
                poll_ready(cvm.cancel(&name)).unwrap();
                poll_ready(cvm.delete(&name)).unwrap();
            }
        }
    }));
    store.start_altering();
    assert_eq!(finding_lines(&verify_store(store).await), [""; 0]);
}

type DocumentEdit = fn(&mut Document);

struct AlteredStore {
    inner: Arc<Memory>,
    alter: fn(&Query, &mut Page<Row>),
    edits: Mutex<BTreeMap<String, DocumentEdit>>,
    writers: Mutex<Option<Box<dyn Fn() + Send>>>,
    is_altering: AtomicBool,
}

impl AlteredStore {
    fn new(alter: fn(&Query, &mut Page<Row>)) -> Self {
        let (edits, writers, is_altering) = Default::default();
        Self { inner: Arc::new(Memory::new()), alter, edits, writers, is_altering }
    }

    fn inner(&self) -> Arc<dyn Store> {
        self.inner.clone()
    }

    /// From here, results are altered and other writers are active.
    fn start_altering(&self) {
        self.is_altering.store(true, Ordering::Relaxed);
    }

    /// From here, reads of the document `collection/id` are altered by `edit`.
    fn edit(&self, at: &str, edit: DocumentEdit) {
        self.edits.lock().unwrap().insert(at.to_owned(), edit);
    }

    /// Sets the function that runs before each page is read.
    fn on_read(&self, writers: Box<dyn Fn() + Send>) {
        *self.writers.lock().unwrap() = Some(writers);
    }

    fn apply_edit(&self, at: &str, stored: &mut StoredDocument) {
        if let Some(edit) = self.edits.lock().unwrap().get(at) {
            edit(Arc::make_mut(&mut stored.document));
        }
    }

    fn read_page(&self, query: &Query) -> Result<Page<Row>, StoreError> {
        let is_altering = self.is_altering.load(Ordering::Relaxed);
        if is_altering && let Some(write) = &*self.writers.lock().unwrap() {
            write();
        }
        let mut page = poll_ready(self.inner.query(query, Freshness::Linearizable))?;
        for row in &mut page.items {
            self.apply_edit(&format!("{}/{}", query.collection, row.id), &mut row.stored);
        }
        if is_altering {
            (self.alter)(query, &mut page);
        }
        Ok(page)
    }
}

impl layer::StoreLayer for AlteredStore {
    type Inner = Memory;

    fn inner(&self) -> &Self::Inner {
        &self.inner
    }

    fn get<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        Box::pin(async move {
            let mut found = Store::get(&*self.inner, keys, freshness).await?;
            for (key, stored) in keys.iter().zip(&mut found) {
                stored.iter_mut().for_each(|stored| self.apply_edit(&key.to_string(), stored));
            }
            Ok(found)
        })
    }

    fn query<'a>(&'a self, query: &'a Query, _: Freshness) -> BoxFuture<'a, Result<Page<Row>, StoreError>> {
        Box::pin(async move { self.read_page(query) })
    }
}
