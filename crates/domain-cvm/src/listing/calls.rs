//! Lists of calls.

use runstate_core::prelude::*;
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::Page;

use super::ROWS;
use crate::call::{CC_HISTORY, CallView, TIMER};
use crate::request_text;

/// Lists calls page by page.
///
/// | selection | order |
/// |---|---|
/// | calls of one execution | by step, the first one first |
/// | calls that await an approval | the oldest first |
/// | open calls | by kind, then by the time from which they may be claimed |
/// | all others | newest first |
///
/// Early answers are listed with the calls of one execution, before the first step, and after all calls if the newest
/// come first. They are not open.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.calls", cli = "calls", query)]
pub struct ListCalls {
    /// Only calls of this execution.
    pub execution: Option<String>,
    /// Only calls of executions of this program.
    pub program: Option<String>,
    /// Only calls of this kind: `cc`, a tool's name, `timer`, `fs.readFile`, ….
    pub kind: Option<String>,
    /// Only open calls.
    pub open: bool,
    /// Only calls that await an approval. They are open.
    pub awaits_approval: bool,
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

/// Lists the answered calls with the greatest latency, the greatest first. Timers are left out: they are not answered.
///
/// Scans all calls of the program, or of all programs.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.slowest", cli = "slowest", query)]
pub struct SlowestCalls {
    /// Only calls of executions of this program.
    pub program: Option<String>,
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

impl DomainQuery for ListCalls {
    type Output = Page<CallView>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::empty().query(ROWS, self.query())
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<CallView>> {
        let mut page = view.page::<CallView>(ROWS);
        request_text::complete(view, &mut page.items)?;
        Ok(page)
    }
}

impl DomainQuery for SlowestCalls {
    type Output = Page<CallView>;

    fn reads(&self, _: &View) -> ReadSet {
        let query = Query::of(&CC_HISTORY)
            .filter(asked_non_timer_calls(self.program.as_deref()))
            .eq("outcome", "answered")
            .filter(Filter::Exists("response.latencyMs".to_owned(), true))
            .sort("response.latencyMs", Descending);
        ReadSet::empty().query(ROWS, query.page(self.limit, self.cursor.as_ref()))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<CallView>> {
        let mut page = view.page::<CallView>(ROWS);
        request_text::complete(view, &mut page.items)?;
        Ok(page)
    }
}

/// Matches calls that were made, as opposed to early answers.
pub(super) fn asked_calls(program: Option<&str>) -> Filter {
    let mut all = vec![Filter::Exists("request".to_owned(), true)];
    all.extend(program.map(|program| Filter::Eq("programName".to_owned(), program.into())));
    Filter::And(all)
}

/// Matches calls that were made, except timers.
pub(super) fn asked_non_timer_calls(program: Option<&str>) -> Filter {
    Filter::And(vec![asked_calls(program), Filter::Ne("kind".to_owned(), TIMER.into())])
}

impl ListCalls {
    pub(super) fn query(&self) -> Query {
        let equal = |path: &str, value: &String| Filter::Eq(path.to_owned(), value.as_str().into());
        // An execution has few open calls and a long history. A condition within an `Or` does not select an index, so
        // the index of open calls is used.
        let is_open = self.open || self.awaits_approval;
        let unindexed = |filter: Filter| if is_open { Filter::Or(vec![filter]) } else { filter };
        let mut query = Query::of(&CC_HISTORY);
        if let Some(program) = &self.program {
            query = query.filter(unindexed(equal("programName", program)));
        }
        if let Some(kind) = &self.kind {
            let kind = equal("kind", kind);
            let is_indexed = self.execution.is_none() && !self.awaits_approval;
            query = query.filter(if is_indexed { kind } else { unindexed(kind) });
        }
        if self.awaits_approval {
            if let Some(execution) = &self.execution {
                query = query.filter(unindexed(equal("executionId", execution)));
            }
            let query = query.eq("awaitsApproval", true).sort("request.timestamp", Ascending);
            return query.page(self.limit, self.cursor.as_ref());
        }
        if self.open {
            query = query.filter(Filter::And(vec![
                Filter::Exists("outcome".to_owned(), false),
                Filter::Exists("request".to_owned(), true),
            ]));
        }
        query = match &self.execution {
            // Equivalent to the order by step, but it does not select the index of all steps.
            Some(execution) if self.open => query
                .filter(equal("executionId", execution))
                .sort("request.timestamp", Ascending)
                .sort("step", Ascending),
            Some(execution) => query.filter(equal("executionId", execution)).sort("step", Ascending),
            None if self.open => query.sort("kind", Ascending).sort("availableAt", Ascending),
            None => query.sort("request.timestamp", Descending),
        };
        query.page(self.limit, self.cursor.as_ref())
    }
}
