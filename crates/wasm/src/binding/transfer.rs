//! Exports and imports as chunks of lines.

use std::io::{Cursor, Write};

use js_sys::Function;
use runstate_core::schema::{Catalog, Key};
use runstate_engine::{Engine, Error, Progress};
use runstate_js::to_js;
use runstate_transfer as transfer;
use runstate_transfer::{CheckedSource, ImportOptions, ImportSource, LineReader, LineWriter, Selection, SourceChecker};
use wasm_bindgen::prelude::*;

use crate::calls::{self, ExportOptions, ImportChoices};

/// Approximate size of a chunk, in bytes.
const CHUNK: usize = 256 * 1024;

/// Documents checked between two yields.
const CHECKED_DOCUMENTS: usize = 16;

pub(super) async fn export(engine: &Engine, params: &str, sink: Function) -> Result<JsValue, Error> {
    let selection = match calls::options_from_text("export", params)? {
        ExportOptions { collection: None, id: None } => Selection::All,
        ExportOptions { collection: Some(collection), id: Some(id) } => {
            Selection::One(Key { collection: collection.into(), id: id.into() })
        }
        _ => return Err(calls::usage("export: pass `collection` and `id` together, or neither")),
    };
    let output = ChunkWriter { sink, lines: Vec::new() };
    let mut writer = LineWriter::new(output, "the export").with_restart(|chunks| chunks.restart());
    let summary = transfer::export_selection(engine, &selection, &mut writer, |_| {}).await?;
    to_js(&summary)
}

/// Collects lines, and passes them to JavaScript in chunks.
struct ChunkWriter {
    sink: Function,
    lines: Vec<u8>,
}

impl ChunkWriter {
    fn restart(&mut self) -> std::io::Result<()> {
        self.lines.clear();
        self.send(&JsValue::NULL)
    }

    fn send(&self, chunk: &JsValue) -> std::io::Result<()> {
        self.sink.call1(&JsValue::NULL, chunk).map(drop).map_err(|thrown| std::io::Error::other(format!("{thrown:?}")))
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.lines.extend_from_slice(bytes);
        if self.lines.len() >= CHUNK && bytes.ends_with(b"\n") {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let lines = String::from_utf8(std::mem::take(&mut self.lines)).map_err(std::io::Error::other)?;
        if lines.is_empty() { Ok(()) } else { self.send(&lines.into()) }
    }
}

async fn check_in_steps<S: ImportSource>(
    engine: &Engine,
    mut checker: SourceChecker<'_, S>,
    report: impl Fn(Progress),
) -> Result<CheckedSource, Error> {
    loop {
        if let Some(checked) = checker.advance(CHECKED_DOCUMENTS, &report)? {
            return Ok(checked);
        }
        engine.yield_now().await;
    }
}

pub(super) async fn import(
    engine: &Engine,
    bytes: Vec<u8>,
    params: &str,
    progress: Option<Function>,
) -> Result<JsValue, Error> {
    let options = ImportOptions::from(calls::options_from_text::<ImportChoices>("import", params)?);
    let catalog = Catalog::clone(&engine.catalog());
    let report = |event: Progress| {
        if let (Some(progress), Ok(event)) = (&progress, to_js(&event)) {
            // An error of the listener does not stop the import.
            drop(progress.call1(&JsValue::NULL, &event));
        }
    };
    let mut source = LineReader::new(Cursor::new(bytes), "the import", catalog.clone());
    let checked = check_in_steps(engine, SourceChecker::begin(&mut source, &catalog)?, report).await?;
    let imported = transfer::import_with(engine, &mut source, &checked, &options, report).await?;
    to_js(&imported)
}
