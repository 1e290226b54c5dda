//! A directory of the older CVM, in the layout of any of its versions:
//!
//! | file | what |
//! |---|---|
//! | `programs/{id}.json` | a program |
//! | `executions/{id}.json` | an execution; early versions kept its output in it |
//! | `outputs/{id}.output` | its output, line by line |
//! | `history/{id}/{timestamp}-{step}.json` | an entry of its history |
//! | `metadata.json` | the id of the execution that was chosen last: not imported |
//!
//! Each file that is not imported is reported.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::io;
use crate::code::Code;
use crate::decision::Command;
use crate::engine::transfer::database::{Ask, Found, OlderDatabase, RowKind, Rows};
use crate::engine::{Engine, Error};
use crate::id::{CommandId, hex, sha256};
use crate::marker::BoxFuture;
use crate::value::canonical;

/// Ends the names of files of JSON.
const JSON: &str = ".json";

/// Ends the names of files of output.
const OUTPUT: &str = ".output";

/// Most bytes of one output file that are read.
const OUTPUT_BYTES: usize = 64 * 1024 * 1024;

/// A directory of the older CVM. Its files are read one by one, when they are asked for.
#[derive(Clone, Debug)]
pub struct Older {
    root: PathBuf,
    name: String,
    /// The files that are not part of its data.
    unknown: Vec<Left>,
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

/// Something that could not be taken over, or not as it was, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// What it is: `program`, `compilation`, `execution`, `fields`, `call`, `history`, `file` and the like.
    pub what: &'static str,
    /// Its id or name.
    pub id: String,
    /// Why.
    pub why: String,
}

impl Older {
    /// Whether `root` looks like such a directory.
    pub fn is(root: &Path) -> bool {
        // A tree of ours that lost its manifest has folders that the older CVM never had.
        let ours =
            ["runstate.json", "heap_pages", "ledger", "program_versions"].iter().any(|own| root.join(own).exists());
        root.join("programs").is_dir() && root.join("executions").is_dir() && !ours
    }

    /// The directory `root`. Its folders are listed now, so that one that cannot be read is an error before anything is written.
    pub fn open(root: &Path) -> Result<Self, Error> {
        Ok(Self { root: root.to_owned(), name: root.display().to_string(), unknown: unknown_files(root)? })
    }

    /// The documents in a folder by the names of their files.
    fn documents(&self, folder: &str) -> Result<Files, Error> {
        let folder = self.root.join(folder);
        let names: Vec<String> = names(&folder)?.into_iter().filter(|name| name.ends_with(JSON)).collect();
        Ok(Files { folder, names: names.into_iter() })
    }

    /// The entries of an execution's history in the order of time and step, as their files are named.
    fn history(&self, execution: &str) -> Result<Files, Error> {
        let Some(folder) = component(execution) else { return Ok(Files::default()) };
        let mut files = self.documents(&format!("history/{folder}"))?;
        let mut names: Vec<String> = files.names.collect();
        names.sort_by_cached_key(|name| place(name));
        files.names = names.into_iter();
        Ok(files)
    }

    /// The executions that have rows of a kind.
    fn owners(&self, kind: RowKind) -> Result<Vec<Found>, Error> {
        let folder = self.root.join(kind.collection());
        let mut owners = Vec::new();
        for name in names(&folder)? {
            if kind == RowKind::History && folder.join(&name).is_dir() {
                let count = self.history(&name)?.names.len();
                owners.push(Found { id: name, document: Ok(json!(count)) });
            } else if let (RowKind::Output, Some(id)) = (kind, name.strip_suffix(OUTPUT)) {
                owners.push(Found { id: id.to_owned(), document: Err("it was not read".to_owned()) });
            }
        }
        Ok(owners)
    }

    /// The output of an execution. An id that would leave the folder has none.
    fn output(&self, execution: &str) -> Result<Vec<Found>, Error> {
        let name = format!("{execution}{OUTPUT}");
        let path = self.root.join(RowKind::Output.collection()).join(&name);
        if component(&name).is_none() || path.symlink_metadata().is_err() {
            return Ok(Vec::new());
        }
        let document = skip_unreadable(&path, super::read_file(&path, OUTPUT_BYTES))?.map(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            // One line is empty text; no line is no text.
            let lines: Vec<&str> = match text.strip_suffix('\n').unwrap_or(&text) {
                "" if text.is_empty() => Vec::new(),
                text => text.split('\n').collect(),
            };
            json!({ "lines": lines })
        });
        Ok(vec![Found { id: execution.to_owned(), document }])
    }
}

