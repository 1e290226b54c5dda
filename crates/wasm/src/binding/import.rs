//! Imports of whole exports.

use std::io::Cursor;

use js_sys::{Function, Promise};
use runstate_core::schema::Catalog;
use runstate_engine::{Engine, Error, Progress};
use runstate_js::to_js;
use runstate_transfer as transfer;
use runstate_transfer::{CheckedSource, ImportOptions, ImportSource, LineReader, SourceChecker};
use wasm_bindgen::prelude::*;

use super::handle::Runstate;
use super::promise::to_promise;
use crate::calls::{self, ImportChoices};

/// Documents checked between two yields.
const CHECKED_DOCUMENTS: usize = 16;

#[wasm_bindgen]
impl Runstate {
    /// Writes the lines of an export into the store; resolves to the result. `params` is `ImportChoices` as JSON;
    /// `progress(event)` receives the progress.
    #[wasm_bindgen(unchecked_return_type = "Promise<ImportResult>")]
    pub fn import(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Uint8Array")] bytes: Vec<u8>,
        params: String,
        #[wasm_bindgen(unchecked_optional_param_type = "(event: Progress) => void")] progress: Option<Function>,
    ) -> Promise {
        let engine = self.engine.clone();
        to_promise(async move { import(&engine, bytes, &params, progress).await })
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

async fn import(engine: &Engine, bytes: Vec<u8>, params: &str, progress: Option<Function>) -> Result<JsValue, Error> {
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
