//! An export as lines of JSON: a header, one document per line, and a closing line with counts and the hash of all
//! lines before it.

use std::collections::BTreeSet;
use std::io::{BufRead, ErrorKind, Seek, SeekFrom, Write};

use runstate_core::error_code::ErrorCode;
use runstate_core::limits::DOCUMENT_BYTES;
use runstate_core::schema::{Catalog, Key};
use runstate_engine::Error;
use runstate_value::{self as value, DeserializeError, Json, SortedMap, canonical_json};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{ExportHeader, ExportRecord, ExportSink, ExportSummary, ImportSource, SourceItem, hash_text};

/// Maximum length of a line: a document of the maximum size. Timestamps are longer as text than as numbers.
pub(super) const LINE_BYTES: usize = 2 * DOCUMENT_BYTES;

/// Writes an export to `W`.
pub struct LineWriter<W> {
    output: W,
    name: String,
    hash: Sha256,
    restart: Option<fn(&mut W) -> std::io::Result<()>>,
    begun: bool,
}

impl<W: Write> LineWriter<W> {
    /// Writes to `output`, which has the name `name` in errors. If the store is written to meanwhile, the export fails,
    /// because it cannot begin again.
    pub fn new(output: W, name: impl Into<String>) -> Self {
        Self { output, name: name.into(), hash: Sha256::new(), restart: None, begun: false }
    }

    /// Adds `restart`, which empties the output, so that the export can begin again.
    pub fn with_restart(self, restart: fn(&mut W) -> std::io::Result<()>) -> Self {
        Self { restart: Some(restart), ..self }
    }

    /// The output.
    pub fn into_inner(self) -> W {
        self.output
    }

    /// Writes a line, without checking that it is one of an export.
    pub(super) fn line(&mut self, line: &str) -> Result<(), Error> {
        let parts = [line.as_bytes(), b"\n"];
        for part in parts {
            self.hash.update(part);
            self.output.write_all(part).map_err(|e| io(&self.name, "written", &e))?;
        }
        Ok(())
    }
}

impl<W: Write> ExportSink for LineWriter<W> {
    fn begin(&mut self, header: &ExportHeader) -> Result<(), Error> {
        if self.begun {
            let Some(restart) = self.restart else {
                return Err(Error::new(
                    ErrorCode::CONFLICT,
                    format!(
                        "the store was written to while it was exported, and the output to {} cannot be taken back (it has no \
                         closing line, so no import accepts it). Export to a file, or while nothing is written",
                        self.name
                    ),
                ));
            };
            restart(&mut self.output).map_err(|e| io(&self.name, "written", &e))?;
        }
        self.begun = true;
        self.hash = Sha256::new();
        self.line(&canonical_json(&json!(header)))
    }

    fn put(&mut self, _: &ExportRecord, line: &str) -> Result<(), Error> {
        self.line(line)
    }

    fn end(&mut self, summary: &ExportSummary) -> Result<(), Error> {
        let end = ClosingLine { summary: summary.clone(), seal: Seal { sha256: hash_text(self.hash.clone()) } };
        self.line(&canonical_json(&json!({"end": end})))?;
        self.output.flush().map_err(|e| io(&self.name, "written", &e))
    }
}

#[derive(Serialize)]
struct ClosingLine {
    #[serde(flatten)]
    summary: ExportSummary,
    #[serde(flatten)]
    seal: Seal,
}

#[derive(Serialize, Deserialize)]
struct Seal {
    /// SHA-256 of all bytes before this line.
    sha256: String,
}

impl ClosingLine {
    fn read(line: &Json) -> Result<Self, DeserializeError> {
        Ok(Self { summary: value::from_value(line)?, seal: value::from_value(line)? })
    }
}

/// Reads an export from `R`, from the beginning or from the first document of a collection.
pub struct LineReader<R> {
    input: R,
    name: String,
    catalog: Catalog,
    line: u64,
    offset: u64,
    /// Hash of all lines that were read; `None` after lines were skipped.
    hash: Option<Sha256>,
    /// The offset and the line number of the first document of each collection.
    collection_starts: SortedMap<&'static str, (u64, u64)>,
    /// The documents that were left out or have parts that were; see [`LineReader::with_incomplete`].
    incomplete: BTreeSet<(String, Option<String>)>,
}

impl<R: BufRead + Seek> LineReader<R> {
    /// Reads `input`, which has the name `name` in errors; `catalog` declares the documents.
    pub fn new(input: R, name: impl Into<String>, catalog: Catalog) -> Self {
        let (name, collection_starts) = (name.into(), SortedMap::default());
        Self { input, name, catalog, line: 0, offset: 0, hash: None, collection_starts, incomplete: BTreeSet::new() }
    }

