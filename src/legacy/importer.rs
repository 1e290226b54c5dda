//! Imports the data of the older CVM: programs first, then each execution after its rows.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::documents::{self, LegacyExecution, LegacyProgram, LegacyStatus};
use super::rows::{ImportedCalls, OpenCallMatcher};
use super::values::CUT;
use super::{ImportedProgram, LegacyDatabase, LegacyImportReport, LegacyQuery, SkippedItem, import_once, skipped_item};
use crate::domain::cvm::{
    ImportActiveExecution, ImportEndedExecution, ImportLegacyProgram, ImportReadyExecution, ImportedFailure,
    LegacyBytecode, LegacyOpenCall, LegacyOutcome, Metrics, bytecode_hash,
};
use crate::engine::transfer::{Phase, Progress};
use crate::engine::{Engine, Error};
use crate::error_code::ErrorCode;
use crate::time::Timestamp;
use crate::value::{Document, Json};
use crate::vm::{self, Instruction};

/// An import in progress.
pub(super) struct LegacyImporter<'a> {
    pub(super) engine: &'a Engine,
    pub(super) database: &'a dyn LegacyDatabase,
    /// Ids of all executions that were read.
    pub(super) execution_ids: HashSet<String>,
    /// Unknown fields in the rows of the current execution.
    pub(super) unknown_fields: BTreeSet<String>,
    programs: HashMap<String, LegacyProgramInfo>,
    report: LegacyImportReport,
    /// Number of runstate's own documents, which are left alone.
    own_documents: u64,
}

/// An imported program.
struct LegacyProgramInfo {
    name: String,
    /// Its original bytecode, or the reason why executions cannot continue in it.
    bytecode: Result<Arc<OriginalBytecode>, String>,
    /// Whether it can be started.
    is_startable: bool,
}

/// The original bytecode of a program.
struct OriginalBytecode {
    wire: Vec<Instruction>,
    decoded: vm::VerifiedProgram,
}

