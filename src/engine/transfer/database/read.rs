//! Documents of the older CVM's database, read into what the domain takes over.

use super::Found;
use super::fields::Fields;
use super::heap::Heap;
use crate::domain::cvm::{CarriedAnswer, CarriedCall, CarriedLog, ImportedFailure, Metrics};
use crate::id;
use crate::limits::DOCUMENT_DEPTH;
use crate::time::{Millis, Timestamp};
use crate::value::{Document, Json, check_plain, check_storable, json_bytes};
use crate::vm::WireInstruction;
use crate::vm::op::Op;

pub(super) use super::fields::Read;

/// Bytes of JSON of one row: what more has is no document for every store.
const ROW_BYTES: usize = 4 * 1024 * 1024;

/// A program.
pub(super) struct Program {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) source: String,
    pub(super) bytecode: Read<Vec<WireInstruction>>,
    pub(super) compiler: String,
    pub(super) compiled: Timestamp,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) tags: Vec<String>,
    /// Fields that are not known here.
    pub(super) unknown: Vec<String>,
}

/// An execution.
pub(super) struct Execution {
    pub(super) id: String,
    pub(super) program: String,
    pub(super) status: Status,
    pub(super) pc: u32,
    pub(super) stack: Vec<Json>,
    /// Those of the global scope.
    pub(super) variables: Read<Document>,
    /// Scopes of functions that were called.
    pub(super) calls: usize,
    pub(super) output: Vec<String>,
    pub(super) started: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) metrics: Metrics,
    /// Several of its values shared an array or object of its heap.
    pub(super) shares: bool,
    /// A value of its heap was cut.
    pub(super) cuts: bool,
    /// Fields that are not known here.
    pub(super) unknown: Vec<String>,
}

/// What it was doing.
pub(super) enum Status {
    Ready,
    Running,
    Waiting { prompt: Option<String>, asked: Timestamp },
    Complete { at: Timestamp, result: Json },
    Failed { at: Timestamp, failure: ImportedFailure },
}

/// Fields of an execution that are read, or say nothing that others do not.
const EXECUTION: &[&str] = &[
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

/// Fields of an execution's `state`.
const STATE: &[&str] = &["pc", "stack", "scopes", "variables", "status", "output"];

/// Fields of a program.
const PROGRAM: &[&str] =
    &["_id", "id", "name", "description", "source", "bytecode", "metadata", "created", "modified", "updated", "tags"];

/// The fields that are not among the known ones and say something.
pub(super) fn unknown(document: &Json, known: &[&str], path: &str) -> Vec<String> {
    let says_nothing = |value: &Json| match value {
        Json::Null => true,
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
        _ => false,
    };
    let fields = document.as_object().into_iter().flatten();
    let unknown = fields.filter(|(name, value)| !known.contains(&name.as_str()) && !says_nothing(value));
    unknown.map(|(name, _)| format!("{path}{name}")).collect()
}

fn own(found: &Found) -> Read<Fields<'_>> {
    id::check(own_id(found)).map_err(|why| why.to_string())?;
    Fields::of(found.document.as_ref().map_err(Clone::clone)?)
}

/// The id that others refer to: its own where it has one beside the key of the database.
pub(super) fn own_id(found: &Found) -> &str {
    let own = found.document.as_ref().ok().and_then(|document| document.get("id")?.as_str());
    own.filter(|id| !id.is_empty()).unwrap_or(&found.id)
}

/// Whether a document was written by this library, which keeps its revision in it.
pub(super) fn is_ours(found: &Found) -> bool {
    found.document.as_ref().is_ok_and(|document| document.get("_rev").is_some_and(Json::is_string))
}

impl Program {
    pub(super) fn read(found: &Found) -> Read<Self> {
        let fields = own(found)?;
        let metadata = fields.optional_object("metadata")?;
        let (compiled, compiler) = match &metadata {
            Some(metadata) => (metadata.optional_time("compiled")?, metadata.optional_text("compiler")?),
            None => (None, None),
        };
        let created = fields.optional_time("created")?;
        let modified = fields.optional_time("modified")?.or(fields.optional_time("updated")?);
        let created = created.or(modified).or(compiled).or_else(|| made(&found.id));
        let created = created.ok_or("it has no `created`")?;
        let tags = fields.list("tags")?.iter().map(|tag| tag.as_str().map(str::to_owned));
        Ok(Self {
            id: own_id(found).to_owned(),
            name: fields.optional_text("name")?.filter(|name| !name.is_empty()).unwrap_or(own_id(found)).to_owned(),
            description: fields.optional_text("description")?.map(str::to_owned),
            source: fields.optional_text("source")?.unwrap_or_default().to_owned(),
            bytecode: instructions(&fields),
            compiler: compiler.unwrap_or("unknown").to_owned(),
            compiled: compiled.unwrap_or(created),
            created,
            modified: modified.unwrap_or(created),
            tags: tags.collect::<Option<_>>().ok_or("`tags` holds what is no text")?,
            unknown: found.document.as_ref().map_or_else(|_| Vec::new(), |document| unknown(document, PROGRAM, "")),
        })
    }
}

