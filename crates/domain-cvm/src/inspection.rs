//! Inspection of an execution. It gives the variables, frame by frame, with the values assigned so far. For `verify`
//! it checks the head against its child rows: heap and calls in one decision ([`Inspect`]), the output row by row
//! ([`OutputCheck`]).

use runstate_core::id::{hex, sha256};
use runstate_core::limits::HEAP_BYTES;
use runstate_core::prelude::*;
use runstate_value::get;
use runstate_vm::{FrameView, InspectBounds};

use super::execution::{EXECUTIONS, ExecutionHead, ExecutionState};
use super::loaded_machine::LoadedMachine;
use super::{loaded_machine, queries, waiting};
use crate::Settings;

/// Checks the head of an execution: its program exists, its machine can be restored from its heap pages, and it waits
/// for its open calls. Changes nothing.
#[derive(Clone, Debug, OperationName)]
#[operation(name = "cvm.inspect")]
pub struct Inspect {
    /// The execution.
    pub id: String,
}

/// The problems of an execution, and the child rows that it must have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// The revision that was inspected. Empty: the head cannot be read, and only `problems` is set.
    pub revision: String,
    /// The problems that were found.
    pub problems: Vec<String>,
    /// Ids of the heap pages that are in use.
    pub pages: Vec<String>,
    /// Number of output rows. `None`: an older version wrote the head and did not count them.
    pub output_rows: Option<u64>,
    /// Number of output lines.
    pub output_count: u64,
    /// Digest of all output lines.
    pub output_digest: String,
    /// Number of open calls.
    pub open_calls: u32,
}

impl DomainQuery for Inspect {
    /// `None`: the execution does not exist, or is being deleted.
    type Output = Option<Inspection>;

    fn reads(&self, view: &View) -> ReadSet {
        waiting::with_open_calls(loaded_machine::reads(view, &self.id), view, &self.id, false)
    }

    fn evaluate(&self, view: &View, ctx: &Ctx) -> Result<Option<Inspection>> {
        // An older execution may exceed the heap limit of this process.
        let mut ctx = ctx.clone();
        ctx.settings = ctx.settings.clone().with(Settings { heap_bytes: *HEAP_BYTES.end(), ..Settings::of(&ctx) });
        let key = Key::new(&EXECUTIONS, &self.id);
        let Some(head) = view.get(&key) else { return Ok(None) };
        let mut inspection = Inspection::default();
        // What is stored, and not what is cached.
        match ExecutionHead::from_document(&head.document) {
            Ok(ExecutionHead { state: ExecutionState::Deleted { .. }, .. }) => return Ok(None),
            Ok(execution) => {
                inspection.revision = head.revision.to_string();
                inspection.check(&execution, &head.document, view, &ctx);
            }
            Err(violation) => inspection.problems.push(reason(Rejection::damaged(&key, &violation))),
        }
        Ok(Some(inspection))
    }
}

impl Inspection {
    fn check(&mut self, execution: &ExecutionHead, head: &Document, view: &View, ctx: &Ctx) {
        match LoadedMachine::load(view, execution, ctx) {
            Ok(loaded) => self.problems.extend(waiting::list_problem(execution, &loaded.machine)),
            Err(rejection) => self.problems.push(reason(rejection)),
        }
        self.problems.extend(waiting::find_open_calls(view, execution).err().map(reason));
        self.pages = loaded_machine::rows_in_use(execution).into_iter().map(|key| key.id.to_string()).collect();
        self.output_rows = get(head, "state.outputRows").map(|_| execution.output_rows);
        self.output_count = execution.output_count;
        self.output_digest.clone_from(&execution.output_digest);
        self.open_calls = execution.waiting().map_or(0, |waiting| waiting.open_calls);
    }
}

/// The problem in a rejection. The caller, not the engine, reads rows that differ from the head again.
fn reason(rejection: Rejection) -> String {
    match rejection {
        Rejection::Torn(message) => message,
        Rejection::Domain { message, .. } => message,
        other => other.to_string(),
    }
}

/// Compares the rows of an output, added in the order of `seq`, with the head of the execution.
#[derive(Debug, Default)]
pub struct OutputCheck {
    rows: u64,
    lines: u64,
    digest: String,
    /// The first parts of a line that continues in the next row.
    partial_line: String,
    gap: Option<String>,
}

