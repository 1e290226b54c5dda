//! A directory of the older CVM, in the layout of any of its versions:
//!
//! | file | content |
//! |---|---|
//! | `programs/{id}.json` | a program |
//! | `executions/{id}.json` | an execution; early versions kept its output in it |
//! | `outputs/{id}.output` | its output, line by line |
//! | `history/{id}/{timestamp}-{step}.json` | an entry of its history |
//! | `metadata.json` | the id of the execution that was selected last: not imported |
//!
//! Each file that is not imported is reported.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use runstate_core::error_code::ErrorCode;
use runstate_core::marker::BoxFuture;
use runstate_engine::Error;
use runstate_transfer::disk::{self, io};
use serde_json::json;

use super::{LegacyDatabase, LegacyDocument, LegacyQuery, LegacyRowKind, LegacyRows, SkippedItem};

const JSON: &str = ".json";

const OUTPUT: &str = ".output";

/// Maximum number of bytes that are read of one output file.
const OUTPUT_BYTES: usize = 64 * 1024 * 1024;

/// A directory of the older CVM. Each file is read when it is needed.
#[derive(Clone, Debug)]
pub struct LegacyDirectory {
    root: PathBuf,
    name: String,
    /// Files that are not part of its data.
    unknown: Vec<SkippedItem>,
}

impl LegacyDirectory {
    /// Whether `root` looks like a directory of the older CVM.
    pub fn detect(root: &Path) -> bool {
        // An exported folder that lost its manifest has folders that the older CVM never had.
        let is_runstate =
            ["runstate.json", "heap_pages", "ledger", "program_versions"].iter().any(|name| root.join(name).exists());
        root.join("programs").is_dir() && root.join("executions").is_dir() && !is_runstate
    }

    /// Opens the directory `root`. Its folders are listed now, so that one that cannot be read is an error before
    /// anything is written.
    pub fn open(root: &Path) -> Result<Self, Error> {
        Ok(Self { root: root.to_owned(), name: root.display().to_string(), unknown: unknown_files(root)? })
    }

    fn json_files(&self, folder: &str) -> Result<Vec<String>, Error> {
        Ok(list_names(&self.root.join(folder))?.into_iter().filter(|name| name.ends_with(JSON)).collect())
    }

    /// The documents in these files of a folder. Their ids are the names of the files.
    fn read_files(&self, folder: &str, names: Vec<String>) -> Box<dyn LegacyRows> {
        let folder = self.root.join(folder);
        Box::new(names.into_iter().map(move |name| {
            let path = folder.join(&name);
            let document = skip_unreadable(&path, disk::read_json(&path))?;
            Ok(LegacyDocument { id: name.strip_suffix(JSON).unwrap_or(&name).to_owned(), document })
        }))
    }

    /// The entries of an execution's history, ordered by the time and the step in their file names.
    fn history(&self, execution: &str) -> Result<Box<dyn LegacyRows>, Error> {
        let Some(folder) = file_component(execution) else { return Ok(read_prepared(Vec::new())) };
        let folder = format!("{}/{folder}", LegacyRowKind::History.collection());
        let mut names = self.json_files(&folder)?;
        names.sort_by_cached_key(|name| history_order(name));
        Ok(self.read_files(&folder, names))
    }

    /// The executions that have rows of this kind.
    fn owners(&self, kind: LegacyRowKind) -> Result<Vec<LegacyDocument>, Error> {
        let folder = kind.collection();
        let mut owners = Vec::new();
        for name in list_names(&self.root.join(folder))? {
            if kind == LegacyRowKind::History && self.root.join(folder).join(&name).is_dir() {
                let count = self.json_files(&format!("{folder}/{name}"))?.len();
                owners.push(LegacyDocument { id: name, document: Ok(json!(count)) });
            } else if let (LegacyRowKind::Output, Some(id)) = (kind, name.strip_suffix(OUTPUT)) {
                let document = Err("the number of its lines is unknown".to_owned());
                owners.push(LegacyDocument { id: id.to_owned(), document });
            }
        }
        Ok(owners)
    }

    /// The output of an execution. An id that would leave the folder has none.
    fn output(&self, execution: &str) -> Result<Vec<LegacyDocument>, Error> {
        let name = format!("{execution}{OUTPUT}");
        let path = self.root.join(LegacyRowKind::Output.collection()).join(&name);
        if file_component(&name).is_none() || path.symlink_metadata().is_err() {
            return Ok(Vec::new());
        }
        let document = skip_unreadable(&path, disk::read_file(&path, OUTPUT_BYTES))?.map(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            // A file with only a line end has one empty line; an empty file has none.
            let lines: Vec<&str> = match text.strip_suffix('\n').unwrap_or(&text) {
                "" if text.is_empty() => Vec::new(),
                text => text.split('\n').collect(),
            };
            json!({ "lines": lines })
        });
        Ok(vec![LegacyDocument { id: execution.to_owned(), document }])
    }
}

