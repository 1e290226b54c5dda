//! Classifies errors of the driver and the server, and maps them to [`StoreError`].

use mongodb::bson::{Bson, Document as Reply};
use mongodb::error::{
    Error as DriverError, ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure,
};
use runstate_store::StoreError;

/// A unique index already has the key.
pub(super) const DUPLICATE_KEY: i32 = 11_000;
/// Another transaction writes the same document.
pub(super) const WRITE_CONFLICT: i32 = 112;
/// The index does not exist: another process dropped it meanwhile.
pub(super) const INDEX_NOT_FOUND: i32 = 27;
const UNAUTHORIZED: i32 = 13;
const AUTHENTICATION_FAILED: i32 = 18;
const ILLEGAL_OPERATION: i32 = 20;
const NO_REPLICATION: i32 = 76;
const NOT_A_REPLICA_SET: i32 = 123;
const MAX_TIME_EXPIRED: i32 = 50;
const TRANSACTION_TOO_LARGE: i32 = 388;
const DOCUMENT_TOO_LARGE: i32 = 10_334;
/// An update would make a document too large; the server notices before or after applying it.
const UPDATE_TOO_LARGE: i32 = 17_419;
const UPDATED_TOO_LARGE: i32 = 17_420;
/// A document with two lists in the fields of one index.
pub(super) const PARALLEL_LISTS: i32 = 171;
const DISK_FULL: i32 = 14_031;
/// Change streams, on a server that is not a member of a replica set.
pub(super) const CHANGE_STREAM_UNSUPPORTED: i32 = 40_573;

/// The server's code of an error.
pub(super) fn error_code(error: &DriverError) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => Some(error.code),
        _ => None,
    }
}

/// Whether the connection was lost, or the server stops or is not the primary any more. The same request may succeed on
/// another server.
pub(super) fn is_failover(error: &DriverError) -> bool {
    match &*error.kind {
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::ServerSelection { .. } => true,
        _ => error_code(error).is_some_and(is_failover_code),
    }
}

/// Whether a server with this error cannot serve the request, or not at the moment.
fn is_failover_code(code: i32) -> bool {
    // Not primary (with and without its former names), stepping down, shutting down, recovering; hosts and networks.
    // Most are the codes of retryable writes in the drivers' specification.
    const FAILOVER: [i32; 15] = [6, 7, 89, 91, 189, 262, 9001, 10_058, 10_107, 11_600, 11_602, 13_435, 13_436, 63, 150];
    FAILOVER.contains(&code)
}

/// Whether a small write with this error may be confirmed if it is sent again.
pub(super) fn is_retryable_write_code(code: i32) -> bool {
    // A write conflict, a concurrent insert of the same document, or a timeout of the write concern.
    is_failover_code(code) || [WRITE_CONFLICT, DUPLICATE_KEY, 64].contains(&code)
}

/// Whether the server aborted the transaction without effect. A new attempt may succeed.
pub(super) fn is_transient(error: &DriverError) -> bool {
    error.contains_label(TRANSIENT_TRANSACTION_ERROR) || error_code(error) == Some(WRITE_CONFLICT) || is_failover(error)
}

/// Whether the user lacks a privilege.
pub(super) fn is_unauthorized(error: &DriverError) -> bool {
    error_code(error) == Some(UNAUTHORIZED)
}

/// Whether the same read may succeed a moment later.
pub(super) fn is_transient_read(error: &DriverError) -> bool {
    // SnapshotTooOld, SnapshotUnavailable, QueryPlanKilled, CursorKilled, CursorNotFound.
    const TRANSIENT_READ: [i32; 5] = [239, 246, 175, 237, 43];
    is_failover(error) || error_code(error).is_some_and(|code| TRANSIENT_READ.contains(&code))
}

/// The state of a transaction, as far as the answer to `commitTransaction` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommitAnswer {
    /// Nothing is known (`UnknownTransactionCommitResult`): the same command may be sent again.
    Unanswered,
    /// The server aborted the transaction.
    Aborted,
    /// An error that decides neither: the transaction may have been committed. The driver sends `commitTransaction`
    /// twice and returns only the second answer. A server that does not know the transaction may itself be a former
    /// primary whose writes are rolled back.
    Ambiguous,
}

