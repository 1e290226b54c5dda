//! Reads documents of the older CVM into what the domain imports.

use runstate_core::id;
use runstate_core::limits::DOCUMENT_DEPTH;
use runstate_domain_cvm::{
    Call, CallOutcome, Context, HistoryRow, ImportExecution, ImportProgram, ImportedFailure, ImportedState, LogRow,
    Metrics, Response,
};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, Json, check_plain, check_storable, json_bytes};
use runstate_vm::Instruction;
use runstate_vm::op::Op;

use super::values::LegacyHeap;
pub(super) use super::values::{FieldResult, LegacyFields};
use super::{LegacyDocument, LegacyRowKind};

/// Maximum bytes of JSON in one row. Not every store accepts a larger document.
const ROW_BYTES: usize = 4 * 1024 * 1024;

pub(super) struct LegacyProgram {
    /// The command that imports it, without bytecode and with the compiler of its original bytecode.
    pub(super) command: ImportProgram,
    pub(super) bytecode: FieldResult<Vec<Instruction>>,
    /// When that was compiled.
    pub(super) compiled: Timestamp,
    pub(super) unknown_fields: Vec<String>,
}

#[derive(Clone)]
pub(super) struct LegacyExecution {
    /// The command that imports it, without the hash of its bytecode.
    pub(super) command: ImportExecution,
    /// Whether it waits, and has no field with the prompt.
    pub(super) lacks_prompt: bool,
    /// The reason why its variables cannot be read.
    pub(super) unreadable_variables: Option<String>,
    /// Number of active function calls, by their scopes.
    pub(super) call_depth: usize,
    /// Whether several values shared an array or object of its heap.
    pub(super) has_shared_objects: bool,
    /// Whether a value of its heap was cut.
    pub(super) has_cut_values: bool,
    pub(super) unknown_fields: Vec<String>,
}

/// Fields of an execution that are read, or that repeat others.
const EXECUTION_FIELDS: &[&str] = &[
    "_id",
    "id",
    "programId",
    "programName",
    "state",
    "status",
    "pc",
    "stack",
    "scopes",
    "variables",
    "output",
    "heap",
    "ccWaiting",
    "ccPrompt",
    "started",
    "created",
    "completed",
    "lastModified",
    "updated",
    "metrics",
    "error",
    "result",
    "returnValue",
];

const STATE_FIELDS: &[&str] = &["pc", "stack", "scopes", "variables", "status", "output"];

const PROGRAM_FIELDS: &[&str] =
    &["_id", "id", "name", "description", "source", "bytecode", "metadata", "created", "modified", "updated", "tags"];

/// The fields of a row that are read, or that repeat others: at the top level, and in its objects.
const fn row_field_names(kind: LegacyRowKind) -> &'static [(&'static str, &'static [&'static str])] {
    match kind {
        LegacyRowKind::Calls => &[
            ("", &["_id", "id", "executionId", "programName", "request", "response", "context"]),
            ("request", &["prompt", "instructionId", "timestamp"]),
            ("response", &["result", "timestamp", "latencyMs"]),
            ("context", &["pc", "variables"]),
        ],
        LegacyRowKind::Logs => &[("", &["_id", "id", "executionId", "timestamp", "event", "details"])],
        LegacyRowKind::Output => &[("", &["_id", "id", "executionId", "lines"])],
        LegacyRowKind::History => {
            &[("", &["_id", "id", "executionId", "timestamp", "step", "pc", "instruction", "stack", "variables"])]
        }
    }
}

pub(super) fn unknown_row_fields(kind: LegacyRowKind, row: &LegacyDocument) -> Vec<String> {
    let Some(fields) = row.document.as_ref().ok().and_then(|row| LegacyFields::of(row).ok()) else { return Vec::new() };
    let unknown = |(object, names): &(&str, &[&str])| match *object {
        "" => fields.unknown(names),
        object => fields.optional_object(object).ok().flatten().map_or_else(Vec::new, |part| part.unknown(names)),
    };
    row_field_names(kind).iter().flat_map(unknown).map(|name| format!("{}.{name}", kind.collection())).collect()
}

fn checked_fields(source: &LegacyDocument) -> FieldResult<LegacyFields<'_>> {
    id::check(own_id(source)).map_err(|why| why.to_string())?;
    LegacyFields::of(source.document.as_ref().map_err(Clone::clone)?)
}

/// The id that others refer to: the field `id`, else the key in the database.
pub(super) fn own_id(source: &LegacyDocument) -> &str {
    let id = source.document.as_ref().ok().and_then(|document| document.get("id")?.as_str());
    id.filter(|id| !id.is_empty()).unwrap_or(&source.id)
}

/// Whether a document was written by runstate, which stores the revision in it.
pub(super) fn is_runstate_document(source: &LegacyDocument) -> bool {
    source.document.as_ref().is_ok_and(|document| document.get("_rev").is_some_and(Json::is_string))
}

