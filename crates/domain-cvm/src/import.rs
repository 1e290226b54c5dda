//! The import of what another system has recorded, with its ids and times: a program, the rows of an execution, the
//! execution at its position. Rows are imported before their execution, so that an execution always has all its rows.
//!
//! An execution that had not ended waits for its answer, or runs on, in the bytecode that it began with. The machine of
//! an ended one is restored where it ended, so a failed execution is retried at the instruction that failed. If no
//! machine of its program can be restored there, its state is kept for reading, and `retry` is rejected with the
//! reason.

use runstate_core::decision::Hint;
use runstate_core::error_code::ErrorCode;
use runstate_core::id;
use runstate_core::prelude::*;
use runstate_core::schema::{Violation, entity};
use runstate_value::{check_plain, check_storable, json_bytes};
use runstate_vm as vm;
use runstate_vm::{BYTECODE_VERSION, Instruction};

use super::call::{CC_HISTORY, COGNITIVE, Call, CallOutcome, Context, Request, open_hint};
use super::execution::{
    EXECUTIONS, ExecutionEvent, ExecutionHead, ExecutionLimits, ExecutionState, ExecutionStatus, ImportedFailure,
    Metrics, ProgramError,
};
use super::loaded_machine::{self, LoadedMachine};
use super::program::{Bytecode, DecodedProgram, LoadedProgram, Metadata, PROGRAMS, Program, by_name, version_key};
use super::waiting::Waiting;
use super::{OUTPUTS, codes, row_id, slice};

/// Bytecode version of a program without bytecode that runs here. It is older than all others, so that starting the
/// program requires its source again.
const UNRUNNABLE_VERSION: u32 = 0;

/// The whole bytecode of such a program.
const HALT: Instruction = Instruction { op: 255, arg: None, line: 0, column: None };

fn invalid(field: &str, reason: impl ToString) -> Rejection {
    Rejection::Invalid { field: field.to_owned(), reason: reason.to_string() }
}