/// Classifies an error in answer to `commitTransaction`.
pub(super) fn classify_commit_error(error: &DriverError) -> CommitAnswer {
    // The server has committed it; only the majority's confirmation is missing.
    let unconfirmed = matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteConcernError(_)));
    if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) || unconfirmed || is_failover(error) {
        CommitAnswer::Unanswered
    } else if error.contains_label(TRANSIENT_TRANSACTION_ERROR) || error_code(error) == Some(WRITE_CONFLICT) {
        CommitAnswer::Aborted
    } else {
        CommitAnswer::Ambiguous
    }
}

/// Why the server refused a command or one of its statements.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refusal {
    /// A document does not exist, or has another revision.
    NoMatch,
    /// A document exists already.
    Present {
        /// The index of the statement in the command.
        statement: usize,
    },
    /// A unique index already has the entry.
    UniqueViolation {
        /// The index of the statement in the command.
        statement: usize,
        /// The unique index, named by its fields.
        index: String,
    },
    /// Another transaction writes the same document.
    Contended,
    /// Any other error: the server's code and message.
    Other(i32, String),
}

pub(super) fn reply_refusal(reply: &Reply) -> Option<Refusal> {
    let Some(Bson::Document(error)) = reply.get_array("writeErrors").ok()?.first() else { return None };
    Some(parse_refusal(error))
}

/// The refusal in an error that answers a whole command.
pub(super) fn error_refusal(error: &DriverError) -> Option<Refusal> {
    if error_code(error) != Some(DUPLICATE_KEY) {
        return None;
    }
    let reply = error.server_response().and_then(|reply| Reply::try_from(&**reply).ok());
    Some(reply.map_or_else(|| Refusal::Other(DUPLICATE_KEY, driver_message(error)), |reply| parse_refusal(&reply)))
}

fn parse_refusal(error: &Reply) -> Refusal {
    let code = error.get_i32("code").unwrap_or_default();
    let statement = error.get_i32("index").ok().and_then(|index| usize::try_from(index).ok()).unwrap_or_default();
    match (code, error.get_document("keyPattern")) {
        (DUPLICATE_KEY, Ok(pattern)) if pattern.keys().eq(["_id"]) => Refusal::Present { statement },
        (DUPLICATE_KEY, Ok(pattern)) => Refusal::UniqueViolation { statement, index: index_name(pattern) },
        (WRITE_CONFLICT, _) => Refusal::Contended,
        _ => Refusal::Other(code, error.get_str("errmsg").unwrap_or_default().to_owned()),
    }
}

/// The name of an index in declarations, from the server's key pattern.
pub(super) fn index_name(pattern: &Reply) -> String {
    let part = |(path, direction): (&String, &Bson)| {
        let path = if path == "_id" { "id" } else { path };
        let descending = direction.as_i32() == Some(-1) || direction.as_f64() == Some(-1.0);
        if descending { format!("{path}-") } else { path.to_owned() }
    };
    pattern.iter().map(part).collect::<Vec<_>>().join("_")
}

/// Maps an error of the driver. `what` says what was tried, and on which servers.
pub fn to_store_error(error: &DriverError, what: &str) -> StoreError {
    let what = what.to_owned();
    match &*error.kind {
        ErrorKind::Shutdown => return StoreError::Closed,
        ErrorKind::Authentication { message, .. } => return StoreError::NotAuthorized { what, why: message.clone() },
        ErrorKind::SessionsNotSupported | ErrorKind::IncompatibleServer { .. } => {
            return StoreError::NotAReplicaSet { what };
        }
        ErrorKind::ServerSelection { message, .. } => {
            return StoreError::Unavailable { what, why: describe_unreachable(message) };
        }
        _ => {}
    }
    code_to_store_error(error_code(error), driver_message(error), what)
}

