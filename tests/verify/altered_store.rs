//! A store in memory with altered results, and with other writers while it is read.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::{Aggregate, Catalog, Key, Query};
use runstate::store::{
    Batch, Capabilities, Changes, Memory, Outcome, Page, Position, Receipt, Store, StoreError, StoredDocument,
};
use runstate::time::{Millis, Timestamp};
use runstate::value::Document;

type DocumentEdit = fn(&mut Document);

pub struct AlteredStore {
    inner: Arc<Memory>,
    alter: fn(&Query, &mut Page),
    edits: Mutex<BTreeMap<String, DocumentEdit>>,
    writers: Mutex<Option<Box<dyn Fn() + Send>>>,
    is_altering: AtomicBool,
}

/// The output of a future of a store in memory, which is ready at once.
pub fn poll_ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is not ready"),
    }
}

impl AlteredStore {
    pub fn new(alter: fn(&Query, &mut Page)) -> Self {
        let (edits, others, begun) = Default::default();
        Self { inner: Arc::new(Memory::new()), alter, edits, writers: others, is_altering: begun }
    }

    pub fn inner(&self) -> Arc<dyn Store> {
        self.inner.clone()
    }

    /// From here, results are altered and other writers are active.
    pub fn start_altering(&self) {
        self.is_altering.store(true, Ordering::Relaxed);
    }

    /// From here, reads of the document `collection/id` are altered by `edit`.
    pub fn edit(&self, at: &str, edit: DocumentEdit) {
        self.edits.lock().unwrap().insert(at.to_owned(), edit);
    }

    /// Sets the function that runs before each page is read.
    pub fn on_read(&self, others: Box<dyn Fn() + Send>) {
        *self.writers.lock().unwrap() = Some(others);
    }

    fn apply_edit(&self, at: &str, stored: &mut StoredDocument) {
        if let Some(edit) = self.edits.lock().unwrap().get(at) {
            edit(Arc::make_mut(&mut stored.document));
        }
    }

    fn page(&self, query: &Query) -> Result<Page, StoreError> {
        let begun = self.is_altering.load(Ordering::Relaxed);
        if begun && let Some(others) = &*self.writers.lock().unwrap() {
            others();
        }
        let mut page = poll_ready(self.inner.query(query))?;
        for row in &mut page.items {
            self.apply_edit(&format!("{}/{}", query.collection, row.id), &mut row.stored);
        }
        if begun {
            (self.alter)(query, &mut page);
        }
        Ok(page)
    }
}

impl Store for AlteredStore {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.migrate(catalog)
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        Box::pin(async move {
            let mut found = self.inner.get(keys).await?;
            for (key, stored) in keys.iter().zip(&mut found) {
                stored.iter_mut().for_each(|stored| self.apply_edit(&key.to_string(), stored));
            }
            Ok(found)
        })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move { self.page(query) })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        self.inner.aggregate(aggregate)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        self.inner.commit(batch)
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        self.inner.outcome(command)
    }

    fn changes(
        &self,
        from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> BoxFuture<'_, Result<Changes, StoreError>> {
        self.inner.changes(from, limit, wait)
    }

    fn sweep<'a>(
        &'a self,
        collection: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        self.inner.sweep(collection, now, limit)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.close()
    }
}
