//! The input of a command for a call or a step: standard input and environment variables.

use runstate::domain::apps::StepWork;
use runstate::domain::cvm::{COGNITIVE, CallView, Schema};
use serde_json::Value as Json;
use tokio::process::Command;

use crate::prompt;

/// The environment variables that describe a call or a step to a command.
const ENV_NAMES: [&str; 10] = [
    "RUNSTATE_CALL",
    "RUNSTATE_EXECUTION",
    "RUNSTATE_PROGRAM",
    "RUNSTATE_KIND",
    "RUNSTATE_ATTEMPT",
    "RUNSTATE_ARGS",
    "RUNSTATE_CHOICES",
    "RUNSTATE_SCHEMA",
    "RUNSTATE_ERROR",
    "RUNSTATE_STEP",
];

/// The longest value in the environment. Systems refuse to start commands with longer ones (128 KiB on Linux).
const ENV_BYTES: usize = 96 * 1024;

#[derive(Clone, Debug, Default)]
pub struct ExecInput {
    pub stdin: String,
    /// Environment variables. The others of [`ENV_NAMES`] are removed.
    pub env: Vec<(&'static str, String)>,
}

/// A call that a command answers.
pub struct ExecRequest<'a> {
    pub call: &'a CallView,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// Why the last attempt failed.
    pub error: Option<&'a str>,
    /// Passes the question as it was asked, without a description of the expected answer.
    pub plain: bool,
}

impl ExecInput {
    /// The input of a command. A value that the environment cannot hold is left out.
    fn new(stdin: String, env: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Self {
        let fits = |value: &String| value.len() <= ENV_BYTES && !value.contains('\0');
        let env = env.into_iter().filter_map(|(name, value)| Some((name, value.filter(fits)?)));
        Self { stdin, env: env.collect() }
    }

    pub fn of_step(StepWork { claimed, input, error }: &StepWork) -> Self {
        let message = error.as_ref().and_then(|error| error.get("message")).and_then(Json::as_str);
        let env = [
            ("RUNSTATE_EXECUTION", Some(claimed.execution_id.clone())),
            ("RUNSTATE_STEP", Some(claimed.step_id.to_string())),
            ("RUNSTATE_KIND", Some(claimed.step_name.clone())),
            ("RUNSTATE_ATTEMPT", Some(claimed.attempts.to_string())),
            ("RUNSTATE_ERROR", message.map(str::to_owned)),
        ];
        Self::new(format!("{input}\n"), env)
    }

    pub(super) fn apply_to(&self, command: &mut Command) {
        for name in ENV_NAMES {
            match self.env.iter().find(|(other, _)| *other == name) {
                Some((name, value)) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
    }
}

impl ExecRequest<'_> {
    /// Returns the input of the command. Values that are too long for the environment are on standard input only.
    pub fn input(&self) -> ExecInput {
        let call = self.call;
        let json = |value: Option<&Json>| value.map(Json::to_string);
        let choices = call.choices.as_ref().map(|choices| Json::from(choices.clone()));
        let env = [
            Some(call.id.clone()),
            Some(call.execution_id.clone()),
            Some(call.program_name.clone()),
            Some(call.kind.clone()),
            Some(self.attempt.to_string()),
            json(Some(&call.args).filter(|args| !args.is_null())),
            json(choices.as_ref()),
            json(call.schema.as_ref()),
            self.error.map(str::to_owned),
            None,
        ];
        ExecInput::new(self.stdin(), ENV_NAMES.into_iter().zip(env))
    }

    fn stdin(&self) -> String {
        let call = self.call;
        if call.kind != COGNITIVE {
            return format!("{}\n", call.args);
        }
        let mut text = format!("{}\n", call.prompt);
        if !self.plain {
            text += &expected_answer(call);
        }
        text
    }
}

/// Describes the expected answer for models.
fn expected_answer(call: &CallView) -> String {
    let choices = call.choices.as_ref().map(|choices| {
        let choices: Vec<String> = choices.iter().map(prompt::display_value).collect();
        format!("\nAnswer with one of: {}\n", choices.join(", "))
    });
    // A schema that cannot be parsed is of a newer version. The engine checks the answer against it.
    let schema = call.schema.as_ref().and_then(|schema| Schema::parse_stored(schema).ok());
    let schema = schema.map(|schema| format!("\nAnswer with JSON only: {}\n", schema.describe()));
    choices.into_iter().chain(schema).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(kind: &str) -> CallView {
        CallView {
            id: "c1".into(),
            step: Some(3),
            prompt: "which?".into(),
            kind: kind.into(),
            line: 1,
            ..CallView::default()
        }
    }

    fn input(call: &CallView, plain: bool) -> ExecInput {
        ExecRequest { call, attempt: 2, error: None, plain }.input()
    }

    #[test]
    fn the_question_states_the_expected_answer() {
        let mut call = call("cc");
        assert_eq!(input(&call, false).stdin, "which?\n");
        call.choices = Some(vec![json!("a b"), json!(3)]);
        assert_eq!(input(&call, false).stdin, "which?\n\nAnswer with one of: a b, 3\n");
        assert_eq!(input(&call, true).stdin, "which?\n");
        (call.choices, call.schema) = (None, Some(json!({"type": "integer", "minimum": 0})));
        assert_eq!(input(&call, false).stdin, "which?\n\nAnswer with JSON only: an integer ≥ 0\n");
    }

    #[test]
    fn tools_receive_their_arguments() {
        let mut call = call("search");
        assert_eq!(input(&call, false).stdin, "null\n");
        call.args = json!({"for": "x"});
        let input = input(&call, false);
        assert_eq!(input.stdin, "{\"for\":\"x\"}\n");
        assert!(input.env.contains(&("RUNSTATE_ARGS", "{\"for\":\"x\"}".to_owned())));
        assert!(input.env.contains(&("RUNSTATE_ATTEMPT", "2".to_owned())));
    }

    #[test]
    fn values_too_long_for_the_environment_are_left_out() {
        let mut call = call("search");
        call.args = "x".repeat(ENV_BYTES).into();
        let input = input(&call, false);
        assert!(input.stdin.len() > ENV_BYTES);
        assert!(input.env.iter().all(|(name, _)| *name != "RUNSTATE_ARGS"));
    }
}
