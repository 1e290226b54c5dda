//! Commands without their types, so that the driver is compiled once and not once for each command. All code that depends on the type is
//! here. Outputs stay typed and are kept beside the decision until the driver returns them.

use super::Error;
use crate::decision::{Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::id::{hex, sha256};
use crate::marker::MaybeSync;
use crate::schema::Key;
use crate::value::{Json, canonical_json, from_value};

/// A command with the output of its last decision.
pub(super) struct TypedCommand<'a, C: Command> {
    command: &'a C,
    output: Option<C::Output>,
}

/// The operations of a command that the engine needs.
pub(super) trait AnyCommand: MaybeSync {
    fn name(&self) -> &'static str;

    fn subject(&self) -> Option<Key>;

    fn reads(&self, view: &View) -> ReadSet;

    /// Decides, and keeps the output.
    fn decide(&mut self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection>;

    /// The output of the last decision as JSON, for the ledger.
    fn result(&self) -> Result<Json, String>;

    /// Sets the output to a result from the ledger.
    fn replay_result(&mut self, result: Json) -> Result<(), String>;

    /// The serialized command. It distinguishes a repeat from a different command under the same id.
    fn to_json(&self) -> Result<Json, String>;
}

impl<'a, C: Command> TypedCommand<'a, C> {
    pub(super) fn new(command: &'a C) -> Self {
        Self { command, output: None }
    }

    /// The output of the last decision.
    pub(super) fn into_output(self) -> Result<C::Output, Error> {
        self.output.ok_or_else(|| Error::internal(format!("{} was not decided", C::NAME)))
    }
}

impl<C: Command> AnyCommand for TypedCommand<'_, C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn subject(&self) -> Option<Key> {
        self.command.subject()
    }

    fn reads(&self, view: &View) -> ReadSet {
        self.command.reads(view)
    }

    fn decide(&mut self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let decision = self.command.decide(view, ctx)?;
        Ok(decision.map(|output| self.output = Some(output)))
    }

    fn result(&self) -> Result<Json, String> {
        serde_json::to_value(&self.output).map_err(|error| error.to_string())
    }

    fn replay_result(&mut self, result: Json) -> Result<(), String> {
        self.output = Some(from_value(&result).map_err(|error| error.to_string())?);
        Ok(())
    }

    fn to_json(&self) -> Result<Json, String> {
        serde_json::to_value(self.command).map_err(|error| error.to_string())
    }
}

/// The fingerprint of a command. It distinguishes a repeat from a different command under the same id.
pub(super) fn fingerprint(command: &dyn AnyCommand) -> Result<String, Error> {
    let form = command.to_json().map_err(|why| Error::internal(format!("{}: {why}", command.name())))?;
    Ok(hex(&sha256(&[command.name().as_bytes(), canonical_json(&form).as_bytes()])[..16]))
}
