//! What the browser's exceptions mean for a store.

use wasm_bindgen::{JsCast, JsValue};

use super::binding::Exception;
use super::quota;
use crate::store::Error;

/// Why a call of the browser failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    name: String,
    message: String,
}

/// Why something was not done: it was judged, or the browser failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Error(Error),
    Fault(Fault),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl From<JsValue> for Stop {
    fn from(thrown: JsValue) -> Self {
        Stop::Fault(thrown.into())
    }
}

impl From<JsValue> for Fault {
    fn from(thrown: JsValue) -> Self {
        if thrown.is_null() || thrown.is_undefined() {
            // A transaction that was aborted without an error of its own: by a connection that was closed.
            return Self { name: ABORTED.to_owned(), message: "the browser ended the transaction".to_owned() };
        }
        let exception: &Exception = thrown.unchecked_ref();
        let text = |value: JsValue| value.as_string().unwrap_or_default();
        Self { name: text(exception.name()), message: text(exception.message()) }
    }
}

const ABORTED: &str = "AbortError";

/// Words of browsers for a full disk, in small letters. Chromium, seen on a full disk: `DataError: Failed to write blobs (IOError)` of large values,
/// `UnknownError: Connection is closing because of: IO error: … FILE_ERROR_NO_SPACE` of small ones, and `Encountered full disk while opening backing
/// store`. SQLite, below Firefox and Safari: `database or disk is full`.
const NO_SPACE: [&str; 5] = ["failed to write blobs", "no_space", "no space", "full disk", "disk is full"];

impl Fault {
    /// The connection is closed or about to be, or the database has changed under it: with another one it may go on.
    pub(super) fn lost(&self) -> bool {
        // `InvalidStateError`: a call on a connection that is closed. `NotFoundError`: a collection that is not there any more.
        // `UnknownError`: what transactions under way end in where the browser itself closes a connection, or its storage fails.
        !self.full() && matches!(self.name.as_str(), "InvalidStateError" | "NotFoundError" | "UnknownError" | ABORTED)
    }

    /// Something was added where something stood.
    pub(super) fn clashed(&self) -> bool {
        self.name == "ConstraintError"
    }

    /// The database was raised beyond the version that was asked for.
    pub(super) fn outrun(&self) -> bool {
        self.name == "VersionError"
    }

    /// There is no space for it. A quota that is used up has a name of its own; of a disk that is full only the message says so.
    pub(super) fn full(&self) -> bool {
        let message = self.message.to_ascii_lowercase();
        self.name == "QuotaExceededError" || NO_SPACE.iter().any(|words| message.contains(words))
    }

    /// As callers are told.
    pub(super) fn into_error(self, database: &str) -> Error {
        if self.full() {
            return quota::full(database);
        }
        let Self { name, message } = self;
        let why = match name.as_str() {
            "SecurityError" => {
                format!("the browser refuses storage to this page, as it does in some private windows ({message})")
            }
            // A disk that is full is one of the causes.
            _ if message.contains("backing store") => {
                format!("the browser says: {message} ({name}); if its disk is full, free some space")
            }
            _ => format!("the browser says: {message} ({name})"),
        };
        Error::Unavailable { what: what(database), why }
    }
}

impl Stop {
    pub(super) fn into_error(self, database: &str) -> Error {
        match self {
            Stop::Error(error) => error,
            Stop::Fault(fault) => fault.into_error(database),
        }
    }

    /// As [`Fault::clashed`].
    pub(super) fn clashed(&self) -> bool {
        matches!(self, Stop::Fault(fault) if fault.clashed())
    }

    /// As [`Fault::lost`].
    pub(super) fn lost(&self) -> bool {
        matches!(self, Stop::Fault(fault) if fault.lost())
    }

    /// As [`Fault::full`].
    pub(super) fn full(&self) -> bool {
        matches!(self, Stop::Fault(fault) if fault.full())
    }
}

/// A database as errors call it.
pub(super) fn what(database: &str) -> String {
    format!("the database `{database}`")
}