impl OlderDatabase for Older {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Box<dyn Rows + 'a>, Error>> {
        Box::pin(async move {
            Ok(match ask {
                Ask::Programs => Box::new(self.documents("programs")?) as Box<dyn Rows>,
                Ask::Executions => Box::new(self.documents("executions")?),
                Ask::Rows(RowKind::Output, execution) => Box::new(Listed(self.output(execution)?.into_iter())),
                Ask::Rows(RowKind::History, execution) => Box::new(self.history(execution)?),
                Ask::Owners(kind) => Box::new(Listed(self.owners(kind)?.into_iter())),
                Ask::Rows(RowKind::Calls | RowKind::Logs, _) => Box::new(Files::default()),
            })
        })
    }

    fn total(&self) -> Option<u64> {
        // A folder that cannot be listed leaves the progress without a total. Its error is returned when its rows are read.
        let count = |folder| self.documents(folder).map(|files| files.names.len() as u64).ok();
        Some(count("programs")? + count("executions")?)
    }

    fn unknown_files(&self) -> Vec<Left> {
        self.unknown.clone()
    }
}

/// Files of JSON in a folder.
#[derive(Default)]
struct Files {
    folder: PathBuf,
    names: std::vec::IntoIter<String>,
}

impl Rows for Files {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Found>, Error>> {
        let next = self.names.next().map(|name| {
            let path = self.folder.join(&name);
            let document = skip_unreadable(&path, super::read_json(&path))?;
            Ok(Found { id: name.strip_suffix(JSON).unwrap_or(&name).to_owned(), document })
        });
        Box::pin(async move { next.transpose() })
    }
}

/// Documents that were made at once.
struct Listed(std::vec::IntoIter<Found>);

impl Rows for Listed {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Found>, Error>> {
        let next = self.0.next();
        Box::pin(async move { Ok(next) })
    }
}

impl Engine {
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

/// A name that stays in its folder.
fn component(name: &str) -> Option<&str> {
    Path::new(name).file_name().filter(|own| *own == name).map(|_| name)
}

/// The time and the step by which the file of an entry is named: `{timestamp}-{step}.json`, the step -1 of an answer included.
fn place(name: &str) -> (String, i64, String) {
    let stem = name.strip_suffix(JSON).unwrap_or(name);
    let (time, step) = stem.rsplit_once('-').unwrap_or((stem, ""));
    let step = step.parse().unwrap_or(0);
    match time.strip_suffix('-') {
        // Of one moment, an answer comes after what asked for it.
        Some(time) => (time.to_owned(), i64::MAX, name.to_owned()),
        None => (time.to_owned(), step, name.to_owned()),
    }
}

/// What was read of a file, or why it is left out: it is damaged, not a file, a link that leads nowhere, or gone by now.
fn skip_unreadable<T>(path: &Path, read: Result<T, Error>) -> Result<Result<T, String>, Error> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(error) if error.code == Code::Corrupt || !path.exists() => Ok(Err(error.message)),
        Err(error) => Err(error),
    }
}

/// Files below `root` that are not imported, whatever is in them.
fn unknown_files(root: &Path) -> Result<Vec<Left>, Error> {
    let [outputs, history] = [RowKind::Output, RowKind::History].map(RowKind::collection);
    let mut left = Vec::new();
    let mut add = |folder: &Path, is_known: &dyn Fn(&str) -> bool| -> Result<(), Error> {
        for name in names(folder)?.into_iter().filter(|name| !is_known(name)) {
            let why = match name.as_str() {
                "metadata.json" => "nothing here needs the id of the execution that was chosen last",
                _ => "it is not part of the older CVM's data",
            };
            left.push(Left { what: "file", id: folder.join(name).display().to_string(), why: why.to_owned() });
        }
        Ok(())
    };
    let is_json = |name: &str| name.ends_with(JSON);
    add(root, &|name| ["programs", "executions", outputs, history].contains(&name))?;
    add(&root.join("programs"), &is_json)?;
    add(&root.join("executions"), &is_json)?;
    add(&root.join(outputs), &|name| name.ends_with(OUTPUT))?;
    let history = root.join(history);
    add(&history, &|name| history.join(name).is_dir())?;
    for execution in names(&history)?.iter().map(|name| history.join(name)).filter(|path| path.is_dir()) {
        add(&execution, &is_json)?;
    }
    Ok(left)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_read_in_the_order_of_time_and_step() {
        let mut names = [
            "2024-01-20T10:00:01.000Z-10.json",
            "2024-01-20T10:00:01.000Z--1.json",
            "2024-01-20T10:00:01.000Z-9.json",
            "2024-01-20T10:00:00.000Z-11.json",
        ];
        names.sort_by_cached_key(|name| place(name));
        assert_eq!(
            names,
            [
                "2024-01-20T10:00:00.000Z-11.json",
                "2024-01-20T10:00:01.000Z-9.json",
                "2024-01-20T10:00:01.000Z-10.json",
                "2024-01-20T10:00:01.000Z--1.json",
            ]
        );
    }
}