impl LegacyProgram {
    pub(super) fn read(source: &LegacyDocument) -> FieldResult<Self> {
        let fields = checked_fields(source)?;
        let metadata = fields.optional_object("metadata")?;
        let compiled = metadata.as_ref().map_or(Ok(None), |metadata| metadata.optional_time("compiled"))?;
        let compiler = metadata.as_ref().map_or(Ok(None), |metadata| metadata.optional_text("compiler"))?;
        let created = fields.optional_time("created")?;
        let modified = fields.optional_time("modified")?.or(fields.optional_time("updated")?);
        let created = created.or(modified).or(compiled).or_else(|| object_id_time(&source.id));
        let created = created.ok_or("it has no `created`")?;
        let tags = fields.list("tags")?.iter().map(|tag| tag.as_str().map(str::to_owned));
        let command = ImportProgram {
            id: own_id(source).to_owned(),
            name: fields.optional_text("name")?.filter(|name| !name.is_empty()).unwrap_or(own_id(source)).to_owned(),
            source: fields.optional_text("source")?.unwrap_or_default().to_owned(),
            bytecode: Vec::new(),
            compiler: compiler.unwrap_or("unknown").to_owned(),
            created,
            modified: modified.unwrap_or(created),
            kept: None,
            description: fields.optional_text("description")?.map(str::to_owned),
            tags: tags.collect::<Option<_>>().ok_or("`tags` has an element that is not text")?,
        };
        let (bytecode, compiled) = (instructions(&fields), compiled.unwrap_or(created));
        Ok(Self { command, bytecode, compiled, unknown_fields: fields.unknown(PROGRAM_FIELDS) })
    }
}

fn instructions(fields: &LegacyFields<'_>) -> FieldResult<Vec<Instruction>> {
    let bytecode = fields.list("bytecode")?;
    if bytecode.is_empty() {
        return Err("it has no `bytecode`".to_owned());
    }
    let instruction = |(at, json): (usize, &Json)| {
        let read = match json.get("op").and_then(Json::as_str) {
            Some(name) => from_named_operation(json, name),
            None => <Instruction as serde::Deserialize>::deserialize(json).map_err(|why| why.to_string()),
        };
        read.map_err(|why| format!("instruction {at} of its bytecode is not valid ({why})"))
    };
    bytecode.iter().enumerate().map(instruction).collect()
}

/// Reads an instruction that names its operation, if this version has an equivalent operation.
fn from_named_operation(json: &Json, name: &str) -> FieldResult<Instruction> {
    let op = match name {
        "PUSH" => Op::Push,
        "POP" => Op::Pop,
        "DUP" => Op::Dup,
        "SWAP" => Op::Swap,
        "LOAD" => Op::Load,
        "STORE" => Op::Store,
        "CONCAT" => Op::Concat,
        "ADD" => Op::Add,
        "SUB" => Op::Sub,
        "MUL" => Op::Mul,
        "DIV" => Op::Div,
        "EQ_STRICT" => Op::Eq,
        "NEQ_STRICT" => Op::Neq,
        "JUMP" => Op::Jump,
        "JUMP_IF" | "JUMP_IF_TRUE" => Op::JumpIf,
        "JUMP_IF_FALSE" => Op::JumpIfN,
        "CC" => Op::Cc,
        "PRINT" => Op::Print,
        "RETURN" => Op::Return,
        "HALT" => Op::Halt,
        _ => return Err(format!("no operation of this version corresponds to `{}`", truncate(name))),
    };
    let line = json.get("line").and_then(Json::as_u64).and_then(|line| u32::try_from(line).ok());
    let arg = json.get("arg").filter(|arg| !arg.is_null() || op == Op::Push).cloned();
    Ok(Instruction { op: op.code().into(), arg, line: line.unwrap_or(0), column: None })
}

fn object_id_time(id: &str) -> Option<Timestamp> {
    let seconds = id.get(..8).filter(|_| id.len() == 24)?;
    Some(Timestamp::from_millis(i64::from(u32::from_str_radix(seconds, 16).ok()?) * 1_000))
}

