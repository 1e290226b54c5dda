//! An export as a folder of readable files, one per document, in the layout of the older file storage:
//!
//! ```text
//! programs/{id}.json   executions/{id}.json   history/{executionId}/{milliseconds}-{step}.json
//! program_versions/    heap_pages/{executionId}/    outputs/{executionId}/    execution_logs/{executionId}/    ledger/
//! runstate-export.json
//! ```

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::file_names::hashed_file_name;
use super::staged_export::{StagedExport, sync_folder};
use super::{LITTER, damaged, document_file, io, read_json};
use crate::engine::Error;
use crate::engine::transfer::lines::LINE_BYTES;
use crate::engine::transfer::{
    ExportHeader, ExportRecord, ExportSink, ExportSummary, ImportSource, SourceItem, record,
};
use crate::error_code::ErrorCode;
use crate::schema::Catalog;
use crate::value::{self, Json};

/// The file that describes a folder and its contents.
pub const MANIFEST: &str = "runstate-export.json";

/// Writes an export as a folder.
pub struct TreeWriter {
    root: PathBuf,
    header: Option<ExportHeader>,
}

impl TreeWriter {
    /// Writes the staged folder; [`StagedExport::publish`] gives it its name.
    pub fn new(staged: &StagedExport) -> Self {
        Self { root: staged.path().to_owned(), header: None }
    }

    fn write(&self, folder: &Path, name: &str, value: &Json) -> Result<(), Error> {
        let path = folder.join(format!("{name}.json"));
        let mut text = format!("{value:#}\n");
        if text.len() > LINE_BYTES {
            // Nested so deeply that most of it is white space.
            text = format!("{value}\n");
        }
        let written = File::options().write(true).create_new(true).open(&path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|e| match e.kind() {
            ErrorKind::AlreadyExists => Error::new(ErrorCode::AlreadyExists, format!("{} exists", path.display())),
            _ => io(&path, "written", &e),
        })
    }

    fn sync(&self) -> std::io::Result<()> {
        for folder in fs::read_dir(&self.root)? {
            let folder = folder?;
            if folder.file_type()?.is_dir() {
                for inner in fs::read_dir(folder.path())? {
                    let inner = inner?;
                    if inner.file_type()?.is_dir() {
                        sync_folder(&inner.path());
                    }
                }
                sync_folder(&folder.path());
            }
        }
        sync_folder(&self.root);
        Ok(())
    }
}

impl ExportSink for TreeWriter {
    fn begin(&mut self, header: &ExportHeader) -> Result<(), Error> {
        if self.header.is_some() {
            fs::remove_dir_all(&self.root).map_err(|e| io(&self.root, "written", &e))?;
        }
        fs::create_dir(&self.root).map_err(|e| io(&self.root, "written", &e))?;
        self.header = Some(header.clone());
        Ok(())
    }

    fn put(&mut self, record: &ExportRecord, _: &str) -> Result<(), Error> {
        let (folder, name) = document_file::file_location(record);
        let folder = self.root.join(folder);
        fs::create_dir_all(&folder).map_err(|e| io(&folder, "written", &e))?;
        let file = document_file::render(record);
        match self.write(&folder, &name, &file) {
            Err(error) if error.code == ErrorCode::AlreadyExists => {
                self.write(&folder, &hashed_file_name(&record.id), &file)
            }
            written => written,
        }
    }

    fn end(&mut self, summary: &ExportSummary) -> Result<(), Error> {
        let manifest = json!({"header": self.header, "end": summary});
        let name = MANIFEST.trim_end_matches(".json");
        self.write(&self.root, name, &manifest)?;
        self.sync().map_err(|e| io(&self.root, "written", &e))
    }
}

/// Reads an export in the form of a folder.
pub struct TreeReader {
    name: String,
    catalog: Catalog,
    header: ExportHeader,
    end: ExportSummary,
    /// Collection, id and file, in the order of exports.
    entries: Vec<(usize, Arc<str>, PathBuf)>,
    next: usize,
}

impl TreeReader {
    /// Reads the manifest, and finds all files below `root`.
    pub fn open(root: &Path, catalog: Catalog) -> Result<Self, Error> {
        let manifest = read_json(&root.join(MANIFEST))?;
        let name = root.display().to_string();
        let header = ExportHeader::read(manifest.get("header").unwrap_or(&Json::Null), &name)?;
        header.check_supported(&catalog, &name)?;
        let end = manifest.get("end").and_then(|end| value::from_value::<ExportSummary>(end).ok());
        let end = end.ok_or_else(|| damaged(&root.join(MANIFEST), "it has no summary of the export"))?;
        let mut reader = Self { name, catalog, header, end, entries: Vec::new(), next: 0 };
        let order = record::collections(&reader.catalog);
        for path in list_files(root)? {
            let record = reader.read(&path)?;
            let collection = order.iter().position(|c| c.name == record.collection.name).unwrap_or(order.len());
            reader.entries.push((collection, record.id, path));
        }
        reader.entries.sort();
        Ok(reader)
    }

    fn read(&self, path: &Path) -> Result<ExportRecord, Error> {
        document_file::read(&self.catalog, &read_json(path)?).map_err(|why| damaged(path, &why))
    }
}

impl ImportSource for TreeReader {
    fn name(&self) -> &str {
        &self.name
    }

    fn rewind(&mut self) -> Result<ExportHeader, Error> {
        self.next = 0;
        Ok(self.header.clone())
    }

    fn seek(&mut self, collection: &'static str) -> Result<bool, Error> {
        let order = record::collections(&self.catalog);
        let wanted = order.iter().position(|c| c.name == collection).unwrap_or(order.len());
        self.next = self.entries.partition_point(|(at, ..)| *at < wanted);
        Ok(self.entries.get(self.next).is_some_and(|(at, ..)| *at == wanted))
    }

    fn next(&mut self) -> Result<SourceItem, Error> {
        let Some((_, id, path)) = self.entries.get(self.next) else { return Ok(SourceItem::End(self.end.clone())) };
        let record = self.read(path)?;
        if record.id != *id {
            return Err(damaged(path, "it was changed while it was read"));
        }
        self.next += 1;
        Ok(SourceItem::Record(record))
    }
}

/// All files of the export below `root`. Any other file is an error, because it may be one that was meant to be imported.
fn list_files(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |e: std::io::Error| io(&folder, "read", &e);
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let (path, name, kind) = (entry.path(), entry.file_name(), entry.file_type().map_err(unreadable)?);
            let manifest = folder == root && name == MANIFEST;
            if manifest || LITTER.iter().any(|litter| name == *litter) {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "json") {
                found.push(path);
            } else {
                return Err(damaged(&path, "it is not part of the export. Move it to another folder"));
            }
        }
    }
    Ok(found)
}
