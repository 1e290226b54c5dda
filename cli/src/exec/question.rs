//! A call as a command is given it: on standard input, and in its environment.

use runstate::domain::cvm::{COGNITIVE, OpenCall, Schema};
use serde_json::Value as Json;
use tokio::process::Command;

use crate::prompt;

/// What a command may know of its call from the environment.
const NAMES: [&str; 9] = [
    "RUNSTATE_CALL",
    "RUNSTATE_EXECUTION",
    "RUNSTATE_PROGRAM",
    "RUNSTATE_KIND",
    "RUNSTATE_ATTEMPT",
    "RUNSTATE_ARGS",
    "RUNSTATE_CHOICES",
    "RUNSTATE_SCHEMA",
    "RUNSTATE_ERROR",
];

/// Longest value in the environment: systems refuse to start commands with longer ones (128 KiB on Linux).
const ENV_BYTES: usize = 96 * 1024;

/// What a command is given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// On standard input.
    pub stdin: String,
    /// In the environment; what it does not name of ours is not set.
    pub env: Vec<(&'static str, String)>,
}

/// A call that is to be answered by a command.
pub struct Wanted<'a> {
    /// The call.
    pub call: &'a OpenCall,
    /// The execution that asks.
    pub execution: &'a str,
    /// Its program.
    pub program: &'a str,
    /// The how-manyth attempt this is.
    pub attempt: u32,
    /// Why the last attempt came to nothing.
    pub error: Option<&'a str>,
    /// The question as it was asked, without what is expected of its answer.
    pub plain: bool,
}

impl Given {
    pub(super) fn set(&self, command: &mut Command) {
        for name in NAMES {
            match self.env.iter().find(|(set, _)| *set == name) {
                Some((name, value)) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
    }
}

impl Wanted<'_> {
    /// What the command is given. Of what is too long for an environment it is told on standard input alone.
    pub fn given(&self) -> Given {
        let call = self.call;
        let json = |value: Option<&Json>| value.map(Json::to_string);
        let choices = call.choices.as_ref().map(|choices| Json::from(choices.clone()));
        let env = [
            Some(call.call_id.clone()),
            Some(self.execution.to_owned()),
            Some(self.program.to_owned()),
            Some(call.kind.clone()),
            Some(self.attempt.to_string()),
            json(Some(&call.args).filter(|args| !args.is_null())),
            json(choices.as_ref()),
            json(call.schema.as_ref()),
            self.error.map(str::to_owned),
        ];
        let fits = |value: &String| value.len() <= ENV_BYTES && !value.contains('\0');
        let env = NAMES.into_iter().zip(env).filter_map(|(name, value)| Some((name, value.filter(fits)?)));
        Given { stdin: self.stdin(), env: env.collect() }
    }

    fn stdin(&self) -> String {
        let call = self.call;
        if call.kind != COGNITIVE {
            return format!("{}\n", call.args);
        }
        let mut text = format!("{}\n", call.prompt);
        if !self.plain {
            text += &expected(call);
        }
        text
    }
}

/// What is expected of the answer, for models.
fn expected(call: &OpenCall) -> String {
    let choices = call.choices.as_ref().map(|choices| {
        let choices: Vec<String> = choices.iter().map(prompt::shown).collect();
        format!("\nAnswer with one of: {}\n", choices.join(", "))
    });
    // A schema that cannot be read was refused when it was asked; one of a newer version is the engine's to judge.
    let schema = call.schema.as_ref().and_then(|schema| Schema::parse(schema).ok());
    let schema = schema.map(|schema| format!("\nAnswer with JSON only: {}\n", schema.describe()));
    choices.into_iter().chain(schema).collect()
}

#[cfg(test)]
mod tests {
    use runstate::time::Timestamp;
    use serde_json::json;

    use super::*;

    fn call(kind: &str) -> OpenCall {
        OpenCall {
            call_id: "c1".into(),
            step: 3,
            prompt: "which?".into(),
            args: Json::Null,
            choices: None,
            schema: None,
            kind: kind.into(),
            key: None,
            deadline: None,
            default: None,
            owner: None,
            lease_until: None,
            line: 1,
            variables: Json::Null,
            requested_at: Timestamp::default(),
        }
    }

    fn given(call: &OpenCall, plain: bool) -> Given {
        Wanted { call, execution: "r1", program: "p", attempt: 2, error: None, plain }.given()
    }

    #[test]
    fn models_are_told_what_is_expected_of_them() {
        let mut call = call("cc");
        assert_eq!(given(&call, false).stdin, "which?\n");
        call.choices = Some(vec![json!("a b"), json!(3)]);
        assert_eq!(given(&call, false).stdin, "which?\n\nAnswer with one of: a b, 3\n");
        assert_eq!(given(&call, true).stdin, "which?\n");
        (call.choices, call.schema) = (None, Some(json!({"type": "integer", "minimum": 0})));
        assert_eq!(given(&call, false).stdin, "which?\n\nAnswer with JSON only: an integer ≥ 0\n");
    }

    #[test]
    fn tools_are_given_their_arguments() {
        let mut call = call("search");
        assert_eq!(given(&call, false).stdin, "null\n");
        call.args = json!({"for": "x"});
        let given = given(&call, false);
        assert_eq!(given.stdin, "{\"for\":\"x\"}\n");
        assert!(given.env.contains(&("RUNSTATE_ARGS", "{\"for\":\"x\"}".to_owned())));
        assert!(given.env.contains(&("RUNSTATE_ATTEMPT", "2".to_owned())));
    }

    #[test]
    fn what_no_environment_takes_is_left_out_of_it() {
        let mut call = call("search");
        call.args = "x".repeat(ENV_BYTES).into();
        let given = given(&call, false);
        assert!(given.stdin.len() > ENV_BYTES);
        assert!(given.env.iter().all(|(name, _)| *name != "RUNSTATE_ARGS"));
    }
}