fn instructions(fields: &Fields<'_>) -> Read<Vec<WireInstruction>> {
    let bytecode = fields.list("bytecode")?;
    if bytecode.is_empty() {
        return Err("it has no `bytecode`".to_owned());
    }
    let instruction = |(at, json): (usize, &Json)| {
        let read = match json.get("op").and_then(Json::as_str) {
            Some(name) => numbered(json, name),
            None => <WireInstruction as serde::Deserialize>::deserialize(json).map_err(|why| why.to_string()),
        };
        read.map_err(|why| format!("instruction {at} of its bytecode is none ({why})"))
    };
    bytecode.iter().enumerate().map(instruction).collect()
}

/// An instruction that names its operation, where one here means the same.
fn numbered(json: &Json, name: &str) -> Read<WireInstruction> {
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
        _ => return Err(format!("no operation here means what `{}` meant", shortened(name))),
    };
    let line = json.get("line").and_then(Json::as_u64).and_then(|line| u32::try_from(line).ok());
    let arg = json.get("arg").filter(|arg| !arg.is_null() || op == Op::Push).cloned();
    Ok(WireInstruction { op: op.code().into(), arg, line: line.unwrap_or(0), column: None })
}

/// The time that an ObjectId bears.
fn made(id: &str) -> Option<Timestamp> {
    let seconds = id.get(..8).filter(|_| id.len() == 24)?;
    Some(Timestamp::from_millis(i64::from(u32::from_str_radix(seconds, 16).ok()?) * 1_000))
}

impl Execution {
    /// Reads either form: with `state` as an object, or with its fields beside a `state` that is a text.
    pub(super) fn read(found: &Found) -> Read<Self> {
        let fields = own(found)?;
        let document = found.document.as_ref().map_err(Clone::clone)?;
        let flat = fields.json("state").is_some_and(Json::is_string);
        let state = if flat { own(found)? } else { fields.object("state")? };
        let started = fields.optional_time("started")?.or(fields.optional_time("created")?);
        let started = started.or_else(|| made(&found.id)).ok_or("it has no `started`")?;
        let modified = fields.optional_time("lastModified")?.or(fields.optional_time("updated")?).unwrap_or(started);
        let metrics = fields.optional_object("metrics")?;
        let metric = |name| metrics.as_ref().map_or(Ok(None), |metrics| metrics.optional_whole(name));
        let time = i64::try_from(metric("executionTimeMs")?.unwrap_or(0)).unwrap_or(i64::MAX);
        let heap = Heap::of(document);
        // The status words of the schema are of documents whose values are JSON.
        let words = ["running", "waiting_cc", "complete", "error"];
        let is_schema = document.get("heap").is_none()
            && fields.json("state").is_none_or(|state| state.as_str().is_none_or(|state| words.contains(&state)));
        let plain = |value: &Json| if is_schema { value.clone() } else { heap.plain(value) };
        let variables = globals(&state).map(|globals| {
            let plain = globals.iter().map(|(name, value)| (name.clone(), plain(value)));
            Document::from_iter(plain)
        });
        let mut unknown = unknown(document, EXECUTION, "");
        if !flat {
            unknown.extend(self::unknown(&document["state"], STATE, "state."));
        }
        let status = Status::read(&fields, &state, flat, modified, plain)?;
        let stack = state.list("stack")?.iter().map(plain).collect();
        Ok(Self {
            id: own_id(found).to_owned(),
            program: fields.text("programId")?.to_owned(),
            status,
            pc: state.optional_place("pc")?.unwrap_or(0),
            stack,
            variables,
            calls: state.list("scopes")?.len().saturating_sub(1),
            output: state.list("output")?.iter().map(line).collect(),
            started,
            modified,
            metrics: Metrics {
                instructions_executed: metric("instructionsExecuted")?.unwrap_or(0),
                cc_calls_count: metric("ccCallsCount")?.unwrap_or(0),
                execution_time_ms: time,
            },
            shares: heap.shares(),
            cuts: heap.cuts(),
            unknown,
        })
    }
}

