//! The import of the older CVM's data: programs, compiled anew, and the rows of their executions: calls, log and
//! history. The executions are in `execution.rs`, and the layout of exported files is in `files.rs`. Rows are written before their execution, so that an execution always
//! has all its rows.

mod execution;
mod files;

pub use execution::{
    ImportActiveExecution, ImportEndedExecution, ImportReadyExecution, LegacyOpenCall, LegacyOutcome, bytecode_hash,
};
pub use files::FILES;
use serde::Serialize;

use super::call::{CC_HISTORY, COGNITIVE, Call, CallOutcome, Context, Request, Response};
use super::child_rows::{EXECUTION_LOGS, ExecutionLogRow, HISTORY, HistoryRow};
use super::execution::{EXECUTIONS, ExecutionHead, ExecutionState, ExecutionStatus, Metrics};
use super::loaded_machine::{Frames, LoadedMachine, PageTable};
use super::program::{DecodedProgram, LoadedProgram, Metadata, PROGRAMS, Program, by_name, version_key};
use super::slice::SliceWrites;
use super::{document, slice};
use crate::decision::{Change, Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::domain::cvm::codes;
use crate::schema::Key;
use crate::time::{Millis, Timestamp};
use crate::value::{Document, Json, check_plain};
use crate::vm::{BYTECODE_VERSION, Instruction};
use crate::{id, vm};

/// Bytecode version of a program without bytecode that runs here. It is older than all others, so that starting the program requires its
/// source again.
const UNRUNNABLE_VERSION: u32 = 0;

/// The whole bytecode of such a program.
const HALT: Instruction = Instruction { op: 255, arg: None, line: 0, column: None };

/// Imports a program with its id and times. A program with the same id and source exists already and stays. If another program has the
/// name, which the older storage allowed, the name of this program is its id.
#[derive(Clone, Debug, Serialize)]
pub struct ImportLegacyProgram {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its source.
    pub source: String,
    /// The bytecode that its source compiles to now, verified here. Empty: the source does not compile, and nothing starts until another
    /// source is loaded.
    pub bytecode: Vec<Instruction>,
    /// The compiler.
    pub compiler: String,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
    /// The bytecode that unfinished executions run, verified here. It becomes version 1, and the bytecode compiled now becomes version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<LegacyBytecode>,
    /// Its purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tags to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Bytecode from an older compiler.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyBytecode {
    /// The instructions.
    pub bytecode: Vec<Instruction>,
    /// The compiler.
    pub compiler: String,
    /// When it was compiled.
    pub compiled: Timestamp,
}

impl Command for ImportLegacyProgram {
    const NAME: &'static str = "cvm.carry_program";
    type Output = LoadedProgram;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&PROGRAMS, &self.id)).query("name", by_name(&self.name)).query("id", by_name(&self.id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<LoadedProgram>, Rejection> {
        let invalid =
            |field: &str, why: id::InvalidId| Rejection::Invalid { field: field.to_owned(), reason: why.to_string() };
        id::check(&self.id).map_err(|why| invalid("id", why))?;
        id::check(&self.name).map_err(|why| invalid("name", why))?;
        let key = Key::new(&PROGRAMS, &self.id);
        if let Some(found) = view.get(&key) {
            let program: Program = document::read(&key, found)?;
            return match program.source == self.source {
                true => Ok(Decision::new(program.to_loaded_program(false))),
                false => Err(Rejection::AlreadyExists { what: "program", id: self.id.clone() }),
            };
        }
        let (bytecode, version) = match self.bytecode.is_empty() {
            true => (vec![HALT], UNRUNNABLE_VERSION),
            false => (self.bytecode.clone(), BYTECODE_VERSION),
        };
        for bytecode in self.kept.iter().map(|legacy| &legacy.bytecode).chain([&bytecode]) {
            vm::VerifiedProgram::decode(bytecode)
                .map_err(|e| Rejection::domain(codes::INVALID_BYTECODE, e.to_string()))?;
        }
        let is_free = |name| view.rows(name).unwrap_or_default().is_empty();
        let name = match (is_free("name"), is_free("id")) {
            (true, _) => &self.name,
            (false, true) => &self.id,
            (false, false) => {
                return Err(Rejection::AlreadyExists { what: "program named", id: self.name.clone() });
            }
        };
        let program = Program {
            id: self.id.clone(),
            name: name.clone(),
            description: self.description.clone(),
            source: self.source.clone(),
            bytecode,
            metadata: Metadata { version, compiled: ctx.now, compiler: self.compiler.clone() },
            created: self.created,
            modified: self.modified,
            tags: self.tags.clone(),
            removing: false,
            program_version: if self.kept.is_some() { 2 } else { 1 },
        };
        let insert = Change::Insert { key, document: document::write(&program)? };
        let mut decision =
            Decision::new(program.to_loaded_program(true)).change(insert).change(program.version_row(ctx.now)?);
        if let Some(legacy) = &self.kept {
            decision.changes.push(legacy.to_version(program).version_row(ctx.now)?);
        }
        Ok(decision)
    }
}

impl LegacyBytecode {
    /// Returns `program` as it was with this bytecode.
    fn to_version(&self, program: Program) -> Program {
        let Metadata { version, .. } = program.metadata;
        let metadata = Metadata { version, compiled: self.compiled, compiler: self.compiler.clone() };
        Program { bytecode: self.bytecode.clone(), metadata, program_version: 1, ..program }
    }
}

fn execution_key(id: &str) -> Key {
    Key::new(&EXECUTIONS, id)
}

/// Rejects an execution that exists already.
fn require_absent(view: &View, id: &str) -> Result<(), Rejection> {
    match view.get(&execution_key(id)) {
        Some(_) => Err(Rejection::AlreadyExists { what: "execution", id: id.to_owned() }),
        None => Ok(()),
    }
}

/// The read set of an imported execution: the execution, which must not exist, and its imported program.
fn execution_reads(view: &View, execution: &str, program: &str) -> ReadSet {
    let key = Key::new(&PROGRAMS, program);
    let reads = ReadSet::key(execution_key(execution)).with_key(key.clone());
    match view.get(&key) {
        Some(_) => reads.with_key(version_key(program, 1)),
        None => reads,
    }
}

fn find_program(view: &View, id: &str) -> Result<Program, Rejection> {
    let key = Key::new(&PROGRAMS, id);
    let missing = || Rejection::NotFound { what: "program", id: id.to_owned(), hint: String::new() };
    let program: Program = document::read(&key, view.get(&key).ok_or_else(missing)?)?;
    if program.removing { Err(missing()) } else { Ok(program) }
}

/// Creates an execution that does not exist yet, on version 1 of its program, and returns that version too. It is running and due at once:
/// the process that ran it is gone.
fn new_execution(
    view: &View,
    id: &str,
    program: &str,
    started: Timestamp,
    ctx: &Ctx,
) -> Result<(ExecutionHead, DecodedProgram), Rejection> {
    id::check(id).map_err(|e| Rejection::Invalid { field: "id".to_owned(), reason: e.to_string() })?;
    require_absent(view, id)?;
    let program = find_program(view, program)?;
    let decoded = DecodedProgram::load(view, &version_key(&program.id, 1))?;
    let execution = ExecutionHead {
        id: id.to_owned(),
        program_id: program.id,
        program_name: program.name,
        program_version: 1,
        state: ExecutionState::Running { lease_until: ctx.now },
        pc: 0,
        frames: Frames::empty(),
        output: Vec::new(),
        output_count: 0,
        output_rows: 0,
        output_digest: String::new(),
        started,
        last_modified: started,
        metrics: Metrics::default(),
        input: None,
        parent_id: None,
        random: Json::Null,
        heap: PageTable::default(),
        group_size: 0,
        group_answer_bytes: 0,
        log_level: None,
        heap_bytes: None,
    };
    Ok((execution, decoded))
}

/// Inserts an execution with its machine, its output so far, and the rows of `writes`.
fn insert_execution(
    view: &View,
    mut execution: ExecutionHead,
    mut loaded: LoadedMachine,
    output: &[String],
    mut writes: SliceWrites,
    ctx: &mut Ctx,
) -> Result<Decision<ExecutionStatus>, Rejection> {
    slice::append_output(&mut execution, output, &mut writes)?;
    let pages = loaded.save(&mut execution, ctx)?;
    let insert = Change::Insert { key: execution_key(&execution.id), document: document::write(&execution)? };
    let mut decision = Decision::new(execution.execution_status()).change(insert);
    let program = Key::new(&PROGRAMS, &execution.program_id);
    decision.checks.extend(view.get(&program).map(|found| (program, found.revision.clone())));
    decision.changes.extend(writes.changes);
    decision.changes.extend(pages);
    Ok(decision)
}

/// Imports rows of an execution that does not exist yet. Rows that exist already stay as they are.
#[derive(Clone, Debug, Serialize)]
pub struct ImportLegacyRows {
    /// The execution.
    pub execution: String,
    /// Its program's name.
    pub program_name: String,
    /// Closed calls.
    pub calls: Vec<LegacyCall>,
    /// Rows of its log.
    pub logs: Vec<LegacyLogRow>,
    /// Entries of its history.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<LegacyHistoryEntry>,
}

/// A closed call of an execution.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyCall {
    /// Its id.
    pub id: String,
    /// Number of the call in its execution, from 1.
    pub step: u64,
    /// The prompt.
    pub prompt: String,
    /// The instruction that made the call.
    pub instruction: u32,
    /// When the call was made.
    pub asked: Timestamp,
    /// The answer; `None`: there was none, and none is expected any more.
    pub answer: Option<LegacyAnswer>,
    /// The program counter.
    pub pc: u32,
    /// The variables at that time.
    pub variables: Document,
}

