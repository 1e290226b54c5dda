//! The row of a call that is answered before it is asked. Who asks and who answers early write the same row, so they cannot miss each other.

use serde::{Deserialize, Serialize};

use super::call::{Call, CallOutcome};
use super::{document, row_id};
use crate::decision::{Loaded, Rejection};
use crate::schema::Key;
use crate::time::Timestamp;
use crate::value::Json;

/// An answer that came before its question: the row of the call without what only the question knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Early {
    pub id: String,
    pub execution_id: String,
    pub program_name: String,
    pub key: String,
    pub response: EarlyResponse,
    /// Always [`CallOutcome::Answered`]: nobody is to take it.
    pub outcome: CallOutcome,
}

/// As [`Response`], before anybody knows how late it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct EarlyResponse {
    pub result: Json,
    pub timestamp: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The id of a keyed call.
pub(super) fn keyed_id(execution: &str, key: &str, occurrence: u64) -> String {
    row_id(&["call", execution, key, &occurrence.to_string()])
}

/// What stands in the row of a call.
pub(super) enum Row {
    /// It was asked.
    Asked(Box<Call>),
    /// It was answered before it was asked.
    Early(Box<Early>),
}

impl Row {
    pub fn read(key: &Key, found: &Loaded) -> Result<Self, Rejection> {
        if found.document.contains_key("request") {
            return Ok(Row::Asked(Box::new(document::read(key, found)?)));
        }
        Ok(Row::Early(Box::new(document::read(key, found)?)))
    }
}
