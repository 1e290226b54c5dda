//! Reading: rule 7. What others committed is applied, and what is in doubt is synced, before anything is told.

use super::fs::Fs;
use super::load::Load;
use super::log::{Followed, Log};
use super::steps::{CatchUp, Dirty, highest_snapshot};
use super::{Inner, Next};
use crate::store::{Error, Freshness, Limits};

impl<F: Fs> Inner<F> {
    /// Damage that is found while reading makes the store read-only, as damage that is found when it is opened does.
    pub(super) fn seen(&self, error: Error) -> Error {
        if matches!(error, Error::Corrupt { .. }) {
            self.log_mut().damage.get_or_insert_with(|| error.clone());
        }
        error
    }

    /// Rule 7: reads the state as it is now, with everything that others committed before this was called.
    pub(super) async fn current<T>(&self, read: impl Fn(&Log) -> Result<T, Error>) -> Result<T, Error> {
        self.fresh(read).await?.map_err(|error| self.seen(error))
    }

    /// As [`Self::current`]; a validated read takes the state as it is known, unless some of it may not be durable yet.
    pub(super) async fn read<T>(
        &self,
        freshness: Freshness,
        read: impl Fn(&Log) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if freshness == Freshness::Validated {
            self.usable()?;
            let log = self.log();
            // A block of a snapshot that another process removed meanwhile may not be readable; the newer snapshot is.
            if log.damage.is_none()
                && log.dirty == Dirty::No
                && let Ok(found) = read(&log)
            {
                return Ok(found);
            }
        }
        self.current(read).await
    }

    async fn fresh<T>(&self, read: impl Fn(&Log) -> T) -> Result<T, Error> {
        self.usable()?;
        let known = {
            let log = self.log();
            (log.damage.is_none() && log.dirty == Dirty::No).then(|| log.head.clone())
        };
        if let Some(head) = known {
            let later = self.fs.run(CatchUp { head, reply: None }).await.map_err(self.io())?.map_err(self.io())?;
            if later.files.is_empty() && later.head_stands {
                let log = self.log();
                // Meanwhile the log can only have moved on; what others added to it may be in doubt.
                if log.dirty == Dirty::No {
                    return Ok(read(&log));
                }
            }
        }
        let turn = self.turn.lock().await;
        self.refresh(Next::Reply).await?;
        let log = self.log();
        drop(turn);
        Ok(read(&log))
    }

    /// Applies what others committed; before a reply also syncs what is in doubt. Tells whether the state moved. Needs the turn.
    pub(super) async fn refresh(&self, next: Next) -> Result<bool, Error> {
        let mut moved = false;
        loop {
            let (head, dirty, damaged) = {
                let log = self.log();
                (log.head.clone(), log.dirty, log.damage.is_some())
            };
            if damaged && highest_snapshot(&self.fs).await.map_err(self.io())? > head.base {
                // Somebody repaired it.
                self.reload().await?;
                moved = true;
                continue;
            }
            if damaged {
                // What is whole does not move any more; only a reply needs it synced.
                if next == Next::Reply {
                    dirty.settle(&self.fs).await.map_err(self.io())?;
                    self.log_mut().dirty = Dirty::No;
                }
                return Ok(moved);
            }
            let reply = (next == Next::Reply).then_some(dirty);
            let later = self.fs.run(CatchUp { head, reply }).await.map_err(self.io())?.map_err(self.io())?;
            moved |= !later.files.is_empty();
            let followed = self.log_mut().follow(&later.files);
            if !later.files.is_empty() {
                self.changed.notify(usize::MAX);
            }
            match followed {
                Followed::All if later.more => {}
                Followed::All if later.head_stands => {
                    if next == Next::Reply {
                        self.log_mut().dirty = Dirty::No;
                    }
                    return Ok(moved);
                }
                Followed::All | Followed::Broken => {
                    self.reload().await?;
                    moved = true;
                }
            }
        }
    }

    /// Reads the store anew: what we know is of the past. Never makes a store. Needs the turn.
    pub(super) async fn reload(&self) -> Result<(), Error> {
        let known = Some(self.log().head.clone());
        let load = Load { identity: self.identity.clone(), limits: Limits::default(), known };
        let loaded = self.fs.run(load).await.map_err(self.io())??;
        self.log_mut().renew(loaded)?;
        self.changed.notify(usize::MAX);
        Ok(())
    }
}