impl LegacyExecution {
    /// Reads both forms: with `state` as an object, or with its fields beside a `state` that is text.
    pub(super) fn read(source: &LegacyDocument) -> FieldResult<Self> {
        let fields = checked_fields(source)?;
        let flat = fields.json("state").is_some_and(Json::is_string);
        let state = if flat { checked_fields(source)? } else { fields.object("state")? };
        let started = fields.optional_time("started")?.or(fields.optional_time("created")?);
        let started = started.or_else(|| object_id_time(&source.id)).ok_or("it has no `started`")?;
        let modified = fields.optional_time("lastModified")?.or(fields.optional_time("updated")?).unwrap_or(started);
        let metrics = fields.optional_object("metrics")?;
        let metric = |name| metrics.as_ref().map_or(Ok(None), |metrics| metrics.optional_count(name));
        let time = i64::try_from(metric("executionTimeMs")?.unwrap_or(0)).unwrap_or(i64::MAX);
        let mut heap = LegacyHeap::of(&fields);
        // Documents with the statuses of the schema have plain JSON values.
        let schema_statuses = ["running", "waiting_cc", "complete", "error"];
        let has_heap = fields.has("heap");
        let is_schema = !has_heap
            && fields
                .json("state")
                .is_none_or(|state| state.as_str().is_none_or(|state| schema_statuses.contains(&state)));
        let mut plain = |value: &Json| if is_schema { value.clone() } else { heap.convert(value) };
        let variables = globals(&state).map(|globals| {
            let plain = globals.iter().map(|(name, value)| (name.clone(), plain(value)));
            Document::from_iter(plain)
        });
        let (variables, unreadable_variables) = match variables {
            Ok(variables) => (variables, None),
            Err(why) => (Document::new(), Some(why)),
        };
        let mut unknown_fields = fields.unknown(EXECUTION_FIELDS);
        if !flat {
            unknown_fields.extend(state.unknown(STATE_FIELDS));
        }
        let (imported, lacks_prompt) = read_state(&fields, &state, flat, modified, &mut plain)?;
        let ended = matches!(imported, ImportedState::Complete(_) | ImportedState::Failed(_));
        let completed = if ended { fields.optional_time("completed")? } else { None };
        let command = ImportExecution {
            id: own_id(source).to_owned(),
            program_id: fields.text("programId")?.to_owned(),
            bytecode: None,
            unable: None,
            state: imported,
            pc: state.optional_index("pc")?.unwrap_or(0),
            stack: state.list("stack")?.iter().map(plain).collect(),
            variables,
            output: state.list("output")?.iter().map(output_line).collect(),
            started,
            last_modified: completed.unwrap_or(modified),
            metrics: Metrics {
                instructions_executed: metric("instructionsExecuted")?.unwrap_or(0),
                cc_calls_count: metric("ccCallsCount")?.unwrap_or(0),
                execution_time_ms: time,
            },
        };
        Ok(Self {
            command,
            lacks_prompt,
            unreadable_variables,
            call_depth: state.list("scopes")?.len().saturating_sub(1),
            has_shared_objects: heap.has_shared_objects,
            has_cut_values: heap.has_cut_values,
            unknown_fields,
        })
    }
}

/// The state of an execution, and whether the prompt is missing.
fn read_state(
    fields: &LegacyFields<'_>,
    state: &LegacyFields<'_>,
    flat: bool,
    modified: Timestamp,
    plain: &mut impl FnMut(&Json) -> Json,
) -> FieldResult<(ImportedState, bool)> {
    let (name, status) = if flat { ("state", fields.text("state")?) } else { ("state.status", state.text("status")?) };
    let waiting = |prompt: Option<&str>, asked| {
        let state = ImportedState::Waiting { call: None, prompt: prompt.unwrap_or_default().to_owned(), asked };
        (state, prompt.is_none())
    };
    let state = match status.to_ascii_lowercase().as_str() {
        "ready" => ImportedState::Ready,
        "running" => ImportedState::Running,
        "waiting_cc" | "awaiting_cognitive_result" => {
            let pc = state.index("pc")?;
            let Some(open) = fields.optional_object("ccWaiting")? else {
                let prompt = fields.optional_text("ccPrompt")?;
                return if flat { Ok(waiting(prompt, modified)) } else { Err("it has no `ccWaiting`".to_owned()) };
            };
            if let Some(call_pc) = open.optional_index("instructionId")?.filter(|call_pc| *call_pc != pc) {
                return Err(format!("it is at instruction {pc}, but waits at instruction {call_pc}"));
            }
            let asked = open.optional_time("requestedAt")?.unwrap_or(modified);
            return Ok(waiting(Some(open.text("prompt")?), asked));
        }
        "complete" | "completed" => {
            let result = fields.json("result").or(fields.json("returnValue"));
            ImportedState::Complete(result.map_or(Json::Null, plain))
        }
        "error" | "failed" => ImportedState::Failed(read_failure(fields)?),
        _ => return Err(format!("`{name}` is `{}`, which is not a status", truncate(status))),
    };
    Ok((state, false))
}

