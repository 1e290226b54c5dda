//! Opening: connects to the server and finds the store, or creates it.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, RwLock};

use runstate_store::StoreError;
use runstate_store_server::new_id;
use runstate_value::Json;

use super::connection::{ConnectionPool, PooledConnection};
use super::epoch::{HAS_FOREIGN_CHANGES, are_foreign};
use super::options::{PostgresOptions, ServerSettings};
use super::statement::{Param, RawColumn, SqlStatement};
use super::{DeclaredLayouts, MIGRATION_LOCK, Postgres, codec, error_mapping};

/// The format that this version writes, and the newest that it reads.
const FORMAT: u64 = 1;
/// The oldest server: it has `NULLS NOT DISTINCT`.
const OLDEST_SERVER: i32 = 150_000;

/// Tables of the store itself.
const OWN_TABLES: &str = "CREATE SCHEMA IF NOT EXISTS runstate; \
    CREATE TABLE IF NOT EXISTS runstate.meta (key text COLLATE \"C\" PRIMARY KEY, value jsonb NOT NULL); \
    CREATE TABLE IF NOT EXISTS runstate.changes (transaction bigint PRIMARY KEY, command text NOT NULL, changes jsonb NOT NULL, \
    at timestamptz NOT NULL DEFAULT now()); \
    CREATE INDEX IF NOT EXISTS changes_at ON runstate.changes (at)";

impl Postgres {
    /// Opens the store at `url`. If there is none, creates it, unless [`PostgresOptions::must_exist`] is set.
    ///
    /// Errors: [`StoreError::InvalidUrl`] if the URL is not valid. [`StoreError::NotAuthorized`] or
    /// [`StoreError::Unavailable`] if the server refuses or cannot be reached. [`StoreError::ReadOnly`] if it is a
    /// standby, [`StoreError::Unsupported`] if it is older than version 15.
    /// [`StoreError::NewerVersion`] if a newer program created the store.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        let settings = ServerSettings::parse(url)?;
        let (server, timeout) = (settings.server.clone(), settings.call_timeout);
        let pool = Arc::new(ConnectionPool::new(settings, options.on_round_trip.clone()));
        let mut store = Self {
            pool,
            server,
            id: String::new(),
            declarations: Arc::new(RwLock::new(Arc::new(DeclaredLayouts::default()))),
            closed: Arc::new(AtomicBool::new(false)),
            in_flight: Arc::default(),
            changed: Arc::default(),
            notifications: Arc::default(),
        };
        let opening = find_or_create_store(&store, options.must_exist);
        let found = tokio::time::timeout(timeout, opening).await;
        let (id, has_foreign_changes) = found.unwrap_or_else(|_| Err(store.timeout_error("opening the store")))?;
        store.id = id;
        if has_foreign_changes {
            // As a migration, it has no time limit.
            store.begin_epoch().await?;
        }
        Ok(store)
    }

    /// Closes all connections, after the commits in flight have ended.
    pub(super) async fn shut_down(&self) {
        drop(self.in_flight.write().await);
        self.changed.notify(usize::MAX);
        self.pool.close();
    }
}

/// The id of the store, and whether it has changes of another server.
async fn find_or_create_store(store: &Postgres, must_exist: bool) -> Result<(String, bool), StoreError> {
    let doing = "opening the store";
    let acquired = store.pool.acquire().await;
    let mut connection = acquired.map_err(|error| {
        // One of several servers may become the primary.
        if error_mapping::is_standby(&error) && !store.pool.settings().has_several_hosts() {
            return StoreError::ReadOnly { why: error_mapping::read_only_reason(&store.describe_operation(doing)) };
        }
        store.map_error(&error, doing)
    })?;
    require_server(store, &mut connection).await?;
    if let Some(found) = read_id(store, &mut connection).await? {
        connection.release();
        return Ok(found);
    }
    if must_exist {
        let why = format!(
            "there is no store in {}, and nothing was created; check the name, or load or run a program to create one",
            store.server
        );
        return Err(StoreError::Unavailable { what: store.describe_operation(doing), why });
    }
    let failed = |error: &tokio_postgres::Error| store.preparation_error(error, "creating the store");
    let (class, object) = MIGRATION_LOCK;
    let begin = format!(
        "BEGIN READ WRITE; SET LOCAL client_min_messages = 'warning'; SELECT pg_advisory_xact_lock({class}, {object}); {OWN_TABLES}"
    );
    connection.run_script(&begin).await.map_err(|error| failed(&error))?;
    let meta = serde_json::json!({"format": FORMAT, "store": new_id(doing)?});
    let insert = SqlStatement::new(
        "INSERT INTO runstate.meta (key, value) VALUES ('store', $1) ON CONFLICT DO NOTHING",
        vec![Param::Json(meta.to_string())],
    );
    connection.run(&insert).await.map_err(|error| failed(&error))?;
    connection.run_script("COMMIT").await.map_err(|error| failed(&error))?;
    let found = read_id(store, &mut connection).await?;
    connection.release();
    found.ok_or_else(|| corrupt("the row `store` is missing"))
}

