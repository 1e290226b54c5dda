//! Reads of a verification. Entities are inspected several at once, and the reads by key that they request at the same
//! time are one read of the store. So a store on a server is asked once for many entities.
//!
//! A verification passes one linearizable read when it begins. All its other reads are session reads, which are no
//! older than that one. Each is of one moment, so documents that agree with each other are never a finding.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use event_listener::Event;
use runstate_core::schema::{Key, Query};
use runstate_store::layer;
use runstate_store::{Freshness, Page, Row, Store, StoreError, StoreFuture, StoredDocument};
use runstate_value::memory_bytes;

/// A store with grouped reads.
pub(super) struct GroupedReads {
    store: Arc<dyn Store>,
    /// The requests that were not answered yet. A call that is dropped while it reads for others leaves them here.
    waiting: Mutex<Vec<Arc<ReadRequest>>>,
    /// Whether a call reads for all that wait. A fair lock would let one call after the other read, each for itself.
    is_reading: AtomicBool,
    /// A call has stopped reading for others.
    turn_ended: Event,
    /// Bytes of all documents that were read by key.
    bytes: AtomicU64,
}

/// The documents under the keys of a request, in their order.
type Documents = Vec<Option<StoredDocument>>;

/// The turn of a call to read for others. It also ends when the call is dropped.
struct Turn<'a>(&'a GroupedReads);

impl<'a> Turn<'a> {
    /// `None`: another call reads.
    fn begin(reads: &'a GroupedReads) -> Option<Self> {
        (!reads.is_reading.swap(true, Ordering::AcqRel)).then(|| Self(reads))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.is_reading.store(false, Ordering::Release);
        self.0.turn_ended.notify(usize::MAX);
    }
}

struct ReadRequest {
    keys: Vec<Key>,
    answer: Mutex<Option<Result<Documents, StoreError>>>,
}

impl GroupedReads {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            waiting: Mutex::default(),
            is_reading: AtomicBool::new(false),
            turn_ended: Event::new(),
            bytes: AtomicU64::new(0),
        }
    }

    /// Bytes of all documents that were read by key so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    async fn read(&self, keys: &[Key]) -> Result<Documents, StoreError> {
        let request = Arc::new(ReadRequest { keys: keys.to_vec(), answer: Mutex::default() });
        lock(&self.waiting).push(request.clone());
        loop {
            // The listener comes first: a turn that ends from here on wakes this call.
            let turn_ended = self.turn_ended.listen();
            if let Some(answer) = lock(&request.answer).take() {
                return answer;
            }
            let Some(_turn) = Turn::begin(self) else {
                turn_ended.await;
                continue;
            };
            // The others that are polled with this call make their requests first.
            let mut others_were_polled = false;
            poll_fn(|context| match std::mem::replace(&mut others_were_polled, true) {
                true => Poll::Ready(()),
                false => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            })
            .await;
            let group = lock(&self.waiting).clone();
            self.answer(&group).await;
            lock(&self.waiting).retain(|request| lock(&request.answer).is_none());
        }
    }

    /// Reads all documents of a group. After an error each request is read alone: a document that cannot be read
    /// concerns only those that request it.
    async fn answer(&self, group: &[Arc<ReadRequest>]) {
        let (mut places, mut keys) = (HashMap::new(), Vec::new());
        for key in group.iter().flat_map(|request| &request.keys) {
            places.entry(key).or_insert_with(|| {
                keys.push(key.clone());
                keys.len() - 1
            });
        }
        match (self.fetch(&keys).await, group) {
            (Err(_), [_, _, ..]) => {
                for request in group {
                    let found = self.fetch(&request.keys).await;
                    *lock(&request.answer) = Some(found);
                }
            }
            (found, _) => {
                let find = |key| places.get(key).and_then(|place| found.as_ref().ok()?.get(*place)?.clone());
                for request in group {
                    let documents = request.keys.iter().map(find).collect();
                    *lock(&request.answer) = Some(found.as_ref().map(|_| documents).map_err(StoreError::clone));
                }
            }
        }
    }

    async fn fetch(&self, keys: &[Key]) -> Result<Documents, StoreError> {
        let found = self.store.get(keys, Freshness::Session).await?;
        let bytes = found.iter().flatten().map(|stored| memory_bytes(&stored.document)).sum();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(found)
    }
}

impl layer::StoreLayer for GroupedReads {
    type Inner = dyn Store;

    fn inner(&self) -> &Self::Inner {
        &*self.store
    }

    fn get<'a>(&'a self, keys: &'a [Key], _: Freshness) -> StoreFuture<'a, Documents> {
        Box::pin(self.read(keys))
    }

    fn query<'a>(&'a self, query: &'a Query, _: Freshness) -> StoreFuture<'a, Page<Row>> {
        Store::query(&*self.store, query, Freshness::Session)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
