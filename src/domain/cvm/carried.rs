//! What is taken over from a storage of the older CVM: programs, compiled anew, and executions that had ended. One that had not
//! ended stands in the middle of other bytecode and cannot be carried over.

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
        vm::Program::decode(&self.bytecode)
            .map_err(|e| Rejection::domain(crate::code::Code::InvalidBytecode, e.to_string()))?;
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
            description: None,
            source: self.source.clone(),
            bytecode: self.bytecode.clone(),
            metadata: Metadata { version: BYTECODE_VERSION, compiled: ctx.now, compiler: self.compiler.clone() },
            created: self.created,
            modified: self.modified,
            tags: Vec::new(),
            removing: false,
            program_version: 1,
        };
        let insert = Change::Insert { key, document: document::write(&program)? };
        Ok(Decision::of(program.loaded(true)).change(insert).change(program.version_row(ctx.now)?))
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
        let program = Key::new(&PROGRAMS, &self.program_id);
        let reads = ReadSet::key(Key::new(&EXECUTIONS, &self.id)).and(program.clone());
        match view.get(&program) {
            Some(_) => reads.and(version_key(&self.program_id, 1)),
            None => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        let invalid = |field: &str, reason: String| Rejection::Invalid { field: field.to_owned(), reason };
        id::check(&self.id).map_err(|e| invalid("id", e.to_string()))?;
        let key = Key::new(&EXECUTIONS, &self.id);
        if view.get(&key).is_some() {
            return Err(Rejection::AlreadyExists { what: "execution", id: self.id.clone() });
        }
        let program_key = Key::new(&PROGRAMS, &self.program_id);
        let found = view.get(&program_key).ok_or_else(|| Rejection::NotFound {
            what: "program",
            id: self.program_id.clone(),
            hint: String::new(),
        })?;
        let program: Program = document::read(&program_key, found)?;
        let decoded = Decoded::of(view, &version_key(&program.id, 1))?;
        let state = self.state()?;
        let mut live = Live::start(&decoded, &Json::Null, ctx)?;
        let mut execution = Execution {
            id: self.id.clone(),
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
            started: self.started,
            last_modified: self.completed,
            metrics: Metrics::default(),
            input: None,
            parent_id: None,
            random: Json::Null,
            heap: Heap::default(),
            together: 0,
            together_bytes: 0,
            log_level: None,
        };
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
            CarriedEnd::Failed(message) => State::Failed { at, error: ProgramError::carried(message, at).bounded() },
        })
    }
}
