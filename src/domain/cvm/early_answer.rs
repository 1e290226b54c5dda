//! The row of an early answer. A call and its early answer use the same row, so neither can miss the other.

use serde::{Deserialize, Serialize};

use super::call::{Call, CallOutcome};
use super::{document, row_id};
use crate::decision::{LoadedDocument, Rejection};
use crate::schema::Key;
use crate::time::Timestamp;
use crate::value::Json;

/// An early answer: the row of a call without the fields that only the call knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EarlyAnswer {
    pub id: String,
    pub execution_id: String,
    pub program_name: String,
    pub key: String,
    pub response: EarlyResponse,
    /// Always [`CallOutcome::Answered`], so that no worker claims it.
    pub outcome: CallOutcome,
}

/// As [`Response`](super::call::Response), without the latency, which is not known yet.
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

/// The content of a row of `cvm.cc_history`.
pub(super) enum CallHistoryRow {
    /// A call that was made.
    Call(Box<Call>),
    /// An answer to a call that does not exist yet.
    EarlyAnswer(Box<EarlyAnswer>),
}

impl CallHistoryRow {
    pub fn read(key: &Key, found: &LoadedDocument) -> Result<Self, Rejection> {
        if found.document.contains_key("request") {
            return Ok(CallHistoryRow::Call(Box::new(document::read(key, found)?)));
        }
        Ok(CallHistoryRow::EarlyAnswer(Box::new(document::read(key, found)?)))
    }
}