/// The failure: an object, or only a message.
fn read_failure(fields: &LegacyFields<'_>) -> FieldResult<ImportedFailure> {
    let unknown = || "the older CVM recorded no message".to_owned();
    if let Some(message) = fields.json("error").and_then(Json::as_str) {
        return Ok(ImportedFailure { message: message.to_owned(), ..ImportedFailure::default() });
    }
    let Some(error) = fields.optional_object("error")? else {
        return Ok(ImportedFailure { message: unknown(), ..ImportedFailure::default() });
    };
    Ok(ImportedFailure {
        message: error.optional_text("message")?.map_or_else(unknown, str::to_owned),
        line: error.optional_index("line")?.unwrap_or(0),
        instruction: error.json("instruction").cloned().unwrap_or_default(),
        stack: error.list("stack")?.to_vec(),
    })
}

fn globals(state: &LegacyFields<'_>) -> FieldResult<Document> {
    match state.list("scopes")? {
        [] => state.document("variables"),
        [global, ..] => LegacyFields::of(global)
            .map_err(|_| "`state.scopes` has an element that is not an object")?
            .document("variables"),
    }
}

/// A line of output as text, whatever its type.
fn output_line(line: &Json) -> String {
    line.as_str().map_or_else(|| line.to_string(), str::to_owned)
}

/// Lines of output that are stored separately from their execution.
pub(super) fn output_lines(source: &LegacyDocument) -> FieldResult<Vec<String>> {
    Ok(checked_fields(source)?.list("lines")?.iter().map(output_line).collect())
}

fn truncate(text: &str) -> String {
    text.chars().take(40).collect()
}

fn row_fields(source: &LegacyDocument) -> FieldResult<LegacyFields<'_>> {
    let fields = checked_fields(source)?;
    let document = source.document.as_ref().map_err(Clone::clone)?;
    // The depth first, because measuring the JSON is recursive.
    check_storable(document, DOCUMENT_DEPTH - 1).map_err(|excess| excess.to_string())?;
    match json_bytes(document) {
        bytes if bytes > ROW_BYTES => Err(format!("it has {bytes} bytes of JSON; a row may have at most {ROW_BYTES}")),
        _ => Ok(fields),
    }
}

/// A call without its step.
pub(super) fn read_call(source: &LegacyDocument, execution: &str, program: &str) -> FieldResult<Call> {
    let fields = row_fields(source)?;
    let request = fields.object("request")?;
    let instruction = request.optional_index("instructionId")?.unwrap_or(0);
    let asked = request.time("timestamp")?;
    let context = fields.optional_object("context")?;
    let pc = context.as_ref().map_or(Ok(None), |context| context.optional_index("pc"))?.unwrap_or(instruction);
    let variables = context.map_or(Ok(Document::new()), |context| context.document("variables"))?;
    let context = Context::new(pc, 0, Json::Object(variables));
    let prompt = request.text("prompt")?.to_owned();
    let mut call = Call::imported(source.id.clone(), execution, program, prompt, asked, context);
    call.request.instruction_id = instruction;
    if let Some(response) = fields.optional_object("response")? {
        let result = response.json("result").cloned().unwrap_or(Json::Null);
        check_plain(&result).map_err(|excess| format!("`response.result` is {excess}"))?;
        let latency = response.optional_count("latencyMs")?.and_then(|ms| i64::try_from(ms).ok()).map(Millis);
        let at = response.optional_time("timestamp")?.unwrap_or(asked + latency.unwrap_or(Millis(0)));
        close_call(&mut call, result, at, latency);
    }
    Ok(call)
}

pub(super) fn close_call(call: &mut Call, result: Json, at: Timestamp, latency: Option<Millis>) {
    let latency_ms = latency.unwrap_or(Millis(at.since(call.request.timestamp).0.max(0)));
    call.response = Some(Response { result, timestamp: at, latency_ms: Some(latency_ms), by: None });
    call.outcome = Some(CallOutcome::Answered);
}

pub(super) fn read_log(source: &LegacyDocument, execution: &str) -> FieldResult<LogRow> {
    let fields = row_fields(source)?;
    let event = fields.text("event")?;
    if !matches!(event, "instruction" | "cc_call" | "error" | "complete") {
        return Err(format!("`event` is `{}`, which is not an event", truncate(event)));
    }
    Ok(LogRow {
        id: source.id.clone(),
        execution_id: execution.to_owned(),
        timestamp: fields.time("timestamp")?,
        event: event.to_owned(),
        details: Json::Object(fields.document("details")?),
    })
}

/// An entry of the history, without its id.
pub(super) fn read_history(source: &LegacyDocument, execution: &str) -> FieldResult<HistoryRow> {
    let fields = row_fields(source)?;
    Ok(HistoryRow {
        id: String::new(),
        execution_id: execution.to_owned(),
        step: fields.optional("step", "a whole number", Json::as_i64)?.unwrap_or(0),
        pc: fields.optional_index("pc")?.unwrap_or(0),
        instruction: fields.json("instruction").cloned().unwrap_or_default(),
        stack: fields.list("stack")?.to_vec(),
        variables: fields.document("variables")?,
        timestamp: fields.time("timestamp")?,
    })
}
