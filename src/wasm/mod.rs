//! The wasm-bindgen exports: conversions only. Commands come in and results go out as JSON text.

#[cfg(feature = "file")]
mod files;
mod panics;

use std::sync::Arc;

use wasm_bindgen::prelude::*;

use crate::domain;
use crate::domain::cvm::{Claim, Fail, Load, Start};
use crate::engine::{Engine, Error, Pace, SystemHost, open};
use crate::limits::Settings;
use crate::time::Millis;
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
    pub async fn answer(
        &self,
        execution: String,
        call: Option<String>,
        answer: String,
        by: Option<String>,
    ) -> Result<String, JsValue> {
        let answer: Json = read(&answer)?;
        write(self.engine.cvm().answer(&execution, call.as_deref(), answer, by, None).await)
    }

    /// Answers the call under a key, asked already or not.
    #[wasm_bindgen(js_name = answerKey)]
    pub async fn answer_key(
        &self,
        execution: String,
        key: String,
        occurrence: u32,
        answer: String,
        by: Option<String>,
    ) -> Result<String, JsValue> {
        let answer: Json = read(&answer)?;
        write(self.engine.cvm().answer_key(&execution, &key, u64::from(occurrence), answer, by, None).await)
    }

    /// Lets an execution rest.
    pub async fn pause(&self, execution: String) -> Result<String, JsValue> {
        write(self.engine.cvm().pause(&execution, None).await)
    }

    /// Lets a resting execution go on.
    pub async fn unpause(&self, execution: String) -> Result<String, JsValue> {
        write(self.engine.cvm().unpause(&execution, None).await)
    }

    /// Ends an execution for good.
    pub async fn cancel(&self, execution: String) -> Result<String, JsValue> {
        write(self.engine.cvm().cancel(&execution, None).await)
    }

    /// Lets a failed execution go on at the failing instruction.
    pub async fn retry(&self, execution: String) -> Result<String, JsValue> {
        write(self.engine.cvm().retry(&execution, None).await)
    }

    /// Removes a finished execution with all its rows.
    pub async fn delete(&self, execution: String) -> Result<(), JsValue> {
        self.engine.cvm().delete(&execution, None).await.map_err(thrown)
    }

    /// Hands one open call to a worker: `{ of: { kinds } | { call }, owner, lease }`.
    pub async fn claim(&self, claim: String) -> Result<String, JsValue> {
        let Claim { of, owner, lease, .. } = read(&claim)?;
        write(self.engine.cvm().claim_as(of, &owner, lease, None).await)
    }

    /// Tells that a claimed call is still worked on, for `lease` milliseconds from now.
    pub async fn heartbeat(&self, claimed: String, lease: f64) -> Result<String, JsValue> {
        #[expect(clippy::cast_possible_truncation, reason = "a lease is whole milliseconds, and bounded")]
        let lease = Millis(lease as i64);
        write(self.engine.cvm().heartbeat(&read(&claimed)?, lease).await)
    }

    /// Gives a claimed call its answer.
    pub async fn complete(&self, claimed: String, answer: String, by: Option<String>) -> Result<String, JsValue> {
        let answer: Json = read(&answer)?;
        write(self.engine.cvm().complete(&read(&claimed)?, answer, by, None).await)
    }

    /// Tells that a claimed call could not be done: `{ execution, call, token, message, name?, retry?, by? }`.
    pub async fn fail(&self, fail: String) -> Result<String, JsValue> {
        let fail: Fail = read(&fail)?;
        write(self.engine.cvm().fail(&fail, None).await)
    }

    /// Gives a claimed call back.
    pub async fn release(&self, claimed: String) -> Result<(), JsValue> {
        self.engine.cvm().release(&read(&claimed)?).await.map_err(thrown)
    }

    /// Does what is due now, for at most `limit` executions.
    #[wasm_bindgen(js_name = runDue)]
    pub async fn run_due(&self, limit: u32) -> Result<String, JsValue> {
        write(self.engine.cvm().run_due(limit, Pace::Stop).await)
    }

    /// When something is due next, or null.
    #[wasm_bindgen(js_name = nextDue)]
    pub async fn next_due(&self) -> Result<String, JsValue> {
        write(self.engine.cvm().next_due().await)
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
