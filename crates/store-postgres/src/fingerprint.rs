//! Detects that another process migrated the store after this one read its tables: a transaction that writes, and each
//! query, reads the fingerprint of the schema.

use runstate_store::StoreError;
use runstate_value::Json;

use super::codec;
use super::connection::{PooledConnection, StatementReply};
use super::migration_plan::check_tables;
use super::retry::ReadFailure;
use super::statement::{RawColumn, SqlStatement};
use super::{DeclaredLayouts, Postgres, WRITER_LOCK};

/// The query that reads the fingerprint.
pub(super) const FINGERPRINT: &str = "SELECT value FROM runstate.meta WHERE key = 'schema'";

/// The statement that reads the fingerprint.
pub(super) fn fingerprint_statement() -> SqlStatement {
    SqlStatement::new(FINGERPRINT, Vec::new())
}

impl Postgres {
    /// Reads the declarations again, after another process migrated the store. Fails if a table was altered by hand:
    /// the declarations stay, so the process continues when the table is mended.
    pub(super) async fn refresh_declarations(&self) -> Result<(), StoreError> {
        self.pool.discard_idle();
        let catalog = self.declarations().catalog.clone();
        let state = self.read_state(&catalog).await?;
        check_tables(&catalog, &state)?;
        self.declare_state(&catalog, &state)
    }

    /// As [`Self::refresh_declarations`], for readers: they also read a store that a newer program has migrated.
    pub(super) async fn refresh_layouts(&self) -> Result<(), StoreError> {
        match self.refresh_declarations().await {
            Err(StoreError::NewerVersion { .. }) => Ok(()),
            other => other,
        }
    }

    /// The statement that follows the beginning of a transaction that writes: the lock that readers of changes observe.
    /// A migration waits for it, so the fingerprint that a later statement reads does not change until the end of the
    /// transaction.
    pub(super) fn writer_lock_statement() -> SqlStatement {
        let (class, object) = WRITER_LOCK;
        SqlStatement::new(format!("SELECT pg_advisory_xact_lock_shared({class}, {object})"), Vec::new())
    }
}

impl DeclaredLayouts {
    /// Whether the first column of the reply has the fingerprint of these layouts.
    pub(super) fn are_current(&self, reply: Option<&StatementReply>) -> bool {
        let value = reply.and_then(|reply| reply.rows.first()).map(|row| row.try_get::<_, RawColumn<'_>>(0));
        match value {
            Some(Ok(RawColumn(raw))) => codec::decode_json(raw) == Ok(Json::from(self.fingerprint.as_str())),
            Some(Err(_)) => false,
            None => self.fingerprint.is_empty(),
        }
    }

    /// Fails if the layouts are not those of the rows that this connection has streamed.
    pub(super) async fn check_current(&self, connection: &mut PooledConnection) -> Result<(), ReadFailure> {
        let statements: Vec<_> = [fingerprint_statement()].into_iter().chain(connection.end_reading()).collect();
        let replies = connection.run_all(&statements).await?;
        if self.are_current(replies.first()) { Ok(()) } else { Err(ReadFailure::Outdated) }
    }

    /// As [`Self::check_current`], on another connection.
    pub(super) async fn check_still_current(&self, store: &Postgres) -> Result<(), ReadFailure> {
        let reply = store.run_once(&fingerprint_statement()).await?;
        if self.are_current(Some(&reply)) { Ok(()) } else { Err(ReadFailure::Outdated) }
    }
}
