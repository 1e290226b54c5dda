//! Opens a snapshot: checks the first line, the last line and the directory, and the checksum of the whole file if it
//! is small.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::base::SnapshotBase;
use super::directory::{self, parse_crc};
use super::{SnapshotError, SnapshotHeader};
use crate::store::file::format::{FORMAT, SEAL_LENGTH, check_seal_bytes, check_seal_form};
use crate::store::file::fs::{FsError, RandomAccessFile};

/// Maximum size of a file whose whole checksum is checked at opening.
const FULL_CHECK_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of one read when the whole file is read.
const READ_BYTES: u64 = 1024 * 1024;

/// Maximum length of the first line and of the last line.
const MAX_LINE_BYTES: u64 = 4096;

/// Maximum size of a directory. A writer stays below it with larger blocks.
pub const LARGEST_DIRECTORY: u64 = 256 * 1024 * 1024;

/// The last line of a snapshot.
#[derive(Serialize, Deserialize)]
pub struct LastLine {
    pub index_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_at: Option<u64>,
    pub documents: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
}

/// Opens snapshot `seq` of `store`. `at` is its path in messages.
pub fn open(
    source: Arc<dyn RandomAccessFile>,
    seq: u64,
    store: &str,
    at: &str,
) -> Result<(SnapshotHeader, Arc<SnapshotBase>), SnapshotError> {
    let opened = SnapshotOpener::begin(&source)?;
    if source.size() <= FULL_CHECK_BYTES {
        check_whole(&*source)?;
    }
    opened.finish(source, seq, store, at)
}

/// Opens a snapshot whose checksum may be wrong, if its directory is intact. Its blocks can then be salvaged one by
/// one.
pub fn open_damaged(
    source: Arc<dyn RandomAccessFile>,
    seq: u64,
    store: &str,
    at: &str,
) -> Result<(SnapshotHeader, Arc<SnapshotBase>), SnapshotError> {
    SnapshotOpener::begin(&source)?.finish(source, seq, store, at)
}

/// Reads the first line and ignores the rest of the file.
pub fn read_header(source: &dyn RandomAccessFile) -> Result<SnapshotHeader, SnapshotError> {
    first_line(source).map(|(_, header)| header)
}

fn first_line(source: &dyn RandomAccessFile) -> Result<(Vec<u8>, SnapshotHeader), SnapshotError> {
    let mut first = read(source, 0, MAX_LINE_BYTES.min(source.size()))?;
    let length = first.iter().position(|b| *b == b'\n').map_or(first.len(), |at| at + 1);
    first.truncate(length);
    let header = serde_json::from_slice(&first).map_err(parse_error("its first line"))?;
    Ok((first, header))
}

/// Checks the checksum of the whole file.
pub fn check_whole(source: &dyn RandomAccessFile) -> Result<(), SnapshotError> {
    let covered = source.size().saturating_sub(SEAL_LENGTH as u64);
    let mut hasher = crc32fast::Hasher::new();
    let mut at = 0;
    while at < covered {
        let length = READ_BYTES.min(covered - at);
        hasher.update(&read(source, at, length)?);
        at += length;
    }
    let end = read(source, covered, source.size() - covered)?;
    Ok(check_seal_bytes(&end, || hasher.finalize())?)
}

struct SnapshotOpener {
    first: Vec<u8>,
    header: SnapshotHeader,
    end: Vec<u8>,
}

impl SnapshotOpener {
    fn begin(source: &Arc<dyn RandomAccessFile>) -> Result<Self, SnapshotError> {
        let size = source.size();
        // The header is parsed before the seal is checked: in a newer format it may be the only readable part.
        let (first, header) = first_line(&**source)?;
        let tail = MAX_LINE_BYTES.min(size);
        let end = read(&**source, size - tail, tail)?;
        let seal = end.len().saturating_sub(SEAL_LENGTH);
        check_seal_form(&end[seal..])?;
        Ok(Self { first, header, end })
    }

    fn finish(
        self,
        source: Arc<dyn RandomAccessFile>,
        seq: u64,
        store: &str,
        at: &str,
    ) -> Result<(SnapshotHeader, Arc<SnapshotBase>), SnapshotError> {
        let Self { first, header, end } = self;
        if header.format > FORMAT {
            return Err(SnapshotError::Invalid(format!(
                "it has format {}, which this program does not know",
                header.format
            )));
        }
        if header.snapshot != seq {
            return Err(SnapshotError::Invalid(format!("its number is {}: it was renamed or copied", header.snapshot)));
        }
        if header.store != store {
            return Err(SnapshotError::Invalid(format!("it belongs to another store ({})", header.store)));
        }
        let newline = end[..end.len().saturating_sub(1)].iter().rposition(|b| *b == b'\n');
        let text = newline.and_then(|at| end.get(at + 1..)).ok_or("its last line is missing or too long")?;
        let last: LastLine = serde_json::from_slice(text).map_err(parse_error("its last line"))?;
        let last_at = source.size() - text.len() as u64;
        let (from, outside) = (first.len() as u64, "an offset in its last line is out of range");
        let sections = match (last.directory_at, &last.directory) {
            (None, None) if last.documents == 0 && last.index_at == from && last_at == from => Vec::new(),
            (Some(directory_at), Some(crc)) => {
                let length = last_at.checked_sub(directory_at).filter(|n| *n <= LARGEST_DIRECTORY).ok_or(outside)?;
                let bytes = read(&*source, directory_at, length)?;
                let mut hasher = crc32fast::Hasher::new();
                hasher.update(&first);
                hasher.update(&bytes);
                if parse_crc(crc) != Some(hasher.finalize()) {
                    return Err(
                        "the checksum of its directory does not match: it was edited, or the disk changed it".into()
                    );
                }
                let within = from..directory_at;
                directory::read(&bytes, within, last.index_at, last.documents).map_err(SnapshotError::Invalid)?
            }
            _ => return Err("it has documents but no directory".into()),
        };
        Ok((header, Arc::new(SnapshotBase::new(source, at.to_owned(), sections))))
    }
}

fn parse_error(what: &'static str) -> impl Fn(serde_json::Error) -> SnapshotError {
    move |e| SnapshotError::Invalid(format!("{what} cannot be read ({e})"))
}

fn read(source: &dyn RandomAccessFile, at: u64, length: u64) -> Result<Vec<u8>, FsError> {
    // The length is bounded, so the conversion does not fail.
    source.read_at(at, usize::try_from(length).unwrap_or(usize::MAX))
}
