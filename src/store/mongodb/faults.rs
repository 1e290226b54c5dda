//! What the driver and the server say when something fails, and what that means to who called.

use mongodb::bson::{Bson, Document as Reply};
use mongodb::error::{
    Error as Fault, ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure,
};

use crate::store::Error;

/// A key that a unique index has already.
pub(super) const DUPLICATE_KEY: i32 = 11_000;
/// Another transaction writes the same document.
pub(super) const WRITE_CONFLICT: i32 = 112;
const UNAUTHORIZED: i32 = 13;
const AUTHENTICATION_FAILED: i32 = 18;
const ILLEGAL_OPERATION: i32 = 20;
const NO_REPLICATION: i32 = 76;
const NOT_A_REPLICA_SET: i32 = 123;
const MAX_TIME_EXPIRED: i32 = 50;
const TRANSACTION_TOO_LARGE: i32 = 388;
const DOCUMENT_TOO_LARGE: i32 = 10_334;
/// What an update would lead to, before and after it was applied.
const UPDATE_TOO_LARGE: i32 = 17_419;
const UPDATED_TOO_LARGE: i32 = 17_420;
/// Two lists in one document, of which an index reads both.
pub(super) const PARALLEL_LISTS: i32 = 171;
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
    match &*fault.kind {
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::ServerSelection { .. } => true,
        _ => number(fault).is_some_and(elsewhere),
    }
}

/// The server that said so is not the one to ask, or will be again.
fn elsewhere(number: i32) -> bool {
    // Not primary (with and without its former names), stepping down, shutting down, recovering; hosts and networks.
    const ELSEWHERE: [i32; 15] =
        [6, 7, 89, 91, 189, 262, 9001, 10_058, 10_107, 11_600, 11_602, 13_435, 13_436, 63, 150];
    ELSEWHERE.contains(&number)
}

/// A small write that the server took, and says this of, may be confirmed when it is made again.
pub(super) fn unconfirmed(number: i32) -> bool {
    // Another one met it, made the document first, or the majority was not there in time.
    elsewhere(number) || [WRITE_CONFLICT, DUPLICATE_KEY, 64].contains(&number)
}

/// The transaction was given up by the server and changed nothing; made anew it may succeed.
pub(super) fn transient(fault: &Fault) -> bool {
    fault.contains_label(TRANSIENT_TRANSACTION_ERROR) || number(fault) == Some(WRITE_CONFLICT) || lost(fault)
}

/// Who asks may not do that.
pub(super) fn forbidden(fault: &Fault) -> bool {
    number(fault) == Some(UNAUTHORIZED)
}

/// The same reading may succeed a moment later.
pub(super) fn passing(fault: &Fault) -> bool {
    // A snapshot that is not there yet, or no longer; a plan or cursor that was ended on the server's side.
    const PASSING: [i32; 5] = [239, 246, 175, 237, 43];
    lost(fault) || number(fault).is_some_and(|number| PASSING.contains(&number))
}

/// What came of sending the end of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nobody knows; the same end may be sent again.
    Unanswered,
    /// The server says that it was given up.
    Dead,
    /// An answer that says neither: it may have been committed. The driver sends an end twice and tells the second answer alone, and a
    /// server that knows of no such transaction may itself be one that is to lose what it knows.
    Open,
}

/// What an error in answer to the end of a transaction says of it.
pub(super) fn end(fault: &Fault) -> End {
    // It was committed where the answer came from; only that the majority has it is not confirmed.
    let unconfirmed = matches!(&*fault.kind, ErrorKind::Write(WriteFailure::WriteConcernError(_)));
    if fault.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) || unconfirmed || lost(fault) {
        End::Unanswered
    } else if fault.contains_label(TRANSIENT_TRANSACTION_ERROR) || number(fault) == Some(WRITE_CONFLICT) {
        End::Dead
    } else {
        End::Open
    }
}

/// Why the server did not do what a command says, though it answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refusal {
    /// Some document is not there, or not at its revision.
    Missed,
    /// A document is there already.
    Present {
        /// Which statement of the command.
        statement: usize,
    },
    /// A unique index has the entry already.
    Taken {
        /// Which statement of the command.
        statement: usize,
        /// The index, by its fields.
        index: String,
    },
    /// Another transaction writes the same.
    Contended,
    /// Anything else: the server's number and words.
    Other(i32, String),
}

/// What a reply says that went wrong.
pub(super) fn refusal(reply: &Reply) -> Option<Refusal> {
    let Some(Bson::Document(error)) = reply.get_array("writeErrors").ok()?.first() else { return None };
    Some(refusal_of(error))
}

