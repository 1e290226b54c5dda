//! Imports the data of the older CVM: programs first, then each execution after its rows.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_domain_cvm::{ImportExecution, ImportedBytecode, ImportedFailure, ImportedState, Metrics, bytecode_hash};
use runstate_engine::{Engine, Error, Phase, Progress};
use runstate_value::Json;
use runstate_vm::{self as vm, Instruction};

use super::documents::{self, LegacyExecution, LegacyProgram};
use super::rows::OpenCallMatcher;
use super::values::CUT;
use super::{
    ImportedProgram, LegacyDatabase, LegacyImportReport, LegacyQuery, SkippedItem, command_text, import_once,
    skipped_item,
};

pub(super) struct LegacyImporter<'a> {
    pub(super) engine: Engine,
    pub(super) database: &'a dyn LegacyDatabase,
    pub(super) execution_ids: HashSet<String>,
    /// Unknown fields in the rows of the current execution.
    pub(super) unknown_fields: BTreeSet<String>,
    programs: HashMap<String, LegacyProgramInfo>,
    pub(super) report: LegacyImportReport,
    /// Number of runstate's own documents, which are left alone.
    own_documents: u64,
}

#[derive(Clone)]
struct LegacyProgramInfo {
    name: String,
    /// Its original bytecode, or the reason why executions cannot continue in it.
    bytecode: Result<Arc<OriginalBytecode>, String>,
    is_startable: bool,
}

struct OriginalBytecode {
    wire: Vec<Instruction>,
    decoded: vm::VerifiedProgram,
}

/// Imports the data of a database of the older CVM. `compile` compiles a source, or returns why it cannot.
///
/// A repeat updates executions that have advanced there and not here, and has no other effect on what was imported.
/// [`LegacyImportReport::left`] lists what could not be imported. The database is not changed.
pub async fn import_legacy(
    engine: &Engine,
    database: &dyn LegacyDatabase,
    compile: impl Fn(&str, &str) -> Result<(Vec<Instruction>, String), String>,
    mut progress: impl FnMut(Progress),
) -> Result<LegacyImportReport, Error> {
    let mut importer = LegacyImporter {
        engine: engine.clone(),
        database,
        execution_ids: HashSet::new(),
        unknown_fields: BTreeSet::new(),
        programs: HashMap::new(),
        report: LegacyImportReport::default(),
        own_documents: 0,
    };
    importer.report.left = database.unknown_files();
    let (mut done, of) = (0, database.total());
    let mut step = || {
        done += 1;
        progress(Progress { phase: Phase::Write, done, of });
    };
    importer.import_programs(&compile, &mut step).await?;
    importer.import_executions(&mut step).await?;
    importer.report_orphans().await?;
    importer.finish()
}

