//! Workers serve the steps of executions.

use std::sync::{Arc, Mutex};

use runstate::domain::apps::{DOMAIN, StepWork};
use runstate::engine::Engine;
use runstate::store::Memory;
use runstate::testing::TimedHost;
use runstate::value::Json;
use runstate::work::{Failure, Task, Worker};
use serde_json::json;

#[test]
fn a_worker_runs_an_execution_to_its_end() {
    let host = TimedHost::default();
    let engine = host.block_on(Engine::new(Arc::new(Memory::new()), Arc::new(host.clone()), &[&DOMAIN])).unwrap();
    let call = |name: &str, parameters: Json| {
        host.block_on(engine.call(&format!("apps.{name}"), parameters.as_object().unwrap().clone())).unwrap()
    };
    let configuration = json!({"steps": [
        {"id": 1, "name": "fetch", "input": {"url": "$.input.url"}, "output": [{"name": "text"}], "retry": {"max_attempts": 3}},
        {"id": 2, "name": "count", "depends_on": [1], "input": {"text": "$.steps.1.output.text"}},
        {"id": 3, "name": "publish", "depends_on": [2], "when": {"value": "$.steps.2.output.words", "equals": 2}}
    ]});
    call(
        "configuration.save",
        json!({"appId": 1, "appName": "suite", "version": "1", "configuration": configuration, "activate": true}),
    );
    call("execution.start", json!({"appId": 1, "userId": "u", "id": "e", "input": {"url": "https://example.com"}}));
    let published: Arc<Mutex<Vec<Json>>> = Arc::default();
    let log = published.clone();
    let worker = Worker::new(&engine, "w")
        .handle("fetch", 1, async |task: Task<StepWork>| match task.attempt {
            1 => Err(Failure::new("no connection")),
            // Does not have the declared field.
            2 => Ok(json!({"body": ""})),
            _ => Ok(json!({"text": format!("hello {}", task.work.input["url"].as_str().unwrap())})),
        })
        .handle("count", 1, async |task: Task<StepWork>| {
            Ok(json!({"words": task.work.input["text"].as_str().unwrap().split(' ').count()}))
        })
        .handle("publish", 1, move |task: Task<StepWork>| {
            log.lock().unwrap().push(task.work.input.clone());
            async { Ok(Json::Null) }
        });
    host.block_on(worker.drain()).unwrap();
    let execution = call("execution.show", json!({"id": "e"}));
    assert_eq!(execution["status"], "completed", "{execution}");
    assert_eq!(*published.lock().unwrap(), [json!({"url": "https://example.com"})]);
    let steps = call("execution.steps", json!({"id": "e"}));
    assert_eq!((&steps[0]["retryCount"], &steps[1]["output"]["words"]), (&json!(2), &json!(2)));
}
