//! A directory of the older CVM: `programs/{id}.json`, `executions/{id}.json`, `outputs/{id}.output`, `metadata.json`.
//!
//! Programs are compiled anew, since the older bytecode is another one. Executions that had ended come with their output and result.
//! Those that had not are told, each by its name: they stand in the middle of bytecode that nothing here runs.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{damaged, io};
use crate::code::Code;
use crate::decision::Command;
use crate::domain::cvm::{CarriedEnd, CarryEnded, CarryProgram};
use crate::engine::transfer::{Phase, Progress};
use crate::engine::{Engine, Error};
use crate::id::{CommandId, hex, sha256};
use crate::time::Timestamp;
use crate::value::{self, Json, canonical};
use crate::vm::WireInstruction;

/// Most bytes of one output file that are read.
const OUTPUT_BYTES: usize = 64 * 1024 * 1024;

/// What a directory of the older CVM holds.
#[derive(Clone, Debug, Default)]
pub struct Older {
    programs: Vec<OlderProgram>,
    executions: Vec<(OlderExecution, Vec<String>)>,
    left: Vec<Left>,
}

/// What came of taking over a directory of the older CVM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// Programs that are here now.
    pub programs: Vec<CarriedProgram>,
    /// Executions that had ended and are here now.
    pub executions: Vec<String>,
    /// What could not be taken over.
    pub left: Vec<Left>,
}

/// A program that was taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CarriedProgram {
    /// Its id.
    pub id: String,
    /// Its name here.
    pub name: String,
}

/// Something that could not be taken over, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// `program`, `execution`, or a file.
    pub what: &'static str,
    /// Its id or name.
    pub id: String,
    /// Why.
    pub why: String,
}

/// Only what is used of it.
#[derive(Clone, Debug, Deserialize)]
struct OlderProgram {
    id: String,
    #[serde(default)]
    name: String,
    source: String,
    created: String,
    #[serde(default)]
    updated: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OlderExecution {
    id: String,
    program_id: String,
    state: String,
    created: String,
    #[serde(default)]
    updated: Option<String>,
    #[serde(default)]
    error: Option<Json>,
    #[serde(default)]
    cc_prompt: Option<String>,
    #[serde(default)]
    return_value: Json,
}

impl Older {
    /// Whether `root` looks like such a directory.
    pub fn is(root: &Path) -> bool {
        // A tree of ours that lost its manifest has folders that the older CVM never had.
        let ours =
            ["runstate.json", "heap_pages", "ledger", "program_versions"].iter().any(|own| root.join(own).exists());
        root.join("programs").is_dir() && root.join("executions").is_dir() && !ours
    }

    /// Reads it. A file that cannot be understood is told as left; one that cannot be read is an error.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let mut older = Self::default();
        older.programs = older.entities(&root.join("programs"))?;
        let executions: Vec<OlderExecution> = older.entities(&root.join("executions"))?;
        for execution in executions {
            let output = output(&root.join("outputs"), &execution.id)?;
            older.executions.push((execution, output));
        }
        older.strangers(root)?;
        Ok(older)
    }

