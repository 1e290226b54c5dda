//! An export as a folder of readable files, one per document. Each collection has a folder, `ledger/` has the rows of
//! the command ledger, and `runstate-export.json` describes the export. A domain may declare another layout of its
//! files ([`FileLayout`]).
//!
//! A document is a file for people: its fields, and those that the layout adds. The metadata under `runstate` is needed
//! to read it back exactly. Every id has a file name that all file systems accept, and no name leaves its folder.

use std::fs;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::id::{hex, sha256};
use runstate_core::operation::{Domain, FileLayout};
use runstate_core::schema::{Catalog, Collection};
use runstate_engine::{Error, exported_collections};
use runstate_store::COMMANDS;
use runstate_value as value;
use runstate_value::{Json, canonical_json};
use serde_json::json;

use super::{LITTER, StagedExport, damaged, io, read_json, sync_folder};
use crate::lines::LINE_BYTES;
use crate::{ExportHeader, ExportRecord, ExportSink, ExportSummary, ImportSource, SourceItem};

/// The file that describes a folder and its contents.
pub const MANIFEST: &str = "runstate-export.json";

/// Writes an export as a folder.
pub struct TreeWriter {
    root: PathBuf,
    domains: &'static [&'static Domain],
    header: Option<ExportHeader>,
}