impl LegacyDatabase for LegacyDirectory {
    fn name(&self) -> &str {
        &self.name
    }

    fn query<'a>(&'a self, query: LegacyQuery<'a>) -> BoxFuture<'a, Result<Box<dyn LegacyRows + 'a>, Error>> {
        let found = match query {
            LegacyQuery::Programs => self.json_files("programs").map(|names| self.read_files("programs", names)),
            LegacyQuery::Executions => self.json_files("executions").map(|names| self.read_files("executions", names)),
            LegacyQuery::Rows(LegacyRowKind::Output, execution) => self.output(execution).map(read_prepared),
            LegacyQuery::Rows(LegacyRowKind::History, execution) => self.history(execution),
            LegacyQuery::Owners(kind) => self.owners(kind).map(read_prepared),
            LegacyQuery::Rows(LegacyRowKind::Calls | LegacyRowKind::Logs, _) => Ok(read_prepared(Vec::new())),
        };
        Box::pin(async move { found })
    }

    fn total(&self) -> Option<u64> {
        // A folder that cannot be listed leaves the progress without a total. Its error is returned when its rows are
        // read.
        let count = |folder| self.json_files(folder).map(|names| names.len() as u64).ok();
        Some(count("programs")? + count("executions")?)
    }

    fn unknown_files(&self) -> Vec<SkippedItem> {
        self.unknown.clone()
    }
}

/// Documents that are in memory already.
fn read_prepared(documents: Vec<LegacyDocument>) -> Box<dyn LegacyRows> {
    Box::new(documents.into_iter().map(Ok))
}

/// The name, if it stays in its folder.
fn file_component(name: &str) -> Option<&str> {
    Path::new(name).file_name().filter(|component| *component == name).map(|_| name)
}

/// The order of entries by the time and the step in their file names: `{timestamp}-{step}.json`, including the step -1
/// of an answer.
fn history_order(name: &str) -> (String, i64, String) {
    let stem = name.strip_suffix(JSON).unwrap_or(name);
    let (time, step) = stem.rsplit_once('-').unwrap_or((stem, ""));
    let step = step.parse().unwrap_or(0);
    match time.strip_suffix('-') {
        // At the same time, an answer comes after the call.
        Some(time) => (time.to_owned(), i64::MAX, name.to_owned()),
        None => (time.to_owned(), step, name.to_owned()),
    }
}

/// The contents of a file, or the reason why it is skipped: it is damaged, not a file, a link without a target, or
/// deleted meanwhile.
fn skip_unreadable<T>(path: &Path, read: Result<T, Error>) -> Result<Result<T, String>, Error> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(error) if error.code == ErrorCode::CORRUPT || !path.exists() => Ok(Err(error.message)),
        Err(error) => Err(error),
    }
}

/// Files below `root` that are not imported, whatever they contain.
fn unknown_files(root: &Path) -> Result<Vec<SkippedItem>, Error> {
    let [outputs, history] = [LegacyRowKind::Output, LegacyRowKind::History].map(LegacyRowKind::collection);
    let mut skipped = Vec::new();
    let mut add = |folder: &Path, is_known: &dyn Fn(&str) -> bool| -> Result<(), Error> {
        for name in list_names(folder)?.into_iter().filter(|name| !is_known(name)) {
            let why = match name.as_str() {
                "metadata.json" => {
                    "it contains the id of the execution that was selected last, which runstate does not use"
                }
                _ => "it is not part of the older CVM's data",
            };
            skipped.push(SkippedItem {
                what: "file",
                id: folder.join(name).display().to_string(),
                why: why.to_owned(),
            });
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
    for execution in list_names(&history)?.iter().map(|name| history.join(name)).filter(|path| path.is_dir()) {
        add(&execution, &is_json)?;
    }
    Ok(skipped)
}

/// The names in a folder, in order; none if the folder does not exist.
fn list_names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io(folder, "read", &e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|e| io(folder, "read", &e))?.file_name().to_string_lossy().into_owned();
        if !disk::LITTER.contains(&name.as_str()) {
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
        names.sort_by_cached_key(|name| history_order(name));
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