    /// Sets the collections and ids of documents that were left out or have parts that were. Without an id, it may be
    /// any document of the collection.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn with_incomplete(self, incomplete: BTreeSet<(String, Option<String>)>) -> Self {
        Self { incomplete, ..self }
    }

    /// The next line without its end, and its offset; `None` at the end of the file.
    fn next_line(&mut self) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let start = self.offset;
        let mut bytes = Vec::new();
        let mut limited = std::io::Read::take(&mut self.input, LINE_BYTES as u64);
        limited.read_until(b'\n', &mut bytes).map_err(|e| io(&self.name, "read", &e))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.offset += bytes.len() as u64;
        self.line += 1;
        if bytes.pop_if(|last| *last == b'\n').is_none() {
            let too_long = bytes.len() >= LINE_BYTES;
            return Err(self.damaged(if too_long { "this line is longer than any document" } else { CUT_OFF }));
        }
        Ok(Some((start, bytes)))
    }

    fn hash_line(&mut self, line: &[u8]) {
        if let Some(hash) = &mut self.hash {
            hash.update(line);
            hash.update(b"\n");
        }
    }

    fn seek(&mut self, at: u64) -> Result<(), Error> {
        self.input.seek(SeekFrom::Start(at)).map_err(|e| io(&self.name, "read", &e))?;
        self.offset = at;
        Ok(())
    }

    fn json(&self, line: &[u8]) -> Result<Json, Error> {
        value::parse_bytes(line).map_err(|e| self.damaged(&format!("this line is not valid JSON ({e})")))
    }

    fn damaged(&self, why: &str) -> Error {
        let Self { name, line, .. } = self;
        Error::new(ErrorCode::CORRUPT, format!("{name}, line {line}: {why}"))
    }

    /// Checks the closing line, which must be the last one.
    fn end(&mut self, line: &Json) -> Result<ExportSummary, Error> {
        let end =
            ClosingLine::read(line).map_err(|e| self.damaged(&format!("the closing line is not complete ({e})")))?;
        if let Some(hash) = self.hash.take()
            && hash_text(hash) != end.seal.sha256
        {
            return Err(self.damaged(EDITED));
        }
        match self.next_line()? {
            None => Ok(end.summary),
            Some(_) => Err(self.damaged("there is more after the closing line")),
        }
    }
}

const CUT_OFF: &str = "the file is incomplete: it was cut off. Copy it again, or export again";
const EDITED: &str =
    "the file was changed after it was exported: its hash differs, so a line before this one is not the exported one";

impl<R: BufRead + Seek> ImportSource for LineReader<R> {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_complete(&self, document: &Key) -> bool {
        let is_incomplete = |id| self.incomplete.contains(&(document.collection.to_string(), id));
        self.incomplete.is_empty() || !is_incomplete(None) && !is_incomplete(Some(document.id.to_string()))
    }

    fn rewind(&mut self) -> Result<ExportHeader, Error> {
        self.seek(0)?;
        (self.line, self.hash) = (0, Some(Sha256::new()));
        let not_an_export = |name: &str| {
            Error::new(
                ErrorCode::CORRUPT,
                format!("{name} is not an export of runstate: its first line is not the header of an export"),
            )
        };
        let first = match self.next_line() {
            Ok(first) => first,
            Err(error) if self.line == 0 => return Err(error),
            // A file without lines is not cut off; it is not an export.
            Err(_) => None,
        };
        let Some((_, line)) = first else { return Err(not_an_export(&self.name)) };
        let header: Json = value::parse_bytes(&line).map_err(|_| not_an_export(&self.name))?;
        self.hash_line(&line);
        let header = ExportHeader::read(&header, &self.name)?;
        self.catalog = header.extend_catalog(&self.catalog, &self.name)?;
        Ok(header)
    }

    fn seek(&mut self, collection: &'static str) -> Result<bool, Error> {
        let Some((at, line)) = self.collection_starts.get(collection).copied() else { return Ok(false) };
        self.seek(at)?;
        (self.line, self.hash) = (line - 1, None);
        Ok(true)
    }

    fn next(&mut self) -> Result<SourceItem, Error> {
        let Some((start, line)) = self.next_line()? else { return Err(self.damaged(CUT_OFF)) };
        let json = self.json(&line)?;
        if let Some(end) = json.get("end") {
            return Ok(SourceItem::End(self.end(end)?));
        }
        let record = ExportRecord::read(&self.catalog, json).map_err(|why| self.damaged(&why))?;
        self.hash_line(&line);
        self.collection_starts.or_insert_with(record.collection.name, || (start, self.line));
        Ok(SourceItem::Record(record))
    }
}

fn io(name: &str, operation: &str, error: &std::io::Error) -> Error {
    // A file that is decrypted while it is read: it is cut off, or was changed.
    let is_damaged = matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof);
    Error::new(
        if is_damaged { ErrorCode::CORRUPT } else { ErrorCode::IO },
        format!("{name} cannot be {operation}: {error}"),
    )
}
