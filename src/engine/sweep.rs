//! Removing what has expired: rows of collections with a time to live, the ledger among them.

use super::{Engine, Error};
use crate::schema::Collection;
use crate::store::COMMANDS;
use crate::time::Timestamp;

impl Engine {
    /// Removes up to `limit` expired rows of each collection, and tells how many went.
    pub async fn sweep(&self, now: Timestamp, limit: usize) -> Result<u64, Error> {
        let mut swept = 0;
        let all = self.shared.catalog.iter().chain([&COMMANDS as &'static Collection]);
        for collection in all.filter(|collection| collection.ttl.is_some()) {
            swept += self.shared.store.sweep(collection.name, now, limit).await? as u64;
        }
        Ok(swept)
    }
}
