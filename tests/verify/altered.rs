//! A store in memory whose answers are altered, and to which others write while it is read.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::{Aggregate, Catalog, Key, Query};
use runstate::store::{Batch, Capabilities, Changes, Error, Memory, Outcome, Page, Position, Receipt, Store, Stored};
use runstate::time::{Millis, Timestamp};
use runstate::value::Document;

type Edit = fn(&mut Document);

pub struct Altered {
    inner: Arc<Memory>,
    alter: fn(&Query, &mut Page),
    edits: Mutex<BTreeMap<String, Edit>>,
    others: Mutex<Option<Box<dyn Fn() + Send>>>,
    begun: AtomicBool,
}

/// The output of a future of a store in memory, which is ready at once.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is not ready"),
    }
}

impl Altered {
    pub fn new(alter: fn(&Query, &mut Page)) -> Self {
        let (edits, others, begun) = Default::default();
        Self { inner: Arc::new(Memory::new()), alter, edits, others, begun }
    }

    pub fn inner(&self) -> Arc<dyn Store> {
        self.inner.clone()
    }

    /// From now on answers are altered, and others write.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// From now on the document `collection/id` is read so.
    pub fn edit(&self, at: &str, edit: Edit) {
        self.edits.lock().unwrap().insert(at.to_owned(), edit);
    }

    /// Called before each page that is read.
    pub fn meanwhile(&self, others: Box<dyn Fn() + Send>) {
        *self.others.lock().unwrap() = Some(others);
    }

    fn edited(&self, at: &str, stored: &mut Stored) {
        if let Some(edit) = self.edits.lock().unwrap().get(at) {
            edit(Arc::make_mut(&mut stored.document));
        }
    }

    fn page(&self, query: &Query) -> Result<Page, Error> {
        let begun = self.begun.load(Ordering::Relaxed);
        if begun && let Some(others) = &*self.others.lock().unwrap() {
            others();
        }
        let mut page = now(self.inner.query(query))?;
        for row in &mut page.rows {
            self.edited(&format!("{}/{}", query.collection, row.id), &mut row.stored);
        }
        if begun {
            (self.alter)(query, &mut page);
        }
        Ok(page)
    }
}

impl Store for Altered {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        self.inner.migrate(catalog)
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        Box::pin(async move {
            let mut found = self.inner.get(keys).await?;
            for (key, stored) in keys.iter().zip(&mut found) {
                stored.iter_mut().for_each(|stored| self.edited(&key.to_string(), stored));
            }
            Ok(found)
        })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move { self.page(query) })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        self.inner.aggregate(aggregate)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        self.inner.commit(batch)
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        self.inner.outcome(command)
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        self.inner.changes(from, limit, wait)
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        self.inner.sweep(collection, now, limit)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.close()
    }
}
