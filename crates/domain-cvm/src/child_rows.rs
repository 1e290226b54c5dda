//! The rows of an execution that grow without limit, so that its head does not: output, heap pages, logs, history. All
//! are inserted and deleted, never updated.

use runstate_core::prelude::*;
use runstate_value as value;
use schemars::JsonSchema;

use super::row_id;
use super::sliced_text::{MAX_ROWS_BITS, Slot};

/// `cvm.outputs`: all lines of output, in order of `seq`.
pub const OUTPUTS: Collection = OutputRow::COLLECTION;

/// `cvm.heap_pages`: pages of the heap. The head names the current version of each page; rows that it does not name are
/// invisible.
pub const HEAP_PAGES: Collection = HeapPageRow::COLLECTION;

/// `cvm.execution_logs`: the log of an execution, kept for 30 days.
pub const EXECUTION_LOGS: Collection = LogRow::COLLECTION;

/// `cvm.history`: the step-by-step record of an older CVM. It is imported, never written here, and kept as long as its
/// execution.
pub const HISTORY: Collection = HistoryRow::COLLECTION;

/// Lines of output.
#[derive(Clone, Entity)]
#[entity(collection = "cvm.outputs", version = 1, insert_only, rename_all = "camelCase")]
#[index(execution_id, seq, unique)]
struct OutputRow {
    #[entity(id)]
    id: String,
    #[entity(part_of = "cvm.executions", shard)]
    execution_id: String,
    seq: u64,
    lines: Vec<String>,
    /// Whether the only line continues in the next row.
    #[entity(omit_default)]
    continued: bool,
}

/// Text of pages of the heap. The head names the slices of rows that a page consists of, so that a turn writes what it
/// changed. Such rows are of page -2, whichever pages they have text of. Rows of page -3 are the text of long requests.
/// A row of version 2 is a page, or a part of one that was too large for one row; page -1 of them is stack and scopes
/// that were too large for the head.
#[derive(Clone, Entity)]
#[entity(collection = "cvm.heap_pages", version = 3, insert_only, rename_all = "camelCase")]
#[index(execution_id, page)]
struct HeapPageRow {
    #[entity(id)]
    id: String,
    #[entity(part_of = "cvm.executions", shard)]
    execution_id: String,
    page: i64,
    version: u64,
    /// The page in rows of version 1.
    objects: Option<Vec<Json>>,
    /// The position of the row among those of this version, if there are several.
    part: Option<u32>,
    /// The text: pieces of pages, or the JSON text of the page.
    text: Option<String>,
}

/// The events of rows of the log.
pub(crate) const LOG_EVENTS: &[&str] = &["instruction", "cc_call", "approval", "error", "complete"];

/// A row of the log.
#[derive(Entity, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[entity(collection = "cvm.execution_logs", version = 1, insert_only, rename_all = "camelCase")]
#[serde(rename_all = "camelCase")]
#[index(execution_id, timestamp)]
#[index(event)]
#[ttl(timestamp, days = 30)]
pub struct LogRow {
    /// Its id.
    #[entity(id)]
    pub id: String,
    /// The execution.
    #[entity(part_of = "cvm.executions", shard)]
    pub execution_id: String,
    /// When the event happened.
    pub timestamp: Timestamp,
    /// The event: `instruction`, `cc_call`, `approval`, `error`, `complete`; in lists also `history`, for an imported
    /// entry that an older CVM recorded.
    #[entity(values = LOG_EVENTS)]
    pub event: String,
    /// The details of the event.
    #[entity(kind = object)]
    pub details: Json,
}

