//! A store layer with smaller limits, for tests of callers of the port, whose large turns then become several batches.

use runstate_value::json_bytes;

use crate::layer::StoreLayer;
use crate::{Batch, BatchLimits, Capabilities, Receipt, Store, StoreError, StoreFuture, Write};

/// A store with smaller limits.
///
/// ```
/// use runstate::store::{BatchLimits, Memory, Store};
/// use runstate::testing::LimitedStore;
/// let store = LimitedStore::new(Memory::new(), BatchLimits { batch_bytes: 64 * 1024, ..BatchLimits::default() });
/// assert_eq!(store.capabilities().batch_bytes, 64 * 1024);
/// ```
#[derive(Debug)]
pub struct LimitedStore<S> {
    inner: S,
    limits: BatchLimits,
}

impl<S> LimitedStore<S> {
    /// Wraps `inner` with `limits`. Its own limits still apply.
    pub fn new(inner: S, limits: BatchLimits) -> Self {
        Self { inner, limits }
    }

    /// Returns the wrapped store.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Rejects a batch that exceeds the limits.
    fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        let too_large = |what: String, size: String, limit: usize| Err(StoreError::TooLarge { what, size, limit });
        let what = || format!("the batch of command `{}`", batch.command);
        let writes = batch.writes.len() + batch.checks.len();
        if writes > self.limits.batch_writes {
            return too_large(what(), format!("{writes} writes and checks"), self.limits.batch_writes);
        }
        let bytes = batch.bytes();
        if bytes > self.limits.batch_bytes {
            return too_large(what(), format!("{bytes} bytes"), self.limits.batch_bytes);
        }
        let document = |write: &Write| write.op.document_after().map_or(0, |document| json_bytes(&**document));
        match batch.writes.iter().find(|write| document(write) > self.limits.document_bytes) {
            Some(write) => {
                too_large(write.key.to_string(), format!("{} bytes", document(write)), self.limits.document_bytes)
            }
            None => Ok(()),
        }
    }
}

impl<S: Store> StoreLayer for LimitedStore<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.inner
    }

    fn capabilities(&self) -> Capabilities {
        let inner = self.inner.capabilities();
        Capabilities {
            document_bytes: inner.document_bytes.min(self.limits.document_bytes),
            batch_bytes: inner.batch_bytes.min(self.limits.batch_bytes),
            batch_writes: inner.batch_writes.min(self.limits.batch_writes),
            ..inner
        }
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Receipt> {
        match self.check(&batch) {
            Ok(()) => self.inner.commit(batch),
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }
}
