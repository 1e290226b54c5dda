//! The epoch of the feed. The changes of a store that a dump brought to another server have transaction ids of the
//! server before it. That server reaches them later, or never. So opening the store deletes such changes, and begins an
//! epoch: the position of an earlier one has expired.

use runstate_store::StoreError;
use runstate_value::Json;

use super::Postgres;
use super::statement::SqlStatement;
use runstate_store_server::new_id;

/// The query of the epoch's id. There is none before the first such restore: the store's own id takes its place.
pub(super) const EPOCH_ID: &str = "SELECT value #>> '{}' FROM runstate.meta WHERE key = 'epoch'";

/// The query whether changes, or the beginning of the kept ones, have ids that this server has not issued.
pub(super) const HAS_FOREIGN_CHANGES: &str = "SELECT greatest((SELECT max(transaction) FROM runstate.changes), \
    (SELECT (value ->> 'from')::bigint FROM runstate.meta WHERE key = 'feed')) >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint";

const DOING: &str = "deleting changes of another server";

/// The prefix of positions: the end of the epoch's id, which is its random part.
pub(super) fn position_prefix<'a>(store: &'a Postgres, epoch: Option<&'a str>) -> &'a str {
    let id = epoch.unwrap_or(&store.id);
    id.get(id.len().saturating_sub(8)..).unwrap_or(id)
}

impl Postgres {
    /// Deletes the changes of another server, unless another process did, and begins an epoch.
    pub(super) async fn begin_epoch(&self) -> Result<(), StoreError> {
        let failed = |error: tokio_postgres::Error| self.preparation_error(&error, DOING);
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        self.begin_migration(&connection, "60s").await.map_err(failed)?;
        let reply = connection.run(&SqlStatement::new(HAS_FOREIGN_CHANGES, Vec::new())).await.map_err(failed)?;
        if are_foreign(&reply.rows).map_err(failed)? {
            let delete = SqlStatement::new("DELETE FROM runstate.changes", Vec::new());
            connection.run(&delete).await.map_err(failed)?;
            let from = SqlStatement::new("SELECT pg_current_xact_id()::text::bigint", Vec::new());
            let from = connection.run(&from).await.map_err(failed)?;
            let from: i64 = from.rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(failed)?;
            self.record(&mut connection, "feed", serde_json::json!({"from": from})).await?;
            self.record(&mut connection, "epoch", Json::from(new_id(DOING)?)).await?;
        }
        connection.run_script("COMMIT").await.map_err(failed)?;
        connection.release();
        Ok(())
    }
}

/// The answer to [`HAS_FOREIGN_CHANGES`]. A store without changes has no foreign ones.
pub(super) fn are_foreign(rows: &[tokio_postgres::Row]) -> Result<bool, tokio_postgres::Error> {
    let answer: Option<bool> = rows.first().map_or(Ok(None), |row| row.try_get(0))?;
    Ok(answer.unwrap_or(false))
}
