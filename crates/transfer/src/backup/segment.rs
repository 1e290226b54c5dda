//! The form of a segment: lines of JSON. The first is a header, the last has the number of lines between them and a
//! hash of all before it.

use runstate_core::error_code::ErrorCode;
use runstate_core::schema::{Catalog, Key};
use runstate_engine::Error;
use runstate_objects::ObjectFolder;
use runstate_store::{Row, StoreError, StoredDocument};
use runstate_value::time::Timestamp;
use runstate_value::{self as value, Json, canonical_json};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::super::{ExportHeader, ExportRecord, FORMAT, hash_text};
use super::BackupPoint;
use crate::record::find_collection;

/// The value of `runstate` in the first line.
const KIND: &str = "backup";

/// The end of the name of a segment.
const SUFFIX: &str = ".jsonl";

/// The first line of a segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SegmentHeader {
    /// Its number. The first one is 1.
    pub number: u64,
    /// The store.
    pub source: String,
    /// The number of the segment with which the base begins.
    pub base: u64,
    /// The collection of the base with which the next segment continues. `None`: all were read.
    pub scanned: Option<String>,
    /// All changes up to this position are in this segment and those before.
    pub position: String,
    /// Whether all changes up to the end of the base are in this segment and those before.
    pub is_settled: bool,
    /// The last point, which may be this segment.
    pub point: Option<BackupPoint>,
    /// The time when rows of time series were read last.
    pub series_at: Timestamp,
    /// The collections and their declarations.
    pub export: ExportHeader,
}

impl SegmentHeader {
    /// Whether the store was in this state.
    pub(super) fn is_point(&self) -> bool {
        self.point.as_ref().is_some_and(|point| point.segment == self.number)
    }
}

/// The lines of a segment between its first and its last one.
#[derive(Default)]
pub(super) struct BackupSegment {
    lines: Vec<String>,
}

/// A line of a segment, with its key.
pub(super) struct SegmentLine {
    pub collection: String,
    pub id: String,
    /// `None`: it was deleted.
    pub line: Option<String>,
}

impl BackupSegment {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn len(&self) -> u64 {
        self.lines.len() as u64
    }

    /// Adds a document, or its deletion.
    pub(super) fn push(&mut self, catalog: &Catalog, key: &Key, found: Option<StoredDocument>) -> Result<(), Error> {
        let Some(stored) = found else {
            let deleted = json!({"collection": key.collection, "id": key.id, "deleted": true});
            self.lines.push(canonical_json(&deleted));
            return Ok(());
        };
        let collection = find_collection(catalog, &key.collection)
            .ok_or_else(|| Error::internal(format!("the collection of {key} is not declared")))?;
        let record = ExportRecord::from_row(collection, Row::new(key.id.clone(), stored));
        if !record.is_local() {
            self.lines.push(record.line());
        }
        Ok(())
    }

    pub(super) fn encode(&self, header: &SegmentHeader) -> Vec<u8> {
        let first = canonical_json(&json!({"runstate": KIND, "format": FORMAT, "segment": header}));
        let mut text = first + "\n";
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        let sha256 = hash_text(Sha256::new_with_prefix(&text));
        text.push_str(&canonical_json(&json!({"end": {"lines": self.lines.len(), "sha256": sha256}})));
        text.push('\n');
        text.into_bytes()
    }

    /// Reads the header of a segment.
    pub(super) async fn read_header(folder: &ObjectFolder, number: u64) -> Result<SegmentHeader, Error> {
        Ok(Self::read(folder, number).await?.0)
    }

    /// Reads a segment, and checks its hash.
    pub(super) async fn read(folder: &ObjectFolder, number: u64) -> Result<(SegmentHeader, Vec<SegmentLine>), Error> {
        let name = format!("{}, segment {}", folder.name(), self::name(number));
        let damaged = |why: &str| Error::new(ErrorCode::CORRUPT, format!("{name}: {why}"));
        let bytes = folder.read(&self::name(number)).await?.ok_or_else(|| damaged("it is missing"))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
        let body = text.strip_suffix('\n').ok_or_else(|| damaged("it is cut off"))?;
        let (before, end) = body.rsplit_once('\n').ok_or_else(|| damaged("it is cut off"))?;
        let parse = |line: &str| value::parse_bytes(line.as_bytes()).map_err(|error| damaged(&error.to_string()));
        let end = parse(end)?;
        if end.pointer("/end/sha256").and_then(Json::as_str)
            != Some(&*hash_text(Sha256::new_with_prefix(&bytes[..=before.len()])))
        {
            return Err(damaged("its hash differs: it was changed after it was written"));
        }
        let mut lines = before.split('\n');
        let first = parse(lines.next().unwrap_or_default())?;
        if first.get("runstate").and_then(Json::as_str) != Some(KIND) {
            return Err(damaged("it is not a segment of a backup"));
        }
        match first.get("format").and_then(Json::as_u64) {
            Some(found) if found > FORMAT => {
                return Err(StoreError::NewerVersion { what: name, found, supported: FORMAT }.into());
            }
            _ => {}
        }
        let header = first.get("segment").map(value::from_value::<SegmentHeader>);
        let header = header.and_then(Result::ok).filter(|header| header.number == number);
        let header = header.ok_or_else(|| damaged("its header is damaged"))?;
        let read = |line: &str| {
            let parsed = parse(line)?;
            let text = |field: &str| parsed.get(field).and_then(Json::as_str).map(str::to_owned);
            match (text("collection"), text("id")) {
                (Some(collection), Some(id)) => {
                    let is_deleted = parsed.get("deleted").is_some();
                    Ok(SegmentLine { collection, id, line: (!is_deleted).then(|| line.to_owned()) })
                }
                _ => Err(damaged("a line has no key")),
            }
        };
        let lines = lines.map(read).collect::<Result<_, _>>()?;
        Ok((header, lines))
    }
}

/// The name of a segment.
pub(super) fn name(number: u64) -> String {
    format!("{number:012}{SUFFIX}")
}

/// The numbers of all segments, in ascending order.
pub(super) async fn numbers(folder: &ObjectFolder) -> Result<Vec<u64>, Error> {
    let names = folder.names().await?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.strip_suffix(SUFFIX)?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}
