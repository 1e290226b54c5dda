//! The error type that callers receive on every host.

use std::fmt;

use runstate_value::Json;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::decision::Rejection;
use crate::error_code::ErrorCode;
use crate::id::InvalidId;

/// A failed operation: what failed, on what, and whether a retry may succeed. A command changed nothing, unless its
/// error has the code
/// [`ErrorCode::UNKNOWN_OUTCOME`].
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ErrorFields")]
pub struct Error {
    /// Stable code.
    pub code: ErrorCode,
    /// For people; may change.
    pub message: String,
    /// The collection concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// The id of the document concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether the same call may succeed later without a change by the caller.
    pub retryable: bool,
    /// Details for programs. They are boxed, because every result has room for an error.
    #[serde(skip_serializing_if = "is_null")]
    pub details: Box<Json>,
}

impl Error {
    /// An error with this code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), collection: None, key: None, retryable: false, details: Box::default() }
    }

    /// Adds details for programs.
    pub fn details(mut self, details: impl Into<Json>) -> Self {
        self.details = Box::new(details.into());
        self
    }

    /// A violated invariant of runstate: a defect, never an error of the caller.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::INTERNAL, message)
    }
}

#[expect(clippy::borrowed_box, reason = "the signature that `serde` calls")]
fn is_null(details: &Box<Json>) -> bool {
    details.is_null()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        let mut error = Self::new(rejection.code(), rejection.to_string());
        match rejection {
            Rejection::IllegalTransition { key, .. } => {
                error.collection = Some(key.collection.into_owned());
                error.key = Some(key.id.to_string());
            }
            Rejection::Conflict { key, expected, found } => {
                error.details = Box::new(json!({"expected": expected, "found": found}));
                error.collection = Some(key.collection.into_owned());
                error.key = Some(key.id.to_string());
            }
            Rejection::NotFound { id, .. } | Rejection::AlreadyExists { id, .. } => error.key = Some(id),
            Rejection::NotYet { id, .. } => {
                error.key = Some(id);
                error.retryable = true;
            }
            Rejection::Domain { details, .. } => error.details = Box::new(details),
            _ => {}
        }
        error
    }
}

impl From<InvalidId> for Error {
    fn from(invalid: InvalidId) -> Self {
        Self::new(ErrorCode::INVALID, invalid.to_string())
    }
}
