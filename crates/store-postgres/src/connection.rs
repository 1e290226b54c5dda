//! Connections and their pool. A connection returns to the pool only when no transaction is open on it, so a dropped
//! future cannot leave one to the next caller.
//!
//! Statements follow `BEGIN` without waiting for its reply. If `BEGIN` fails, each of them is a transaction of its own.
//! So sessions are read-only by default, and only `BEGIN … READ WRITE` makes a transaction that writes. A pooler shares
//! sessions, so there the reply of `BEGIN` is awaited.
//!
//! A connection is to a server that accepted writes when it began. Behind a pooler the server may be another one at
//! each transaction. So reads are transactions there that a standby refuses to begin (`READ WRITE`), in the same round
//! trip.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error as DriverError, Row, RowStream, Statement};

use super::READ_COMMITTED;
use super::options::{RoundTripObserver, ServerSettings};
use super::retry::ReadFailure;
use super::statement::{Param, SqlStatement};

/// The mode of transactions that read several tables at one moment. A standby refuses it.
pub(super) const ONE_SNAPSHOT: &str = "ISOLATION LEVEL REPEATABLE READ, READ WRITE";
/// The most prepared statements of one connection.
const MAX_PREPARED: usize = 500;
/// The longest wait for a lock.
const MAX_LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// An open transaction without statements ends after this time: its client is gone.
const IDLE_TIMEOUT_MS: u32 = 60_000;

pub(super) struct StatementReply {
    pub(super) rows: Vec<Row>,
    /// The number of rows that the statement changed or returned.
    pub(super) count: u64,
}

impl StatementReply {
    /// The first of these replies.
    pub(super) fn first(replies: Vec<Self>) -> Self {
        replies.into_iter().next().unwrap_or(Self { rows: Vec::new(), count: 0 })
    }
}

pub(super) struct ServerConnection {
    client: Client,
    /// By their texts. A parameter that a text does not use may have several types.
    statements: HashMap<Arc<str>, Vec<Statement>>,
    prepared: bool,
    observer: Option<RoundTripObserver>,
}

/// Why a sequence of statements ended.
pub(super) struct FailedStatement {
    /// Its position in the sequence.
    pub(super) position: usize,
    /// Whether the sequence was sent. If not, this statement could not be prepared.
    pub(super) sent: bool,
    /// Whether it is a `BEGIN`.
    pub(super) begins: bool,
    pub(super) error: DriverError,
    /// The replies before it.
    pub(super) replies: Vec<StatementReply>,
}