/// Imports a program with its id and times. A program with the same id and source exists already and stays. If another
/// program has the name, which the older storage allowed, the name of this program is its id.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "cvm.importProgram")]
pub struct ImportProgram {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its source.
    pub source: String,
    /// The bytecode that its source compiles to now, verified here. Empty: the source does not compile, and nothing
    /// starts until another source is loaded.
    pub bytecode: Vec<Instruction>,
    /// The compiler.
    pub compiler: String,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
    /// The bytecode that unfinished executions run, verified here. It becomes version 1, and the bytecode compiled now
    /// becomes version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<ImportedBytecode>,
    /// Its purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tags to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Bytecode from an older compiler.
#[derive(Clone, Debug, Serialize)]
pub struct ImportedBytecode {
    /// The instructions.
    pub bytecode: Vec<Instruction>,
    /// The compiler.
    pub compiler: String,
    /// When it was compiled.
    pub compiled: Timestamp,
}

impl Command for ImportProgram {
    type Output = LoadedProgram;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&PROGRAMS, &self.id)).query("name", by_name(&self.name)).query("id", by_name(&self.id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<LoadedProgram>> {
        id::check(&self.id).map_err(|why| invalid("id", why))?;
        id::check(&self.name).map_err(|why| invalid("name", why))?;
        if let Some(LoadedEntity { entity: program, .. }) = view.find_entity::<Program>(&self.id)? {
            if program.removing {
                let message = format!(
                    "program `{}` was removed, and its versions are not deleted yet; import it again an hour after the removal",
                    self.id
                );
                return Err(Rejection::domain(ErrorCode::ALREADY_EXISTS, message));
            }
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
            entry: None,
            files: Vec::new(),
            bytecode: Bytecode(bytecode),
            metadata: Metadata {
                version,
                compiled: ctx.now,
                compiler: self.compiler.clone(),
                warnings: Vec::new(),
                script: false,
                tools: None,
            },
            created: self.created,
            modified: self.modified,
            tags: self.tags.clone(),
            removing: false,
            collect_at: None,
            program_version: if self.kept.is_some() { 2 } else { 1 },
        };
        let decision = Decision::new(program.to_loaded_program(true)).and_insert(&program)?;
        let mut decision = decision.change(program.version_row(ctx.now)?);
        if let Some(ImportedBytecode { bytecode, compiler, compiled }) = self.kept.clone() {
            let metadata = Metadata { compiled, compiler, ..program.metadata };
            let first = Program { bytecode: Bytecode(bytecode), metadata, program_version: 1, ..program };
            decision.changes.push(first.version_row(ctx.now)?);
        }
        Ok(decision)
    }
}

fn execution_key(id: &str) -> Key {
    Key::new(&EXECUTIONS, id)
}

/// Rejects an execution that exists already.
fn require_absent(view: &View, id: &str) -> Result<()> {
    match view.get(&execution_key(id)) {
        Some(_) => Err(Rejection::AlreadyExists { what: "execution", id: id.to_owned() }),
        None => Ok(()),
    }
}

/// Imports rows of an execution that does not exist yet. Rows that exist already stay as they are.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "cvm.importRows")]
pub struct ImportRows {
    /// The execution.
    pub execution: String,
    /// Its closed calls, the rows of its log, the entries of its history.
    pub rows: Vec<ImportedRow>,
}

/// A row of an execution.
#[derive(Clone, Debug, Serialize)]
pub struct ImportedRow {
    collection: &'static str,
    id: String,
    document: Document,
}

impl ImportedRow {
    /// The row of an entity.
    pub fn new<E: Entity>(row: &E) -> Result<Self, Violation> {
        Ok(Self { collection: E::COLLECTION.name, id: row.id().to_owned(), document: row.to_document()? })
    }

    /// Its size in bytes of JSON.
    pub fn bytes(&self) -> usize {
        json_bytes(&self.document)
    }

    fn key(&self) -> Key {
        Key { collection: self.collection.into(), id: self.id.as_str().into() }
    }
}

impl Command for ImportRows {
    type Output = u64;

    fn reads(&self, _: &View) -> ReadSet {
        self.rows.iter().map(ImportedRow::key).fold(ReadSet::key(execution_key(&self.execution)), ReadSet::with_key)
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<u64>> {
        require_absent(view, &self.execution)?;
        let mut changes = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            id::check(&row.id).map_err(|why| invalid("row", why))?;
            let (key, document) = (row.key(), row.document.clone());
            if view.get(&key).is_none() {
                changes.push(match row.collection == CC_HISTORY.name {
                    true => Change::Insert { key, document },
                    false => Change::Append { key, document },
                });
            }
        }
        let mut decision = Decision::new(changes.len() as u64);
        decision.changes = changes;
        Ok(decision)
    }
}

impl Call {
    /// A cognitive call that another system has recorded, closed without an answer. Its step is 0.
    pub fn imported(
        id: String,
        execution_id: &str,
        program_name: &str,
        prompt: String,
        asked: Timestamp,
        context: Context,
    ) -> Self {
        Self {
            id,
            execution_id: execution_id.to_owned(),
            program_name: program_name.to_owned(),
            kind: COGNITIVE.to_owned(),
            request: Request { prompt, instruction_id: context.pc, timestamp: asked, ..Request::default() },
            outcome: Some(CallOutcome::Cancelled),
            context,
            ..Self::default()
        }
    }
}

/// Imports an execution on version 1 of its program.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "cvm.importExecution")]
pub struct ImportExecution {
    /// Its id.
    pub id: String,
    /// Its program, which is imported already.
    pub program_id: String,
    /// [`bytecode_hash`] of the bytecode that it began with. If version 1 has other bytecode, the execution is rejected. `None`: any.
    pub bytecode: Option<String>,
    /// The reason why no machine of its program can be restored where it ended, if that is known beforehand.
    pub unable: Option<String>,
    /// Its state.
    pub state: ImportedState,
    /// Its program counter.
    pub pc: u32,
    /// Its operands, the top last.
    pub stack: Vec<Json>,
    /// Its globals by name.
    pub variables: Document,
    /// Its output.
    pub output: Vec<String>,
    /// When it was started.
    pub started: Timestamp,
    /// When it was last written; when it ended, if it has.
    pub last_modified: Timestamp,
    /// Its counters. An open call is the last of its calls.
    pub metrics: Metrics,
}

/// The state of an imported execution.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportedState {
    /// It has not begun. It is due at once.
    Ready,
    /// It runs. It is due at once: the process that ran it is gone.
    Running,
    /// It waits for an answer.
    Waiting {
        /// Id of the row of the call; `None`: a new id.
        call: Option<String>,
        /// The prompt.
        prompt: String,
        /// When the call was made.
        asked: Timestamp,
    },
    /// It completed with this value.
    Complete(Json),
    /// It failed with this error.
    Failed(ImportedFailure),
}

