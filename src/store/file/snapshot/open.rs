//! Opening a snapshot: first line, last line, directory, and the checksum of the whole where that takes no time worth mentioning.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::base::SnapshotBase;
use super::directory::{self, crc_of};
use super::{Fault, Header};
use crate::store::file::format::{FORMAT, SEAL, check_end, has_end};
use crate::store::file::fs::{FsError, Source};

/// Up to this size a file is checked as a whole when it is opened.
const CHECKED_WHOLE: u64 = 64 * 1024 * 1024;

/// How much is read at once where all is read.
const PIECE: u64 = 1024 * 1024;

/// Where the first and the last line must end and begin.
const LINE: u64 = 4096;

/// No directory is this large: a writer makes blocks larger instead.
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

/// Opens snapshot `seq` of `store`. `at` is its path as people know it.
pub fn open(source: Arc<dyn Source>, seq: u64, store: &str, at: &str) -> Result<(Header, Arc<SnapshotBase>), Fault> {
    let opened = Opening::begin(&source)?;
    if source.size() <= CHECKED_WHOLE {
        check_whole(&*source)?;
    }
    opened.end(source, seq, store, at)
}

/// Opens a snapshot whose checksum may be wrong, as long as its directory is whole: what can be saved of it then is told block by block.
pub fn open_damaged(
    source: Arc<dyn Source>,
    seq: u64,
    store: &str,
    at: &str,
) -> Result<(Header, Arc<SnapshotBase>), Fault> {
    Opening::begin(&source)?.end(source, seq, store, at)
}

/// What its first line says, whatever the rest is.
pub fn header(source: &dyn Source) -> Result<Header, Fault> {
    first_line(source).map(|(_, header)| header)
}

fn first_line(source: &dyn Source) -> Result<(Vec<u8>, Header), Fault> {
    let mut first = read(source, 0, LINE.min(source.size()))?;
    let length = first.iter().position(|b| *b == b'\n').map_or(first.len(), |at| at + 1);
    first.truncate(length);
    let header = serde_json::from_slice(&first).map_err(wrong("its first line"))?;
    Ok((first, header))
}

/// Checks the checksum of the whole file.
pub fn check_whole(source: &dyn Source) -> Result<(), Fault> {
    let covered = source.size().saturating_sub(SEAL as u64);
    let mut hasher = crc32fast::Hasher::new();
    let mut at = 0;
    while at < covered {
        let length = PIECE.min(covered - at);
        hasher.update(&read(source, at, length)?);
        at += length;
    }
    let end = read(source, covered, source.size() - covered)?;
    Ok(check_end(&end, || hasher.finalize())?)
}

struct Opening {
    first: Vec<u8>,
    header: Header,
    end: Vec<u8>,
}

impl Opening {
    fn begin(source: &Arc<dyn Source>) -> Result<Self, Fault> {
        let size = source.size();
        // The header comes before the seal: of a newer format it may be all that is understood.
        let (first, header) = first_line(&**source)?;
        let tail = LINE.min(size);
        let end = read(&**source, size - tail, tail)?;
        let seal = end.len().saturating_sub(SEAL);
        has_end(&end[seal..])?;
        Ok(Self { first, header, end })
    }

    fn end(
        self,
        source: Arc<dyn Source>,
        seq: u64,
        store: &str,
        at: &str,
    ) -> Result<(Header, Arc<SnapshotBase>), Fault> {
        let Self { first, header, end } = self;
        if header.format > FORMAT {
            return Err(Fault::Wrong(format!("it has format {}, which this program does not know", header.format)));
        }
        if header.snapshot != seq {
            return Err(Fault::Wrong(format!("it says it is snapshot {}: it was renamed or copied", header.snapshot)));
        }
        if header.store != store {
            return Err(Fault::Wrong(format!("it belongs to another store ({})", header.store)));
        }
        let newline = end[..end.len().saturating_sub(1)].iter().rposition(|b| *b == b'\n');
        let text = newline.and_then(|at| end.get(at + 1..)).ok_or("its last line has no beginning")?;
        let last: LastLine = serde_json::from_slice(text).map_err(wrong("its last line"))?;
        let last_at = source.size() - text.len() as u64;
        let (from, outside) = (first.len() as u64, "its last line points outside of it");
        let sections = match (last.directory_at, &last.directory) {
            (None, None) if last.documents == 0 && last.index_at == from && last_at == from => Vec::new(),
            (Some(directory_at), Some(crc)) => {
                let length = last_at.checked_sub(directory_at).filter(|n| *n <= LARGEST_DIRECTORY).ok_or(outside)?;
                let bytes = read(&*source, directory_at, length)?;
                let mut hasher = crc32fast::Hasher::new();
                hasher.update(&first);
                hasher.update(&bytes);
                if crc_of(crc) != Some(hasher.finalize()) {
                    return Err(
                        "the checksum of its directory does not fit: it was edited, or the disk changed it".into()
                    );
                }
                let within = from..directory_at;
                directory::read(&bytes, within, last.index_at, last.documents).map_err(Fault::Wrong)?
            }
            _ => return Err("it has documents and no directory of them".into()),
        };
        Ok((header, Arc::new(SnapshotBase::new(source, at.to_owned(), sections))))
    }
}

fn wrong(what: &'static str) -> impl Fn(serde_json::Error) -> Fault {
    move |e| Fault::Wrong(format!("{what} cannot be read ({e})"))
}

fn read(source: &dyn Source, at: u64, length: u64) -> Result<Vec<u8>, FsError> {
    // What is read at once is bounded, so it fits.
    source.read_at(at, usize::try_from(length).unwrap_or(usize::MAX))
}
