//! The variables of an execution, call by call, as far as they were assigned where it is.

use serde::Serialize;

use super::execution::Execution;
use super::live::{self, Live};
use crate::decision::{Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::vm::{Bounds, FrameView};

/// Names that an error lists.
const LISTED: usize = 10;

/// Reads the calls of an execution that have begun, the innermost first, with their variables. Changes nothing.
///
/// `not_found`: there is no such execution, or no call has a variable of that name.
#[derive(Clone, Debug, Serialize)]
pub struct Variables {
    /// The execution.
    pub id: String,
    /// Only variables of this name, and calls that have one; `None`: all.
    pub name: Option<String>,
    /// How much of the values is shown.
    pub bounds: Bounds,
}

impl Command for Variables {
    const NAME: &'static str = "cvm.variables";
    type Output = Vec<FrameView>;

    fn reads(&self, view: &View) -> ReadSet {
        live::reads(view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Vec<FrameView>>, Rejection> {
        let (_, execution) = Execution::find(view, &self.id)?;
        let machine = Live::of(view, &execution, ctx)?.machine;
        let Some(name) = &self.name else { return Ok(Decision::of(machine.view(self.bounds).frames)) };
        let found = machine.variables_named(name, self.bounds);
        if found.is_empty() {
            return Err(self.missing(name, &machine.view(Bounds { functions: true, ..Bounds::default() }).frames));
        }
        Ok(Decision::of(found))
    }
}

impl Variables {
    fn missing(&self, name: &str, frames: &[FrameView]) -> Rejection {
        let mut names: Vec<&str> = Vec::new();
        for variable in frames.iter().flat_map(|frame| &frame.variables) {
            if !names.contains(&variable.name.as_str()) {
                names.push(&variable.name);
            }
        }
        let more = if names.len() > LISTED { ", …" } else { "" };
        let listed = names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
        let all = if names.is_empty() { "no variables".to_owned() } else { format!("{listed}{more}") };
        Rejection::NotFound {
            what: "variable",
            id: name.to_owned(),
            hint: format!("; execution `{}` has {all}", self.id),
        }
    }
}