/// An entry of the history.
#[derive(Clone, Entity)]
#[entity(collection = "cvm.history", version = 1, insert_only, rename_all = "camelCase")]
#[index(execution_id, timestamp)]
pub struct HistoryRow {
    /// Its id.
    #[entity(id)]
    pub id: String,
    /// The execution.
    #[entity(part_of = "cvm.executions", shard)]
    pub execution_id: String,
    /// The number that the older CVM gave it; -1 for some entries that record an answer.
    pub step: i64,
    /// Index of the instruction.
    pub pc: u32,
    /// The instruction, as it was recorded.
    pub instruction: Json,
    /// The operands, the top last.
    pub stack: Vec<Json>,
    /// The globals by name.
    pub variables: Document,
    /// When the step was recorded.
    pub timestamp: Timestamp,
}

/// Largest part of a row's text. It is far below every store's document limit, whatever escapes the text needs.
const PART_BYTES: usize = 1024 * 1024;

/// Bytes of output lines in one row, unless one line alone has more.
const OUTPUT_ROW_BYTES: usize = 256 * 1024;

/// The rows of `lines`, the first with the number `seq`, and the next free `seq`. A line too long for one row continues
/// in the next row (`continued`).
pub(super) fn output_rows(execution: &str, seq: u64, lines: &[String]) -> Result<(Vec<Change>, u64)> {
    let mut rows = Vec::new();
    let mut push = |lines: &[&str], continued: bool| {
        let seq = seq + rows.len() as u64;
        let id = row_id(&["output", execution, &seq.to_string()]);
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        let row = OutputRow { id, execution_id: execution.to_owned(), seq, lines, continued };
        rows.push(Change::append(&row)?);
        Ok::<(), Rejection>(())
    };
    let mut pending: Vec<&str> = Vec::new();
    let mut bytes = 0;
    for line in lines {
        if !pending.is_empty() && bytes + line.len() > OUTPUT_ROW_BYTES {
            push(&pending, false)?;
            pending.clear();
            bytes = 0;
        }
        let mut parts = split(line);
        let last = parts.pop().unwrap_or_default();
        parts.into_iter().try_for_each(|part| push(&[part], true))?;
        pending.push(last);
        bytes += last.len();
    }
    if !pending.is_empty() {
        push(&pending, false)?;
    }
    let next = seq + rows.len() as u64;
    Ok((rows, next))
}

/// The lines of output rows, in order.
pub(super) fn output_lines<'a>(rows: impl Iterator<Item = &'a Document>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut partial = String::new();
    for row in rows {
        let texts = row.get("lines").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        if is_continued(row) {
            texts.for_each(|text| partial.push_str(text));
        } else {
            lines.extend(texts.map(|text| std::mem::take(&mut partial) + text));
        }
    }
    lines
}

/// Whether the line of an output row continues in the next row.
pub(super) fn is_continued(row: &Document) -> bool {
    row.contains_key("continued")
}

/// The page number of rows with slices of pages.
const SLICES_PAGE: i64 = -2;

/// The key of one row of a page as version 2 has it.
pub(super) fn page_key(execution: &str, page: i64, version: u64, part: u32) -> Key {
    let id = row_id(&["page", execution, &page.to_string(), &version.to_string(), &part.to_string()]);
    Key::new(&HEAP_PAGES, &id)
}

/// The number of a row with slices of pages: the version of its save, and its part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct RowNumber(u64);

impl RowNumber {
    /// Row `part` of a save with this version.
    pub fn new(version: u64, part: usize) -> Self {
        Self(version << MAX_ROWS_BITS | part as u64)
    }

    /// Whether it is not the number of a row.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    fn version(self) -> u64 {
        self.0 >> MAX_ROWS_BITS
    }

    fn part(self) -> u32 {
        (self.0 & ((1 << MAX_ROWS_BITS) - 1)) as u32
    }
}

/// The key of a row with slices of pages.
pub(super) fn slices_key(execution: &str, row: RowNumber) -> Key {
    page_key(execution, SLICES_PAGE, row.version(), row.part())
}

/// A row with slices of pages.
pub(super) fn slices_row(execution: &str, row: RowNumber, text: String) -> Result<Change> {
    Change::stage(&text_row(execution, SLICES_PAGE, row.version(), row.part(), text))
}

