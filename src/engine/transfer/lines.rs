//! An export as lines of JSON: a header, one document a line, and a closing line with counts and the hash of all before it.

use std::io::{BufRead, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::tally::hash_text;
use super::{Header, Item, Record, Sink, Source, Summary};
use crate::code::Code;
use crate::engine::Error;
use crate::limits::DOCUMENT_BYTES;
use crate::schema::Catalog;
use crate::value::{self, Few, Json, Unfit, canonical};

/// Longest line that is read: a document of the largest size; times are longer as text than as numbers.
pub(super) const LINE_BYTES: usize = 2 * DOCUMENT_BYTES;

/// Writes an export to `W`.
pub struct LineWriter<W> {
    to: W,
    name: String,
    hash: Sha256,
    restart: Option<fn(&mut W) -> std::io::Result<()>>,
    begun: bool,
}

impl<W: Write> LineWriter<W> {
    /// Writes to `to`, which is called `name` in errors. Where the store does not hold still the export cannot begin again there.
    pub fn new(to: W, name: impl Into<String>) -> Self {
        Self { to, name: name.into(), hash: Sha256::new(), restart: None, begun: false }
    }

    /// With `restart`, which empties it, so that the export can begin again.
    pub fn restarting(self, restart: fn(&mut W) -> std::io::Result<()>) -> Self {
        Self { restart: Some(restart), ..self }
    }

    /// What it was written to.
    pub fn into_inner(self) -> W {
        self.to
    }

    fn line(&mut self, line: &str) -> Result<(), Error> {
        let parts = [line.as_bytes(), b"\n"];
        for part in parts {
            self.hash.update(part);
            self.to.write_all(part).map_err(|e| io(&self.name, "written", &e))?;
        }
        Ok(())
    }
}

impl<W: Write> Sink for LineWriter<W> {
    fn begin(&mut self, header: &Header) -> Result<(), Error> {
        if self.begun {
            let Some(restart) = self.restart else {
                return Err(Error::new(
                    Code::Conflict,
                    format!(
                        "the store was written to while it was exported, and what went to {} cannot be taken back (it has no \
                         closing line, so no import takes it); export to a file, or when nothing is written",
                        self.name
                    ),
                ));
            };
            restart(&mut self.to).map_err(|e| io(&self.name, "written", &e))?;
        }
        self.begun = true;
        self.hash = Sha256::new();
        self.line(&canonical(&json!(header)))
    }

    fn put(&mut self, _: &Record, line: &str) -> Result<(), Error> {
        self.line(line)
    }

    fn end(&mut self, summary: &Summary) -> Result<(), Error> {
        let end = End { summary: summary.clone(), seal: Seal { sha256: hash_text(self.hash.clone()) } };
        self.line(&canonical(&json!({"end": end})))?;
        self.to.flush().map_err(|e| io(&self.name, "written", &e))
    }
}

/// The closing line.
#[derive(Serialize)]
struct End {
    #[serde(flatten)]
    summary: Summary,
    #[serde(flatten)]
    seal: Seal,
}

#[derive(Serialize, Deserialize)]
struct Seal {
    /// Of all bytes before this line.
    sha256: String,
}

impl End {
    fn read(line: &Json) -> Result<Self, Unfit> {
        Ok(Self { summary: value::read(line)?, seal: value::read(line)? })
    }
}

/// Reads an export from `R`, from the beginning or from the first document of a collection.
pub struct LineReader<R> {
    from: R,
    name: String,
    catalog: Catalog,
    line: u64,
    at: u64,
    /// Of all that was read; `None` once something was passed over.
    hash: Option<Sha256>,
    /// Where each collection begins.
    begins: Few<&'static str, (u64, u64)>,
}

impl<R: BufRead + Seek> LineReader<R> {
    /// Reads `from`, which is called `name` in errors; `catalog` says what documents may be.
    pub fn new(from: R, name: impl Into<String>, catalog: Catalog) -> Self {
        let (name, begins) = (name.into(), Few::default());
        Self { from, name, catalog, line: 0, at: 0, hash: None, begins }
    }

    /// The next line without its end, and where it begins; `None` at the end of the file.
    fn next_line(&mut self) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let begin = self.at;
        let mut bytes = Vec::new();
        let mut limited = std::io::Read::take(&mut self.from, LINE_BYTES as u64);
        limited.read_until(b'\n', &mut bytes).map_err(|e| io(&self.name, "read", &e))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.at += bytes.len() as u64;
        self.line += 1;
        if bytes.pop_if(|last| *last == b'\n').is_none() {
            let too_long = bytes.len() >= LINE_BYTES;
            return Err(self.damaged(if too_long { "this line is longer than any document" } else { CUT_OFF }));
        }
        Ok(Some((begin, bytes)))
    }

    fn take_in(&mut self, line: &[u8]) {
        if let Some(hash) = &mut self.hash {
            hash.update(line);
            hash.update(b"\n");
        }
    }

    fn seek(&mut self, at: u64) -> Result<(), Error> {
        self.from.seek(SeekFrom::Start(at)).map_err(|e| io(&self.name, "read", &e))?;
        self.at = at;
        Ok(())
    }

    fn json(&self, line: &[u8]) -> Result<Json, Error> {
        value::parse_bytes(line).map_err(|e| self.damaged(&format!("this line is no JSON ({e})")))
    }

    fn damaged(&self, why: &str) -> Error {
        let Self { name, line, .. } = self;
        Error::new(Code::Corrupt, format!("{name}, line {line}: {why}"))
    }

    /// The closing line, which must be right and the last one.
    fn end(&mut self, line: &Json) -> Result<Summary, Error> {
        let end = End::read(line).map_err(|e| self.damaged(&format!("the closing line is not complete ({e})")))?;
        if let Some(hash) = self.hash.take()
            && hash_text(hash) != end.seal.sha256
        {
            return Err(self.damaged(EDITED));
        }
        match self.next_line()? {
            None => Ok(end.summary),
            Some(_) => Err(self.damaged("there is more behind the closing line")),
        }
    }
}

