//! The regular work on a server: partitions of coming months and of late rows, and refreshed views.

use runstate_core::schema::Catalog;
use runstate_store::StoreError;

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
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        if !self.needs_partitions(&mut connection, catalog, state).await? {
            connection.release();
            return Ok(());
        }
        self.begin_migration(&connection, "5s").await.map_err(failed)?;
        // Without writers, no row comes to the default partition meanwhile.
        let state = self.read_state_on(&mut connection, catalog).await?;
        for collection in stored(catalog) {
            let layout = state.layout(collection);
            let changes = self.plan_partitions(&mut connection, &layout, &state).await?;
            self.change_partitions(&mut connection, &layout, &state, &changes).await?;
        }
        // A connection that is dropped instead ends its transaction.
        connection.run_script("COMMIT").await.map_err(failed)?;
        connection.release();
        Ok(())
    }

    async fn needs_partitions(
        &self,
        connection: &mut PooledConnection,
        catalog: &Catalog,
        state: &ServerState,
    ) -> Result<bool, StoreError> {
        for collection in stored(catalog) {
            if !self.plan_partitions(connection, &state.layout(collection), state).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
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
            "BEGIN READ WRITE; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '{lock_timeout}'; SET LOCAL client_min_messages = 'warning'; \
             SELECT pg_advisory_xact_lock({class}, {object}); SELECT pg_advisory_xact_lock({writers}, {writer})"
        );
        connection.run_script(&begin).await
    }
}
