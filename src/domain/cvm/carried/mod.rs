//! What is taken over from a storage of the older CVM: programs, compiled anew, and executions that had ended. One that had not
//! ended goes on where its bytecode is one that runs here (`standing.rs`); a directory's stands in the middle of other bytecode and cannot be
//! carried over. Rows are in `rows.rs`.

mod rows;
mod standing;

use serde::{Deserialize, Serialize};

use super::document;
use super::execution::{EXECUTIONS, Execution, Metrics, ProgramError, Reached, State};
use super::live::{Heap, Live};
use super::program::{Decoded, LoadedProgram, Metadata, PROGRAMS, Program, by_name, version_key};
use super::turn::{self, Written};
use crate::decision::{Change, Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::id;
use crate::schema::Key;
use crate::time::Timestamp;
use crate::value::{Json, check_plain};
use crate::vm::{self, BYTECODE_VERSION, WireInstruction};

pub use rows::{CarriedAnswer, CarriedCall, CarriedLog, CarryRows};
pub use standing::{CarriedQuestion, CarryStanding, bytecode_hash};

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
    /// What the source was compiled to now; verified here.
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
        for bytecode in self.kept.iter().map(|kept| &kept.bytecode).chain([&self.bytecode]) {
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
            bytecode: self.bytecode.clone(),
            metadata: Metadata { version: BYTECODE_VERSION, compiled: ctx.now, compiler: self.compiler.clone() },
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

/// Takes over an execution that had ended: its output, its result or error, its times. Its machine is not known any more; it is given
/// one that has not begun, so that a failed one that is tried again runs anew.
#[derive(Clone, Debug, Serialize)]
pub struct CarryEnded {
    /// Its id.
    pub id: String,
    /// Its program, which is here.
    pub program_id: String,
    /// How it ended.
    pub end: CarriedEnd,
    /// All it had printed.
    pub output: Vec<String>,
    /// When it was started.
    pub started: Timestamp,
    /// When it ended.
    pub completed: Timestamp,
    /// Its counters, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// Where it failed, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<CarriedPlace>,
}

/// Where an execution had failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CarriedPlace {
    /// Line of the source, from 1; 0 where it is not known.
    pub line: u32,
    /// The failing instruction.
    pub instruction: u32,
}

/// How an execution of the older CVM had ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CarriedEnd {
    /// With this value.
    Complete(Json),
    /// With this error.
    Failed(String),
}

impl Command for CarryEnded {
    const NAME: &'static str = "cvm.carry_ended";
    type Output = Reached;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        place_of(view, &self.id, &self.program_id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        let invalid = |field: &str, reason: String| Rejection::Invalid { field: field.to_owned(), reason };
        id::check(&self.id).map_err(|e| invalid("id", e.to_string()))?;
        let key = absent(view, &self.id)?;
        let program = program_of(view, &self.program_id)?;
        let decoded = Decoded::of(view, &version_key(&program.id, 1))?;
        let state = self.state()?;
        let mut live = Live::start(&decoded, &Json::Null, None, ctx)?;
        let metrics = self.metrics.unwrap_or_default();
        let begun = begun(&self.id, program, state, self.started);
        let mut execution = Execution { metrics, last_modified: self.completed, ..begun };
        let mut written = Written::default();
        turn::print(&mut execution, &self.output, &mut written)?;
        let pages = live.save(&mut execution, ctx)?;
        let insert = Change::Insert { key, document: execution.to_document()? };
        let mut decision = Decision::of(execution.reached()).change(insert);
        decision.changes.extend(written.changes);
        decision.changes.extend(pages);
        Ok(decision)
    }
}

impl CarryEnded {
    fn state(&self) -> Result<State, Rejection> {
        let at = self.completed;
        Ok(match &self.end {
            CarriedEnd::Complete(result) => {
                check_plain(result)
                    .map_err(|e| Rejection::Invalid { field: "result".to_owned(), reason: e.to_string() })?;
                State::Complete { at, result: result.clone() }
            }
            CarriedEnd::Failed(message) => {
                let mut error = ProgramError::carried(message, at).bounded();
                if let Some(place) = &self.place {
                    (error.line, error.instruction) = (place.line, place.instruction);
                }
                State::Failed { at, error }
            }
        })
    }
}

fn execution_key(id: &str) -> Key {
    Key::new(&EXECUTIONS, id)
}

/// The key of an execution that is not here yet.
fn absent(view: &View, id: &str) -> Result<Key, Rejection> {
    let key = execution_key(id);
    match view.get(&key) {
        Some(_) => Err(Rejection::AlreadyExists { what: "execution", id: id.to_owned() }),
        None => Ok(key),
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

/// An execution on version 1 of `program`, before anything is known of its machine.
fn begun(id: &str, program: Program, state: State, started: Timestamp) -> Execution {
    Execution {
        id: id.to_owned(),
        program_id: program.id,
        program_name: program.name,
        program_version: 1,
        state,
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
    }
}
