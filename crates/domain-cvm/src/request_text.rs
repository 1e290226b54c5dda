//! Long requests. A program that passes its whole history in each call would store it again in each row of a call. So a
//! long prompt and its arguments are one text in slices of rows, which the calls of an execution share. These rows are
//! kept as long as the execution. The row of the call has the beginnings, each with a mark, and an operation that
//! returns a call completes it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use runstate_core::error_code::ErrorCode;
use runstate_core::prelude::*;
use runstate_value::{self as value, json_bytes, json_text};
use serde_json::json;

use super::call::{Call, CallView, Request};
use super::child_rows;
use super::execution::ExecutionHead;
use super::sliced_text::{RowWriter, Slice, Slot, StoredTexts};

/// Bytes of prompt and arguments above which they are stored so.
const LONG_REQUEST_BYTES: usize = 4 * 1024;

/// Characters of a long prompt, and of the JSON of long arguments, in the row of the call.
const SHOWN_CHARS: usize = 1_000;

/// Texts with which a new one is compared: an execution may have several conversations.
const COMPARED_TEXTS: usize = 4;

/// The last long requests of an execution.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct LongRequests {
    /// Number of rows so far.
    rows: Slot,
    /// Number of long requests so far.
    count: u64,
    /// Where the requests are that a new one is compared with.
    compared: Vec<RequestText>,
}

/// Where a request is: in JSON a list of the number of a row, start and length of each slice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct RequestText(Vec<u32>);

impl RequestText {
    fn slices(&self) -> Vec<Slice> {
        let (slices, _) = self.0.as_chunks::<3>();
        slices.iter().map(|[row, start, len]| Slice { row: *row, start: *start, len: *len }).collect()
    }

    fn rows(&self) -> BTreeSet<Slot> {
        self.slices().into_iter().map(|slice| slice.row).collect()
    }

    fn keys(&self, execution: &str) -> Vec<Key> {
        self.rows().into_iter().map(|row| child_rows::request_key(execution, row)).collect()
    }

    /// The text; `None`: rows are missing, because the execution is being deleted.
    fn read(&self, view: &View, execution: &str) -> Option<String> {
        let mut text = String::new();
        for slice in self.slices() {
            let row = view.get(&child_rows::request_key(execution, slice.row))?;
            text.push_str(slice.of(child_rows::page_text(&row.document)?)?);
        }
        Some(text)
    }
}

impl LongRequests {
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The rows of the requests that a new one is compared with.
    pub fn keys(&self, execution: &str) -> Vec<Key> {
        let rows: BTreeSet<Slot> = self.compared.iter().flat_map(RequestText::rows).collect();
        rows.into_iter().map(|row| child_rows::request_key(execution, row)).collect()
    }

    /// The texts of these requests.
    pub fn load(&self, view: &View, execution: &str) -> Result<StoredTexts> {
        let mut stored = StoredTexts::default();
        for (number, request) in self.compared.iter().enumerate() {
            let text = request.read(view, execution);
            let missing = || Rejection::Torn(format!("rows of requests of {execution} are missing"));
            stored.add(number, &text.ok_or_else(missing)?);
        }
        Ok(stored)
    }
}

/// Shortens a request that is long, and returns the rows that its text needs.
pub(super) fn store(
    execution: &mut ExecutionHead,
    stored: &mut StoredTexts,
    request: &mut Request,
) -> Result<Vec<Change>> {
    let args = if request.args.is_null() { 0 } else { json_bytes(&request.args) };
    if request.prompt.len() + args <= LONG_REQUEST_BYTES {
        return Ok(Vec::new());
    }
    let text = value::to_json_string(&json!({ "args": request.args, "prompt": request.prompt }))
        .map_err(|error| Rejection::domain(ErrorCode::INTERNAL, error.to_string()))?;
    let requests = &mut execution.heap.requests;
    let number = stored.most_similar(&text).unwrap_or(match requests.compared.len() {
        count if count < COMPARED_TEXTS => count,
        _ => (requests.count % COMPARED_TEXTS as u64) as usize,
    });
    requests.compared.resize(requests.compared.len().max(number + 1), RequestText::default());
    let old = requests.compared[number].slices();
    let mut writer = RowWriter::new(requests.rows.., 0);
    let slices = writer.save(stored, number, &old, std::iter::empty(), &text, &BTreeSet::new());
    let text = RequestText(slices.iter().flat_map(|slice| [slice.row, slice.start, slice.len]).collect());
    requests.compared[number] = text.clone();
    requests.count += 1;
    // Rows of requests stay, whether a later request has text of them or not.
    stored.remove_unused(std::iter::empty());
    let mut rows = Vec::new();
    for (row, text) in writer.into_rows() {
        requests.rows = row + 1;
        rows.push(child_rows::request_row(&execution.id, row, text)?);
    }
    request.prompt = super::call::truncate(&request.prompt, SHOWN_CHARS);
    if args > SHOWN_CHARS {
        request.args = Json::String(super::call::truncate(&json_text(&request.args), SHOWN_CHARS));
    }
    request.text = Some(json!(text));
    Ok(rows)
}

/// The prompt and the arguments of a long request; `None`: its rows are missing.
fn read(view: &View, execution: &str, text: &Json) -> Option<(String, Json)> {
    let text: RequestText = value::from_value(text).ok()?;
    let mut request = value::parse(&text.read(view, execution)?).ok()?;
    let prompt = request["prompt"].as_str()?.to_owned();
    Some((prompt, request["args"].take()))
}

fn keys(execution: &str, text: Option<&Json>) -> Vec<Key> {
    let text = text.and_then(|text| value::from_value::<RequestText>(text).ok());
    text.map(|text| text.keys(execution)).unwrap_or_default()
}

/// Gives calls their long requests. Those of an execution that is being deleted stay short.
pub(super) fn complete(view: &View, calls: &mut [CallView]) -> Result<()> {
    view.require(calls.iter().flat_map(|call| keys(&call.execution_id, call.request_text.as_ref())))?;
    for call in calls {
        let text = call.request_text.take();
        if let Some((prompt, args)) = text.and_then(|text| read(view, &call.execution_id, &text)) {
            (call.prompt, call.args) = (prompt, args);
        }
    }
    Ok(())
}

/// Requests the rows that the requests of calls need.
pub(super) fn require(view: &View, calls: &[Call]) -> Result<()> {
    view.require(calls.iter().flat_map(|call| keys(&call.execution_id, call.request.text.as_ref())))
}

/// The request of a call, whole.
pub(super) fn whole<'c>(view: &View, call: &'c Call) -> Result<Cow<'c, Request>> {
    let Some(text) = &call.request.text else { return Ok(Cow::Borrowed(&call.request)) };
    require(view, std::slice::from_ref(call))?;
    let missing = || Rejection::Torn(format!("rows of the request of call {} are missing", call.id));
    let (prompt, args) = read(view, &call.execution_id, text).ok_or_else(missing)?;
    Ok(Cow::Owned(Request { prompt, args, text: None, ..call.request.clone() }))
}
