//! The store on MongoDB as a [`Store`]: each method in terms of reading, asking and committing, within its time.

use std::sync::atomic::Ordering;

use super::Mongo;
use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::{Aggregate, Catalog, Key, Query};
use crate::store::{
    Batch, Capabilities, Changes, Error, Fact, Outcome, Page, Position, Receipt, Report, Store, Stored,
};
use crate::time::{Millis, Timestamp};
use crate::value::Document;

impl Store for Mongo {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn health(&self) -> Option<Error> {
        self.declarations().illness.clone()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.usable()?;
            self.do_migrate(catalog).await
        })
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.usable()?;
            self.within("reading the declared versions", self.do_declare(catalog)).await
        })
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        Box::pin(async move {
            self.usable()?;
            self.read(keys).await
        })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move {
            self.usable()?;
            self.ask_query(query).await
        })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        Box::pin(async move {
            self.usable()?;
            self.within(&format!("counting in {}", aggregate.collection), self.ask_aggregate(aggregate)).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        Box::pin(async move {
            let under_way = self.under_way.read_arc().await;
            self.writable()?;
            let (store, command) = (self.clone(), batch.command.clone());
            // In a task of its own: a caller who goes away leaves no transaction open, which others would meet until the server ends it.
            let committing = tokio::spawn(async move {
                let _under_way = under_way;
                store.do_commit(&batch).await
            });
            committing.await.unwrap_or_else(|gone| Err(Error::Unknown { command, why: gone.to_string() }))
        })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        Box::pin(async move {
            self.usable()?;
            self.ask_outcome(command).await
        })
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        Box::pin(async move {
            self.usable()?;
            self.ask_changes(from, limit, wait).await
        })
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        Box::pin(async move {
            self.writable()?;
            self.within(&format!("sweeping {collection}"), self.do_sweep(collection, now, limit)).await
        })
    }

    fn facts(&self) -> BoxFuture<'_, Result<Vec<Fact>, Error>> {
        Box::pin(async move {
            self.usable()?;
            self.within("looking at the server", self.ask_facts()).await
        })
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<Report, Error>> {
        Box::pin(async move {
            self.usable()?;
            self.within("looking at the indexes", self.do_inspect(catalog)).await
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            if !self.closed.swap(true, Ordering::AcqRel) {
                self.end().await;
            }
            Ok(())
        })
    }
}

/// Batches are smaller than elsewhere: a transaction holds the server's locks and its memory.
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