impl ServerConnection {
    /// Connects. The settings of the session hold unless a pooler shares it.
    async fn connect(settings: &ServerSettings, observer: Option<RoundTripObserver>) -> Result<Self, DriverError> {
        let (client, connection) = settings.config.connect(settings.tls.clone()).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to PostgreSQL ended");
            }
        });
        let connection = Self { client, statements: HashMap::new(), prepared: settings.prepared, observer };
        if settings.prepared {
            let settings = format!("{}; {}", time_limits(settings, "SESSION"), durable_commits("SESSION"));
            connection.client.batch_execute(&format!("{settings}; SET default_transaction_read_only = on")).await?;
        }
        Ok(connection)
    }

    fn observe(&self, first: &str) {
        if let Some(observer) = &self.observer {
            observer(first);
        }
    }

    /// Runs statements in one round trip, in their order. All but the first failure are consequences of it.
    pub(super) async fn run_all(
        &mut self,
        statements: &[SqlStatement],
    ) -> Result<Vec<StatementReply>, FailedStatement> {
        let mut replies = Vec::with_capacity(statements.len());
        if let Err((position, error)) = self.prepare(statements).await {
            return Err(FailedStatement { position, sent: false, begins: false, error, replies });
        }
        self.observe(statements.first().map_or("", |statement| &statement.text));
        let running: FuturesOrdered<_> = statements.iter().map(|statement| self.send(statement)).collect();
        let mut running = std::pin::pin!(running);
        while let Some(reply) = running.next().await {
            match reply {
                Ok(reply) => replies.push(reply),
                Err(error) => {
                    let position = replies.len();
                    let begins = statements.get(position).is_some_and(SqlStatement::begins);
                    return Err(FailedStatement { position, sent: true, begins, error, replies });
                }
            }
        }
        Ok(replies)
    }

    /// Runs statements that read, in one round trip.
    pub(super) async fn run_reads(&mut self, statements: &[SqlStatement]) -> Result<Vec<StatementReply>, ReadFailure> {
        let (Some(begin), Some(end)) = (self.begin_reading(), self.end_reading()) else {
            return Ok(self.run_all(statements).await?);
        };
        let all: Vec<SqlStatement> = [begin].into_iter().chain(statements.iter().cloned()).chain([end]).collect();
        let mut replies = self.run_all(&all).await?.split_off(1);
        replies.truncate(statements.len());
        Ok(replies)
    }

    /// The statement before those that read: a pooler may have switched to a standby, which refuses it.
    pub(super) fn begin_reading(&self) -> Option<SqlStatement> {
        (!self.prepared).then(|| SqlStatement::begin(READ_COMMITTED))
    }

    /// The statement after those that read.
    pub(super) fn end_reading(&self) -> Option<SqlStatement> {
        (!self.prepared).then(SqlStatement::commit)
    }

    pub(super) async fn run(&mut self, statement: &SqlStatement) -> Result<StatementReply, DriverError> {
        let replies = self.run_all(std::slice::from_ref(statement)).await.map_err(|failed| failed.error)?;
        Ok(StatementReply::first(replies))
    }

    /// Runs commands without parameters and results.
    pub(super) async fn run_script(&self, script: &str) -> Result<(), DriverError> {
        self.observe(script);
        self.client.batch_execute(script).await
    }

    /// Forgets prepared statements, whose tables were altered.
    pub(super) fn forget_statements(&mut self) {
        self.statements.clear();
    }

    /// Starts a query, whose rows are read as they arrive.
    /// [`DeclaredLayouts::check_current`](super::DeclaredLayouts::check_current) follows them.
    pub(super) async fn stream(&mut self, statement: &SqlStatement) -> Result<RowStream, ReadFailure> {
        self.prepare(std::slice::from_ref(statement)).await.map_err(|(_, error)| error)?;
        self.observe(&statement.text);
        let Some(begin) = self.begin_reading() else { return Ok(self.send_query(statement).await?) };
        // Both are sent before a reply arrives.
        let (begun, stream) = futures_util::future::join(self.send(&begin), self.send_query(statement)).await;
        begun.map_err(ReadFailure::of_beginning)?;
        Ok(stream?)
    }

    /// Prepares the statements that are new to this connection. The error is that of the statement at this position.
    async fn prepare(&mut self, statements: &[SqlStatement]) -> Result<(), (usize, DriverError)> {
        if !self.prepared {
            return Ok(());
        }
        if self.statements.len() > MAX_PREPARED {
            self.statements.clear();
        }
        for (position, statement) in statements.iter().enumerate() {
            if self.find_prepared(statement).is_none() {
                self.observe("PREPARE");
                let prepared = self.client.prepare_typed(&statement.text, &statement.types()).await;
                let prepared = prepared.map_err(|error| (position, error))?;
                self.statements.entry(statement.text.clone()).or_default().push(prepared);
            }
        }
        Ok(())
    }

    fn find_prepared(&self, statement: &SqlStatement) -> Option<&Statement> {
        let types = |prepared: &&Statement| {
            statement.params.iter().map(Param::server_type).eq(prepared.params().iter().cloned())
        };
        self.statements.get(&statement.text)?.iter().find(types)
    }

    async fn send(&self, statement: &SqlStatement) -> Result<StatementReply, DriverError> {
        let mut stream = std::pin::pin!(self.send_query(statement).await?);
        let mut rows = Vec::new();
        while let Some(row) = stream.as_mut().try_next().await? {
            rows.push(row);
        }
        let count = stream.rows_affected().unwrap_or(0);
        Ok(StatementReply { rows, count })
    }

    async fn send_query(&self, statement: &SqlStatement) -> Result<RowStream, DriverError> {
        match self.find_prepared(statement) {
            Some(prepared) => self.client.query_raw(prepared, &statement.params).await,
            None => {
                let params =
                    statement.params.iter().map(|param| (param as &(dyn ToSql + Sync), Param::server_type(param)));
                self.client.query_typed_raw(&statement.text, params).await
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

/// The time limits of a session or transaction.
fn time_limits(settings: &ServerSettings, scope: &str) -> String {
    let lock_timeout = MAX_LOCK_TIMEOUT.min(settings.call_timeout).as_millis().max(1);
    let timeout = settings.call_timeout.as_millis().max(1);
    format!(
        "SET {scope} lock_timeout = {lock_timeout}; SET {scope} statement_timeout = {timeout}; \
         SET {scope} idle_in_transaction_session_timeout = {IDLE_TIMEOUT_MS}; SET {scope} client_min_messages = 'warning'"
    )
}

/// The setting by which a commit is durable when it is acknowledged.
fn durable_commits(scope: &str) -> String {
    let is_local = scope == "LOCAL";
    format!(
        "SELECT set_config('synchronous_commit', 'on', {is_local}) WHERE current_setting('synchronous_commit') = 'off'"
    )
}

/// Connections of one store.
pub(super) struct ConnectionPool {
    settings: ServerSettings,
    observer: Option<RoundTripObserver>,
    idle: Mutex<Vec<ServerConnection>>,
    permits: Arc<Semaphore>,
    closed: AtomicBool,
}

impl ConnectionPool {
    pub(super) fn new(settings: ServerSettings, observer: Option<RoundTripObserver>) -> Self {
        let permits = Arc::new(Semaphore::new(settings.max_connections));
        Self { settings, observer, idle: Mutex::default(), permits, closed: AtomicBool::new(false) }
    }

    pub(super) fn settings(&self) -> &ServerSettings {
        &self.settings
    }

    /// Takes a connection, or connects.
    pub(super) async fn acquire(self: &Arc<Self>) -> Result<PooledConnection, DriverError> {
        // The semaphore is never closed. Without a permit the connection is one too many, which does no harm.
        let permit = self.permits.clone().acquire_owned().await.ok();
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some(connection) = idle() {
            if !connection.is_closed() {
                return Ok(PooledConnection { connection, pool: self.clone(), permit });
            }
        }
        let connection = ServerConnection::connect(&self.settings, self.observer.clone()).await?;
        Ok(PooledConnection { connection, pool: self.clone(), permit })
    }

    /// Closes all connections that are not in use. The others close when they are returned.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Closes the connections that are not in use, after the server was found to be gone.
    pub(super) fn discard_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A connection that is in use.
pub(super) struct PooledConnection {
    connection: ServerConnection,
    pool: Arc<ConnectionPool>,
    /// Its drop lets another caller connect.
    permit: Option<OwnedSemaphorePermit>,
}

impl PooledConnection {
    /// Begins a transaction that writes: returns the statements that come first in it.
    pub(super) async fn begin(&mut self) -> Result<Vec<SqlStatement>, FailedStatement> {
        let mut statements = vec![SqlStatement::begin(READ_COMMITTED)];
        if !self.prepared {
            statements.extend(self.local_time_limits());
            statements.push(SqlStatement::new(durable_commits("LOCAL"), Vec::new()));
            self.run_all(&statements).await?;
            statements.clear();
        }
        Ok(statements)
    }

    /// The statements that come first in a transaction that reads these tables at one moment.
    pub(super) fn begin_snapshot(&self, tables: &[String]) -> Vec<SqlStatement> {
        let mut statements = vec![SqlStatement::begin(ONE_SNAPSHOT)];
        if !self.prepared {
            statements.extend(self.local_time_limits());
            // A table that a migration rewrites has no rows for an earlier snapshot. Prepared statements notice it. The
            // snapshot is taken after this statement, which waits for the migration.
            let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", tables.join(", "));
            statements.push(SqlStatement::new(lock, Vec::new()));
        }
        statements
    }

    fn local_time_limits(&self) -> Vec<SqlStatement> {
        let limits = time_limits(&self.pool.settings, "LOCAL");
        limits.split("; ").map(|one| SqlStatement::new(one, Vec::new())).collect()
    }

    /// Returns the connection to the pool: no transaction is open. A connection that is dropped instead is closed, and
    /// the server rolls back.
    pub(super) fn release(self) {
        let Self { connection, pool, permit } = self;
        if !connection.is_closed() && !pool.closed.load(Ordering::Acquire) {
            pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        drop(permit);
    }
}

impl std::ops::Deref for PooledConnection {
    type Target = ServerConnection;

    fn deref(&self) -> &ServerConnection {
        &self.connection
    }
}

impl std::ops::DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut ServerConnection {
        &mut self.connection
    }
}
