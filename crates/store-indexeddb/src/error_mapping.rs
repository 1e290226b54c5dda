//! The error mapping from browser exceptions to store errors.

use runstate_store::StoreError;
use wasm_bindgen::{JsCast, JsValue};

use super::binding::Exception;

/// An exception of a browser call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BrowserError {
    name: String,
    message: String,
}

/// The failure of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IndexedDbError {
    /// An error of the store's rules.
    Store(StoreError),
    /// An exception of the browser.
    Browser(BrowserError),
}

impl From<StoreError> for IndexedDbError {
    fn from(error: StoreError) -> Self {
        IndexedDbError::Store(error)
    }
}

impl From<BrowserError> for IndexedDbError {
    fn from(error: BrowserError) -> Self {
        IndexedDbError::Browser(error)
    }
}

impl From<JsValue> for IndexedDbError {
    fn from(thrown: JsValue) -> Self {
        IndexedDbError::Browser(thrown.into())
    }
}

impl From<serde_wasm_bindgen::Error> for IndexedDbError {
    fn from(error: serde_wasm_bindgen::Error) -> Self {
        JsValue::from(error).into()
    }
}

impl From<JsValue> for BrowserError {
    fn from(thrown: JsValue) -> Self {
        if thrown.is_null() || thrown.is_undefined() {
            // A transaction that is aborted by a closing connection has no error of its own.
            return Self { name: ABORTED.to_owned(), message: "the browser aborted the transaction".to_owned() };
        }
        let exception: &Exception = thrown.unchecked_ref();
        let text = |value: JsValue| value.as_string().unwrap_or_default();
        Self { name: text(exception.name()), message: text(exception.message()) }
    }
}

/// The name of the exception for an aborted transaction.
const ABORTED: &str = "AbortError";

/// Texts by which browsers report a full disk, in lower case. Chromium on a full disk reports `DataError: Failed to
/// write blobs (IOError)` for large values, `UnknownError: Connection is closing because of: IO error: …
/// FILE_ERROR_NO_SPACE` for small ones, and `Encountered full disk while opening backing store`. SQLite, which Firefox
/// and Safari use, reports `database or disk is full`.
const NO_SPACE: [&str; 5] = ["failed to write blobs", "no_space", "no space", "full disk", "disk is full"];

impl BrowserError {
    /// Returns whether the connection is closed or closing, or the database has changed. A new connection may succeed.
    pub(super) fn is_connection_lost(&self) -> bool {
        // `InvalidStateError`: a call on a closed connection. `NotFoundError`: a collection that no longer exists.
        // `UnknownError`: transactions in progress end with it if the browser closes a connection or its storage fails.
        !self.is_out_of_space()
            && matches!(self.name.as_str(), "InvalidStateError" | "NotFoundError" | "UnknownError" | ABORTED)
    }

    /// Returns whether the database has a higher version than the requested one.
    pub(super) fn is_version_outdated(&self) -> bool {
        self.name == "VersionError"
    }

    /// Returns whether there is no space. An exhausted quota has an error name of its own; a full disk shows in the
    /// message only.
    pub(super) fn is_out_of_space(&self) -> bool {
        let message = self.message.to_ascii_lowercase();
        self.name == "QuotaExceededError" || NO_SPACE.iter().any(|words| message.contains(words))
    }

    /// Returns the error for the caller.
    pub(super) fn into_error(self, database: &str) -> StoreError {
        if self.is_out_of_space() {
            return full_error(database);
        }
        let Self { name, message } = self;
        let why = match name.as_str() {
            "SecurityError" => {
                format!("the browser denies storage to this page, as it does in some private windows ({message})")
            }
            // A full disk is one of the causes.
            _ if message.contains("backing store") => {
                format!("the browser reports: {message} ({name}); if its disk is full, free some space")
            }
            _ => format!("the browser reports: {message} ({name})"),
        };
        StoreError::Unavailable { what: describe_database(database), why }
    }
}

impl IndexedDbError {
    pub(super) fn into_error(self, database: &str) -> StoreError {
        match self {
            IndexedDbError::Store(error) => error,
            IndexedDbError::Browser(error) => error.into_error(database),
        }
    }

    /// As [`BrowserError::is_connection_lost`].
    pub(super) fn is_connection_lost(&self) -> bool {
        matches!(self, IndexedDbError::Browser(error) if error.is_connection_lost())
    }

    /// As [`BrowserError::is_out_of_space`].
    pub(super) fn is_out_of_space(&self) -> bool {
        matches!(self, IndexedDbError::Browser(error) if error.is_out_of_space())
    }
}

/// Returns the error of a database without space.
pub(super) fn full_error(database: &str) -> StoreError {
    StoreError::Full { what: describe_storage(database) }
}

/// Returns the name of the storage of a database in errors about space.
pub(super) fn describe_storage(database: &str) -> String {
    format!("{} of this browser", describe_database(database))
}

/// Returns the name of a database in errors.
pub(super) fn describe_database(database: &str) -> String {
    format!("the database `{database}`")
}