    fn entities<T: for<'de> Deserialize<'de>>(&mut self, folder: &Path) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        for name in names(folder)? {
            let path = folder.join(&name);
            if !name.ends_with(".json") {
                self.leave("file", &path.display().to_string(), "it is no file of the older CVM");
                continue;
            }
            let shown = path.display().to_string();
            match super::read_json(&path).map(|json| value::read(&json)) {
                Ok(Ok(entity)) => found.push(entity),
                Ok(Err(why)) => self.leave("file", &shown, &why.to_string()),
                Err(error) if error.code == Code::Corrupt => {
                    let why = error.message.strip_prefix(&format!("{shown}: ")).unwrap_or(&error.message).to_owned();
                    self.leave("file", &shown, &why);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// What stands beside, and outputs of executions that are not there.
    fn strangers(&mut self, root: &Path) -> Result<(), Error> {
        for name in names(root)? {
            if !matches!(name.as_str(), "programs" | "executions" | "outputs" | "metadata.json") {
                self.leave("file", &root.join(name).display().to_string(), "it is no part of the older CVM's data");
            }
        }
        for name in names(&root.join("outputs"))? {
            let owned =
                self.executions.iter().any(|(execution, _)| name.strip_suffix(".output") == Some(&execution.id));
            if !owned {
                self.leave(
                    "file",
                    &root.join("outputs").join(name).display().to_string(),
                    "it is the output of nothing here",
                );
            }
        }
        Ok(())
    }

    fn leave(&mut self, what: &'static str, id: &str, why: &str) {
        self.left.push(Left { what, id: id.to_owned(), why: why.to_owned() });
    }
}

impl Engine {
    /// Takes over what is in a directory of the older CVM; `compile` makes bytecode of a source, or says why it cannot.
    ///
    /// Repeated, it does nothing again. What cannot be taken over is told in [`Carried::left`].
    pub async fn carry(
        &self,
        older: &Older,
        compile: impl Fn(&str, &str) -> Result<(Vec<WireInstruction>, String), String>,
        mut progress: impl FnMut(Progress),
    ) -> Result<Carried, Error> {
        let mut carried = Carried { left: older.left.clone(), ..Carried::default() };
        let of = Some((older.programs.len() + older.executions.len()) as u64);
        let mut done = 0;
        let mut step = || {
            done += 1;
            progress(Progress { phase: Phase::Write, done, of });
        };
        for program in &older.programs {
            match self.carry_program(program, &compile).await {
                Ok(name) => carried.programs.push(CarriedProgram { id: program.id.clone(), name }),
                Err(error) => carried.left.push(refused("program", &program.id, error)?),
            }
            step();
        }
        for (execution, output) in &older.executions {
            match self.carry_execution(execution, output).await {
                Ok(()) => carried.executions.push(execution.id.clone()),
                Err(error) => carried.left.push(refused("execution", &execution.id, error)?),
            }
            step();
        }
        Ok(carried)
    }

    async fn carry_program(
        &self,
        program: &OlderProgram,
        compile: impl Fn(&str, &str) -> Result<(Vec<WireInstruction>, String), String>,
    ) -> Result<String, Error> {
        let name = if program.name.is_empty() { &program.id } else { &program.name };
        let (bytecode, compiler) = compile(name, &program.source).map_err(|why| Error::new(Code::CompileError, why))?;
        let created = instant(&program.created)?;
        let command = CarryProgram {
            id: program.id.clone(),
            name: name.clone(),
            source: program.source.clone(),
            bytecode,
            compiler,
            created,
            modified: program.updated.as_deref().map_or(Ok(created), instant)?,
            kept: None,
            description: None,
            tags: Vec::new(),
        };
        Ok(self.carry_once(&command).await?.name)
    }

    async fn carry_execution(&self, execution: &OlderExecution, output: &[String]) -> Result<(), Error> {
        let failure = || match &execution.error {
            Some(Json::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => "the older CVM does not say why".to_owned(),
        };
        let end = match execution.state.as_str() {
            "COMPLETED" => CarriedEnd::Complete(execution.return_value.clone()),
            "ERROR" => CarriedEnd::Failed(failure()),
            other => {
                let waits =
                    execution.cc_prompt.as_ref().map(|prompt| format!(" (it asks: {prompt})")).unwrap_or_default();
                let message = format!(
                    "it is {other}{waits}, in the middle of the older CVM's bytecode; finish it there, or start its program anew here"
                );
                return Err(Error::new(Code::Unsupported, message));
            }
        };
        let started = instant(&execution.created)?;
        let command = CarryEnded {
            id: execution.id.clone(),
            program_id: execution.program_id.clone(),
            end,
            output: output.to_vec(),
            started,
            completed: execution.updated.as_deref().map_or(Ok(started), instant)?,
            metrics: None,
            place: None,
        };
        self.carry_once(&command).await.map(|_| ())
    }

    /// Executes under an id that follows from what is taken over, so that a repeat is answered from the first time.
    pub(in crate::engine::transfer) async fn carry_once<C: Command>(&self, command: &C) -> Result<C::Output, Error> {
        let value = serde_json::to_value(command).map_err(|e| Error::internal(e.to_string()))?;
        let digest = hex(&sha256(&[C::NAME.as_bytes(), canonical(&value).as_bytes()])[..16]);
        Ok(self.execute_as(command, &CommandId::new(&format!("carry-{digest}"))?).await?.output)
    }
}

/// What is left because of `error`; an error of the store ends it all.
pub(in crate::engine::transfer) fn refused(what: &'static str, id: &str, error: Error) -> Result<Left, Error> {
    let ours = matches!(
        error.code,
        Code::CompileError
            | Code::Unsupported
            | Code::Invalid
            | Code::InvalidBytecode
            | Code::AlreadyExists
            | Code::NotFound
            | Code::TooLarge
            | Code::CommandIdReused
    );
    if ours { Ok(Left { what, id: id.to_owned(), why: error.message }) } else { Err(error) }
}

fn instant(text: &str) -> Result<Timestamp, Error> {
    Timestamp::from_rfc3339(text).ok_or_else(|| Error::new(Code::Invalid, format!("`{text}` is no time")))
}

/// The lines of an execution's output. A name that would leave the folder has none.
fn output(folder: &Path, id: &str) -> Result<Vec<String>, Error> {
    let name = format!("{id}.output");
    if Path::new(&name).file_name().is_none_or(|own| own != name.as_str()) {
        return Ok(Vec::new());
    }
    let path = folder.join(name);
    let mut bytes = Vec::new();
    match File::open(&path).and_then(|file| file.take(OUTPUT_BYTES as u64 + 1).read_to_end(&mut bytes)) {
        Ok(_) if bytes.len() > OUTPUT_BYTES => Err(damaged(&path, "it is larger than 64 MiB")),
        Ok(_) => {
            let text = String::from_utf8_lossy(&bytes);
            let text = text.strip_suffix('\n').unwrap_or(&text);
            Ok(if text.is_empty() && bytes.is_empty() {
                Vec::new()
            } else {
                text.split('\n').map(str::to_owned).collect()
            })
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(io(&path, "read", &e)),
    }
}

/// What stands in a folder, in order; nothing where it is not there.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io(folder, "read", &e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|e| io(folder, "read", &e))?.file_name().to_string_lossy().into_owned();
        if !super::LITTER.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