/// An answer.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyAnswer {
    /// The value.
    pub result: Json,
    /// When it was given.
    pub at: Timestamp,
    /// Time since the call was made.
    pub latency: Millis,
}

/// A row of the log.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyLogRow {
    /// Its id.
    pub id: String,
    /// When the event happened.
    pub at: Timestamp,
    /// `instruction`, `cc_call`, `error` or `complete`.
    pub event: String,
    /// The details of the event.
    pub details: Document,
}

/// An entry of the history.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyHistoryEntry {
    /// Its id.
    pub id: String,
    /// When the step was recorded.
    pub at: Timestamp,
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
}

impl LegacyCall {
    fn to_call(&self, rows: &ImportLegacyRows) -> Result<Call, Rejection> {
        let invalid = |field: &str, reason: String| Rejection::Invalid { field: field.to_owned(), reason };
        id::check(&self.id).map_err(|error| invalid("call", error.to_string()))?;
        if let Some(answer) = &self.answer {
            check_plain(&answer.result).map_err(|excess| invalid("result", excess.to_string()))?;
        }
        let response = self.answer.as_ref().map(|answer| Response {
            result: answer.result.clone(),
            timestamp: answer.at,
            latency_ms: answer.latency,
            by: None,
        });
        Ok(Call {
            id: self.id.clone(),
            execution_id: rows.execution.clone(),
            program_name: rows.program_name.clone(),
            step: self.step,
            kind: COGNITIVE.to_owned(),
            key: None,
            available_at: None,
            request: Request {
                prompt: self.prompt.clone(),
                args: Json::Null,
                instruction_id: self.instruction,
                timestamp: self.asked,
                choices: None,
                schema: None,
                deadline: None,
                default: None,
            },
            outcome: Some(if response.is_some() { CallOutcome::Answered } else { CallOutcome::Cancelled }),
            response,
            error: None,
            context: Context { pc: self.pc, line: 0, variables: Json::Object(self.variables.clone()) },
            claim: None,
        })
    }
}