/// The hash by which [`ImportExecution`] identifies bytecode: SHA-256 of its canonical JSON.
pub fn bytecode_hash(bytecode: &[Instruction]) -> Result<String> {
    let bytecode = entity::serialize(&bytecode).map_err(|e| Rejection::domain(ErrorCode::INTERNAL, e.reason()))?;
    Ok(id::hex(&id::sha256(&[runstate_value::canonical_json(&bytecode).as_bytes()])))
}

/// Deepest nesting of an instruction's argument.
const INSTRUCTION_LEVELS: usize = 64;

impl ImportExecution {
    /// Checks whether a machine of `bytecode` can be at this position; the error gives the reason. To be called before
    /// the rows of the execution are written.
    pub fn check(&self, bytecode: &[Instruction]) -> Result<(), String> {
        let program = vm::VerifiedProgram::decode(bytecode).map_err(|error| error.to_string())?;
        let (limits, state) = (vm::Limits::default(), self.machine_state());
        let machine = vm::Machine::from_legacy_state(program.into(), [0; 32], limits, &state);
        machine.map(|_| ()).map_err(|error| error.message)
    }

    fn machine_state(&self) -> vm::LegacyMachineState<'_> {
        let prompt = match &self.state {
            ImportedState::Waiting { prompt, .. } => Some(prompt.as_str()),
            _ => None,
        };
        vm::LegacyMachineState {
            pc: self.pc,
            stack: &self.stack,
            variables: &self.variables,
            prompt,
            instructions: self.metrics.instructions_executed,
            calls: self.metrics.cc_calls_count,
        }
    }

    /// Restores the machine at its position. For an ended execution the machine may also only hold its variables and
    /// operands.
    fn load_machine(&self, decoded: &DecodedProgram, ctx: &Ctx) -> Result<LoadedMachine> {
        if self.state == ImportedState::Ready {
            return LoadedMachine::start(decoded, &Json::Null, &ExecutionLimits::default(), ctx);
        }
        let DecodedProgram { program, hash } = decoded;
        let (seed, state) = (ctx.seed("random"), self.machine_state());
        let limits = || loaded_machine::limits(&ExecutionLimits::default(), ctx);
        let restored = match &self.unable {
            Some(why) => Err(why.clone()),
            None => vm::Machine::from_legacy_state(program.clone(), seed, limits(), &state).map_err(|e| e.message),
        };
        let has_ended = matches!(self.state, ImportedState::Complete(_) | ImportedState::Failed(_));
        match restored {
            Ok(machine) => Ok(LoadedMachine::new(machine, hash.clone())),
            Err(why) if has_ended => LoadedMachine::unrunnable(hash.clone(), seed, limits(), &state, &why)
                .map_err(|error| invalid("state", error.message)),
            Err(why) => Err(invalid("state", why)),
        }
    }

    /// Its head, with the state `running` if it waits.
    fn head(&self, program: Program, decoded: &DecodedProgram, ctx: &Ctx) -> Result<ExecutionHead> {
        let at = self.last_modified;
        let state = match &self.state {
            ImportedState::Ready | ImportedState::Running | ImportedState::Waiting { .. } => {
                ExecutionState::Running { lease_until: ctx.now, open: None }
            }
            ImportedState::Complete(result) => {
                check_plain(result).map_err(|excess| invalid("result", excess))?;
                ExecutionState::Complete { at, result: result.clone() }
            }
            ImportedState::Failed(failure) => {
                check_storable(&failure.instruction, INSTRUCTION_LEVELS)
                    .map_err(|excess| invalid("error.instruction", excess))?;
                let mut error = ProgramError::imported(failure, self.pc, at);
                if error.instruction.is_null() && self.unable.is_none() {
                    error.instruction = decoded.program.instruction_json(self.pc);
                }
                ExecutionState::Failed { at, error: error.bounded() }
            }
        };
        Ok(ExecutionHead {
            program_version: 1,
            pc: self.pc,
            last_modified: at,
            metrics: self.metrics,
            ..ExecutionHead::new(&self.id, program, state, self.started)
        })
    }
}

