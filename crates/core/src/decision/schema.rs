//! JSON Schemas of values. One domain implements them, and others check values by [`SchemaPort`].

use runstate_value::Json;

use super::{Rejection, View};
use crate::error_code::ErrorCode;

/// The schemas of an engine, implemented by the domain that has schemas of answers.
#[derive(Debug)]
pub struct SchemaPort {
    /// Checks a schema. The error is the reason why it is not valid.
    pub check: fn(&Json) -> Result<(), String>,
    /// The first part of a value that does not match a schema, which was checked.
    pub mismatch: fn(&Json, &Json) -> Result<Option<SchemaMismatch>, String>,
}

/// A part of a value that does not match its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaMismatch {
    /// The names and indexes of the part; none: it is the value itself.
    pub path: Vec<String>,
    /// The expected value, in words.
    pub expected: String,
}

impl View {
    /// The schemas of the engine. Errors: `unsupported` (none of its domains has schemas).
    pub fn schemas(&self) -> Result<&'static SchemaPort, Rejection> {
        self.ports.schemas.ok_or_else(|| {
            let message =
                "a schema is given, but this engine has none; nothing was changed. Open it with the domain `cvm`";
            Rejection::domain(ErrorCode::UNSUPPORTED, message)
        })
    }
}
