//! What the driver and the server say when something fails, and what that means to who called.

use mongodb::error::{Error as Fault, ErrorKind, TRANSIENT_TRANSACTION_ERROR, WriteFailure};

use crate::store::Error;

/// A key that a unique index has already.
pub(super) const DUPLICATE_KEY: i32 = 11_000;
/// Another transaction writes the same document.
pub(super) const WRITE_CONFLICT: i32 = 112;
/// The server does not know the transaction, or no longer.
pub(super) const NO_SUCH_TRANSACTION: i32 = 251;
const UNAUTHORIZED: i32 = 13;
const AUTHENTICATION_FAILED: i32 = 18;
const ILLEGAL_OPERATION: i32 = 20;
const NO_REPLICATION: i32 = 76;
const NOT_A_REPLICA_SET: i32 = 123;
const MAX_TIME_EXPIRED: i32 = 50;
const TRANSACTION_TOO_LARGE: i32 = 388;
const DOCUMENT_TOO_LARGE: i32 = 10_334;
const DISK_FULL: i32 = 14_031;
/// Change streams, on what is no replica set.
const CHANGE_STREAM_UNSUPPORTED: i32 = 40_573;

/// The server's number for what went wrong.
pub(super) fn number(fault: &Fault) -> Option<i32> {
    match &*fault.kind {
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => Some(error.code),
        _ => None,
    }
}

/// The connection was lost, or the server is not the primary any more, or stops: the same may succeed on another one.
pub(super) fn lost(fault: &Fault) -> bool {
    // Not primary (with and without its former names), stepping down, shutting down, recovering; hosts and networks.
    const ELSEWHERE: [i32; 15] =
        [6, 7, 89, 91, 189, 262, 9001, 10_058, 10_107, 11_600, 11_602, 13_435, 13_436, 63, 150];
    match &*fault.kind {
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::ServerSelection { .. } => true,
        _ => number(fault).is_some_and(|number| ELSEWHERE.contains(&number)),
    }
}

/// The transaction was given up by the server and changed nothing; made anew it may succeed.
pub(super) fn transient(fault: &Fault) -> bool {
    fault.contains_label(TRANSIENT_TRANSACTION_ERROR) || number(fault) == Some(WRITE_CONFLICT) || lost(fault)
}

/// As callers are told; `what` says what was tried, on which servers.
pub(super) fn error(fault: &Fault, what: &str) -> Error {
    let what = what.to_owned();
    match &*fault.kind {
        ErrorKind::Shutdown => return Error::Closed,
        ErrorKind::Authentication { message, .. } => return Error::NotAuthorized { what, why: message.clone() },
        ErrorKind::SessionsNotSupported | ErrorKind::IncompatibleServer { .. } => {
            return Error::NotAReplicaSet { what };
        }
        ErrorKind::ServerSelection { message, .. } => return Error::Unavailable { what, why: unreachable(message) },
        _ => {}
    }
    let why = words(fault);
    match number(fault) {
        Some(UNAUTHORIZED | AUTHENTICATION_FAILED) => Error::NotAuthorized { what, why },
        Some(NO_REPLICATION | NOT_A_REPLICA_SET | CHANGE_STREAM_UNSUPPORTED) => Error::NotAReplicaSet { what },
        Some(ILLEGAL_OPERATION) if why.contains("replica set") => Error::NotAReplicaSet { what },
        Some(MAX_TIME_EXPIRED) => {
            Error::Unavailable { what, why: format!("the server took too long ({why}); try again") }
        }
        Some(TRANSACTION_TOO_LARGE | DOCUMENT_TOO_LARGE) => {
            Error::TooLarge { what, size: format!("more than the server takes ({why})"), limit: 16 * 1024 * 1024 }
        }
        Some(DISK_FULL) => Error::Full { what },
        _ => Error::Unavailable { what, why },
    }
}

/// The words of the server, without the driver's around them.
fn words(fault: &Fault) -> String {
    match &*fault.kind {
        ErrorKind::Command(error) => format!("the server says: {} ({} {})", error.message, error.code, error.code_name),
        ErrorKind::Io(error) => {
            format!("the connection failed ({error}); check the network and the server, then try again")
        }
        other => other.to_string(),
    }
}

fn unreachable(message: &str) -> String {
    let authentication = message.contains("Authentication failed") || message.contains("SCRAM failure");
    let advice = if authentication {
        "check user, password and `authSource`"
    } else {
        "check that the servers run, that their names are right and can be resolved here, and that `replicaSet` names their set"
    };
    format!("no server that could do it was found in time; {advice} ({message})")
}
