//! Classifies errors of the driver and the server, and maps them to [`StoreError`].

use std::error::Error as _;

use runstate_store::StoreError;
use tokio_postgres::Error as DriverError;
use tokio_postgres::error::SqlState;

use super::layout::{quote_table, split_name};
use super::statement::quote;

/// The meaning of a failed statement for its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// The connection was lost, or the server cannot serve requests at present. Another attempt may succeed.
    Disconnected,
    /// Another transaction was preferred. Another attempt may succeed.
    Contended,
    /// The table was altered after the statement was made. Another attempt succeeds.
    Outdated,
    /// A unique index has the entry.
    UniqueViolation,
    /// Any other refusal.
    Refused,
}

pub(super) fn classify(error: &DriverError) -> FailureKind {
    let Some(code) = error.code() else { return FailureKind::Disconnected };
    match code.code() {
        // Serialization failure, deadlock, lock timeout.
        "40001" | "40P01" | "55P03" => FailureKind::Contended,
        "23505" => FailureKind::UniqueViolation,
        // The result type of a cached plan, an unknown statement; a column or table that is not defined; the type of a
        // column, and an operator that it does not have.
        "0A000" | "26000" | "42703" | "42P01" | "42804" | "42883" => FailureKind::Outdated,
        // Connections, shutdown, crash, start, too many clients, idle transactions.
        "57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25P03" => FailureKind::Disconnected,
        code if code.starts_with("08") => FailureKind::Disconnected,
        _ => FailureKind::Refused,
    }
}

/// Whether the server canceled the statement: its time limit, or an operator.
pub(super) fn is_canceled(error: &DriverError) -> bool {
    error.code() == Some(&SqlState::QUERY_CANCELED)
}

/// Whether the driver refused a server that accepts no writes.
pub(super) fn is_standby(error: &DriverError) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::PermissionDenied && cause.raw_os_error().is_none())
}

/// The name of the violated index.
pub(super) fn violated_index(error: &DriverError) -> Option<&str> {
    error.as_db_error().and_then(|error| error.constraint())
}

/// Whether another object depends on the one to drop.
pub(super) fn is_dependency(error: &DriverError) -> bool {
    error.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST)
}

/// The reason why a constraint refused a row of a collection, other than a declared index.
pub(super) fn violated_constraint(error: &DriverError, collection: &str) -> Option<String> {
    let reason = error.as_db_error()?;
    match *reason.code() {
        SqlState::CHECK_VIOLATION => {
            let name = reason.constraint().unwrap_or_default();
            Some(format!("the check `{name}` of its table does not allow it"))
        }
        // The constraint and the value; the tables of a foreign key.
        SqlState::FOREIGN_KEY_VIOLATION | SqlState::UNIQUE_VIOLATION | SqlState::EXCLUSION_VIOLATION => {
            let detail = reason.detail().unwrap_or_default().trim_end_matches('.');
            Some(format!("{}: {detail}", reason.message()))
        }
        SqlState::STRING_DATA_RIGHT_TRUNCATION => Some(format!(
            "{}: a text is longer than its column, in which U+0000 and U+0001 count as two characters",
            reason.message()
        )),
        SqlState::NOT_NULL_VIOLATION => {
            let name = reason.column().unwrap_or_default();
            let (schema, table) = (reason.schema().unwrap_or_default(), reason.table().unwrap_or_default());
            let (own_schema, own) = split_name(collection);
            // The table itself, or a partition; else a trigger wrote a row of another table.
            let is_own = schema == own_schema && (table == own || table.starts_with(&format!("{own}_")));
            Some(match is_own {
                true => format!(
                    "the column `{name}` of its table must have a value; to allow documents without one, run \
                     `ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL`",
                    quote_table(collection),
                    quote(name)
                ),
                false => format!("the column `{name}` of {schema}.{table} must have a value"),
            })
        }
        _ => None,
    }
}

/// Maps an error. `what` is the operation and its target.
pub(super) fn to_store_error(error: &DriverError, what: &str, timeout_seconds: u64) -> StoreError {
    let what = what.to_owned();
    let Some(reason) = error.as_db_error() else {
        let why = format!("{}; check the host, the port and whether the server runs", message(error));
        return StoreError::Unavailable { what, why };
    };
    let why = reason.message().to_owned();
    match *reason.code() {
        SqlState::INVALID_PASSWORD
        | SqlState::INVALID_AUTHORIZATION_SPECIFICATION
        | SqlState::INSUFFICIENT_PRIVILEGE => StoreError::NotAuthorized { what, why },
        SqlState::INVALID_CATALOG_NAME => StoreError::Unavailable {
            what,
            why: format!("{why}; create it with `CREATE DATABASE`, or correct the name in the URL"),
        },
        SqlState::PROTOCOL_VIOLATION => StoreError::Unavailable {
            what,
            why: format!("{why}; if a pooler shares the connections, add `preparedStatements=false` to the URL"),
        },
        SqlState::DISK_FULL => StoreError::Full { what },
        SqlState::QUERY_CANCELED => StoreError::Timeout { what, seconds: timeout_seconds },
        SqlState::READ_ONLY_SQL_TRANSACTION => StoreError::ReadOnly { why: read_only_reason(&what) },
        SqlState::PROGRAM_LIMIT_EXCEEDED | SqlState::STATEMENT_TOO_COMPLEX => StoreError::TooLarge {
            what: format!("{what}: {why}; an indexed value"),
            size: "too many bytes".to_owned(),
            limit: 2_704,
        },
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => StoreError::Corrupt { at: what, why },
        _ => StoreError::Unavailable { what, why: format!("{why} (SQLSTATE {})", reason.code().code()) },
    }
}

/// The reason why a server that does not accept writes cannot hold a store.
pub(super) fn read_only_reason(what: &str) -> String {
    format!(
        "{what}: the server accepts no writes (a standby, or `default_transaction_read_only`); use the URL of the primary, or name \
         all servers: `postgres://HOST1,HOST2/DATABASE`"
    )
}

/// The message of a driver's error, with its causes.
fn message(error: &DriverError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
