//! The error of an execution. Documents name its members in another case than results.

use runstate_core::prelude::*;
use runstate_core::schema::{FieldType, Kind, Violation};
use schemars::JsonSchema;
use serde_json::json;

/// The members that have two names: in documents and in results.
const MEMBERS: [(&str, &str); 2] = [("step_id", "stepId"), ("step_name", "stepName")];

/// The error of the step that failed first: its `message`, its `stepId` and its `stepName`. If the deadline passed
/// first: a `message`, and `deadline_passed` as its `name`. Documents of other programs may hold any value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Json", into = "Json")]
#[schemars(inline)]
pub struct ExecutionError(pub(crate) Json);

impl ExecutionError {
    pub(super) fn of_step(step_id: i64, step_name: &str, error: &Json) -> Self {
        Self(json!({ "message": error.get("message"), "step_id": step_id, "step_name": step_name }))
    }

    /// The error of an execution whose deadline has passed.
    pub(super) fn deadline_passed() -> Self {
        Self(json!({ "message": "the deadline of the execution has passed", "name": "deadline_passed" }))
    }
}

impl FieldType for ExecutionError {
    const KIND: Kind = Kind::Json;
    const HOLDS_NULL: bool = true;

    fn to_json(&self) -> Result<Json, Violation> {
        Ok(self.0.clone())
    }

    fn from_json(value: &Json) -> Result<Self, Violation> {
        Ok(Self(value.clone()))
    }
}

impl From<Json> for ExecutionError {
    fn from(result: Json) -> Self {
        Self(rename(result, MEMBERS.map(|(stored, name)| (name, stored))))
    }
}

impl From<ExecutionError> for Json {
    fn from(ExecutionError(stored): ExecutionError) -> Self {
        rename(stored, MEMBERS)
    }
}

fn rename(mut error: Json, names: [(&str, &str); 2]) -> Json {
    if let Json::Object(members) = &mut error {
        for (from, to) in names {
            if let Some(value) = members.shift_remove(from) {
                members.insert(to.to_owned(), value);
            }
        }
    }
    error
}
