//! A worker linked into an application: a program asks a model and a tool, and two functions answer.
//!
//! `cargo run -p runstate --example worker --features compiler`

use runstate::client::Cvm;
use runstate::domain::cvm::Work;
use runstate::engine::Error;
use runstate::value::Json;
use runstate::work::{Failure, Task, WorkerEvent};

const SOURCE: &str = r#"
    const city = CC("Which city?", { choices: ["Oslo", "Rome"] });
    const weather = call("weather", { city });
    console.log(`${city}: ${weather.degrees} degrees`);
"#;

/// A substitute for a model. A real handler would send the prompt to one.
async fn model(task: Task<Work>) -> Result<Json, Failure> {
    match task.work.call.choices {
        Some(choices) => choices.into_iter().next_back().ok_or_else(|| Failure::new("nothing to choose from")),
        None => Ok("I do not know".into()),
    }
}

/// A tool. `?` turns any error into a failure that is retried.
async fn weather(task: Task<Work>) -> Result<Json, Failure> {
    let city = task.work.call.args["city"].as_str().ok_or_else(|| Failure::permanent("no city is named"))?;
    let degrees: i32 = if city == "Rome" { "27" } else { "9" }.parse()?;
    Ok(serde_json::json!({ "degrees": degrees }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // Any number of worker processes can share `file:DIR`.
    let cvm = Cvm::new(&runstate::open("memory:").await?);
    cvm.load_source("trip", SOURCE).await?;
    let run = cvm.start("trip").await?;

    let worker =
        cvm.worker("example").handle("cc", 4, model).handle("weather", 4, weather).on_event(|event| match event {
            WorkerEvent::Answered { work, took, .. } => println!("answered {} in {} ms", work.call.kind, took.0),
            WorkerEvent::Failed { work, failure, .. } => println!("failed {}: {}", work.call.kind, failure.message),
            _ => {}
        });
    // A service would call `worker.run(ctrl_c)`, which serves calls until it is stopped and then lets running calls
    // finish.
    worker.drain().await?;

    println!("it said: {}", run.output().await?.join("\n"));
    Ok(())
}
