//! Removal of expired rows, in collections with a time to live and in the command ledger.

use super::{Engine, Error};
use crate::schema::{Accumulator, Aggregate, Collection, Filter, Ttl};
use crate::store::COMMANDS;
use crate::time::Timestamp;
use crate::value::Json;

impl Engine {
    /// Removes up to `limit` expired rows of each collection. Returns the number of removed rows.
    pub async fn sweep(&self, now: Timestamp, limit: usize) -> Result<u64, Error> {
        let mut swept = 0;
        for (collection, _) in self.expiring_collections() {
            swept += self.shared.store.sweep(collection.name, now, limit).await? as u64;
        }
        Ok(swept)
    }

    /// The number of rows that [`Engine::sweep`] would remove at `now` without a limit, for each collection with any. The time alone
    /// decides: a row that does not meet the [`Ttl`]'s other condition is counted, although the sweep keeps it.
    pub async fn count_expired(&self, now: Timestamp) -> Result<Vec<(&'static str, u64)>, Error> {
        let mut expired = Vec::new();
        for (collection, ttl) in self.expiring_collections() {
            let latest = (now - ttl.after).as_millis();
            let count = self.count_where(collection.name, Filter::Lte(ttl.field.to_owned(), latest.into())).await?;
            if count > 0 {
                expired.push((collection.name, count));
            }
        }
        Ok(expired)
    }

    /// Collections whose rows expire. No catalog contains the command ledger, because every store has it.
    fn expiring_collections(&self) -> impl Iterator<Item = (&'static Collection, &'static Ttl)> {
        let collections = self.shared.catalog.iter().chain([&COMMANDS as &'static Collection]);
        collections.filter_map(|collection| Some((collection, collection.ttl.as_ref()?)))
    }

    /// Number of documents that match.
    pub(super) async fn count_where(&self, collection: &str, filter: Filter) -> Result<u64, Error> {
        let count = Aggregate {
            collection: collection.to_owned(),
            filter,
            group_by: Vec::new(),
            accumulators: vec![("count".to_owned(), Accumulator::Count)],
        };
        let rows = self.shared.store.aggregate(&count).await?;
        Ok(rows.first().and_then(|row| row.get("count")).and_then(Json::as_u64).unwrap_or_default())
    }
}
