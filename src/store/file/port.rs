//! The file store as a [`Store`]: each method in terms of reading the current state and writing a commit.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use super::commit_file::Entry;
use super::fs::Fs;
use super::log::{Log, version_key};
use super::{FileStore, Next, Proposal, Step, Written};
use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::{Aggregate, Catalog, Key, Query};
use crate::store::tables::{Logged, LoggedOp, Planned};
use crate::store::{Batch, Capabilities, Changes, Error, Limits, Outcome, Page, Position, Receipt, Store, Stored};
use crate::time::{Millis, Timestamp};
use crate::value::{Document, Json};

/// How long is waited before the folder is looked at for commits of others: at first, and at most.
const POLL: (i64, i64) = (25, 250);

impl<F: Fs> Store for FileStore<F> {
    fn capabilities(&self) -> Capabilities {
        let Limits { document_bytes, batch_bytes, batch_writes } = Limits::default();
        Capabilities {
            name: "file",
            durable: true,
            shared: true,
            native_ttl: false,
            aggregate: true,
            change_feed: true,
            text: true,
            document_bytes,
            batch_bytes,
            batch_writes,
        }
    }

    fn health(&self) -> Option<Error> {
        self.log().illness().cloned()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.usable()?;
            {
                let _turn = self.turn.lock().await;
                self.refresh(Next::Reply).await?;
                self.log_mut().declare(catalog)?;
            }
            // An older program is told that it may only read, before anything of it is written.
            if let Some(newer) = self.log().newer.clone() {
                return Err(newer);
            }
            self.write(|log| versions(log, catalog)).await?;
            self.log().newer.clone().map_or(Ok(()), Err)
        })
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        Box::pin(async move { self.current(|log| keys.iter().map(|key| log.tables.get(key)).collect()).await? })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move { self.current(|log| log.tables.query(query)).await? })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        Box::pin(async move { self.current(|log| log.tables.aggregate(aggregate)).await? })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        Box::pin(async move {
            let written = self
                .write(|log| match log.tables.plan(&batch)? {
                    Planned::Replay(result) => {
                        Ok(Step::Reply(Receipt { position: log.feed.end(), result, replayed: true }))
                    }
                    Planned::Commit(commit) => {
                        let entry = Entry::of_batch(&batch, &commit);
                        Ok(Step::Put(Box::new(Proposal { at: batch.at, entry, planned: Some(commit) })))
                    }
                })
                .await?;
            Ok(match written {
                Written::Reply(receipt) => receipt,
                Written::Put(position, _) => Receipt { position, result: batch.result, replayed: false },
            })
        })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        Box::pin(async move { self.current(|log| log.tables.outcome(command)).await? })
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        Box::pin(async move {
            let from = match from {
                Some(from) => from,
                None => self.current(|log| log.feed.end()).await?,
            };
            let (mut waited, mut span) = (0, POLL.0);
            loop {
                // Listening begins before looking, so that nothing falls between the two.
                let mut listener = pin!(self.changed.listen());
                let found = self.current(|log| log.feed.after(&from, limit)).await??;
                if !found.events.is_empty() || limit == 0 || waited >= wait.0 {
                    return Ok(found);
                }
                let pause = span.min(wait.0 - waited);
                let mut paused = self.fs.pause(Millis(pause));
                let own = std::future::poll_fn(|cx| match listener.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(true),
                    Poll::Pending => paused.as_mut().poll(cx).map(|()| false),
                });
                // A commit of our own ends the pause early; it may still be none of ours to tell, so count it as waited.
                own.await;
                waited += pause;
                span = (span * 2).min(POLL.1);
            }
        })
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        Box::pin(async move {
            let written = self
                .write(|log| {
                    let commit = log.tables.plan_sweep(collection, now, limit)?;
                    let entry = Entry::of_sweep(&commit);
                    if commit.changes.is_empty() {
                        return Ok(Step::Reply(()));
                    }
                    Ok(Step::Put(Box::new(Proposal { at: now, entry, planned: Some(commit) })))
                })
                .await?;
            Ok(match written {
                Written::Reply(()) => 0,
                Written::Put(_, entry) => entry.logged.ops.len(),
            })
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.closed.store(true, Ordering::Release);
            self.changed.notify(usize::MAX);
            // What is under way ends first; nothing is kept back that would have to be flushed.
            drop(self.turn.lock().await);
            Ok(())
        })
    }
}

/// What must be written so that the store knows the versions of `catalog`'s collections.
fn versions(log: &Log, catalog: &Catalog) -> Result<Step<()>, Error> {
    let command = CommandId::new("runstate.migrate")
        .map_err(|e| Error::Unavailable { what: "migrating the store".to_owned(), why: e.to_string() })?;
    let (mut ops, mut outcomes) = (Vec::new(), Vec::new());
    for collection in catalog.iter() {
        if log.stored_version(collection.name)? >= u64::from(collection.version) {
            continue;
        }
        let document = Document::from_iter([("version".to_owned(), Json::from(collection.version))]);
        let (key, op) = (version_key(collection.name), LoggedOp::Put { version: 1, document: Arc::new(document) });
        let after = op.over(&key, log.tables.get(&key)?.as_ref(), &command).flatten();
        outcomes.push(after.map(|stored| (stored.revision, stored.version)));
        ops.push((key, op));
    }
    let entry = Entry { logged: Logged { command, entry: None, ops }, outcomes };
    if entry.outcomes.is_empty() {
        return Ok(Step::Reply(()));
    }
    Ok(Step::Put(Box::new(Proposal { at: Timestamp::default(), entry, planned: None })))
}
