//! Documents of the older CVM's database, read into what the domain takes over.

use super::Found;
use super::fields::{Fields, Read};
use crate::domain::cvm::{CarriedAnswer, CarriedCall, CarriedLog, CarriedPlace, Metrics};
use crate::id;
use crate::time::{Millis, Timestamp};
use crate::value::{Document, Json, check_plain, json_bytes};
use crate::vm::WireInstruction;

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
}

/// An execution.
pub(super) struct Execution {
    pub(super) id: String,
    pub(super) program: String,
    pub(super) status: Status,
    pub(super) pc: u32,
    pub(super) stack: Vec<Json>,
    pub(super) variables: Read<Document>,
    pub(super) output: Vec<String>,
    pub(super) started: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) metrics: Metrics,
}

/// What it was doing.
pub(super) enum Status {
    Running,
    Waiting { prompt: String, asked: Timestamp },
    Complete { at: Timestamp, result: Json },
    Failed { at: Timestamp, message: String, place: CarriedPlace },
}

fn own(found: &Found) -> Read<Fields<'_>> {
    id::check(&found.id).map_err(|why| why.to_string())?;
    Fields::of(found.document.as_ref().map_err(Clone::clone)?)
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
        let (created, modified) = (fields.optional_time("created")?, fields.optional_time("modified")?);
        let created = created.or(modified).or(compiled).or_else(|| made(&found.id));
        let created = created.ok_or("it has no `created`")?;
        let tags = fields.list("tags")?.iter().map(|tag| tag.as_str().map(str::to_owned));
        Ok(Self {
            id: found.id.clone(),
            name: fields.optional_text("name")?.filter(|name| !name.is_empty()).unwrap_or(&found.id).to_owned(),
            description: fields.optional_text("description")?.map(str::to_owned),
            source: fields.optional_text("source")?.unwrap_or_default().to_owned(),
            bytecode: instructions(&fields),
            compiler: compiler.unwrap_or("unknown").to_owned(),
            compiled: compiled.unwrap_or(created),
            created,
            modified: modified.unwrap_or(created),
            tags: tags.collect::<Option<_>>().ok_or("`tags` holds what is no text")?,
        })
    }
}

fn instructions(fields: &Fields<'_>) -> Read<Vec<WireInstruction>> {
    let bytecode = fields.list("bytecode")?;
    if bytecode.is_empty() {
        return Err("it has no `bytecode`".to_owned());
    }
    let instruction = |(at, json): (usize, &Json)| {
        let read = <WireInstruction as serde::Deserialize>::deserialize(json);
        read.map_err(|why| format!("instruction {at} of its bytecode is none ({why})"))
    };
    bytecode.iter().enumerate().map(instruction).collect()
}

/// The time that an ObjectId bears.
fn made(id: &str) -> Option<Timestamp> {
    let seconds = id.get(..8).filter(|_| id.len() == 24)?;
    Some(Timestamp::from_millis(i64::from(u32::from_str_radix(seconds, 16).ok()?) * 1_000))
}

impl Execution {
    pub(super) fn read(found: &Found) -> Read<Self> {
        let fields = own(found)?;
        let state = fields.object("state")?;
        let started = fields.optional_time("started")?.or_else(|| made(&found.id)).ok_or("it has no `started`")?;
        let modified = fields.optional_time("lastModified")?.unwrap_or(started);
        let metrics = fields.optional_object("metrics")?;
        let metric = |name| metrics.as_ref().map_or(Ok(None), |metrics| metrics.optional_whole(name));
        let time = i64::try_from(metric("executionTimeMs")?.unwrap_or(0)).unwrap_or(i64::MAX);
        Ok(Self {
            id: found.id.clone(),
            program: fields.text("programId")?.to_owned(),
            status: Status::read(&fields, &state, modified)?,
            pc: state.optional_place("pc")?.unwrap_or(0),
            stack: state.list("stack")?.to_vec(),
            variables: globals(&state),
            output: state.list("output")?.iter().map(line).collect(),
            started,
            modified,
            metrics: Metrics {
                instructions_executed: metric("instructionsExecuted")?.unwrap_or(0),
                cc_calls_count: metric("ccCallsCount")?.unwrap_or(0),
                execution_time_ms: time,
            },
        })
    }
}

impl Status {
    fn read(fields: &Fields<'_>, state: &Fields<'_>, modified: Timestamp) -> Read<Self> {
        let ended = || Ok::<_, String>(fields.optional_time("completed")?.unwrap_or(modified));
        Ok(match state.text("status")? {
            "running" => Self::Running,
            "waiting_cc" => {
                let waiting = fields.object("ccWaiting")?;
                let (pc, asks) = (state.place("pc")?, waiting.optional_place("instructionId")?);
                if let Some(asks) = asks.filter(|asks| *asks != pc) {
                    return Err(format!("it stands at instruction {pc} and waits at instruction {asks}"));
                }
                let asked = waiting.optional_time("requestedAt")?.unwrap_or(modified);
                Self::Waiting { prompt: waiting.text("prompt")?.to_owned(), asked }
            }
            "complete" => Self::Complete { at: ended()?, result: fields.json("result").cloned().unwrap_or(Json::Null) },
            "error" => {
                let error = fields.optional_object("error")?;
                let message = error.as_ref().map_or(Ok(None), |error| error.optional_text("message"))?;
                let line = error.as_ref().map_or(Ok(None), |error| error.optional_place("line"))?;
                let instruction = state.optional_place("pc")?.unwrap_or(0);
                let place = CarriedPlace { line: line.unwrap_or(0), instruction };
                let message = message.unwrap_or("the older CVM does not say why").to_owned();
                Self::Failed { at: ended()?, message, place }
            }
            other => return Err(format!("`state.status` is `{}`, which is none", shortened(other))),
        })
    }
}

/// The variables of the global scope.
fn globals(state: &Fields<'_>) -> Read<Document> {
    match state.list("scopes")? {
        [] => Ok(Document::new()),
        [global] => Fields::of(global).map_err(|_| "`state.scopes` holds what is no object")?.document("variables"),
        more => Err(format!(
            "it stands in {} functions that were called, which no bytecode here returns from",
            more.len() - 1
        )),
    }
}

/// A line of output, whatever it was kept as.
fn line(printed: &Json) -> String {
    printed.as_str().map_or_else(|| printed.to_string(), str::to_owned)
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

fn row(found: &Found) -> Read<Fields<'_>> {
    let fields = own(found)?;
    match found.document.as_ref().map_or(0, json_bytes) {
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
