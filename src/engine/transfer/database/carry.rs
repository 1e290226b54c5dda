//! Taking it over: programs, then each execution with its rows before it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::heap::CUT;
use super::read::{self, Execution, Program, Status};
use super::rows::{Calls, Open};
use super::{Ask, OlderDatabase};
use crate::code::Code;
use crate::domain::cvm::{
    CarriedEnd, CarriedQuestion, CarryEnded, CarryProgram, CarryReady, CarryStanding, ImportedFailure, Kept, Metrics,
    bytecode_hash,
};
use crate::engine::transfer::disk::{Carried, CarriedProgram, Left, refused};
use crate::engine::transfer::{Phase, Progress};
use crate::engine::{Engine, Error};
use crate::time::Timestamp;
use crate::value::{Document, Json};
use crate::vm::{self, WireInstruction};

/// What is under way.
pub(super) struct Taking<'a> {
    pub(super) engine: &'a Engine,
    pub(super) from: &'a dyn OlderDatabase,
    /// Ids of all executions that were met.
    pub(super) seen: HashSet<String>,
    /// Fields of the rows of the execution at hand that are not known here.
    pub(super) unknown: BTreeSet<String>,
    programs: HashMap<String, Taken>,
    carried: Carried,
    /// Documents of this library that were met and left alone.
    ours: u64,
}

/// A program that was taken over.
struct Taken {
    name: String,
    /// The bytecode that it came with; or why nothing can go on in it.
    bytecode: Result<Arc<Original>, String>,
    /// Whether it can be started.
    starts: bool,
}

/// Bytecode that a program came with.
struct Original {
    wire: Vec<WireInstruction>,
    decoded: vm::Program,
}

impl Engine {
    /// Takes over what is in a database of the older CVM; `compile` makes bytecode of a source, or says why it cannot.
    ///
    /// Repeated, it does nothing again. What cannot be taken over is told in [`Carried::left`]. Nothing in that database is changed.
    pub async fn carry_database(
        &self,
        from: &dyn OlderDatabase,
        compile: impl Fn(&str, &str) -> Result<(Vec<WireInstruction>, String), String>,
        mut progress: impl FnMut(Progress),
    ) -> Result<Carried, Error> {
        let mut taking = Taking {
            engine: self,
            from,
            seen: HashSet::new(),
            unknown: BTreeSet::new(),
            programs: HashMap::new(),
            carried: Carried::default(),
            ours: 0,
        };
        taking.carried.left = from.unknown_files();
        let (mut done, of) = (0, from.total());
        let mut step = || {
            done += 1;
            progress(Progress { phase: Phase::Write, done, of });
        };
        taking.programs(&compile, &mut step).await?;
        taking.executions(&mut step).await?;
        taking.orphans().await?;
        taking.end()
    }
}

