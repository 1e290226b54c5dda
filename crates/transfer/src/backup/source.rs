//! The points of a backup, and the store at a point as the source of an import.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};

use runstate_core::error_code::ErrorCode;
use runstate_core::schema::Catalog;
use runstate_engine::{Error, Phase, Progress};
use runstate_objects::ObjectFolder;
use runstate_value as value;
use runstate_value::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::{
    ExportHeader, ExportRecord, ExportSummary, ExportTally, ImportSource, SourceItem, record::find_collection,
};
use super::BackupDecryption;
use super::segment::{self, BackupSegment};

/// A state of a store in its backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupPoint {
    /// The number of the last segment.
    pub segment: u64,
    /// The number of the first segment that it needs.
    pub base: u64,
    /// Everything that was acknowledged before this time is part of it.
    pub at: Timestamp,
}

/// Finds the last point whose time is not after `until`; `None`: the last point.
pub(super) async fn find_point(
    folder: &ObjectFolder,
    until: Option<Timestamp>,
    key: Option<&dyn BackupDecryption>,
) -> Result<Option<BackupPoint>, Error> {
    let numbers = segment::numbers(folder).await?;
    let (mut low, mut high) = (0, numbers.len());
    // Times ascend. The points of the first `low` segments are known not to be after `until`.
    let mut found = None;
    while low < high {
        // Without a time only the last segment is read.
        let middle = until.map_or(high - 1, |_| low.midpoint(high));
        let point = BackupSegment::read_header(folder, numbers[middle], key).await?.point;
        match until.is_none_or(|until| point.as_ref().is_none_or(|point| point.at <= until)) {
            true => (low, found) = (middle + 1, point),
            false => high = middle,
        }
    }
    Ok(found)
}

/// A line of the temporary file.
#[derive(Clone, Copy)]
struct LinePosition {
    offset: u64,
    length: usize,
}

/// A store as it was at a point of its backup. Its documents are in a temporary file, and their keys in memory.
pub struct BackupSource {
    name: String,
    point: BackupPoint,
    header: ExportHeader,
    catalog: Catalog,
    lines: BufReader<File>,
    /// In the order of collections and ids.
    places: Vec<(&'static str, LinePosition)>,
    next: usize,
    summary: ExportSummary,
}

impl BackupSource {
    /// Reads the last point whose time is not after `until`; `None`: the last point. `key` decrypts an encrypted
    /// backup. `catalog` declares the documents.
    ///
    /// Errors: `not_found` (no such point), `corrupt` (a segment is missing or was changed), `key_missing` (a segment is
    /// encrypted, and not for this key), `invalid` (a segment is plain text, and a key is given), `newer_version`; errors
    /// of the folder.
    pub async fn open(
        folder: &ObjectFolder,
        until: Option<Timestamp>,
        key: Option<&dyn BackupDecryption>,
        catalog: &Catalog,
        mut progress: impl FnMut(Progress),
    ) -> Result<Self, Error> {
        let Some(point) = find_point(folder, until, key).await? else {
            let until = until.map_or(String::new(), |until| format!(" at {} or before", until.to_rfc3339()));
            let message = format!("{} has no complete backup{until}", folder.name());
            return Err(Error::new(ErrorCode::NOT_FOUND, message));
        };
        let name = folder.name().to_owned();
        let io = |error: std::io::Error| Error::new(ErrorCode::IO, format!("a temporary file: {error}"));
        let mut lines = BufWriter::new(tempfile::tempfile().map_err(io)?);
        let mut places: BTreeMap<(String, String), LinePosition> = BTreeMap::new();
        let (mut offset, mut header) = (0, None);
        let mut source: Option<String> = None;
        for number in point.base..=point.segment {
            let (segment, read) = BackupSegment::read(folder, number, key).await?;
            if source.get_or_insert_with(|| segment.source.clone()) != &segment.source {
                let message = format!("{name}: segment {number} is of another store. Nothing was restored");
                return Err(Error::new(ErrorCode::CORRUPT, message));
            }
            for line in read {
                let key = (line.collection, line.id);
                let Some(text) = line.line else {
                    places.remove(&key);
                    continue;
                };
                lines.write_all(text.as_bytes()).map_err(io)?;
                places.insert(key, LinePosition { offset, length: text.len() });
                offset += text.len() as u64;
            }
            header = segment.export;
            progress(Progress { phase: Phase::Check, done: places.len() as u64, of: None });
        }
        let no_header = || Error::new(ErrorCode::CORRUPT, format!("{name}: a header has no collections"));
        let header = header.ok_or_else(no_header)?;
        let catalog = header.extend_catalog(catalog, &name)?;
        header.check_supported(&catalog, &name)?;
        let file = lines.into_inner().map_err(|error| io(error.into_error()))?;
        let find = |collection: &str| {
            find_collection(&catalog, collection).map(|found| found.name).ok_or_else(|| {
                let message = format!("{name} has documents of collection `{collection}`, which is not declared");
                Error::new(ErrorCode::CORRUPT, message)
            })
        };
        let places = places.into_iter().map(|((collection, _), place)| Ok((find(&collection)?, place)));
        let places = places.collect::<Result<Vec<_>, Error>>()?;
        let (lines, summary) = (BufReader::new(file), ExportSummary::default());
        let mut source = Self { name, point, header, catalog, lines, places, next: 0, summary };
        let mut tally = ExportTally::default();
        while let Some(record) = source.read()? {
            tally.add(record.collection.name, &record.line());
        }
        source.summary = tally.summary();
        Ok(source)
    }

