//! Workers with JavaScript handlers.

use js_sys::{Function, Promise};
use runstate::domain;
use runstate_core::error_code::ErrorCode;
use runstate_core::operation::WorkItemVisitor;
use runstate_engine::work::{Failure, Signal, Task, WorkItem, Worker};
use runstate_engine::{Engine, Error};
use runstate_js::to_js;
use runstate_value::{self as value, Json};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::promise::to_promise;
use crate::calls::{self, HandlerFailure, WorkerOptions};

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

/// A running worker. Dropping the handle does not stop it.
#[wasm_bindgen]
pub struct WorkerHandle {
    stop: Signal,
    done: Promise,
}

#[wasm_bindgen]
impl WorkerHandle {
    /// Stops claiming; resolves when the running calls have ended or were released.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn stop(&self) -> Promise {
        self.stop.set();
        self.done.clone()
    }

    /// Resolves when the worker has ended; rejects if it could not continue.
    #[wasm_bindgen(getter, unchecked_return_type = "Promise<void>")]
    pub fn done(&self) -> Promise {
        self.done.clone()
    }
}

pub(super) fn start_worker(
    engine: &Engine,
    items: &str,
    options: &str,
    handler: Function,
    listener: Option<Function>,
) -> Result<WorkerHandle, Error> {
    let method = format!("{}.worker", items.split('.').next().unwrap_or_default());
    let options: WorkerOptions = calls::options_from_text(&method, options)?;
    let start = WorkerStart { engine, method, options, handler, listener };
    domain::visit_work_items(items, start).unwrap_or_else(|| {
        let message = format!("workers claim nothing in `{items}`: this build of runstate does not have that domain");
        Err(Error::new(ErrorCode::UNSUPPORTED, message))
    })
}

/// Starts a worker for items of any type.
struct WorkerStart<'a> {
    engine: &'a Engine,
    /// The method of the caller, for errors.
    method: String,
    options: WorkerOptions,
    handler: Function,
    listener: Option<Function>,
}

impl WorkItemVisitor for WorkerStart<'_> {
    type Output = Result<WorkerHandle, Error>;

    fn visit<W: WorkItem>(self) -> Self::Output {
        let worker = build_worker::<W>(self.engine, self.options, &self.handler, self.listener);
        // The caller may never wait for the end of the worker.
        worker.check().map_err(|error| Error::new(ErrorCode::USAGE, format!("{}: {error}", self.method)))?;
        let stop = Signal::default();
        let stopped = stop.clone();
        let done = to_promise(async move {
            worker.run(async move { stopped.wait().await }).await?;
            Ok(JsValue::UNDEFINED)
        });
        Ok(WorkerHandle { stop, done })
    }
}

fn build_worker<W: WorkItem>(
    engine: &Engine,
    options: WorkerOptions,
    handler: &Function,
    listener: Option<Function>,
) -> Worker<W> {
    let WorkerOptions { owner, kinds, lease, backoff, runs_due, grace, max_handler, final_answers } = options;
    let owner = owner.unwrap_or_else(|| format!("worker-{}", engine.new_command_id()));
    let mut worker = Worker::new(engine, owner);
    for (kind, concurrency) in kinds {
        let handler = handler.clone();
        worker = worker.handle(kind, concurrency as usize, move |task| run_handler(handler.clone(), task));
    }
    if let Some(lease) = lease {
        worker = worker.lease(lease);
    }
    if let Some(backoff) = backoff {
        worker = worker.backoff(backoff);
    }
    if let Some(grace) = grace {
        worker = worker.grace(grace);
    }
    if let Some(limit) = max_handler {
        worker = worker.max_handler(limit);
    }
    if final_answers {
        worker = worker.with_final_answers();
    }
    if !runs_due {
        worker = worker.without_due();
    }
    if let Some(listener) = listener {
        worker = worker.on_event(move |event| {
            if let Ok(event) = to_js(event) {
                // An error of the listener does not stop the worker.
                drop(listener.call1(&JsValue::NULL, &event));
            }
        });
    }
    worker
}

/// Aborts the signal on drop, unless the handler has ended: the task is dropped when it loses its claim.
struct AbortGuard {
    controller: AbortController,
    ended: bool,
}

impl Drop for AbortGuard {
    fn drop(&mut self) {
        if !self.ended {
            self.controller.abort();
        }
    }
}

async fn run_handler<W: WorkItem>(handler: Function, task: Task<W>) -> Result<Json, Failure> {
    let work = to_js(&task.work)?;
    let mut guard = AbortGuard { controller: AbortController::new(), ended: false };
    let signal = guard.controller.signal();
    let answer = match handler.call3(&JsValue::NULL, &task.work.kind().into(), &work, &signal) {
        Ok(promise) => JsFuture::from(Promise::resolve(&promise)).await,
        Err(thrown) => Err(thrown),
    };
    guard.ended = true;
    match answer {
        Ok(answer) => read_answer(&answer),
        Err(thrown) => Err(failure(&thrown)),
    }
}

fn read_answer(answer: &JsValue) -> Result<Json, Failure> {
    let text = answer.as_string().ok_or_else(|| Failure::new("the handler did not return JSON text"))?;
    Ok(value::parse_javascript(&text)?)
}

fn failure(thrown: &JsValue) -> Failure {
    let Some(text) = thrown.as_string() else { return Failure::new(format!("the handler failed: {thrown:?}")) };
    match calls::options_from_text::<HandlerFailure>("the handler", &text) {
        Ok(failure) => failure.into(),
        Err(_) => Failure::new(text),
    }
}