/// What an error says that was the answer to a whole command.
pub(super) fn refused(fault: &Fault) -> Option<Refusal> {
    if number(fault) != Some(DUPLICATE_KEY) {
        return None;
    }
    let said = fault.server_response().and_then(|reply| Reply::try_from(&**reply).ok());
    Some(said.map_or_else(|| Refusal::Other(DUPLICATE_KEY, words(fault)), |said| refusal_of(&said)))
}

fn refusal_of(error: &Reply) -> Refusal {
    let number = error.get_i32("code").unwrap_or_default();
    let statement = error.get_i32("index").ok().and_then(|index| usize::try_from(index).ok()).unwrap_or_default();
    match (number, error.get_document("keyPattern")) {
        (DUPLICATE_KEY, Ok(pattern)) if pattern.keys().eq(["_id"]) => Refusal::Present { statement },
        (DUPLICATE_KEY, Ok(pattern)) => Refusal::Taken { statement, index: index_name(pattern) },
        (WRITE_CONFLICT, _) => Refusal::Contended,
        _ => Refusal::Other(number, error.get_str("errmsg").unwrap_or_default().to_owned()),
    }
}

/// An index as declarations call it, by what the server says of its fields.
pub(super) fn index_name(pattern: &Reply) -> String {
    let part = |(path, direction): (&String, &Bson)| {
        let path = if path == "_id" { "id" } else { path };
        let descending = direction.as_i32() == Some(-1) || direction.as_f64() == Some(-1.0);
        if descending { format!("{path}-") } else { path.to_owned() }
    };
    pattern.iter().map(part).collect::<Vec<_>>().join("_")
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
    numbered(number(fault), words(fault), what)
}

/// As callers are told of an error that the server numbers so.
pub(super) fn numbered(number: Option<i32>, why: String, what: String) -> Error {
    match number {
        Some(UNAUTHORIZED) => {
            let why =
                format!("{}; the rights that are enough are in docs/mongodb.md, under Roles", without_command(&why));
            Error::NotAuthorized { what, why }
        }
        Some(AUTHENTICATION_FAILED) => Error::NotAuthorized { what, why },
        Some(NO_REPLICATION | NOT_A_REPLICA_SET | CHANGE_STREAM_UNSUPPORTED) => Error::NotAReplicaSet { what },
        Some(ILLEGAL_OPERATION) if why.contains("replica set") => Error::NotAReplicaSet { what },
        Some(MAX_TIME_EXPIRED) => {
            Error::Unavailable { what, why: format!("the server took too long ({why}); try again") }
        }
        Some(TRANSACTION_TOO_LARGE | DOCUMENT_TOO_LARGE | UPDATE_TOO_LARGE | UPDATED_TOO_LARGE) => {
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

/// What the server says of a command that it refuses, without repeating the command, which may hold whole documents.
fn without_command(words: &str) -> String {
    let Some((before, command)) = words.split_once("execute command { ") else { return words.to_owned() };
    let name = command.split(':').next().unwrap_or_default();
    // Behind the command come the number and name of the error.
    let number = command.rfind('(').map_or("", |at| &command[at..]);
    format!("{before}execute the command `{name}` {number}")
}

fn unreachable(message: &str) -> String {
    let authentication = message.contains("Authentication failed") || message.contains("SCRAM failure");
    let advice = if authentication {
        "check user, password and `authSource`"
    } else {
        "check that the servers run, that their names are right and can be resolved here, and that `replicaSet` names their set"
    };
    let said = last_words(message).map(|said| format!(" (the last was told: {said})")).unwrap_or_default();
    format!("no server that could do it was found in time; {advice}{said}")
}

/// What one server said, out of all that the driver knows of the set.
fn last_words(message: &str) -> Option<&str> {
    let (_, said) = message.split_once("Error: Kind: ")?;
    Some(said.split_once(", labels:").map_or(said, |(said, _)| said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_server_that_was_not_found_its_last_words_are_told() {
        let message = "Server selection timeout: No available servers. Topology: { Type: Single, Servers: [ { Address: h:1, Type: Unknown, \
                       Error: Kind: I/O error: Connection refused (os error 111), labels: {}, source: None } ] }";
        assert!(unreachable(message).ends_with("(the last was told: I/O error: Connection refused (os error 111))"));
        assert!(unreachable("x").ends_with("names their set"));
    }

    #[test]
    fn a_command_that_is_refused_is_named_and_not_repeated() {
        let words = "the server says: not authorized on app to execute command { insert: \"c\", documents: [ { a: \"(private)\" } ] } (13 Unauthorized)";
        let said = "the server says: not authorized on app to execute the command `insert` (13 Unauthorized)";
        assert_eq!(without_command(words), said);
        assert_eq!(without_command("not allowed"), "not allowed");
    }

    #[test]
    fn an_index_is_called_as_it_is_declared() {
        let pattern = mongodb::bson::doc! {"programName": 1, "started": -1.0, "_id": 1};
        assert_eq!(index_name(&pattern), "programName_started-_id");
    }
}