    /// The point.
    pub fn point(&self) -> &BackupPoint {
        &self.point
    }

    fn read(&mut self) -> Result<Option<ExportRecord>, Error> {
        let Some((_, place)) = self.places.get(self.next).copied() else { return Ok(None) };
        let io = |error: std::io::Error| Error::new(ErrorCode::IO, format!("a temporary file: {error}"));
        self.lines.seek(SeekFrom::Start(place.offset)).map_err(io)?;
        let mut line = vec![0; place.length];
        self.lines.read_exact(&mut line).map_err(io)?;
        let damaged = |why: String| Error::new(ErrorCode::CORRUPT, format!("{}: {why}", self.name));
        let json = value::parse_bytes(&line).map_err(|error| damaged(error.to_string()))?;
        let record = ExportRecord::read(&self.catalog, json).map_err(damaged)?;
        self.next += 1;
        Ok(Some(record))
    }
}

impl ImportSource for BackupSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn rewind(&mut self) -> Result<ExportHeader, Error> {
        self.next = 0;
        Ok(self.header.clone())
    }

    fn seek(&mut self, collection: &'static str) -> Result<bool, Error> {
        let first = self.places.iter().position(|(of, _)| *of == collection);
        self.next = first.unwrap_or(self.places.len());
        Ok(first.is_some())
    }

    fn next(&mut self) -> Result<SourceItem, Error> {
        Ok(match self.read()? {
            Some(record) => SourceItem::Record(record),
            None => SourceItem::End(self.summary.clone()),
        })
    }
}

/// The points of a backup, the newest first: at most `limit`. Those of an encrypted backup are in clear text; with `key`
/// they are compared with what is encrypted.
///
/// Errors: as [`BackupSource::open`].
pub async fn points(
    folder: &ObjectFolder,
    limit: usize,
    key: Option<&dyn BackupDecryption>,
) -> Result<Vec<BackupPoint>, Error> {
    let mut points = Vec::new();
    let mut before = None;
    while points.len() < limit
        && let Some(point) = find_point(folder, before, key).await?
    {
        before = Some(Timestamp::from_millis(point.at.as_millis() - 1));
        points.push(point);
    }
    Ok(points)
}
