//! A command without its type: what drives commands is compiled once, not once for each. Here stands all that depends on the
//! type; the outputs stay typed, kept beside the decision until they are told.

use super::Error;
use crate::decision::{Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::id::{hex, sha256};
use crate::marker::MaybeSync;
use crate::schema::Key;
use crate::value::{Json, canonical, read};

/// A command, and what its last decision told.
pub(super) struct Asked<'a, C: Command> {
    command: &'a C,
    output: Option<C::Output>,
}

/// What the engine needs of any command.
pub(super) trait AnyCommand: MaybeSync {
    fn name(&self) -> &'static str;

    fn subject(&self) -> Option<Key>;

    fn reads(&self, view: &View) -> ReadSet;

    /// Decides; what it tells is kept here.
    fn decide(&mut self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection>;

    /// What the ledger keeps of the last decision.
    fn result(&self) -> Result<Json, String>;

    /// Takes what the ledger kept for what was told.
    fn recall(&mut self, result: Json) -> Result<(), String>;

    /// The serialised form, which tells a repeat from another command.
    fn form(&self) -> Result<Json, String>;
}

impl<'a, C: Command> Asked<'a, C> {
    pub(super) fn new(command: &'a C) -> Self {
        Self { command, output: None }
    }

    /// What was told.
    pub(super) fn told(self) -> Result<C::Output, Error> {
        self.output.ok_or_else(|| Error::internal(format!("{} was not decided", C::NAME)))
    }
}

impl<C: Command> AnyCommand for Asked<'_, C> {
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

    fn recall(&mut self, result: Json) -> Result<(), String> {
        self.output = Some(read(&result).map_err(|error| error.to_string())?);
        Ok(())
    }

    fn form(&self) -> Result<Json, String> {
        serde_json::to_value(self.command).map_err(|error| error.to_string())
    }
}

/// What tells a repeat from another command under the same id.
pub(super) fn fingerprint(command: &dyn AnyCommand) -> Result<String, Error> {
    let form = command.form().map_err(|why| Error::internal(format!("{}: {why}", command.name())))?;
    Ok(hex(&sha256(&[command.name().as_bytes(), canonical(&form).as_bytes()])[..16]))
}