/// Refuses servers that are too old, accept no writes, or have another encoding.
async fn require_server(store: &Postgres, connection: &mut PooledConnection) -> Result<(), StoreError> {
    let doing = "opening the store";
    // The setting that the session began with: the connection makes its session read-only.
    let text = "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), pg_is_in_recovery() \
                OR (SELECT reset_val FROM pg_settings WHERE name = 'default_transaction_read_only')::boolean, \
                current_setting('server_encoding')";
    let reply =
        connection.run(&SqlStatement::new(text, Vec::new())).await.map_err(|error| store.map_error(&error, doing))?;
    let Some(row) = reply.rows.first() else { return Err(corrupt("the server has no settings")) };
    let (number, version, read_only, encoding): (i32, String, bool, String) =
        (row.get(0), row.get(1), row.get(2), row.get(3));
    let what = store.describe_operation(doing);
    if number < OLDEST_SERVER {
        let what = format!("{what}: PostgreSQL {version}; a store needs version 15 or newer. An older server");
        return Err(StoreError::Unsupported { what, by: "runstate".to_owned() });
    }
    if read_only {
        return Err(StoreError::ReadOnly { why: error_mapping::read_only_reason(&what) });
    }
    if encoding != "UTF8" {
        let what =
            format!("{what}: the encoding {encoding}; create the database with `ENCODING 'UTF8'`. Another encoding");
        return Err(StoreError::Unsupported { what, by: "runstate".to_owned() });
    }
    Ok(())
}

/// The id of the store in this database, and whether it has changes of another server; none if there is no store.
async fn read_id(store: &Postgres, connection: &mut PooledConnection) -> Result<Option<(String, bool)>, StoreError> {
    let failed = |error: tokio_postgres::Error| store.map_error(&error, "opening the store");
    let exists = SqlStatement::new(
        "SELECT to_regclass('runstate.meta') IS NOT NULL AND to_regclass('runstate.changes') IS NOT NULL",
        Vec::new(),
    );
    let reply = connection.run(&exists).await.map_err(failed)?;
    if !reply.rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false)) {
        return Ok(None);
    }
    let select = SqlStatement::new("SELECT value FROM runstate.meta WHERE key = 'store'", Vec::new());
    let statements = [select, SqlStatement::new(HAS_FOREIGN_CHANGES, Vec::new())];
    let replies = connection.run_all(&statements).await.map_err(|stopped| failed(stopped.error))?;
    let [reply, foreign] = &*replies else { return Ok(None) };
    let Some(row) = reply.rows.first() else { return Ok(None) };
    let meta =
        codec::decode_json(row.try_get::<_, RawColumn<'_>>(0).map_err(failed)?.0).map_err(|why| corrupt(&why))?;
    match (meta.get("format").and_then(Json::as_u64), meta.get("store").and_then(Json::as_str)) {
        (Some(found), _) if found > FORMAT => {
            Err(StoreError::NewerVersion { what: "runstate.meta/store".to_owned(), found, supported: FORMAT })
        }
        (Some(_), Some(id)) => Ok(Some((id.to_owned(), are_foreign(&foreign.rows).map_err(failed)?))),
        _ => Err(corrupt("the row `store` has no valid `format` or `store`; restore it from a backup")),
    }
}

fn corrupt(why: &str) -> StoreError {
    StoreError::Corrupt { at: "runstate.meta".to_owned(), why: why.to_owned() }
}
