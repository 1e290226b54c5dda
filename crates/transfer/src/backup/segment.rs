//! The form of a segment: lines of JSON. The first is a header, the last has the number of lines between them and a
//! hash of all before it. An encrypted segment is a segment whose only line is the ciphertext of the plain one, under
//! the same header without its collections: a run that cannot decrypt it continues from there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
use super::{BackupDecryption, BackupEncryption, BackupPoint};
use crate::record::find_collection;

/// The format of an encrypted segment, and the newest that this version reads. A program that does not know encrypted
/// segments refuses it as newer.
const ENCRYPTED_FORMAT: u64 = FORMAT + 1;

/// The value of `runstate` in the first line.
const KIND: &str = "backup";

/// The end of the name of a segment.
const SUFFIX: &str = ".jsonl";

/// The first line of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The collections and their declarations. `None`: they are encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<ExportHeader>,
    /// The parameters of the encryption. `None`: the segments are plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Json>,
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

    /// The bytes of a segment. `encryption` is given if the header has its parameters.
    pub(super) fn encode(
        &self,
        header: &SegmentHeader,
        encryption: Option<&dyn BackupEncryption>,
    ) -> Result<Vec<u8>, Error> {
        let plain = encode_lines(header, FORMAT, &self.lines);
        match (encryption, &header.encryption) {
            (None, None) => Ok(plain),
            (Some(encryption), Some(parameters)) => {
                let encrypted = STANDARD.encode(encryption.encrypt(parameters, &plain)?);
                let clear = SegmentHeader { export: None, ..header.clone() };
                Ok(encode_lines(&clear, ENCRYPTED_FORMAT, &[canonical_json(&json!({"encrypted": encrypted}))]))
            }
            _ => Err(Error::internal("a backup is written as its folder is not")),
        }
    }

    /// Reads the header of a segment, and checks its hash. Without a key, the header of an encrypted segment has no
    /// collections.
    pub(super) async fn read_header(
        folder: &ObjectFolder,
        number: u64,
        key: Option<&dyn BackupDecryption>,
    ) -> Result<SegmentHeader, Error> {
        match key {
            Some(_) => Ok(PlainSegment::read(folder, number, key).await?.header),
            None => Ok(PlainSegment::read_file(folder, number).await?.header),
        }
    }

    /// Reads a segment, and checks its hash.
    pub(super) async fn read(
        folder: &ObjectFolder,
        number: u64,
        key: Option<&dyn BackupDecryption>,
    ) -> Result<(SegmentHeader, Vec<SegmentLine>), Error> {
        let PlainSegment { name, header, lines } = PlainSegment::read(folder, number, key).await?;
        let read = |line: String| {
            let parsed = parse(&line, &name)?;
            let text = |field: &str| parsed.get(field).and_then(Json::as_str).map(str::to_owned);
            match (text("collection"), text("id")) {
                (Some(collection), Some(id)) => {
                    let is_deleted = parsed.get("deleted").is_some();
                    Ok(SegmentLine { collection, id, line: (!is_deleted).then_some(line) })
                }
                _ => Err(damaged(&name, "a line has no key")),
            }
        };
        let lines = lines.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok((header, lines))
    }
}

/// The header and the lines of a segment whose hash was checked.
struct PlainSegment {
    /// Its name in errors.
    name: String,
    header: SegmentHeader,
    lines: Vec<String>,
}