impl Status {
    fn read(
        fields: &Fields<'_>,
        state: &Fields<'_>,
        flat: bool,
        modified: Timestamp,
        plain: impl Fn(&Json) -> Json,
    ) -> Read<Self> {
        let ended = || Ok::<_, String>(fields.optional_time("completed")?.unwrap_or(modified));
        let (name, status) =
            if flat { ("state", fields.text("state")?) } else { ("state.status", state.text("status")?) };
        Ok(match status.to_ascii_lowercase().as_str() {
            "ready" => Self::Ready,
            "running" => Self::Running,
            "waiting_cc" | "awaiting_cognitive_result" => {
                let pc = state.place("pc")?;
                let waiting = fields.optional_object("ccWaiting")?;
                let Some(waiting) = waiting else {
                    let prompt = fields.optional_text("ccPrompt")?.map(str::to_owned);
                    return match flat {
                        true => Ok(Self::Waiting { prompt, asked: modified }),
                        false => Err("it has no `ccWaiting`".to_owned()),
                    };
                };
                let asks = waiting.optional_place("instructionId")?;
                if let Some(asks) = asks.filter(|asks| *asks != pc) {
                    return Err(format!("it stands at instruction {pc} and waits at instruction {asks}"));
                }
                let asked = waiting.optional_time("requestedAt")?.unwrap_or(modified);
                Self::Waiting { prompt: Some(waiting.text("prompt")?.to_owned()), asked }
            }
            "complete" | "completed" => {
                let result = fields.json("result").or(fields.json("returnValue"));
                Self::Complete { at: ended()?, result: result.map_or(Json::Null, plain) }
            }
            "error" | "failed" => Self::Failed { at: ended()?, failure: failure(fields)? },
            _ => return Err(format!("`{name}` is `{}`, which is none", shortened(status))),
        })
    }
}

/// Why it failed: an object, or no more than a message.
fn failure(fields: &Fields<'_>) -> Read<ImportedFailure> {
    let unknown = || "the older CVM does not say why".to_owned();
    if let Some(message) = fields.json("error").and_then(Json::as_str) {
        return Ok(ImportedFailure { message: message.to_owned(), ..ImportedFailure::default() });
    }
    let Some(error) = fields.optional_object("error")? else {
        return Ok(ImportedFailure { message: unknown(), ..ImportedFailure::default() });
    };
    Ok(ImportedFailure {
        message: error.optional_text("message")?.map_or_else(unknown, str::to_owned),
        line: error.optional_place("line")?.unwrap_or(0),
        instruction: error.json("instruction").cloned().unwrap_or_default(),
        stack: error.list("stack")?.to_vec(),
    })
}

/// The variables of the global scope.
fn globals(state: &Fields<'_>) -> Read<Document> {
    match state.list("scopes")? {
        [] => state.document("variables"),
        [global, ..] => Fields::of(global).map_err(|_| "`state.scopes` holds what is no object")?.document("variables"),
    }
}

/// A line of output, whatever it was kept as.
fn line(printed: &Json) -> String {
    printed.as_str().map_or_else(|| printed.to_string(), str::to_owned)
}

/// Lines that are kept beside an execution.
pub(super) fn lines(found: &Found) -> Read<Vec<String>> {
    Ok(own(found)?.list("lines")?.iter().map(line).collect())
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

pub(super) fn row(found: &Found) -> Read<Fields<'_>> {
    let fields = own(found)?;
    let document = found.document.as_ref().map_err(Clone::clone)?;
    // The depth first: what measures the JSON is recursive.
    check_storable(document, DOCUMENT_DEPTH - 1).map_err(|excess| excess.to_string())?;
    match json_bytes(document) {
        bytes if bytes > ROW_BYTES => {
            Err(format!("it has {bytes} bytes of JSON; at most {ROW_BYTES} are kept in one row"))
        }
        _ => Ok(fields),
    }
}

/// A call; its step is told later.
pub(super) fn call(found: &Found) -> Read<CarriedCall> {
    let fields = row(found)?;
    let request = fields.object("request")?;
    let instruction = request.optional_place("instructionId")?.unwrap_or(0);
    let asked = request.time("timestamp")?;
    let context = fields.optional_object("context")?;
    Ok(CarriedCall {
        id: found.id.clone(),
        step: 0,
        prompt: request.text("prompt")?.to_owned(),
        instruction,
        asked,
        answer: fields.optional_object("response")?.map(|response| answer(&response, asked)).transpose()?,
        pc: context.as_ref().map_or(Ok(None), |context| context.optional_place("pc"))?.unwrap_or(instruction),
        variables: context.map_or(Ok(Document::new()), |context| context.document("variables"))?,
    })
}

fn answer(response: &Fields<'_>, asked: Timestamp) -> Read<CarriedAnswer> {
    let result = response.json("result").cloned().unwrap_or(Json::Null);
    check_plain(&result).map_err(|excess| format!("`response.result` is {excess}"))?;
    let latency = response.optional_whole("latencyMs")?.and_then(|ms| i64::try_from(ms).ok()).map(Millis);
    let told = response.optional_time("timestamp")?;
    let at = told.unwrap_or(asked + latency.unwrap_or(Millis(0)));
    Ok(CarriedAnswer { result, at, latency: latency.unwrap_or(Millis(at.since(asked).0.max(0))) })
}

/// A row of the log.
pub(super) fn log(found: &Found) -> Read<CarriedLog> {
    let fields = row(found)?;
    let event = fields.text("event")?;
    if !matches!(event, "instruction" | "cc_call" | "error" | "complete") {
        return Err(format!("`event` is `{}`, which is none", shortened(event)));
    }
    Ok(CarriedLog {
        id: found.id.clone(),
        at: fields.time("timestamp")?,
        event: event.to_owned(),
        details: fields.document("details")?,
    })
}