const CUT_OFF: &str = "the file ends in the middle; it was cut off. Copy it again, or export again";
const EDITED: &str = "the file is not what was exported: its hash differs, so something before this line was changed";

impl<R: BufRead + Seek> Source for LineReader<R> {
    fn name(&self) -> &str {
        &self.name
    }

    fn rewind(&mut self) -> Result<Header, Error> {
        self.seek(0)?;
        (self.line, self.hash) = (0, Some(Sha256::new()));
        let no_export = |name: &str| {
            Error::new(Code::Corrupt, format!("{name} is no export of runstate: its first line is no header of one"))
        };
        let first = match self.next_line() {
            Ok(first) => first,
            Err(error) if error.code == Code::Io => return Err(error),
            // A file without lines is anything but cut off.
            Err(_) => None,
        };
        let Some((_, line)) = first else { return Err(no_export(&self.name)) };
        let header: Json = value::parse_bytes(&line).map_err(|_| no_export(&self.name))?;
        self.take_in(&line);
        Header::read(&header, &self.name)
    }

    fn seek(&mut self, collection: &'static str) -> Result<bool, Error> {
        let Some((at, line)) = self.begins.get(collection).copied() else { return Ok(false) };
        self.seek(at)?;
        (self.line, self.hash) = (line - 1, None);
        Ok(true)
    }

    fn next(&mut self) -> Result<Item, Error> {
        let Some((begin, line)) = self.next_line()? else { return Err(self.damaged(CUT_OFF)) };
        let json = self.json(&line)?;
        if let Some(end) = json.get("end") {
            return Ok(Item::End(self.end(end)?));
        }
        let record = Record::read(&self.catalog, json).map_err(|why| self.damaged(&why))?;
        self.take_in(&line);
        self.begins.or_insert_with(record.collection.name, || (begin, self.line));
        Ok(Item::Record(record))
    }
}

fn io(name: &str, done: &str, error: &std::io::Error) -> Error {
    Error::new(Code::Io, format!("{name} cannot be {done}: {error}"))
}