impl PlainSegment {
    /// Reads and decrypts a segment. Without a key it must be plain text, with a key it must be encrypted.
    async fn read(folder: &ObjectFolder, number: u64, key: Option<&dyn BackupDecryption>) -> Result<Self, Error> {
        let file = Self::read_file(folder, number).await?;
        let name = &file.name;
        let (key, parameters) = match (key, &file.header.encryption) {
            (None, None) => return Ok(file),
            (Some(key), Some(parameters)) => (key, parameters),
            (None, Some(_)) => {
                let message = format!("{name} is encrypted. Give --passphrase-file or --identity-file");
                return Err(Error::new(ErrorCode::KEY_MISSING, message));
            }
            // A folder for which a key is given must not be replaced by another party.
            (Some(_), None) => {
                let remedy = "Leave out --passphrase-file and --identity-file if the backup is plain text";
                return Err(Error::new(ErrorCode::INVALID, format!("{name} is not encrypted. {remedy}")));
            }
        };
        let encrypted = file.lines.first().map(|line| parse(line, name)).transpose()?;
        let encrypted = encrypted.as_ref().and_then(|line| line.get("encrypted")).and_then(Json::as_str);
        let encrypted = encrypted.and_then(|text| STANDARD.decode(text).ok());
        let encrypted = encrypted.ok_or_else(|| damaged(name, "it has no ciphertext"))?;
        let plain = Self::decode(name, number, &key.decrypt(parameters, &encrypted, name)?)?;
        if (SegmentHeader { export: None, ..plain.header.clone() }) != file.header {
            return Err(damaged(name, "its clear header differs from its encrypted one"));
        }
        Ok(plain)
    }

    /// Reads a segment as it is in the folder.
    async fn read_file(folder: &ObjectFolder, number: u64) -> Result<Self, Error> {
        let name = format!("{}, segment {}", folder.name(), self::name(number));
        let bytes = folder.read(&self::name(number)).await?.ok_or_else(|| damaged(&name, "it is missing"))?;
        Self::decode(&name, number, &bytes)
    }

    /// Checks the hash and the header of a segment.
    fn decode(name: &str, number: u64, bytes: &[u8]) -> Result<Self, Error> {
        let damaged = |why: &str| damaged(name, why);
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not text"))?;
        let body = text.strip_suffix('\n').ok_or_else(|| damaged("it is cut off"))?;
        let (before, end) = body.rsplit_once('\n').ok_or_else(|| damaged("it is cut off"))?;
        let end = parse(end, name)?;
        if end.pointer("/end/sha256").and_then(Json::as_str)
            != Some(&*hash_text(Sha256::new_with_prefix(&bytes[..=before.len()])))
        {
            return Err(damaged("its hash differs: it was changed after it was written"));
        }
        let mut lines = before.split('\n');
        let first = parse(lines.next().unwrap_or_default(), name)?;
        if first.get("runstate").and_then(Json::as_str) != Some(KIND) {
            return Err(damaged("it is not a segment of a backup"));
        }
        match first.get("format").and_then(Json::as_u64) {
            Some(found) if found > ENCRYPTED_FORMAT => {
                let what = name.to_owned();
                return Err(StoreError::NewerVersion { what, found, supported: ENCRYPTED_FORMAT }.into());
            }
            _ => {}
        }
        let header = first.get("segment").map(value::from_value::<SegmentHeader>);
        let header = header.and_then(Result::ok).filter(|header| header.number == number);
        let header = header.ok_or_else(|| damaged("its header is damaged"))?;
        Ok(Self { name: name.to_owned(), header, lines: lines.map(str::to_owned).collect() })
    }
}

/// The bytes of a segment with these lines.
fn encode_lines(header: &SegmentHeader, format: u64, lines: &[String]) -> Vec<u8> {
    let first = canonical_json(&json!({"runstate": KIND, "format": format, "segment": header}));
    let mut text = first + "\n";
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    let sha256 = hash_text(Sha256::new_with_prefix(&text));
    text.push_str(&canonical_json(&json!({"end": {"lines": lines.len(), "sha256": sha256}})));
    text.push('\n');
    text.into_bytes()
}

fn parse(line: &str, name: &str) -> Result<Json, Error> {
    value::parse_bytes(line.as_bytes()).map_err(|error| damaged(name, &error.to_string()))
}

fn damaged(name: &str, why: &str) -> Error {
    Error::new(ErrorCode::CORRUPT, format!("{name}: {why}"))
}

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
