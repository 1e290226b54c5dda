//! Removing a program with its versions, which only one that no execution runs allows. Executions that are started at the same time rest
//! on the program's row: it is marked first, so that afterwards none can be started, and only then are executions looked for.

use serde::{Deserialize, Serialize};

use super::document;
use super::execution::EXECUTIONS;
use super::program::{PROGRAM_VERSIONS, Program, by_name};
use crate::code::Code;
use crate::decision::{Change, Command, Ctx, Decision, Loaded, ReadSet, Rejection, View};
use crate::schema::{Key, Query};
use crate::value::Json;

/// How many versions one commit removes.
const VERSIONS: u32 = 1_000;

/// Removes a program that no execution runs, in steps: to be repeated until it is `done`.
#[derive(Clone, Debug, Serialize)]
pub struct RemoveProgram {
    /// Its name.
    pub name: String,
}

/// How far a removal is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemovedProgram {
    /// The program's name.
    pub name: String,
    /// Nothing is left to do.
    pub done: bool,
    /// An execution that was started meanwhile: the program stays.
    pub used_by: Option<String>,
}

/// What a program is told in whose way executions are.
pub fn in_use(name: &str, execution: &str) -> (Code, String) {
    let message =
        format!("program `{name}` has executions, `{execution}` for one; delete them first. Nothing was changed");
    (Code::InUse, message)
}

impl Command for RemoveProgram {
    const NAME: &'static str = "cvm.remove_program";
    type Output = RemovedProgram;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::none().query("program", by_name(&self.name));
        let Some([(key, found), ..]) = view.rows("program") else { return reads };
        let of_program = |query: Query| query.eq("programId", &*key.id);
        let reads = reads.query("executions", of_program(Query::of(&EXECUTIONS)).limit(1));
        match found.document.get("removing") {
            Some(Json::Bool(true)) => reads.query("versions", of_program(Query::of(&PROGRAM_VERSIONS)).limit(VERSIONS)),
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<RemovedProgram>, Rejection> {
        let Some([(key, found), ..]) = view.rows("program") else {
            let hint = "; programs lists what is there".to_owned();
            return Err(Rejection::NotFound { what: "program", id: self.name.clone(), hint });
        };
        let mut program: Program = document::read(key, found)?;
        let used_by = match view.rows("executions") {
            Some([(execution, _), ..]) => Some(execution.id.to_string()),
            _ => None,
        };
        let removed = |done, used_by| RemovedProgram { name: self.name.clone(), done, used_by };
        match (program.removing, used_by) {
            (false, Some(execution)) => {
                let (code, message) = in_use(&self.name, &execution);
                Err(Rejection::domain(code, message))
            }
            (marked, used_by) if !marked || used_by.is_some() => {
                program.removing = !marked;
                let after = document::write(&program)?;
                let change = Change::Update { key: key.clone(), before: found.clone(), after };
                Ok(Decision::of(removed(marked, used_by)).change(change))
            }
            _ => Ok(remove(key, found, view, ctx, removed(true, None))),
        }
    }
}

/// Removes what one commit can: the program goes with the last of its versions.
fn remove(key: &Key, found: &Loaded, view: &View, ctx: &Ctx, mut removed: RemovedProgram) -> Decision<RemovedProgram> {
    let versions = view.rows("versions").unwrap_or_default();
    let most = ctx.most_writes.saturating_sub(1).max(1);
    let gone = versions.iter().take(most).map(|(key, _)| Change::Delete { key: key.clone(), revision: None });
    let mut changes: Vec<Change> = gone.collect();
    removed.done = versions.len() < VERSIONS as usize && changes.len() == versions.len();
    let mut decision = Decision::of(removed);
    if decision.output.done {
        changes.push(Change::Delete { key: key.clone(), revision: Some(found.revision.clone()) });
    } else {
        decision = decision.check(key.clone(), found);
    }
    decision.changes = changes;
    decision
}