impl ImportLegacyRows {
    fn keys(&self) -> impl Iterator<Item = Key> {
        let calls = self.calls.iter().map(|call| Key::new(&CC_HISTORY, &call.id));
        let logs = self.logs.iter().map(|log| Key::new(&EXECUTION_LOGS, &log.id));
        calls.chain(logs).chain(self.history.iter().map(|step| Key::new(&HISTORY, &step.id)))
    }

    fn log_change(&self, log: &LegacyLogRow) -> Result<Change, Rejection> {
        let LegacyLogRow { id, at, event, details } = log.clone();
        let execution_id = self.execution.clone();
        ExecutionLogRow { id, execution_id, timestamp: at, event, details: Json::Object(details) }.append()
    }

    fn history_change(&self, entry: &LegacyHistoryEntry) -> Result<Change, Rejection> {
        let LegacyHistoryEntry { id, at, step, pc, instruction, stack, variables } = entry.clone();
        let execution_id = self.execution.clone();
        let row = HistoryRow { id, execution_id, step, pc, instruction, stack, variables, timestamp: at };
        Ok(Change::Append { key: Key::new(&HISTORY, &row.id), document: document::write(&row)? })
    }
}

impl Command for ImportLegacyRows {
    const NAME: &'static str = "cvm.carry_rows";
    type Output = u64;

    fn reads(&self, _: &View) -> ReadSet {
        self.keys().fold(ReadSet::key(execution_key(&self.execution)), ReadSet::with_key)
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<u64>, Rejection> {
        require_absent(view, &self.execution)?;
        let mut changes = Vec::with_capacity(self.calls.len() + self.logs.len() + self.history.len());
        for call in &self.calls {
            let call = call.to_call(self)?;
            if view.get(&call.key()).is_none() {
                changes.push(call.insert()?);
            }
        }
        for log in &self.logs {
            if view.get(&Key::new(&EXECUTION_LOGS, &log.id)).is_none() {
                changes.push(self.log_change(log)?);
            }
        }
        for step in &self.history {
            if view.get(&Key::new(&HISTORY, &step.id)).is_none() {
                changes.push(self.history_change(step)?);
            }
        }
        let mut decision = Decision::new(changes.len() as u64);
        decision.changes = changes;
        Ok(decision)
    }
}