impl OutputCheck {
    /// Adds the next row.
    pub fn add(&mut self, row: &Document) {
        let seq = row.get("seq").and_then(Json::as_u64).unwrap_or_default();
        if seq != self.rows && self.gap.is_none() {
            self.gap = Some(format!("its output has row {seq} where row {} is expected", self.rows));
        }
        self.rows += 1;
        for text in row.get("lines").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
            self.partial_line.push_str(text);
            if !row.contains_key("continued") {
                self.lines += 1;
                self.digest = hex(&sha256(&[self.digest.as_bytes(), self.partial_line.as_bytes()]));
                self.partial_line.clear();
            }
        }
    }

    /// Returns the problem of the rows, after all were added.
    pub fn into_problem(self, head: &Inspection) -> Option<String> {
        if self.gap.is_some() {
            return self.gap;
        }
        let rows = head.output_rows.filter(|rows| *rows != self.rows);
        let rows = rows.map(|rows| format!("its output has {} rows, {rows} are expected", self.rows));
        rows.or_else(|| {
            let lines = self.lines != head.output_count;
            lines.then(|| format!("its output has {} lines, {} are expected", self.lines, head.output_count))
        })
        .or_else(|| {
            (self.digest != head.output_digest).then(|| "its output differs from the digest in its head".to_owned())
        })
    }
}

/// Largest number of names in an error.
const MAX_LISTED: usize = 10;

/// Returns the variables of an execution, also of one that has ended or failed: its active function calls, the
/// innermost first, each with its variables.
///
/// Errors: `not_found` (the execution does not exist, or no function call has a variable of that name).
#[derive(Clone, Debug, Operation)]
#[operation(name = "cvm.variables", cli = "variables", query)]
pub struct Variables {
    /// The execution.
    #[operation(subject)]
    pub id: String,
    /// Only variables of this name, and function calls that have one.
    pub name: Option<String>,
    /// Whether to include full values; by default they are cut to a readable length.
    pub full: bool,
}

impl DomainQuery for Variables {
    type Output = Vec<FrameView>;

    fn reads(&self, view: &View) -> ReadSet {
        loaded_machine::reads(view, &self.id)
    }

    fn evaluate(&self, view: &View, ctx: &Ctx) -> Result<Vec<FrameView>> {
        let execution = ExecutionHead::find(view, &self.id)?;
        let machine = LoadedMachine::load_runnable(view, &execution, ctx)?.machine;
        let bounds = queries::bounds(self.full);
        let Some(name) = &self.name else { return Ok(machine.view(bounds).frames) };
        let found = machine.variables_named(name, bounds);
        if found.is_empty() {
            return Err(self
                .not_found(name, &machine.view(InspectBounds { functions: true, ..InspectBounds::default() }).frames));
        }
        Ok(found)
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

#[cfg(test)]
mod tests {
    use runstate_core::decision::Change;

    use super::*;
    use crate::child_rows;

    fn problem(change: impl FnOnce(&mut Vec<Document>)) -> Option<String> {
        let lines = ["a".to_owned(), "é".repeat(1024 * 1024), "b".to_owned()];
        let (changes, next) = child_rows::output_rows("e", 0, &lines).unwrap();
        let mut rows: Vec<Document> = changes
            .into_iter()
            .map(|change| match change {
                Change::Append { document, .. } => document,
                other => panic!("{other:?}"),
            })
            .collect();
        let digest = |digest: String, line: &String| hex(&sha256(&[digest.as_bytes(), line.as_bytes()]));
        let head = Inspection {
            output_rows: Some(next),
            output_count: 3,
            output_digest: lines.iter().fold(String::new(), digest),
            ..Inspection::default()
        };
        change(&mut rows);
        let mut check = OutputCheck::default();
        rows.iter().for_each(|row| check.add(row));
        check.into_problem(&head)
    }

    #[test]
    fn output_rows_are_compared_with_the_head() {
        assert_eq!(problem(|_| {}), None);
        let gap = problem(|rows| drop(rows.remove(1)));
        assert_eq!(gap.as_deref(), Some("its output has row 2 where row 1 is expected"));
        let end = problem(|rows| drop(rows.pop()));
        assert!(end.is_some_and(|end| end.contains("rows") && end.contains("expected")));
        let edited = problem(|rows| drop(rows[0].insert("lines".to_owned(), Json::from(vec!["x"]))));
        assert_eq!(edited.as_deref(), Some("its output differs from the digest in its head"));
    }
}
