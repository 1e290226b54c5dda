//! Taking it over: programs, then each execution with its rows before it.

use std::collections::{HashMap, HashSet};

use super::read::{self, Execution, Program, Status};
use super::rows::Open;
use super::{Ask, OlderDatabase};
use crate::code::Code;
use crate::domain::cvm::{
    CarriedEnd, CarriedQuestion, CarryEnded, CarryProgram, CarryStanding, Kept, Metrics, bytecode_hash,
};
use crate::engine::transfer::disk::{Carried, CarriedProgram, Left, refused};
use crate::engine::transfer::{Phase, Progress};
use crate::engine::{Engine, Error};
use crate::vm::{self, WireInstruction};

/// What is under way.
pub(super) struct Taking<'a> {
    pub(super) engine: &'a Engine,
    pub(super) from: &'a dyn OlderDatabase,
    /// Ids of all executions that were met.
    pub(super) seen: HashSet<String>,
    programs: HashMap<String, Taken>,
    carried: Carried,
    /// Documents of this library that were met and left alone.
    ours: u64,
}

/// A program that was taken over.
struct Taken {
    name: String,
    /// The bytecode that it came with; or why nothing can go on in it.
    bytecode: Result<Vec<WireInstruction>, String>,
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
            programs: HashMap::new(),
            carried: Carried::default(),
            ours: 0,
        };
        let mut done = 0;
        let mut step = || {
            done += 1;
            progress(Progress { phase: Phase::Write, done, of: None });
        };
        taking.programs(&compile, &mut step).await?;
        taking.executions(&mut step).await?;
        taking.strays().await?;
        taking.end()
    }
}

impl Taking<'_> {
    pub(super) fn leave(&mut self, what: &'static str, id: &str, why: String) {
        self.carried.left.push(Left { what, id: shown(id), why });
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
        let Program { id, name, description, source, bytecode, compiler, compiled, created, modified, tags } = program;
        let verified = bytecode.and_then(|bytecode| match vm::Program::decode(&bytecode) {
            Ok(_) => Ok(bytecode),
            Err(wrong) => Err(wrong.to_string()),
        });
        let anew = if source.trim().is_empty() { Err("it has no source".to_owned()) } else { compile(&name, &source) };
        let kept = verified.as_ref().ok().cloned();
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
                let bytecode = verified.err().unwrap_or_default();
                self.leave("program", &id, format!("{why}; and {bytecode}"));
                return Ok(());
            }
        };
        let command = CarryProgram { id, name, source, bytecode, compiler, created, modified, kept, description, tags };
        match self.engine.carry_once(&command).await {
            Ok(loaded) => {
                let taken = Taken { name: loaded.name.clone(), bytecode: verified };
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
            self.seen.insert(found.id.clone());
            if read::is_ours(&found) {
                self.ours += 1;
                continue;
            }
            match Execution::read(&found) {
                Ok(execution) => {
                    let id = execution.id.clone();
                    match self.execution(execution).await {
                        Ok(()) => self.carried.executions.push(id),
                        Err(error) => self.carried.left.push(refused("execution", &shown(&id), error)?),
                    }
                }
                Err(why) => self.leave("execution", &found.id, why),
            }
            step();
        }
        Ok(())
    }

    async fn execution(&mut self, execution: Execution) -> Result<(), Error> {
        let Some(program) = self.programs.get(&execution.program) else {
            let message = format!("its program {} was not imported", shown(&execution.program));
            return Err(Error::new(Code::NotFound, message));
        };
        let name = program.name.clone();
        let Execution { id, status, output, started, modified, metrics, program: program_id, .. } = execution;
        let (end, completed, place) = match status {
            Status::Complete { at, result } => (CarriedEnd::Complete(result), at, None),
            Status::Failed { at, message, place } => (CarriedEnd::Failed(message), at, Some(place)),
            Status::Waiting { .. } | Status::Running => {
                let (pc, stack) = (execution.pc, execution.stack);
                let question = match status {
                    Status::Waiting { prompt, asked } => Some(CarriedQuestion { call: None, prompt, asked }),
                    _ => None,
                };
                let (bytecode, variables) = (String::new(), execution.variables.map_err(cannot)?);
                let last_modified = modified;
                return self
                    .standing(
                        CarryStanding {
                            id,
                            program_id,
                            bytecode,
                            pc,
                            stack,
                            variables,
                            question,
                            output,
                            started,
                            last_modified,
                            metrics,
                        },
                        &name,
                    )
                    .await;
            }
        };
        let calls = self.calls(&id, &name, None).await?;
        self.logs(&id, &name).await?;
        let metrics = Some(counted(metrics, calls.closed));
        let command = CarryEnded { id, program_id, end, output, started, completed, metrics, place };
        self.engine.carry_once(&command).await.map(|_| ())
    }

    /// Takes over an execution that had not ended. Whether its machine can stand there is found out before any row is written.
    async fn standing(&mut self, mut standing: CarryStanding, program: &str) -> Result<(), Error> {
        let taken = self.programs.get(&standing.program_id);
        let bytecode = taken.map_or(Err("it is not here"), |taken| taken.bytecode.as_ref().map_err(String::as_str));
        let bytecode =
            bytecode.map_err(|why| cannot(format!("the bytecode that it stands in cannot be run here: {why}")))?;
        standing.check(bytecode).map_err(cannot)?;
        standing.bytecode = bytecode_hash(bytecode)?;
        let open = standing.question.as_ref().map(|question| Open { pc: standing.pc, prompt: &question.prompt });
        let calls = self.calls(&standing.id, program, open).await?;
        self.logs(&standing.id, program).await?;
        let asked = u64::from(standing.question.is_some());
        standing.metrics = counted(standing.metrics, calls.closed + asked);
        if let Some(question) = &mut standing.question {
            question.call = calls.open;
        }
        self.engine.carry_once(&standing).await.map(|_| ())
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