/// Maps an error by the server's code.
pub(super) fn code_to_store_error(code: Option<i32>, why: String, what: String) -> StoreError {
    match code {
        Some(UNAUTHORIZED) => {
            let why = format!("{}; docs/mongodb.md lists the required privileges under Roles", redact_command(&why));
            StoreError::NotAuthorized { what, why }
        }
        Some(AUTHENTICATION_FAILED) => StoreError::NotAuthorized { what, why },
        Some(NO_REPLICATION | NOT_A_REPLICA_SET | CHANGE_STREAM_UNSUPPORTED) => StoreError::NotAReplicaSet { what },
        Some(ILLEGAL_OPERATION) if why.contains("replica set") => StoreError::NotAReplicaSet { what },
        Some(MAX_TIME_EXPIRED) => StoreError::Unavailable {
            what,
            why: format!(
                "the server exceeded the time limit ({why}); try again, or raise `timeoutMS` in the store URL"
            ),
        },
        Some(TRANSACTION_TOO_LARGE | DOCUMENT_TOO_LARGE | UPDATE_TOO_LARGE | UPDATED_TOO_LARGE) => {
            StoreError::TooLarge {
                what,
                size: format!("more than the server accepts ({why})"),
                limit: 16 * 1024 * 1024,
            }
        }
        Some(DISK_FULL) => StoreError::Full { what },
        _ => StoreError::Unavailable { what, why },
    }
}

/// The server's message, without the driver's text around it.
fn driver_message(error: &DriverError) -> String {
    match &*error.kind {
        ErrorKind::Command(error) => {
            format!("the server replied: {} ({} {})", error.message, error.code, error.code_name)
        }
        ErrorKind::Io(error) => {
            format!("the connection failed ({error}); check the network and the server, then try again")
        }
        other => other.to_string(),
    }
}

/// Removes the command from the server's message about its refusal. A command may hold whole documents.
fn redact_command(message: &str) -> String {
    let Some((before, command)) = message.split_once("execute command { ") else { return message.to_owned() };
    let name = command.split(':').next().unwrap_or_default();
    // The code and the name of the error follow the command.
    let code = command.rfind('(').map_or("", |at| &command[at..]);
    format!("{before}execute the command `{name}` {code}")
}

fn describe_unreachable(message: &str) -> String {
    let authentication = message.contains("Authentication failed") || message.contains("SCRAM failure");
    let advice = if authentication {
        "check user, password and `authSource`"
    } else {
        "check that the servers run, that their names are right and can be resolved here, and that `replicaSet` names their set"
    };
    let last = last_server_error(message).map(|error| format!(" (last error: {error})")).unwrap_or_default();
    format!("no suitable server was found in time; {advice}{last}")
}

/// The last error of one server, from the driver's description of the replica set.
fn last_server_error(message: &str) -> Option<&str> {
    let (_, error) = message.split_once("Error: Kind: ")?;
    Some(error.split_once(", labels:").map_or(error, |(error, _)| error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreachable_server_error_repeats_its_last_error() {
        let message = "Server selection timeout: No available servers. Topology: { Type: Single, Servers: [ { Address: h:1, Type: Unknown, \
                       Error: Kind: I/O error: Connection refused (os error 111), labels: {}, source: None } ] }";
        assert!(describe_unreachable(message).ends_with("(last error: I/O error: Connection refused (os error 111))"));
        assert!(describe_unreachable("x").ends_with("names their set"));
    }

    #[test]
    fn refused_command_is_named_without_its_body() {
        let message = "the server replied: not authorized on app to execute command { insert: \"c\", documents: [ { a: \"(private)\" } ] } (13 Unauthorized)";
        let redacted = "the server replied: not authorized on app to execute the command `insert` (13 Unauthorized)";
        assert_eq!(redact_command(message), redacted);
        assert_eq!(redact_command("not allowed"), "not allowed");
    }

    #[test]
    fn index_name_follows_the_declaration() {
        let pattern = mongodb::bson::doc! {"programName": 1, "started": -1.0, "_id": 1};
        assert_eq!(index_name(&pattern), "programName_started-_id");
    }
}
