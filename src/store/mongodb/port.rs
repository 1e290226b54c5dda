//! Implements [`Store`]. Each method checks that the store is open, and calls the operation with the time limit of one call.

use std::sync::atomic::Ordering;

use super::Mongo;
use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::{Aggregate, Catalog, Key, Query};
use crate::store::{
    Batch, Capabilities, Changes, Outcome, Page, Position, Receipt, Store, StoreError, StoreProperty, StoredDocument,
    VerifyReport,
};
use crate::time::{Millis, Timestamp};
use crate::value::Document;

impl Store for Mongo {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn read_only_reason(&self) -> Option<StoreError> {
        self.declarations().read_only_reason.clone()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.check_open()?;
            self.do_migrate(catalog).await
        })
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.check_open()?;
            self.with_timeout("reading the declared versions", self.do_declare(catalog)).await
        })
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        Box::pin(async move {
            self.check_open()?;
            self.read(keys).await
        })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            self.check_open()?;
            self.run_query(query).await
        })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        Box::pin(async move {
            self.check_open()?;
            self.with_timeout(&format!("counting in {}", aggregate.collection), self.run_aggregate(aggregate)).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        Box::pin(async move {
            let in_flight = self.in_flight.read_arc().await;
            self.check_writable()?;
            let (store, command) = (self.clone(), batch.command.clone());
            // A task of its own: if the caller drops the future, the transaction still ends. Otherwise it would block others until the server
            // aborts it.
            let committing = tokio::spawn(async move {
                let _under_way = in_flight;
                store.do_commit(&batch).await
            });
            committing.await.unwrap_or_else(|gone| Err(StoreError::UnknownOutcome { command, why: gone.to_string() }))
        })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        Box::pin(async move {
            self.check_open()?;
            self.read_outcome(command).await
        })
    }

    fn changes(
        &self,
        from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> BoxFuture<'_, Result<Changes, StoreError>> {
        Box::pin(async move {
            self.check_open()?;
            self.read_changes(from, limit, wait).await
        })
    }

    fn sweep<'a>(
        &'a self,
        collection: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(async move {
            self.check_writable()?;
            self.with_timeout(&format!("sweeping {collection}"), self.do_sweep(collection, now, limit)).await
        })
    }

    fn properties(&self) -> BoxFuture<'_, Result<Vec<StoreProperty>, StoreError>> {
        Box::pin(async move {
            self.check_open()?;
            self.with_timeout("reading the properties of the server", self.read_properties()).await
        })
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<VerifyReport, StoreError>> {
        Box::pin(async move {
            self.check_open()?;
            self.with_timeout("inspecting the indexes", self.do_inspect(catalog)).await
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            if !self.closed.swap(true, Ordering::AcqRel) {
                self.shut_down().await;
            }
            Ok(())
        })
    }
}

/// Batches are smaller than in other stores, since a transaction holds locks and memory of the server.
pub(super) const CAPABILITIES: Capabilities = Capabilities {
    name: "mongodb",
    durable: true,
    shared: true,
    native_ttl: true,
    aggregate: true,
    change_feed: true,
    text: true,
    document_bytes: crate::limits::DOCUMENT_BYTES,
    batch_bytes: 2 * crate::limits::DOCUMENT_BYTES,
    batch_writes: 10_000,
};
