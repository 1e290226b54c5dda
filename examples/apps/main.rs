//! A pipeline of six steps that a Rust worker and a Node worker run together: see README.md beside this file.
//!
//! `cargo run -p runstate --example content_pipeline -- file:content otters`

mod steps;

use std::path::PathBuf;
use std::time::Duration;

use runstate::engine::{Engine, Error};
use runstate::value::Json;
use serde_json::json;

/// The number of the app.
const APP: i64 = 1;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let store = arguments.next().unwrap_or_else(|| "file:content".to_owned());
    let topic = arguments.next().unwrap_or_else(|| "otters".to_owned());
    let engine = runstate::open(&store).await?;

    let configuration: Json = serde_json::from_str(include_str!("pipeline.json")).map_err(invalid)?;
    let version = json!({"appName": "content", "version": "1.0.0", "configuration": configuration, "activate": true, "appId": APP});
    call(&engine, "apps.configuration.save", version).await?;
    let start = json!({"appId": APP, "userId": "ada", "input": {"topic": topic, "illustrated": true}});
    let id = call(&engine, "apps.execution.start", start).await?["id"].clone();
    println!("execution {id} started; the steps draft, review and announce wait for: node worker.mjs {store}");

    let worker = steps::worker(&engine, PathBuf::from("published"));
    worker.run(print_until_end(&engine, &id)).await
}

async fn call(engine: &Engine, name: &str, parameters: Json) -> Result<Json, Error> {
    engine.call(name, parameters.as_object().cloned().unwrap_or_default()).await
}

fn invalid(error: serde_json::Error) -> Error {
    Error::internal(error.to_string())
}

/// Prints each change of a step until the execution has ended.
async fn print_until_end(engine: &Engine, id: &Json) {
    let mut printed = Vec::new();
    loop {
        let shown = call(engine, "apps.execution.show", json!({"id": id})).await;
        let steps = call(engine, "apps.execution.steps", json!({"id": id})).await;
        let (Ok(shown), Ok(Json::Array(steps))) = (shown, steps) else { return };
        for step in steps {
            let line = format!("{} {} {}", step["stepName"], step["status"], step["error"]["message"]);
            if !printed.contains(&line) {
                println!("  {line}");
                printed.push(line);
            }
        }
        if shown["status"] != "running" {
            return println!("{}", shown["status"]);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
