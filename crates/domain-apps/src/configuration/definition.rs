//! The configuration of an app: its steps, their inputs and outputs, and how they depend on each other.

use runstate_core::operation::Mismatch;
use runstate_core::prelude::*;
use schemars::JsonSchema;

use super::condition::Condition;

/// The shortest deadline of an execution. An idle process looks that often for those that have passed.
pub const SHORTEST_DEADLINE: Millis = Millis::seconds(30);

/// The shortest retention.
pub const SHORTEST_RETENTION: Millis = Millis::days(1);

/// The configuration of an app.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, Parameters)]
#[schemars(deny_unknown_fields)]
pub struct Configuration {
    /// Its steps, at most 250.
    pub steps: Vec<StepDefinition>,
    /// The input that an execution takes; by default it is not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Vec<FieldDefinition>>,
    /// The JSON Schema of that input, with the keywords of schemas of answers. A property with `"x-secret": true` is a
    /// secret: it is encrypted, and only workers get it.
    #[operation(name = "input_schema")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Document>,
    /// The JSON Schema of the metadata of an execution.
    #[operation(name = "metadata_schema")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata_schema: Option<Document>,
    /// Its description, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The defaults of its steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<StepDefaults>,
}

/// One step of an app.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, Parameters)]
#[schemars(deny_unknown_fields)]
pub struct StepDefinition {
    /// Its number, from 1.
    pub id: i64,
    /// The name by which workers claim it.
    pub name: String,
    /// The version of its code, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its input; by default that of the execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<StepInput>,
    /// The fields of its output; by default it is not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Vec<FieldDefinition>>,
    /// The JSON Schema of its input. A claimed step whose input does not match has failed.
    #[operation(name = "input_schema")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Document>,
    /// The JSON Schema of its output.
    #[operation(name = "output_schema")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Document>,
    /// The JSON Schema of its metadata.
    #[operation(name = "metadata_schema")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata_schema: Option<Document>,
    /// The steps that must end before it begins.
    #[operation(name = "depends_on", default = Vec::new())]
    #[schemars(default)]
    pub depends_on: Vec<i64>,
    /// When it is tried again; by default as the settings say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<StepRetry>,
    /// The longest time of one attempt, in milliseconds; by default as the settings say.
    #[operation(name = "timeout_ms")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<Millis>,
    /// Whether it runs, decided once the steps that it depends on have ended. By default it runs if all of them are
    /// completed, and is skipped with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// Whether it runs whatever became of the steps that it depends on, also after a failure and after a cancel: as the
    /// last of all then, after what is undone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub always: bool,
    /// The step that undoes it, if the execution fails after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compensate: Option<Compensation>,
}

/// The input of a step.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum StepInput {
    /// A value for each name. A text such as `$.input.url` or `$.steps.2.output.pages.0` is the path of a value; `$$`
    /// begins a text with a dollar sign.
    Mapping(Document),
    /// Fields by their names, from the outputs of the steps that it depends on or from the input of the execution.
    Fields(Vec<FieldDefinition>),
}

/// A field of an input or an output.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, Parameters)]
#[schemars(deny_unknown_fields)]
pub struct FieldDefinition {
    /// Its name.
    pub name: String,
    /// The type of its value; by default any.
    #[operation(name = "type")]
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<FieldKind>,
    /// Whether it may be missing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub optional: bool,
    /// Its description, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The type of a value, as in JSON Schema.
#[derive(Wire, Clone, Copy, Debug, PartialEq, Eq, Parameter)]
pub enum FieldKind {
    /// A text.
    String,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// An object.
    Object,
    /// A list.
    Array,
}

/// When a failed step is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema, Parameters)]
#[schemars(deny_unknown_fields)]
pub struct StepRetry {
    /// Number of attempts in total; by default as the settings say.
    #[operation(name = "max_attempts")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// The first wait, in milliseconds; by default one second.
    #[operation(name = "backoff_ms", default = Self::DEFAULT.backoff_ms)]
    #[schemars(default)]
    pub backoff_ms: Millis,
    /// How much longer each wait is than the one before; by default twice as long.
    #[operation(default = Self::DEFAULT.factor)]
    #[schemars(default)]
    pub factor: f64,
    /// The part of a wait by which it is shortened at random, from 0 to 1; by default a half.
    #[operation(default = Self::DEFAULT.jitter)]
    #[schemars(default)]
    pub jitter: f64,
}

/// The step that undoes another one.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, Parameters)]
#[schemars(deny_unknown_fields)]
pub struct Compensation {
    /// The name by which workers claim it.
    pub name: String,
    /// Its input; by default an object with the `input` and the `output` of the step that it undoes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<StepInput>,
    /// When it is tried again; by default as the step that it undoes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<StepRetry>,
    /// The longest time of one attempt, in milliseconds; by default that of the step that it undoes.
    #[operation(name = "timeout_ms")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<Millis>,
}

/// The defaults of the steps of an app.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema, Parameters)]
#[schemars(deny_unknown_fields)]
pub struct StepDefaults {
    /// The longest time of one attempt, in seconds; by default it is not bounded.
    #[operation(name = "timeout_seconds")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    /// How often a failed step is tried again; by default never.
    #[operation(name = "max_retries")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// How an execution continues when a step has failed for the last time; by default it fails at once.
    #[operation(name = "on_failure")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<FailurePolicy>,
    /// The longest time of an execution from its start, in milliseconds; by default it is not bounded. When it is over,
    /// the execution fails, and its completed steps are undone.
    #[operation(name = "deadline_ms")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<Millis>,
    /// How many days an execution is kept after its end, with its steps and artifacts, at most 365. By default
    /// executions are kept for a year, their steps for half a year, and their artifacts for three months.
    #[operation(name = "retention_days")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
}

/// How an execution continues when a step has failed for the last time.
#[derive(Wire, Clone, Copy, Debug, Default, PartialEq, Eq, Parameter)]
pub enum FailurePolicy {
    /// No other step begins, and running ones end their attempt.
    #[default]
    FailFast,
    /// The steps that do not depend on it still run.
    Continue,
}

impl StepRetry {
    /// The default.
    pub const DEFAULT: Self = Self { max_attempts: None, backoff_ms: Millis::seconds(1), factor: 2.0, jitter: 0.5 };
    /// The longest wait.
    const LONGEST: Millis = Millis::days(1);

