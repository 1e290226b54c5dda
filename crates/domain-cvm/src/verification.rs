//! Verification of executions: the head against its program, heap pages, output and calls.

use runstate_core::decision::TypedQuery;
use runstate_core::operation::{EntityCheck, RowsCheck, RowsComparison};
use runstate_core::prelude::*;
use runstate_value::from_value;

use super::child_rows::{HEAP_PAGES, OUTPUTS, REQUESTS_PAGE};
use super::inspection::{Inspect, Inspection, OutputCheck};
use super::{CC_HISTORY, EXECUTIONS};

pub(super) static EXECUTION_CHECK: EntityCheck = EntityCheck {
    collection: &EXECUTIONS,
    inspect: |id| TypedQuery::boxed(Inspect { id: id.to_owned() }),
    rows: &[
        RowsCheck {
            collection: &OUTPUTS,
            entity: "executionId",
            order: "seq",
            filter: || Filter::All,
            projection: &[],
            begin: |inspection| Box::new(Output { check: OutputCheck::default(), head: read(inspection) }),
        },
        RowsCheck {
            collection: &CC_HISTORY,
            entity: "executionId",
            order: "request.deadline",
            filter: || Filter::Exists("outcome".to_owned(), false),
            projection: &["id"],
            begin: |inspection| Box::new(OpenCalls { count: 0, expected: read(inspection).open_calls }),
        },
        RowsCheck {
            collection: &HEAP_PAGES,
            entity: "executionId",
            order: "page",
            filter: || Filter::Ne("page".to_owned(), REQUESTS_PAGE.into()),
            projection: &["id"],
            begin: |inspection| Box::new(Pages { used: read(inspection).pages }),
        },
    ],
};

fn read(inspection: &Json) -> Inspection {
    from_value(inspection).unwrap_or_default()
}

/// All lines, compared with their number and digest.
struct Output {
    check: OutputCheck,
    head: Inspection,
}

impl RowsComparison for Output {
    fn add(&mut self, _: &str, row: &Document) -> bool {
        self.check.add(row);
        true
    }

    fn problem(self: Box<Self>) -> Option<String> {
        self.check.into_problem(&self.head)
    }
}

/// The number of open calls.
struct OpenCalls {
    count: u32,
    expected: u32,
}

impl RowsComparison for OpenCalls {
    fn add(&mut self, _: &str, _: &Document) -> bool {
        self.count = self.count.saturating_add(1);
        true
    }

    fn problem(self: Box<Self>) -> Option<String> {
        let Self { count, expected } = *self;
        (count != expected).then(|| format!("{count} of its calls are open, {expected} are expected"))
    }
}

/// The pages that the head names. The inspection has found them; others are not in use.
struct Pages {
    used: Vec<String>,
}

impl RowsComparison for Pages {
    fn add(&mut self, id: &str, _: &Document) -> bool {
        self.used.iter().any(|used| used == id)
    }

    fn problem(self: Box<Self>) -> Option<String> {
        None
    }
}