impl Command for ImportExecution {
    type Output = ExecutionStatus;

    fn subject(&self) -> Option<Key> {
        Some(execution_key(&self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        let program = Key::new(&PROGRAMS, &self.program_id);
        let reads = ReadSet::key(execution_key(&self.id)).with_key(program.clone());
        match view.get(&program) {
            Some(_) => reads.with_key(version_key(&self.program_id, 1)),
            None => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>> {
        id::check(&self.id).map_err(|why| invalid("id", why))?;
        require_absent(view, &self.id)?;
        let missing = || Rejection::NotFound { what: "program", id: self.program_id.clone(), hint: String::new() };
        let found = view.find_entity::<Program>(&self.program_id)?.filter(|found| !found.entity.removing);
        let found = found.ok_or_else(missing)?;
        let program = found.entity.clone();
        let decoded = DecodedProgram::load(view, &version_key(&program.id, 1))?;
        if self.bytecode.as_ref().is_some_and(|bytecode| **bytecode != *decoded.hash) {
            let reason = "version 1 of its program does not have the bytecode that the execution began with";
            return Err(invalid("bytecode", reason));
        }
        let mut execution = self.head(program, &decoded, ctx)?;
        let mut loaded = self.load_machine(&decoded, ctx)?;
        let mut writes = Decision::new(());
        let hint = match &self.state {
            ImportedState::Ready | ImportedState::Running => Some(Hint::Due),
            ImportedState::Waiting { call, prompt, asked } => {
                let variables = loaded.machine.variables(slice::CONTEXT_BYTES);
                let context = Context::new(self.pc, loaded.machine.line(), variables);
                let id = call.clone().unwrap_or_else(|| ctx.new_id());
                id::check(&id).map_err(|why| invalid("call", why))?;
                let call = Call {
                    step: self.metrics.cc_calls_count,
                    available_at: Some(*asked),
                    outcome: None,
                    ..Call::imported(id, &self.id, &execution.program_name, prompt.clone(), *asked, context)
                };
                writes.changes.push(Change::insert(&call)?);
                let record = vm::CallRecord { id: call.id, requested_at: *asked, deadline: None };
                let pending = loaded.machine.open_calls();
                loaded.machine.record_calls(pending.iter().map(|open| (open.number, record.clone())));
                let waiting = Waiting::of_machine(&loaded.machine);
                let waiting = waiting.ok_or_else(|| invalid("state", "its machine waits for no call"))?;
                execution.apply(ExecutionEvent::Wait(waiting))?;
                Some(open_hint(COGNITIVE))
            }
            ImportedState::Complete(_) | ImportedState::Failed(_) => None,
        };
        slice::append_output(&mut execution, &self.output, &mut writes)?;
        // No row of output is updated. Those of other data have other ids, so a later import replaces them.
        let data = id::hex(&ctx.seed("output"));
        for change in &mut writes.changes {
            if let Change::Append { key, document } = change
                && *key.collection == *OUTPUTS.name
            {
                *key = Key::new(&OUTPUTS, &row_id(&["imported output", &key.id, &data]));
                document.insert("id".to_owned(), key.id.to_string().into());
            }
        }
        let pages = loaded.save(&mut execution, ctx)?;
        let decision = Decision::new(execution.execution_status()).and_insert(&execution)?;
        // Another process may be removing the program at this moment.
        let mut decision = decision.check_entity(&found);
        decision.include(writes)?;
        decision.changes.extend(pages);
        decision.hints.extend(hint);
        Ok(decision)
    }
}
