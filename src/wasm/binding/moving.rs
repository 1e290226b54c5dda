//! Exports and imports as chunks of lines.

use std::io::{Cursor, Write};

use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::domain;
use crate::domain::cvm::EXECUTIONS;
use crate::engine::transfer::{Checked, Checking, LineReader, LineWriter, Progress, Selection, Source};
use crate::engine::{Engine, Error};
use crate::schema::Key;
use crate::wasm::calls::{self, ExportParams, ImportResult};

/// About how large the chunks are.
const CHUNK: usize = 256 * 1024;

/// Documents that are checked at once.
const CHECKED: usize = 16;

pub(super) async fn export(engine: &Engine, params: &str, sink: Function) -> Result<String, Error> {
    let ExportParams { execution } = calls::read("export", params)?;
    let one = |id: String| Selection::One(Key::new(&EXECUTIONS, &id));
    let selection = execution.map_or(Selection::All, one);
    let to = Chunks { sink, lines: Vec::new() };
    let mut writer = LineWriter::new(to, "the export").restarting(|chunks| chunks.restart());
    let summary = engine.export_of(&selection, &mut writer, |_| {}).await?;
    calls::write(&summary)
}

/// Gathers lines and hands them on.
struct Chunks {
    sink: Function,
    lines: Vec<u8>,
}

impl Chunks {
    fn restart(&mut self) -> std::io::Result<()> {
        self.lines.clear();
        self.give(&JsValue::NULL)
    }

    fn give(&self, chunk: &JsValue) -> std::io::Result<()> {
        self.sink.call1(&JsValue::NULL, chunk).map(drop).map_err(|thrown| std::io::Error::other(format!("{thrown:?}")))
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.lines.extend_from_slice(bytes);
        if self.lines.len() >= CHUNK && bytes.ends_with(b"\n") {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let lines = String::from_utf8(std::mem::take(&mut self.lines)).map_err(std::io::Error::other)?;
        if lines.is_empty() { Ok(()) } else { self.give(&lines.into()) }
    }
}

async fn checked<S: Source>(
    engine: &Engine,
    mut checking: Checking<'_, S>,
    tell: impl Fn(Progress),
) -> Result<Checked, Error> {
    loop {
        if let Some(checked) = checking.some(CHECKED, &tell)? {
            return Ok(checked);
        }
        engine.give_way().await;
    }
}

pub(super) async fn import(engine: &Engine, bytes: Vec<u8>, progress: Option<Function>) -> Result<String, Error> {
    let catalog = crate::engine::catalog(&domain::catalog().map_err(|e| Error::internal(e.to_string()))?)?;
    let tell = |at: Progress| {
        if let (Some(progress), Ok(at)) = (&progress, calls::write(&at)) {
            // Whoever looks on cannot stop it by failing.
            drop(progress.call1(&JsValue::NULL, &at.into()));
        }
    };
    let mut source = LineReader::new(Cursor::new(bytes), "the import", catalog.clone());
    let checked = checked(engine, Checking::begin(&mut source, &catalog)?, tell).await?;
    let imported = engine.import(&mut source, &checked, tell).await?;
    calls::write(&ImportResult::from(imported))
}
