//! Lists of executions, and numbers of a whole store.

use std::collections::BTreeMap;

use runstate_core::decision::{Ctx, DomainQuery, ReadSet, Rejection, View};
use runstate_core::operation::Operation;
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::{Accumulator, Aggregate, Direction, Filter, Group, Key, Page, Query, Wire};
use runstate_value::time::Timestamp;
use runstate_value::{Document, collect_btree_map};

use super::{FieldReader, ROWS, first_row, malformed_result, page};
use crate::due::RETENTION;
use crate::execution::{EXECUTIONS, Status};

/// An execution in a list.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct ExecutionSummary {
    /// Its id.
    pub id: String,
    /// The name of the program.
    pub program_name: String,
    /// The version it runs.
    pub program_version: u32,
    /// Its status; see [`Status`].
    pub status: String,
    /// The prompt of the call that it waits for.
    pub prompt: Option<String>,
    /// Number of open calls, also while it is paused.
    pub open_calls: u32,
    /// When it was started.
    pub started: Timestamp,
    /// When it was last written.
    pub last_modified: Timestamp,
}

impl ExecutionSummary {
    fn from_document(id: &str, document: &Document) -> Self {
        let fields = FieldReader(document);
        let prompt = fields.text("ccWaiting.prompt").or_else(|| fields.text("pausedFrom.ccWaiting.prompt"));
        let open_calls =
            fields.count_u32("ccWaiting.openCalls").or_else(|| fields.count_u32("pausedFrom.ccWaiting.openCalls"));
        Self {
            id: id.to_owned(),
            program_name: fields.text("programName").unwrap_or_default(),
            program_version: fields.count_u32("programVersion").unwrap_or_default(),
            status: fields.text(STATUS).unwrap_or_default(),
            prompt,
            open_calls: open_calls.unwrap_or_default(),
            started: fields.time("started").unwrap_or_default(),
            last_modified: fields.time("lastModified").unwrap_or_default(),
        }
    }
}

/// Lists executions page by page, newest first, without those that are being deleted.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Default, PartialEq, Operation)]
#[operation(name = "cvm.list", cli = "list", query)]
pub struct ExecutionListing {
    /// Only executions with this status.
    pub status: Option<Status>,
    /// Only executions of this program.
    pub program: Option<String>,
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

/// Lists executions that have not ended, page by page, newest first: running, waiting for an answer, paused.
///
/// Reads active executions only, however many have ended.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.active", query)]
pub struct ActiveExecutions {
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

/// Lists the executions of a program page by page, newest first, without those that are being deleted.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.history", query)]
pub struct ProgramHistory {
    /// The name of the program.
    #[operation(subject)]
    pub program: String,
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

/// Returns one execution as a row of a list.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, PartialEq, Eq, Operation)]
#[operation(name = "cvm.summary", query)]
pub struct ShowSummary {
    /// The execution.
    #[operation(subject)]
    pub id: String,
}

/// Returns the number of executions per status, and the oldest and newest ones.
///
/// Scans all executions, if the store counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.overview", query)]
pub struct ShowOverview;

/// The executions of a store. The parts are read one after another, not in one snapshot.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct Overview {
    /// Number of executions per status. An execution that is being deleted counts under its last status. Empty if the
    /// store does not count.
    pub executions: BTreeMap<String, u64>,
    /// The execution that was started first; null: there is none.
    pub oldest: Option<ExecutionSummary>,
    /// The execution that was started last; null: there is none.
    pub newest: Option<ExecutionSummary>,
    /// Of the executions that wait for an answer, the one that was started first; null: none waits.
    pub oldest_waiting: Option<ExecutionSummary>,
}

/// Returns the number of executions that ended at or before a time, without those that are being deleted.
///
/// Errors: `unsupported` (the store does not count).
#[derive(Clone, Debug, PartialEq, Eq, Operation)]
#[operation(name = "cvm.countFinished", query)]
pub struct CountFinished {
    /// The time, in milliseconds since 1970.
    pub before: Timestamp,
}

/// Statuses of executions that have not ended.
const ACTIVE_STATUSES: [Status; 3] = [Status::Running, Status::WaitingCc, Status::Paused];

impl DomainQuery for ExecutionListing {
    const NAME: &'static str = "cvm.list";
    type Output = Page<ExecutionSummary>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::empty().query(ROWS, self.query())
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<ExecutionSummary>, Rejection> {
        Ok(page(view, ExecutionSummary::from_document))
    }
}

impl ExecutionListing {
    pub(super) fn query(&self) -> Query {
        let mut query = Query::of(&EXECUTIONS).sort("started", Descending);
        if let Some(status) = self.status {
            query = query.eq("state.status", status.as_str());
        }
        if let Some(program) = &self.program {
            query = query.eq("programName", program.as_str());
        }
        query = query.filter(Filter::Exists("deleting".to_owned(), false));
        query.page(self.limit, self.cursor.as_ref())
    }
}

impl DomainQuery for ActiveExecutions {
    const NAME: &'static str = "cvm.active";
    type Output = Page<ExecutionSummary>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::empty().query(ROWS, self.query())
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<ExecutionSummary>, Rejection> {
        Ok(page(view, ExecutionSummary::from_document))
    }
}

impl ActiveExecutions {
    pub(super) fn query(&self) -> Query {
        let statuses = ACTIVE_STATUSES.iter().map(|status| status.as_str().into()).collect();
        let active = Filter::In("state.status".to_owned(), statuses);
        let query = Query::of(&EXECUTIONS).filter(active).sort("started", Descending);
        query.page(self.limit, self.cursor.as_ref())
    }
}

impl DomainQuery for ProgramHistory {
    const NAME: &'static str = "cvm.history";
    type Output = Page<ExecutionSummary>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::empty().query(ROWS, self.query())
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<ExecutionSummary>, Rejection> {
        Ok(page(view, ExecutionSummary::from_document))
    }
}

impl ProgramHistory {
    pub(super) fn query(&self) -> Query {
        let program = self.program.as_str();
        let query = Query::of(&EXECUTIONS).eq("programName", program).filter(not_deleted()).sort("started", Descending);
        query.page(self.limit, self.cursor.as_ref())
    }
}

impl DomainQuery for ShowSummary {
    const NAME: &'static str = "cvm.summary";
    type Output = ExecutionSummary;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&EXECUTIONS, &self.id))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<ExecutionSummary, Rejection> {
        let found = find_document(view, &self.id)?;
        Ok(ExecutionSummary::from_document(&self.id, found))
    }
}