impl Taking<'_> {
    pub(super) fn leave(&mut self, what: &'static str, id: &str, why: String) {
        self.carried.left.push(Left { what, id: shown(id), why });
    }

    fn leave_fields(&mut self, id: &str, names: &[String]) {
        if !names.is_empty() {
            self.leave("fields", id, format!("not known here: `{}`", names.join("`, `")));
        }
    }

    async fn programs(
        &mut self,
        compile: impl Fn(&str, &str) -> Result<(Vec<WireInstruction>, String), String>,
        step: &mut impl FnMut(),
    ) -> Result<(), Error> {
        let mut rows = self.from.ask(Ask::Programs).await?;
        while let Some(found) = rows.next().await? {
            if read::is_ours(&found) {
                self.ours += 1;
                continue;
            }
            match Program::read(&found) {
                Ok(program) if self.programs.contains_key(&program.id) => {
                    self.leave("program", &found.id, duplicate(&program.id))
                }
                Ok(program) => self.program(program, &compile).await?,
                Err(why) => self.leave("program", &found.id, why),
            }
            step();
        }
        Ok(())
    }

    async fn program(
        &mut self,
        program: Program,
        compile: impl Fn(&str, &str) -> Result<(Vec<WireInstruction>, String), String>,
    ) -> Result<(), Error> {
        let Program { id, name, description, source, bytecode, compiler, compiled, created, modified, tags, unknown } =
            program;
        self.leave_fields(&id, &unknown);
        let verified = bytecode.and_then(|wire| match vm::Program::decode(&wire) {
            Ok(decoded) => Ok(Arc::new(Original { wire, decoded })),
            Err(wrong) => Err(wrong.to_string()),
        });
        let anew = if source.trim().is_empty() { Err("it has no source".to_owned()) } else { compile(&name, &source) };
        let kept = verified.as_ref().ok().map(|original| original.wire.clone());
        let (bytecode, compiler, kept) = match (anew, kept) {
            (Ok((bytecode, by)), Some(kept)) if bytecode != kept => {
                (bytecode, by, Some(Kept { bytecode: kept, compiler, compiled }))
            }
            (Ok((bytecode, by)), _) => (bytecode, by, None),
            (Err(why), Some(kept)) => {
                self.leave("compilation", &id, format!("the bytecode that it came with is run: {why}"));
                (kept, compiler, None)
            }
            (Err(why), None) => {
                let bytecode = verified.as_ref().err().map_or("", String::as_str);
                self.leave(
                    "compilation",
                    &id,
                    format!("nothing starts it until another source is loaded: {why}; and {bytecode}"),
                );
                (Vec::new(), compiler, None)
            }
        };
        let command = CarryProgram { id, name, source, bytecode, compiler, created, modified, kept, description, tags };
        let starts = !command.bytecode.is_empty();
        match self.engine.carry_once(&command).await {
            Ok(loaded) => {
                let taken = Taken { name: loaded.name.clone(), bytecode: verified, starts };
                self.programs.insert(command.id.clone(), taken);
                self.carried.programs.push(CarriedProgram { id: command.id, name: loaded.name });
            }
            Err(error) => self.carried.left.push(refused("program", &shown(&command.id), error)?),
        }
        Ok(())
    }

    async fn executions(&mut self, step: &mut impl FnMut()) -> Result<(), Error> {
        let mut rows = self.from.ask(Ask::Executions).await?;
        while let Some(found) = rows.next().await? {
            let is_new = self.seen.insert(read::own_id(&found).to_owned());
            if read::is_ours(&found) {
                self.ours += 1;
                continue;
            }
            match Execution::read(&found) {
                Ok(execution) if !is_new => self.leave("execution", &found.id, duplicate(&execution.id)),
                Ok(execution) => {
                    let id = execution.id.clone();
                    let (mut unknown, cuts) = (execution.unknown.clone(), execution.cuts);
                    self.unknown.clear();
                    match self.execution(execution).await {
                        Ok(()) => {
                            unknown.extend(std::mem::take(&mut self.unknown));
                            self.leave_fields(&id, &unknown);
                            if cuts {
                                let why = format!(
                                    "objects that hold themselves, that its heap lacks, or that are too many, are `{CUT}` here"
                                );
                                self.leave("values", &id, why);
                            }
                            self.carried.executions.push(id);
                        }
                        Err(error) => self.carried.left.push(refused("execution", &shown(&id), error)?),
                    }
                }
                Err(why) => self.leave("execution", read::own_id(&found), why),
            }
            step();
        }
        Ok(())
    }

    async fn execution(&mut self, mut execution: Execution) -> Result<(), Error> {
        let Some(program) = self.programs.get(&execution.program) else {
            let message = format!("its program {} was not imported", shown(&execution.program));
            return Err(Error::new(Code::NotFound, message));
        };
        let (name, original, starts) = (program.name.clone(), program.bytecode.clone(), program.starts);
        let beside = self.output(&execution.id).await?;
        // Versions that began to keep it beside left the earlier lines where they were.
        if execution.output != beside {
            execution.output.extend(beside);
        }
        let original = original.as_ref().map(|original| &**original).map_err(String::as_str);
        let status = std::mem::replace(&mut execution.status, Status::Ready);
        match status {
            Status::Ready if !starts => Err(cannot("its program cannot be started")),
            Status::Ready => self.ready(execution, &name).await,
            Status::Running => self.standing(execution, None, &name, original).await,
            Status::Waiting { prompt, asked } => {
                let asked = |prompt| Some(CarriedQuestion { call: None, prompt, asked });
                let original = original.map_err(unrunnable)?;
                let prompt = prompt.or_else(|| original.decoded.question(execution.pc, &execution.stack));
                let prompt =
                    prompt.ok_or_else(|| cannot("it has no `ccPrompt`, and nothing else says what it asks"))?;
                self.standing(execution, asked(prompt), &name, Ok(original)).await
            }
            Status::Complete { at, result } => {
                self.ended(execution, CarriedEnd::Complete(result), at, &name, original).await
            }
            Status::Failed { at, failure } => {
                self.ended(execution, CarriedEnd::Failed(failure), at, &name, original).await
            }
        }
    }

    async fn ended(
        &mut self,
        execution: Execution,
        end: CarriedEnd,
        completed: Timestamp,
        program: &str,
        original: Result<&Original, &str>,
    ) -> Result<(), Error> {
        let Execution { id, program: program_id, pc, stack, variables, calls, output, started, metrics, .. } =
            execution;
        let variables = variables.unwrap_or_else(|why| {
            self.leave("variables", &id, why);
            Document::new()
        });
        if calls > 0 {
            self.leave("variables", &id, format!("those of {calls} functions that were being called are not kept"));
        }
        let closed = self.rows(&id, program, original.ok(), None).await?.closed;
        let metrics = counted(metrics, closed);
        let unable = original.err().map(|why| format!("its program came with bytecode that does not run here ({why})"));
        let mut command =
            CarryEnded { id, program_id, end, unable, pc, stack, variables, output, started, completed, metrics };
        if let (CarriedEnd::Failed(failure), Ok(original)) = (&command.end, original) {
            let found = failed_at(original, &command, failure);
            if let Some(found) = found {
                (command.pc, command.stack) = found;
            }
        }
        self.engine.carry_once(&command).await.map(|_| ())
    }

    /// Takes over an execution that has not begun: it is due.
    async fn ready(&mut self, execution: Execution, program: &str) -> Result<(), Error> {
        let Execution { id, program: program_id, output, started, modified, .. } = execution;
        self.rows(&id, program, None, None).await?;
        let command = CarryReady { id, program_id, output, started, last_modified: modified };
        self.engine.carry_once(&command).await.map(|_| ())
    }

    /// Takes over an execution that had not ended. Whether its machine can stand there is found out before any row is written.
    async fn standing(
        &mut self,
        execution: Execution,
        question: Option<CarriedQuestion>,
        program: &str,
        original: Result<&Original, &str>,
    ) -> Result<(), Error> {
        let original = original.map_err(unrunnable)?;
        let Execution { id, program: program_id, pc, stack, variables, calls, output, started, .. } = execution;
        if calls > 0 {
            return Err(cannot(format!(
                "it stands in {calls} functions that were called, which no bytecode here returns from"
            )));
        }
        if execution.shares || execution.cuts {
            return Err(cannot(format!("its variables share arrays and objects in a heap; {ELSEWHERE}")));
        }
        let mut standing = CarryStanding {
            id,
            program_id,
            bytecode: bytecode_hash(&original.wire)?,
            pc,
            stack,
            variables: variables.map_err(cannot)?,
            question,
            output,
            started,
            last_modified: execution.modified,
            metrics: execution.metrics,
        };
        standing.check(&original.wire).map_err(|why| cannot(format!("{why}; {ELSEWHERE}")))?;
        let open = standing.question.as_ref().map(|question| Open { pc, prompt: &question.prompt });
        let calls = self.rows(&standing.id, program, Some(original), open).await?;
        let asked = u64::from(standing.question.is_some());
        standing.metrics = counted(standing.metrics, calls.closed + asked);
        if let Some(question) = &mut standing.question {
            question.call = calls.open;
        }
        self.engine.carry_once(&standing).await.map(|_| ())
    }

    /// Takes over the calls, the log and the history of an execution.
    async fn rows(
        &mut self,
        id: &str,
        program: &str,
        original: Option<&Original>,
        open: Option<Open<'_>>,
    ) -> Result<Calls, Error> {
        let waits_at = open.as_ref().map(|open| open.pc);
        let mut calls = self.calls(id, program, open).await?;
        self.logs(id, program).await?;
        let decoded = original.map(|original| &original.decoded);
        calls.closed = self.history(id, program, decoded, waits_at, calls.closed).await?;
        Ok(calls)
    }

    fn end(self) -> Result<Carried, Error> {
        let Carried { programs, executions, left } = &self.carried;
        if !programs.is_empty() || !executions.is_empty() || !left.is_empty() {
            return Ok(self.carried);
        }
        let name = self.from.name();
        Err(if self.ours > 0 {
            let message = format!(
                "{name} is a store of runstate, no database of the older CVM; export it: runstate --store URL export FILE"
            );
            Error::new(Code::Unsupported, message)
        } else {
            Error::new(Code::NotFound, format!("{name} holds no programs and no executions of the older CVM"))
        })
    }
}

