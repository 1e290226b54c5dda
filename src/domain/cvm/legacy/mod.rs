//! The import of the older CVM's data: programs, compiled anew, and their executions. Ended executions are in `ended_execution.rs`, waiting
//! and running ones in `active_execution.rs`, and their rows in `rows.rs`.

mod active_execution;
mod ended_execution;
mod rows;

use serde::Serialize;

use super::document;
use super::execution::{EXECUTIONS, ExecutionHead, ExecutionState, ExecutionStatus, Metrics};
use super::loaded_machine::{LoadedMachine, PageTable};
use super::program::{DecodedProgram, LoadedProgram, Metadata, PROGRAMS, Program, by_name, version_key};
use super::slice::{self, SliceWrites};
use crate::decision::{Change, Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::id;
use crate::schema::Key;
use crate::time::Timestamp;
use crate::value::Json;
use crate::vm::{self, BYTECODE_VERSION, Instruction};

pub use active_execution::{ImportActiveExecution, ImportReadyExecution, LegacyOpenCall, bytecode_hash};
pub use ended_execution::{ImportEndedExecution, LegacyOutcome};
pub use rows::{ImportLegacyRows, LegacyAnswer, LegacyCall, LegacyHistoryEntry, LegacyLogRow};

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
        for bytecode in self.kept.iter().map(|kept| &kept.bytecode).chain([&bytecode]) {
            vm::VerifiedProgram::decode(bytecode)
                .map_err(|e| Rejection::domain(crate::error_code::ErrorCode::InvalidBytecode, e.to_string()))?;
        }
        let free = |name| view.rows(name).unwrap_or_default().is_empty();
        let name = match (free("name"), free("id")) {
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
        if let Some(kept) = &self.kept {
            decision.changes.push(kept.to_version(program).version_row(ctx.now)?);
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
    let reads = ReadSet::key(Key::new(&EXECUTIONS, execution)).with_key(key.clone());
    match view.get(&key) {
        Some(_) => reads.with_key(version_key(program, 1)),
        None => reads,
    }
}

fn find_program(view: &View, id: &str) -> Result<Program, Rejection> {
    let key = Key::new(&PROGRAMS, id);
    let missing = || Rejection::NotFound { what: "program", id: id.to_owned(), hint: String::new() };
    document::read(&key, view.get(&key).ok_or_else(missing)?)
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
        frames: None,
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

/// Inserts an execution with its machine, its output so far, and the rows of `written`.
fn insert_execution(
    mut execution: ExecutionHead,
    mut loaded: LoadedMachine,
    output: &[String],
    mut written: SliceWrites,
    ctx: &mut Ctx,
) -> Result<Decision<ExecutionStatus>, Rejection> {
    slice::append_output(&mut execution, output, &mut written)?;
    let pages = loaded.save(&mut execution, ctx)?;
    let insert = Change::Insert { key: execution_key(&execution.id), document: execution.to_document()? };
    let mut decision = Decision::new(execution.execution_status()).change(insert);
    decision.changes.extend(written.changes);
    decision.changes.extend(pages);
    Ok(decision)
}
