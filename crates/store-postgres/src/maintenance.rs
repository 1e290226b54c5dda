//! The regular work on a server: partitions of coming months and of late rows, and refreshed views.

use runstate_core::schema::{Catalog, Collection};
use runstate_store::StoreError;

use super::READ_COMMITTED;
use super::connection::PooledConnection;
use super::server_state::{ServerState, stored};
use super::{MIGRATION_LOCK, Postgres, WRITER_LOCK};

const DOING: &str = "maintaining partitions";

impl Postgres {
    /// Does the work that this user may do. Returns the number of rows of the refreshed views; `None`: there is none.
    pub(super) async fn do_maintain(&self) -> Result<Option<u64>, StoreError> {
        let catalog = self.declarations().catalog.clone();
        let state = self.read_state(&catalog).await?;
        self.maintain_partitions(&catalog, &state).await?;
        self.refresh_views(&catalog, &state).await
    }

    async fn maintain_partitions(&self, catalog: &Catalog, state: &ServerState) -> Result<(), StoreError> {
        let failed = |error: tokio_postgres::Error| self.map_error(&error, DOING);
        let may_maintain = |collection: &&Collection| state.partitions(collection).is_some_and(|one| one.may_maintain);
        let layouts: Vec<_> = stored(catalog).filter(may_maintain).map(|collection| state.layout(collection)).collect();
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        let mut pending = Vec::new();
        for layout in &layouts {
            if self.change_partitions(&mut connection, layout, false).await? > 0 {
                pending.push(layout);
            }
        }
        if !pending.is_empty() {
            // Commits end before the first table is locked, so none of them waits in a circle.
            self.begin_migration(&connection, "5s").await.map_err(failed)?;
            for layout in pending {
                self.change_partitions(&mut connection, layout, true).await?;
            }
            // A connection that is dropped instead ends its transaction.
            connection.run_script("COMMIT").await.map_err(failed)?;
        }
        connection.release();
        Ok(())
    }

    /// Begins a transaction that excludes commits and other migrations. The statements have no time limit, but waiting
    /// for a lock has one.
    pub(super) async fn begin_migration(
        &self,
        connection: &PooledConnection,
        lock_timeout: &str,
    ) -> Result<(), tokio_postgres::Error> {
        let (class, object) = MIGRATION_LOCK;
        // Commits hold this lock shared. One that has read the schema before the migration ends before it begins.
        let (writers, writer) = WRITER_LOCK;
        let begin = format!(
            "BEGIN {READ_COMMITTED}; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '{lock_timeout}'; SET LOCAL client_min_messages = 'warning'; \
             SELECT pg_advisory_xact_lock({class}, {object}); SELECT pg_advisory_xact_lock({writers}, {writer})"
        );
        connection.run_script(&begin).await
    }
}
