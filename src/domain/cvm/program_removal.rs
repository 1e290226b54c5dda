//! Removing a program with its versions. Only a program without executions can be removed. Every start depends on the program's row, so the
//! removal marks that row first. After the mark no execution can start, and only then does the removal look for executions.

use serde::{Deserialize, Serialize};

use super::document;
use super::execution::EXECUTIONS;
use super::program::{PROGRAM_VERSIONS, Program, by_name};
use crate::decision::{Change, Command, Ctx, Decision, LoadedDocument, ReadSet, Rejection, View};
use crate::error_code::ErrorCode;
use crate::schema::{Key, Query};
use crate::value::Json;

/// Largest number of versions that one commit removes.
const VERSIONS_PER_COMMIT: u32 = 1_000;

/// Removes a program without executions, in steps. The caller repeats it until it is `done`.
#[derive(Clone, Debug, Serialize)]
pub struct RemoveProgram {
    /// Its name.
    pub name: String,
}

/// The progress of a removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemovalProgress {
    /// The program's name.
    pub name: String,
    /// Whether nothing is left to do.
    pub done: bool,
    /// An execution that was started meanwhile, so that the program stays.
    pub used_by: Option<String>,
}

/// The error for a program that still has executions.
pub fn in_use_error(name: &str, execution: &str) -> (ErrorCode, String) {
    let message =
        format!("program `{name}` has executions, for example `{execution}`; delete them first. Nothing was changed");
    (ErrorCode::InUse, message)
}

impl Command for RemoveProgram {
    const NAME: &'static str = "cvm.remove_program";
    type Output = RemovalProgress;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::empty().query("program", by_name(&self.name));
        let Some([(key, found), ..]) = view.rows("program") else { return reads };
        let of_program = |query: Query| query.eq("programId", &*key.id);
        let reads = reads.query("executions", of_program(Query::of(&EXECUTIONS)).limit(1));
        match found.document.get("removing") {
            Some(Json::Bool(true)) => {
                reads.query("versions", of_program(Query::of(&PROGRAM_VERSIONS)).limit(VERSIONS_PER_COMMIT))
            }
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<RemovalProgress>, Rejection> {
        let Some([(key, found), ..]) = view.rows("program") else {
            let hint = "; programs lists the loaded programs".to_owned();
            return Err(Rejection::NotFound { what: "program", id: self.name.clone(), hint });
        };
        let mut program: Program = document::read(key, found)?;
        let used_by = match view.rows("executions") {
            Some([(execution, _), ..]) => Some(execution.id.to_string()),
            _ => None,
        };
        let removed = |done, used_by| RemovalProgress { name: self.name.clone(), done, used_by };
        match (program.removing, used_by) {
            (false, Some(execution)) => {
                let (code, message) = in_use_error(&self.name, &execution);
                Err(Rejection::domain(code, message))
            }
            (marked, used_by) if !marked || used_by.is_some() => {
                program.removing = !marked;
                let after = document::write(&program)?;
                let change = Change::Update { key: key.clone(), before: found.clone(), after };
                Ok(Decision::new(removed(marked, used_by)).change(change))
            }
            _ => Ok(remove(key, found, view, ctx, removed(true, None))),
        }
    }
}

/// Removes as many versions as one commit can. The program's row is removed with the last of them.
fn remove(
    key: &Key,
    found: &LoadedDocument,
    view: &View,
    ctx: &Ctx,
    mut removed: RemovalProgress,
) -> Decision<RemovalProgress> {
    let versions = view.rows("versions").unwrap_or_default();
    let most = ctx.max_writes.saturating_sub(1).max(1);
    let gone = versions.iter().take(most).map(|(key, _)| Change::Delete { key: key.clone(), revision: None });
    let mut changes: Vec<Change> = gone.collect();
    removed.done = versions.len() < VERSIONS_PER_COMMIT as usize && changes.len() == versions.len();
    let mut decision = Decision::new(removed);
    if decision.output.done {
        changes.push(Change::Delete { key: key.clone(), revision: Some(found.revision.clone()) });
    } else {
        decision = decision.check(key.clone(), found);
    }
    decision.changes = changes;
    decision
}