    /// The wait after this number of attempts. `random` is from 0 to 1.
    pub fn wait(&self, attempts: u32, random: f64) -> Millis {
        let longest = Self::LONGEST.0 as f64;
        let exponent = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        // A product that is not a number, as of 0 and infinity, counts as the longest wait.
        let wait = (self.backoff_ms.0 as f64 * self.factor.powi(exponent)).min(longest);
        Millis((wait * (1.0 - self.jitter * random)) as i64)
    }
}

impl StepDefinition {
    /// What undoes it, if the number is that of the step that does so.
    pub fn undo(&self, step_id: i64) -> Option<&Compensation> {
        self.compensate.as_ref().filter(|_| step_id < 0)
    }
}

impl Configuration {
    /// How the execution continues when a step has failed for the last time.
    pub fn on_failure(&self) -> FailurePolicy {
        self.settings.as_ref().and_then(|settings| settings.on_failure).unwrap_or_default()
    }

    /// How long an execution is kept after its end; `None`: as long as its documents are kept by default.
    pub fn retention(&self) -> Option<Millis> {
        let days = self.settings.as_ref().and_then(|settings| settings.retention_days)?;
        Some(Millis::days(days.into()))
    }

    /// The definition of a step.
    pub fn step(&self, id: i64) -> Option<&StepDefinition> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// The longest time of an execution; `None`: it is not bounded.
    pub fn deadline(&self) -> Option<Millis> {
        self.settings.as_ref().and_then(|settings| settings.deadline_ms)
    }

    /// The retries of a step, or of the one that undoes it.
    pub fn retry(&self, step: &StepDefinition, undo: Option<&Compensation>) -> StepRetry {
        let retry = undo.and_then(|undo| undo.retry).or(step.retry).unwrap_or(StepRetry::DEFAULT);
        let max_retries = self.settings.as_ref().and_then(|settings| settings.max_retries);
        let attempts = retry.max_attempts.unwrap_or_else(|| max_retries.unwrap_or_default().saturating_add(1));
        StepRetry { max_attempts: Some(attempts), ..retry }
    }

    /// The longest time of one attempt of a step, or of the one that undoes it.
    pub fn timeout(&self, step: &StepDefinition, undo: Option<&Compensation>) -> Option<Millis> {
        let seconds = self.settings.as_ref().and_then(|settings| settings.timeout_seconds);
        let own = undo.and_then(|undo| undo.timeout_ms).or(step.timeout_ms);
        own.or_else(|| seconds.map(|seconds| Millis::seconds(i64::from(seconds))))
    }
}

impl FieldKind {
    /// Whether a value has this type.
    pub fn matches(self, value: &Json) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Integer => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
            Self::Boolean => value.is_boolean(),
            Self::Object => value.is_object(),
            Self::Array => value.is_array(),
        }
    }

    /// The type with its article.
    fn phrase(self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Boolean => "true or false",
            Self::Object => "an object",
            Self::Array => "a list",
        }
    }
}

impl FieldDefinition {
    /// The reason why a value does not have these fields, with the path of the field below `path`.
    pub fn mismatch(fields: &[Self], path: &str, value: &Json) -> Option<(String, String)> {
        let Json::Object(object) = value else { return Some((path.to_owned(), "must be an object".to_owned())) };
        fields.iter().find_map(|field| {
            let reason = match (object.get(&field.name), field.kind) {
                (None | Some(Json::Null), _) if field.optional => return None,
                (None, _) => "is missing".to_owned(),
                (Some(value), Some(kind)) if !kind.matches(value) => format!("must be {}", kind.phrase()),
                _ => return None,
            };
            Some((format!("{path}.{}", field.name), reason))
        })
    }
}

impl Parameter for StepInput {
    fn expected() -> String {
        "an object with a value for each name, or a list of fields".to_owned()
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        match value {
            Json::Object(mapping) => Ok(Self::Mapping(mapping)),
            Json::Array(_) => Vec::from_json(value).map(Self::Fields),
            other => Err(Mismatch::of_type(Self::expected(), other)),
        }
    }
}
