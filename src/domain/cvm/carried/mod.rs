//! The import of what the older CVM stored: programs, compiled anew, and their executions. An execution that had ended is in `ended.rs`,
//! one that waits or runs in `standing.rs`. Rows are in `rows.rs`.

mod ended;
mod rows;
mod standing;

use serde::Serialize;

use super::document;
use super::execution::{EXECUTIONS, Execution, Metrics, Reached, State};
use super::live::{Heap, Live};
use super::program::{Decoded, LoadedProgram, Metadata, PROGRAMS, Program, by_name, version_key};
use super::turn::{self, Written};
use crate::decision::{Change, Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::id;
use crate::schema::Key;
use crate::time::Timestamp;
use crate::value::Json;
use crate::vm::{self, BYTECODE_VERSION, WireInstruction};

pub use ended::{CarriedEnd, CarryEnded};
pub use rows::{CarriedAnswer, CarriedCall, CarriedLog, CarriedStep, CarryRows};
pub use standing::{CarriedQuestion, CarryReady, CarryStanding, bytecode_hash};

/// The bytecode version of a program that came without any that runs here: older than all, so that starting it asks for its source again.
const UNRUNNABLE_VERSION: u32 = 0;

/// All bytecode that such a program has.
const HALT: WireInstruction = WireInstruction { op: 255, arg: None, line: 0, column: None };

/// Takes over a program with its id and times. One of the same id and source is there already; where its name is taken by another,
/// which the older storage allowed, its id is its name.
#[derive(Clone, Debug, Serialize)]
pub struct CarryProgram {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its source.
    pub source: String,
    /// What the source was compiled to now; verified here. Empty: it does not compile, and nothing starts until another source is loaded.
    pub bytecode: Vec<WireInstruction>,
    /// By what it was compiled.
    pub compiler: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
    /// Bytecode that executions stand in the middle of, verified here: it is version 1 then, and what was compiled now version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Bytecode as an older compiler made it.
#[derive(Clone, Debug, Serialize)]
pub struct Kept {
    /// The instructions.
    pub bytecode: Vec<WireInstruction>,
    /// By what it was compiled.
    pub compiler: String,
    /// When it was compiled.
    pub compiled: Timestamp,
}

impl Command for CarryProgram {
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
                true => Ok(Decision::of(program.loaded(false))),
                false => Err(Rejection::AlreadyExists { what: "program", id: self.id.clone() }),
            };
        }
        let (bytecode, version) = match self.bytecode.is_empty() {
            true => (vec![HALT], UNRUNNABLE_VERSION),
            false => (self.bytecode.clone(), BYTECODE_VERSION),
        };
        for bytecode in self.kept.iter().map(|kept| &kept.bytecode).chain([&bytecode]) {
            vm::Program::decode(bytecode)
                .map_err(|e| Rejection::domain(crate::code::Code::InvalidBytecode, e.to_string()))?;
        }
        let free = |name| view.rows(name).unwrap_or_default().is_empty();
        let name = match (free("name"), free("id")) {
            (true, _) => &self.name,
            (false, true) => &self.id,
            (false, false) => {
                return Err(Rejection::AlreadyExists { what: "program of the name", id: self.name.clone() });
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
        let mut decision = Decision::of(program.loaded(true)).change(insert).change(program.version_row(ctx.now)?);
        if let Some(kept) = &self.kept {
            decision.changes.push(kept.version_of(program).version_row(ctx.now)?);
        }
        Ok(decision)
    }
}

impl Kept {
    /// `program` as it was with this bytecode.
    fn version_of(&self, program: Program) -> Program {
        let Metadata { version, .. } = program.metadata;
        let metadata = Metadata { version, compiled: self.compiled, compiler: self.compiler.clone() };
        Program { bytecode: self.bytecode.clone(), metadata, program_version: 1, ..program }
    }
}

fn execution_key(id: &str) -> Key {
    Key::new(&EXECUTIONS, id)
}

/// Whether an execution is not here yet.
fn absent(view: &View, id: &str) -> Result<(), Rejection> {
    match view.get(&execution_key(id)) {
        Some(_) => Err(Rejection::AlreadyExists { what: "execution", id: id.to_owned() }),
        None => Ok(()),
    }
}

/// What has to be read where an execution is to stand: whether one is there, and the program as it was carried over.
fn place_of(view: &View, execution: &str, program: &str) -> ReadSet {
    let key = Key::new(&PROGRAMS, program);
    let reads = ReadSet::key(Key::new(&EXECUTIONS, execution)).and(key.clone());
    match view.get(&key) {
        Some(_) => reads.and(version_key(program, 1)),
        None => reads,
    }
}

fn program_of(view: &View, id: &str) -> Result<Program, Rejection> {
    let key = Key::new(&PROGRAMS, id);
    let missing = || Rejection::NotFound { what: "program", id: id.to_owned(), hint: String::new() };
    document::read(&key, view.get(&key).ok_or_else(missing)?)
}

/// An execution that is not here yet, on version 1 of its program, and that version. It runs and is due at once: the process that ran it is gone.
fn begin(
    view: &View,
    id: &str,
    program: &str,
    started: Timestamp,
    ctx: &Ctx,
) -> Result<(Execution, Decoded), Rejection> {
    id::check(id).map_err(|e| Rejection::Invalid { field: "id".to_owned(), reason: e.to_string() })?;
    absent(view, id)?;
    let program = program_of(view, program)?;
    let decoded = Decoded::of(view, &version_key(&program.id, 1))?;
    let execution = Execution {
        id: id.to_owned(),
        program_id: program.id,
        program_name: program.name,
        program_version: 1,
        state: State::Running { lease_until: ctx.now },
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
        heap: Heap::default(),
        together: 0,
        together_bytes: 0,
        log_level: None,
        heap_bytes: None,
    };
    Ok((execution, decoded))
}

/// Inserts an execution with its machine, all it had printed, and the rows of `written`.
fn insert(
    mut execution: Execution,
    mut live: Live,
    output: &[String],
    mut written: Written,
    ctx: &mut Ctx,
) -> Result<Decision<Reached>, Rejection> {
    turn::print(&mut execution, output, &mut written)?;
    let pages = live.save(&mut execution, ctx)?;
    let insert = Change::Insert { key: execution_key(&execution.id), document: execution.to_document()? };
    let mut decision = Decision::of(execution.reached()).change(insert);
    decision.changes.extend(written.changes);
    decision.changes.extend(pages);
    Ok(decision)
}
