//! An answer, and the call that it is for.

use runstate_value::Json;

/// An answer to a call of an execution. A plain value answers the only open question to a person, never a tool.
///
/// ```
/// use runstate::client::Answer;
/// use serde_json::json;
///
/// let only_question = Answer::from("Ada");
/// let keyed = Answer::to_key("name").by("ada").value("Ada");
/// let one_of_several = Answer::to_call("0198…").value(json!({"approved": true}));
/// # _ = (only_question, keyed, one_of_several);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub(super) call: Option<String>,
    pub(super) key: Option<String>,
    pub(super) occurrence: Option<u64>,
    pub(super) value: Json,
    pub(super) by: Option<String>,
    pub(super) cost: Option<String>,
}

impl Answer {
    /// An answer to the call with this id. Its value is null until it is set.
    pub fn to_call(id: impl Into<String>) -> Self {
        Self { call: Some(id.into()), ..Self::default() }
    }

    /// An answer to the first open call under this key (`CC(prompt, { key })`). Without one it is for the next call
    /// that the program makes under it: an early answer is stored until then. Each answer is another one, so a message
    /// that is delivered twice needs a command id, or names its call. Its value is null until it is set.
    pub fn to_key(key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }

    /// The number of the call among those of the execution under its key, from 1.
    pub fn occurrence(mut self, number: u64) -> Self {
        self.occurrence = Some(number);
        self
    }

    /// Sets the value.
    pub fn value(mut self, value: impl Into<Json>) -> Self {
        self.value = value.into();
        self
    }

    /// Names the person, model or worker that answers.
    pub fn by(mut self, name: impl Into<String>) -> Self {
        self.by = Some(name.into());
        self
    }

    /// Sets what the answer has cost, as decimal text in the unit of the call's cost. Without it, it has cost what the
    /// call names.
    pub fn cost(mut self, amount: impl Into<String>) -> Self {
        self.cost = Some(amount.into());
        self
    }
}

macro_rules! answers {
    ($($type:ty),+) => {$(
        /// Answers the only open question.
        impl From<$type> for Answer {
            fn from(value: $type) -> Self {
                Self::default().value(value)
            }
        }
    )+};
}

answers!(Json, &str, String, bool, i32, i64, u32, u64, f64);
