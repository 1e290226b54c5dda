//! Exports in the file system of this machine. A file or a folder appears under its name completely, or not at all.

mod document_file;
mod file_names;
mod legacy_directory;
mod staged_export;
mod tree;

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use super::{LineReader, LineWriter};
use crate::engine::Error;
use crate::engine::transfer::lines::LINE_BYTES;
use crate::error_code::ErrorCode;
use crate::schema::Catalog;
use crate::value::Json;

pub(super) use legacy_directory::skipped_item;
pub use legacy_directory::{ImportedProgram, LegacyDirectory, LegacyImportReport, SkippedItem};
pub use staged_export::{OverwritePolicy, StagedExport};
pub use tree::{MANIFEST, TreeReader, TreeWriter};

/// Files that systems and file managers leave in a folder.
const LITTER: &[&str] = &[".DS_Store", "Thumbs.db", "desktop.ini"];

/// A file of lines that is being written.
pub type FileWriter = LineWriter<BufWriter<File>>;

/// Writes lines into a staged file; [`StagedExport::publish`] gives it its name.
pub fn file_writer(staged: &StagedExport) -> Result<FileWriter, Error> {
    let file = File::options().read(true).write(true).create_new(true).open(staged.path());
    let file = file.map_err(|e| io(staged.path(), "written", &e))?;
    Ok(LineWriter::new(BufWriter::new(file), staged.name()).with_restart(|to| {
        to.flush()?;
        let file = to.get_mut();
        file.set_len(0)?;
        file.rewind()
    }))
}

/// Ends a file of lines, and syncs it to the disk.
pub fn finish(writer: FileWriter, staged: &StagedExport) -> Result<(), Error> {
    let written = writer.into_inner().into_inner().map_err(std::io::IntoInnerError::into_error);
    written.and_then(|file| file.sync_all()).map_err(|e| io(staged.path(), "written", &e))
}

/// Reads the lines of a file.
pub fn file_reader(path: &Path, catalog: Catalog) -> Result<LineReader<BufReader<File>>, Error> {
    let file = File::open(path).map_err(|e| io(path, "read", &e))?;
    Ok(LineReader::new(BufReader::new(file), path.display().to_string(), catalog))
}

fn io(path: &Path, done: &str, error: &std::io::Error) -> Error {
    Error::new(ErrorCode::Io, format!("{} cannot be {done}: {error}", path.display()))
}

/// Reads a JSON file, no larger than any file of an export.
fn read_json(path: &Path) -> Result<Json, Error> {
    let bytes = read_file(path, LINE_BYTES)?;
    serde_json::from_slice(&bytes).map_err(|e| damaged(path, &format!("it is not valid JSON ({e})")))
}

/// The bytes of a file that has at most `most` of them. Pipes and devices are rejected, because they may not end.
fn read_file(path: &Path, most: usize) -> Result<Vec<u8>, Error> {
    let failed = |e: std::io::Error| io(path, "read", &e);
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(damaged(path, "it is not a file"));
    }
    let mut bytes = Vec::new();
    if metadata.len() <= most as u64 {
        File::open(path).and_then(|file| file.take(most as u64 + 1).read_to_end(&mut bytes)).map_err(failed)?;
    }
    if metadata.len().max(bytes.len() as u64) > most as u64 {
        return Err(damaged(path, &format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::new(ErrorCode::Corrupt, format!("{}: {why}", path.display()))
}
