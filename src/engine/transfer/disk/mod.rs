//! Exports on the file system of this machine: a file or a folder appears under its name whole, or not at all.

mod names;
mod older;
mod staged;
mod tree;
mod view;

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use super::{LineReader, LineWriter};
use crate::code::Code;
use crate::engine::Error;
use crate::engine::transfer::lines::LINE_BYTES;
use crate::schema::Catalog;
use crate::value::Json;

pub(super) use older::refused;
pub use older::{Carried, CarriedProgram, Left, Older};
pub use staged::{Existing, Staged};
pub use tree::{MANIFEST, TreeReader, TreeWriter};

/// What systems and file managers leave in a folder.
const LITTER: &[&str] = &[".DS_Store", "Thumbs.db", "desktop.ini"];

/// A file of lines that is being written.
pub type FileWriter = LineWriter<BufWriter<File>>;

/// Writes lines into a file that is staged; [`Staged::publish`] gives it its name.
pub fn file_writer(staged: &Staged) -> Result<FileWriter, Error> {
    let file = File::options().read(true).write(true).create_new(true).open(staged.path());
    let file = file.map_err(|e| io(staged.path(), "written", &e))?;
    Ok(LineWriter::new(BufWriter::new(file), staged.name()).restarting(|to| {
        to.flush()?;
        let file = to.get_mut();
        file.set_len(0)?;
        file.rewind()
    }))
}

/// Ends a file of lines: all of it is on the disk then.
pub fn finish(writer: FileWriter, staged: &Staged) -> Result<(), Error> {
    let written = writer.into_inner().into_inner().map_err(std::io::IntoInnerError::into_error);
    written.and_then(|file| file.sync_all()).map_err(|e| io(staged.path(), "written", &e))
}

/// Reads the lines of a file.
pub fn file_reader(path: &Path, catalog: Catalog) -> Result<LineReader<BufReader<File>>, Error> {
    let file = File::open(path).map_err(|e| io(path, "read", &e))?;
    Ok(LineReader::new(BufReader::new(file), path.display().to_string(), catalog))
}

fn io(path: &Path, done: &str, error: &std::io::Error) -> Error {
    Error::new(Code::Io, format!("{} cannot be {done}: {error}", path.display()))
}

/// A file of JSON, no larger than any of ours.
fn read_json(path: &Path) -> Result<Json, Error> {
    let bytes = read_file(path, LINE_BYTES)?;
    serde_json::from_slice(&bytes).map_err(|e| damaged(path, &format!("it is no JSON ({e})")))
}

/// The bytes of a file that has at most so many. Pipes and devices, which never end, are refused.
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
    Error::new(Code::Corrupt, format!("{}: {why}", path.display()))
}