impl LegacyImporter<'_> {
    pub(super) fn skip(&mut self, what: &'static str, id: &str, why: String) {
        self.report.left.push(SkippedItem { what, id: truncate_id(id), why });
    }

    fn skip_fields(&mut self, id: &str, names: &[String]) {
        if !names.is_empty() {
            self.skip("fields", id, format!("this version does not import these fields: `{}`", names.join("`, `")));
        }
    }

    async fn import_programs(
        &mut self,
        compile: impl Fn(&str, &str) -> Result<(Vec<Instruction>, String), String>,
        step: &mut impl FnMut(),
    ) -> Result<(), Error> {
        let mut rows = self.database.query(LegacyQuery::Programs).await?;
        while let Some(source) = rows.next().await? {
            if documents::is_runstate_document(&source) {
                self.own_documents += 1;
                continue;
            }
            match LegacyProgram::read(&source) {
                Ok(program) if self.programs.contains_key(&program.command.id) => {
                    self.skip("program", &source.id, duplicate_reason(&program.command.id))
                }
                Ok(program) => self.import_program(program, &compile).await?,
                Err(why) => self.skip("program", &source.id, why),
            }
            step();
        }
        Ok(())
    }

    async fn import_program(
        &mut self,
        program: LegacyProgram,
        compile: impl Fn(&str, &str) -> Result<(Vec<Instruction>, String), String>,
    ) -> Result<(), Error> {
        let LegacyProgram { mut command, bytecode, compiled, unknown_fields } = program;
        self.skip_fields(&command.id, &unknown_fields);
        let verified = bytecode.and_then(|wire| match vm::VerifiedProgram::decode(&wire) {
            Ok(decoded) => Ok(Arc::new(OriginalBytecode { wire, decoded })),
            Err(error) => Err(error.to_string()),
        });
        let compiled_now = match command.source.trim().is_empty() {
            true => Err("it has no source".to_owned()),
            false => compile(&command.name, &command.source),
        };
        match (compiled_now, &verified) {
            (Ok((bytecode, compiler)), original) => {
                let compiler = std::mem::replace(&mut command.compiler, compiler);
                if let Some(original) = original.as_ref().ok().filter(|original| original.wire != bytecode) {
                    command.kept = Some(ImportedBytecode { bytecode: original.wire.clone(), compiler, compiled });
                }
                command.bytecode = bytecode;
            }
            (Err(why), Ok(original)) => {
                self.skip("compilation", &command.id, format!("its original bytecode is used: {why}"));
                command.bytecode.clone_from(&original.wire);
            }
            (Err(why), Err(bytecode)) => {
                let why = format!("it cannot be started until another source is loaded: {why}; {bytecode}");
                self.skip("compilation", &command.id, why);
            }
        }
        let is_startable = !command.bytecode.is_empty();
        match import_once(&self.engine, &command).await {
            Ok(loaded) => {
                let info = LegacyProgramInfo { name: loaded.name.clone(), bytecode: verified, is_startable };
                self.programs.insert(command.id.clone(), info);
                self.report.programs.push(ImportedProgram { id: command.id, name: loaded.name });
            }
            Err(error) => self.report.left.push(skipped_item("program", &truncate_id(&command.id), error)?),
        }
        Ok(())
    }

    async fn import_executions(&mut self, step: &mut impl FnMut()) -> Result<(), Error> {
        let mut rows = self.database.query(LegacyQuery::Executions).await?;
        while let Some(source) = rows.next().await? {
            let is_new = self.execution_ids.insert(documents::own_id(&source).to_owned());
            if documents::is_runstate_document(&source) {
                self.own_documents += 1;
                continue;
            }
            match LegacyExecution::read(&source) {
                Ok(execution) if !is_new => self.skip("execution", &source.id, duplicate_reason(&execution.command.id)),
                Ok(execution) => {
                    let id = execution.command.id.clone();
                    let (mut unknown, cuts) = (execution.unknown_fields.clone(), execution.has_cut_values);
                    match self.import_or_update(execution).await {
                        Ok(()) => {
                            unknown.extend(std::mem::take(&mut self.unknown_fields));
                            self.skip_fields(&id, &unknown);
                            if cuts {
                                let why = format!(
                                    "some objects were replaced by `{CUT}`: they contain themselves, are missing in its heap, or exceed the limit"
                                );
                                self.skip("values", &id, why);
                            }
                            self.report.executions.push(id);
                        }
                        Err(error) => self.report.left.push(skipped_item("execution", &truncate_id(&id), error)?),
                    }
                }
                Err(why) => self.skip("execution", documents::own_id(&source), why),
            }
            step();
        }
        Ok(())
    }

    /// Imports an execution after its rows. Whether one that has not ended can continue is checked before any row is
    /// written.
    ///
    /// Returns the text of the command that imports the execution itself.
    pub(super) async fn import_execution(&mut self, execution: LegacyExecution) -> Result<String, Error> {
        self.unknown_fields.clear();
        let program_id = &execution.command.program_id;
        let Some(LegacyProgramInfo { name, bytecode, is_startable }) = self.programs.get(program_id).cloned() else {
            let message = format!("its program {} was not imported", truncate_id(program_id));
            return Err(Error::new(ErrorCode::NOT_FOUND, message));
        };
        let original = bytecode.as_deref();
        let separate_output = self.read_output(&execution.command.id).await?;
        let mut command = match &execution.command.state {
            ImportedState::Ready if !is_startable => {
                return Err(unsupported(
                    "its program cannot be started here; finish it in the older CVM, or load another source and start that",
                ));
            }
            ImportedState::Ready => ImportExecution { metrics: Metrics::default(), ..execution.command },
            ImportedState::Running | ImportedState::Waiting { .. } => {
                active_execution(execution, original.map_err(|why| unrunnable(why))?)?
            }
            ImportedState::Complete(_) | ImportedState::Failed(_) => self.ended_execution(execution, original),
        };
        // Versions that began to store output separately left the earlier lines in the execution.
        if command.output != separate_output {
            command.output.extend(separate_output);
        }
        let open = match &command.state {
            ImportedState::Waiting { prompt, .. } => Some(OpenCallMatcher { pc: command.pc, prompt }),
            _ => None,
        };
        let has_begun = command.state != ImportedState::Ready;
        let decoded = original.ok().filter(|_| has_begun).map(|original| &original.decoded);
        let calls = self.import_rows(&command.id, &name, decoded, open).await?;
        let count = &mut command.metrics.cc_calls_count;
        match &mut command.state {
            ImportedState::Ready => {}
            ImportedState::Waiting { call, .. } => {
                *count = calls.closed.saturating_add(1).max(*count);
                *call = calls.open;
            }
            _ => *count = calls.closed.max(*count),
        }
        import_once(&self.engine, &command).await?;
        command_text(&command)
    }

    /// An execution that had ended, where its machine can be restored.
    fn ended_execution(
        &mut self,
        execution: LegacyExecution,
        original: Result<&OriginalBytecode, &String>,
    ) -> ImportExecution {
        let LegacyExecution { mut command, unreadable_variables, call_depth, .. } = execution;
        if let Some(why) = unreadable_variables {
            self.skip("variables", &command.id, why);
        }
        if call_depth > 0 {
            let why = format!("those of {call_depth} active function calls were not imported");
            self.skip("variables", &command.id, why);
        }
        command.unable =
            original.err().map(|why| format!("the original bytecode of its program does not run here ({why})"));
        if let (ImportedState::Failed(failure), Ok(original)) = (&command.state, original)
            && let Some(failed_at) = locate_failure(original, &command, failure)
        {
            (command.pc, command.stack) = failed_at;
        }
        command
    }

    fn finish(self) -> Result<LegacyImportReport, Error> {
        let LegacyImportReport { programs, executions, left } = &self.report;
        if !programs.is_empty() || !executions.is_empty() || !left.is_empty() {
            return Ok(self.report);
        }
        let name = self.database.name();
        Err(if self.own_documents > 0 {
            let message = format!(
                "{name} is a store of runstate, not a database of the older CVM. Export it: runstate --store URL export FILE"
            );
            Error::new(ErrorCode::UNSUPPORTED, message)
        } else {
            Error::new(
                ErrorCode::NOT_FOUND,
                format!(
                    "{name} contains no programs and no executions of the older CVM; check its name. For collections of another \
                     program, name their domain: import --domain DOMAIN"
                ),
            )
        })
    }
}