/// The document of an execution that was read by key. Unlike its decoded form it may be damaged.
pub(super) fn find_document<'a>(view: &'a View, id: &str) -> Result<&'a Document, Rejection> {
    let missing = || Rejection::NotFound {
        what: "execution",
        id: id.to_owned(),
        hint: "; `list` shows all executions".to_owned(),
    };
    Ok(&view.get(&Key::new(&EXECUTIONS, id)).ok_or_else(missing)?.document)
}

impl DomainQuery for ShowOverview {
    const NAME: &'static str = "cvm.overview";
    type Output = Overview;

    fn reads(&self, view: &View) -> ReadSet {
        let first = |filter: Filter, direction: Direction| {
            Query::of(&EXECUTIONS).filter(filter).sort("started", direction).limit(1)
        };
        let waiting = Filter::Eq(STATUS.to_owned(), Status::WaitingCc.as_str().into());
        let reads = ReadSet::empty()
            .query("oldest", first(Filter::All, Ascending))
            .query("newest", first(Filter::All, Descending))
            .query("oldest waiting", first(waiting, Ascending));
        if view.can_aggregate() { reads.aggregate("statuses", count_by_status(Filter::All)) } else { reads }
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Overview, Rejection> {
        let first = |name| first_row(view, name).map(|(id, document)| ExecutionSummary::from_document(id, document));
        let count = |row: &Document| Some((row.get(STATUS)?.as_str()?.to_owned(), FieldReader(row).count("n")?));
        Ok(Overview {
            executions: collect_btree_map(view.groups("statuses").unwrap_or_default().iter().filter_map(count)),
            oldest: first("oldest"),
            newest: first("newest"),
            oldest_waiting: first("oldest waiting"),
        })
    }
}

impl DomainQuery for CountFinished {
    const NAME: &'static str = "cvm.countFinished";
    type Output = u64;

    fn reads(&self, _: &View) -> ReadSet {
        let count = Aggregate {
            collection: EXECUTIONS.name.to_owned(),
            filter: RETENTION.query(Some(self.before)).filter,
            group_by: Vec::new(),
            accumulators: vec![("n".to_owned(), Accumulator::Count)],
        };
        ReadSet::empty().aggregate("finished", count)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<u64, Rejection> {
        let row = view.groups("finished").and_then(<[_]>::first);
        let count = row.and_then(|row| FieldReader(row).count("n"));
        count.ok_or_else(|| malformed_result("number of executions"))
    }
}

/// The path of the status, under which the rows of [`count_by_status`] have it.
pub(super) const STATUS: &str = "state.status";

/// The number `n` of executions per status.
pub(super) fn count_by_status(filter: Filter) -> Aggregate {
    Aggregate {
        collection: EXECUTIONS.name.to_owned(),
        filter,
        group_by: vec![Group::Field(STATUS.to_owned())],
        accumulators: vec![("n".to_owned(), Accumulator::Count)],
    }
}

/// Matches executions that are not being deleted.
pub(super) fn not_deleted() -> Filter {
    Filter::Ne("deleting".to_owned(), true.into())
}