impl TreeWriter {
    /// Writes the staged folder; [`StagedExport::publish`] gives it its name. `domains` lay out the files.
    pub fn new(staged: &StagedExport, domains: &'static [&'static Domain]) -> Self {
        Self { root: staged.path().to_owned(), domains, header: None }
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
            ErrorKind::AlreadyExists => {
                Error::new(ErrorCode::ALREADY_EXISTS, format!("{} exists already", path.display()))
            }
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
        let (folder, name) = file_location(self.domains, record);
        let folder = self.root.join(folder);
        fs::create_dir_all(&folder).map_err(|e| io(&folder, "written", &e))?;
        let file = render_document(self.domains, record);
        match self.write(&folder, &name, &file) {
            Err(error) if error.code == ErrorCode::ALREADY_EXISTS => {
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
    domains: &'static [&'static Domain],
    header: ExportHeader,
    end: ExportSummary,
    /// Collection, id and file, in the order of exports.
    entries: Vec<(usize, Arc<str>, PathBuf)>,
    next: usize,
}

impl TreeReader {
    /// Reads the manifest, and finds all files below `root`. `domains` lay out the files.
    pub fn open(root: &Path, catalog: Catalog, domains: &'static [&'static Domain]) -> Result<Self, Error> {
        let manifest = read_json(&root.join(MANIFEST))?;
        let name = root.display().to_string();
        let header = ExportHeader::read(manifest.get("header").unwrap_or(&Json::Null), &name)?;
        let catalog = header.extend_catalog(&catalog, &name)?;
        header.check_supported(&catalog, &name)?;
        let end = manifest.get("end").and_then(|end| value::from_value::<ExportSummary>(end).ok());
        let end = end.ok_or_else(|| damaged(&root.join(MANIFEST), "it has no summary of the export"))?;
        let mut reader = Self { name, catalog, domains, header, end, entries: Vec::new(), next: 0 };
        let order = exported_collections(&reader.catalog);
        for path in list_files(root)? {
            let record = reader.read(&path)?;
            let collection = order.iter().position(|c| c.name == record.collection.name).unwrap_or(order.len());
            reader.entries.push((collection, record.id, path));
        }
        reader.entries.sort();
        Ok(reader)
    }

    fn read(&self, path: &Path) -> Result<ExportRecord, Error> {
        self.read_document(&read_json(path)?).map_err(|why| damaged(path, &why))
    }

    /// Reads the output of [`render_document`]. `Err`: the problem.
    fn read_document(&self, file: &Json) -> Result<ExportRecord, String> {
        let metadata = file
            .get(METADATA_FIELD)
            .and_then(Json::as_object)
            .ok_or("it is not a file of an export: it has no field `runstate`")?;
        let field = |name: &str| metadata.get(name).cloned().unwrap_or_default();
        let document = match metadata.get("document") {
            Some(document) => document.clone(),
            None => {
                let mut document = file.as_object().cloned().unwrap_or_default();
                document.shift_remove(METADATA_FIELD);
                for name in
                    metadata.get("shown").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
                {
                    document.shift_remove(name);
                }
                Json::Object(document)
            }
        };
        let exported = json!({
            "collection": field("collection"),
            "id": field("id"),
            "version": field("version"),
            "document": document,
        });
        let record = ExportRecord::read(&self.catalog, exported)?;
        match canonical_json(&render_document(self.domains, &record)) == canonical_json(file) {
            true => Ok(record),
            false => Err(format!("{} was changed after it was exported", record.key())),
        }
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
        let order = exported_collections(&self.catalog);
        let position = order.iter().position(|c| c.name == collection).unwrap_or(order.len());
        self.next = self.entries.partition_point(|(at, ..)| *at < position);
        Ok(self.entries.get(self.next).is_some_and(|(at, ..)| *at == position))
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

/// All files of the export below `root`. Any other file is an error, because it may be one that was meant to be
/// imported.
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

/// The field with the metadata of a file.
const METADATA_FIELD: &str = "runstate";

/// The layout of the collection's domain, if it declares one.
fn file_layout(domains: &[&'static Domain], collection: &Collection) -> Option<&'static FileLayout> {
    domains.iter().find(|domain| domain.owns(collection.name))?.files
}

/// The location of a record's file: its folder, and its name without the extension.
fn file_location(domains: &[&'static Domain], record: &ExportRecord) -> (PathBuf, String) {
    let collection = record.collection;
    let Some(layout) = file_layout(domains, collection) else {
        let folder = if collection.name == COMMANDS.name { "ledger" } else { collection.name };
        return (folder.into(), file_name(&record.id));
    };
    let folder = (layout.folder)(collection.name, &record.document);
    let name = (layout.name)(collection.name, &record.document);
    (folder.iter().map(|part| file_name(part)).collect(), file_name(name.as_deref().unwrap_or(&record.id)))
}

/// The contents of the file.
fn render_document(domains: &[&'static Domain], record: &ExportRecord) -> Json {
    let mut exported = record.to_json();
    let document = exported.get_mut("document").map(Json::take).unwrap_or_default();
    let Json::Object(mut file) = document else { return exported };
    let line = record.line();
    let mut metadata = json!({
        "collection": record.collection.name,
        "id": &*record.id,
        "version": record.version,
        "sha256": hex(&sha256(&[line.as_bytes()])),
    });
    if file.contains_key(METADATA_FIELD) {
        metadata["document"] = Json::Object(std::mem::take(&mut file));
    } else {
        let layout = file_layout(domains, record.collection);
        let mut shown = layout.map(|one| (one.fields)(record.collection.name, &record.document)).unwrap_or_default();
        shown.retain(|(name, _)| !file.contains_key(*name));
        metadata["shown"] = json!(shown.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        file.extend(shown.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    file.insert(METADATA_FIELD.to_owned(), metadata);
    Json::Object(file)
}

/// Maximum length of a name before the extension, in bytes; common file systems accept 255.
const NAME_BYTES: usize = 200;

/// Names that Windows reserves for devices, with any extension.
const DEVICES: &[&str] = &[
    "con", "prn", "aux", "nul", "com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt0",
    "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// The name for `id`: letters, digits, `-`, `_` and inner dots are unchanged, everything else is percent-encoded. A
/// name that is too long becomes `~` and the first half of the SHA-256 of `id`. The file contains the id itself.
fn file_name(id: &str) -> String {
    let mut name = String::new();
    for (at, byte) in id.bytes().enumerate() {
        let inner_dot = byte == b'.' && at > 0 && at + 1 < id.len();
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || inner_dot {
            name.push(char::from(byte));
        } else {
            name.push_str(&percent_encode(byte));
        }
    }
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    if DEVICES.contains(&stem.as_str())
        && let Some(first) = id.bytes().next()
    {
        name = percent_encode(first) + &name[1..];
    }
    if name.len() > NAME_BYTES { hashed_file_name(id) } else { name }
}

/// An alternative name if the first one is in use: on a file system where `Key` and `key` are the same.
fn hashed_file_name(id: &str) -> String {
    format!("~{}", hex(&sha256(&[id.as_bytes()])[..16]))
}

fn percent_encode(byte: u8) -> String {
    format!("%{byte:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_a_name_that_stays_in_its_folder() {
        let named: Vec<String> =
            ["r1", "../x", "..", ".", "a.b.", "CON", "con.txt", "COM1.x.y", "a/b", "a b", "🦀", "~x", "%41", "consul"]
                .map(|id| format!("{id} → {}", file_name(id)))
                .to_vec();
        insta::assert_snapshot!(named.join("\n"), @r#"
        r1 → r1
        ../x → %2E.%2Fx
        .. → %2E%2E
        . → %2E
        a.b. → a.b%2E
        CON → %43ON
        con.txt → %63on.txt
        COM1.x.y → %43OM1.x.y
        a/b → a%2Fb
        a b → a%20b
        🦀 → %F0%9F%A6%80
        ~x → %7Ex
        %41 → %2541
        consul → consul
        "#);
        let long = file_name(&"é".repeat(100));
        assert_eq!((long.len(), &long[..1]), (33, "~"));
        assert_ne!(long, file_name(&"è".repeat(100)));
    }
}
