//! A store whose commits are in its backup before they return.

use std::sync::Arc;

use runstate_core::id::CommandId;
use runstate_core::marker::BoxFuture;
use runstate_engine::Error;
use runstate_store::layer;
use runstate_store::{Batch, Outcome, Receipt, Store, StoreError};
use runstate_value::time::Millis;

use super::Backup;

/// A store that acknowledges a commit to some collections only when its backup has it: nothing of them is lost with the
/// store.
///
/// Commits to other collections do not wait; [`Backup::catch_up`] writes them. If the backup fails, the outcome of a
/// commit is unknown, and can be asked for until the backup has it.
pub struct BackedUpStore {
    store: Arc<dyn Store>,
    backup: Arc<Backup>,
    collections: Vec<String>,
}

impl BackedUpStore {
    /// Wraps `store`, which is the store of `backup`. `collections` are those whose commits wait.
    pub fn new(store: Arc<dyn Store>, backup: Arc<Backup>, collections: &[&str]) -> Self {
        Self { store, backup, collections: collections.iter().map(|name| (*name).to_owned()).collect() }
    }

    async fn back_up(&self) -> Result<(), Error> {
        self.backup.catch_up(Millis(0), |_| {}).await.map(drop)
    }
}

impl layer::StoreLayer for BackedUpStore {
    type Inner = dyn Store;

    fn inner(&self) -> &Self::Inner {
        &*self.store
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        Box::pin(async move {
            let waits =
                batch.writes.iter().any(|write| self.collections.iter().any(|name| *name == *write.key.collection));
            let command = batch.command.clone();
            let receipt = (*self.store).commit(batch).await?;
            if waits {
                let unknown = |error: Error| StoreError::UnknownOutcome {
                    command,
                    why: format!("the commit was made, and the backup does not have it yet: {error}"),
                };
                self.back_up().await.map_err(unknown)?;
            }
            Ok(receipt)
        })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        Box::pin(async move {
            let outcome = (*self.store).outcome(command).await?;
            if matches!(outcome, Outcome::Committed { .. }) {
                let unavailable =
                    |error: Error| StoreError::Unavailable { what: "the backup".to_owned(), why: error.to_string() };
                self.back_up().await.map_err(unavailable)?;
            }
            Ok(outcome)
        })
    }
}