/// Imports the data of a database of the older CVM. `compile` compiles a source, or returns why it cannot.
///
/// A repeat has no further effect. [`LegacyImportReport::left`] lists what could not be imported. The database is not changed.
pub async fn import_legacy(
    engine: &Engine,
    database: &dyn LegacyDatabase,
    compile: impl Fn(&str, &str) -> Result<(Vec<Instruction>, String), String>,
    mut progress: impl FnMut(Progress),
) -> Result<LegacyImportReport, Error> {
    let mut importer = LegacyImporter {
        engine,
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
                Ok(program) if self.programs.contains_key(&program.id) => {
                    self.skip("program", &source.id, duplicate_reason(&program.id))
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
        let LegacyProgram {
            id,
            name,
            description,
            source,
            bytecode,
            compiler,
            compiled,
            created,
            modified,
            tags,
            unknown_fields: unknown,
        } = program;
        self.skip_fields(&id, &unknown);
        let verified = bytecode.and_then(|wire| match vm::VerifiedProgram::decode(&wire) {
            Ok(decoded) => Ok(Arc::new(OriginalBytecode { wire, decoded })),
            Err(error) => Err(error.to_string()),
        });
        let compiled_now =
            if source.trim().is_empty() { Err("it has no source".to_owned()) } else { compile(&name, &source) };
        let original = verified.as_ref().ok().map(|original| original.wire.clone());
        let (bytecode, compiler, kept) = match (compiled_now, original) {
            (Ok((bytecode, by)), Some(original)) if bytecode != original => {
                (bytecode, by, Some(LegacyBytecode { bytecode: original, compiler, compiled }))
            }
            (Ok((bytecode, by)), _) => (bytecode, by, None),
            (Err(why), Some(original)) => {
                self.skip("compilation", &id, format!("its original bytecode is used: {why}"));
                (original, compiler, None)
            }
            (Err(why), None) => {
                let bytecode = verified.as_ref().err().map_or("", String::as_str);
                self.skip(
                    "compilation",
                    &id,
                    format!("it cannot be started until another source is loaded: {why}; {bytecode}"),
                );
                (Vec::new(), compiler, None)
            }
        };
        let command =
            ImportLegacyProgram { id, name, source, bytecode, compiler, created, modified, kept, description, tags };
        let is_startable = !command.bytecode.is_empty();
        match import_once(self.engine, &command).await {
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
                Ok(execution) if !is_new => self.skip("execution", &source.id, duplicate_reason(&execution.id)),
                Ok(execution) => {
                    let id = execution.id.clone();
                    let (mut unknown, cuts) = (execution.unknown_fields.clone(), execution.has_cut_values);
                    self.unknown_fields.clear();
                    match self.import_execution(execution).await {
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

    async fn import_execution(&mut self, mut execution: LegacyExecution) -> Result<(), Error> {
        let Some(program) = self.programs.get(&execution.program) else {
            let message = format!("its program {} was not imported", truncate_id(&execution.program));
            return Err(Error::new(ErrorCode::NOT_FOUND, message));
        };
        let (name, original, is_startable) = (program.name.clone(), program.bytecode.clone(), program.is_startable);
        let separate_output = self.read_output(&execution.id).await?;
        // Versions that began to store output separately left the earlier lines in the execution.
        if execution.output != separate_output {
            execution.output.extend(separate_output);
        }
        let original = original.as_ref().map(|original| &**original).map_err(String::as_str);
        let status = std::mem::replace(&mut execution.status, LegacyStatus::Ready);
        match status {
            LegacyStatus::Ready if !is_startable => Err(unsupported(
                "its program cannot be started here; finish it in the older CVM, or load another source and start that",
            )),
            LegacyStatus::Ready => self.import_ready(execution, &name).await,
            LegacyStatus::Running => self.import_active(execution, None, &name, original).await,
            LegacyStatus::Waiting { prompt, asked } => {
                let asked = |prompt| Some(LegacyOpenCall { call: None, prompt, asked });
                let original = original.map_err(unrunnable)?;
                let prompt = prompt.or_else(|| original.decoded.prompt_at(execution.pc, &execution.stack));
                let prompt = prompt.ok_or_else(|| {
                    unsupported(format!(
                        "it has no `ccPrompt`, and its bytecode and stack do not give the prompt; {REMEDY}"
                    ))
                })?;
                self.import_active(execution, asked(prompt), &name, Ok(original)).await
            }
            LegacyStatus::Complete { at, result } => {
                self.import_ended(execution, LegacyOutcome::Complete(result), at, &name, original).await
            }
            LegacyStatus::Failed { at, failure } => {
                self.import_ended(execution, LegacyOutcome::Failed(failure), at, &name, original).await
            }
        }
    }

    async fn import_ended(
        &mut self,
        execution: LegacyExecution,
        end: LegacyOutcome,
        completed: Timestamp,
        program: &str,
        original: Result<&OriginalBytecode, &str>,
    ) -> Result<(), Error> {
        let LegacyExecution {
            id,
            program: program_id,
            pc,
            stack,
            variables,
            call_depth: calls,
            output,
            started,
            metrics,
            ..
        } = execution;
        let variables = variables.unwrap_or_else(|why| {
            self.skip("variables", &id, why);
            Document::new()
        });
        if calls > 0 {
            self.skip("variables", &id, format!("those of {calls} active function calls were not imported"));
        }
        let closed = self.import_rows(&id, program, original.ok(), None).await?.closed;
        let metrics = with_min_calls(metrics, closed);
        let unable =
            original.err().map(|why| format!("the original bytecode of its program does not run here ({why})"));
        let mut command = ImportEndedExecution {
            id,
            program_id,
            end,
            unable,
            pc,
            stack,
            variables,
            output,
            started,
            completed,
            metrics,
        };
        if let (LegacyOutcome::Failed(failure), Ok(original)) = (&command.end, original)
            && let Some(failed_at) = locate_failure(original, &command, failure)
        {
            (command.pc, command.stack) = failed_at;
        }
        import_once(self.engine, &command).await.map(|_| ())
    }

    /// Imports an execution that has not begun: it is due.
    async fn import_ready(&mut self, execution: LegacyExecution, program: &str) -> Result<(), Error> {
        let LegacyExecution { id, program: program_id, output, started, modified, .. } = execution;
        self.import_rows(&id, program, None, None).await?;
        let command = ImportReadyExecution { id, program_id, output, started, last_modified: modified };
        import_once(self.engine, &command).await.map(|_| ())
    }

    /// Imports an execution that had not ended. Whether its machine can continue is checked before any row is written.
    async fn import_active(
        &mut self,
        execution: LegacyExecution,
        open_call: Option<LegacyOpenCall>,
        program: &str,
        original: Result<&OriginalBytecode, &str>,
    ) -> Result<(), Error> {
        let original = original.map_err(unrunnable)?;
        let LegacyExecution {
            id, program: program_id, pc, stack, variables, call_depth: calls, output, started, ..
        } = execution;
        if calls > 0 {
            return Err(unsupported(format!(
                "it is within {calls} function calls, which cannot be continued here; {REMEDY}"
            )));
        }
        if execution.has_shared_objects || execution.has_cut_values {
            return Err(unsupported(format!("its variables share arrays and objects in a heap; {REMEDY}")));
        }
        let mut command = ImportActiveExecution {
            id,
            program_id,
            bytecode: bytecode_hash(&original.wire)?,
            pc,
            stack,
            variables: variables.map_err(unsupported)?,
            question: open_call,
            output,
            started,
            last_modified: execution.modified,
            metrics: execution.metrics,
        };
        command.check(&original.wire).map_err(|why| unsupported(format!("{why}; {REMEDY}")))?;
        let open = command.question.as_ref().map(|question| OpenCallMatcher { pc, prompt: &question.prompt });
        let calls = self.import_rows(&command.id, program, Some(original), open).await?;
        let asked = u64::from(command.question.is_some());
        command.metrics = with_min_calls(command.metrics, calls.closed + asked);
        if let Some(question) = &mut command.question {
            question.call = calls.open;
        }
        import_once(self.engine, &command).await.map(|_| ())
    }

    /// Imports the calls, the log and the history of an execution.
    async fn import_rows(
        &mut self,
        id: &str,
        program: &str,
        original: Option<&OriginalBytecode>,
        open: Option<OpenCallMatcher<'_>>,
    ) -> Result<ImportedCalls, Error> {
        let waits_at = open.as_ref().map(|open| open.pc);
        let mut calls = self.import_calls(id, program, open).await?;
        self.import_logs(id, program).await?;
        let decoded = original.map(|original| &original.decoded);
        calls.closed = self.import_history(id, program, decoded, waits_at, calls.closed).await?;
        Ok(calls)
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
                format!("{name} contains no programs and no executions of the older CVM; check its name"),
            )
        })
    }
}

/// The remedy for an execution that cannot continue here.
const REMEDY: &str = "finish it in the older CVM, or start its program again here";

fn unrunnable(why: &str) -> Error {
    unsupported(format!("its bytecode cannot be run here: {why}; {REMEDY}"))
}

/// The instruction at which a machine of this program can have failed, and its operands. The older CVM may have advanced already, or popped
/// operands.
fn locate_failure(
    original: &OriginalBytecode,
    ended: &ImportEndedExecution,
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

/// The counters, with at least as many calls as there are rows.
fn with_min_calls(metrics: Metrics, calls: u64) -> Metrics {
    Metrics { cc_calls_count: metrics.cc_calls_count.max(calls), ..metrics }
}

/// An id for a message. One that is not valid may have any length.
fn truncate_id(id: &str) -> String {
    match id.char_indices().nth(crate::limits::ID_BYTES) {
        Some((end, _)) => format!("{}…", &id[..end]),
        None => id.to_owned(),
    }
}