/// What can be done about an execution that cannot go on here.
const ELSEWHERE: &str = "finish it in the older CVM, or start its program again here";

fn unrunnable(why: &str) -> Error {
    cannot(format!("the bytecode that it stands in cannot be run here: {why}; {ELSEWHERE}"))
}

/// Where a machine of the program can be that failed so, and its operands. The older CVM may have counted on already, or popped operands.
fn failed_at(original: &Original, ended: &CarryEnded, failure: &ImportedFailure) -> Option<(u32, Vec<Json>)> {
    let is_named = |pc: u32| {
        let instruction = original.decoded.instruction(pc);
        ["op", "arg"].iter().all(|part| instruction.get(part) == failure.instruction.get(part))
    };
    let before = ended.pc.checked_sub(1).filter(|before| is_named(*before) && !is_named(ended.pc));
    let pc = before.unwrap_or(ended.pc);
    let enough = original.decoded.depth(pc)?;
    let stacks = [&ended.stack, &failure.stack];
    stacks.into_iter().find(|stack| stack.len() >= enough).map(|stack| (pc, stack.clone()))
}

/// Why a second document of one id is left out.
fn duplicate(id: &str) -> String {
    format!("its id {} is that of another one", shown(id))
}

fn cannot(why: impl Into<String>) -> Error {
    Error::new(Code::Unsupported, why)
}

/// The counters, with as many calls as there are rows at least.
fn counted(metrics: Metrics, calls: u64) -> Metrics {
    Metrics { cc_calls_count: metrics.cc_calls_count.max(calls), ..metrics }
}

/// An id as it may be told: those that are none may be of any length.
fn shown(id: &str) -> String {
    match id.char_indices().nth(crate::limits::ID_BYTES) {
        Some((end, _)) => format!("{}…", &id[..end]),
        None => id.to_owned(),
    }
}
