//! The variables of an execution, frame by frame, with the values assigned so far.

use serde::Serialize;

use super::execution::ExecutionHead;
use super::loaded_machine::{self, LoadedMachine};
use crate::decision::{Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::vm::{FrameView, InspectBounds};

/// Largest number of names in an error.
const MAX_LISTED: usize = 10;

/// Returns the active function calls of an execution, the innermost first, with their variables. Changes nothing.
///
/// Errors: `not_found` (the execution does not exist, or no function call has a variable of that name).
#[derive(Clone, Debug, Serialize)]
pub struct Variables {
    /// The execution.
    pub id: String,
    /// Only variables of this name, and function calls that have one; `None`: all.
    pub name: Option<String>,
    /// Limits of the returned values.
    pub bounds: InspectBounds,
}

impl Command for Variables {
    const NAME: &'static str = "cvm.variables";
    type Output = Vec<FrameView>;

    fn reads(&self, view: &View) -> ReadSet {
        loaded_machine::reads(view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Vec<FrameView>>, Rejection> {
        let (_, execution) = ExecutionHead::find(view, &self.id)?;
        let machine = LoadedMachine::load_runnable(view, &execution, ctx)?.machine;
        let Some(name) = &self.name else { return Ok(Decision::new(machine.view(self.bounds).frames)) };
        let found = machine.variables_named(name, self.bounds);
        if found.is_empty() {
            return Err(self
                .not_found(name, &machine.view(InspectBounds { functions: true, ..InspectBounds::default() }).frames));
        }
        Ok(Decision::new(found))
    }
}

impl Variables {
    fn not_found(&self, name: &str, frames: &[FrameView]) -> Rejection {
        let mut names: Vec<&str> = Vec::new();
        for variable in frames.iter().flat_map(|frame| &frame.variables) {
            if !names.contains(&variable.name.as_str()) {
                names.push(&variable.name);
            }
        }
        let more = if names.len() > MAX_LISTED { ", …" } else { "" };
        let listed = names.iter().take(MAX_LISTED).copied().collect::<Vec<_>>().join(", ");
        let all = if names.is_empty() { "no variables".to_owned() } else { format!("{listed}{more}") };
        Rejection::NotFound {
            what: "variable",
            id: name.to_owned(),
            hint: format!("; execution `{}` has {all}", self.id),
        }
    }
}
