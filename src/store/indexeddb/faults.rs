//! What the browser's exceptions mean for a store.

use wasm_bindgen::{JsCast, JsValue};

use super::binding::Exception;
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

impl Fault {
    /// The connection is closed or about to be, or the database has changed under it: with another one it may go on.
    pub(super) fn lost(&self) -> bool {
        // `InvalidStateError`: a call on a connection that is closed. `NotFoundError`: a collection that is not there any more.
        // `UnknownError`: what transactions under way end in where the browser itself closes a connection, or its storage fails.
        matches!(self.name.as_str(), "InvalidStateError" | "NotFoundError" | "UnknownError" | ABORTED)
    }

    /// Something was added where something stood.
    pub(super) fn clashed(&self) -> bool {
        self.name == "ConstraintError"
    }

    /// The database was raised beyond the version that was asked for.
    pub(super) fn outrun(&self) -> bool {
        self.name == "VersionError"
    }

    /// There is no space for it.
    pub(super) fn full(&self) -> bool {
        self.name == "QuotaExceededError"
    }

    /// As callers are told.
    pub(super) fn into_error(self, database: &str) -> Error {
        if self.full() {
            return Error::Full { what: format!("the database `{database}` of this browser") };
        }
        let Self { name, message } = self;
        let why = match name.as_str() {
            "SecurityError" => {
                format!("the browser refuses storage to this page, as it does in some private windows ({message})")
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
}

/// A database as errors call it.
pub(super) fn what(database: &str) -> String {
    format!("the database `{database}`")
}