/// An execution that had not ended, if its machine can continue in `original`.
fn active_execution(execution: LegacyExecution, original: &OriginalBytecode) -> Result<ImportExecution, Error> {
    let mut command = execution.command;
    if let ImportedState::Waiting { prompt, .. } = &mut command.state
        && execution.lacks_prompt
    {
        *prompt = original.decoded.prompt_at(command.pc, &command.stack).ok_or_else(|| {
            unsupported(format!("it has no `ccPrompt`, and its bytecode and stack do not give the prompt; {REMEDY}"))
        })?;
    }
    if execution.call_depth > 0 {
        let calls = execution.call_depth;
        return Err(unsupported(format!(
            "it is within {calls} function calls, which cannot be continued here; {REMEDY}"
        )));
    }
    if execution.has_shared_objects || execution.has_cut_values {
        return Err(unsupported(format!("its variables share arrays and objects in a heap; {REMEDY}")));
    }
    if let Some(why) = execution.unreadable_variables {
        return Err(unsupported(why));
    }
    command.check(&original.wire).map_err(|why| unsupported(format!("{why}; {REMEDY}")))?;
    Ok(ImportExecution { bytecode: Some(bytecode_hash(&original.wire)?), ..command })
}

/// The remedy for an execution that cannot continue here.
const REMEDY: &str = "finish it in the older CVM, or start its program again here";

fn unrunnable(why: &str) -> Error {
    unsupported(format!("its bytecode cannot be run here: {why}; {REMEDY}"))
}

/// The instruction at which a machine of this program can have failed, and its operands. The older CVM may have
/// advanced already, or popped operands.
fn locate_failure(
    original: &OriginalBytecode,
    ended: &ImportExecution,
    failure: &ImportedFailure,
) -> Option<(u32, Vec<Json>)> {
    let is_failing_instruction = |pc: u32| {
        let instruction = original.decoded.instruction_json(pc);
        ["op", "arg"].iter().all(|part| instruction.get(part) == failure.instruction.get(part))
    };
    let before =
        ended.pc.checked_sub(1).filter(|before| is_failing_instruction(*before) && !is_failing_instruction(ended.pc));
    let pc = before.unwrap_or(ended.pc);
    let operands = original.decoded.stack_depth(pc)?;
    let stacks = [&ended.stack, &failure.stack];
    stacks.into_iter().find(|stack| stack.len() >= operands).map(|stack| (pc, stack.clone()))
}

/// The reason why a second document with the same id is skipped.
fn duplicate_reason(id: &str) -> String {
    format!("another document has the same id {}", truncate_id(id))
}

fn unsupported(why: impl Into<String>) -> Error {
    Error::new(ErrorCode::UNSUPPORTED, why)
}

/// An id for a message. One that is not valid may have any length.
fn truncate_id(id: &str) -> String {
    match id.char_indices().nth(runstate_core::limits::ID_BYTES) {
        Some((end, _)) => format!("{}…", &id[..end]),
        None => id.to_owned(),
    }
}
