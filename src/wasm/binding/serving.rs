//! Workers whose handlers are JavaScript.

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::promise::promised;
use crate::engine::{Engine, Error};
use crate::value::{self, Json};
use crate::wasm::calls::{self, HandlerFailed, WorkerParams};
use crate::work::{Failure, Signal, Task, Worker};

#[wasm_bindgen]
extern "C" {
    type AbortController;

    #[wasm_bindgen(constructor)]
    fn new() -> AbortController;

    #[wasm_bindgen(method, getter)]
    fn signal(this: &AbortController) -> JsValue;

    #[wasm_bindgen(method)]
    fn abort(this: &AbortController);
}

/// A worker at work. To let go of it does not stop it.
#[wasm_bindgen]
pub struct Serving {
    stop: Signal,
    done: Promise,
}

#[wasm_bindgen]
impl Serving {
    /// Claims nothing more; resolves when what runs has ended or was given back.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn stop(&self) -> Promise {
        self.stop.set();
        self.done.clone()
    }

    /// Resolves when it has ended; rejects where it could not go on.
    #[wasm_bindgen(getter, unchecked_return_type = "Promise<void>")]
    pub fn done(&self) -> Promise {
        self.done.clone()
    }
}

pub(super) fn serve(
    engine: &Engine,
    options: &str,
    handler: Function,
    told: Option<Function>,
) -> Result<Serving, Error> {
    let worker = worker(engine, calls::read("worker", options)?, &handler, told);
    let stop = Signal::default();
    let stopped = stop.clone();
    let done = promised(async move {
        worker.run(async move { stopped.wait().await }).await?;
        Ok(JsValue::UNDEFINED)
    });
    Ok(Serving { stop, done })
}

fn worker(engine: &Engine, options: WorkerParams, handler: &Function, told: Option<Function>) -> Worker {
    let WorkerParams { owner, kinds, lease_ms, backoff, runs_due, grace_ms } = options;
    let owner = owner.unwrap_or_else(|| format!("worker-{}", engine.new_command_id()));
    let mut worker = Worker::new(engine.cvm(), owner);
    for (kind, concurrency) in kinds {
        let handler = handler.clone();
        worker = worker.handle(kind, concurrency, move |task| handled(handler.clone(), task));
    }
    if let Some(lease) = lease_ms {
        worker = worker.lease(lease);
    }
    if let Some(backoff) = backoff {
        worker = worker.backoff(backoff.into());
    }
    if let Some(grace) = grace_ms {
        worker = worker.grace(grace);
    }
    if runs_due == Some(false) {
        worker = worker.without_due();
    }
    if let Some(told) = told {
        worker = worker.on_told(move |event| {
            if let Ok(event) = calls::write(event) {
                // A listener that fails is its own affair: the worker goes on.
                drop(told.call1(&JsValue::NULL, &event.into()));
            }
        });
    }
    worker
}

/// Aborts unless the handler has ended: it is dropped where the call is no longer its own.
struct Aborting {
    controller: AbortController,
    ended: bool,
}

impl Drop for Aborting {
    fn drop(&mut self) {
        if !self.ended {
            self.controller.abort();
        }
    }
}

async fn handled(handler: Function, task: Task) -> Result<Json, Failure> {
    let work = calls::write(&task.work)?;
    let mut aborting = Aborting { controller: AbortController::new(), ended: false };
    let signal = aborting.controller.signal();
    let answer = match handler.call3(&JsValue::NULL, &(&task.work.call.kind).into(), &work.into(), &signal) {
        Ok(promise) => JsFuture::from(Promise::resolve(&promise)).await,
        Err(thrown) => Err(thrown),
    };
    aborting.ended = true;
    match answer {
        Ok(answer) => read_answer(&answer),
        Err(thrown) => Err(failure(&thrown)),
    }
}

fn read_answer(answer: &JsValue) -> Result<Json, Failure> {
    let text = answer.as_string().ok_or_else(|| Failure::new("the handler gave no JSON text"))?;
    Ok(value::parse(&text)?)
}

fn failure(thrown: &JsValue) -> Failure {
    let Some(text) = thrown.as_string() else { return Failure::new(format!("the handler failed: {thrown:?}")) };
    match calls::read("the handler", &text) {
        Ok(HandlerFailed { message, name, is_final }) => Failure { message, name, retry: is_final != Some(true) },
        Err(_) => Failure::new(text),
    }
}