/// The page number of rows with slices of requests.
pub(super) const REQUESTS_PAGE: i64 = -3;

/// The key of a row with slices of requests.
pub(super) fn request_key(execution: &str, row: Slot) -> Key {
    page_key(execution, REQUESTS_PAGE, row.into(), 0)
}

/// A row with slices of requests, kept as long as the execution.
pub(super) fn request_row(execution: &str, row: Slot, text: String) -> Result<Change> {
    Change::append(&text_row(execution, REQUESTS_PAGE, row.into(), 0, text))
}

fn text_row(execution: &str, page: i64, version: u64, part: u32, text: String) -> HeapPageRow {
    HeapPageRow {
        id: page_key(execution, page, version, part).id.to_string(),
        execution_id: execution.to_owned(),
        page,
        version,
        objects: None,
        part: Some(part).filter(|part| *part > 0),
        text: Some(text),
    }
}

/// The text of a row of pages.
pub(super) fn page_text(row: &Document) -> Option<&str> {
    row.get("text").and_then(Json::as_str)
}

/// A page from its rows of version 2 or 1.
pub(super) fn page_json(rows: &[&Document]) -> Result<Json, String> {
    if let [row] = rows
        && let Some(objects) = row.get("objects")
    {
        return Ok(objects.clone());
    }
    let texts: Vec<&str> = rows.iter().filter_map(|row| page_text(row)).collect();
    value::parse(&texts.concat()).map_err(|error| error.to_string())
}

/// Splits text into parts of at most [`PART_BYTES`], between characters.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut remaining = text;
    while !remaining.is_empty() {
        let (part, later) = remaining.split_at(remaining.floor_char_boundary(PART_BYTES.min(remaining.len())));
        parts.push(part);
        remaining = later;
    }
    parts
}

/// The position of a log row among those of the same millisecond.
#[derive(Clone, Copy)]
pub(super) struct LogPosition {
    /// Instructions that the execution has run.
    pub instructions: u64,
    /// Changes that its command has made before.
    pub changes: usize,
}

/// A row of the log. Rows of one instant are read in the order of their ids. A turn has one instant, so the ids of an
/// execution ascend.
pub(super) fn log_row(
    execution: &str,
    LogPosition { instructions, changes }: LogPosition,
    event: &str,
    details: Json,
    ctx: &mut Ctx,
) -> Result<Change> {
    let unique = ctx.new_id();
    // The first part of it is the time, which the row has already.
    let id = format!("{instructions:012x}-{changes:04x}-{}", unique.get(19..).unwrap_or(&unique));
    let execution_id = execution.to_owned();
    Change::append(&LogRow { id, execution_id, timestamp: ctx.now, event: event.to_owned(), details })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        let text = "é".repeat(PART_BYTES);
        let parts = split(&text);
        assert_eq!((parts.len(), parts.concat() == text), (2, true));
        assert!(split(&format!("x{text}")).iter().all(|part| part.len() <= PART_BYTES));
    }

    #[test]
    fn output_fills_rows_and_keeps_order() {
        let lines: Vec<String> = (0..10).map(|i| i.to_string().repeat(100_000)).collect();
        let (rows, next) = output_rows("e", 7, &lines).unwrap();
        assert_eq!((rows.len(), next), (5, 12));
        assert_eq!(super::output_lines(documents(&rows)), lines);
    }

    #[test]
    fn a_line_longer_than_a_row_continues_in_the_next() {
        let lines = ["".to_owned(), "é".repeat(PART_BYTES), "end".to_owned(), String::new()];
        let (rows, _) = output_rows("e", 0, &lines).unwrap();
        assert_eq!(super::output_lines(documents(&rows)), lines);
    }

    fn documents(rows: &[Change]) -> impl Iterator<Item = &Document> {
        rows.iter().map(|row| match row {
            Change::Append { document, .. } => document,
            other => panic!("{other:?}"),
        })
    }
}
