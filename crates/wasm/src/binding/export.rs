//! Exports as chunks of lines.

use std::io::Write;

use js_sys::Function;
use runstate_core::schema::Key;
use runstate_engine::{Engine, Error};
use runstate_js::to_js;
use runstate_transfer as transfer;
use runstate_transfer::{LineWriter, Selection};
use wasm_bindgen::prelude::*;

use crate::calls::{self, ExportOptions};

/// Approximate size of a chunk, in bytes.
const CHUNK: usize = 256 * 1024;

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
