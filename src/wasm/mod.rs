//! The wasm-bindgen exports: conversions only. Commands come in and results go out as JSON text.

#[cfg(feature = "file")]
mod files;
mod panics;

use std::sync::Arc;

use wasm_bindgen::prelude::*;

use crate::domain;
use crate::domain::cvm::{Load, Start};
use crate::engine::{Engine, Error, SystemHost, open};
use crate::limits::Settings;
use crate::value::Json;

#[cfg(feature = "file")]
pub use files::provide_files;
pub use panics::show_panics;

/// The version of this library.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// An open store with its engine.
#[wasm_bindgen]
pub struct Runstate {
    engine: Engine,
}

#[wasm_bindgen]
impl Runstate {
    /// Opens the store that `url` names.
    pub async fn open(url: String) -> Result<Runstate, JsValue> {
        let store = open::open(&url).await.map_err(thrown)?;
        let catalog = domain::catalog().map_err(|e| thrown(Error::internal(e.to_string())))?;
        let engine = Engine::new(store, Arc::new(SystemHost), catalog, Settings::default()).await.map_err(thrown)?;
        Ok(Self { engine })
    }

    /// Loads a program: `{ name, source, bytecode, compiler }`.
    pub async fn load(&self, load: String) -> Result<String, JsValue> {
        let load: Load = read(&load)?;
        write(self.engine.cvm().load(&load, None).await)
    }

    /// Starts a program: `{ program, id?, input? }`.
    pub async fn start(&self, start: String) -> Result<String, JsValue> {
        let start: Start = read(&start)?;
        write(self.engine.cvm().start(&start, None).await)
    }

    /// Runs an execution that was left running on to its next stop.
    pub async fn next(&self, execution: String) -> Result<String, JsValue> {
        write(self.engine.cvm().next(&execution, None).await)
    }

    /// Answers a call with a plain value, as JSON text.
    pub async fn answer(&self, execution: String, call: Option<String>, answer: String) -> Result<String, JsValue> {
        let answer: Json = read(&answer)?;
        write(self.engine.cvm().answer(&execution, call.as_deref(), answer, None, None).await)
    }

    /// All of an execution.
    pub async fn show(&self, execution: String) -> Result<String, JsValue> {
        write(self.engine.cvm().show(&execution).await)
    }

    /// Ends the use of the store; every later call is refused, closing again is fine.
    pub async fn close(&self) -> Result<(), JsValue> {
        self.engine.store().close().await.map_err(|e| thrown(e.into()))
    }
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, JsValue> {
    serde_json::from_str(text).map_err(|e| thrown(Error::new(crate::code::Code::Usage, e.to_string())))
}

fn write<T: serde::Serialize>(result: Result<T, Error>) -> Result<String, JsValue> {
    let value = result.map_err(thrown)?;
    serde_json::to_string(&value).map_err(|e| thrown(Error::internal(e.to_string())))
}

/// The error as JSON text; the package's face makes a `RunstateError` of it.
fn thrown(error: Error) -> JsValue {
    JsValue::from_str(&serde_json::to_string(&error).unwrap_or(error.message))
}
